/// Users and passwords by host, from a `netrc` file, as ftp, curl and wget read it.
///
///     machine media.example login anna password "a secret"
///     default login guest password guest
///
/// Macros (`macdef`) are passed over; `account` is, too. Words may be quoted, with `\\`, `\"`, `\n`, `\r` and `\t` as curl has
/// them. A `#` begins a comment where a word would begin.
package struct Netrc: Sendable {
    /// Longest file that is looked at, in bytes.
    package static let maximumLength = 1 << 20

    package struct Entry: Sendable, Hashable {
        /// In lower case; nil for any host.
        package let host: String?
        package var user = ""
        package var password = ""
    }

    package private(set) var entries: [Entry] = []

    package init(_ text: String) {
        var entry: Entry?
        var key: String?
        var isInMacro = false
        for line in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) {
            if isInMacro {
                isInMacro = !line.allSatisfy(\.isWhitespace)
                continue
            }
            for word in Self.words(of: line) {
                if let pending = key {
                    key = nil
                    switch pending {
                    case "machine":
                        if let entry { entries.append(entry) }
                        entry = Entry(host: word.lowercased())
                    case "login": entry?.user = word
                    case "password": entry?.password = word
                    case "macdef": isInMacro = true
                    default: break
                    }
                    continue
                }
                switch word {
                case "default":
                    if let entry { entries.append(entry) }
                    entry = Entry(host: nil)
                case "machine", "login", "password", "account", "macdef": key = word
                default: break
                }
            }
        }
        if let entry { entries.append(entry) }
    }

    /// Who to be at a host: of the first entry for it, or else for any.
    ///
    /// - Parameter user: only an entry of this user will do.
    package func entry(for host: String, user: String? = nil) -> Entry? {
        let host = host.lowercased()
        return entries.first { ($0.host == nil || $0.host == host) && (user == nil || $0.user == user) }
    }

    private static func words(of line: Substring) -> [String] {
        var words: [String] = []
        var rest = line[...]
        while let first = rest.first {
            if first.isWhitespace {
                rest.removeFirst()
            } else if first == "#" {
                break
            } else if first == "\"" {
                rest.removeFirst()
                var word = ""
                while let next = rest.popFirst(), next != "\"" {
                    guard next == "\\", let escaped = rest.popFirst() else {
                        word.append(next)
                        continue
                    }
                    word.append(["n": "\n", "r": "\r", "t": "\t"][escaped] ?? escaped)
                }
                words.append(word)
            } else {
                let word = rest.prefix { !$0.isWhitespace }
                words.append(String(word))
                rest = rest[word.endIndex...]
            }
        }
        return words
    }
}

/// Where a user and a password may come from, for messages that ask for them.
package let passwordPlaces =
    "give them with --netrc, in THROUGHLINE_USER and THROUGHLINE_PASSWORD, or in the URL: //user:password@host/"

/// A URL with a user and a password in it, percent-encoded; those that it names itself stay.
package func withCredentials(_ url: String, user: String, password: String) -> String {
    guard let separator = url.firstRange(of: "://") else { return url }
    let authority = url[separator.upperBound...].prefix { !"/?#".contains($0) }
    guard !authority.contains("@") else { return url }
    func encoded(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF")
        return text.utf8.reduce(into: "") { result, byte in
            let scalar = Character(Unicode.Scalar(byte))
            if byte < 0x80, scalar.isLetter || scalar.isNumber || "-._~".contains(scalar) {
                result.append(scalar)
            } else {
                result += "%\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
            }
        }
    }
    return url[..<separator.upperBound] + encoded(user) + ":" + encoded(password) + "@" + url[separator.upperBound...]
}

/// The host that a URL names, without brackets, user and port; nil where it names none.
package func hostName(of url: String) -> String? {
    guard let separator = url.firstRange(of: "://") else { return nil }
    var authority = url[separator.upperBound...].prefix { !"/?#".contains($0) }
    if let at = authority.lastIndex(of: "@") { authority = authority[authority.index(after: at)...] }
    if authority.hasPrefix("[") { return authority.firstIndex(of: "]").map { String(authority[..<$0].dropFirst()) } }
    let host = authority.prefix { $0 != ":" }
    return host.isEmpty ? nil : String(host)
}
