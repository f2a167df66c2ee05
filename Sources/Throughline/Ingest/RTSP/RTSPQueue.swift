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
        var watcher: (@Sendable () -> Void)?
    }

    private let state = Guarded(State())

    var isFull: Bool { state.withLock { $0.bytes >= Self.byteLimit } }

    func put(_ items: [RTSPItem]) {
        guard !items.isEmpty else { return }
        let watcher = state.withLockAndWake { state in
            for item in items {
                if case .packets(let block) = item { state.bytes += block.bytes.count }
                state.items.append(item)
            }
            return state.watcher
        }
        watcher?()
    }

    /// Nothing will be put in any more.
    func close() {
        let watcher = state.withLockAndWake { state in
            state.isClosed = true
            return state.watcher
        }
        watcher?()
    }

    /// Calls a watcher whenever something was put in, on the thread that did; nil ends that.
    func watch(_ watcher: (@Sendable () -> Void)?) { state.withLock { $0.watcher = watcher } }

    /// Why a session that is kept and not played is of no use any more: it has failed, or its server has something to
    /// announce. Nil while it is.
    var verdictOnIdle: String? {
        state.withLock { state in
            for item in state.items {
                switch item {
                case .failed(let event): return event.detail
                case .notice: return "its server has announced something"
                default: continue
                }
            }
            return state.isClosed ? "the session is over" : nil
        }
    }

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
