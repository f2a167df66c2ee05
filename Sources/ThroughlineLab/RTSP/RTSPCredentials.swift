internal import ThroughlineMedia
internal import ThroughlineProtocols

/// What an RTSP origin wants to be told before it serves (RFC 7616, RFC 7617).
public struct RTSPCredentials: Sendable, Hashable {
    public enum Scheme: Sendable, Hashable { case basic, digest }

    public var user: String
    public var password: String
    public var scheme: Scheme

    public init(user: String, password: String, scheme: Scheme = .digest) {
        self.user = user
        self.password = password
        self.scheme = scheme
    }

    static let realm = "Throughline Lab"

    /// The value of `WWW-Authenticate`.
    func challenge(nonce: String) -> String {
        switch scheme {
        case .basic: "Basic realm=\"\(Self.realm)\""
        case .digest: "Digest realm=\"\(Self.realm)\", nonce=\"\(nonce)\", algorithm=MD5, qop=\"auth\""
        }
    }

    /// Whether a request has them.
    func admit(_ request: RTSPRequest, nonce: String) -> Bool {
        guard let value = request.headers[.authorization] else { return false }
        let words = value.split(separator: " ", maxSplits: 1)
        guard words.count == 2 else { return false }
        switch scheme {
        case .basic:
            guard let asked = RTSPChallenge.parse([challenge(nonce: nonce)]).first else { return false }
            var authorizer = RTSPAuthorizer(challenge: asked, user: user, password: password)
            let wanted = authorizer.authorization(method: request.method, uri: request.uri, clientNonce: "") { _, _ in
                ""
            }
            return words[0].lowercased() == "basic" && wanted.hasSuffix(" \(words[1])")
        case .digest:
            guard words[0].lowercased() == "digest" else { return false }
            let fields = Self.fields(words[1])
            func digest(_ parts: String?...) -> String {
                let text = parts.map { $0 ?? "" }.joined(separator: ":")
                return MessageDigest.hex(of: Array(text.utf8), algorithm: "MD5") ?? ""
            }
            guard fields["username"] == user, fields["nonce"] == nonce, fields["realm"] == Self.realm,
                let response = fields["response"]
            else { return false }
            let secret = digest(user, Self.realm, password)
            let asked = digest(request.method.rawValue, fields["uri"])
            let wanted =
                fields["qop"] == nil
                ? digest(secret, nonce, asked)
                : digest(secret, nonce, fields["nc"], fields["cnonce"], fields["qop"], asked)
            return !wanted.isEmpty && response.lowercased() == wanted
        }
    }

    /// `name="value", name=value`; neither commas nor escapes within quotes, which no field here has.
    private static func fields(_ text: Substring) -> [String: String] {
        var fields: [String: String] = [:]
        for part in text.split(separator: ",").prefix(32) {
            let halves = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard halves.count == 2 else { continue }
            let name = halves[0].filter { $0 != " " }.lowercased()
            fields[name] = String(halves[1].filter { $0 != "\"" }.drop { $0 == " " })
        }
        return fields
    }
}
