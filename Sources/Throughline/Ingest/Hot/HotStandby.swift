internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineTransport

/// Keeps an alternate that delivers, aligned with what is played (a hot standby).
///
/// Who is opened, and when, is decided as for a warm one (`StandbyKeeper`), on a thread of its own; what is open is read on
/// another one (`HotIngest`). `changed`, `restart`, `take` and `ready` may be called from any thread; `stop` once.
final class HotStandby: Sendable {
    /// What the standby asks of its session, from its own threads.
    struct Surroundings: Sendable {
        /// The alternates as a handoff would ask them; nil while one is under way.
        var candidates: @Sendable () -> [StandbyKeeper.Candidate]?
        /// How far the origin is that is played; nil while that is not known.
        var outlook: @Sendable () -> StandbyWindow.Primary?
        var open: @Sendable (Request) throws(IngestOpenError) -> HotIngest
        /// It is aligned, after so long.
        var becameReady: @Sendable (OriginID, Duration) -> Void
        /// It could not be made ready, or is lost; with what that says of the origin.
        var wasLost: @Sendable (OriginID, String, HandoffController.AttemptFailure?) -> Void
    }

    /// What is to be opened.
    struct Request: Sendable {
        let origin: OriginID
        let primary: StandbyWindow.Primary
        /// How far ahead of the primary one is to begin that delivers in real time.
        let lead: MediaTime
        /// Ends the ingest, and nothing else.
        let abort: AbortSwitch
        /// To be called when the condition of its feed has changed.
        let changed: @Sendable () -> Void
    }

    private struct Held: @unchecked Sendable {
        // Unchecked: beside its feed it is used by one thread at a time, that which took it out of the lock.
        let ingest: HotIngest
        let began: Instant
    }

    private struct State {
        var keeper = StandbyKeeper()
        var held: Held?
        /// Ends the opening under way.
        var opening: (origin: OriginID, abort: AbortSwitch)?
        var isStopped = false
        /// Something has changed that may matter.
        var hasNews = true
        /// What is held is of no use, through no fault of its own.
        var isStale = false
        /// How far ahead each origin had to begin.
        var leads: [OriginID: MediaTime] = [:]
        /// Packets and bytes of those that are held no more.
        var received: (packets: Int, bytes: Int64) = (0, 0)

        /// Lets go what is held, in account.
        mutating func release() -> Held? {
            guard let held = held.take() else { return nil }
            let more = held.ingest.feed.received
            received = (received.packets + more.packets, received.bytes + more.bytes)
            leads[held.ingest.origin] = held.ingest.feed.lead
            return held
        }
    }

    private let state = Guarded(State())
    private let surroundings: Surroundings
    private let abort: AbortSwitch
    private let thread = Guarded<WorkerThread?>(nil)
    /// How often it is looked at least whether what is held is still of use.
    private static let reviewInterval: Duration = .milliseconds(250)
    /// How often it is looked whether the primary is far enough to begin.
    private static let poll: Duration = .milliseconds(100)

    /// Begins to prepare.
    ///
    /// - Parameter abort: ends everything.
    init(abort: AbortSwitch, _ surroundings: Surroundings) {
        self.abort = abort
        self.surroundings = surroundings
        thread.withLock { $0 = WorkerThread(name: "tl-standby") { [unowned self] in run() } }
    }

    /// Lets the standby go; returns when its threads have ended.
    func stop() {
        let opening = state.withLockAndWake { state in
            state.isStopped = true
            return state.opening?.abort
        }
        opening?.abort()
        thread.withLock { $0.take() }?.join()
    }

    /// Another origin plays, a handoff has ended, or the viewer wants something else.
    func changed() { state.withLockAndWake { $0.hasNews = true } }

    /// The stream goes on elsewhere in the presentation: what is held is of no use.
    func restart() {
        let opening = state.withLockAndWake { state in
            (state.isStale, state.hasNews) = (true, true)
            return state.opening?.abort
        }
        opening?.abort()
    }

    /// The origin that delivers, and is better than any other in a handoff now.
    var ready: OriginID? {
        guard let feed = state.withLock({ $0.isStale ? nil : $0.held.map { ($0.ingest.origin, $0.ingest.feed) } }),
            let primary = surroundings.outlook(), feed.1.isReady(primary)
        else { return nil }
        return feed.0
    }

    /// Whether what is held goes on behind what was received.
    var hasMore: Bool {
        guard let feed = state.withLock({ $0.held?.ingest.feed }), let primary = surroundings.outlook() else {
            return false
        }
        return feed.hasMore(than: primary)
    }

    /// The origin that is held, or being opened.
    var origin: OriginID? { state.withLock { $0.held?.ingest.origin ?? $0.opening?.origin } }

    /// What delivers from an origin, to be joined, aligned or not; nil where nothing does. One that is being opened is
    /// given up: the server is not to be asked for two at once.
    func take(_ origin: OriginID) -> HotIngest? {
        let (held, opening) = state.withLockAndWake { state -> (Held?, AbortSwitch?) in
            state.hasNews = true
            if let held = state.held, held.ingest.origin == origin, !state.isStale {
                if case .lost = held.ingest.feed.condition { return (nil, nil) }
                if state.keeper.ready == nil { state.keeper.cancelled() } else { state.keeper.taken(at: .now) }
                return (state.release(), nil)
            }
            // From here on what it opens is nobody's, whenever that is told.
            guard let opening = state.opening, opening.origin == origin else { return (nil, nil) }
            state.opening = nil
            return (nil, opening.abort)
        }
        opening?.abort()
        held?.ingest.take(at: surroundings.outlook())
        return held?.ingest
    }

    /// What it has cost so far.
    var cost: StandbyCost {
        state.withLock { state in
            let now = state.held?.ingest.feed.received ?? (packets: 0, bytes: 0)
            return StandbyCost(
                standby: .hot, preparations: state.keeper.preparations, failures: state.keeper.failures,
                held: state.keeper.held(at: .now), packets: state.received.packets + now.packets,
                bytes: state.received.bytes + now.bytes)
        }
    }

    // MARK: - On its thread

    private func run() {
        // While a handoff is under way: when to look whether it has ended. Nobody tells of one that came to nothing.
        var nextLook: Instant?
        while !abort.isAborted {
            // The viewer may pause while the session's thread waits for room.
            let review = Instant.now + Self.reviewInterval
            let isOver = state.wait { state, deadline -> Bool? in
                if state.isStopped { return true }
                deadline =
                    nextLook ?? (state.held == nil ? state.keeper.deadline : min(state.keeper.deadline, review))
                if state.hasNews || deadline <= .now {
                    state.hasNews = false
                    return false
                }
                return nil
            }
            if isOver { break }
            nextLook = look() ? nil : .now + Self.reviewInterval
        }
        // Letting it go ends its thread.
        _ = state.withLock { $0.release() }
    }

    /// - Returns: false while a handoff is under way, and nobody is looked for.
    private func look() -> Bool {
        // What is let go here ends at the end of its turn, outside of the lock.
        noteCondition()
        guard let candidates = surroundings.candidates() else { return false }
        while true {
            let (order, held) = state.withLock { state -> (StandbyKeeper.Order?, Held?) in
                if state.isStopped { return (nil, nil) }
                if let held = state.held, state.keeper.ready == nil {
                    // Being aligned still.
                    guard state.isStale || !candidates.contains(where: { $0.origin == held.ingest.origin }) else {
                        return (nil, nil)
                    }
                    state.keeper.cancelled()
                    state.isStale = false
                    return (.release(held.ingest.origin), state.release())
                }
                let order = state.keeper.review(state.isStale ? [] : candidates, at: .now)
                let wasStale = state.isStale
                state.isStale = false
                if case .release = order { return (order, state.release()) }
                return (wasStale ? state.keeper.review(candidates, at: .now) : order, nil)
            }
            _ = held
            switch order {
            case nil: return true
            case .release: continue
            case .prepare(let origin):
                prepare(origin)
                return true
            }
        }
    }

    /// What has become of what is held.
    private func noteCondition() {
        let now = Instant.now
        var ready: (OriginID, Duration)?
        let lost = state.withLock { state -> (held: Held, loss: HotFeed.Loss)? in
            guard let held = state.held, !state.isStale else { return nil }
            switch held.ingest.feed.condition {
            case .catchingUp: return nil
            case .good:
                guard state.keeper.ready == nil else { return nil }
                state.keeper.prepared(at: now)
                ready = (held.ingest.origin, now - held.began)
                return nil
            case .lost(let loss):
                state.keeper.failed(at: now, jitter: Chance.fraction)
                return state.release().map { ($0, loss) }
            }
        }
        if let ready { surroundings.becameReady(ready.0, ready.1) }
        if let lost {
            let failure: HandoffController.AttemptFailure? =
                switch lost.loss {
                case .failed(let event): .undelivered(event)
                case .different(let reason): .refused(.contentRefused, reason)
                case .adrift: nil
                }
            surroundings.wasLost(lost.held.ingest.origin, lost.loss.reason, failure)
        }
    }

    private func prepare(_ origin: OriginID) {
        let abort = AbortSwitch(parent: abort)
        let began = Instant.now
        let lead = state.withLock { state in
            state.opening = state.isStopped ? nil : (origin, abort)
            return state.leads[origin] ?? StandbyWindow.firstLead
        }
        defer { state.withLock { if $0.opening?.abort === abort { $0.opening = nil } } }
        var failure: IngestOpenError?
        if let primary = primary(abort) {
            do throws(IngestOpenError) {
                let ingest = try surroundings.open(
                    Request(origin: origin, primary: primary, lead: lead, abort: abort) { [state] in
                        state.withLockAndWake { $0.hasNews = true }
                    })
                let isKept = state.withLock { state in
                    state.hasNews = true
                    // Asked for meanwhile, or of no use any more.
                    guard !state.isStopped, !abort.isAborted, state.opening?.abort === abort else { return false }
                    state.held = Held(ingest: ingest, began: began)
                    return true
                }
                if isKept { return }
            } catch { failure = error }
        }
        let error = failure.flatMap { $0.isAborted || abort.isAborted ? nil : $0 }
        state.withLock { state in
            state.hasNews = true
            guard error != nil else { return state.keeper.cancelled() }
            state.keeper.failed(at: .now, jitter: Chance.fraction)
        }
        if let error { surroundings.wasLost(origin, error.failure.text, error.failure) }
    }

    /// Waits until something is played.
    private func primary(_ abort: AbortSwitch) -> StandbyWindow.Primary? {
        while !abort.isAborted {
            if let primary = surroundings.outlook() { return primary }
            let until = Instant.now + Self.poll
            let isOver = state.wait { state, deadline -> Bool? in
                if state.isStopped { return true }
                if Instant.now >= until { return false }
                deadline = until
                return nil
            }
            if isOver { return nil }
        }
        return nil
    }
}
