/// Decides when an origin that delivers in real time is asked to deliver faster, so that the buffer is full again, and when
/// to deliver as before.
///
/// Asking means to be joined to the origin anew, which takes something from the buffer first, and takes it once more when
/// the origin is to deliver as before. It is therefore asked only where the buffer holds twice what that takes, and there is
/// something to be gained; and an origin that did not do as it was asked is never asked again. Nor is one asked for anything
/// sooner after its answer than the answer took.
///
///     level  ------.                    .--- full: slow down
///                   '---.              /
///                        '------------'  <- hurry
///                handoff   short for a while
///
/// A pure state machine: facts and the time in, orders out. Each order is answered by one fact: `hurried`, `slowed`, or
/// `refused`.
package struct BufferRefill: Sendable {
    package enum Order: Hashable, Sendable {
        /// Ask for delivery at this speed.
        case hurry(Rate)
        /// Ask for delivery at normal speed.
        case slowDown
    }

    /// What the origin that is read delivers, at one moment.
    package struct Facts: Hashable, Sendable {
        package var origin: OriginID
        /// Media in the buffer.
        package var level: Duration
        /// Media that the origin has still to deliver.
        package var left: Duration

        package init(origin: OriginID, level: Duration, left: Duration) {
            self.origin = origin
            self.level = level
            self.left = left
        }
    }

    private enum State: Sendable {
        case steady
        /// An order was given, and not answered yet.
        case asked(OriginID)
        /// The origin delivers faster. Nothing is asked before its answer has settled; what is missed by `until` does not come.
        case hurrying(OriginID, settled: Instant, until: Instant)
    }

    /// Half as fast again: a second of media is made up for in two.
    package static let speed = Rate(3, 2)
    /// With less in the buffer nothing is asked.
    package static let floor: Duration = .milliseconds(300)
    /// What it takes to join an origin that has not shown it: one that begins at the key frame before sends up to seconds that
    /// are known.
    package static let unknownCost: Duration = .seconds(1)
    /// For how long the buffer must have been short.
    package static let patience: Duration = .milliseconds(500)
    /// A buffer that lacks less than this, or a tenth, is full.
    package static let tolerance: Duration = .milliseconds(50)
    /// How often an origin is asked after it was joined; after that, once in every `rest`.
    package static let mostInARow = 2
    package static let rest: Duration = .seconds(60)
    /// Delivery is slowed down so much before the buffer is full that nothing has to wait outside.
    package static let slack: Duration = .milliseconds(20)
    /// So close to the end nothing needs to be slowed down any more.
    package static let nearEnd: Duration = .seconds(1)

    private let full: Duration
    private var costs: [OriginID: Duration] = [:]
    private var barred: Set<OriginID> = []
    private var state = State.steady
    private var attempts = 0
    private var lastAttempt: Instant?
    private var shortSince: Instant?

    /// - Parameter buffer: what the buffer is to hold.
    package init(buffer: Duration) { full = buffer }

    /// A handoff to this origin was made.
    ///
    /// - Parameter cost: what joining it anew would take, by what the handoff took; nil where that shows nothing.
    package mutating func joined(_ origin: OriginID, cost: Duration?) {
        costs[origin] = cost
        attempts = 0
        lastAttempt = nil
        interrupted()
    }

    /// The viewer has asked for something else: the origin delivers at normal speed from here on.
    package mutating func interrupted() {
        state = .steady
        shortSince = nil
    }

    /// How full the buffer is. To be told while an origin is read, several times in a second.
    package mutating func measured(_ facts: Facts, at now: Instant) -> Order? {
        switch state {
        case .asked: return nil
        case .hurrying(let origin, let settled, let deadline):
            guard origin == facts.origin else {
                interrupted()
                return nil
            }
            guard facts.left >= Self.nearEnd, now >= settled else { return nil }
            let isFull = facts.level >= full - Self.slack
            if !isFull {
                guard now >= deadline else { return nil }
                // It says that it does, and does not.
                barred.insert(origin)
                guard isSafe(facts) else { return nil }
            }
            state = .asked(origin)
            return .slowDown
        case .steady:
            let missing = full - facts.level
            guard missing - costs[facts.origin, default: .zero] > max(full / 10, Self.tolerance) else {
                shortSince = nil
                return nil
            }
            let since = shortSince ?? now
            shortSince = since
            guard now - since >= Self.patience, !barred.contains(facts.origin), isAllowed(at: now), isSafe(facts),
                // While so much is made up for, three times as much is delivered.
                facts.left >= missing * 4 + Self.nearEnd
            else { return nil }
            attempts += 1
            lastAttempt = now
            state = .asked(facts.origin)
            return .hurry(Self.speed)
        }
    }

    /// The origin was joined anew, and says that it delivers at this speed.
    ///
    /// - Parameter took: from the request until something new came, or was expected to.
    package mutating func hurried(
        at speed: Rate, taking took: Duration, level: Duration, now: Instant
    ) -> Order? {
        guard case .asked(let origin) = state else { preconditionFailure("hurried in \(state)") }
        costs[origin] = took
        shortSince = nil
        if speed < Self.speed { barred.insert(origin) }
        if speed < .normal { return .slowDown }
        if speed == .normal {
            state = .steady
        } else {
            state = .hurrying(origin, settled: now + took, until: now + max(.zero, full - level) * 4 + .seconds(2))
        }
        return nil
    }

    /// It delivers at normal speed again.
    package mutating func slowed() { interrupted() }

    /// It could not be joined at that speed, and is never asked again.
    package mutating func refused() {
        guard case .asked(let origin) = state else { preconditionFailure("refused in \(state)") }
        barred.insert(origin)
        interrupted()
    }

    private func isSafe(_ facts: Facts) -> Bool {
        facts.level >= max(Self.floor, costs[facts.origin, default: Self.unknownCost] * 2)
    }

    private func isAllowed(at now: Instant) -> Bool {
        guard attempts >= Self.mostInARow, let lastAttempt else { return true }
        return now - lastAttempt >= Self.rest
    }
}
