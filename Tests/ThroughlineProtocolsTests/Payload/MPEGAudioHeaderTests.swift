internal import Testing
internal import ThroughlineProtocols

@Suite struct MPEGAudioHeaderTests {
    /// Header, layer, Hz, channels, samples, bytes; the lengths by the formulas of section 2.4.3.1.
    @Test(
        arguments: [
            ([0xFF, 0xFB, 0x90, 0x00], 3, 44_100, 2, 1152, 417), ([0xFF, 0xFB, 0x92, 0xC0], 3, 44_100, 1, 1152, 418),
            ([0xFF, 0xFD, 0xE4, 0x00], 2, 48_000, 2, 1152, 1152), ([0xFF, 0xFF, 0xE4, 0x00], 1, 48_000, 2, 384, 448),
            ([0xFF, 0xF3, 0x84, 0xC0], 3, 24_000, 1, 576, 192), ([0xFF, 0xE3, 0x44, 0xC0], 3, 12_000, 1, 576, 192),
            ([0xFF, 0xFD, 0xE8, 0x00], 2, 32_000, 2, 1152, 1728),
        ] as [([UInt8], Int, Int, Int, Int, Int)])
    func framesAreAsLongAsTheirHeaderSays(
        bytes: [UInt8], layer: Int, hertz: Int, channels: Int, samples: Int, length: Int
    ) throws {
        let header = try #require(bytes.withUnsafeBytes { MPEGAudioHeader($0) })
        #expect(header.layer == layer && header.samplingFrequencyHz == hertz && header.channels == channels)
        #expect(header.samples == samples && header.frameLength == length)
    }

    @Test(
        arguments: [
            [], [0xFF, 0xFB, 0x90], [0xFE, 0xFB, 0x90, 0], [0xFF, 0xEB, 0x90, 0], [0xFF, 0xF9, 0x90, 0],
            [0xFF, 0xFB, 0x00, 0], [0xFF, 0xFB, 0xF0, 0], [0xFF, 0xFB, 0x9C, 0],
        ] as [[UInt8]])
    func whatIsNoHeaderIsNone(bytes: [UInt8]) { #expect(bytes.withUnsafeBytes { MPEGAudioHeader($0) } == nil) }

    /// Each of them, and no frame is shorter than its header.
    @Test func allHeadersAreBorne() {
        for word in 0..<1 << 16 {
            let bytes: [UInt8] = [0xFF, UInt8(word >> 8), UInt8(word & 0xFF), 0]
            if let header = bytes.withUnsafeBytes({ MPEGAudioHeader($0) }) {
                #expect((24...6914).contains(header.frameLength))
            }
        }
    }
}
