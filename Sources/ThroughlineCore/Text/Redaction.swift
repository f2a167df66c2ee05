/// A URL for messages and reports: without what may be secret, which is its user and password, its query and its
/// fragment. At most 256 characters, and no control characters.
///
/// A text without a scheme may be the path of a file, which has neither query nor fragment; it loses no more than a
/// user and a password in front.
package func redacted(_ url: String) -> String {
    var rest = Substring(url)
    var scheme = ""
    var query = ""
    if let separator = rest.firstRange(of: "://") {
        scheme = String(rest[..<separator.upperBound])
        rest = rest[separator.upperBound...]
        if let fragment = rest.firstIndex(of: "#") { rest = rest[..<fragment] }
        if let mark = rest.firstIndex(of: "?") {
            query = "?..."
            rest = rest[..<mark]
        }
    }
    let authority = rest.prefix { $0 != "/" }
    if let at = authority.lastIndex(of: "@"), !scheme.isEmpty || authority[..<at].contains(":") {
        rest = rest[rest.index(after: at)...]
    }
    return (scheme + rest + query).printable(limit: 256)
}

/// The arguments of a command for reports: URLs as `redacted` leaves them, and of header fields, users and passwords
/// no more than the name in front.
package func redactedArguments(_ arguments: [String]) -> [String] {
    let secretOptions = ["--header", "--auth"]
    func withoutValue(_ text: Substring) -> String {
        let name = text.prefix { $0 != ":" && $0 != " " }
        return name + (name.endIndex == text.endIndex ? "" : ":...")
    }
    // What stands behind a misspelt --header, too.
    func isField(_ text: String) -> Bool {
        guard let colon = text.firstRange(of: ": ") else { return false }
        return !text[..<colon.lowerBound].contains { $0.isWhitespace || $0 == "/" }
    }
    var isSecret = false
    return arguments.map { argument in
        defer { isSecret = secretOptions.contains(argument) }
        if isSecret || isField(argument) { return withoutValue(argument[...]).printable(limit: 256) }
        if argument.hasPrefix("--"), let sign = argument.firstIndex(of: "=") {
            let (name, value) = (argument[..<sign], argument[argument.index(after: sign)...])
            let shown = secretOptions.contains(String(name)) ? withoutValue(value) : redacted(String(value))
            return ("\(name)=" + shown).printable(limit: 256)
        }
        return redacted(argument)
    }
}

/// A text in which URLs may stand, such as another library's message, without users and passwords in them.
package func withoutPasswords(_ text: String) -> String {
    var (shown, rest) = ("", text[...])
    while let separator = rest.firstRange(of: "://") {
        shown += rest[..<separator.upperBound]
        rest = rest[separator.upperBound...]
        let authority = rest.prefix { !$0.isWhitespace && !"/?#'\"<>".contains($0) }
        if let at = authority.lastIndex(of: "@") { rest = rest[rest.index(after: at)...] }
    }
    return shown + rest
}

extension StringProtocol {
    /// For messages: at most `limit` characters, control characters replaced.
    package func printable(limit: Int) -> String {
        let shown = String(
            String.UnicodeScalarView(
                prefix(limit).unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7f ? "?" : $0 }
            ))
        return dropFirst(limit).isEmpty ? shown : shown + "..."
    }
}

/// Behind the address that a redirect leads to, where it may not.
package let strangeHost = "a host that was not given; where you trust it, name that address as the origin"
