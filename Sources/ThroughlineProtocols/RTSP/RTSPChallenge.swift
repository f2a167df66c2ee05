/// What a server wants in a 401 (RFC 7616, RFC 7617; RFC 2617 before them).
package struct RTSPChallenge: Hashable, Sendable {
    package enum Algorithm: String, Hashable, Sendable, CaseIterable {
        case md5 = "MD5"
        case sha256 = "SHA-256"
        case sha512t256 = "SHA-512-256"

        /// Which is stronger.
        var strength: Int {
            switch self {
            case .md5: 1
            case .sha256: 2
            case .sha512t256: 3
            }
        }
    }

    package struct Digest: Hashable, Sendable {
        package var algorithm: Algorithm
        /// The algorithm as it was written, to be sent back; `nil` where it was left out and MD5 is meant.
        package var algorithmText: String?
        /// The `-sess` variant: the session key depends on the nonces.
        package var isSession: Bool
        package var nonce: String
        package var opaque: String?
        /// `qop=auth` is offered; without it the older form of RFC 2069 is used, which most cameras want.
        package var hasQualityOfProtection: Bool
        /// The nonce was too old, and the credentials are right.
        package var isStale: Bool
    }

    package enum Scheme: Hashable, Sendable {
        case basic
        case digest(Digest)
    }

    package var scheme: Scheme
    package var realm: String

    /// Higher is better; Basic sends the password itself.
    var strength: Int {
        switch scheme {
        case .basic: 0
        case .digest(let digest): digest.algorithm.strength
        }
    }
}

extension RTSPChallenge {
    /// The challenges of one or more header values that can be met, in their order; at most 16. Schemes and algorithms
    /// that are not known, and Digest with `auth-int` only, are left out.
    package static func parse(_ values: [String]) -> [RTSPChallenge] {
        var challenges: [RTSPChallenge] = []
        for value in values.prefix(16) {
            var scheme: Substring?
            var parameters: [HeaderParameter] = []
            func finish() {
                if let scheme, challenges.count < 16, let challenge = RTSPChallenge(scheme: scheme, parameters) {
                    challenges.append(challenge)
                }
            }
            for part in value.parts(separatedBy: UInt8(ascii: ","), limit: 128) {
                // A scheme is a word followed by a parameter, or by nothing.
                let word = Substring(part.utf8.prefix { $0.isLetter || $0.isDigit || $0 == 0x2D })
                let rest = part[word.endIndex...]
                if !word.isEmpty, rest.utf8.first?.isBlank ?? true, rest.trimmed.utf8.first != UInt8(ascii: "=") {
                    finish()
                    scheme = word
                    parameters = []
                    if !rest.trimmed.isEmpty { parameters.append(HeaderParameter(parsing: rest.trimmed)) }
                } else if parameters.count < 32 {
                    parameters.append(HeaderParameter(parsing: part))
                }
            }
            finish()
        }
        return challenges
    }

    private init?(scheme: Substring, _ parameters: [HeaderParameter]) {
        realm = parameters.value("realm") ?? ""
        if scheme.equalsIgnoringCase("Basic") {
            self.scheme = .basic
            return
        }
        guard scheme.equalsIgnoringCase("Digest"), let nonce = parameters.value("nonce") else { return nil }
        let text = parameters.value("algorithm").flatMap { $0.isEmpty ? nil : $0 }
        var name = (text ?? "MD5")[...]
        let isSession = name.utf8.count > 5 && Substring(name.utf8.suffix(5)).equalsIgnoringCase("-sess")
        if isSession { name = Substring(name.utf8.dropLast(5)) }
        guard let algorithm = Algorithm.allCases.first(where: { name.equalsIgnoringCase($0.rawValue) }) else {
            return nil
        }
        let qualities = parameters.value("qop")?.parts(separatedBy: UInt8(ascii: ","), limit: 8) ?? []
        let hasAuth = qualities.contains { $0.equalsIgnoringCase("auth") }
        guard qualities.isEmpty || hasAuth else { return nil }
        self.scheme = .digest(
            Digest(
                algorithm: algorithm, algorithmText: text, isSession: isSession, nonce: nonce,
                opaque: parameters.value("opaque"), hasQualityOfProtection: hasAuth,
                isStale: parameters.value("stale")?.trimmed.equalsIgnoringCase("true") ?? false))
    }

    /// The strongest of them for which the hash is at hand; the first of equals.
    package static func strongest(
        of challenges: [RTSPChallenge], supporting algorithms: Set<Algorithm>
    ) -> RTSPChallenge? {
        var best: RTSPChallenge?
        for challenge in challenges {
            if case .digest(let digest) = challenge.scheme, !algorithms.contains(digest.algorithm) { continue }
            if challenge.strength > best?.strength ?? -1 { best = challenge }
        }
        return best
    }
}

extension RTSPHeaders {
    /// The challenges of `WWW-Authenticate`.
    package var challenges: [RTSPChallenge] { RTSPChallenge.parse(all(.wwwAuthenticate)) }
}
