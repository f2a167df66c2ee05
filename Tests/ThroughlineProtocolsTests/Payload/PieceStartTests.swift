internal import Testing
internal import ThroughlineProtocols

@Suite struct PieceStartTests {
    @Test(
        arguments: [
            ([0x65, 0x88, 1], .picture), ([0x41, 0x9A], .picture),
            ([0x41, 0x40], .slice),
            ([0x41], .slice), ([0x02, 0xFF], .picture), ([0x03, 0xFF], .slice),
            ([0x67, 1], .prefix), ([0x68, 1], .prefix), ([0x06, 1], .prefix),
            ([0x09, 0xF0], .prefix), ([0x0C, 1], .trailing), ([0x0A], .trailing),
            ([0xE5, 0x88], .trailing), ([], .trailing),
        ] as [([UInt8], PieceStart)])
    func h264(bytes: [UInt8], start: PieceStart) {
        #expect(bytes.withUnsafeBytes { PieceStart(unit: $0, codec: .h264) } == start)
    }

    @Test(
        arguments: [
            ([0x26, 1, 0x80], .picture), ([0x02, 1, 0xD0], .picture),
            ([0x02, 1, 0x50], .slice), ([0x02, 1], .slice),
            ([0x40, 1, 0], .prefix),
            ([0x42, 1], .prefix), ([0x44, 1], .prefix), ([0x46, 1], .prefix),
            ([0x4E, 1], .prefix), ([0x50, 1], .trailing),
            ([0x26, 9, 0x80], .trailing),
            ([0x26], .trailing),
        ] as [([UInt8], PieceStart)])
    func hevc(bytes: [UInt8], start: PieceStart) {
        #expect(bytes.withUnsafeBytes { PieceStart(unit: $0, codec: .hevc) } == start)
    }
}
