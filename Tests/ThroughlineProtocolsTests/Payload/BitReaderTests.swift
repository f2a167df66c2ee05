import Testing

@testable import ThroughlineProtocols

@Suite struct BitReaderTests {
    /// H.264 table 9-2 and 9-3.
    @Test(
        arguments: [
            ([0b1000_0000], 0, 0), ([0b0100_0000], 1, 1), ([0b0110_0000], 2, -1), ([0b0010_0000], 3, 2),
            ([0b0010_1000], 4, -2), ([0b0001_0000], 7, 4),
        ] as [([UInt8], UInt32, Int32)])
    func readsExponentialGolomb(bytes: [UInt8], unsigned: UInt32, signed: Int32) throws {
        try bytes.withUnsafeBytes { bytes in
            var reader = BitReader(bytes)
            #expect(try reader.unsignedGolomb() == unsigned)
            reader = BitReader(bytes)
            #expect(try reader.signedGolomb() == signed)
        }
    }
}
