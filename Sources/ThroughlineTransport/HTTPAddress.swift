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
        let flags = UInt32(CURLU_NON_SUPPORT_SCHEME | CURLU_URLENCODE)
        let result = curl_url_set(handle, CURLUPART_URL, text, flags)
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

extension FailureDomains.Endpoint {
    /// Where an HTTP or HTTPS URL is asked for; nil for what is no such URL.
    package init?(httpURL url: String) {
        guard let address = try? HTTPAddress(url) else { return nil }
        self.init(host: address.host, port: address.port)
    }
}
