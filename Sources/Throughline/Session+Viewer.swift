internal import DequeModule
internal import Synchronization
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols
internal import ThroughlineTransport

/// What the viewer asks for, from any thread, and how the worker carries it out.
extension Session {
    /// Asks for something from any thread; it is done soon.
    func control(_ control: Control) {
        var control = control
        if case .setRate(let rate) = control, rate.isNegative || shared.withLock({ $0.rate.isNegative }) {
            control = .turn(rate)
            // It is not disturbed for what cannot be.
            if rate.isNegative, refusesToTurn() { return }
        }
        // Whoever says how fast to go on from the beginning wants to go on.
        var resumes = false
        let (interrupt, isTooLate) = shared.withLockAndWake { state in
            if control.leadsElsewhere {
                if state.isReadOut { return (state.interrupt, true) }
                // Under the lock, so that what is thrown away from here on is missed by nobody: the control is carried out.
                buffer.discard()
                state.seeks.asked(at: .now)
            }
            state.controls.append(control)
            hasControls.store(true, ordering: .releasing)
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
        if isTooLate { return warn("it is too late to go elsewhere: nothing is received any more") }
        // The picture stands still at once; what that means for the origin is seen to by the worker.
        switch control {
        case .pause:
            buffer.pause()
            send(.paused(true, npt: buffer.playhead ?? .zero))
        case .resume:
            buffer.resume()
            send(.paused(false, npt: buffer.playhead ?? .zero))
        case .seek, .setRate, .turn, .limitBandwidth, .migrate: break
        }
        interrupt?()
        if resumes { self.control(.resume) }
    }

    /// - Returns: an order to follow, where carrying them out failed.
    func carryOutControls(_ runner: Runner) -> HandoffController.Order? {
        let ingest = runner.still
        let (controls, isPaused, bandwidth) = shared.withLock { state in
            defer { state.controls = [] }
            hasControls.store(false, ordering: .relaxed)
            buffer.hurry(.control, false)
            return (state.controls, state.isPaused, state.bandwidth)
        }
        var goesOn = false
        for case .migrate(let target, let npt) in controls { planMigration(to: target, at: npt) }
        refill.interrupted()
        business.refill = nil
        watch.interrupted(at: .now)
        ingest.deliver(at: .normal)
        // Of several places the last is where the viewer wants to be.
        let lastSeek = controls.lastIndex { if case .seek = $0 { true } else { false } }
        for (index, control) in controls.enumerated() {
            switch control {
            case .pause:
                ingest.pause()
            case .resume:
                goesOn = true
            case .setRate(let rate):
                goesOn = true
                if !ingest.isRealtime { playing(at: rate) }
            case .turn(let rate):
                turn(runner, to: rate)
                hot?.restart()
                if shared.withLock({ $0.isPaused }) { ingest.pause() }
                goesOn = false
            case .limitBandwidth:
                goesOn = true
                hot?.restart()
            case .migrate: break
            case .seek(let npt):
                guard index == lastSeek else { continue }
                seek(runner, to: npt)
                // Not before: it would begin where the stream was.
                hot?.restart()
                if isPaused { ingest.pause() }
                goesOn = false
            }
        }
        // A turn that was refused, or that led to the beginning, has changed what is wanted.
        standbyMayChange()
        guard goesOn, !shared.withLock({ $0.isPaused }), ingest.mustRejoin(at: askedRate, bandwidth: bandwidth) else {
            return nil
        }
        if isBackward {
            goOnBackwards(runner)
            return nil
        }
        return rejoin(runner)
    }

    /// The viewer has asked to go elsewhere, and it is not done yet.
    var viewerLeaves: Bool { shared.withLock { $0.controls.contains(where: \.leadsElsewhere) } }

    /// The end that was asked for is reached; the viewer may want to go elsewhere until it is presented.
    ///
    /// - Returns: false when the stream is over.
    func viewerGoesOn() -> Bool {
        isAllDone && !abort.isAborted && viewerGoesElsewhere()
    }

    /// All has been received, and plays out; until it has, the viewer may want to go elsewhere. At full speed it is all but
    /// presented, and only what was wanted before counts.
    ///
    /// - Returns: false when it has, or the stream is over: nothing that leads elsewhere is taken from then on.
    func viewerGoesElsewhere() -> Bool {
        nothingIsAwaited()
        buffer.complete()
        while true {
            shared.withLock { $0.hasDrained = false }
            let isPlayedOut = configuration.pacing == .fast || buffer.isDrained
            let controls = shared.wait { state, _ -> [Control]? in
                if state.isStopped { return [] }
                // Those are carried out by whoever reads.
                if state.controls.contains(where: \.leadsElsewhere) { return state.controls }
                if isPlayedOut { state.isReadOut = true }
                defer { state.controls = [] }
                return !state.controls.isEmpty || isPlayedOut || state.hasDrained ? state.controls : nil
            }
            if abort.isAborted { return false }
            for control in controls {
                switch control {
                case .seek, .turn: return true
                // No origin needs to know.
                case .setRate(let rate): playing(at: rate)
                case .pause, .resume, .limitBandwidth, .migrate: break
                }
            }
            if isPlayedOut { return false }
        }
    }

    func seek(_ runner: Runner, to npt: NPT) {
        while !batch.isEmpty { _ = batch.removeFirst() }
        batchBytes = 0
        rangeEnd = configuration.to.map { RangeEnd(at: $0) }
        let (target, note) = SeekRange(duration: duration).place(npt)
        // Asked for before the end was known, the viewer could not be told.
        if let note, shared.withLock({ $0.firstPresented == nil }) { warn("seek: \(note)") }
        cut = nil
        line?.restart(isBackward: isBackward)
        buffer.restart(at: isBackward ? target : nil, isBackward: isBackward, for: isBackward ? nil : target)
        start = target
        do throws(MediaError) {
            try runner.still.seek(to: onTimeline(of: runner, target))
            send(.sought(to: target))
        } catch { warn("cannot go to \(target): \(error)") }
    }

    /// Where an NPT stands on the timeline of the ingest that is read.
    func onTimeline(of runner: Runner, _ npt: NPT) -> MediaTime {
        max(.zero, npt - (line?.timelineShift ?? runner.timeline.shift ?? .zero))
    }

    /// The same origin goes on, from a little before what was received: joined as another origin would be.
    func rejoin(_ runner: Runner) -> HandoffController.Order? {
        do throws(SpliceSearch.Failure) {
            try joinAgain(runner)
            return nil
        } catch {
            return rejoinFailed(error)
        }
    }

    /// - Parameter provesPace: as in `SpliceSearch.Terms`.
    /// - Returns: how exact the join is; nil where the stream is over.
    @discardableResult
    func joinAgain(_ runner: Runner, provesPace: Bool = false) throws(SpliceSearch.Failure) -> SpliceGrade? {
        guard let line, flush() else { return nil }
        let ingest = runner.still
        // It comes again.
        cut = nil
        var joined = UniqueDeque<Packet>()
        var terms = spliceTerms(on: ingest.origin)
        (terms.provesPace, terms.shift) = (provesPace, line.timelineShift)
        let reference = spliceReference(line)
        let result = try SpliceSearch(ingest, reference, in: buffer, terms).join(
            line, buffer, reference, into: &joined)
        take(&joined, of: ingest)
        for warning in result.warnings { warn(warning) }
        flush()
        return result.grade
    }

    func rejoinFailed(_ failure: SpliceSearch.Failure) -> HandoffController.Order? {
        guard case .attempt(let failure) = failure else { return nil }
        let cause: ChangeEvent.Cause = if case .undelivered(let event) = failure { event.cause } else { .other }
        return observe(ChangeEvent(cause: cause, detail: failure.text), canResume: false)
    }

    func playing(at rate: Rate) {
        let rate = rate.numerator != 0 && rate.isNegative == isBackward ? rate : .normal
        guard rate != playedRate else { return }
        shared.withLock { $0.playedRate = rate }
        buffer.setRate(rate.magnitude)
        send(.rateChanged(rate))
    }

    /// What was received so far, as a search compares with it.
    func spliceReference(_ line: SpliceLine) -> SpliceReference {
        SpliceReference(line, buffer, outputs: outputFlows.filter { isSelected($0) }, flowCount: outputFlows.count)
    }

    func spliceTerms(on origin: OriginID) -> SpliceSearch.Terms {
        var terms = SpliceSearch.Terms(url: url(origin))
        terms.duration = duration
        terms.start = start
        terms.lastArrival = lastFlush
        (terms.acceptsLoss, terms.isSameOrigin) = shared.withLock { state in
            (
                !(state.controller.hasOthers || state.controller.move?.isPlanned ?? false),
                state.controller.current == origin
            )
        }
        return terms
    }
}
