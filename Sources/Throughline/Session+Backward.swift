internal import DequeModule
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols
internal import ThroughlineTransport

/// Playing backwards: a mode of its own, in which the key frames alone come, from later to earlier.
///
/// On the line and in the buffer their times are NPT with the sign turned round, so that they rise, and the outputs go
/// on with one timeline as after a seek. Another origin goes on below the last key frame that was received: what lies
/// there nobody has seen, whatever that origin delivers first. Nothing is compared with what was received before.
extension Session {
    var isBackward: Bool { line?.isBackward ?? false }

    /// The rate to ask an origin for: what the viewer wants, as far as it is in the direction that is played. Another
    /// direction is taken up by `turn`.
    var askedRate: Rate {
        let rate = shared.withLock { $0.rate }
        if rate.isNegative == isBackward { return rate }
        return isBackward ? Rate(-1) : .normal
    }

    /// Whether the origin that is played may be asked to play backwards.
    var mayPlayBackwards: Bool {
        shared.withLock { $0.controller.current }.map { origins[$0].kind.mayPlayBackwards } ?? false
    }

    /// Whether the origin that is played is known not to play backwards; the viewer is told so. From any thread.
    func refusesToTurn() -> Bool {
        let (hasNoWayBack, origin) = shared.withLock { ($0.hasNoWayBack, $0.controller.current) }
        guard hasNoWayBack, let origin else { return false }
        warn("\(url(origin)) does not play backwards, and its server cannot be asked to; it goes on as it is")
        return true
    }

    /// From where another origin is asked to go on backwards: a little below what was received, since what comes first is
    /// wanted at once, and what is known already would be waited for.
    var backwardStart: NPT {
        guard let lowest = line?.lowest else { return start }
        return max(.zero, lowest - SpliceLine.leastStep)
    }

    /// Where the viewer is: after a seek, where it led to, though nothing of it was presented yet.
    var viewerPlace: NPT { buffer.hasBegun ? buffer.playhead ?? start : start }

    /// Nothing lies before what was received backwards.
    private var isBeginningReceived: Bool { line?.lowest.map { $0 <= RTSPIngest.endTolerance } ?? false }

    // MARK: - Turning

    /// Goes on from where the viewer is, at another rate, of which one is negative.
    func turn(_ runner: Runner, to rate: Rate) {
        let place = viewerPlace
        guard rate.isNegative else { return go(runner, from: place, at: rate) }
        let hasPictures = outputFlows.contains {
            $0.kind == .video && !$0.isAttachedPicture && isSelected($0)
        }
        guard runner.still.mayPlayBackwards, hasPictures else {
            let reason = hasPictures ? "its server cannot be asked to" : "it has no pictures"
            return goForwards(runner, because: "\(url(runner.origin)) is not played backwards: \(reason)")
        }
        if place <= RTSPIngest.endTolerance { return standAtBeginning(runner) }
        go(runner, from: place, at: rate)
    }

    /// It cannot be played backwards: it goes on forwards from where the viewer is.
    func goForwards(_ runner: Runner, because reason: String) {
        let rate = notBackwards(at: runner.still.scaleInstead ?? .normal, because: reason)
        go(runner, from: viewerPlace, at: rate)
    }

    /// - Parameter rate: what the origin gives instead; where it was played forwards before, that rate stays.
    /// - Returns: the rate from here on.
    private func notBackwards(at rate: Rate, because reason: String) -> Rate {
        let rate = playedRate.isNegative ? rate : playedRate
        warn("\(reason); it goes on forwards")
        return shared.withLock { state in
            // The viewer may want something else by now.
            if state.rate.isNegative { state.rate = rate }
            return state.rate
        }
    }

    private func go(_ runner: Runner, from place: NPT, at rate: Rate) {
        var place = place
        if let duration, place >= duration { place = max(.zero, duration - .milliseconds(40)) }
        beginAnew(at: place, isBackward: rate.isNegative)
        if !runner.isRealtime { playing(at: rate) }
        do throws(MediaError) {
            try runner.still.turn(to: onTimeline(of: runner, place), at: rate)
        } catch { warn("cannot go on at \(place) at rate \(rate): \(error)") }
    }

    /// Forgets what was received.
    private func beginAnew(at place: NPT, isBackward: Bool) {
        while !batch.isEmpty { _ = batch.removeFirst() }
        batchBytes = 0
        rangeEnd = configuration.to.map { RangeEnd(at: $0) }
        line?.restart(isBackward: isBackward)
        buffer.restart(at: place, isBackward: isBackward)
        start = place
    }

    /// The same origin goes on backwards, after a pause or with other terms.
    func goOnBackwards(_ runner: Runner) {
        guard flush(), !isBeginningReceived else { return }
        line?.dropRepeated()
        do throws(MediaError) {
            try runner.still.turn(to: onTimeline(of: runner, backwardStart), at: askedRate)
        } catch { warn("cannot go on at \(backwardStart): \(error)") }
    }

    // MARK: - The beginning

    /// Nothing more comes backwards: what is buffered plays out, and the stream then stands at the beginning, paused.
    ///
    /// - Returns: false when the stream is over.
    func beginningCame(_ runner: Runner) -> Bool {
        guard flush(), let isShown = playsOut() else { return false }
        if isShown { standAtBeginning(runner) }
        return true
    }

    /// - Returns: false when the viewer wants something before; nil when the stream is over.
    private func playsOut() -> Bool? {
        buffer.complete()
        while true {
            shared.withLock { $0.hasDrained = false }
            let end = buffer.playedOutAt
            if let end, end <= .now { return true }
            let isAsked = shared.wait { state, deadline -> Bool? in
                if state.isStopped || !state.controls.isEmpty { return !state.isStopped }
                if state.hasDrained { return false }
                guard let end else { return nil }
                if Instant.now >= end { return false }
                deadline = end
                return nil
            }
            if abort.isAborted { return nil }
            if isAsked { return false }
        }
    }

    /// Waits there for the viewer, who goes on forwards.
    private func standAtBeginning(_ runner: Runner) {
        guard let place = pauseAtBeginning() else { return }
        go(runner, from: place, at: .normal)
        runner.still.pause()
    }

    /// - Returns: where that is; nil when the viewer wants something else.
    private func pauseAtBeginning() -> NPT? {
        let isWaiting = shared.withLock { state in
            guard state.controls.isEmpty else { return false }
            state.rate = .normal
            (state.isPaused, state.isAtBeginning) = (true, true)
            return true
        }
        guard isWaiting else { return nil }
        buffer.pause()
        let place = isBeginningReceived ? .zero : line?.lowest ?? start
        send(.paused(true, npt: place))
        return place
    }

    // MARK: - Failing

    /// Whether a server may have meant that it cannot play backwards.
    private func isRefusal(_ event: ChangeEvent) -> Bool { [.rtspStatus, .rangeNotHonoured].contains(event.cause) }

    /// An ingest is to be left that was playing backwards, or was asked to.
    ///
    /// - Parameter isPlanned: it delivers still, and is played on where nobody else can be had.
    /// - Returns: false when the stream is over.
    func failedBackwards(_ event: ChangeEvent, _ runner: Runner, isPlanned: Bool) -> Bool {
        if isBeginningReceived {
            // Nobody is needed to go on backwards.
            guard let isShown = playsOut() else { return false }
            if isShown, isPlanned, runner.halt() {
                standAtBeginning(runner)
            } else if isShown, let place = pauseAtBeginning() {
                beginAnew(at: place, isBackward: false)
            }
        } else if isRefusal(event), line?.lowest == nil, !playedRate.isNegative {
            let url = url(runner.origin)
            _ = notBackwards(at: .normal, because: "\(url) does not play backwards: \(event.detail)")
            beginAnew(at: viewerPlace, isBackward: false)
        }
        return true
    }

    /// Opens another ingest that goes on backwards; it is read once the present one has returned.
    func replaceBackwards(on origin: OriginID, _ line: SpliceLine) -> HandoffController.Order? {
        let opened: OpenedIngest
        do throws(IngestOpenError) {
            opened = try open(origin, from: backwardStart)
        } catch {
            guard !error.isAborted else { return nil }
            // A server that knows nothing of it may answer with an error.
            if case .undelivered(let event) = error.failure, isRefusal(event),
                let forwards = forwardsInstead(on: origin)
            {
                return joinForwards(forwards, on: origin, line)
            }
            return attemptFailed(error.failure, on: origin)
        }
        let ingest = opened.runner.still
        guard ingest.mayPlayBackwards, ingest.scaleInstead == nil else {
            return joinForwards(opened, on: origin, line)
        }
        let began = Instant.now
        let outputs = outputFlows.filter { isSelected($0) }
        let match = ProgrammeMatch(ingest, outputs: outputs, duration: duration)
        let mapping = match.mapping
        if let reason = match.hasPictures ? match.otherLength : "it has none of the pictures" {
            return attemptFailed(.refused(.contentRefused, "\(url(origin)): \(reason)"), on: origin)
        }
        ingest.select { mapping[$0.index] != nil }
        let place = line.lowest ?? start
        line.adopt(
            ingest.flows, mapping: mapping, gates: Array(repeating: line.gateBelow, count: outputFlows.count),
            aligner: nil, ends: Array(repeating: nil, count: outputFlows.count), isOtherEncode: true)
        joins += 1
        noteJoin(ingest, .frameAligned, opening: opened.opening, joining: .now - began)
        hasJoined(
            opened.runner, .frameAligned,
            evidence: "backwards: goes on with the key frames before \(place), by their time",
            opening: opened.opening, joining: nil)
        opened.play()
        return nil
    }

    /// - Parameter isForwards: it is to play forwards from there, although the stream plays backwards.
    private func open(
        _ origin: OriginID, from place: NPT, isForwards: Bool = false
    ) throws(IngestOpenError) -> OpenedIngest {
        let kind = origins[origin].kind
        var request = request(origin)
        request.start = place
        if !isForwards { request.rate = askedRate }
        if kind.preparation == .session { request.prepared = standby?.take(origin) }
        request.expected = outputFlows
        return try OpenedIngest(request, kind, of: self, bound: nil, abort: AbortSwitch(parent: abort))
    }

    private func forwardsInstead(on origin: OriginID) -> OpenedIngest? {
        do throws(IngestOpenError) { return try open(origin, from: viewerPlace, isForwards: true) } catch { return nil }
    }

    private func joinForwards(
        _ opened: OpenedIngest, on origin: OriginID, _ line: SpliceLine
    ) -> HandoffController.Order? {
        let runner = opened.runner
        goForwards(runner, because: "\(url(origin)) does not play backwards")
        let began = Instant.now
        var joined = UniqueDeque<Packet>()
        do throws(SpliceSearch.Failure) {
            let reference = spliceReference(line)
            let result = try SpliceSearch(runner.still, reference, in: buffer, spliceTerms(on: origin)).join(
                line, buffer, reference, into: &joined)
            let searching = Instant.now - began
            hasJoined(runner, result, &joined, opening: opened.opening, searching: searching)
            opened.play()
            return nil
        } catch { return joinFailed(error, on: origin) }
    }
}
