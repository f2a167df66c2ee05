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
