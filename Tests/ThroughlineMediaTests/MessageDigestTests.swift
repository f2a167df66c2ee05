internal import Testing
internal import ThroughlineMedia

@Suite struct MessageDigestTests {
    /// The digests of "abc" (RFC 1321 appendix A.5, FIPS 180-4).
    @Test(arguments: [
        ("MD5", "900150983cd24fb0d6963f7d28e17f72"),
        ("SHA-256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("SHA-512-256", "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23"),
    ])
    func knownDigests(algorithm: String, hex: String) {
        #expect(MessageDigest.hex(of: Array("abc".utf8), algorithm: algorithm) == hex)
        #expect(MessageDigest.hex(of: Array("abd".utf8), algorithm: algorithm) != hex)
    }

    @Test func unknownAlgorithms() { #expect(MessageDigest.hex(of: [], algorithm: "MD4") == nil) }
}
