import Testing

@testable import ThroughlineProtocols

@Suite struct BitReaderTests {
    /// H.264 tables 9-2 and 9-3.
    @Test(
        arguments: [
            ([0b1000_0000], 0, 0), ([0b0100_0000], 1, 1), ([0b0110_0000], 2, -1), ([0b0010_0000], 3, 2),
            ([0b0010_1000], 4, -2), ([0b0001_0000], 7, 4),
            ([0, 0, 0, 1, 0xFF, 0xFF, 0xFF, 0xFE], 0xFFFF_FFFE, -0x7FFF_FFFF),
        ] as [([UInt8], UInt32, Int32)])
    func readsExponentialGolomb(bytes: [UInt8], unsigned: UInt32, signed: Int32) throws {
        try bytes.withUnsafeBytes { (bytes) throws in
            var reader = BitReader(bytes)
            #expect(try reader.unsignedGolomb() == unsigned)
            reader = BitReader(bytes)
            #expect(try reader.signedGolomb() == signed)
        }
    }

    @Test func readsFieldsAcrossBytes() throws {
        try ([0xAB, 0xCD, 0xEF, 0x01, 0x23] as [UInt8]).withUnsafeBytes { (bytes) throws in
            var reader = BitReader(bytes)
            #expect(try reader.bits(4) == 0xA)
            #expect(try reader.bits(32) == 0xBCDE_F012)
            #expect(try reader.bits(0) == 0)
            #expect(throws: BitstreamError.truncated) { try reader.bits(5) }
        }
    }

    @Test func stepsOverEmulationPrevention() throws {
        let escaped: [UInt8] = [0, 0, 3, 1, 0, 0, 3, 0, 0, 3, 3, 0, 0, 3]
        try escaped.withUnsafeBytes { (bytes) throws in
            var reader = BitReader(bytes, removingEmulationPrevention: true)
            var read: [UInt8] = []
            while let byte = try? reader.bits(8) { read.append(UInt8(byte)) }
            #expect(read == [0, 0, 1, 0, 0, 0, 0, 3, 0, 0])
            reader = BitReader(bytes)
            #expect(try reader.bits(24) == 3)
        }
    }

    @Test func refusesTooManyLeadingZeros() {
        ([0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF] as [UInt8]).withUnsafeBytes { bytes in
            var reader = BitReader(bytes)
            #expect(throws: BitstreamError.outOfRange) { try reader.unsignedGolomb() }
        }
    }
}
