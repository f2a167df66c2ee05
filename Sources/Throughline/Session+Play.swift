internal import DequeModule
internal import Synchronization
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols
internal import ThroughlineTransport

/// Playing one ingest: what its runner gives is taken in order, and what needs the ingest itself is done while the runner
/// stands still.
extension Session {
    /// What the runner that is played was told or has told, and nobody has come to yet.
    struct RunnerBusiness {
        /// It was told that it is to be left.
        var isLeft = false
        /// The ingest was played on between two attempts to leave it, and the next is due.
        var stayIsOver = false
        /// It is to go on with the bytes of another origin, between two packets.
        var follows = false
        /// What is to be done once it stands still, since its bytes went on nowhere.
        var order: HandoffController.Order?
        /// It delivers still, and is played on where nobody else can be had.
        var mayStay = true
        /// What is to be asked of its origin about the level of the buffer.
        var refill: BufferRefill.Order?
        /// What the next packet, or bytes before it, have announced.
        var news: (notices: [ChangeWatch.Notice], findings: [ChangeWatch.Finding])?
    }

    /// What follows from an item.
    private enum Step {
        case goesOn
        case order(HandoffController.Order)
        case over

        init(_ order: HandoffController.Order?) { self = order.map { .order($0) } ?? .over }
        init(_ step: PlannedStep) {
            switch step {
            case .goesOn: self = .goesOn
            case .order(let order): self = .order(order)
            case .over: self = .over
            }
        }
    }

    /// Plays an ingest until it ends, fails or is to be left.
    ///
    /// - Returns: what to do next; nil when the stream is over.
    func pump(_ runner: Runner) -> HandoffController.Order? {
        standings = [:]
        let hasNoWayBack = runner.isStill ? !runner.still.mayPlayBackwards : nil
        let isPaused = shared.withLock { state in
            state.interrupt = runner.waker
            state.hasNoWayBack = hasNoWayBack ?? state.hasNoWayBack
            return state.isPaused
        }
        played = runner
        (business, pendingOrder) = (RunnerBusiness(), nil)
        // Nobody read while others were asked.
        nothingIsAwaited()
        if runner.isWaiting { mediaIsAwaited() }
        lastBytes = runner.lastBytesReceived ?? 0
        watchFlows()
        if isPaused, runner.isStill { runner.still.pause() }
        let order = beginPlan(of: runner) ? play(runner) : nil
        letGo()
        if runner.halt() {
            noteAccounts(of: runner)
            note(runner.still.takeLosses(), of: runner)
        }
        played = nil
        shared.withLock { $0.interrupt = nil }
        if runner !== leaving, runner !== endedRunner { runner.stop() }
        return order
    }

    private func play(_ runner: Runner) -> HandoffController.Order? {
        while !abort.isAborted {
            if runner.isStill, !runner.hasItems {
                if let order = useStill(runner) { return order }
                if abort.isAborted { break }
                runner.goOn()
            } else if wantsStill {
                runner.park()
            }
            let step = look(at: runner) ?? take(from: runner)
            switch step {
            case .goesOn: break
            case .order(let order): return order
            case .over: return nil
            }
        }
        return nil
    }

    // MARK: - Between two items

    /// There is something to be done with the ingest itself.
    private var wantsStill: Bool { hasControls.load(ordering: .relaxed) || business.refill != nil || looksWarm }

    /// - Returns: an order to follow.
    private func useStill(_ runner: Runner) -> HandoffController.Order? {
        if hasControls.load(ordering: .relaxed), let order = carryOutControls(runner) { return order }
        if let refill = business.refill.take(), let order = carryOut(refill, runner) { return order }
        if looksWarm { keepBytesWarm(runner) }
        return nil
    }

    /// What is to be done without the ingest.
    private func look(at runner: Runner) -> Step? {
        planMigrations()
        if nextChange != nil {
            switch Step(plannedNow(runner)) {
            case .goesOn: break
            case let step: return step
            }
        }
        if Instant.now >= staysUntil { (staysUntil, business.stayIsOver) = (.never, true) }
        if !business.isLeft, let event = business.stayIsOver ? observed?.event : departure?.event {
            business.isLeft = true
            runner.leave(event, atOnce: false)
        }
        if lastFlush - lastFindings > .seconds(1) {
            lastFindings = lastFlush
            note(runner.status.positions)
        }
        if lastFlush - lastLook > Self.lookInterval, business.refill == nil { business.refill = keepFull(runner) }
        return nil
    }

    // MARK: - Items

    /// Takes the next item, and waits for it.
    private func take(from runner: Runner) -> Step {
        var deadline = staysUntil
        let look = runner.isWaiting ? nextLook : .never
        if !runner.hasItems {
            aboutToWait()
            deadline = min(deadline, look)
        }
        switch runner.next(until: deadline) {
        case .packets(var run): return take(&run.packets, of: runner)
        case .fact(let fact):
            handle(fact, of: runner)
            return .goesOn
        case .question(let question):
            answer(question, of: runner)
            return .goesOn
        case .still(let stop): return stopped(runner, stop)
        case .nothing:
            guard look <= .now, let event = reasonToLeave() else { return .goesOn }
            business.isLeft = true
            runner.leave(event, atOnce: true, unlessHeard: departsForSilence)
            return .goesOn
        }
    }

    private func take(_ packets: inout UniqueDeque<Packet>, of runner: Runner) -> Step {
        while !packets.isEmpty {
            let packet = packets.removeFirst()
            // libavformat may hand out what it had read before the flows were selected.
            guard isPlayed(packet.flow) else { continue }
            if isPlanned || business.news != nil {
                let step = Step(plannedly(packet, of: runner))
                if case .goesOn = step { continue }
                // It is read on where nobody else can be had.
                runner.giveBack(&packets)
                if case .over = step, viewerGoesOn() { return .goesOn }
                return step
            }
            guard !accept(packet, of: runner) else { continue }
            runner.giveBack(&packets)
            return viewerGoesOn() ? .goesOn : .over
        }
        return .goesOn
    }

    func handle(_ fact: RunnerFact, of runner: Runner) {
        switch fact {
        case .awaits:
            // That may wait for room in the buffer: only from here on is it the origin that is waited for.
            flush()
            mediaIsAwaited()
        case .arrived(_, let isInBuffer, let bytes): mediaArrived(isInBuffer: isInBuffer, bytesReceived: bytes)
        case .awaitsNothing: nothingIsAwaited()
        case .awaitsGrowth: mayGrow()
        case .stays(let moment):
            business.isLeft = false
            watch.stays(at: moment)
        case .flowEnded(let flow): flowEnded(flow)
        case .flowsRestarted: flowsRestarted()
        case .playing(let rate): playing(at: rate)
        case .resumed(let origin, let byte, let standby, let evidence):
            (business.follows, business.isLeft) = (false, false)
            resumed(on: origin, at: byte, standby: standby, evidence: evidence)
        case .reopened(let origin, let byte): reopened(origin, at: byte)
        case .hedged(let origin): hedged(with: origin)
        case .hedgeFailed(let failure, let origin): hedgeFailed(failure, on: origin)
        case .prepared(let origin, let result): prepared(origin, result)
        case .preparationIsStale: preparationIsStale()
        case .announced(let notices, let findings): business.news = (notices, findings)
        case .noticed(let findings, let losses):
            note(findings, of: runner)
            note(losses, of: runner)
        }
    }

    func answer(_ question: RunnerQuestion, of runner: Runner) {
        switch question {
        case .broke(let event, let canResume):
            business.isLeft = false
            note(runner.status.positions)
            runner.answer(broke(event, canResume: canResume))
        case .resumeFailed(let failure, let origin):
            guard business.follows else { return runner.answer(resumeFailed(failure, on: origin)) }
            follow(attemptFailed(failure, on: origin), with: runner)
        case .leaves(let event, let isAtOnce, let canResume):
            business.isLeft = false
            // An ingest that is read on is being left already.
            if isReadingOn { return runner.answer(.close) }
            flush()
            note(runner.status.positions)
            leave(runner, for: isAtOnce ? event : nil, canResume: canResume)
        case .ended: runner.answer(endCame())
        }
    }

    /// A runner stands between two packets, and asks where to go on.
    ///
    /// - Parameter event: why it was to be left at once; nil where that could wait for the end of a packet.
    private func leave(_ runner: Runner, for event: ChangeEvent?, canResume: Bool) {
        if event == nil, business.stayIsOver {
            business.mayStay = true
            return follow(stayEnded(), with: runner)
        }
        guard let reason = event ?? departure?.event else {
            // The reason to leave is gone.
            return runner.answer(.close)
        }
        if let departure = departure.take() { departureTarget = departure.target }
        business.mayStay = (event == nil || Self.mayStay(reason)) && runner.deliversStill
        guard business.mayStay else { return runner.answer(broke(reason, canResume: canResume)) }
        follow(observe(reason, canResume: canResume, isPlanned: true), with: runner)
    }

    /// A runner between two packets goes on with the bytes of another origin, or is left.
    private func follow(_ order: HandoffController.Order, with runner: Runner) {
        if case .resume(let next) = order {
            business.follows = true
            return runner.answer(.resume(next, hedging(next)))
        }
        (business.follows, business.order) = (false, order)
        runner.answer(.close)
    }

    /// Whether an origin that is to be left for an event may be played on where nobody else can be had.
    private static func mayStay(_ event: ChangeEvent) -> Bool {
        [.indicator, .overload, .operatorRequest].contains(event.kind)
    }

    // MARK: - Standing still

    private func stopped(_ runner: Runner, _ stop: RunnerStop) -> Step {
        switch stop {
        case .parked: return .goesOn
        case .left:
            guard let order = business.order.take() ?? pendingOrder.take() else {
                return replacement == nil && !abort.isAborted ? .goesOn : .over
            }
            if business.mayStay { leaving = runner }
            if case .giveUp = order { playOut(runner) }
            return .order(order)
        case .ended: return noMore(runner)
        case .failed(let error): return failed(runner, error)
        }
    }

    /// There are no more packets.
    private func noMore(_ runner: Runner) -> Step {
        let hasFailed = runner.still.hasFailed
        if isBackward, !hasFailed, !abort.isAborted, replacement == nil {
            return beginningCame(runner) ? .goesOn : .over
        }
        if replacement == nil, !hasFailed, pendingOrder == nil, !abort.isAborted {
            guard flush() else { return .over }
            // A seek throws away what was received last: how far that went tells nothing of where the origin ends.
            if viewerLeaves { return .goesOn }
            switch Step(plannedEnd(runner)) {
            case .goesOn: break
            case let step: return step
            }
        }
        let hasOrder = pendingOrder != nil
        let order = ended(runner)
        let isOver = order == nil && replacement == nil && !hasFailed && !abort.isAborted
        if isOver, !hasOrder, viewerGoesElsewhere() { return .goesOn }
        return Step(order)
    }

    private func failed(_ runner: Runner, _ error: IngestReadError) -> Step {
        guard flush() else { return .over }
        noteAccounts(of: runner)
        switch error {
        case .broken(let media):
            return .order(
                observe(
                    ChangeEvent(cause: .contentBroken, detail: "\(url(runner.origin)): \(media)"), canResume: false))
        case .playsForwards:
            goForwards(runner, because: "\(url(runner.origin)) does not play backwards")
            if shared.withLock({ $0.isPaused }) { runner.still.pause() }
            return .goesOn
        case .changed(var event):
            business.isLeft = false
            if let watch = runner.still.watch, watch.hasNews {
                noteNews(watch.takeNotices(), watch.takeFindings(), of: runner)
            }
            // A server that has said that it will be left, and where to, may go before its time.
            if let announced = changePlan.announced(by: runner.origin), announced.event.carrier == nil {
                event = announced.event
            }
            let mayStay = Self.mayStay(event)
            let isPlanned = mayStay && runner.deliversStill
            if isBackward, !failedBackwards(event, runner, isPlanned: isPlanned) { return .over }
            if mayStay { leaving = runner }
            return .order(observe(event, canResume: false, isPlanned: isPlanned))
        case .interrupted: return .goesOn
        }
    }

    // MARK: - Letting go

    /// Nobody needs a runner any more that was to be left, or has ended.
    ///
    /// - Parameter kept: goes on all the same.
    func dismissOthers(but kept: Runner?) {
        for runner in [leaving.take(), endedRunner.take(), replacement.take()] {
            if let runner, runner !== kept, runner !== played { runner.stop() }
        }
        cut = nil
    }
}
