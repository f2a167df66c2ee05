internal import CFFmpeg
internal import ThroughlineCore

/// Where a demuxer gets its bytes. Called on the demuxer's thread only; calls may block.
package protocol ByteInput: AnyObject {
    /// Fills at most the whole buffer with at least one byte.
    func read(into buffer: UnsafeMutableRawBufferPointer) -> ByteInputResult
    /// Moves to an absolute byte offset. False where that cannot be done.
    func seek(to offset: Int64) -> Bool
    /// Length in bytes, where it is known.
    var length: Int64? { get }
    /// Whether `seek` can succeed.
    var isSeekable: Bool { get }
}

/// What a read gave.
package enum ByteInputResult: Sendable {
    case bytes(Int)
    case end
    case failed
}

/// The bytes of an input as libavformat reads them, back and forth. What is read while the flows are sought is kept and
/// given again, so that the input is asked for no byte twice, and one that cannot go back need not.
///
/// Used on the demuxer's thread.
final class DemuxerInput {
    /// What is kept of an input that cannot go back and whose index lies behind the media: all of it, and no more.
    static let wholeLimit: Int64 = 64 << 20
    /// What is kept beyond the bytes that a probe may read.
    static let slack: Int64 = 1 << 20
    /// So far ahead it is quicker to read on than to ask anew.
    static let readsThrough: Int64 = 16 << 10
    /// While a place is sought, what has come already is read in pieces of up to so much.
    static let searchSize = 16 << 10
    /// So far behind what was kept nobody goes back to it.
    static let reach: Int64 = 2 << 20

    private struct Extent {
        let start: Int64
        var bytes: [UInt8] = []
        var end: Int64 { start + Int64(bytes.count) }
    }

    private let input: any ByteInput
    /// Sorted, and apart from each other.
    private var extents: [Extent] = []
    private var keptCount: Int64 = 0
    private let keepLimit: Int64
    private var isKeeping = true
    /// A place is sought: libavformat looks here and there, and returns to where it has looked.
    private(set) var isSearching = false
    /// Of the next byte that libavformat reads.
    private(set) var position: Int64 = 0
    /// Of the next byte of the input.
    private var end: Int64 = 0
    /// Set once the input has failed: what libavformat still hands out may be cut in half.
    private(set) var failed = false
    /// There was nothing more to be read, until this is taken back.
    var hasMetEnd = false
    /// The input cannot go back, and all of it is kept so that the demuxer can.
    private(set) var holdsAll = false
    /// It is longer than what may be kept.
    private(set) var isTooLong = false
    /// Sees the bytes of the start as they come, and says when they tell enough: from then on until it is taken away, there
    /// seems to be nothing more.
    var gauge: ((UnsafeRawBufferPointer) -> Bool)? {
        didSet {
            isEnough = false
            measured = 0
        }
    }
    private(set) var isEnough = false
    private var measured: Int64 = 0

    /// - Parameter probeByteLimit: bytes that are read at most to find the flows.
    init(_ input: any ByteInput, probeByteLimit: Int64) {
        self.input = input
        keepLimit = probeByteLimit + Self.slack
    }

    var length: Int64? { input.length }
    /// Whether libavformat may go anywhere.
    var isSeekable: Bool { input.isSeekable || holdsAll }

    /// The flows are known: no more is kept, and what is kept is given away as it is passed.
    func opened() {
        hasMetEnd = false
        isKeeping = false
        gauge = nil
    }

    /// A place is sought from now on.
    func searchBegins() {
        guard !isSearching else { return }
        if !holdsAll, keptCount > keepLimit / 2 {
            extents = []
            keptCount = 0
        }
        (isSearching, isKeeping) = (true, true)
    }

    /// The place was found, and is read from.
    func searchEnds() {
        guard isSearching else { return }
        (isSearching, isKeeping) = (false, false)
    }

    /// The input is not where it was.
    func inputMoves() { end = -1 }

    func read(into buffer: UnsafeMutableRawBufferPointer) -> ByteInputResult {
        if failed { return .failed }
        let count = copy(into: buffer)
        if count > 0 {
            position += Int64(count)
            return .bytes(count)
        }
        measure()
        if isEnough { return .end }
        guard reach(position) else {
            failed = true
            return .failed
        }
        if isKept(position) { return read(into: buffer) }
        let result = readHere(into: buffer)
        switch result {
        case .bytes(let count): position += Int64(count)
        case .end: hasMetEnd = true
        case .failed: break
        }
        drop()
        return result
    }

    /// Reads from the input at `position`.
    private func readHere(into buffer: UnsafeMutableRawBufferPointer) -> ByteInputResult {
        let limit = nextExtent(after: position).map { $0 - position }
        guard isSearching, buffer.count < Self.searchSize, keptCount + Int64(Self.searchSize) <= keepLimit else {
            return readOn(into: buffer, limit: limit)
        }
        // libavformat asks for little at a time. What else has come need not be asked for again.
        let result = withUnsafeTemporaryAllocation(byteCount: Self.searchSize, alignment: 16) {
            readOn(into: $0, limit: limit)
        }
        guard case .bytes = result else { return result }
        return .bytes(copy(into: buffer))
    }

    /// Moves to an offset. False where that cannot be done.
    func seek(to offset: Int64) -> Bool {
        if failed || offset < 0 { return false }
        if offset != position, !input.isSeekable, offset != end, !isKept(offset) {
            guard holdsAll, offset > end else { return false }
            guard offset <= Self.wholeLimit else {
                isTooLong = true
                return false
            }
        }
        if let length = input.length, offset > length { return false }
        position = offset
        return true
    }

    /// Whether the media of an MP4 file comes before its index, going by the boxes at its start.
    func hasMediaFirst() -> Bool {
        var place: Int64 = 0
        while place <= Self.slack, let header = bytes(at: place, count: 16) {
            let size = header.prefix(4).reduce(Int64(0)) { $0 << 8 | Int64($1) }
            switch String(decoding: header[4..<8], as: UTF8.self) {
            case "mdat": return true
            case "moov", "moof": return false
            default: break
            }
            guard size >= 8 else { return false }
            place += size
        }
        return false
    }

    /// Keeps all of an input that cannot go back.
    ///
    /// - Returns: false where it is longer than what may be kept.
    func holdAll() -> Bool {
        guard (input.length ?? 0) <= Self.wholeLimit else {
            isTooLong = true
            return false
        }
        holdsAll = true
        return true
    }

    // MARK: - What is kept

    private func index(of offset: Int64) -> Int? { extents.lastIndex { $0.start <= offset } }

    private func isKept(_ offset: Int64) -> Bool { index(of: offset).map { offset < extents[$0].end } ?? false }

    private func nextExtent(after offset: Int64) -> Int64? { extents.first { $0.start > offset }?.start }

    private func copy(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        guard let index = index(of: position), position < extents[index].end, let target = buffer.baseAddress else {
            return 0
        }
        let from = Int(position - extents[index].start)
        return extents[index].bytes.withUnsafeBytes { bytes in
            let count = min(buffer.count, bytes.count - from)
            target.copyMemory(from: bytes.baseAddress! + from, byteCount: count)
            return count
        }
    }

    /// Lets the gauge see what has come of the start since.
    private func measure() {
        guard let gauge, !isEnough, let first = extents.first, first.start == 0, first.end > measured else { return }
        first.bytes.withUnsafeBytes { bytes in
            isEnough = gauge(UnsafeRawBufferPointer(rebasing: bytes[Int(measured)...]))
        }
        measured = first.end
    }

    /// Brings the input to an offset.
    private func reach(_ offset: Int64) -> Bool {
        if end == offset { return true }
        let isNear = offset > end && offset - end <= Self.readsThrough && isKeeping && !isSearching
        if input.isSeekable, !isNear {
            guard input.seek(to: offset) else { return false }
            end = offset
            return true
        }
        guard offset > end else { return false }
        return withUnsafeTemporaryAllocation(byteCount: 32 << 10, alignment: 16) { scratch in
            while end < offset {
                let limit = min(Int64(scratch.count), offset - end)
                guard case .bytes = readOn(into: scratch, limit: limit) else { return false }
            }
            return true
        }
    }

    /// Reads what comes next of the input, and keeps it where it is to be kept.
    private func readOn(into buffer: UnsafeMutableRawBufferPointer, limit: Int64?) -> ByteInputResult {
        let room = UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(buffer.count, Int(limit ?? .max))])
        let result = input.read(into: room)
        switch result {
        case .bytes(let count):
            keep(UnsafeRawBufferPointer(rebasing: room[..<count]))
            end += Int64(count)
        case .failed: failed = true
        case .end: break
        }
        return result
    }

    private func keep(_ bytes: UnsafeRawBufferPointer) {
        guard isKeeping || holdsAll else { return }
        keptCount += Int64(bytes.count)
        guard keptCount <= (holdsAll ? Self.wholeLimit : keepLimit) else {
            if holdsAll { (isTooLong, failed) = (true, true) }
            isKeeping = false
            return
        }
        let place = extents.firstIndex { $0.start > end } ?? extents.endIndex
        if place > 0, extents[place - 1].end == end {
            extents[place - 1].bytes.append(contentsOf: bytes)
        } else {
            extents.insert(Extent(start: end, bytes: Array(bytes)), at: place)
        }
    }

    /// Gives away what nobody goes back to any more.
    private func drop() {
        guard !isKeeping, !holdsAll, let first = extents.first, position > first.end + Self.reach else { return }
        extents.removeFirst()
    }

    /// Bytes near the start, of which as many are read as that takes.
    private func bytes(at offset: Int64, count: Int) -> [UInt8]? {
        if end < offset + Int64(count), !isKept(offset + Int64(count) - 1) {
            guard reach(offset + Int64(count)) else { return nil }
        }
        guard let index = index(of: offset), offset + Int64(count) <= extents[index].end else { return nil }
        let start = Int(offset - extents[index].start)
        return Array(extents[index].bytes[start..<start + count])
    }
}

extension DemuxerInput {
    // libavformat calls these on the thread that called it.
    static let readCallback: @convention(c) (UnsafeMutableRawPointer?, UnsafeMutablePointer<UInt8>?, Int32) -> Int32 = {
        opaque, buffer, size in
        guard let opaque, let buffer, size > 0 else { return tl_averror(EINVAL) }
        let input = Unmanaged<DemuxerInput>.fromOpaque(opaque).takeUnretainedValue()
        switch input.read(into: UnsafeMutableRawBufferPointer(start: buffer, count: Int(size))) {
        case .bytes(let count): return Int32(count)
        case .end: return tl_averror_eof
        case .failed: return tl_averror(EIO)
        }
    }

    static let seekCallback: @convention(c) (UnsafeMutableRawPointer?, Int64, Int32) -> Int64 = {
        opaque, offset, whence in
        guard let opaque else { return Int64(tl_averror(EINVAL)) }
        let input = Unmanaged<DemuxerInput>.fromOpaque(opaque).takeUnretainedValue()
        if whence & AVSEEK_SIZE != 0 { return input.length ?? Int64(tl_averror(ENOSYS)) }
        var target = offset
        switch whence & ~AVSEEK_FORCE {
        case SEEK_SET: break
        case SEEK_CUR: target = input.position &+ offset
        case SEEK_END:
            guard let length = input.length else { return Int64(tl_averror(ENOSYS)) }
            target = length &+ offset
        default: return Int64(tl_averror(EINVAL))
        }
        guard target >= 0 else { return Int64(tl_averror(EINVAL)) }
        return input.seek(to: target) ? target : Int64(tl_averror(EIO))
    }
}
