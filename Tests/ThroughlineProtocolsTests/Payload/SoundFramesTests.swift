internal import Testing
internal import ThroughlineProtocols

@Suite struct SoundFramesTests {
    private func split(_ bytes: [UInt8], _ codec: String) -> [Range<Int>]? {
        bytes.withUnsafeBytes { SoundFrames(codecName: codec)?.split($0) }
    }

    /// A frame of AC-3 with such a rate and size code.
    private func ac3(_ code: UInt8, count: Int) -> [UInt8] {
        [0x0B, 0x77, 0, 0, code, 0x40] + Array(repeating: 0x11, count: count - 6)
    }

    @Test(
        "frames of AC-3 that share a packet are told apart",
        arguments: [(0x14, 768), (0x54, 834), (0x55, 836), (0x94, 1152)])
    func ac3Frames(code: UInt8, count: Int) {
        let frame = ac3(code, count: count)
        #expect(split(frame, "ac3") == [0..<count])
        #expect(split(frame + frame + frame, "ac3") == [0..<count, count..<count * 2, count * 2..<count * 3])
        // A fragment is nobody's frame.
        #expect(split(frame + frame.dropLast(), "ac3") == [0..<count * 2 - 1])
        #expect(split(Array(frame.dropFirst()), "ac3") == [0..<count - 1])
    }

    @Test func amrFrames() {
        let narrow: [UInt8] = [0x3C] + Array(repeating: 1, count: 31)
        #expect(split(narrow + [0x7C] + narrow, "amr_nb") == [0..<32, 32..<33, 33..<65])
        let wide: [UInt8] = [0x44] + Array(repeating: 1, count: 60)
        #expect(split(wide + wide, "amr_wb") == [0..<61, 61..<122])
        #expect(split(Array(wide.dropLast()), "amr_wb") == [0..<60])
    }

    @Test("what has no frames stays as it is")
    func samples() {
        #expect(SoundFrames(codecName: "pcm_mulaw") == nil)
        #expect(SoundFrames(codecName: "opus") == nil)
        #expect(split([], "ac3") == [])
    }
}
