internal import DequeModule
internal import Synchronization
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols
internal import ThroughlineTransport

/// Leaving one origin for another, and what the running input asks of its session meanwhile.
extension Session {
    /// Opens another ingest and joins it to what was received; it is read once the present one has returned. One that
    /// delivers still is played on meanwhile.
    func replace(on origin: OriginID) -> HandoffController.Order? {
        guard let line else { preconditionFailure("replace before open") }
        if isBackward { return replaceBackwards(on: origin, line) }
        let playsOn = mayPlayOn
        isPlayedOn.store(playsOn, ordering: .relaxed)
        // The thread of a trial may set this until it has ended.
        defer { buffer.hurry(.join, false) }
        var trial = beginToJoin(origin, line)
        if playsOn {
            playOn(until: trial)
            if isAllDone || !isAwaited(trial, on: origin) {
                trial.cancel()
                // The origin is not to blame for that.
                return abort.isAborted ? nil : attemptFailed(.calledOff, on: origin)
            }
        }
        while true {
            do throws(JoiningIngest.Failure) {
                let found = try trial.takeOutcome()
                found.plan.lastArrival = lastFlush
                // Nothing more is read of the ingest that is left, so that another search finds its end.
                guard let again = try join(found, on: origin, line, atOnce: !playsOn) else { return nil }
                trial = again
            } catch {
                switch error {
                case .opening(let error): return error.isAborted ? nil : attemptFailed(error.failure, on: origin)
                case .search(let error): return joinFailed(error, on: origin)
                }
            }
        }
    }

    func joinFailed(_ failure: SpliceSearch.Failure, on origin: OriginID) -> HandoffController.Order? {
        switch failure {
        case .aborted, .otherPace, .unproven: nil
        case .attempt(let failure): attemptFailed(failure, on: origin)
        }
    }

    /// Has an origin opened, and its place found, on another thread.
    private func beginToJoin(_ origin: OriginID, _ line: SpliceLine) -> Trial<JoiningIngest, JoiningIngest.Failure> {
        let (reference, isPaced) = (spliceReference(line), configuration.pacing == .realtime)
        var terms = spliceTerms(on: origin)
        terms.place = leaving == nil ? nil : cut?.cut.npt
        let overlap = overlap
        if overlap != nil, takesHot, let ready = hot?.take(origin) {
            let opened = OpenedIngest(ready, isPaced: isPaced)
            return JoiningIngest.begin({ opened }, reference, in: buffer, terms, abort: ready.abort)
        }
        let kind = origins[origin].kind
        let hasSparse = outputFlows.contains { $0.isSparse && isSelected($0) }
        var request = request(origin)
        request.start = overlap.map { max(.zero, hasSparse ? $0 - RTSPIngest.sparseReach : $0) } ?? start
        request.isExact = overlap != nil
        request.rate = askedRate
        if kind.preparation == .session, overlap != nil { request.prepared = standby?.take(origin) }
        request.expected = outputFlows
        let abort = AbortSwitch(parent: abort)
        return JoiningIngest.begin(
            { [unowned self] () throws(IngestOpenError) in
                try OpenedIngest(request, kind, of: self, bound: nil, abort: abort)
            }, reference, in: buffer, terms, abort: abort)
    }

    /// Joins an ingest whose place was found.
    ///
    /// - Parameter isAtOnce: nothing was received while it was looked for.
    /// - Returns: another search, where that is needed.
    private func join(
        _ found: JoiningIngest, on origin: OriginID, _ line: SpliceLine, atOnce isAtOnce: Bool
    ) throws(JoiningIngest.Failure) -> Trial<JoiningIngest, JoiningIngest.Failure>? {
        let runner = found.opened.runner
        if let place = found.plan.readsOnTo { readOn(to: place) }
        var joined = UniqueDeque<Packet>()
        let reference = spliceReference(line)
        do throws(SpliceSearch.Failure) {
            guard let result = try found.plan.carryOut(on: line, buffer, reference, into: &joined) else {
                return found.again(reference)
            }
            hasJoined(
                runner, result, &joined, opening: found.opened.opening, searching: found.searching, atOnce: isAtOnce)
            found.opened.play()
            return nil
        } catch { throw .search(error) }
    }

    func hasJoined(
        _ runner: Runner, _ result: SplicePlan.Result, _ joined: inout UniqueDeque<Packet>, opening: Duration,
        searching: Duration, atOnce isAtOnce: Bool = true
    ) {
        let ingest = runner.still
        take(&joined, of: ingest)
        for warning in result.warnings { warn(warning) }
        noteJoin(ingest, result.grade, opening: opening, joining: searching, atOnce: isAtOnce)
        hasJoined(runner, result.grade, evidence: result.evidence, opening: opening, joining: searching)
    }

    /// How long one origin may take to open while the one before it is played on, and others could be asked.
    private static let patience: Duration = .milliseconds(1500)

    /// Whether the ingest that is to be left can be played while another one is opened.
    private var mayPlayOn: Bool {
        guard let leaving, cut == nil, !endStands, failedMeanwhile == nil, !shared.withLock({ $0.isPaused }) else {
            return false
        }
        // An origin that brings too little is left at the last moment.
        return leaving.deliversStill && observed?.event.kind != .overload
    }

    /// Plays the ingest on that is to be left until another is ready to be joined, or something else is to be done first.
    private func playOn(until trial: Trial<JoiningIngest, JoiningIngest.Failure>) {
        guard let leaving else { return }
        trial.whenEnded { [buffer, waker = leaving.waker] in
            buffer.hurry(.join, true)
            waker()
        }
        let hasOthers = shared.withLock { $0.controller.hasOthers }
        let end = Instant.now + (hasOthers ? Self.patience : configuration.openBound) * 2
        // Half of the buffer is for whoever goes on where neither of both delivers.
        readOn(leaving, least: (level ?? .zero) / 2) {
            trial.state == nil && !hasControls.load(ordering: .relaxed) && !isChangeDue && Instant.now < end
        }
        isPlayedOn.store(false, ordering: .relaxed)
    }

    /// A change was announced for a place that has been received by now.
    private var isChangeDue: Bool { nextChange.map { $0.npt <= position ?? .zero } ?? false }

    /// Waits for an ingest that is being opened while nothing is received: no longer than for any other, or where there is
    /// none, as long as the buffer bears it.
    ///
    /// - Returns: whether it is there, or has failed.
    private func isAwaited(_ trial: Trial<JoiningIngest, JoiningIngest.Failure>, on origin: OriginID) -> Bool {
        var bound = openBound(for: origin)
        if !shared.withLock({ $0.controller.hasOthers }), let level { bound = max(bound, level - Self.joinTime) }
        return trial.hasEnded(by: .now + bound)
    }

    /// An ingest is to be read next.
    ///
    /// - Parameter joining: from when it was open until its media had come; nil where that was not waited for.
    func hasJoined(
        _ runner: Runner, _ grade: SpliceGrade, evidence: String, opening: Duration, joining: Duration?
    ) {
        let ingest = runner.still
        shared.withLock { state in
            let move = state.controller.joined(at: .now)
            // One that has more than the one before tells where the presentation ends.
            if move.event.cause == .endedShort, let duration = state.opened?.duration, let longer = ingest.duration {
                state.opened?.duration = max(duration, longer)
            }
            state.pending = PendingHandoff(
                move: move, to: ingest.origin, grade: grade, evidence: evidence, byteOffset: nil,
                standby: ingest.standby)
        }
        noteDecision(ingest, opening: opening, joining: joining)
        standbyMayChange()
        hasPending = true
        twins.plays(ingest.twinEnd)
        buffer.isFed(inRealtime: ingest.isRealtime)
        flush()
        dismissOthers(but: runner)
        replacement = runner
        (endStands, failedMeanwhile) = (false, nil)
    }

    /// Another ingest goes on: how long it took tells what it will take again.
    private func noteDecision(_ ingest: any Ingest, opening: Duration, joining: Duration?) {
        let decision: DeadlineRecord?
        switch ingest.standby {
        case .cold: decision = noteJoined(ingest.origin, opening: opening, media: joining)
        case .warm: decision = noteJoined(ingest.origin, opening: nil, media: joining.map { opening + $0 })
        case .hot: decision = noteJoined(ingest.origin, opening: nil, media: nil, hot: opening + (joining ?? .zero))
        }
        shared.withLock { $0.pending?.decision = decision }
    }

    /// Packets of an ingest that was joined anew are on their way.
    func take(_ joined: inout UniqueDeque<Packet>, of ingest: any Ingest) {
        joins += 1
        if let line { buffer.feed(Set(ingest.flows.indices.compactMap { line.output(of: $0) })) }
        while !joined.isEmpty {
            var packet = joined.removeFirst()
            packet.provenance = Provenance(origin: ingest.origin, joins: joins)
            batch.append(packet)
        }
    }

    var duration: MediaTime? { shared.withLock { $0.opened?.duration } }

    /// - Parameters:
    ///   - isPlanned: the origin delivers still, and is in `leaving`.
    ///   - target: who is to be asked first; nil for whom the event names.
    ///   - isTargetOnly: and nobody else.
    func observe(
        _ event: ChangeEvent, canResume: Bool, isPlanned: Bool = false, target: OriginID? = nil,
        isTargetOnly: Bool = false
    ) -> HandoffController.Order {
        staysUntil = .never
        (business.isLeft, business.stayIsOver, departure) = (false, false, nil)
        played?.stays()
        if !endStands { buffer.mayHaveEnded(false) }
        if hasPending {
            noteAcceptance()
            reportHandoff()
        }
        mustNote = true
        eventNPT = position ?? .zero
        eventStandings = allStandings
        eventLevel = buffer.level.duration
        let named = target ?? departureTarget.take() ?? event.target.flatMap { originID(of: $0) }
        // Where it wanted to send its clients later is as good a place now.
        let target = named ?? plannedTarget
        // What delivers already is better than anything that has to be asked for.
        let delivering = takesHot ? hot?.ready : nil
        let joinsAtOnce = delivering != nil && (target == nil || target == delivering)
        let canResume = canResume && !joinsAtOnce
        // Bytes that go on where they broke are better than a session that stands ready; and where none was asked for, a lone
        // break is best answered by the same origin.
        let isCold = configuration.standby == .cold && event.cause.isBrokenConnection
        let ready = delivering ?? (canResume || isCold ? nil : standby?.ready)
        (observed, lastFailure) = ((event, target), nil)
        let (order, origin) = shared.withLock { state in
            guard let origin = state.controller.current else { preconditionFailure("a change event before any origin") }
            return (
                state.controller.changeObserved(
                    event, canResume: canResume, isPlanned: isPlanned, target: target, isTargetOnly: isTargetOnly,
                    standby: ready, at: .now, jitter: Chance.fraction),
                origin
            )
        }
        send(.changeObserved(event, origin: origin, url: url(origin)))
        if let url = event.target, named == nil {
            warn("\(redacted(url)) was named as the next origin, but it is none that was given: not asked")
        }
        return order
    }

    /// Whom the origin that is left has named for a change that has not come yet.
    private var plannedTarget: OriginID? {
        guard !changePlan.isEmpty, let current = shared.withLock({ $0.controller.current }) else { return nil }
        return changePlan.announced(by: current)?.target
    }

    /// The origin that a server means with a URL.
    func originID(of url: String) -> OriginID? { origins.first { Self.isSame($0.url, url) } }

    static func isSame(_ a: String, _ b: String) -> Bool {
        if let a = RTSPAddress(a), let b = RTSPAddress(b) {
            return a.host == b.host && a.port == b.port && a.path == b.path
        }
        return isSameHTTPResource(a, b) ?? (a == b)
    }

    func attemptFailed(
        _ failure: HandoffController.AttemptFailure, on origin: OriginID
    ) -> HandoffController.Order {
        send(.attemptFailed(origin: origin, url: url(origin), reason: failure.text))
        lastFailure = (origin, failure.text)
        return shared.withLock {
            $0.controller.attemptFailed(failure, at: .now, jitter: Chance.fraction)
        }
    }

    /// New media is about to be accepted: a handoff is complete with the first packet, and reported once every flow is
    /// through.
    func noteAcceptance() {
        guard hasPending else { return }
        let level = buffer.level.duration
        shared.withLock { state in
            if state.pending?.accepted == nil { state.pending?.accepted = (.now, level) }
        }
        if line?.isSettled ?? true { reportHandoff() }
    }

    func reportHandoff() {
        let flows = line?.splices ?? []
        for warning in line?.takeWarnings() ?? [] { warn(warning) }
        hasPending = false
        let report = shared.withLock { state -> HandoffReport? in
            guard let pending = state.pending, let from = pending.move.from, let accepted = pending.accepted else {
                return nil
            }
            state.pending = nil
            // The whole is as good as the worst flow.
            let grade = pending.grade == .byteExact ? .byteExact : flows.map(\.grade).reduce(pending.grade, max)
            let report = HandoffReport(
                event: pending.move.event, from: from, fromURL: url(from), to: pending.to, toURL: url(pending.to),
                grade: grade, standby: pending.standby, evidence: pending.evidence, npt: eventNPT,
                byteOffset: pending.byteOffset,
                duration: accepted.at - pending.move.began, bufferBefore: eventLevel, bufferAfter: accepted.level,
                attempts: pending.move.attempts.map { attempt in
                    HandoffReport.Attempt(
                        origin: attempt.origin, url: url(attempt.origin), why: attempt.choice.text(url),
                        method: attempt.order.method,
                        duration: (attempt.ended ?? accepted.at) - attempt.began, failure: attempt.failure?.text)
                }, flows: pending.grade == .byteExact ? [] : flows, positions: eventStandings,
                decision: pending.decision.map { HandoffReport.Decision($0, since: began) })
            state.handoffCount += 1
            if report.grade != .byteExact { state.presentation.unseen += line?.unseen ?? .zero }
            if state.handoffs.count < Self.reportLimit { state.handoffs.append(report) }
            return report
        }
        if let report { send(.handoff(report)) }
    }

    // MARK: - SourceSupervisor

    func broke(_ event: ChangeEvent, canResume: Bool) -> SourceAnswer {
        // What the demuxer gave out so far is whole, and is on its way before anything else is tried.
        _ = flush()
        if isReadingOn {
            // The next one is being joined already.
            failedMeanwhile = event
            return .close
        }
        return answer(observe(event, canResume: canResume))
    }

    func resumeFailed(_ failure: HandoffController.AttemptFailure, on origin: OriginID) -> SourceAnswer {
        answer(attemptFailed(failure, on: origin))
    }

    /// Carries out an order, and those that follow from it, until it is known where the bytes of a source go on.
    private func answer(_ order: HandoffController.Order) -> SourceAnswer {
        var order = order
        while !abort.isAborted {
            switch order {
            case .resume(let next): return .resume(next, hedging(next))
            case .wait(let moment):
                guard sleep(until: moment) else { return .close }
                order = waitEnded()
            case .replace(let next):
                guard let following = replace(on: next) else { return .close }
                order = following
            case .open, .giveUp, .stay:
                pendingOrder = order
                return .close
            }
        }
        return .close
    }

    func hedging(_ pick: OriginID) -> HedgedOpening {
        // A standby at the origin that is to go on is given up: the server may grant one rate to all connections of a client.
        _ = hot?.take(pick)
        let now = Instant.now
        let others = shared.withLock { $0.controller.hedgeCandidates(at: now) }
        return HedgedOpening(
            ([pick] + others).map { .init($0, expected: watch.times.opening($0)) }, dryAt: level.map { now + $0 })
    }

    func hedged(with origin: OriginID) { shared.withLock { $0.controller.hedge(with: origin, at: .now) } }

    func hedgeFailed(_ failure: HandoffController.AttemptFailure, on origin: OriginID) {
        send(.attemptFailed(origin: origin, url: url(origin), reason: failure.text))
        shared.withLock { $0.controller.hedgeFailed(failure, of: origin, at: .now, jitter: Chance.fraction) }
    }

    func waitEnded() -> HandoffController.Order { shared.withLock { $0.controller.waitEnded(at: .now) } }

    var hasAlternative: Bool { shared.withLock { $0.controller.hasAlternative } }

    func resumed(on origin: OriginID, at byte: Int64, standby readiness: Standby, evidence: String) {
        let took = shared.withLock { state in
            let move = state.controller.joined(origin, at: .now)
            state.pending = PendingHandoff(
                move: move, to: origin, grade: .byteExact, evidence: evidence, byteOffset: byte, standby: readiness)
            return move.attempts.last { $0.origin == origin }.map { ($0.ended ?? .now) - $0.began } ?? .zero
        }
        let decision =
            readiness == .warm
            ? noteJoined(origin, opening: nil, media: took) : noteJoined(origin, opening: took, media: .zero)
        shared.withLock { $0.pending?.decision = decision }
        standbyMayChange()
        hasPending = true
        joins += 1
    }

    func reopened(_ origin: OriginID, at byte: Int64) {
        shared.withLock { $0.reopenCount += 1 }
        send(.reopened(origin: origin, url: url(origin), byte: byte))
    }

    func aboutToWait() {
        // At full speed a short wait is nothing to wake the other thread for.
        if configuration.pacing == .fast, batch.count < batchLimit / 2, Instant.now - lastFlush < .milliseconds(50) {
            return
        }
        flush()
    }

    func origin(_ id: OriginID) -> Origin { origins[id] }

    /// While there is someone else to ask, no origin may take more than a third of what is left in the buffer. The last
    /// one is given time, and more with each failure: one that is slow, and not dead, is reached in the end.
    func openBound(for origin: OriginID) -> Duration {
        let (failures, isPlaying) = shared.withLock {
            ($0.controller.roster[origin].failuresInARow, $0.opened != nil)
        }
        guard isPlaying else {
            // Whoever feeds a pipe may take a while to begin, as long as nobody else is kept waiting.
            let isPipeAlone = configuration.origins.count == 1 && LocalAddress(origins[origin].url) == .standardInput
            return isPipeAlone ? max(configuration.openBound, configuration.giveUpAfter) : configuration.openBound
        }
        if isPlayedOn.load(ordering: .relaxed) {
            return shared.withLock { $0.controller.hasOthers } ? Self.patience : configuration.openBound
        }
        let hidden = max(configuration.silenceBound, level ?? .zero, .milliseconds(250))
        let patient = min(configuration.openBound, hidden * (1 << min(failures, 10)))
        // Nothing presses where the old one delivers still: the buffer is not spent on one that hesitates.
        let (mayFail, mayBeLeft) = shared.withLock {
            (
                $0.controller.hasOthers || $0.controller.move?.isPlanned ?? false,
                $0.controller.hasAlternative && $0.controller.current == origin
            )
        }
        guard let level, mayFail || mayBeLeft else { return patient }
        // The one that is played may take what a handoff leaves.
        let least = max(level / 3, .milliseconds(200), mayFail ? .zero : level - Self.joinTime)
        return min(patient, least)
    }

    var level: Duration? {
        // Before the clock runs nothing is due, and what little there is runs out for nobody.
        guard configuration.pacing == .realtime, buffer.isBeingPlayed else { return nil }
        let level = buffer.level.duration
        return (playedRate == .normal ? level : level * (playedRate.magnitude.inverse ?? .normal)).duration
    }
}
