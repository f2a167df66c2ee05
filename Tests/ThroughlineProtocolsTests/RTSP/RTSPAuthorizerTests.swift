import Testing
import ThroughlineCore

@testable import ThroughlineProtocols

@Suite struct RTSPAuthorizerTests {
    private func digest(_ challenge: RTSPChallenge) -> RTSPChallenge.Digest? {
        if case .digest(let digest) = challenge.scheme { digest } else { nil }
    }

    @Test func readsSeveralChallenges() throws {
        let challenges = RTSPChallenge.parse([
            #"Digest realm="a, b \"c\"", nonce="n1", qop="auth-int, auth", algorithm=SHA-256, opaque="o", Basic realm="x""#,
            #"digest realm='q',nonce=n2,stale=TRUE"#,
            #"Negotiate, Digest nonce="n3", algorithm=MD5-sess, qop=auth"#,
            #"Digest nonce="n4", qop="auth-int", Digest realm="r", Digest nonce="n5", algorithm=SHA3"#,
        ])
        #expect(challenges.map(\.realm) == ["a, b \"c\"", "x", "q", ""])
        let first = try #require(digest(challenges[0]))
        #expect(first.algorithm == .sha256 && first.hasQualityOfProtection && first.opaque == "o" && !first.isStale)
        #expect(challenges[1].scheme == .basic)
        let third = try #require(digest(challenges[2]))
        #expect(third.algorithm == .md5 && !third.hasQualityOfProtection && third.isStale && third.nonce == "n2")
        #expect(digest(challenges[3])?.isSession == true)
    }

    @Test func choosesTheStrongest() {
        let challenges = RTSPChallenge.parse([
            "Basic realm=a", "Digest nonce=1", "Digest nonce=2", "Digest nonce=3, algorithm=SHA-256",
        ])
        func nonce(_ algorithms: Set<RTSPChallenge.Algorithm>) -> String? {
            RTSPChallenge.strongest(of: challenges, supporting: algorithms).flatMap { digest($0)?.nonce }
        }
        #expect(nonce([.md5, .sha256]) == "3" && nonce([.md5]) == "1" && nonce([]) == nil)
        #expect(RTSPChallenge.strongest(of: challenges, supporting: [])?.scheme == .basic)
        #expect(RTSPChallenge.strongest(of: [], supporting: [.md5]) == nil)
    }

    /// Stands in for a hash, so that the formula can be read.
    private func shown(_ algorithm: RTSPChallenge.Algorithm, _ bytes: [UInt8]) -> String {
        "{\(String(decoding: bytes, as: UTF8.self))}"
    }

    private func answer(_ challenge: String, times: Int = 1) throws -> String {
        let challenge = try #require(RTSPChallenge.parse([challenge]).first)
        var authorizer = RTSPAuthorizer(challenge: challenge, user: "u\"", password: "p")
        var text = ""
        for _ in 0..<times {
            text = authorizer.authorization(method: .play, uri: "rtsp://h/", clientNonce: "c", hash: shown)
        }
        return text
    }

    /// RFC 7616 section 3.4.1 and 3.4.2, RFC 2069 section 2.1.2.
    @Test func followsTheFormula() throws {
        #expect(
            try answer("Digest realm=r, nonce=n")
                == #"Digest username="u\"", realm="r", nonce="n", uri="rtsp://h/", response="{{u":r:p}:n:{PLAY:rtsp://h/}}""#
        )
        #expect(
            try answer("Digest realm=r, nonce=n, qop=auth, algorithm=md5, opaque=o", times: 11)
                == #"Digest username="u\"", realm="r", nonce="n", uri="rtsp://h/", "#
                + #"response="{{u":r:p}:n:0000000b:c:auth:{PLAY:rtsp://h/}}", qop=auth, nc=0000000b, cnonce="c", "#
                + #"algorithm=md5, opaque="o""#)
        #expect(
            try answer("Digest realm=r, nonce=n, algorithm=MD5-sess")
                .contains(#"response="{{{u":r:p}:n:c}:n:{PLAY:rtsp://h/}}", cnonce="c", algorithm=MD5-sess"#))
    }

    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
    ])
    func base64(text: String, expected: String) { #expect(ThroughlineCore.base64(Array(text.utf8)) == expected) }

    @Test func answersBasic() throws {
        #expect(try answer("Basic realm=r") == "Basic dSI6cA==")
    }
}
