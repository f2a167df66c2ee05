internal import Testing
internal import ThroughlineProtocols

@Suite struct OpusPacketTests {
    /// First bytes and samples at 48 kHz (RFC 6716 table 2 and section 3.1).
    @Test(
        arguments: [
            ([0x00], 480), ([0x08], 960), ([0x10], 1920), ([0x18], 2880), ([0x60], 480), ([0x68], 960),
            ([0x80], 120), ([0x88], 240), ([0x90], 480), ([0x98], 960), ([0xF8], 960), ([0xF9], 1920), ([0xFA], 1920),
            ([0xFB, 3], 2880), ([0xFB, 0xC6], 5760), ([0x83, 48], 5760),
            ([], nil), ([0xFB], nil), ([0xFB, 0], nil), ([0xFB, 7], nil), ([0x83, 49], nil),
        ] as [([UInt8], Int?)])
    func packetsAreAsLongAsTheySay(bytes: [UInt8], samples: Int?) {
        #expect(bytes.withUnsafeBytes { OpusPacket.samples(in: $0) } == samples)
    }
}
