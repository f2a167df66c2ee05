/// Reads whole bytes and big-endian numbers one after the other, and never past their end.
///
/// The reader does not own the bytes; they must outlive it.
struct ByteReader {
    private let bytes: UnsafeRawBufferPointer
    /// How many bytes have been read.
    private(set) var offset = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var remaining: Int { bytes.count - offset }

    /// The next `count` bytes, in place; a negative count is out of range.
    mutating func take(_ count: Int) throws(BitstreamError) -> UnsafeRawBufferPointer {
        guard count >= 0 else { throw .outOfRange }
        guard count <= remaining else { throw .truncated }
        defer { offset += count }
        return bytes.part(offset..<offset + count)
    }

    /// All that is left.
    mutating func takeRest() -> UnsafeRawBufferPointer {
        defer { offset = bytes.count }
        return bytes.part(offset..<bytes.count)
    }

    mutating func byte() throws(BitstreamError) -> UInt8 {
        guard offset < bytes.count else { throw .truncated }
        defer { offset += 1 }
        return bytes[offset]
    }

    /// A big-endian number of so many bytes, 1 to 8.
    mutating func number(_ count: Int) throws(BitstreamError) -> UInt64 {
        guard (1...8).contains(count) else { throw .outOfRange }
        return try take(count).reduce(0) { $0 << 8 | UInt64($1) }
    }
}

extension [UInt8] {
    /// The low `count` bytes of a number, the most significant first.
    mutating func append(bigEndian value: UInt64, count: Int) {
        for place in (0..<count).reversed() { append(UInt8(truncatingIfNeeded: value >> (8 * UInt64(place)))) }
    }
}
