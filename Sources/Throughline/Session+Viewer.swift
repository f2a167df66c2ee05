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
        switch control {
        case .seek, .turn:
            buffer.discard()
            shared.withLock { $0.seeks.asked(at: .now) }
        case .pause, .resume, .setRate, .limitBandwidth, .migrate: break
        }
        // Whoever says how fast to go on from the beginning wants to go on.
        var resumes = false
        let interrupt = shared.withLock { state in
            state.controls.append(control)
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
            return state.interrupt
        }
        hasControls.store(true, ordering: .releasing)
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
    func carryOutControls(_ ingest: any Ingest) -> HandoffController.Order? {
        hasControls.store(false, ordering: .relaxed)
        let (controls, isPaused, bandwidth) = shared.withLock { state in
            defer { state.controls = [] }
            return (state.controls, state.isPaused, state.bandwidth)
        }
        var goesOn = false
        for case .migrate(let target, let npt) in controls { planMigration(to: target, at: npt) }
        if controls.allSatisfy({ if case .migrate = $0 { true } else { false } }) { return nil }
        refill.interrupted()
        watch.interrupted(at: .now)
        ingest.deliver(at: .normal)
        for control in controls {
            switch control {
            case .pause:
                ingest.pause()
            case .resume:
                goesOn = true
            case .setRate(let rate):
                goesOn = true
                if !ingest.isRealtime { playing(at: rate) }
            case .turn(let rate):
                turn(ingest, to: rate)
                hot?.restart()
                if shared.withLock({ $0.isPaused }) { ingest.pause() }
                goesOn = false
            case .limitBandwidth:
                goesOn = true
                hot?.restart()
            case .migrate: break
            case .seek(let npt):
                seek(ingest, to: npt)
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
            goOnBackwards(ingest)
            return nil
        }
        return rejoin(ingest)
    }

    /// All has been received, and plays out; until it has, the viewer may want to go elsewhere.
    ///
    /// - Returns: false when it has, or the stream is over.
    func viewerGoesElsewhere() -> Bool {
        guard configuration.pacing == .realtime else { return false }
        nothingIsAwaited()
        buffer.complete()
        while !buffer.isDrained {
            let waited = Instant.now + .milliseconds(20)
            let controls: [Control]? = shared.wait { state, deadline in
                if state.isStopped { return [] }
                let leadsElsewhere = state.controls.contains { control in
                    switch control {
                    case .seek, .turn: true
                    default: false
                    }
                }
                // Those are carried out by whoever reads.
                if leadsElsewhere { return state.controls }
                defer { state.controls = [] }
                if !state.controls.isEmpty || Instant.now >= waited { return state.controls }
                deadline = waited
                return nil
            }
            if abort.isAborted { return false }
            for control in controls ?? [] {
                switch control {
                case .seek, .turn: return true
                // No origin needs to know.
                case .setRate(let rate): playing(at: rate)
                case .pause, .resume, .limitBandwidth, .migrate: break
                }
            }
        }
        return false
    }

    func seek(_ ingest: any Ingest, to npt: NPT) {
        while !batch.isEmpty { _ = batch.removeFirst() }
        batchBytes = 0
        flowsDone = []
        var target = max(.zero, npt)
        if let duration, target >= duration { target = max(.zero, duration - .seconds(1)) }
        cut = nil
        line?.restart(isBackward: isBackward)
        buffer.restart(at: isBackward ? target : nil, isBackward: isBackward)
        start = target
        do throws(MediaError) {
            try ingest.seek(to: target)
            send(.sought(to: target))
        } catch { warn("cannot go to \(target): \(error)") }
    }

    /// The same origin goes on, from a little before what was received: joined as another origin would be.
    func rejoin(_ ingest: any Ingest) -> HandoffController.Order? {
        do throws(SpliceJoin.Failure) {
            try joinAgain(ingest)
            return nil
        } catch {
            return rejoinFailed(error)
        }
    }

    /// - Parameter provesPace: as in `SpliceJoin`.
    /// - Returns: how exact the join is; nil where the stream is over.
    @discardableResult
    func joinAgain(_ ingest: any Ingest, provesPace: Bool = false) throws(SpliceJoin.Failure) -> SpliceGrade? {
        guard let line, flush() else { return nil }
        // It comes again.
        cut = nil
        var joined = UniqueDeque<Packet>()
        let result = try spliceJoin(ingest, on: ingest.origin, line, provesPace: provesPace).run(into: &joined)
        take(&joined, of: ingest)
        for warning in result.warnings { warn(warning) }
        flush()
        return result.grade
    }

    func rejoinFailed(_ failure: SpliceJoin.Failure) -> HandoffController.Order? {
        guard case .attempt(let failure) = failure else { return nil }
        let cause: ChangeEvent.Cause = if case .undelivered(let event) = failure { event.cause } else { .other }
        return observe(ChangeEvent(cause: cause, detail: failure.text), canResume: false)
    }

    func playing(at rate: Rate) {
        let rate = rate.numerator != 0 && rate.isNegative == isBackward ? rate : .normal
        guard rate != playedRate else { return }
        playedRate = rate
        buffer.setRate(rate.magnitude)
        send(.rateChanged(rate))
    }

    func spliceJoin(
        _ ingest: any Ingest, on origin: OriginID, _ line: SpliceLine, provesPace: Bool = false
    ) -> SpliceJoin {
        SpliceJoin(
            ingest: ingest, line: line, buffer: buffer,
            outputs: outputFlows.filter { configuration.flows.includes($0) }, flowCount: outputFlows.count,
            expectedDuration: duration, start: start, url: url(origin),
            acceptsLoss: !shared.withLock { $0.controller.hasOthers || $0.controller.move?.isPlanned ?? false },
            provesPace: provesPace, planned: leaving == nil ? nil : plannedJoin, lastArrival: lastFlush,
            isSameOrigin: shared.withLock { $0.controller.current } == origin)
    }

    /// Where the ingest that is left was cut, for the join.
    private var plannedJoin: SpliceJoin.Planned? {
        cut.map { cut in SpliceJoin.Planned(npt: cut.cut.npt) { [unowned self] in readOn(to: $0) } }
    }
}
