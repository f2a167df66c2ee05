/// Reads bit fields from bytes, most significant bit first, and never past their end.
///
/// With `removingEmulationPrevention` the bytes are those of a NAL unit, and each `0x03` that follows two zero bytes is
/// skipped on the way (H.264 section 7.4.1, H.265 section 7.4.2), so that no copy of the unit is made.
///
/// The reader does not own the bytes; they must outlive it.
package struct BitReader {
    private let bytes: UnsafeRawBufferPointer
    private let removesEmulationPrevention: Bool
    /// The next byte to load.
    private var index = 0
    /// How many zero bytes came just before `index`; only 0, 1 and 2 matter.
    private var zeroRun = 0
    private var current: UInt8 = 0
    /// Bits of `current` that have not been given out.
    private var bitsLeft = 0

    package init(_ bytes: UnsafeRawBufferPointer, removingEmulationPrevention: Bool = false) {
        self.bytes = bytes
        removesEmulationPrevention = removingEmulationPrevention
    }

    private mutating func loadByte() throws(BitstreamError) {
        if removesEmulationPrevention, zeroRun >= 2, index < bytes.count, bytes[index] == 3 {
            index += 1
            zeroRun = 0
        }
        guard index < bytes.count else { throw .truncated }
        current = bytes[index]
        index += 1
        zeroRun = current == 0 ? zeroRun + 1 : 0
        bitsLeft = 8
    }

    /// The next `count` bits, 0 to 32, as an unsigned number.
    package mutating func bits(_ count: Int) throws(BitstreamError) -> UInt32 {
        guard (0...32).contains(count) else { throw .outOfRange }
        var value: UInt64 = 0
        var wanted = count
        while wanted > 0 {
            if bitsLeft == 0 { try loadByte() }
            let taken = min(wanted, bitsLeft)
            let chunk = (UInt64(current) >> UInt64(bitsLeft - taken)) & ((1 << UInt64(taken)) - 1)
            value = value << UInt64(taken) | chunk
            bitsLeft -= taken
            wanted -= taken
        }
        return UInt32(truncatingIfNeeded: value)
    }

    package mutating func flag() throws(BitstreamError) -> Bool {
        try bits(1) == 1
    }

    /// Passes over `count` bits; a negative count is out of range.
    package mutating func skip(_ count: Int) throws(BitstreamError) {
        guard count >= 0 else { throw .outOfRange }
        var left = count
        while left > 0 {
            let step = min(left, 32)
            _ = try bits(step)
            left -= step
        }
    }

    /// `ue(v)`: an unsigned Exp-Golomb number (H.264 section 9.1) of at most `limit`.
    package mutating func unsignedGolomb(atMost limit: UInt32 = .max - 1) throws(BitstreamError) -> UInt32 {
        var zeros = 0
        while try !flag() {
            zeros += 1
            guard zeros <= 31 else { throw .outOfRange }
        }
        // At most 31 zeros: 2^31 - 1 plus 31 bits fits into 32 bits.
        let value = (UInt32(1) << UInt32(zeros)) - 1 + (try bits(zeros))
        guard value <= limit else { throw .outOfRange }
        return value
    }

    /// `se(v)`: a signed Exp-Golomb number (H.264 section 9.1.1).
    package mutating func signedGolomb() throws(BitstreamError) -> Int32 {
        let code = try unsignedGolomb()
        let magnitude = Int32(truncatingIfNeeded: (UInt64(code) + 1) / 2)
        return code & 1 == 1 ? magnitude : -magnitude
    }
}
