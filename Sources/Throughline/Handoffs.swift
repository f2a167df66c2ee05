internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols
internal import ThroughlineTransport

/// Leaving one origin for another: what the machine orders is carried out here, from the event to the report. On the
/// session's loop.
final class Handoffs {
    /// Plays what is to be left while the next ingest is opened.
    protocol Reading: AnyObject {
        /// - Parameter least: once the buffer holds no more than this, and nothing comes, the origin counts as silent.
        func readOn(_ runner: Runner, least: Duration, while isWanted: () -> Bool)
    }

    private let stream: StreamContext
    private let intake: Intake
    private let changes: PlannedChanges
    private let refilling: Refilling
    private let standbys: Standbys
    private let joiner: Joiner
    private let watcher: Watcher
    /// Set once, right after both were made.
    weak var reader: (any Reading)?

    var group = FlowGroup<Runner>()
    private var log = HandoffLog()
    /// When the machine wants to go on with leaving the ingest that is read; `.never` when nothing is to be left.
    var staysUntil = Instant.never
    /// The runner that is played was told that it is to be left.
    var isLeft = false
    /// The ingest was played on between two attempts to leave it, and the next is due.
    var stayIsOver = false
    /// A reason to leave was seen since the machine was last told that media comes.
    private var mustNote = false
    private var lastNoted = Instant.now

    init(
        _ stream: StreamContext, _ intake: Intake, _ changes: PlannedChanges, _ refilling: Refilling,
        _ standbys: Standbys, _ joiner: Joiner, _ watcher: Watcher
    ) {
        (self.stream, self.intake, self.changes) = (stream, intake, changes)
        (self.refilling, self.standbys, self.joiner, self.watcher) = (refilling, standbys, joiner, watcher)
    }

    /// A handoff was made, and is not complete.
    var isPending: Bool { log.isPending }

    // MARK: - The event

    /// There is a reason to leave the origin that is played.
    ///
    /// - Parameters:
    ///   - isPlanned: the origin delivers still, and is what the group leaves.
    ///   - target: who is to be asked first; nil for whom the event names.
    ///   - isTargetOnly: and nobody else.
    func observe(
        _ event: ChangeEvent, canResume: Bool, isPlanned: Bool = false, target: OriginID? = nil,
        isTargetOnly: Bool = false
    ) -> HandoffController.Order {
        (staysUntil, isLeft, stayIsOver) = (.never, false, false)
        group.read?.stays()
        if !group.endStands { stream.buffer.mayHaveEnded(false) }
        if log.isPending {
            accepts()
            report()
        }
        mustNote = true
        log.observed(
            at: intake.position ?? .zero, level: stream.buffer.level.duration, standings: intake.allStandings)
        guard let origin = stream.currentOrigin else { preconditionFailure("a change event before any origin") }
        var change = StreamMachine.Change(event)
        (change.canResume, change.isPlanned, change.isTargetOnly) = (canResume, isPlanned, isTargetOnly)
        (change.target, change.announced) = (target, changes.announced(by: origin)?.target)
        change.named = event.target.flatMap { stream.originID(of: $0) }
        let decision = watcher.decide(.changed(change), watcher.sight)
        stream.record.send(.changeObserved(event, origin: origin, url: stream.record.url(origin)))
        if let url = decision.notAsked {
            stream.record.warn(
                "\(redacted(url)) was named as the next origin, but it is none that was given: not asked")
        }
        return decision.order
    }

    func attemptFailed(
        _ failure: HandoffController.AttemptFailure, on origin: OriginID
    ) -> HandoffController.Order {
        stream.record.send(.attemptFailed(origin: origin, url: stream.record.url(origin), reason: failure.text))
        return watcher.handoff(.attemptFailed(failure, origin))
    }

    /// The ingest that is read could not be joined again.
    func rejoinFailed(_ failure: SpliceSearch.Failure) -> HandoffController.Order? {
        guard case .attempt(let failure) = failure else { return nil }
        let cause: ChangeEvent.Cause = if case .undelivered(let event) = failure { event.cause } else { .other }
        return observe(ChangeEvent(cause: cause, detail: failure.text), canResume: false)
    }

    /// The origin that is to be left has been played on for a while between two attempts.
    func stayEnded() -> HandoffController.Order {
        stayIsOver = false
        log.resumed(at: intake.position ?? .zero, level: stream.buffer.level.duration)
        return watcher.handoff(.stayEnded)
    }

    /// Waits for the moment before which the machine wants no origin to be asked.
    ///
    /// - Returns: nil when the stream is over.
    func wait(until moment: Instant) -> HandoffController.Order? {
        intake.flush()
        stream.record.send(.waiting(moment - Instant.now))
        return stream.viewer.wait(until: moment) ? watcher.handoff(.waitEnded) : nil
    }

    // MARK: - The bytes of a source

    /// Carries out an order, and those that follow from it, until it is known where the bytes of a source go on.
    ///
    /// - Returns: the answer, and what is to be done instead once the source is closed.
    func whereBytesGoOn(_ order: HandoffController.Order) -> (SourceAnswer, instead: HandoffController.Order?) {
        var order = order
        while !stream.abort.isAborted {
            switch order {
            case .resume(let next): return (.resume(next, hedging(next)), nil)
            case .wait(let moment):
                guard let following = wait(until: moment) else { return (.close, nil) }
                order = following
            case .replace(let next):
                guard let following = replace(on: next) else { return (.close, nil) }
                order = following
            case .open, .giveUp, .stay: return (.close, order)
            }
        }
        return (.close, nil)
    }

    /// The order in which origins are asked for the same bytes, beginning with one.
    func hedging(_ pick: OriginID) -> HedgedOpening {
        standbys.dropHot(pick)
        let now = Instant.now
        let (others, times) = stream.machine.withLock { ($0.handoff.hedgeCandidates(at: now), $0.watch.times) }
        return HedgedOpening(
            ([pick] + others).map { .init($0, expected: times.opening($0)) }, dryAt: stream.level.map { now + $0 })
    }

    func hedgeFailed(_ failure: HandoffController.AttemptFailure, on origin: OriginID) {
        stream.record.send(.attemptFailed(origin: origin, url: stream.record.url(origin), reason: failure.text))
        watcher.decide(.hedgeFailed(failure, origin))
    }

    /// Bytes flow again.
    func resumed(on origin: OriginID, at byte: Int64, standby: Standby, evidence: String) {
        let decision = watcher.decide(.joined(origin, .bytes(isWarm: standby == .warm)), watcher.sight)
        guard let (move, record) = decision.made else { return }
        log.made(
            move, to: origin,
            HandoffLog.Join(grade: .byteExact, evidence: evidence, byteOffset: byte, standby: standby), record)
        standbys.changed()
        intake.countJoin()
    }

    // MARK: - Another ingest

    /// Opens another ingest and joins it to what was received; the group then has it next. One that delivers still is played
    /// on meanwhile.
    ///
    /// - Returns: what to do where that came to nothing; nil where it has joined, or the stream is over.
    func replace(on origin: OriginID) -> HandoffController.Order? {
        guard let line = intake.line else { preconditionFailure("replace before open") }
        if line.isBackward { return follow(joiner.joinBackwards(origin, line), on: origin) }
        let playsOn = mayPlayOn
        watcher.decide(.playsOn(playsOn))
        // The thread of a trial may set this until it has ended.
        defer { stream.buffer.hurry(.join, false) }
        var trial = joiner.begin(origin, line, isPlayedOn: group.leaving != nil)
        if playsOn {
            playOn(until: trial)
            // The patience of the opening is not shortened under way: an origin that is called off here is not to blame.
            let isThere = !isAllDone && isAwaited(trial, on: origin)
            watcher.decide(.playsOn(false))
            if !isThere {
                trial.cancel()
                // The origin is not to blame for that.
                return stream.abort.isAborted ? nil : attemptFailed(.calledOff, on: origin)
            }
        }
        while true {
            do throws(JoiningIngest.Failure) {
                let found = try trial.takeOutcome()
                found.plan.lastArrival = intake.lastFlush
                if let place = found.plan.readsOnTo, let runner = changes.move(to: place) {
                    reader?.readOn(runner, least: .zero) { !changes.isReached(by: runner) }
                }
                // Nothing more is read of the ingest that is left, so that another search finds its end.
                let outcome = joiner.join(found, line, atOnce: !playsOn)
                guard case .again(let again) = outcome else { return follow(outcome, on: origin) }
                trial = again
            } catch {
                switch error {
                case .opening(let error):
                    return error.isAborted ? cameToNothing(on: origin) : attemptFailed(error.failure, on: origin)
                case .search(.attempt(let failure)): return attemptFailed(failure, on: origin)
                case .search: return cameToNothing(on: origin)
                }
            }
        }
    }

    private func follow(_ outcome: Joiner.Outcome, on origin: OriginID) -> HandoffController.Order? {
        switch outcome {
        case .failed(let failure): return attemptFailed(failure, on: origin)
        case .joined(let joined):
            hasJoined(joined)
            return nil
        case .aborted, .again: return cameToNothing(on: origin)
        }
    }

    /// An attempt was broken off: with the stream, or for no reason that is known.
    private func cameToNothing(on origin: OriginID) -> HandoffController.Order? {
        if stream.abort.isAborted { return nil }
        let event = ChangeEvent(cause: .other, detail: "\(stream.record.url(origin)): reading it was broken off")
        return attemptFailed(.undelivered(event), on: origin)
    }

    /// Another ingest is to be read next.
    private func hasJoined(_ joined: Joiner.Joined) {
        let (runner, opening) = (joined.opened.runner, joined.opened.opening)
        let ingest = runner.still
        refilling.joined(
            ingest, joined.grade, opening: opening, joining: joined.searching ?? .zero, atOnce: joined.isAtOnce)
        let cost: HandoffCost =
            switch ingest.traits.standby {
            case .cold: HandoffCost(opening: opening, media: joined.searching)
            case .warm: HandoffCost(media: joined.searching.map { opening + $0 })
            case .hot: HandoffCost(hot: opening + (joined.searching ?? .zero))
            }
        guard let (move, record) = watcher.decide(.joined(ingest.origin, .ingest(cost)), watcher.sight).made else {
            preconditionFailure("a join that was not ordered")
        }
        // Where an origin ended early, the one that goes on tells how long the presentation is.
        if move.event.cause == .endedShort, let longer = ingest.duration { stream.record.lasts(atLeast: longer) }
        log.made(
            move, to: ingest.origin,
            HandoffLog.Join(grade: joined.grade, evidence: joined.evidence, standby: ingest.traits.standby), record)
        standbys.changed()
        stream.twins.plays(ingest.accounts?.twinEnd)
        stream.buffer.isFed(inRealtime: ingest.isRealtime)
        intake.flush()
        changes.forget()
        group.joined(runner)?.stop()
        joined.opened.play()
    }

    // MARK: - Meanwhile

    /// Whether the ingest that is to be left can be played while another one is opened.
    private var mayPlayOn: Bool {
        guard case .leaving(let runner, nil) = group.held, changes.place == nil, !stream.viewer.isPaused else {
            return false
        }
        // An origin that brings too little is left at the last moment.
        return runner.deliversStill && stream.machine.withLock { $0.observed?.event.kind != .overload }
    }

    /// Plays the ingest on that is to be left until another is ready to be joined, or something else is to be done first.
    private func playOn(until trial: Trial<JoiningIngest, JoiningIngest.Failure>) {
        guard let leaving = group.leaving else { return }
        trial.whenEnded { [buffer = stream.buffer, waker = leaving.waker] in
            buffer.hurry(.join, true)
            waker()
        }
        let hasOthers = stream.machine.withLock { $0.handoff.hasOthers }
        let end = Instant.now + (hasOthers ? StreamMachine.patience : stream.configuration.openBound) * 2
        // Half of the buffer is for whoever goes on where neither of both delivers.
        reader?.readOn(leaving, least: (stream.level ?? .zero) / 2) {
            trial.state == nil && !stream.viewer.hasControls && !changes.isDue && Instant.now < end
        }
    }

    /// Waits for an ingest that is being opened while nothing is received: no longer than for any other, or where there is
    /// none, as long as the buffer bears it.
    ///
    /// - Returns: whether it is there, or has failed.
    private func isAwaited(_ trial: Trial<JoiningIngest, JoiningIngest.Failure>, on origin: OriginID) -> Bool {
        let level = stream.level
        var (bound, hasOthers) = stream.machine.withLock { ($0.patience(with: origin, level), $0.handoff.hasOthers) }
        if !hasOthers, let level { bound = max(bound, level - StreamMachine.joinTime) }
        return trial.hasEnded(by: .now + bound)
    }

    /// All that is played has reached the end that was asked for.
    var isAllDone: Bool { intake.isAllDone(isRealtime: group.read?.isRealtime ?? false) }

    /// Stops the runner that the group holds, and forgets what was held back of its packets.
    func dismiss() {
        group.dismiss()?.stop()
        changes.forget()
    }

    // MARK: - The report

    /// New media is about to go to the buffer: a handoff is complete with the first packet, and reported once every flow is
    /// through.
    func delivers() {
        if log.isPending {
            accepts()
            if intake.line?.isSettled ?? true { report() }
        }
        let now = intake.lastFlush
        guard mustNote || now - lastNoted > .seconds(1) else { return }
        (mustNote, lastNoted) = (false, now)
        watcher.decide(.deliversStill)
    }

    private func accepts() { log.accepts(stream.buffer.level.duration) }

    func report() {
        for warning in intake.line?.takeWarnings() ?? [] { stream.record.warn(warning) }
        guard let report = log.report(intake.line?.splices ?? [], stream.record) else { return }
        stream.record.handedOff(report, unseen: intake.line?.unseen ?? .zero)
    }
}
