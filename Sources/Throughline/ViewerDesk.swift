internal import Synchronization
internal import ThroughlineCore

/// What the viewer asks for, from any thread, until the session's loop carries it out; and what the viewer wants to hold on
/// the way: paused or not, at which rate, over how much bandwidth.
final class ViewerDesk: Sendable {
    /// What a viewer may ask for while the stream plays.
    enum Control: Sendable {
        case pause, resume
        case seek(NPT)
        case setRate(Rate)
        /// Change the rate where the present one or the next is negative.
        case turn(Rate)
        case limitBandwidth(Int64?)
        /// Leave the origin for another, or for whichever is the best; at a place, or at once.
        case migrate(to: OriginID?, at: NPT?)

        /// Whether what comes from where the viewer is at present is of no use any more.
        var leadsElsewhere: Bool {
            switch self {
            case .seek, .turn: true
            case .pause, .resume, .setRate, .limitBandwidth, .migrate: false
            }
        }

        /// A migration, which needs nothing of the ingest.
        fileprivate var isMigration: Bool { if case .migrate = self { true } else { false } }
    }

    private struct State {
        /// What the viewer wants, and has not been done yet.
        var controls: [Control] = []
        var isStopped = false
        /// Nobody reads any more: it is too late to go elsewhere.
        var isReadOut = false
        /// All that was received has gone out to the outputs since the loop last began to wait for that.
        var hasDrained = false
        var isPaused = false
        /// Negative to play backwards.
        var rate = Rate.normal
        /// Paused since the beginning was reached backwards.
        var isAtBeginning = false
        /// The origin that is read cannot be asked to play backwards.
        var hasNoWayBack = false
        /// Bits per second that origins are to keep to.
        var bandwidth: Int64?
        /// The rate at which the clock runs; negative where it runs back.
        var playedRate = Rate.normal
        /// Wakes the loop where it waits for the ingest that is played.
        var interrupt: (@Sendable () -> Void)?
    }

    private let state = Guarded(State())
    private let buffer: PlayoutBuffer
    private let record: StreamRecord
    /// There are controls to be carried out: asked before every item.
    private let hasControlsFlag = Atomic<Bool>(false)

    init(_ buffer: PlayoutBuffer, _ record: StreamRecord) { (self.buffer, self.record) = (buffer, record) }

    // MARK: - From any thread

    /// Asks for something; it is done soon.
    ///
    /// - Parameter origin: who is played, in words.
    func ask(_ control: Control, of origin: @autoclosure () -> String?) {
        var control = control
        if case .setRate(let rate) = control, rate.isNegative || state.withLock({ $0.rate.isNegative }) {
            control = .turn(rate)
            // The play is not disturbed for a rate that its origin is known not to play at.
            if rate.isNegative, state.withLock({ $0.hasNoWayBack }), let origin = origin() {
                return record.warn(
                    "\(origin) does not play backwards, and its server cannot be asked to; it goes on as it is")
            }
        }
        // Whoever says how fast to go on from the beginning wants to go on.
        var resumes = false
        let (interrupt, isTooLate) = state.withLockAndWake { state in
            if control.leadsElsewhere {
                if state.isReadOut { return (state.interrupt, true) }
                // Under the lock, so that what is thrown away from here on is missed by nobody: the control is carried out.
                buffer.discard()
                record.seekAsked()
            }
            state.controls.append(control)
            hasControlsFlag.store(true, ordering: .releasing)
            buffer.hurry(.control, true)
            switch control {
            case .pause: state.isPaused = true
            case .resume: (state.isPaused, state.isAtBeginning) = (false, false)
            case .setRate(let rate), .turn(let rate):
                state.rate = rate
                resumes = state.isAtBeginning && !rate.isNegative
            case .limitBandwidth(let bandwidth): state.bandwidth = bandwidth
            case .seek: state.isAtBeginning = false
            case .migrate: break
            }
            return (state.interrupt, false)
        }
        if isTooLate { return record.warn("it is too late to go elsewhere: nothing is received any more") }
        // The picture stands still at once; what that means for the origin is seen to by the loop.
        switch control {
        case .pause:
            buffer.pause()
            record.send(.paused(true, npt: buffer.playhead ?? .zero))
        case .resume:
            buffer.resume()
            record.send(.paused(false, npt: buffer.playhead ?? .zero))
        case .seek, .setRate, .turn, .limitBandwidth, .migrate: break
        }
        interrupt?()
        if resumes { ask(.resume, of: nil) }
    }

    /// The stream ends, now.
    func stop() { state.withLockAndWake { $0.isStopped = true } }

    /// Wakes the loop where it waits for the ingest.
    func interrupt() { state.withLock { $0.interrupt }?() }

    var isStopped: Bool { state.withLock { $0.isStopped } }
    var isPaused: Bool { state.withLock { $0.isPaused } }
    var rate: Rate { state.withLock { $0.rate } }
    var bandwidth: Int64? { state.withLock { $0.bandwidth } }
    var playedRate: Rate { state.withLock { $0.playedRate } }
    var hasControls: Bool { hasControlsFlag.load(ordering: .relaxed) }

    /// All that was received has gone out.
    func drained() { state.withLockAndWake { $0.hasDrained = true } }

    /// Waits.
    ///
    /// - Returns: false when the stream ends before.
    func wait(until moment: Instant) -> Bool {
        state.wait { state, deadline in
            if state.isStopped { return false }
            if Instant.now >= moment { return true }
            deadline = moment
            return nil
        }
    }

    // MARK: - The loop

    /// The loop waits at an ingest, or at none, and is woken by this.
    func waits(at interrupt: (@Sendable () -> Void)?) { state.withLock { $0.interrupt = interrupt } }

    /// Whether the origin that is read cannot be asked to play backwards.
    func hasNoWayBack(_ hasNone: Bool) { state.withLock { $0.hasNoWayBack = hasNone } }

    func plays(at rate: Rate) { state.withLock { $0.playedRate = rate } }

    /// What is to be done, in the order in which it was asked for.
    func takeControls() -> [Control] {
        state.withLock { state in
            defer { state.controls = [] }
            hasControlsFlag.store(false, ordering: .relaxed)
            buffer.hurry(.control, false)
            return state.controls
        }
    }

    /// What is to be done, where none of it needs the ingest; otherwise nothing is taken.
    func takeMigrations() -> [Control] {
        guard hasControls else { return [] }
        return state.withLock { state in
            guard state.controls.allSatisfy(\.isMigration) else { return [] }
            defer { state.controls = [] }
            hasControlsFlag.store(false, ordering: .relaxed)
            buffer.hurry(.control, false)
            return state.controls
        }
    }

    /// The viewer has asked to go elsewhere, and it is not done yet.
    var leaves: Bool { state.withLock { $0.controls.contains(where: \.leadsElsewhere) } }

    /// Nothing is received any more.
    func readOut() { state.withLock { $0.isReadOut = true } }

    /// The stream goes on forwards, since it cannot be played backwards. The viewer may want something else by now.
    ///
    /// - Returns: the rate from here on.
    func playsForwards(at rate: Rate) -> Rate {
        state.withLock { state in
            if state.rate.isNegative { state.rate = rate }
            return state.rate
        }
    }

    /// Stands at the beginning, paused.
    ///
    /// - Returns: false where the viewer wants something else.
    func standsAtBeginning() -> Bool {
        state.withLock { state in
            guard state.controls.isEmpty else { return false }
            state.rate = .normal
            (state.isPaused, state.isAtBeginning) = (true, true)
            return true
        }
    }

    /// From here on it counts whether all that was received has gone out.
    func beginDraining() { state.withLock { $0.hasDrained = false } }

    /// All has been received: waits until the viewer wants something, or it has gone out.
    ///
    /// - Parameter isOut: it has: nothing that leads elsewhere is taken from now on.
    /// - Returns: what is wanted; what leads elsewhere among it stays to be carried out.
    func awaitDrained(_ isOut: Bool) -> [Control] {
        state.wait { state, _ in
            if state.isStopped { return [] }
            if state.controls.contains(where: \.leadsElsewhere) { return state.controls }
            if isOut { state.isReadOut = true }
            defer { state.controls = [] }
            return !state.controls.isEmpty || isOut || state.hasDrained ? state.controls : nil
        }
    }

    /// Waits until the viewer wants something, all that was received has gone out, or a moment has come.
    ///
    /// - Returns: whether the viewer wants something.
    func awaitWish(until moment: Instant?) -> Bool {
        state.wait { state, deadline -> Bool? in
            if state.isStopped || !state.controls.isEmpty { return !state.isStopped }
            if state.hasDrained { return false }
            guard let moment else { return nil }
            if Instant.now >= moment { return false }
            deadline = moment
            return nil
        }
    }
}
