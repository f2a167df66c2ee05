internal import ThroughlineCore
internal import ThroughlineProtocols
internal import ThroughlineTransport

/// Keeps a session with an alternate ready: set up, not playing, and kept alive (a warm standby).
///
/// Its work is done on a thread of its own, and nothing waits for it. It is one session, which costs its server what a
/// paused client costs. `changed`, `take` and `ready` may be called from any thread; `stop` once.
final class RTSPStandby: Sendable {
    /// What the standby asks of its session, from its own thread.
    struct Surroundings: Sendable {
        /// The alternates as a handoff would ask them; nil while one is under way.
        var candidates: @Sendable () -> [StandbyKeeper.Candidate]?
        /// How an origin is opened, without being played.
        var opening: @Sendable (OriginID, AbortSwitch) -> RTSPOpening
        /// It is ready, after so long.
        var becameReady: @Sendable (OriginID, Duration) -> Void
        /// It could not be made ready, or is lost.
        var wasLost: @Sendable (OriginID, String) -> Void
    }

    private struct Held: @unchecked Sendable {
        // Unchecked: its reader is used by one thread at a time, that which took it out of the lock.
        let origin: OriginID
        let session: RTSPOpening.Opened
        /// Why it is of no use any more.
        var verdict: String? { session.source.queue.verdictOnIdle }
        var isUseful: Bool { verdict == nil }
    }

    private struct State {
        var keeper = StandbyKeeper()
        var held: Held?
        /// Ends the preparation under way.
        var preparing: (origin: OriginID, abort: AbortSwitch)?
        var isStopped = false
        /// Something has changed that may matter.
        var hasNews = true
    }

    private enum Step {
        case look, end
    }

    private let state = Guarded(State())
    private let surroundings: Surroundings
    private let transport: RTSPTransportChoice
    private let abort: AbortSwitch
    private let thread = Guarded<WorkerThread?>(nil)
    /// How often it is looked whether a handoff has ended, unless somebody tells.
    private static let reviewInterval: Duration = .milliseconds(250)

    /// Begins to prepare.
    ///
    /// - Parameter abort: ends everything.
    init(transport: RTSPTransportChoice, abort: AbortSwitch, _ surroundings: Surroundings) {
        self.transport = transport
        self.abort = abort
        self.surroundings = surroundings
        thread.withLock { $0 = WorkerThread(name: "tl-standby") { [unowned self] in run() } }
    }

    /// Lets the standby go; returns when its thread has ended.
    func stop() {
        let preparing = state.withLockAndWake { state in
            state.isStopped = true
            return state.preparing?.abort
        }
        preparing?.abort()
        thread.withLock { $0.take() }?.join()
    }

    /// Another origin plays, or a handoff has ended.
    func changed() { state.withLockAndWake { $0.hasNews = true } }

    /// The origin that stands ready.
    var ready: OriginID? {
        state.withLock { state in state.held.flatMap { $0.isUseful ? $0.origin : nil } }
    }

    /// The session with an origin, to be played; nil where none stands ready. One that is being made ready is given up:
    /// the server is not to be asked for two at once.
    func take(_ origin: OriginID) -> RTSPOpening.Opened? {
        let (held, preparing) = state.withLockAndWake { state -> (Held?, AbortSwitch?) in
            state.hasNews = true
            if let held = state.held, held.origin == origin, held.isUseful {
                state.held = nil
                state.keeper.taken(at: .now)
                return (held, nil)
            }
            return (nil, state.preparing.flatMap { $0.origin == origin ? $0.abort : nil })
        }
        preparing?.abort()
        held?.session.source.queue.watch(nil)
        return held?.session
    }

    /// What it has cost so far.
    var cost: StandbyCost {
        state.withLock { state in
            StandbyCost(
                standby: .warm, preparations: state.keeper.preparations, failures: state.keeper.failures,
                held: state.keeper.held(at: .now), packets: 0, bytes: 0)
        }
    }

    // MARK: - On its thread

    private func run() {
        // While a handoff is under way: when to look whether it has ended. Nobody tells of one that came to nothing.
        var nextLook: Instant?
        while !abort.isAborted {
            let step = state.wait { state, deadline -> Step? in
                if state.isStopped { return .end }
                deadline = nextLook ?? state.keeper.deadline
                if state.hasNews || deadline <= .now {
                    state.hasNews = false
                    return .look
                }
                return nil
            }
            if step == .end { break }
            nextLook = look() ? nil : .now + Self.reviewInterval
        }
        let held = state.withLock { $0.held.take() }
        held?.session.source.queue.watch(nil)
        // Letting it go tears it down.
    }

    /// - Returns: false while a handoff is under way, and nobody is looked for.
    private func look() -> Bool {
        let lost = state.withLock { state -> (held: Held, reason: String)? in
            guard let held = state.held, let reason = held.verdict else { return nil }
            state.held = nil
            state.keeper.failed(at: .now, jitter: Chance.fraction)
            return (held, reason)
        }
        if let lost { surroundings.wasLost(lost.held.origin, lost.reason) }
        guard let candidates = surroundings.candidates() else { return false }
        while true {
            let (order, held) = state.withLock { state -> (StandbyKeeper.Order?, Held?) in
                let order = state.isStopped ? nil : state.keeper.review(candidates, at: .now)
                if case .release = order { return (order, state.held.take()) }
                return (order, nil)
            }
            // What is held here is torn down at the end of each turn.
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

    private func prepare(_ origin: OriginID) {
        let abort = AbortSwitch(parent: abort)
        state.withLock { $0.preparing = ($0.isStopped ? nil : (origin, abort)) }
        let began = Instant.now
        do throws(IngestOpenError) {
            let session = try surroundings.opening(origin, abort).prepare(over: transport)
            // Before it is there to be taken: what is played is not watched.
            session.source.queue.watch { [state] in state.withLockAndWake { $0.hasNews = true } }
            let isKept = state.withLock { state in
                state.preparing = nil
                // Asked for meanwhile, or of no use any more.
                guard !state.isStopped, !abort.isAborted else {
                    state.keeper.cancelled()
                    return false
                }
                state.keeper.prepared(at: .now)
                state.held = Held(origin: origin, session: session)
                return true
            }
            guard isKept else { return }
            // What came before it was watched, and what has become of the alternates meanwhile.
            changed()
            surroundings.becameReady(origin, Instant.now - began)
        } catch {
            state.withLock { state in
                state.preparing = nil
                if error.isAborted || abort.isAborted {
                    state.keeper.cancelled()
                } else {
                    state.keeper.failed(at: .now, jitter: Chance.fraction)
                }
            }
            if !error.isAborted, !abort.isAborted { surroundings.wasLost(origin, error.failure.text) }
        }
    }
}
