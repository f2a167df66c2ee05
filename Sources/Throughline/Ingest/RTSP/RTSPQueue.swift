internal import DequeModule
internal import ThroughlineCore
internal import ThroughlineProtocols

/// What waits between an RTSP source and its reader. Bounded by bytes: a connection is not read while it is full.
final class RTSPQueue: Sendable {
    /// Bytes of packets that may wait.
    static let byteLimit = 16 << 20

    private struct State {
        var items = Deque<RTSPItem>()
        var bytes = 0
        var isClosed = false
    }

    private let state = Guarded(State())

    var isFull: Bool { state.withLock { $0.bytes >= Self.byteLimit } }

    func put(_ items: [RTSPItem]) {
        guard !items.isEmpty else { return }
        state.withLockAndWake { state in
            for item in items {
                if case .packets(let block) = item { state.bytes += block.bytes.count }
                state.items.append(item)
            }
        }
    }

    /// Nothing will be put in any more.
    func close() { state.withLockAndWake { $0.isClosed = true } }

    /// The next item.
    ///
    /// - Returns: nil when none came before the deadline, or none will come any more.
    func take(until deadline: Instant) -> RTSPItem? {
        state.wait { state, next -> RTSPItem?? in
            if let item = state.items.popFirst() {
                if case .packets(let block) = item { state.bytes -= block.bytes.count }
                return .some(item)
            }
            if state.isClosed || Instant.now >= deadline { return .some(nil) }
            next = deadline
            return nil
        }
    }

    /// Everything has been taken, and nothing more will come.
    var isClosed: Bool { state.withLock { $0.isClosed && $0.items.isEmpty } }
}
