/// The parts of a URL or of a relative reference (RFC 3986), taken as they stand; nothing is refused and nothing
/// decoded.
///
/// A scheme counts only before `//`: in the URLs of media servers `camera:554/live` is a host and a port.
struct URLReference: Hashable, Sendable {
    /// Without the colon.
    var scheme: String?
    /// With user and port.
    var authority: String?
    var path: String
    /// Without the question mark.
    var query: String?
    var fragment: String?

    init(_ text: some StringProtocol) {
        let (beforeFragment, fragment) = Substring(text).trimmed.cut(at: UInt8(ascii: "#"))
        self.fragment = fragment.map(String.init)
        let (beforeQuery, query) = beforeFragment.cut(at: UInt8(ascii: "?"))
        self.query = query.map(String.init)
        var rest = beforeQuery
        let word = rest.utf8.prefix { $0.isLetter || $0.isDigit || $0 == 0x2B || $0 == 0x2D || $0 == 0x2E }
        let after = rest.utf8[word.endIndex...]
        if word.first?.isLetter == true, after.starts(with: "://".utf8) {
            scheme = String(Substring(word))
            rest = Substring(after.dropFirst())
        }
        if rest.utf8.starts(with: "//".utf8) {
            let host = rest.utf8.dropFirst(2).prefix { $0 != UInt8(ascii: "/") }
            authority = String(Substring(host))
            rest = rest[host.endIndex...]
        }
        path = String(rest)
    }

    /// Section 5.2. A base that is no absolute URL lends what it has.
    func resolved(against base: URLReference) -> URLReference {
        var result = self
        if scheme != nil {
            result.path = Self.withoutDots(path)
            return result
        }
        result.scheme = base.scheme
        if authority != nil {
            result.path = Self.withoutDots(path)
            return result
        }
        result.authority = base.authority
        if path.isEmpty {
            result.path = base.path
            result.query = query ?? base.query
        } else if path.utf8.first == UInt8(ascii: "/") {
            result.path = Self.withoutDots(path)
        } else {
            // Section 5.2.3.
            var directory = "/"
            if let slash = base.path.utf8.lastIndex(of: UInt8(ascii: "/")) {
                directory = String(base.path[...slash])
            }
            result.path = Self.withoutDots(directory + path)
        }
        return result
    }

    /// Section 5.2.4.
    private static func withoutDots(_ path: String) -> String {
        guard path.utf8.contains(UInt8(ascii: ".")) else { return path }
        let segments = path.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        var kept: [Substring] = []
        for (index, segment) in segments.enumerated() {
            let text = Substring(segment)
            let isLast = index == segments.count - 1
            if text == "." || text == ".." {
                // The empty segment before the first slash stays.
                if text == "..", kept.count > 1 || (kept.count == 1 && !kept[0].isEmpty) { kept.removeLast() }
                if isLast { kept.append("") }
            } else {
                kept.append(text)
            }
        }
        return kept.joined(separator: "/")
    }

    /// Host and port without the user.
    var host: String? {
        authority.map { authority in
            guard let at = authority.utf8.lastIndex(of: UInt8(ascii: "@")) else { return authority }
            return String(authority[authority.utf8.index(after: at)...])
        }
    }

    var withoutUser: URLReference {
        var result = self
        result.authority = host
        return result
    }

    /// The same for all spellings of a URL that servers mix up: case of scheme and host, user, default port, slash at
    /// the end, percent-encoding.
    var normalized: URLReference {
        var result = withoutUser
        result.scheme = scheme?.asciiLowercased
        result.fragment = nil
        if var host = result.authority?.asciiLowercased {
            let port = result.scheme == "rtsps" ? ":322" : ":554"
            if host.utf8.count > port.utf8.count, host.hasSuffix(port) {
                host = String(Substring(host.utf8.dropLast(port.utf8.count)))
            }
            result.authority = host
        }
        func plain(_ text: String) -> String {
            var bytes = text.percentDecoded[...]
            while bytes.last == UInt8(ascii: "/") { bytes.removeLast() }
            return String(decoding: bytes, as: UTF8.self)
        }
        result.path = plain(path)
        result.query = query.map(plain)
        return result
    }
}

extension URLReference: CustomStringConvertible {
    var description: String {
        var text = ""
        if let scheme { text += scheme + ":" }
        if let authority { text += "//" + authority }
        text += path
        if let query { text += "?" + query }
        if let fragment { text += "#" + fragment }
        return text
    }
}

extension String {
    /// What is not a percent sign with two digits stays as it is.
    package var percentDecoded: [UInt8] {
        let bytes = Array(utf8)
        var decoded: [UInt8] = []
        decoded.reserveCapacity(bytes.count)
        var index = 0
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "%"), index + 2 < bytes.count, let high = bytes[index + 1].hexValue,
                let low = bytes[index + 2].hexValue
            {
                decoded.append(high << 4 | low)
                index += 3
            } else {
                decoded.append(bytes[index])
                index += 1
            }
        }
        return decoded
    }
}
