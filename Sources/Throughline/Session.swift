internal import DequeModule
internal import Synchronization
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols
internal import ThroughlineTransport

/// One stream being played: carries out what the handoff controller orders, on one worker thread, while the pacer
/// presents on another.
///
/// The worker goes from order to order. An order that opens an ingest reads it until it ends or fails; the next order
/// follows from that. A failure that a byte-exact resume heals never comes back here: it is settled inside
/// `SourceInput`, in mid-read, with the same controller.
final class Session: SourceSupervisor, @unchecked Sendable {
    // Unchecked: `shared` is locked, and what is not is used on the worker's thread only, or written before threads
    // start (`configuration`, `buffer`) or after they were joined.
    let configuration: Configuration
    let abort = AbortSwitch()
    let buffer: PlayoutBuffer
    private let outputStop = DescriptorOutput.StopFlag()
    private let shared: Guarded<Shared>
    private let began = Instant.now
    private let emit: @Sendable (Event) -> Void
    private let outputs: [Output]

    private struct Shared {
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
        var firstPresented: Duration?
        var opened: OpenedOrigin?
        /// What the viewer wants, and has not been done yet.
        var controls: [Control] = []
        var isPaused = false
        var rate = Rate.normal
        /// Wakes the current ingest.
        var interrupt: (@Sendable () -> Void)?
    }

    /// What a viewer may ask for while the stream plays.
    enum Control: Sendable {
        case pause, resume
        case seek(NPT)
        case setRate(Rate)
    }

    /// There are controls to be carried out.
    private let hasControls = Atomic<Bool>(false)

    private struct PendingHandoff {
        var move: HandoffController.Move
        var to: OriginID
        var grade: SpliceGrade
        var evidence: String
        var byteOffset: Int64?
        /// When the first new packet was accepted, and how full the buffer was.
        var accepted: (at: Instant, level: MediaTime)?
    }

    struct OpenedOrigin {
        var container: String
        var duration: MediaTime?
        var flows: [FlowDescription]
    }

    // Of the worker's thread.
    private var line: SpliceLine?
    private var batch = UniqueDeque<Packet>()
    private var pacerThread: WorkerThread?
    private var pacer: Pacer?
    /// Where the event was seen that is being answered, and how full the buffer was.
    private var eventNPT: NPT = .zero
    private var eventLevel: MediaTime = .zero
    /// Flows of the output that have reached the end that was asked for.
    private var flowsDone: Set<Int> = []
    private var outputFlows: [FlowFormat] = []
    /// An ingest that has joined, and is to be read next.
    private var replacement: (any Ingest)?
    /// An ingest that delivers still, and is to be left: it is let go once the next one has joined.
    private var leaving: (any Ingest)?
    /// When the controller wants to go on with leaving the ingest that is read; `.never` when nothing is to be left.
    private var staysUntil = Instant.never
    /// By flow of the output.
    private var losses: [Int: FlowLosses] = [:]
    /// A handoff was made and is not yet reported.
    private var hasPending = false
    /// Where the stream begins, or where the viewer went last.
    private var start: NPT
    /// The rate at which the clock runs.
    private var playedRate = Rate.normal

    static let reportLimit = 1000
    /// Packets that go to the buffer at once, and bytes: large packets are handed on while the processor's cache holds
    /// them.
    private let batchLimit: Int
    private static let batchByteLimit = 256 << 10
    private var batchBytes = 0
    private var lastFlush = Instant.now
    /// When the controller was last told that media arrives.
    private var lastNoted = Instant.now

    init(configuration: Configuration, outputs: [Output], emit: @escaping @Sendable (Event) -> Void) {
        self.configuration = configuration
        start = configuration.from
        self.outputs = outputs
        self.emit = emit
        let isPaced = configuration.pacing == .realtime
        batchLimit = isPaced ? 64 : 128
        buffer = PlayoutBuffer(
            limits: PlayoutBuffer.Limits(
                duration: MediaTime(configuration.buffer), bytes: isPaced ? configuration.bufferByteLimit : 1 << 20,
                packets: isPaced ? 1 << 20 : 512, isPaced: isPaced))
        let roster = OriginRoster(configuration.origins.map { .init(priority: $0.priority, weight: $0.weight) })
        shared = Guarded(Shared(controller: HandoffController(roster: roster, giveUpAfter: configuration.giveUpAfter)))
    }

    // MARK: - Running

    /// Plays to the end. Called on the worker's thread.
    func run() {
        var order = shared.withLock { $0.controller.start(at: .now) }
        run: while !abort.isAborted {
            if let ingest = replacement {
                replacement = nil
                guard let next = pump(ingest) else {
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
            case .replace(let origin):
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
                giveUp(reason)
                break run
            case .resume:
                // Resuming is the input's business; without an input it is a new ingest on the same origin.
                preconditionFailure("resume without a running ingest")
            }
        }
        leaving = nil
        _ = flush()
        if hasPending { reportHandoff() }
        buffer.end()
        pacerThread?.join()
        if let npt = presentedEnd { send(.ended(npt: npt)) }
    }

    /// Ends the stream from any thread; what was presented so far stays whole.
    func stop() { end(StreamError(code: .stopped, message: "stopped")) }

    private func end(_ error: StreamError) {
        shared.withLockAndWake { state in
            if state.error == nil { state.error = error }
            state.isStopped = true
        }
        outputStop.set()
        buffer.abort()
        abort.abort()
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

    private func giveUp(_ reason: String) {
        buffer.ranDry()
        let (move, hasPlayed) = shared.withLock { ($0.controller.move, $0.opened != nil) }
        let attempts = (move?.attempts ?? []).suffix(20).map { attempt in
            "\(redacted(configuration.origins[attempt.origin.index].url)): \(attempt.failure?.text ?? "unfinished")"
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
                code: .gaveUp, message: "gave up at \(npt ?? .zero): \(cause)\(reason)", npt: npt, attempts: attempts)
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
    private var presentedEnd: NPT? {
        zip(pacer?.presented ?? [], outputFlows).filter { !$1.isSparse }.compactMap { $0.0.end }.max()
    }

    /// The least position of the flows that count.
    private var position: NPT? {
        zip(buffer.accounts, outputFlows).filter { !$1.isSparse }.compactMap { $0.0.end }.min()
    }

    // MARK: - The first ingest

    private func open(_ origin: OriginID) -> HandoffController.Order? {
        let ingest: any Ingest
        do throws(IngestOpenError) {
            ingest = try connect(origin)
        } catch {
            return error.isAborted ? nil : attemptFailed(error.failure, on: origin)
        }
        let selected = ingest.flows.filter { configuration.flows.includes($0) }
        guard !selected.isEmpty else {
            let kinds = ingest.flows.map(\.description).joined(separator: ", ")
            end(StreamError(code: .usage, message: "none of the flows is selected; the stream has \(kinds)"))
            return nil
        }
        ingest.select { configuration.flows.includes($0) }
        outputFlows = ingest.flows
        let line = SpliceLine(flows: outputFlows)
        self.line = line
        buffer.begin(
            outputFlows.map {
                ($0.isSparse || !configuration.flows.includes($0), $0.kind == .video && !$0.isAttachedPicture)
            }, isRealtime: ingest.isRealtime)
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
        ingest.opened()
        return pump(ingest)
    }

    /// - Parameter position: how far the stream was received; nil for the first opening.
    private func connect(
        _ origin: OriginID, expected: [FlowFormat] = [], position: NPT? = nil
    ) throws(IngestOpenError) -> any Ingest {
        if RTSPAddress.isRTSP(configuration.origins[origin.index].url) {
            return try RTSPIngest(
                origin: origin, supervisor: self, abort: abort, silence: configuration.silenceWatcher,
                transport: configuration.rtspTransport,
                start: position.map { RTSPIngest.searchStart(for: $0) } ?? start,
                isExact: position != nil, rate: shared.withLock { $0.rate })
        }
        return try ByteIngest(
            origin: origin, supervisor: self, abort: abort, silence: configuration.silenceWatcher,
            isPaced: configuration.pacing == .realtime, expected: expected)
    }

    private func startOutputs(_ flows: [FlowFormat]) -> Bool {
        var opened: [any PacketOutput] = []
        do throws(OutputError) {
            for output in outputs {
                opened.append(
                    output.isDecoded
                        ? try DecodingOutput(output, flows: flows, stop: outputStop)
                        : try MuxerOutput(output, flows: flows, start: configuration.from, stop: outputStop))
            }
        } catch {
            end(StreamError(code: .outputFailed, message: error.message))
            return false
        }
        for warning in opened.flatMap(\.warnings) { warn(warning) }
        let pacer = Pacer(
            buffer: buffer, outputs: opened, flowCount: outputFlows.count,
            firstOut: { [unowned self] npt in
                shared.withLock { $0.firstPresented = Instant.now - began }
                send(.playing(npt: npt))
            },
            batchOut: { [unowned self] in
                for gap in buffer.takeNewGaps() { send(.gap(gap)) }
            })
        self.pacer = pacer
        nonisolated(unsafe) let handed = pacer  // Handed over to the thread, and read again only after its join.
        pacerThread = WorkerThread(name: "tl-pacer") { [unowned self] in
            do throws(OutputError) {
                try handed.run()
            } catch {
                if !error.isAborted { end(StreamError(code: .outputFailed, message: error.message)) }
            }
        }
        return true
    }

    // MARK: - Reading

    /// Reads an ingest until it ends or fails.
    ///
    /// - Returns: what to do next; nil when the stream is over.
    private func pump(_ ingest: any Ingest) -> HandoffController.Order? {
        guard let line else { return nil }
        let isPaused = shared.withLock { state in
            state.interrupt = ingest.interrupter
            return state.isPaused
        }
        defer {
            shared.withLock { $0.interrupt = nil }
            noteLosses(of: ingest)
        }
        if isPaused { ingest.pause() }
        while true {
            if hasControls.load(ordering: .relaxed), let order = carryOutControls(ingest) { return order }
            if staysUntil != .never, Instant.now >= staysUntil { return flush() ? stayEnded(ingest) : nil }
            let packet: Packet?
            do throws(IngestReadError) {
                packet = try ingest.read()
            } catch {
                guard flush() else { return nil }
                switch error {
                case .broken(let media):
                    return observe(
                        ChangeEvent(cause: .contentBroken, detail: "\(url(ingest.origin)): \(media)"),
                        canResume: false)
                case .changed(let event):
                    let mayStay = [.indicator, .overload, .operatorRequest].contains(event.kind)
                    if mayStay { leaving = ingest }
                    return observe(event, canResume: false, isPlanned: mayStay && ingest.deliversStill)
                case .interrupted: continue
                }
            }
            guard var packet else { return ended(ingest) }
            // libavformat may hand out what it had read before the flows were selected.
            guard isPlayed(packet.flow) else { continue }
            guard line.pass(&packet, form: ingest.form(of: packet.flow)) else { continue }
            if isBeyondEnd(packet) {
                if isAllDone { return flushed() }
                continue
            }
            batchBytes += packet.byteCount
            batch.append(packet)
            if batch.count >= batchLimit || batchBytes >= Self.batchByteLimit, !flush() { return nil }
        }
    }

    /// Reads the ingest that is to be left on: between two attempts, or since nobody else can be had.
    private func stay(until moment: Instant) -> HandoffController.Order? {
        guard let ingest = leaving else { preconditionFailure("nothing to stay on") }
        leaving = nil
        staysUntil = moment
        ingest.stays()
        if moment == .never {
            warn("\(url(ingest.origin)) was to be left, and nobody else could be had: it is played on")
        }
        return pump(ingest)
    }

    private func stayEnded(_ ingest: any Ingest) -> HandoffController.Order {
        staysUntil = .never
        leaving = ingest
        (eventNPT, eventLevel) = (position ?? .zero, buffer.level.duration)
        return shared.withLock { $0.controller.stayEnded(at: .now) }
    }

    /// Adds up what the network lost of the flows of an ingest, and tells.
    private func noteLosses(of ingest: any Ingest) {
        for (flow, lost) in ingest.takeLosses().sorted(by: { $0.key < $1.key }) {
            guard let output = line?.output(of: flow), output < outputFlows.count else { continue }
            losses[output, default: FlowLosses()] += lost
            warn("\(url(ingest.origin)): \(outputFlows[output]): \(lost)")
        }
    }

    private func isPlayed(_ flow: Int) -> Bool {
        guard configuration.flows != .all, let output = line?.output(of: flow) else { return true }
        return configuration.flows.includes(outputFlows[output])
    }

    private func flushed() -> HandoffController.Order? {
        _ = flush()
        return nil
    }

    private func isBeyondEnd(_ packet: borrowing Packet) -> Bool {
        guard let to = configuration.to else { return false }
        if let due = packet.due, due >= to { flowsDone.insert(packet.flow) }
        return (packet.pts ?? packet.dts).map { $0 >= to } ?? false
    }

    private var isAllDone: Bool {
        outputFlows.allSatisfy { $0.isSparse || !configuration.flows.includes($0) || flowsDone.contains($0.index) }
    }

    /// The demuxer has no more packets: is that the end?
    private func ended(_ ingest: any Ingest) -> HandoffController.Order? {
        guard flush() else { return nil }
        if replacement != nil { return nil }
        if let order = ingest.pendingOrder { return order }
        if abort.isAborted || ingest.hasFailed { return nil }
        if let duration = ingest.duration, configuration.flows == .all, configuration.to == nil {
            let end = buffer.accounts.compactMap(\.end).max() ?? .zero
            let tolerance = max(MediaTime.seconds(1), MediaTime(flicks: duration.flicks / 50))
            if end + tolerance < duration {
                return observe(
                    ChangeEvent(
                        cause: .endedShort,
                        detail: "\(url(ingest.origin)): its media ends at \(end), its header says \(duration)"),
                    canResume: false)
            }
        }
        return nil
    }

    /// Hands the batch to the buffer, waiting for room. False when the stream is over.
    @discardableResult
    private func flush() -> Bool {
        guard !batch.isEmpty else { return !abort.isAborted }
        batchBytes = 0
        noteAcceptance()
        lastFlush = .now
        if lastFlush - lastNoted > .seconds(1) {
            lastNoted = lastFlush
            shared.withLock { $0.controller.delivered(at: lastFlush) }
        }
        return buffer.push(&batch)
    }

    // MARK: - The viewer

    /// Asks for something from any thread; it is done soon.
    func control(_ control: Control) {
        if case .seek = control { buffer.discard() }
        let interrupt = shared.withLock { state in
            state.controls.append(control)
            switch control {
            case .pause: state.isPaused = true
            case .resume: state.isPaused = false
            case .setRate(let rate): state.rate = rate
            case .seek: break
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
        case .seek, .setRate: break
        }
        interrupt?()
    }

    /// - Returns: an order to follow, where carrying them out failed.
    private func carryOutControls(_ ingest: any Ingest) -> HandoffController.Order? {
        hasControls.store(false, ordering: .relaxed)
        let (controls, isPaused, rate) = shared.withLock { state in
            defer { state.controls = [] }
            return (state.controls, state.isPaused, state.rate)
        }
        var goesOn = false
        for control in controls {
            switch control {
            case .pause:
                ingest.pause()
            case .resume:
                goesOn = true
            case .setRate:
                goesOn = true
                if !ingest.isRealtime { playing(at: rate) }
            case .seek(let npt):
                seek(ingest, to: npt)
                if isPaused { ingest.pause() }
                goesOn = false
            }
        }
        guard goesOn, !isPaused, ingest.mustRejoin(at: rate) else { return nil }
        return rejoin(ingest)
    }

    private func seek(_ ingest: any Ingest, to npt: NPT) {
        while !batch.isEmpty { _ = batch.removeFirst() }
        batchBytes = 0
        flowsDone = []
        var target = max(.zero, npt)
        if let duration, target >= duration { target = max(.zero, duration - .seconds(1)) }
        line?.restart()
        buffer.restart()
        start = target
        do throws(MediaError) {
            try ingest.seek(to: target)
            send(.sought(to: target))
        } catch { warn("cannot go to \(target): \(error)") }
    }

    /// The same origin goes on, from a little before what was received: joined as another origin would be.
    private func rejoin(_ ingest: any Ingest) -> HandoffController.Order? {
        guard let line, flush() else { return nil }
        do throws(SpliceJoin.Failure) {
            var joined = UniqueDeque<Packet>()
            let result = try spliceJoin(ingest, on: ingest.origin, line).run(into: &joined)
            while !joined.isEmpty { batch.append(joined.removeFirst()) }
            for warning in result.warnings { warn(warning) }
            flush()
            return nil
        } catch {
            guard case .attempt(let failure) = error else { return nil }
            let cause: ChangeEvent.Cause = if case .undelivered(let event) = failure { event.cause } else { .other }
            return observe(ChangeEvent(cause: cause, detail: failure.text), canResume: false)
        }
    }

    func playing(at rate: Rate) {
        let rate = rate.numerator > 0 ? rate : .normal
        guard rate != playedRate else { return }
        playedRate = rate
        buffer.setRate(rate)
        send(.rateChanged(rate))
    }

    private func spliceJoin(_ ingest: any Ingest, on origin: OriginID, _ line: SpliceLine) -> SpliceJoin {
        SpliceJoin(
            ingest: ingest, line: line, buffer: buffer,
            outputs: outputFlows.filter { configuration.flows.includes($0) }, flowCount: outputFlows.count,
            expectedDuration: duration, start: start, url: url(origin),
            acceptsLoss: !shared.withLock { $0.controller.hasOthers || $0.controller.move?.isPlanned ?? false })
    }

    // MARK: - Handing off

    /// Opens another ingest and joins it to what was received; it is read once the present one has returned.
    func replace(on origin: OriginID) -> HandoffController.Order? {
        guard let line else { preconditionFailure("replace before open") }
        let ingest: any Ingest
        do throws(IngestOpenError) {
            ingest = try connect(origin, expected: outputFlows, position: position)
        } catch {
            return error.isAborted ? nil : attemptFailed(error.failure, on: origin)
        }
        let join = spliceJoin(ingest, on: origin, line)
        do throws(SpliceJoin.Failure) {
            // A batch of its own: while the place is sought the input may ask to flush what there is.
            var joined = UniqueDeque<Packet>()
            let result = try join.run(into: &joined)
            while !joined.isEmpty { batch.append(joined.removeFirst()) }
            for warning in result.warnings { warn(warning) }
            shared.withLock { state in
                let move = state.controller.joined(at: .now)
                state.pending = PendingHandoff(
                    move: move, to: origin, grade: result.grade, evidence: result.evidence, byteOffset: nil)
            }
            hasPending = true
            ingest.opened()
            flush()
            replacement = ingest
            leaving = nil
            return nil
        } catch {
            switch error {
            case .aborted: return nil
            case .attempt(let failure): return attemptFailed(failure, on: origin)
            }
        }
    }

    private var duration: MediaTime? { shared.withLock { $0.opened?.duration } }

    /// - Parameter isPlanned: the origin delivers still, and is in `leaving`.
    private func observe(
        _ event: ChangeEvent, canResume: Bool, isPlanned: Bool = false
    ) -> HandoffController.Order {
        staysUntil = .never
        if hasPending {
            noteAcceptance()
            reportHandoff()
        }
        eventNPT = position ?? .zero
        eventLevel = buffer.level.duration
        let target = event.target.flatMap { originID(of: $0) }
        let (order, origin) = shared.withLock { state in
            let origin = state.controller.current ?? OriginID(0)
            return (
                state.controller.changeObserved(
                    event, canResume: canResume, isPlanned: isPlanned, target: target, at: .now,
                    jitter: .random(in: 0..<1)),
                origin
            )
        }
        send(.changeObserved(event, origin: origin, url: url(origin)))
        if let named = event.target, target == nil {
            warn("\(redacted(named)) was named as the next origin, but it is none that was given: not asked")
        }
        return order
    }

    /// The origin that a server means with a URL.
    private func originID(of url: String) -> OriginID? {
        let origins = configuration.origins
        return origins.indices.first { Self.isSame(origins[$0].url, url) }.map { OriginID($0) }
    }

    private static func isSame(_ a: String, _ b: String) -> Bool {
        if let a = RTSPAddress(a), let b = RTSPAddress(b) {
            return a.host == b.host && a.port == b.port && a.path == b.path
        }
        return a == b
    }

    private func attemptFailed(
        _ failure: HandoffController.AttemptFailure, on origin: OriginID
    ) -> HandoffController.Order {
        send(.attemptFailed(origin: origin, url: url(origin), reason: failure.text))
        return shared.withLock {
            $0.controller.attemptFailed(failure, at: .now, jitter: .random(in: 0..<1))
        }
    }

    /// New media is about to be accepted: a handoff is complete with the first packet, and reported once every flow is
    /// through.
    private func noteAcceptance() {
        guard hasPending else { return }
        let level = buffer.level.duration
        shared.withLock { state in
            if state.pending?.accepted == nil { state.pending?.accepted = (.now, level) }
        }
        if line?.isSettled ?? true { reportHandoff() }
    }

    private func reportHandoff() {
        let flows = line?.splices ?? []
        for warning in line?.takeWarnings() ?? [] { warn(warning) }
        hasPending = false
        let report: HandoffReport? = shared.withLock { state in
            guard let pending = state.pending, let from = pending.move.from, let accepted = pending.accepted else {
                return nil
            }
            state.pending = nil
            let report = HandoffReport(
                event: pending.move.event, from: from, fromURL: url(from), to: pending.to, toURL: url(pending.to),
                grade: pending.grade, evidence: pending.evidence, npt: eventNPT, byteOffset: pending.byteOffset,
                duration: accepted.at - pending.move.began, bufferBefore: eventLevel, bufferAfter: accepted.level,
                attempts: pending.move.attempts.map { attempt in
                    HandoffReport.Attempt(
                        origin: attempt.origin, url: url(attempt.origin), method: attempt.order.method,
                        duration: (attempt.ended ?? accepted.at) - attempt.began, failure: attempt.failure?.text)
                }, flows: pending.grade == .byteExact ? [] : flows)
            state.handoffCount += 1
            if state.handoffs.count < Self.reportLimit { state.handoffs.append(report) }
            return report
        }
        if let report { send(.handoff(report)) }
    }

    // MARK: - SourceSupervisor

    func sourceFailed(_ event: ChangeEvent, canResume: Bool) -> HandoffController.Order {
        // What the demuxer gave out so far is whole, and is on its way before anything else is tried.
        _ = flush()
        return observe(event, canResume: canResume)
    }

    func resumeFailed(_ failure: HandoffController.AttemptFailure) -> HandoffController.Order {
        let origin = shared.withLock { $0.controller.move?.attempts.last?.origin } ?? OriginID(0)
        return attemptFailed(failure, on: origin)
    }

    func waitEnded() -> HandoffController.Order { shared.withLock { $0.controller.waitEnded(at: .now) } }

    var hasAlternative: Bool { shared.withLock { $0.controller.hasAlternative } }

    func resumed(on origin: OriginID, at byte: Int64, evidence: String) {
        shared.withLock { state in
            let move = state.controller.joined(at: .now)
            state.pending = PendingHandoff(
                move: move, to: origin, grade: .byteExact, evidence: evidence, byteOffset: byte)
        }
        hasPending = true
    }

    func reopened(at byte: Int64) {
        let origin = shared.withLock { state in
            state.reopenCount += 1
            return state.controller.current ?? OriginID(0)
        }
        send(.reopened(origin: origin, url: url(origin), byte: byte))
    }

    func aboutToWait() {
        // At full speed a short wait is nothing to wake the other thread for.
        if configuration.pacing == .fast, batch.count < batchLimit / 2, Instant.now - lastFlush < .milliseconds(50) {
            return
        }
        flush()
    }

    func origin(_ id: OriginID) -> Origin { configuration.origins[id.index] }

    /// While there is someone else to ask, no origin may take more than a third of what is left in the buffer. The last
    /// one is given time, and more with each failure: one that is slow, and not dead, is reached in the end.
    func openBound(for origin: OriginID) -> Duration {
        let (failures, isPlaying) = shared.withLock {
            ($0.controller.roster[origin].failuresInARow, $0.opened != nil)
        }
        guard isPlaying else { return configuration.openBound }
        let least = max(configuration.silenceBound, level ?? .zero, .milliseconds(250))
        let patient = min(configuration.openBound, least * (1 << min(failures, 10)))
        // Nothing presses where the old one delivers still: the buffer is not spent on one that hesitates.
        let mayFail = shared.withLock { $0.controller.hasOthers || $0.controller.move?.isPlanned ?? false }
        guard let level, mayFail else { return patient }
        return min(patient, max(level / 3, .milliseconds(200)))
    }

    var level: Duration? {
        guard configuration.pacing == .realtime else { return nil }
        let level = buffer.level.duration
        return (playedRate == .normal ? level : level * (playedRate.inverse ?? .normal)).duration
    }

    // MARK: - Telling

    private func url(_ origin: OriginID) -> String { redacted(configuration.origins[origin.index].url) }

    private func warn(_ text: String) {
        shared.withLock { if $0.warnings.count < Self.reportLimit { $0.warnings.append(text) } }
        send(.warning(text))
    }

    private func send(_ kind: Event.Kind) { emit(Event(time: Instant.now - began, kind: kind)) }

    /// What happened, once `run` has returned.
    func summary() -> Summary {
        let elapsed = Instant.now - began
        let presented = pacer?.presented ?? []
        return shared.withLock { state in
            Summary(
                error: state.error, elapsed: elapsed, startup: state.firstPresented,
                container: state.opened?.container, duration: state.opened?.duration,
                end: presentedEnd,
                flows: (state.opened?.flows ?? []).map { flow in
                    let account = flow.index < presented.count ? presented[flow.index] : FlowAccount()
                    return Summary.Flow(
                        description: flow, packets: account.packets, bytes: account.bytes, end: account.end,
                        losses: losses[flow.index, default: FlowLosses()])
                },
                handoffs: state.handoffs, handoffCount: state.handoffCount, reopenCount: state.reopenCount,
                gaps: buffer.gaps, gapTotal: buffer.gapTotal, warnings: state.warnings,
                origins: configuration.origins.enumerated().map { index, origin in
                    let health = state.controller.roster[OriginID(index)]
                    return Summary.OriginRecord(
                        url: redacted(origin.url), failures: health.failures, ruledOut: health.ruledOut)
                })
        }
    }

    /// Where the stream is, for a status line.
    func status() -> StreamStatus {
        let (origin, handoffs) = shared.withLock { ($0.controller.current, $0.handoffCount) }
        return StreamStatus(
            npt: buffer.playhead, duration: duration, origin: origin.map { url($0) }, buffer: buffer.level.duration,
            bufferBytes: buffer.level.bytes, handoffs: handoffs, gapTotal: buffer.gapTotal)
    }
}

extension Configuration.FlowSelection {
    func includes(_ flow: FlowFormat) -> Bool {
        switch self {
        case .all: true
        case .kinds(let kinds): kinds.contains(flow.kind)
        }
    }
}

extension FlowFormat {
    var flowDescription: FlowDescription {
        FlowDescription(index: index, kind: kind, codec: codecName, language: language, text: description)
    }
}

extension HandoffController.AttemptFailure {
    /// For people.
    var text: String {
        switch self {
        case .undelivered(let event): event.detail
        case .differentObject(let reason): "not the same bytes: \(reason)"
        case .refused(_, let reason): reason
        }
    }
}

extension HandoffController.Order {
    var method: String {
        switch self {
        case .open: "open"
        case .resume: "resume"
        case .replace: "replace"
        case .wait: "wait"
        case .stay: "stay"
        case .giveUp: "give-up"
        }
    }
}
