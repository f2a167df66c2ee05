internal import CCurl
internal import ThroughlineCore

/// An `http` or `https` URL, taken apart by libcurl's own parser, so that what is checked is what is connected to.
struct HTTPAddress: Sendable {
    /// Longest URL taken, in bytes.
    static let maximumLength = 8192

    /// The URL, without user, password and fragment.
    let url: String
    let scheme: String
    /// In lower case.
    let host: String
    let port: Int
    /// From the URL, decoded.
    let user: String?
    let password: String?

    init(_ text: String) throws(TransportError) {
        try self.init(text, relativeTo: nil)
    }

    /// The target of a redirect, which may be relative (RFC 9110 section 10.2.2).
    init(_ location: String, relativeTo base: HTTPAddress) throws(TransportError) {
        try self.init(location, relativeTo: base.url)
    }

    private init(_ text: String, relativeTo base: String?) throws(TransportError) {
        let shown = "\"" + ThroughlineCore.redacted(text) + "\""
        guard text.utf8.count <= Self.maximumLength else {
            throw TransportError(.invalidURL, "a URL of \(text.utf8.count) bytes; \(Self.maximumLength) are allowed")
        }
        guard !text.isEmpty, text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) else {
            throw TransportError(.invalidURL, "\(shown) is not a URL: it is empty or holds control characters")
        }
        guard let handle = curl_url() else { throw TransportError(.other, "out of memory") }
        defer { curl_url_cleanup(handle) }
        if let base { curl_url_set(handle, CURLUPART_URL, base, 0) }
        let result = curl_url_set(handle, CURLUPART_URL, Self.encoded(text), UInt32(CURLU_NON_SUPPORT_SCHEME))
        guard result == CURLUE_OK else {
            throw TransportError(
                .invalidURL, "\(shown) is not a URL: \(String(cString: curl_url_strerror(result)))")
        }
        func part(_ part: CURLUPart, _ flags: Int32 = 0) -> String? {
            var text: UnsafeMutablePointer<CChar>?
            guard curl_url_get(handle, part, &text, UInt32(flags)) == CURLUE_OK, let text else { return nil }
            defer { curl_free(text) }
            return String(cString: text)
        }
        guard let scheme = part(CURLUPART_SCHEME)?.lowercased(), scheme == "http" || scheme == "https" else {
            throw TransportError(.unsupportedScheme, "\(shown): only http and https are spoken here")
        }
        user = part(CURLUPART_USER, CURLU_URLDECODE)
        password = part(CURLUPART_PASSWORD, CURLU_URLDECODE)
        for secret in [CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_OPTIONS, CURLUPART_FRAGMENT] {
            curl_url_set(handle, secret, nil, 0)
        }
        guard
            let host = part(CURLUPART_HOST), !host.isEmpty, let url = part(CURLUPART_URL),
            let port = part(CURLUPART_PORT, CURLU_DEFAULT_PORT).flatMap({ Int($0) })
        else { throw TransportError(.invalidURL, "\(shown) is not a URL: no host") }
        self.scheme = scheme
        self.host = host.lowercased()
        self.port = port
        self.url = url
    }

    /// The URL with what must not stand in a request's target (RFC 3986 appendix A) percent-encoded: spaces, quotes, other
    /// alphabets. What is encoded already stays as it is, and so does what names the host.
    private static func encoded(_ text: String) -> String {
        var rest = Substring(text)
        if let separator = rest.firstRange(of: "://"), rest[..<separator.lowerBound].allSatisfy({ $0.isLetter }) {
            rest = rest[separator.upperBound...]
        } else if rest.hasPrefix("//") {
            rest = rest.dropFirst(2)
        } else {
            return Substring(text).targetEncoded
        }
        let target = rest.firstIndex { "/?#".contains($0) } ?? rest.endIndex
        return text[..<target] + rest[target...].targetEncoded
    }

    /// Whether both name the same thing at the same place. Case of the host, the scheme's own port, and who asks
    /// make no difference.
    func isSame(as other: HTTPAddress) -> Bool {
        sharesHost(with: other) && scheme == other.scheme && target == other.target
    }

    private func sharesHost(with other: HTTPAddress) -> Bool { host == other.host && port == other.port }

    /// Where it is connected to.
    var place: String { "\(scheme)://\(host):\(port)" }

    /// Path and query.
    var target: Substring {
        let rest = url[(url.firstRange(of: "://")?.upperBound ?? url.startIndex)...]
        return rest[(rest.firstIndex { "/?".contains($0) } ?? rest.endIndex)...]
    }

    /// Whether what is secret to this address may be told to `other`: same scheme, host and port, or the step from
    /// HTTP to TLS on the usual ports.
    func sharesSecrets(with other: HTTPAddress) -> Bool {
        guard host == other.host else { return false }
        if scheme == other.scheme && port == other.port { return true }
        return scheme == "http" && port == 80 && other.scheme == "https" && other.port == 443
    }

    /// For messages: without user, password, and the query, which often holds a token.
    var redacted: String { ThroughlineCore.redacted(url) }
}

/// Whether two HTTP or HTTPS URLs name the same thing at the same place; nil where one of them is no such URL.
package func isSameHTTPResource(_ a: String, _ b: String) -> Bool? {
    guard let a = try? HTTPAddress(a), let b = try? HTTPAddress(b) else { return nil }
    return a.isSame(as: b)
}

extension Substring {
    /// Everything that RFC 3986 knows stays: unreserved, reserved, and what is percent-encoded. A percent sign that encodes
    /// nothing is encoded itself.
    fileprivate var targetEncoded: String {
        let digits = Array("0123456789ABCDEF".utf8)
        func isDigit(_ index: Index) -> Bool {
            index < utf8.endIndex && Character(Unicode.Scalar(utf8[index])).isHexDigit
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(utf8.count)
        for index in utf8.indices {
            let byte = utf8[index]
            let next = utf8.index(after: index)
            let isLonePercent =
                byte == UInt8(ascii: "%")
                && !(isDigit(next) && isDigit(utf8.index(next, offsetBy: 1, limitedBy: utf8.endIndex) ?? utf8.endIndex))
            if isLonePercent || byte <= 0x20 || byte >= 0x7f || #""<>\^`{|}"#.utf8.contains(byte) {
                bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension FailureDomains.Endpoint {
    /// Where an HTTP or HTTPS URL is asked for; nil for what is no such URL.
    package init?(httpURL url: String) {
        guard let address = try? HTTPAddress(url) else { return nil }
        self.init(host: address.host, port: address.port)
    }
}
