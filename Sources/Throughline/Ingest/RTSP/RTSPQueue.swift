internal import DequeModule
internal import ThroughlineCore
internal import ThroughlineProtocols

/// What waits between an RTSP source and its reader.
///
/// Bounded by bytes, of which each item has some, however small it is. Who puts something in is to heed `isFull` and
/// `room`; the queue itself refuses nothing.
final class RTSPQueue: Sendable {
    /// Bytes that may wait.
    static let byteLimit = 16 << 20
    /// Bytes that messages may take beyond that, where media does not come over the same connection.
    static let messageReserve = 1 << 20

    private struct State {
        var items = Deque<RTSPItem>()
        var bytes = 0
        /// It was full, and half of it has not been taken yet.
        var isFull = false
        var isClosed = false
    }

    private let byteLimit: Int
    private let drained: @Sendable () -> Void
    private let state = Guarded(State())

    /// - Parameters:
    ///   - byteLimit: bytes that may wait.
    ///   - drained: called when there is room again after it was full, on the reader's thread.
    init(byteLimit: Int = RTSPQueue.byteLimit, drained: @escaping @Sendable () -> Void = {}) {
        self.byteLimit = byteLimit
        self.drained = drained
    }

    /// From when the limit is reached until half of it has been taken.
    var isFull: Bool { state.withLock { $0.isFull } }

    /// Whether messages are still to be read, where media does not come over the same connection.
    var takesMessages: Bool { state.withLock { $0.bytes < byteLimit + Self.messageReserve } }

    /// Bytes that may still come; 0 while it is full.
    var room: Int { state.withLock { $0.isFull ? 0 : max(0, byteLimit - $0.bytes) } }

    /// Bytes that wait.
    var byteCount: Int { state.withLock { $0.bytes } }

    func put(_ items: [RTSPItem]) {
        guard !items.isEmpty else { return }
        state.withLockAndWake { state in
            for item in items {
                state.bytes += item.byteCount
                state.items.append(item)
            }
            if state.bytes >= byteLimit { state.isFull = true }
        }
    }

    /// Nothing will be put in any more.
    func close() { state.withLockAndWake { $0.isClosed = true } }

    /// The next item.
    ///
    /// - Returns: nil when none came before the deadline, or none will come any more.
    func take(until deadline: Instant) -> RTSPItem? {
        var isDrained = false
        let item = state.wait { state, next -> RTSPItem?? in
            if let item = state.items.popFirst() {
                state.bytes -= item.byteCount
                if state.isFull, state.bytes <= byteLimit / 2 {
                    state.isFull = false
                    isDrained = true
                }
                return .some(item)
            }
            if state.isClosed || Instant.now >= deadline { return .some(nil) }
            next = deadline
            return nil
        }
        if isDrained { drained() }
        return item
    }

    /// Everything has been taken, and nothing more will come.
    var isClosed: Bool { state.withLock { $0.isClosed && $0.items.isEmpty } }
}
