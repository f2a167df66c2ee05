internal import Glibc

/// The last bytes of an object that were received, in one stretch: a demuxer that goes back and forth in them asks
/// nobody for them again.
struct ByteWindow: ~Copyable {
    let capacity: Int
    private let storage: UnsafeMutableRawPointer
    /// Offset in the object of the first byte that is kept, and of the byte after the last.
    private(set) var start: Int64
    private(set) var end: Int64

    /// - Parameter offset: of the byte that comes first.
    init(capacity: Int, at offset: Int64) {
        self.capacity = capacity
        storage = .allocate(byteCount: capacity, alignment: 64)
        (start, end) = (offset, offset)
    }

    deinit { storage.deallocate() }

    /// Forgets all; the next byte is the one at this offset.
    mutating func restart(at offset: Int64) { (start, end) = (offset, offset) }

    /// Whether a byte is kept, or comes within so many.
    func contains(_ offset: Int64, orUpTo ahead: Int64 = -1) -> Bool { offset >= start && offset <= end + ahead }

    /// Adds what follows; what is oldest goes.
    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes
        if rest.count > capacity {
            end += Int64(rest.count - capacity)
            rest = UnsafeRawBufferPointer(rebasing: rest.suffix(capacity))
        }
        guard let source = rest.baseAddress else { return }
        let place = Int(end % Int64(capacity))
        let first = min(rest.count, capacity - place)
        memcpy(storage + place, source, first)
        memcpy(storage, source + first, rest.count - first)
        end += Int64(rest.count)
        start = max(start, end - Int64(capacity))
    }

    /// Copies what is kept from an offset on.
    ///
    /// - Returns: how many bytes; 0 where that byte is not kept.
    func copy(from offset: Int64, into buffer: UnsafeMutableRawBufferPointer) -> Int {
        guard contains(offset), let target = buffer.baseAddress else { return 0 }
        let count = Int(min(end - offset, Int64(buffer.count)))
        let place = Int(offset % Int64(capacity))
        let first = min(count, capacity - place)
        memcpy(target, storage + place, first)
        memcpy(target + first, storage, count - first)
        return count
    }
}
