internal import DequeModule
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols
internal import ThroughlineTransport

/// Plays one ingest: what its runner gives is taken in order, and what needs the ingest itself is done while the runner
/// stands still. On the session's loop.
final class Reader: Handoffs.Reading {
    /// What follows from an item.
    private enum Step {
        case goesOn
        case order(HandoffController.Order)
        case over

        init(_ order: HandoffController.Order?) { self = order.map { .order($0) } ?? .over }
    }

    private let stream: StreamContext
    private let intake: Intake
    private let changes: PlannedChanges
    private let navigator: Navigator
    private let refilling: Refilling
    private let judge: EndJudge
    private let standbys: Standbys
    private let joiner: Joiner
    private let watcher: Watcher
    private let handoffs: Handoffs

    /// The runner goes on with the bytes of another origin, between two packets.
    private var follows = false
    /// What is to be done once it stands still, since its bytes went on nowhere.
    private var order: HandoffController.Order?
    /// What is to be done once its bytes have ended, which broke, and went on nowhere.
    private var pendingOrder: HandoffController.Order?
    /// The ingest delivers still, and is played on where no other can be had.
    private var mayStay = true
    /// What the next packet, or bytes before it, have announced.
    private var news: (notices: [ChangeWatch.Notice], findings: [ChangeWatch.Finding])?
    /// When it was last asked where its flows stand.
    private var lastFindings = Instant.now

    /// An origin that delivers may pause so long.
    private static let shortSilence: Duration = .milliseconds(200)

    init(
        _ stream: StreamContext, _ intake: Intake, _ changes: PlannedChanges, _ navigator: Navigator,
        _ refilling: Refilling, _ judge: EndJudge, _ standbys: Standbys, _ joiner: Joiner, _ watcher: Watcher,
        _ handoffs: Handoffs
    ) {
        (self.stream, self.intake, self.changes, self.navigator) = (stream, intake, changes, navigator)
        (self.refilling, self.judge, self.standbys, self.joiner) = (refilling, judge, standbys, joiner)
        (self.watcher, self.handoffs) = (watcher, handoffs)
    }

    /// Plays an ingest until it ends, fails or is to be left.
    ///
    /// - Returns: what to do next; nil when the stream is over, or the group has another ingest next.
    func play(_ runner: Runner) -> HandoffController.Order? {
        intake.forgetStandings()
        stream.viewer.waits(at: runner.waker)
        if runner.isStill { stream.viewer.hasNoWayBack(!(runner.still.controls?.mayPlayBackwards ?? false)) }
        handoffs.group.reads(runner)
        watcher.reads(runner)
        (handoffs.isLeft, handoffs.stayIsOver) = (false, false)
        (follows, order, pendingOrder, mayStay, news) = (false, nil, nil, true, nil)
        refilling.begins()
        // While other origins were asked, this ingest was not read: no wait of it counts.
        watcher.nothingIsAwaited()
        if runner.isWaiting { watcher.mediaIsAwaited() }
        watcher.begins(runner)
        if runner.isStill, stream.viewer.isPaused { runner.still.controls?.pause() }
        let next = changes.reads(runner) ? loop(runner) : nil
        watcher.decide(.letGo)
        if runner.halt() {
            noteAccounts(of: runner)
            intake.note(runner.still.accounts?.takeLosses() ?? [:], of: runner)
        }
        watcher.reads(nil)
        stream.viewer.waits(at: nil)
        handoffs.group.readsNoMore()?.stop()
        return next
    }

    private func loop(_ runner: Runner) -> HandoffController.Order? {
        while !stream.abort.isAborted {
            if runner.isStill, !runner.hasItems {
                if let order = useStill(runner) { return order }
                if stream.abort.isAborted { break }
                runner.goOn()
            } else if wantsStill {
                runner.park()
            }
            switch look(at: runner) ?? take(from: runner) {
            case .goesOn: break
            case .order(let order): return order
            case .over: return nil
            }
        }
        return nil
    }

    // MARK: - Between two items

    private var looksAtBytes: Bool { !handoffs.isPending && standbys.looksAtBytes(since: intake.lastFlush) }

    /// There is something to be done with the ingest itself.
    private var wantsStill: Bool { stream.viewer.hasControls || refilling.order != nil || looksAtBytes }

    /// - Returns: an order to follow.
    private func useStill(_ runner: Runner) -> HandoffController.Order? {
        if stream.viewer.hasControls, let order = carryOutControls(runner) { return order }
        if refilling.order != nil {
            let outcome = refilling.carryOut(runner) { provesPace throws(SpliceSearch.Failure) in
                try joiner.joinAgain(runner, provesPace: provesPace)
            }
            switch outcome {
            case .done: break
            case .rejoin: if let order = rejoin(runner) { return order }
            case .failed(let failure): if let order = handoffs.rejoinFailed(failure) { return order }
            }
        }
        if looksAtBytes { standbys.keepBytes(runner) }
        return nil
    }

    /// What is to be done without the ingest.
    private func look(at runner: Runner) -> Step? {
        for case .migrate(let target, let npt) in stream.viewer.takeMigrations() {
            changes.migrate(to: target, at: npt)
        }
        if changes.isDueNow {
            let step = next(after: changes.now(runner), of: runner)
            if case .goesOn = step {} else { return step }
        }
        if Instant.now >= handoffs.staysUntil { (handoffs.staysUntil, handoffs.stayIsOver) = (.never, true) }
        if !handoffs.isLeft, let event = reasonToGo {
            handoffs.isLeft = true
            runner.leave(event, atOnce: false)
        }
        if intake.lastFlush - lastFindings > .seconds(1) {
            lastFindings = intake.lastFlush
            intake.note(runner.status.positions)
        }
        refilling.look(
            at: runner,
            isSteady: !handoffs.isPending && !changes.isPlanned && handoffs.staysUntil == .never)
        return nil
    }

    /// Why the ingest is to be left between two packets.
    private var reasonToGo: ChangeEvent? {
        let isOver = handoffs.stayIsOver
        return stream.machine.withLock { isOver ? $0.observed?.event : $0.watch.event }
    }

    // MARK: - Items

    /// Takes the next item, and waits for it.
    private func take(from runner: Runner) -> Step {
        var deadline = handoffs.staysUntil
        let look = runner.isWaiting ? watcher.nextLook : .never
        if !runner.hasItems {
            aboutToWait()
            deadline = min(deadline, look)
        }
        switch runner.next(until: deadline) {
        case .packets(var run): return take(&run.packets, of: runner)
        case .fact(let fact): handle(fact, of: runner)
        case .question(let question): answer(question, of: runner)
        case .still(let stop): return stopped(runner, stop)
        case .nothing:
            guard look <= .now, let (event, isForSilence) = watcher.reasonToLeave() else { return .goesOn }
            handoffs.isLeft = true
            runner.leave(event, atOnce: true, unlessHeard: isForSilence)
        }
        return .goesOn
    }

    private func take(_ packets: inout UniqueDeque<Packet>, of runner: Runner) -> Step {
        while !packets.isEmpty {
            let packet = packets.removeFirst()
            // libavformat may hand out what it had read before the flows were selected.
            guard intake.isPlayed(packet.flow) else { continue }
            if changes.isPlanned || news != nil {
                let step = next(after: changes.take(packet, of: runner, news: news.take()), of: runner)
                if case .goesOn = step { continue }
                // Packets behind the step are given again should the ingest be read on.
                runner.giveBack(&packets)
                if case .over = step, viewerGoesOn() { return .goesOn }
                return step
            }
            guard !intake.accept(packet, of: runner) else { continue }
            runner.giveBack(&packets)
            return viewerGoesOn() ? .goesOn : .over
        }
        return .goesOn
    }

    /// What was planned leads to something.
    private func next(after step: PlannedChanges.Step, of runner: Runner) -> Step {
        switch step {
        case .goesOn: return .goesOn
        case .over: return .over
        case .leaves(let event, let target, let isTargetOnly):
            noteAccounts(of: runner)
            let isPlanned = runner.deliversStill
            if intake.isBackward, !navigator.failedBackwards(event, runner, isPlanned: isPlanned) { return .over }
            handoffs.group.leaves(runner)
            return .order(
                handoffs.observe(
                    event, canResume: false, isPlanned: isPlanned, target: target, isTargetOnly: isTargetOnly))
        }
    }

    private func handle(_ fact: RunnerFact, of runner: Runner) {
        switch fact {
        case .awaits:
            // A flush may wait for room in the buffer: only behind it is the origin waited for.
            intake.flush()
            watcher.mediaIsAwaited()
        case .arrived(_, let isInBuffer, let bytes):
            watcher.mediaArrived(isInBuffer: isInBuffer, bytes: bytes, isPending: handoffs.isPending)
        case .awaitsNothing: watcher.nothingIsAwaited()
        case .awaitsGrowth: mayGrow()
        case .stays(let moment):
            handoffs.isLeft = false
            watcher.decide(.stays(since: moment))
        case .flowEnded(let flow): watcher.flowEnded(flow)
        case .flowsRestarted: watcher.flowsBegin()
        case .playing(let rate): navigator.playing(at: rate)
        case .resumed(let origin, let byte, let standby, let evidence):
            (follows, handoffs.isLeft) = (false, false)
            handoffs.resumed(on: origin, at: byte, standby: standby, evidence: evidence)
        case .reopened(let origin, let byte): stream.record.reopened(origin, at: byte)
        case .hedged(let origin): watcher.decide(.hedged(origin))
        case .hedgeFailed(let failure, let origin): handoffs.hedgeFailed(failure, on: origin)
        case .prepared(let origin, let result):
            watcher.decide(.prepared(origin, Preparation(result)), watcher.sight)
        case .preparationIsStale: watcher.decide(.preparationIsStale, watcher.sight)
        case .announced(let notices, let findings): news = (notices, findings)
        case .noticed(let findings, let losses):
            intake.note(findings, of: runner)
            intake.note(losses, of: runner)
        }
    }

    private func answer(_ question: RunnerQuestion, of runner: Runner) {
        switch question {
        case .broke(let event, let canResume):
            handoffs.isLeft = false
            intake.note(runner.status.positions)
            runner.answer(broke(event, canResume: canResume))
        case .resumeFailed(let failure, let origin):
            guard follows else { return runner.answer(resumeFailed(failure, on: origin)) }
            follow(handoffs.attemptFailed(failure, on: origin), with: runner)
        case .leaves(let event, let isAtOnce, let canResume):
            handoffs.isLeft = false
            // An ingest that is read on is being left already.
            if handoffs.group.isReadOn { return runner.answer(.close) }
            intake.flush()
            intake.note(runner.status.positions)
            leave(runner, for: isAtOnce ? event : nil, canResume: canResume)
        case .ended: runner.answer(handoffs.group.isReadOn ? nil : judge.inquiry())
        }
    }

    // MARK: - Bytes that broke, or are to be left

    /// A source under a demuxer failed: where its bytes go on.
    func broke(_ event: ChangeEvent, canResume: Bool) -> SourceAnswer {
        // What the demuxer gave out so far is whole, and is on its way before anything else is tried.
        intake.flush()
        if handoffs.group.isReadOn {
            // The next one is being joined already.
            handoffs.group.fails(event)
            return .close
        }
        return answer(handoffs.observe(event, canResume: canResume))
    }

    func resumeFailed(_ failure: HandoffController.AttemptFailure, on origin: OriginID) -> SourceAnswer {
        answer(handoffs.attemptFailed(failure, on: origin))
    }

    private func answer(_ order: HandoffController.Order) -> SourceAnswer {
        let (answer, instead) = handoffs.whereBytesGoOn(order)
        if let instead { pendingOrder = instead }
        return answer
    }

    /// A runner stands between two packets, and asks where to go on.
    ///
    /// - Parameter event: why it was to be left at once; nil where that could wait for the end of a packet.
    private func leave(_ runner: Runner, for event: ChangeEvent?, canResume: Bool) {
        if event == nil, handoffs.stayIsOver {
            mayStay = true
            return follow(handoffs.stayEnded(), with: runner)
        }
        let kept = stream.machine.withLock { $0.takeEvent() }
        guard let reason = event ?? kept else {
            // The reason to leave is gone.
            return runner.answer(.close)
        }
        mayStay = (event == nil || Self.mayStay(reason)) && runner.deliversStill
        guard mayStay else { return runner.answer(broke(reason, canResume: canResume)) }
        follow(handoffs.observe(reason, canResume: canResume, isPlanned: true), with: runner)
    }

    /// A runner between two packets goes on with the bytes of another origin, or is left.
    private func follow(_ next: HandoffController.Order, with runner: Runner) {
        if case .resume(let origin) = next {
            follows = true
            return runner.answer(.resume(origin, handoffs.hedging(origin)))
        }
        (follows, order) = (false, next)
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
            guard let order = order.take() ?? pendingOrder.take() else {
                return handoffs.group.hasNext || stream.abort.isAborted ? .over : .goesOn
            }
            if mayStay { handoffs.group.leaves(runner) }
            if case .giveUp = order { playOut(runner) }
            return .order(order)
        case .ended: return noMore(runner)
        case .failed(let error): return failed(runner, error)
        }
    }

    /// There are no more packets.
    private func noMore(_ runner: Runner) -> Step {
        let hasFailed = runner.still.hasFailed
        let isEnd = !hasFailed && !stream.abort.isAborted && !handoffs.group.hasNext
        if isEnd, intake.isBackward { return navigator.beginningCame(runner) ? .goesOn : .over }
        if isEnd, pendingOrder == nil {
            guard intake.flush() else { return .over }
            // A seek throws away what was received last: how far that went tells nothing of where the origin ends.
            if stream.viewer.leaves { return .goesOn }
            let step = next(after: changes.ended(runner), of: runner)
            if case .goesOn = step {} else { return step }
        }
        let hadOrder = pendingOrder != nil
        let order = ended(runner)
        let isOver = order == nil && !handoffs.group.hasNext && !hasFailed && !stream.abort.isAborted
        if isOver, !hadOrder, viewerGoesElsewhere() { return .goesOn }
        return Step(order)
    }

    /// The demuxer has no more packets: is that the end?
    private func ended(_ runner: Runner) -> HandoffController.Order? {
        guard intake.flush(), !handoffs.group.hasNext else { return nil }
        if let order = pendingOrder.take() {
            if case .giveUp = order { playOut(runner) }
            return order
        }
        if stream.abort.isAborted { return nil }
        if runner.still.hasFailed {
            playOut(runner)
            // An ingest that fails says why, and is replaced; where it did not, its end is no end of the stream.
            return .giveUp(reason: "\(stream.record.url(runner.origin)): reading it failed")
        }
        let order: HandoffController.Order
        switch judge.judge(runner.still) {
        case .ended:
            playOut(runner)
            return nil
        case .short(let event):
            order = handoffs.observe(event, canResume: false)
            if case .giveUp = order {} else { handoffs.group.ended(runner) }
        case .goesOn(let event, let origin):
            handoffs.group.stands(runner)
            order = handoffs.observe(event, canResume: false, isPlanned: true, target: origin, isTargetOnly: true)
        }
        if case .giveUp = order { playOut(runner) }
        return order
    }

    private func failed(_ runner: Runner, _ error: IngestReadError) -> Step {
        guard intake.flush() else { return .over }
        noteAccounts(of: runner)
        switch error {
        case .broken(let media):
            return .order(handoffs.observe(Self.event(media, stream.record.url(runner.origin)), canResume: false))
        case .playsForwards:
            navigator.goForwards(runner, because: "\(stream.record.url(runner.origin)) does not play backwards")
            if stream.viewer.isPaused { runner.still.controls?.pause() }
            return .goesOn
        case .changed(var event):
            handoffs.isLeft = false
            if let watch = runner.still.watch, watch.hasNews {
                changes.note(watch.takeNotices(), watch.takeFindings(), of: runner)
            }
            // A server that has said that it will be left, and where to, may go before its time.
            if let announced = changes.announced(by: runner.origin), announced.event.carrier == nil {
                event = announced.event
            }
            let mayStay = Self.mayStay(event)
            let isPlanned = mayStay && runner.deliversStill
            if intake.isBackward, !navigator.failedBackwards(event, runner, isPlanned: isPlanned) { return .over }
            if mayStay { handoffs.group.leaves(runner) }
            return .order(handoffs.observe(event, canResume: false, isPlanned: isPlanned))
        case .interrupted: return .goesOn
        }
    }

    private static func event(_ error: MediaError, _ url: String) -> ChangeEvent {
        ChangeEvent(cause: .contentBroken, detail: "\(url): \(error)")
    }

    /// Plays what the demuxer still holds, since no other origin goes on.
    func playOut(_ runner: Runner) {
        if intake.isBackward { return }
        while let packet = runner.still.resumable?.rest() {
            guard intake.isPlayed(packet.flow) else { continue }
            if !intake.accept(packet, of: runner) { return }
        }
        intake.flush()
    }

    /// Asks an ingest where its flows stand, and tells what it noticed.
    private func noteAccounts(of runner: Runner) {
        intake.note(runner.status.positions)
        if runner.isStill { intake.note(runner.still.accounts?.takeFindings() ?? [], of: runner) }
    }

    // MARK: - Waiting

    /// What was read so far goes on its way before media is waited for.
    func aboutToWait() { if intake.isWorthFlushing { intake.flush() } }

    /// What is received of an object that may grow is at its end.
    private func mayGrow() {
        intake.flush()
        stream.buffer.mayHaveEnded(true)
    }

    // MARK: - The viewer

    /// - Returns: an order to follow, where carrying them out failed.
    private func carryOutControls(_ runner: Runner) -> HandoffController.Order? {
        let (ingest, wishes) = (runner.still.controls, stream.viewer.takeControls())
        let (isPaused, bandwidth) = (stream.viewer.isPaused, stream.viewer.bandwidth)
        var goesOn = false
        for case .migrate(let target, let npt) in wishes { changes.migrate(to: target, at: npt) }
        refilling.interrupted()
        watcher.decide(.interrupted)
        ingest?.deliver(at: .normal)
        // Of several places the last is where the viewer wants to be.
        let lastSeek = wishes.lastIndex { if case .seek = $0 { true } else { false } }
        for (index, wish) in wishes.enumerated() {
            switch wish {
            case .pause:
                ingest?.pause()
            case .resume:
                goesOn = true
            case .setRate(let rate):
                goesOn = true
                if ingest == nil { navigator.playing(at: rate) }
            case .turn(let rate):
                navigator.turn(runner, to: rate)
                standbys.restart()
                if stream.viewer.isPaused { ingest?.pause() }
                goesOn = false
            case .limitBandwidth:
                goesOn = true
                standbys.restart()
            case .migrate: break
            case .seek(let npt):
                guard index == lastSeek else { continue }
                navigator.seek(runner, to: npt)
                // Not before: it would begin where the stream was.
                standbys.restart()
                if isPaused { ingest?.pause() }
                goesOn = false
            }
        }
        // A turn that was refused, or that led to the beginning, has changed what is wanted.
        standbys.changed()
        guard goesOn, !stream.viewer.isPaused,
            ingest?.mustRejoin(at: intake.askedRate, bandwidth: bandwidth) ?? false
        else { return nil }
        guard intake.isBackward else { return rejoin(runner) }
        navigator.goOnBackwards(runner)
        return nil
    }

    /// The same origin goes on, from a little before what was received: joined as another origin would be.
    private func rejoin(_ runner: Runner) -> HandoffController.Order? {
        do throws(SpliceSearch.Failure) {
            try joiner.joinAgain(runner)
            return nil
        } catch { return handoffs.rejoinFailed(error) }
    }

    /// The end that was asked for is reached; the viewer may want to go elsewhere until it is presented.
    ///
    /// - Returns: false when the stream is over.
    func viewerGoesOn() -> Bool { handoffs.isAllDone && !stream.abort.isAborted && viewerGoesElsewhere() }

    func viewerGoesElsewhere() -> Bool {
        watcher.nothingIsAwaited()
        return navigator.viewerGoesElsewhere()
    }

    // MARK: - Reading on

    func readOn(_ runner: Runner, least: Duration, while isWanted: () -> Bool) {
        // The ingest is watched as before, so that nobody waits for one that has fallen silent.
        handoffs.group.readsOn(runner)
        watcher.reads(runner)
        stream.viewer.waits(at: runner.waker)
        defer {
            stream.viewer.waits(at: nil)
            watcher.decide(.letGo)
            runner.halt()
            watcher.reads(nil)
            _ = handoffs.group.readsNoMore()
        }
        if runner.isWaiting { watcher.mediaIsAwaited() }
        var packets = UniqueDeque<Packet>()
        while !stream.abort.isAborted, handoffs.group.failure == nil, changes.hold(&packets, of: runner), isWanted() {
            if runner.isStill, !runner.hasItems { runner.goOn() }
            guard let more = readOn(runner, least: least) else { break }
            packets = more
        }
        intake.flush(awaitsRoom: false)
    }

    /// - Returns: packets that came, perhaps none; nil where no more do.
    private func readOn(_ runner: Runner, least: Duration) -> UniqueDeque<Packet>? {
        if !runner.hasItems { aboutToWait() }
        let level = stream.viewer.isPaused ? nil : stream.level
        let fades = level.map { max(intake.lastFlush + Self.shortSilence, .now + ($0 - least)) } ?? .never
        let look = runner.isWaiting ? min(watcher.nextLook, fades) : .never
        var packets = UniqueDeque<Packet>()
        switch runner.next(until: look) {
        case .packets(var run):
            while !run.packets.isEmpty {
                let packet = run.packets.removeFirst()
                if intake.isPlayed(packet.flow) { packets.append(packet) }
            }
        case .fact(let fact):
            handle(fact, of: runner)
            // The ingest may be played on after all.
            if let news = news.take() { changes.note(news.notices, news.findings, of: runner) }
        case .question(let question): answer(question, of: runner)
        case .still(let stop):
            switch stop {
            case .ended: return nil
            case .failed(.changed(let event)):
                handoffs.group.fails(event)
                return nil
            case .failed(.broken(let media)):
                handoffs.group.fails(Self.event(media, stream.record.url(runner.origin)))
                return nil
            case .failed(.interrupted), .failed(.playsForwards), .parked, .left: break
            }
        case .nothing:
            guard look <= .now else { break }
            if let (event, _) = watcher.reasonToLeave() {
                handoffs.group.fails(event)
            } else if fades <= .now {
                let silence = (Instant.now - intake.lastFlush).wholeNanoseconds / 1_000_000
                handoffs.group.fails(
                    ChangeEvent(
                        cause: .silence,
                        detail: "\(stream.record.url(runner.origin)): nothing came for \(silence) ms"))
            }
        }
        return packets
    }
}
