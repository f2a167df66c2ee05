/// Decides which alternate is kept ready ahead of need, and when one is to be made ready: facts and the time in, orders
/// out.
///
/// The alternate that a handoff would ask first is made ready, where it can be. It stays the standby until a handoff uses
/// it, it is lost, or it is no alternate any more. What could not be made ready, or was lost, is left alone for a while,
/// and meanwhile the next one takes its turn:
///
/// | failures in a row | pause, at most |
/// | --- | --- |
/// | 1 | 0.5 s |
/// | 2 | 1 s |
/// | 3 | 2 s |
/// | 7 and more | 30 s |
///
/// The pause is drawn evenly between half of that and all of it. A standby that was ready for `trustTime` begins anew.
/// None of this counts against an origin: a handoff asks it all the same.
package struct StandbyKeeper: Sendable {
    /// An alternate, in the order in which a handoff would ask.
    package struct Candidate: Hashable, Sendable {
        package var origin: OriginID
        /// Whether there is anything to be made ready.
        package var canBePrepared: Bool
        /// A handoff would not ask it before; nil for at once.
        package var notBefore: Instant?

        package init(origin: OriginID, canBePrepared: Bool, notBefore: Instant? = nil) {
            self.origin = origin
            self.canBePrepared = canBePrepared
            self.notBefore = notBefore
        }
    }

    package enum Order: Hashable, Sendable {
        /// Make it ready, and tell what came of it: `prepared`, `failed` or `cancelled`.
        case prepare(OriginID)
        /// It is of no use any more.
        case release(OriginID)
    }

    private enum State: Hashable, Sendable {
        case idle
        case preparing(OriginID)
        case ready(OriginID, since: Instant)
    }

    private struct Pause: Sendable {
        var failures: Int
        var ends: Instant
    }

    package static let firstPause: Duration = .milliseconds(500)
    package static let greatestPause: Duration = .seconds(30)
    /// A standby that was ready for so long and is lost has not failed to be one.
    package static let trustTime: Duration = .seconds(10)

    private var state = State.idle
    private var pauses: [OriginID: Pause] = [:]
    /// When another alternate may have its turn.
    private var nextTurn = Instant.never
    /// How often one was made ready.
    package private(set) var preparations = 0
    /// How often one could not be made ready, or was lost before it was used.
    package private(set) var failures = 0
    /// How long one stood ready, up to the last one that does not any more.
    private var held: Duration = .zero

    package init() {}

    /// The origin that is ready.
    package var ready: OriginID? { if case .ready(let origin, _) = state { origin } else { nil } }

    /// The origin that is being made ready.
    package var preparing: OriginID? { if case .preparing(let origin) = state { origin } else { nil } }

    /// When `review` is to be called at the latest.
    package var deadline: Instant { state == .idle ? nextTurn : .never }

    /// How long one stood ready in all.
    package func held(at now: Instant) -> Duration {
        if case .ready(_, let since) = state { held + (now - since) } else { held }
    }

    /// Looks at what the alternates are now; called when they change, and at the deadline.
    package mutating func review(_ candidates: [Candidate], at now: Instant) -> Order? {
        switch state {
        case .preparing: return nil
        case .ready(let origin, let since):
            guard !candidates.contains(where: { $0.origin == origin }) else { return nil }
            held += now - since
            state = .idle
            return .release(origin)
        case .idle: break
        }
        nextTurn = .never
        for candidate in candidates {
            let free = max(pauses[candidate.origin]?.ends ?? now, candidate.notBefore ?? now)
            guard free <= now else {
                nextTurn = min(nextTurn, free)
                continue
            }
            // What a handoff would ask before all others needs nothing, or is what is wanted.
            guard candidate.canBePrepared else { return nil }
            state = .preparing(candidate.origin)
            return .prepare(candidate.origin)
        }
        return nil
    }

    /// The origin of the last order is ready.
    package mutating func prepared(at now: Instant) {
        guard case .preparing(let origin) = state else { return }
        preparations += 1
        state = .ready(origin, since: now)
    }

    /// The origin could not be made ready, or is lost.
    ///
    /// - Parameter jitter: a random number in 0..<1.
    package mutating func failed(at now: Instant, jitter: Double) {
        let origin: OriginID
        switch state {
        case .idle: return
        case .preparing(let asked): origin = asked
        case .ready(let lost, let since):
            origin = lost
            held += now - since
            if now - since >= Self.trustTime { pauses[lost] = nil }
        }
        failures += 1
        let before = pauses[origin]?.failures ?? 0
        let most = min(Self.greatestPause, Self.firstPause * (1 << min(before, 10)))
        let share = 0.5 + 0.5 * min(max(jitter, 0), 1)
        let pause = Duration.nanoseconds(Int64(Double(most.wholeNanoseconds) * share))
        pauses[origin] = Pause(failures: min(before + 1, 1000), ends: now + pause)
        state = .idle
        nextTurn = now
    }

    /// The last order was not carried out to its end, through no fault of the origin.
    package mutating func cancelled() {
        guard case .preparing = state else { return }
        state = .idle
        nextTurn = .never
    }

    /// A handoff uses the standby.
    package mutating func taken(at now: Instant) {
        guard case .ready(let origin, let since) = state else { return }
        held += now - since
        pauses[origin] = nil
        state = .idle
        nextTurn = .never
    }
}
