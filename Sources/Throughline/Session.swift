internal import DequeModule
internal import Synchronization
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols
internal import ThroughlineTransport

/// One stream being played: carries out what the handoff controller orders, on one worker thread, while the pacer
/// presents on another.
///
/// The worker goes from order to order. An order that opens an ingest plays it until it ends or fails; the next order
/// follows from that. The ingest is read by a `Runner`, which gives packets and facts, and asks where its bytes go on: a
/// failure that a byte-exact resume heals ends no ingest.
final class Session: SourceSupervisor, @unchecked Sendable {
    // Unchecked: `shared` is locked, and what is not is used on the worker's thread only, or written before threads
    // start (`configuration`, `buffer`) or after they were joined.
    let configuration: Configuration
    /// Those of the configuration, and those that were named and allowed since.
    let origins: OriginList
    let abort = AbortSwitch()
    let buffer: PlayoutBuffer
    let outputStop = DescriptorOutput.StopFlag()
    let shared: Guarded<Shared>
    let began: Instant
    let events: EventQueue
    let outputs: [Output]
    let lanes = OutputLanes()

    struct Shared {
        var controller: HandoffController
        /// A handoff that is made, but of which no packet was accepted yet.
        var pending: PendingHandoff?
        var isStopped = false
        /// Why the stream ends, once that is known.
        var error: StreamError?
        var handoffs: [HandoffReport] = []
        var handoffCount = 0
        var reopenCount = 0
        var warnings: [String] = []
        /// When the first picture was presented, or the first sound where there are none.
        var firstPresented: Duration?
        var seeks = SeekTimes()
        /// What was missing and damaged so far.
        var presentation = PresentationFigures()
        var opened: OpenedOrigin?
        /// What the viewer wants, and has not been done yet.
        var controls: [Control] = []
        /// Nobody reads any more: it is too late to go elsewhere.
        var isReadOut = false
        /// All that was received has gone out to the outputs since the worker last began to wait for that.
        var hasDrained = false
        var isPaused = false
        /// Negative to play backwards.
        var rate = Rate.normal
        /// Paused since the beginning was reached backwards.
        var isAtBeginning = false
        /// The origin that is read cannot be asked to play backwards.
        var hasNoWayBack = false
        /// By flow of the output, how its packets carry their payload, as far as that is known.
        var forms: [PayloadForm?] = []
        /// Bits per second that origins are to keep to.
        var bandwidth: Int64?
        /// Wakes the worker where it waits for the ingest that is played.
        var interrupt: (@Sendable () -> Void)?
        /// The rate at which the clock runs; negative where it runs back.
        var playedRate = Rate.normal
    }

    /// What a viewer may ask for while the stream plays.
    enum Control: Sendable {
        case pause, resume
        case seek(NPT)
        case setRate(Rate)
        /// The same where one of the rates, the present and the next, is negative.
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
    }

    /// There are controls to be carried out.
    let hasControls = Atomic<Bool>(false)

    struct PendingHandoff {
        var move: HandoffController.Move
        var to: OriginID
        var grade: SpliceGrade
        var evidence: String
        var byteOffset: Int64?
        /// How ready it was.
        var standby = Standby.cold
        /// How the origin was watched that was left.
        var decision: DeadlineRecord?
        /// When the first new packet was accepted, and how full the buffer was.
        var accepted: (at: Instant, level: MediaTime)?
    }

    struct OpenedOrigin {
        var container: String
        var duration: MediaTime?
        var flows: [FlowDescription]
    }

    // Of the worker's thread.
    var line: SpliceLine?
    /// How many times the stream has gone on from another connection.
    var joins = 0
    var batch = UniqueDeque<Packet>()
    var pacerThread: WorkerThread?
    var pacer: Pacer?
    /// Where the event was seen that is being answered, and how full the buffer was.
    var eventNPT: NPT = .zero
    var eventLevel: MediaTime = .zero
    /// Whether the flows of the output have reached the end that was asked for.
    var rangeEnd: RangeEnd?
    var outputFlows: [FlowFormat] = []
    /// By flow of the output, whether it is played.
    var selection: [Bool] = []
    /// An ingest that has joined, and is to be read next.
    var replacement: Runner?
    /// Keeps the next origin ready, from the first opening on; where that was asked for.
    var standby: RTSPStandby?
    /// Whether and with whom a connection over HTTP is kept.
    var warmKeeper = StandbyKeeper()
    var warmBegan = Instant(nanoseconds: 0)
    var lastWarmLook = Instant(nanoseconds: 0)
    /// Keeps the next origin delivering beside the one that is played; where that was asked for.
    var hot: HotStandby?
    /// Has what the network loses of one of them filled from the other.
    let twins: RTSPTwinLink
    /// It knows what the packets of the output are like.
    var formsAreTold = false
    /// An ingest that delivers still, and is to be left: it is let go once the next one has joined.
    var leaving: Runner?
    /// Changes that were announced for later.
    var changePlan = ChangePlan()
    /// The next of them, and where it is made.
    var nextChange: (change: ChangePlan.Change, npt: NPT)?
    /// Holds back what the ingest gives behind the place of the next change.
    var cut: (cut: PlannedCut, runner: Runner)?
    /// What the clock of the current ingest's container shows; nil until something was announced.
    var clock: PlayedClock?
    /// The ingest that is to be left is read while the next one is being joined.
    var isReadingOn = false
    /// What is to be left is played while the next ingest is opened, so that nothing presses.
    let isPlayedOn = Atomic<Bool>(false)
    /// And failed meanwhile.
    var failedMeanwhile: ChangeEvent?
    /// When the controller wants to go on with leaving the ingest that is read; `.never` when nothing is to be left.
    var staysUntil = Instant.never
    /// By flow of the output.
    var losses: [Int: FlowLosses] = [:]
    /// By flow of the output, where the flow stands at the current ingest by the accounts kept there.
    var standings: [Int: FlowPosition] = [:]
    /// The same when the event was seen that is being answered.
    var eventStandings: [FlowStanding] = []
    /// When findings were last asked for.
    var lastFindings = Instant.now
    var endOfMedia = EndOfMedia()
    /// It has ended before its time: what it still holds is played where nobody goes on.
    var endedRunner: Runner?
    /// It has ended, and is left only for another origin that can be joined.
    var endStands = false
    /// By the count of joins, where others were asked for more at the end.
    var joinsEnded: Int?
    /// Where the presentation ends by what the first origin says.
    var statedEnd: NPT?
    /// By flow of the output, where it ends by what the container says that was read last.
    var flowEnds: [Int: NPT] = [:]
    /// A handoff was made and is not yet reported.
    var hasPending = false
    /// Where the stream begins, or where the viewer went last.
    var start: NPT
    var playedRate: Rate { shared.withLock { $0.playedRate } }
    /// How long media went by, on the clock on the wall; once nothing more is presented.
    var playingTime: Duration = .zero

    /// Judges the delivery of the ingest that is read.
    var watch: DeliveryWatch
    /// The ingest that is read.
    var played: Runner?
    /// What its runner was told, or asked, and has not come to yet.
    var business = RunnerBusiness()
    /// What an order asks that ended an ingest in the middle of its bytes.
    var pendingOrder: HandoffController.Order?
    /// It is to be left.
    var departure: Departure?
    /// The last change event, and who was to be asked first for it.
    var observed: (event: ChangeEvent, target: OriginID?)?
    /// The last attempt that failed since.
    var lastFailure: (origin: OriginID, text: String)?
    /// Who is to be asked first for it.
    var departureTarget: OriginID?
    /// The last departure was one for the silence of all flows.
    var departsForSilence = false
    /// The origin that is being made ready.
    var preparing: OriginID?
    /// What came of it, where that is told.
    var preparation: Result<Void, ByteTrial.Failure>?
    /// Origins that hold other bytes, so that nothing can be made ready there.
    var unprepared: Set<OriginID> = []
    /// When it was last looked who could be asked.
    var lastAlternates = Instant.now
    /// A standby that is kept only while it may be needed soon is wanted.
    let standbyIsWanted = Atomic<Bool>(false)
    /// `watch` was told what the buffer held when the first picture was presented.
    var isFillKnown = false
    /// Bytes that the ingest had received by the last batch.
    var lastBytes: Int64 = 0
    /// When to go back to the preferred origin, and what asks it meanwhile.
    var planner: ReturnPlanner
    var returnProbe: ReturnProbe?
    /// Flows of the output of which packets are in the batch, a bit for each.
    var batchFlows: UInt64 = 0

    /// Sees to it that the buffer is full again where the origin can deliver faster.
    var refill: BufferRefill
    /// When the level was looked at last for that.
    var lastLook = Instant.now
    /// Since when the buffer is being refilled, and what it held.
    var refillBegan: (at: Instant, level: MediaTime) = (.now, .zero)
    /// The origin that delivers was joined packet by packet, and can be again.
    var isJoinedExactly = true

    static let reportLimit = 1000
    /// Packets that go to the buffer at once, and bytes: large packets are handed on while the processor's cache holds
    /// them.
    let batchLimit: Int
    static let batchByteLimit = 256 << 10
    var batchBytes = 0
    var lastFlush = Instant.now
    /// When the controller was last told that media arrives.
    var lastNoted = Instant.now
    /// A reason to leave was seen since.
    var mustNote = false

    init(configuration: Configuration, outputs: [Output], events: EventQueue, began: Instant) {
        self.configuration = configuration
        origins = OriginList(configuration.origins)
        start = configuration.from
        rangeEnd = configuration.to.map { RangeEnd(at: $0) }
        self.outputs = outputs
        self.events = events
        self.began = began
        refill = BufferRefill(buffer: configuration.buffer)
        twins = RTSPTwinLink(buffer: configuration.buffer)
        let roster = OriginRoster(
            configuration.origins.map { .init(priority: $0.priority, weight: $0.weight, endpoint: $0.endpoint) })
        guard let preferred = roster.preferred.first else { preconditionFailure("a stream of no origin") }
        planner = ReturnPlanner(policy: configuration.failback, preferred: preferred)
        watch = DeliveryWatch(
            origins: configuration.origins.count + OriginList.mostAdded, bound: configuration.silenceBound)
        let isPaced = configuration.pacing == .realtime
        batchLimit = isPaced ? 64 : 128
        buffer = PlayoutBuffer(
            limits: PlayoutBuffer.Limits(
                duration: MediaTime(configuration.buffer), bytes: isPaced ? configuration.bufferByteLimit : 1 << 20,
                packets: isPaced ? 1 << 20 : 512, isPaced: isPaced))
        shared = Guarded(Shared(controller: HandoffController(roster: roster, giveUpAfter: configuration.giveUpAfter)))
    }

    // MARK: - Running

    /// Plays to the end. Called on the worker's thread.
    func run() {
        var order = shared.withLock { $0.controller.start(at: .now) }
        run: while !abort.isAborted {
            if let runner = replacement.take() {
                guard let next = pump(runner) else {
                    if replacement != nil { continue }
                    break run
                }
                order = next
                continue
            }
            switch order {
            case .open(let origin):
                guard let next = open(origin) else {
                    if replacement != nil { continue }
                    break run
                }
                order = next
            case .replace(let origin), .resume(let origin):
                // Bytes go on under an ingest that is read: here none is.
                if let next = replace(on: origin) { order = next }
                if replacement == nil, abort.isAborted { break run }
            case .wait(let moment):
                guard sleep(until: moment) else { break run }
                order = waitEnded()
            case .stay(let moment):
                guard let next = stay(until: moment) else {
                    if replacement != nil { continue }
                    break run
                }
                order = next
            case .giveUp(let reason):
                if let runner = endedRunner.take() {
                    playOut(runner)
                    runner.stop()
                }
                giveUp(reason)
                break run
            }
        }
        dismissOthers(but: nil)
        shared.withLock { $0.isReadOut = true }
        // What is buffered plays on, and nobody is needed any more.
        standby?.stop()
        hot?.stop()
        endReturn()
        _ = flush()
        if hasPending { reportHandoff() }
        buffer.end()
        pacerThread?.join()
        origins.closeConnections()
        pacer?.finish(isWhole: shared.withLock { !$0.isStopped }, ends: flowEnds)
        let error = shared.withLock { $0.error }
        pacer?.endLanes(error)
        lanes.end(error)
        for gap in buffer.takeNewGaps(isOver: true) { send(.gap(gap)) }
        playingTime = buffer.playingTime
        noteExcess()
        send(.ended(npt: presentedEnd, shared.withLock { $0.error }))
    }

    /// Ends the stream from any thread; what was presented so far stays whole.
    func stop() { end(StreamError(code: .stopped, message: "stopped")) }

    func end(_ error: StreamError) {
        shared.withLockAndWake { state in
            if state.error == nil { state.error = error }
            state.isStopped = true
        }
        outputStop.set()
        buffer.abort()
        abort.abort()
        shared.withLock { $0.interrupt }?()
    }

    func sleep(until moment: Instant) -> Bool {
        if !batch.isEmpty { _ = flush() }
        send(.waiting(moment - Instant.now))
        return shared.wait { state, deadline in
            if state.isStopped { return false }
            if Instant.now >= moment { return true }
            deadline = moment
            return nil
        }
    }

    func giveUp(_ reason: String) {
        buffer.ranDry()
        let (move, hasPlayed) = shared.withLock { ($0.controller.move, $0.opened != nil) }
        let attempts = (move?.attempts ?? []).suffix(20).map { attempt in
            StreamError.Attempt(
                origin: attempt.origin, url: url(attempt.origin), reason: attempt.failure?.text ?? "unfinished",
                cause: attempt.failure?.cause)
        }
        let npt = position
        let allNotMedia =
            !(move?.attempts.isEmpty ?? true)
            && (move?.attempts ?? []).allSatisfy {
                if case .refused(.notMedia, _) = $0.failure { return true }
                return false
            }
        let error: StreamError
        if hasPlayed {
            let cause = move.map { "\($0.event.detail); " } ?? ""
            error = StreamError(
                code: .gaveUp, message: "gave up at \(npt ?? .zero): \(cause)\(reason)", origin: move?.from, npt: npt,
                attempts: attempts)
        } else if allNotMedia {
            error = StreamError(
                code: .notMedia, message: "no origin holds media that can be played", attempts: attempts)
        } else {
            error = StreamError(
                code: .noOriginUsable,
                message: "no origin could be opened; check the addresses and that the servers run",
                attempts: attempts)
        }
        shared.withLock { if $0.error == nil { $0.error = error } }
    }

    /// Where the presentation ended; a subtitle that stays on screen beyond it does not count.
    var presentedEnd: NPT? {
        isBackward
            ? buffer.playhead
            : zip(pacer?.presented ?? [], outputFlows).filter { !$1.isSparse }.compactMap { $0.0.end }.max()
    }

    /// The least position of the flows that count: by what was received of each, or where its timestamps tell nothing, as
    /// it was counted.
    var position: NPT? {
        if let line, line.isBackward { return line.lowest ?? start }
        return zip(buffer.accounts, outputFlows).filter { !$1.isSparse }.compactMap { account, flow in
            guard let standing = standings[flow.index], standing.position.basis == .ledger else { return account.end }
            return standing.position.npt
        }.min()
    }

    /// Where another origin is to begin so as to meet what was received. What was counted instead of timed may be behind
    /// the times that its packets were given.
    var overlap: NPT? {
        let played = outputFlows.filter { isSelected($0) }
        guard let overlap = buffer.overlapStart(of: played), let position else { return position }
        let received = played.filter { !$0.isSparse }.compactMap { buffer.accounts[$0.index].end }.min() ?? position
        return min(overlap, overlap + (position - received))
    }

    /// Where every flow stands that is played.
    var allStandings: [FlowStanding] {
        zip(buffer.accounts, outputFlows).compactMap { account, flow in
            guard isSelected(flow) else { return nil }
            let end = isBackward ? flow.kind == .video ? line?.lowest : nil : account.end
            let received = end.map {
                FlowPosition(position: Position(npt: $0, basis: .timestamps), byTimestamps: $0)
            }
            return (standings[flow.index] ?? received).map { FlowStanding(flow: flow.index, position: $0) }
        }
    }

    /// Asks an ingest where its flows stand, and tells what it noticed.
    func noteAccounts(of runner: Runner) {
        note(runner.status.positions)
        if runner.isStill { note(runner.still.takeFindings(), of: runner) }
    }

    func note(_ positions: [FlowPosition?]) {
        guard let line else { return }
        for (flow, position) in positions.enumerated() {
            guard let position, let output = line.output(of: flow) else { continue }
            standings[output] = position.shifted(by: line.shift(of: flow))
        }
    }

    func note(_ findings: [(flow: Int?, text: String)], of runner: Runner) {
        guard let line else { return }
        for (flow, text) in findings {
            guard let flow else {
                warn("\(url(runner.origin)) \(text)")
                continue
            }
            guard let output = line.output(of: flow), output < outputFlows.count else { continue }
            warn("\(url(runner.origin)): \(outputFlows[output]): \(text)")
        }
    }

    // MARK: - The first ingest

    /// How long the first origin may take to open before the next is asked beside it.
    private static let firstPatience: Duration = .milliseconds(500)

    /// Opens an origin to begin the stream, and another beside it where the first is slow to answer.
    private func openFirst(_ pick: OriginID) throws(HedgedTrials<OpenedIngest, IngestOpenError>.Failure) -> OpenedIngest
    {
        var asked: [OriginID] = []
        var failed: Set<OriginID> = []
        // A pipe can be read only once: it is not opened where another origin may be faster and be taken.
        let others = shared.withLock { $0.controller.hedgeCandidates(at: .now) }.filter { !origins.isReadOnce($0) }
        var trials = HedgedTrials<OpenedIngest, IngestOpenError>(
            // What is expected of an origin is borne and a quarter of it.
            HedgedOpening(([pick] + others).map { .init($0, expected: Self.firstPatience * 4 / 5) }, dryAt: nil),
            .init(
                trial: { [unowned self] origin in
                    asked.append(origin)
                    var request = request(origin)
                    request.start = start
                    request.rate = askedRate
                    request.beginsElsewhere = start > .zero
                    return openFirst(request)
                },
                hedged: { [unowned self] in hedged(with: $0) },
                oneFailed: { [unowned self] origin, reason in
                    failed.insert(origin)
                    hedgeFailed(reason.failure, on: origin)
                }))
        let began = Instant.now
        let (origin, opened) = try trials.run()
        for loser in asked where loser != origin {
            shared.withLock { $0.controller.outrun(loser, at: .now) }
            guard loser == pick, !failed.contains(pick) else { continue }
            let time = (Instant.now - began).wholeNanoseconds / 1_000_000
            warn("\(url(pick)) had not answered after \(time) ms: the stream begins with \(url(origin))")
        }
        return opened
    }

    private func openFirst(_ request: IngestRequest) -> Trial<OpenedIngest, IngestOpenError> {
        let abort = AbortSwitch(parent: abort)
        let trial = Trial<OpenedIngest, IngestOpenError>(abort: abort)
        let (kind, bound) = (origins[request.origin].kind, openBound(for: request.origin))
        trial.begin(name: "tl-open") { [unowned self] () throws(IngestOpenError) in
            try OpenedIngest(request, kind, of: self, bound: bound, abort: abort)
        }
        return trial
    }

    func open(_ pick: OriginID) -> HandoffController.Order? {
        let opened: OpenedIngest
        do throws(HedgedTrials<OpenedIngest, IngestOpenError>.Failure) {
            opened = try openFirst(pick)
        } catch {
            return error.reason.isAborted ? nil : attemptFailed(error.reason.failure, on: error.origin)
        }
        let runner = opened.runner
        let ingest = runner.still
        let origin = ingest.origin
        selection = configuration.flows.makeOut(ingest.flows)
        let selected = ingest.flows.filter { isSelected($0) }
        guard !selected.isEmpty else {
            let kinds = ingest.flows.map(\.description).joined(separator: ", ")
            end(StreamError(code: .usage, message: "none of the flows is selected; the stream has \(kinds)"))
            return nil
        }
        ingest.select { isSelected($0) }
        outputFlows = ingest.flows
        let line = SpliceLine(flows: outputFlows)
        line.duration = ingest.duration
        statedEnd = ingest.statedEnd
        self.line = line
        buffer.begin(
            outputFlows.map {
                ($0.isSparse || !isSelected($0), $0.kind == .video && !$0.isAttachedPicture)
            })
        buffer.isFed(inRealtime: ingest.isRealtime)
        if configuration.from > .zero {
            do throws(MediaError) {
                if let duration = ingest.duration, configuration.from >= duration {
                    end(
                        StreamError(
                            code: .usage,
                            message: "cannot begin at \(configuration.from): the stream ends at \(duration)"))
                    return nil
                }
                try ingest.seek(to: configuration.from)
            } catch {
                if let event = ingest.openingFailure { return attemptFailed(.undelivered(event), on: origin) }
                end(StreamError(code: .usage, message: "cannot begin at \(configuration.from): \(error)"))
                return nil
            }
        }
        guard startOutputs(selected) else { return nil }
        let described = ingest.flows.map(\.flowDescription)
        shared.withLock { state in
            state.controller.joined(at: .now)
            state.opened = OpenedOrigin(
                container: ingest.container, duration: ingest.duration, flows: described)
        }
        send(
            .opened(
                origin: origin, url: url(origin), container: ingest.container,
                duration: ingest.duration, flows: described))
        opened.play()
        twins.plays(ingest.twinEnd)
        noteJoined(origin, opening: ingest.openingTime, media: nil)
        keepStandby()
        return pump(runner)
    }

    /// A request to open an origin with the settings of this stream, to be completed by the caller. From any thread.
    func request(_ origin: OriginID) -> IngestRequest {
        var request = IngestRequest(origin: origin)
        request.transport = configuration.rtspTransport
        request.bandwidth = shared.withLock { $0.bandwidth }
        request.isPaced = configuration.pacing == .realtime
        request.watch = ChangeWatch(policy: configuration.indicators)
        request.reserve = buffer.reserve
        return request
    }

    func startOutputs(_ flows: [FlowFormat]) -> Bool {
        var opened: [any PacketOutput] = []
        do throws(OutputError) {
            for output in outputs {
                opened.append(try open(output, flows, from: configuration.from))
            }
        } catch {
            if !error.isAborted { end(error.streamError) }
            return false
        }
        for warning in opened.flatMap(\.warnings) { warn(warning) }
        let pacer = Pacer(
            buffer: buffer, outputs: opened, joins: lanes,
            open: { [unowned self] output, start throws(OutputError) in
                let opened = try open(output, flows, from: start)
                for warning in opened.warnings { warn(warning) }
                return opened
            },
            flows: outputFlows, played: flows,
            from: start > .zero ? start : nil,
            firstOut: { [unowned self] npt in send(.playing(npt: npt)) },
            firstShown: { [unowned self] in nowShown() },
            batchOut: { [unowned self] account in
                for gap in buffer.takeNewGaps() { send(.gap(gap)) }
                tell(&account)
                if buffer.isDrained { shared.withLockAndWake { $0.hasDrained = true } }
            },
            outputFailed: { [unowned self] error, hadJoined in
                if error.isAborted { return }
                // Whoever joins later has an end of its own.
                if !hadJoined { shared.withLock { if $0.error == nil { $0.error = error.streamError } } }
                warn(hadJoined ? error.message : "\(error.message); the other outputs go on")
            })
        self.pacer = pacer
        nonisolated(unsafe) let handed = pacer  // Handed over to the thread, and read again only after its join.
        pacerThread = WorkerThread(name: "tl-pacer") { [unowned self] in
            do throws(OutputError) {
                try handed.run()
            } catch {
                if !error.isAborted { end(error.streamError) }
            }
        }
        return true
    }

    private func open(
        _ output: Output, _ flows: [FlowFormat], from start: NPT
    ) throws(OutputError) -> any PacketOutput {
        output.isDecoded
            ? try DecodingOutput(output, flows: flows, stop: outputStop)
            : try MuxerOutput(output, flows: flows, start: start, stop: outputStop)
    }

    // MARK: - Reading

    /// Moves a packet onto the line, and on towards the buffer. False when the stream is over.
    func accept(_ packet: consuming Packet, of runner: Runner) -> Bool {
        guard let line else { return false }
        packet.provenance = Provenance(origin: runner.origin, joins: joins)
        guard line.pass(&packet, form: runner.form(of: packet.flow), mayLeadUp: runner.makesDecodeTimes) else {
            return true
        }
        if isBeyondEnd(packet) {
            guard isAllDone else { return true }
            _ = flush()
            return false
        }
        batchBytes += packet.byteCount
        batchFlows |= 1 << UInt64(min(packet.flow, 63))
        batchBytes += line.takeLeadIn(into: &batch)
        batch.append(packet)
        return batch.count < batchLimit && batchBytes < Self.batchByteLimit || flush()
    }

    func accept(_ packets: inout UniqueDeque<Packet>, of runner: Runner) -> Bool {
        while !packets.isEmpty { guard accept(packets.removeFirst(), of: runner) else { return false } }
        return true
    }

    /// Reads the ingest that is to be left on: between two attempts, or since nobody else can be had.
    func stay(until moment: Instant) -> HandoffController.Order? {
        guard let runner = leaving.take() else { preconditionFailure("nothing to stay on") }
        if endStands {
            endStood(runner)
            runner.stop()
            return nil
        }
        if let event = failedMeanwhile {
            failedMeanwhile = nil
            cut = nil
            runner.stop()
            return observe(event, canResume: false)
        }
        staysUntil = moment
        if moment == .never {
            watch.stays(at: .now)
            planner.returnFailed(at: .now)
            warn(stayWarning(runner.origin))
        }
        return pump(runner)
    }

    /// Why an origin is played on that was to be left; the origin that was wanted is named.
    private func stayWarning(_ origin: OriginID) -> String {
        guard let (event, target) = observed, let target else {
            return "\(url(origin)) was to be left, and no other origin could be joined: it is played on"
        }
        let failure = lastFailure.flatMap { $0.origin == target ? " (\($0.text))" : nil } ?? ""
        let wish = event.cause == .failback ? "going back to" : "going on from"
        let rest = "no other origin could be joined: \(url(origin)) is played on"
        return "\(wish) \(url(target)) failed\(failure), and \(rest)"
    }

    /// The origin that is to be left has been played on for a while between two attempts.
    func stayEnded() -> HandoffController.Order {
        business.stayIsOver = false
        (eventNPT, eventLevel) = (position ?? .zero, buffer.level.duration)
        return shared.withLock { $0.controller.stayEnded(at: .now) }
    }

    /// Adds up what the network lost of the flows of an ingest, and tells.
    func note(_ news: [Int: FlowLosses], of runner: Runner) {
        for (flow, lost) in news.sorted(by: { $0.key < $1.key }) {
            guard let output = line?.output(of: flow), output < outputFlows.count else { continue }
            losses[output, default: FlowLosses()] += lost
            // What was filled nobody misses.
            if lost.packets == 0, lost.units == 0 { continue }
            warn("\(url(runner.origin)): \(outputFlows[output]): \(lost)")
        }
    }

    private var playsAll: Bool { configuration.flows == .all }

    /// Whether a flow of the output is played.
    func isSelected(_ flow: FlowFormat) -> Bool { flow.index < selection.count ? selection[flow.index] : playsAll }

    func isPlayed(_ flow: Int) -> Bool {
        guard !playsAll, let output = line?.output(of: flow) else { return true }
        return isSelected(outputFlows[output])
    }

    func isBeyondEnd(_ packet: borrowing Packet) -> Bool {
        guard let end = configuration.to else { return false }
        rangeEnd?.received(packet.flow, due: packet.due)
        return (packet.pts ?? packet.dts).map { $0 >= end } ?? false
    }

    var isAllDone: Bool {
        let flows = outputFlows.lazy.filter { !$0.isSparse && self.isSelected($0) }.map(\.index)
        return rangeEnd?.isReached(by: flows, isRealtime: played?.isRealtime ?? false) ?? false
    }

    /// The demuxer has no more packets: is that the end?
    func ended(_ runner: Runner) -> HandoffController.Order? {
        guard flush() else { return nil }
        if replacement != nil { return nil }
        if let order = pendingOrder.take() {
            if case .giveUp = order { playOut(runner) }
            return order
        }
        if abort.isAborted { return nil }
        if runner.still.hasFailed {
            playOut(runner)
            // Whoever fails says why, and is replaced; where that did not happen it is no end of the stream all the same.
            return .giveUp(reason: "\(url(runner.origin)): reading it failed")
        }
        let order = endedShort(runner)
        switch order {
        case nil, .giveUp: playOut(runner)
        default: endedRunner = runner
        }
        return order
    }

    /// Hands the batch to the buffer. False when the stream is over.
    ///
    /// - Parameter awaitsRoom: where there is none it is waited for.
    @discardableResult
    func flush(awaitsRoom: Bool = true) -> Bool {
        guard !batch.isEmpty else { return !abort.isAborted }
        if let line, line.hasWarnings { for warning in line.takeWarnings() { warn(warning) } }
        let (bytes, flows) = (batchBytes, batchFlows)
        (batchBytes, batchFlows) = (0, 0)
        noteAcceptance()
        lastFlush = .now
        if mustNote || lastFlush - lastNoted > .seconds(1) {
            (mustNote, lastNoted) = (false, lastFlush)
            shared.withLock { $0.controller.delivered(at: lastFlush) }
        }
        if hot != nil, !formsAreTold { tellForms() }
        guard buffer.push(&batch, awaitsRoom: awaitsRoom) else { return false }
        noteDelivery(bytes: bytes, flows: flows)
        return true
    }
}
