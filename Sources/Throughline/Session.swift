internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineTransport

/// One stream being played: the loop that goes from order to order of the stream machine, on one thread, while the pacer
/// presents on another.
///
/// An order that opens an ingest plays it until it ends or fails; the next order follows from that. The ingest is read by a
/// `Runner`, which gives packets and facts, and asks where its bytes go on: a failure that a byte-exact resume heals ends no
/// ingest.
///
/// | what | where |
/// | --- | --- |
/// | what is decided | `StreamMachine`, told by `Watcher` |
/// | taking what an ingest gives | `Reader` |
/// | leaving one origin for another | `Handoffs`, `Joiner` |
/// | announced changes, and what the viewer wants | `PlannedChanges`, `Navigator` |
/// | packets on their way | `Intake`, `Presentation` |
final class Session: @unchecked Sendable {
    // Unchecked: `stream`, `lanes` and `outputStop` are for any thread, as is what is said to be; all else is the loop's
    // thread's.
    let stream: StreamContext
    let lanes = OutputLanes()
    private let outputs: [Output]
    private let outputStop = DescriptorOutput.StopFlag()

    let intake: Intake
    private let presentation: Presentation
    private let judge: EndJudge
    private let standbys: Standbys
    private let joiner: Joiner
    private let watcher: Watcher
    private let handoffs: Handoffs
    let reader: Reader
    private let supervisor: LoopSupervisor
    /// How long media went by, on the clock on the wall; once nothing more is presented.
    private var playingTime: Duration = .zero

    /// How long the first origin may take to open before the next is asked beside it.
    private static let firstPatience: Duration = .milliseconds(500)

    init(configuration: Configuration, outputs: [Output], events: EventQueue, began: Instant) {
        stream = StreamContext(configuration, events, began: began)
        self.outputs = outputs
        supervisor = LoopSupervisor(stream)
        intake = Intake(stream)
        presentation = Presentation(stream, outputs, lanes, stop: outputStop)
        let changes = PlannedChanges(stream, intake)
        let navigator = Navigator(stream, intake, changes)
        let refilling = Refilling(stream, intake)
        judge = EndJudge(stream, intake)
        standbys = Standbys(stream, intake, supervisor)
        joiner = Joiner(stream, intake, changes, navigator, standbys, supervisor)
        watcher = Watcher(stream, intake, standbys, changes)
        handoffs = Handoffs(stream, intake, changes, refilling, standbys, joiner, watcher)
        reader = Reader(
            stream, intake, changes, navigator, refilling, judge, standbys, joiner, watcher, handoffs)
        handoffs.reader = reader
        supervisor.serve(navigator, judge, watcher, handoffs, reader)
        intake.owner = self
    }

    // MARK: - Running

    /// Plays to the end. Called on the loop's thread.
    func run() {
        var next: HandoffController.Order? = watcher.handoff(.begins)
        while !stream.abort.isAborted {
            // An ingest that has joined goes before whatever else was to be done.
            if let runner = handoffs.group.takeNext() {
                next = reader.play(runner)
            } else if let order = next {
                next = carryOut(order)
            } else {
                break
            }
        }
        finish()
    }

    /// Tells the machine which origins give their bytes once; a file system that hesitates holds up nothing that has begun.
    private func noteReadOnce() {
        for index in stream.origins.all.indices where stream.origins.isReadOnce(OriginID(index)) {
            stream.machine.withLock { $0.isReadOnce(OriginID(index)) }
        }
    }

    /// - Returns: what to do next; nil where the stream is over, or the group has another ingest next.
    private func carryOut(_ order: HandoffController.Order) -> HandoffController.Order? {
        switch order {
        case .open(let origin): return open(origin)
        // Bytes cannot be resumed where no ingest is read: another one is opened.
        case .replace(let origin), .resume(let origin): return handoffs.replace(on: origin)
        case .wait(let moment): return handoffs.wait(until: moment)
        case .stay(let moment): return stay(until: moment)
        case .giveUp(let reason):
            if let runner = handoffs.group.takeEnded() {
                reader.playOut(runner)
                runner.stop()
            }
            giveUp(reason)
            return nil
        }
    }

    private func finish() {
        handoffs.dismiss()
        stream.viewer.readOut()
        // What is buffered plays on, and nobody is needed any more.
        standbys.stop()
        watcher.end()
        intake.flush()
        if handoffs.isPending { handoffs.report() }
        stream.buffer.end()
        presentation.waitForEnd()
        stream.origins.closeConnections()
        presentation.finish(isWhole: !stream.viewer.isStopped, ends: judge.flowEnds, stream.record.error)
        for gap in stream.buffer.takeNewGaps(isOver: true) { stream.record.send(.gap(gap)) }
        playingTime = stream.buffer.playingTime
        if !intake.isBackward { stream.record.presentedUp(to: presentedEnd) }
        stream.record.send(.ended(npt: presentedEnd, stream.record.error))
    }

    /// Ends the stream from any thread; what was presented so far stays whole.
    func stop() { end(StreamError(code: .stopped, message: "stopped")) }

    /// Ends the stream for a reason, the first of which counts; from any thread.
    private func end(_ error: StreamError) {
        stream.record.failed(error)
        // Before anything wakes the loop: what ends from here on is not whole.
        stream.viewer.stop()
        outputStop.set()
        stream.buffer.abort()
        stream.abort.abort()
        stream.viewer.interrupt()
    }

    private func giveUp(_ reason: String) {
        stream.buffer.ranDry()
        let move = stream.machine.withLock { $0.handoff.move }
        let tried = move?.attempts ?? []
        let attempts = tried.suffix(20).map { attempt in
            StreamError.Attempt(
                origin: attempt.origin, url: stream.record.url(attempt.origin),
                reason: attempt.failure?.text ?? "unfinished", cause: attempt.failure?.cause)
        }
        guard !stream.record.hasOpened else {
            let (npt, cause) = (intake.position, move.map { "\($0.event.detail); " } ?? "")
            return stream.record.failed(
                StreamError(
                    code: .gaveUp, message: "gave up at \(npt ?? .zero): \(cause)\(reason)", origin: move?.from,
                    npt: npt, attempts: attempts))
        }
        let allNotMedia = tried.allSatisfy { if case .refused(.notMedia, _) = $0.failure { true } else { false } }
        stream.record.failed(
            !tried.isEmpty && allNotMedia
                ? StreamError(
                    code: .notMedia, message: "no origin holds media that can be played", attempts: attempts)
                : StreamError(
                    code: .noOriginUsable,
                    message: "no origin could be opened; check the addresses and that the servers run",
                    attempts: attempts))
    }

    // MARK: - The first ingest

    /// Opens an origin to begin the stream, and another beside it where the first is slow to answer.
    private func openFirst(_ pick: OriginID) throws(HedgedTrials<OpenedIngest, IngestOpenError>.Failure) -> OpenedIngest
    {
        var asked: [OriginID] = []
        var failed: Set<OriginID> = []
        // A pipe can be read only once: it is not opened where another origin may be faster and be taken.
        let others = stream.machine.withLock { $0.handoff.hedgeCandidates(at: .now) }
            .filter { !stream.origins.isReadOnce($0) }
        var trials = HedgedTrials<OpenedIngest, IngestOpenError>(
            // What is expected of an origin is borne and a quarter of it.
            HedgedOpening(([pick] + others).map { .init($0, expected: Self.firstPatience * 4 / 5) }, dryAt: nil),
            .init(
                trial: { [joiner] origin in
                    asked.append(origin)
                    return joiner.beginFirst(origin)
                },
                hedged: { [watcher] in watcher.decide(.hedged($0)) },
                oneFailed: { [handoffs] origin, reason in
                    failed.insert(origin)
                    handoffs.hedgeFailed(reason.failure, on: origin)
                }))
        let began = Instant.now
        let (origin, opened) = try trials.run()
        for loser in asked where loser != origin {
            watcher.decide(.outrun(loser))
            guard loser == pick, !failed.contains(pick) else { continue }
            let time = (Instant.now - began).wholeNanoseconds / 1_000_000
            stream.record.warn(
                "\(stream.record.url(pick)) had not answered after \(time) ms: the stream begins with "
                    + stream.record.url(origin))
        }
        return opened
    }

    private func open(_ pick: OriginID) -> HandoffController.Order? {
        let opened: OpenedIngest
        do throws(HedgedTrials<OpenedIngest, IngestOpenError>.Failure) {
            opened = try openFirst(pick)
        } catch {
            return error.reason.isAborted ? nil : handoffs.attemptFailed(error.reason.failure, on: error.origin)
        }
        let ingest = opened.runner.still
        let selection = stream.configuration.flows.makeOut(ingest.flows)
        let selected = ingest.flows.filter { selection[$0.index] }
        guard !selected.isEmpty else {
            let kinds = ingest.flows.map(\.description).joined(separator: ", ")
            end(StreamError(code: .usage, message: "none of the flows is selected; the stream has \(kinds)"))
            return nil
        }
        intake.begin(ingest.flows, selection: selection, duration: ingest.duration)
        ingest.select { intake.isSelected($0) }
        judge.statedEnd = ingest.statedEnd
        stream.buffer.isFed(inRealtime: ingest.isRealtime)
        do throws(MediaError) { try seekToStart(ingest) } catch {
            if let event = ingest.openingFailure {
                return handoffs.attemptFailed(.undelivered(event), on: ingest.origin)
            }
            end(StreamError(code: .usage, message: "cannot begin at \(stream.configuration.from): \(error)"))
            return nil
        }
        guard !stream.abort.isAborted, presentation.begin(ingest.flows, played: selected, end: end) else { return nil }
        noteReadOnce()
        // Before anybody hears of it, and asks who is played.
        watcher.decide(
            .joined(ingest.origin, .ingest(HandoffCost(opening: ingest.traits.openingTime))), watcher.sight)
        stream.record.opened(
            StreamRecord.Opened(
                container: ingest.container, duration: ingest.duration, flows: ingest.flows.map(\.flowDescription)),
            by: ingest.origin)
        opened.play()
        stream.twins.plays(ingest.accounts?.twinEnd)
        standbys.changed()
        return reader.play(opened.runner)
    }

    private func seekToStart(_ ingest: any Ingest) throws(MediaError) {
        let start = stream.configuration.from
        guard start > .zero else { return }
        if let duration = ingest.duration, start >= duration {
            return end(
                StreamError(code: .usage, message: "cannot begin at \(start): the stream ends at \(duration)"))
        }
        try ingest.seek(to: start)
    }

    // MARK: - Staying

    /// Reads the ingest that is to be left on: between two attempts, or since nobody else can be had.
    private func stay(until moment: Instant) -> HandoffController.Order? {
        let (stands, failure) = (handoffs.group.endStands, handoffs.group.failure)
        guard let runner = handoffs.group.takeLeaving() else { preconditionFailure("nothing to stay on") }
        if stands {
            reader.playOut(runner)
            judge.stood(runner.origin)
            runner.stop()
            return nil
        }
        if let failure {
            handoffs.dismiss()
            runner.stop()
            return handoffs.observe(failure, canResume: false)
        }
        handoffs.staysUntil = moment
        if moment == .never {
            watcher.decide(.staysForGood)
            stream.record.warn(stayWarning(runner.origin))
        }
        return reader.play(runner)
    }

    /// Why an origin is played on that was to be left; the origin that was wanted is named.
    private func stayWarning(_ origin: OriginID) -> String {
        let url = stream.record.url(origin)
        let (observed, lastFailure) = stream.machine.withLock { ($0.observed, $0.lastFailure) }
        guard let (event, target) = observed, let target else {
            return "\(url) was to be left, and no other origin could be joined: it is played on"
        }
        let failure = lastFailure.flatMap { $0.origin == target ? " (\($0.failure.text))" : nil } ?? ""
        let wish = event.cause == .failback ? "going back to" : "going on from"
        let rest = "no other origin could be joined: \(url) is played on"
        return "\(wish) \(stream.record.url(target)) failed\(failure), and \(rest)"
    }

    // MARK: - What is told of it

    /// Where the presentation ended.
    private var presentedEnd: NPT? {
        intake.isBackward ? stream.buffer.playhead : presentation.end(of: intake.flows)
    }

    /// What happened, once `run` has returned.
    func summary() -> Summary {
        let accounts = presentation.accounts
        let standings = Dictionary(
            intake.allStandings.map { ($0.flow, $0.position) }, uniquingKeysWith: { first, _ in first })
        let flows = intake.flows.map(\.index).map { flow in
            (
                account: flow < accounts.count ? accounts[flow] : FlowAccount(),
                losses: intake.losses[flow, default: FlowLosses()], position: standings[flow],
                duplicate: intake.line?.duplicate(of: flow) ?? .zero
            )
        }
        let final = StreamRecord.Final(
            end: presentedEnd, flows: flows, duplicate: intake.line?.duplicate ?? .zero, playingTime: playingTime,
            standby: standbys.cost, tallies: presentation.tallies,
            roster: stream.machine.withLock { $0.handoff.roster })
        return stream.record.summary(final, stream.buffer)
    }

    /// Where the stream is, for a status line. From any thread.
    func status() -> StreamStatus {
        let (level, counts) = (stream.buffer.level, stream.record.counts)
        return StreamStatus(
            npt: stream.buffer.playhead, duration: stream.record.duration, origin: stream.currentURL,
            buffer: level.duration, bufferBytes: level.bytes, handoffs: counts.handoffs,
            gapTotal: stream.buffer.gapTotal, missing: counts.missing, isPaused: stream.viewer.isPaused,
            rate: stream.viewer.rate)
    }
}

extension Session: Intake.Owner {
    func delivers() {
        handoffs.delivers()
        standbys.tellForms()
    }

    func delivered(bytes: Int, flows: UInt64) {
        watcher.delivered(bytes: bytes, flows: flows, isPending: handoffs.isPending)
    }
}
