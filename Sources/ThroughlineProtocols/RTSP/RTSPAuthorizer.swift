internal import ThroughlineCore

/// Answers one challenge, request after request.
package struct RTSPAuthorizer: Sendable {
    package let challenge: RTSPChallenge
    private let user: String
    private let password: String
    /// How many requests were answered with this nonce (RFC 7616 section 3.4).
    private var nonceCount: UInt32 = 0

    /// - Parameters:
    ///   - user: may hold anything but a colon, for Basic.
    package init(challenge: RTSPChallenge, user: String, password: String) {
        self.challenge = challenge
        self.user = user
        self.password = password
    }

    /// The value of `Authorization`.
    ///
    /// - Parameters:
    ///   - uri: that of the request line, to the letter.
    ///   - clientNonce: fresh and not to be guessed; hexadecimal digits or other characters that need no quoting.
    ///   - hash: the digest of the bytes in lower-case hexadecimal. It is called up to four times.
    package mutating func authorization(
        method: RTSPMethod, uri: String, clientNonce: String,
        hash: (RTSPChallenge.Algorithm, [UInt8]) -> String
    ) -> String {
        guard case .digest(let digest) = challenge.scheme else {
            return "Basic " + base64(Array("\(user):\(password)".utf8))
        }
        nonceCount = nonceCount == .max ? 1 : nonceCount + 1
        func hashed(_ parts: String...) -> String { hash(digest.algorithm, Array(parts.joined(separator: ":").utf8)) }
        // RFC 7616 section 3.4.2.
        var secret = hashed(user, challenge.realm, password)
        if digest.isSession { secret = hashed(secret, digest.nonce, clientNonce) }
        let request = hashed(method.rawValue, uri)
        var fields = [
            ("username", Self.quoted(user)), ("realm", Self.quoted(challenge.realm)),
            ("nonce", Self.quoted(digest.nonce)), ("uri", Self.quoted(uri)),
        ]
        if digest.hasQualityOfProtection {
            let hex = String(nonceCount, radix: 16)
            let count = hex.padded(to: 8)
            fields.append(
                ("response", "\"\(hashed(secret, digest.nonce, count, clientNonce, "auth", request))\""))
            fields += [("qop", "auth"), ("nc", count), ("cnonce", Self.quoted(clientNonce))]
        } else {
            fields.append(("response", "\"\(hashed(secret, digest.nonce, request))\""))
            if digest.isSession { fields.append(("cnonce", Self.quoted(clientNonce))) }
        }
        if let algorithm = digest.algorithmText { fields.append(("algorithm", algorithm)) }
        if let opaque = digest.opaque { fields.append(("opaque", Self.quoted(opaque))) }
        return "Digest " + fields.map { "\($0)=\($1)" }.joined(separator: ", ")
    }

    private static func quoted(_ text: String) -> String {
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { bytes.append(UInt8(ascii: "\\")) }
            bytes.append(byte)
        }
        return "\"" + String(decoding: bytes, as: UTF8.self) + "\""
    }
}
