internal import ThroughlineCore
internal import ThroughlineProtocols

extension Origin {
    /// What is wrong with the URL, behind its name: `is empty`. Nil for good ones and for paths.
    var addressMistake: String? {
        if url.isEmpty { return "is empty" }
        if url.utf8.count > 8192 { return "is longer than 8192 bytes" }
        if url.utf8.contains(0) { return "holds a zero byte" }
        let shown = redacted(url)
        let letters = url.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || "+-.".contains($0)) }
        let scheme = letters.lowercased()
        let rest = url[letters.endIndex...]
        guard rest.hasPrefix(":"), letters.first?.isLetter ?? false else { return nil }
        guard IngestKind.schemes.contains(scheme) else {
            // A file may have a colon in its name.
            guard rest.hasPrefix("://") else { return nil }
            return "is \(shown): the scheme '\(scheme)' is not known; use http, https, rtsp, rtsps or file"
        }
        if scheme == "file" {
            return rest.hasPrefix(":/") && (!rest.hasPrefix("://") || LocalAddress(url) != nil)
                ? nil : "is no URL of a file here: \(shown); write file:///path, or the path alone"
        }
        guard rest.hasPrefix("://") else { return "is no URL: \(shown); write \(scheme)://host/path" }
        let authority = rest.dropFirst(3).prefix { !"/?#".contains($0) }
        let host = authority.lastIndex(of: "@").map { authority[authority.index(after: $0)...] } ?? authority
        return Self.hostMistake(host).map { "is no URL: \(shown): \($0); write \(scheme)://host/path" }
    }

    private static func hostMistake(_ host: Substring) -> String? {
        var port: Substring?
        if host.hasPrefix("[") {
            guard let end = host.firstIndex(of: "]"), end > host.index(after: host.startIndex) else {
                return "the address in brackets does not end"
            }
            let rest = host[host.index(after: end)...]
            guard rest.isEmpty || rest.hasPrefix(":") else { return "there is more behind the address in brackets" }
            port = rest.dropFirst()
        } else {
            let parts = host.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count <= 2 else { return "an IPv6 address stands in brackets" }
            guard let name = parts.first, !name.isEmpty else { return "it names no host" }
            guard
                name.unicodeScalars.allSatisfy({
                    $0.value > 0x20 && $0.value != 0x7f && !"<>\"\\^`{|}".unicodeScalars.contains($0)
                })
            else { return "the host has a character that no host has" }
            port = parts.count == 2 ? parts[1] : nil
        }
        // An empty port is the usual one (RFC 3986 section 3.2.3).
        guard let port, !port.isEmpty else { return nil }
        guard port.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(port), (1...65535).contains(number)
        else { return "the port is a number from 1 to 65535" }
        return nil
    }
}
