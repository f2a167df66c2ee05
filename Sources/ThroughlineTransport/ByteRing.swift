internal import Glibc

/// Bytes received and not yet read, in a ring of fixed capacity that is allocated when first needed.
struct ByteRing: ~Copyable {
    let capacity: Int
    private(set) var count = 0
    private var start = 0
    private var storage: UnsafeMutableRawPointer?

    init(capacity: Int) { self.capacity = capacity }

    deinit { storage?.deallocate() }

    var free: Int { capacity - count }

    /// Appends all of `bytes`, of which there must be no more than are free.
    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        precondition(bytes.count <= free, "\(bytes.count) bytes into a ring with room for \(free)")
        guard let source = bytes.baseAddress, !bytes.isEmpty else { return }
        let storage = self.storage ?? .allocate(byteCount: capacity, alignment: 64)
        self.storage = storage
        var end = start + count
        if end >= capacity { end -= capacity }
        let first = min(bytes.count, capacity - end)
        memcpy(storage + end, source, first)
        memcpy(storage, source + first, bytes.count - first)
        count += bytes.count
    }

    /// Moves as many bytes into `destination` as it holds, and returns how many.
    mutating func take(into destination: UnsafeMutableRawBufferPointer) -> Int {
        let length = min(count, destination.count)
        guard let target = destination.baseAddress, let storage, length > 0 else { return 0 }
        let first = min(length, capacity - start)
        memcpy(target, storage + start, first)
        memcpy(target + first, storage, length - first)
        count -= length
        start += length
        if start >= capacity { start -= capacity }
        // From the beginning again, so that what comes next lies in one piece and in warm memory.
        if count == 0 { start = 0 }
        return length
    }

    /// Drops the first `length` bytes, of which there must be as many.
    mutating func drop(_ length: Int) {
        precondition(length >= 0 && length <= count, "\(length) of \(count) bytes dropped")
        count -= length
        start += length
        if start >= capacity { start -= capacity }
        if count == 0 { start = 0 }
    }

    /// Keeps the first `length` bytes, and drops those that came after.
    mutating func truncate(to length: Int) {
        count = min(count, max(0, length))
        if count == 0 { start = 0 }
    }
}
