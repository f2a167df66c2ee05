internal import ThroughlineCore
internal import ThroughlineProtocols

/// Carries the packets of one RTSP session, as they came over the wire, to another session that plays the same and fills
/// its losses from them (`RTPTwin`).
///
/// The one that gives calls `put`, `restarted` and `ended` from its thread, once for each batch; the one that takes calls
/// `take` and `mayRest` from its own. Bounded by bytes: what is not taken in time is dropped, the oldest first.
final class RTSPTwinFeed: Sendable {
    enum Item: Sendable {
        /// With the flows of the one that takes.
        case packets(RTPBlock)
        /// What comes from here on is of another PLAY.
        case restarted
        /// Nothing comes any more.
        case ended
    }

    private struct State {
        var items: [Item] = []
        var bytes = 0
        var isClosed = false
        /// Whether the one that takes waits for the next packet.
        var isAwaited = false
        var wake: (@Sendable () -> Void)?
    }

    /// By flow of the one that gives, the flow of the one that takes.
    let flows: [Int?]
    let policy: RTPTwin.Policy
    private let byteLimit: Int
    private let state = Guarded(State())

    init(flows: [Int?], policy: RTPTwin.Policy, byteLimit: Int = 4 << 20) {
        self.flows = flows
        self.policy = policy
        self.byteLimit = byteLimit
    }

    // MARK: The one that gives

    /// The flow of the one that takes; nil where it has none that is the same.
    func flow(of flow: Int) -> Int? { flows.indices.contains(flow) ? flows[flow] : nil }

    /// Hands packets over.
    ///
    /// - Returns: false when nobody takes them any more.
    func put(_ block: RTPBlock) -> Bool {
        let (isTaken, wake) = state.withLock { state -> (Bool, (@Sendable () -> Void)?) in
            if state.isClosed { return (false, nil) }
            state.items.append(.packets(block))
            state.bytes += block.byteCount
            while state.bytes > byteLimit, let oldest = state.items.firstIndex(where: \.isPackets) {
                if case .packets(let block) = state.items.remove(at: oldest) { state.bytes -= block.byteCount }
            }
            return (true, state.isAwaited ? state.wake : nil)
        }
        wake?()
        return isTaken
    }

    func restarted() { put(last: .restarted) }
    func ended() { put(last: .ended) }

    /// What has come so far is of no use after that.
    private func put(last item: Item) {
        let wake = state.withLock { state -> (@Sendable () -> Void)? in
            if !state.isClosed { (state.items, state.bytes) = ([item], 0) }
            return state.isAwaited ? state.wake : nil
        }
        wake?()
    }

    // MARK: The one that takes

    /// Has `wake` called when something comes that is awaited.
    func watch(_ wake: @escaping @Sendable () -> Void) { state.withLock { $0.wake = wake } }

    /// What has come since the last time.
    func take() -> [Item] {
        state.withLock { state in
            defer { (state.items, state.bytes) = ([], 0) }
            return state.items
        }
    }

    /// Says whether a packet is awaited, so that what comes must wake the one that takes.
    ///
    /// - Returns: false when something awaited is there already.
    func mayRest(isAwaiting: Bool) -> Bool {
        state.withLock { state in
            state.isAwaited = isAwaiting
            return !isAwaiting || state.items.isEmpty
        }
    }

    /// Nothing more is wanted.
    func close() {
        state.withLock { state in
            state.isClosed = true
            (state.items, state.bytes, state.wake) = ([], 0, nil)
        }
    }

    /// Bytes that wait.
    var byteCount: Int { state.withLock { $0.bytes } }
}

extension RTSPTwinFeed.Item {
    fileprivate var isPackets: Bool { if case .packets = self { true } else { false } }
}
