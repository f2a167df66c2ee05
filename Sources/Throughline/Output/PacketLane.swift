internal import ThroughlineCore

/// What becomes of a lane whose consumer is slower than the stream.
public enum LanePolicy: Sendable, Hashable {
    /// What there is no room for is left out, up to the next key frame for which there is.
    case dropToKeyFrame
    /// It ends, with `StreamError.Code.outputFailed`.
    case disconnect
}

/// What may wait in a lane for its consumer. Whatever is reached first counts.
public struct LaneLimits: Sendable, Hashable {
    /// From the first packet to the last.
    public let duration: Duration
    public let bytes: Int
    public let packets: Int

    /// - Parameters: at least 100 ms, 1 byte and 1 packet; one batch may always go beyond.
    public init(duration: Duration = .seconds(5), bytes: Int = 64 << 20, packets: Int = 16_384) {
        self.duration = max(.milliseconds(100), duration)
        self.bytes = max(1, bytes)
        self.packets = max(1, packets)
    }
}

/// One consumer of what a stream presents, which takes it when it likes. The stream waits for none: what a lane has no room
/// for goes by `LanePolicy`, and no lane harms another, or an output.
///
/// It begins with a key frame, and ends with the stream, by `leave`, or since its consumer was too slow. From any thread; one
/// at a time takes from it.
public final class PacketLane: Sendable {
    public enum Item: Sendable {
        case batch(PacketBatch)
        /// Nothing more comes; an error where not all of the stream was presented.
        case end(StreamError?)
    }

    private struct State {
        var queue = LaneQueue()
        /// It goes on with the next key frame.
        var awaitsKey = true
        /// It has begun: what is left out from here on is missed.
        var hasBegun = false
        /// Left out since the last batch.
        var droppedNow = 0
        var dropped = 0
        var end: StreamError??

        mutating func drop(_ count: Int) {
            guard hasBegun else { return }
            droppedNow += count
            dropped += count
        }

        mutating func append(_ batch: PacketBatch) {
            (hasBegun, awaitsKey, droppedNow) = (true, false, 0)
            queue.append(batch)
        }
    }

    private let policy: LanePolicy
    private let limits: LaneLimits
    private let state = Guarded(State())

    init(_ policy: LanePolicy, _ limits: LaneLimits) { (self.policy, self.limits) = (policy, limits) }

    // MARK: - Its consumer

    /// What comes next.
    ///
    /// - Parameter timeout: how long to wait for it; nil for as long as it takes.
    /// - Returns: nil where nothing came in time.
    public func next(timeout: Duration? = nil) -> Item? {
        let deadline = timeout.map { Instant.now + $0 } ?? .never
        return state.wait(until: deadline) { state -> Item? in
            state.queue.popFirst().map { .batch($0) } ?? state.end.map { .end($0) }
        }
    }

    /// Packets that were left out so far.
    public var dropped: Int { state.withLock { $0.dropped } }

    /// Nothing more is wanted: what waits is thrown away, and `next` tells the end.
    public func leave() {
        state.withLockAndWake { state in
            state.queue.removeAll()
            if state.end == nil { state.end = .some(nil) }
        }
    }

    // MARK: - The pacer

    var hasEnded: Bool { state.withLock { $0.end != nil } }

    func end(_ error: StreamError?) { state.withLockAndWake { if $0.end == nil { $0.end = .some(error) } } }

    /// Takes what is presented, as far as there is room.
    func offer(_ store: PacketStore) {
        state.withLockAndWake { state in
            guard state.end == nil, store.count > 0 else { return }
            var first = 0
            if state.awaitsKey {
                // While much waits still, it would soon be full again.
                let begin = state.queue.isBeyond(limits, share: 2) ? nil : store.firstBeginning
                state.drop(begin ?? store.count)
                guard let begin else { return }
                first = begin
            } else if state.queue.isBeyond(limits) {
                guard policy == .dropToKeyFrame else {
                    state.end = .some(
                        StreamError(
                            code: .outputFailed, message: "a lane was let go: its consumer is slower than the stream"))
                    return
                }
                state.awaitsKey = true
                return state.drop(store.count)
            }
            state.append(PacketBatch(store, first..<store.count, dropped: state.droppedNow))
        }
    }
}
