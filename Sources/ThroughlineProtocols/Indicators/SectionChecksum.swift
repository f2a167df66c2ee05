/// CRC_32 of the sections of a transport stream (ISO/IEC 13818-1 annex A): polynomial 0x04C11DB7, begun with all ones,
/// most significant bit first, nothing inverted at the end.
enum SectionChecksum {
    private static let table: [UInt32] = (0..<256).map { index in
        var value = UInt32(index) << 24
        for _ in 0..<8 { value = value & 0x8000_0000 != 0 ? value << 1 ^ 0x04C1_1DB7 : value << 1 }
        return value
    }

    static func of(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        table.withUnsafeBufferPointer { table in
            bytes.reduce(0xFFFF_FFFF) { $0 << 8 ^ table[Int(UInt8($0 >> 24) ^ $1)] }
        }
    }

    /// Over a whole section, its own CRC_32 included, the outcome is zero.
    static func holds(for section: UnsafeRawBufferPointer) -> Bool { section.count >= 4 && of(section) == 0 }

    /// Appends the checksum of the bytes from `start` on.
    static func append(to bytes: inout [UInt8], from start: Int = 0) {
        let value = bytes.withUnsafeBytes { of(UnsafeRawBufferPointer(rebasing: $0[start...])) }
        bytes.append(bigEndian: UInt64(value), count: 4)
    }
}
