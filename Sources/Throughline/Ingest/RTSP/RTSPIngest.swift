internal import DequeModule
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols
internal import ThroughlineTransport

/// The flows of one RTSP session as packets, from its opening to its end or its failure.
final class RTSPIngest: Ingest, RealtimeControls, WireAccounts {
    let origin: OriginID
    var traits: IngestTraits {
        IngestTraits(
            container: "rtsp", isRealtime: true, makesDecodeTimes: true, openingTime: openingTime, standby: standby)
    }
    var controls: (any RealtimeControls)? { self }
    var accounts: (any WireAccounts)? { self }
    private(set) var duration: MediaTime?
    private var openingFailure: ChangeEvent?
    private var hasFailed = false
    var condition: IngestCondition {
        IngestCondition(
            openingFailure: openingFailure, hasFailed: hasFailed,
            deliversStill: isEndDoubted
                || !hasFailed && !hasEnded && !isTornDown && doubt == nil && !source.queue.isClosed)
    }
    var timeline: Timeline { Timeline(isLiveSource ? .live : .declared, flowsCountApart: true) }

    /// Whether the media comes in datagrams, and not over the control connection.
    private(set) var usesUDP: Bool

    private let standby: Standby

    private(set) var playedFrom: NPT?

    var askedFrom: NPT? { request.start }

    private(set) var speed = Rate.normal
    /// The server lets its timestamps go at the pace of delivery, whatever RFC 2326 section 12.35 says.
    private var hasOwnPace: Bool { isGStreamer }
    private var isGStreamer = false

    private let url: String
    private let supervisor: any SourceSupervisor
    private let abort: AbortSwitch
    private var source: RTSPSource
    private let reserve: PlayoutReserve?
    private var reader: RTPReader
    /// Where to wake who reads, whichever session is read.
    private let doorbell: Guarded<RTSPQueue>
    /// The server answers no second PLAY, or answers it and plays something else: each goes to a session of its own.
    private var takesOnePlay = false
    /// Another session is to be opened and read, with the present request.
    private var mustReopen = false
    /// The source is live and has no past: the server plays what there is, wherever it is asked to.
    private let isLiveSource: Bool
    /// Flows that the server did not set up.
    private var refused: Set<Int> = []
    /// By flow, when something of it came last since PLAY.
    private var lastHeard: [Int: Instant] = [:]
    /// Warnings about the server that have not been told yet.
    private var remarks: [String] = []
    /// Media is waited for; reports and notices are none.
    private var awaitsMedia = false
    private var wanted: [Bool] = []
    private var batch = UniqueDeque<Packet>()
    /// Flows whose sender has said that it is done.
    private var done: Set<Int> = []
    private var hasEnded = false
    /// The end came a little early, and another origin is asked whether there is more.
    private var isEndDoubted = false
    /// It plays at this scale, where it was asked to play backwards.
    private(set) var scaleInstead: Rate?
    /// The scale of the last answer to PLAY.
    private var scale = Rate.normal
    /// When media came last, or PLAY was answered after which none has come yet.
    private var lastMedia: Instant?
    /// The key frame that was handed out last, and the furthest from one to the next.
    private var lastKeyFrame: MediaTime?
    private var keyFrameStep: MediaTime?
    /// The furthest frame of what was handed out, and its length.
    private var lastFrame: MediaTime = .zero
    /// The server has ended the session.
    private var isTornDown = false
    /// The server has said that the end is near; what is on its way still comes.
    private var endIsAnnounced = false
    private var isOpening = true
    /// Where playing was asked for, while nothing of it was read.
    private var startedAt: NPT?
    /// The last request, to be made again elsewhere in the stream.
    private var request: RTSPPlayRequest
    /// The speed that the last one asked for.
    private var askedSpeed = Rate.normal
    /// Why nothing comes any more, where that was found out while something else was awaited.
    private var failure: ChangeEvent?
    /// Why it is to be left once all that came before was handed out.
    private var doubt: ChangeEvent?
    /// The server was asked to stop.
    private var isPaused = false
    /// And it has.
    private var hasStopped = false
    /// The server has refused PAUSE and plays on: the media that it sends is not wanted.
    private var playsOn = false
    /// It was asked to play elsewhere, and has not answered: what still comes is of before.
    private var isBetweenRanges = false
    let watch: ChangeWatch?
    /// What was told of the losses of each flow.
    private var toldLosses: [Int: FlowLosses] = [:]
    /// What was told of each flow.
    private var told: Set<Told> = []
    /// What was noticed of the session that losses are filled from.
    private var twinFindings: [(flow: Int, finding: RTPTwin.Finding)] = []
    /// The furthest end of what was handed out; backwards, the least start.
    private var furthest: MediaTime?

    /// Sparse flows do not say how far they were received. What is due at one moment is sent together, and pictures that
    /// are reordered, or frames of sound that share a packet, reach some hundred milliseconds beyond it.
    static let sparseReach: MediaTime = .milliseconds(500)
    /// Some frames of sound.
    static let paceReach: MediaTime = .milliseconds(150)
    /// How long UDP may be silent before it is taken to be blocked, and TCP asked for instead.
    static let udpPatience: Duration = .milliseconds(1500)
    static let mostRedirects = 5
    /// How long parameter sets that come in band are waited for.
    static let formatPatience: Duration = .seconds(2)
    /// A stream that stops this close to its end, and a frame, has ended.
    static let endTolerance: MediaTime = .milliseconds(200)
    /// A frame of video or sound is no longer.
    static let longestFrame: MediaTime = .milliseconds(100)
    /// Backwards as much time goes by from one picture to the next as lies between the key frames: by what was seen of them
    /// it is judged when the next is due. Before that is known they are taken to lie so far apart.
    static let keyFramePatience: MediaTime = .seconds(10)
    /// What a key frame may take longer to come than half as long again as the furthest so far.
    static let pictureReserve: Duration = .milliseconds(500)
    /// Key frames do not lie further apart, whatever a server makes of them.
    static let longestStep: MediaTime = .seconds(20)
    /// Pieces of sound are not taken to be longer.
    static let longestPiece: Duration = .seconds(2)
    /// Silence after which nothing more is expected of a server that has announced the end, or is as good as there.
    static let endPatience: Duration = .milliseconds(300)
    /// A flow that is silent for longer, or that never came, is not waited for when all others have said goodbye.
    static let flowPatience: Duration = .seconds(1)
    /// How long the source's thread may take to have its turn, on a machine that is busy.
    static let turnPatience: Duration = .milliseconds(500)

    /// Connects, sets up every flow that can be read, and plays.
    ///
    /// - Throws: the reason why the origin cannot be played, as the handoff controller takes it.
    init(
        _ asked: IngestRequest, supervisor: any SourceSupervisor, abort: AbortSwitch
    ) throws(IngestOpenError) {
        origin = asked.origin
        watch = asked.watch
        self.supervisor = supervisor
        self.abort = abort
        let began = Instant.now
        url = redacted(supervisor.origin(origin).url)
        request = RTSPPlayRequest(
            start: asked.start, end: asked.rate.isNegative ? .zero : nil, scale: asked.rate, bandwidth: asked.bandwidth,
            seekStyle: asked.isExact ? .exact : nil)
        let opening = RTSPOpening(
            origin: supervisor.origin(origin), bound: supervisor.openBound(for: origin), abort: abort,
            request: request)
        let opened = try opening.run(over: asked.transport, prepared: asked.prepared)
        source = opened.source
        reserve = asked.reserve
        doorbell = Guarded(opened.source.queue)
        usesUDP = opened.usesUDP
        takesOnePlay = opened.takesOnePlay
        isLiveSource = opened.description.range?.isLive ?? false
        standby = opened.wasPrepared ? .warm : .cold
        if !opened.wasPrepared { openingTime = .now - began }
        reader = opened.reader
        duration = opened.description.range?.endTime
        startedAt = asked.start
        if let reserve { source.give(.gather(reserve)) }
        wanted = Array(repeating: true, count: reader.flows.count)
        for item in opened.items {
            do throws(IngestReadError) {
                try take(item)
            } catch {
                guard case .changed(let event) = error else { continue }
                throw IngestOpenError(.undelivered(event))
            }
        }
        do throws(IngestReadError) {
            try awaitFormats()
        } catch {
            guard case .changed(let event) = error else { return }
            throw IngestOpenError(.undelivered(event))
        }
    }

    var flows: [FlowFormat] { reader.flows }

    func opened() { isOpening = false }

    private var openingTime: Duration?

    var mayPlayBackwards: Bool { !isGStreamer }

    private var isBackward: Bool { request.scale.isNegative }

    func turn(to time: NPT, at rate: Rate) throws(MediaError) {
        request.scale = rate
        startedAt = nil
        try seek(to: time, anyPacket: false)
        startedAt = time
    }

    /// What is not told by the description comes with the first packets, or with the first key frame.
    private func awaitFormats() throws(IngestReadError) {
        let deadline = Instant.now + min(Self.formatPatience, supervisor.openBound(for: origin))
        while !reader.flowsAreKnown, let item = source.queue.take(until: deadline) { try take(item) }
    }

    func select(_ isWanted: (FlowFormat) -> Bool) { wanted = reader.flows.map(isWanted) }

    func form(of flow: Int) -> PayloadForm { reader.form(of: flow) }

    func takeLosses() -> [Int: FlowLosses] {
        var news: [Int: FlowLosses] = [:]
        for flow in reader.flows.indices {
            let losses = reader.losses(of: flow)
            let all = FlowLosses(packets: losses.packets, units: losses.units, filled: losses.filled)
            let new = all - toldLosses[flow, default: FlowLosses()]
            toldLosses[flow] = all
            if new != FlowLosses() { news[flow] = new }
        }
        return news
    }

    func position(of flow: Int) -> FlowPosition? { reader.accounts(of: flow, at: .now) }

    private struct Told: Hashable {
        let flow: Int
        let subject: RTPReader.Finding.Subject
    }

    /// Each subject once for each flow: what comes and goes is not told again and again.
    func takeFindings() -> [(flow: Int?, text: String)] {
        let ofServer = remarks.map { (flow: Int?.none, text: $0) }
        remarks = []
        let ofTwin = twinFindings.map { ($0.flow, $0.finding.told) }
        twinFindings = []
        return ofServer
            + (reader.takeFindings().map { ($0.flow, $0.finding.told) } + ofTwin).compactMap { flow, news in
                guard let (subject, text) = news else { return nil }
                return told.insert(Told(flow: flow, subject: subject)).inserted ? (flow, text) : nil
            }
    }

    var twinEnd: RTSPTwinEnd? {
        RTSPTwinEnd(flows: reader.flows, commands: source.commands, mayLose: usesUDP)
    }

    /// As late as can be, since a server that delivers in real time has to play all that is known already. If that was
    /// too late, since it does not begin where it was asked to, then from before, and at last from well before.
    func searchStarts(for position: MediaTime, overlap: MediaTime) -> [MediaTime] {
        if isLiveSource { return [startedAt ?? position] }
        let hasSparse = zip(reader.flows, wanted).contains { $0.isSparse && $1 }
        let latest = max(.zero, hasSparse ? overlap - Self.sparseReach : overlap)
        // Faster delivery must begin with packets that are known, since only these show that its timestamps are right. It is
        // never needed, so it is asked for once, and not from further and further back.
        if request.speed != .normal { return [max(.zero, latest - Self.paceReach)] }
        return [startedAt ?? latest, position - .milliseconds(300), position - .seconds(3)]
    }

    func seek(to time: NPT, anyPacket: Bool) throws(MediaError) {
        if let startedAt, (startedAt - time).magnitude < .milliseconds(20), request.seekStyle == .exact || !anyPacket {
            self.startedAt = nil
            return
        }
        startedAt = nil
        // Nothing else would come.
        if isLiveSource, !isPaused { return }
        while !batch.isEmpty { _ = batch.removeFirst() }
        request.start = max(.zero, time)
        request.end = isBackward ? .zero : nil
        request.seekStyle = anyPacket ? .exact : nil
        scaleInstead = nil
        (lastMedia, lastKeyFrame) = (nil, nil)
        done = []
        doubt = nil
        hasEnded = false
        endIsAnnounced = false
        isEndDoubted = false
        furthest = nil
        lastHeard = [:]
        if takesOnePlay {
            (isPaused, hasStopped, mustReopen) = (false, false, true)
            return
        }
        // What comes between a PLAY and its answer cannot be told apart while the server plays: it is stopped first.
        var asksNow = !isPaused || playsOn
        let deadline = Instant.now + supervisor.openBound(for: origin)
        while !hasStopped {
            if asksNow { source.give(.pause) }
            playsOn = false
            guard discard(until: deadline, { isAnswerToPause($0) }) else {
                // The next read tells why, and the stream goes on from the same place elsewhere.
                failure = failure ?? ChangeEvent(cause: .silence, detail: "\(url): PAUSE was not answered")
                return
            }
            // One that refused when the viewer paused may stop by now.
            if !playsOn || asksNow { break }
            asksNow = true
        }
        if playsOn, !isLiveSource {
            (isPaused, playsOn, mustReopen) = (false, false, true)
            return
        }
        (isPaused, hasStopped, playsOn, isBetweenRanges) = (false, false, false, true)
        playedFrom = nil
        askedSpeed = request.speed
        source.give(.play(request))
    }

    func pause() {
        guard !isPaused else { return }
        isPaused = true
        // The session that is to be opened is paused then.
        if !mustReopen { source.give(.pause) }
        reader.adjusted(.pause(), at: .now)
    }

    func mustRejoin(at rate: Rate, bandwidth: Int64?) -> Bool {
        guard isPaused || request.scale != rate || request.bandwidth != bandwidth || request.speed != askedSpeed else {
            return false
        }
        request.bandwidth = bandwidth
        request.scale = rate
        return true
    }

    func deliver(at speed: Rate) { request.speed = speed }

    func distrustsAnswers() { takesOnePlay = true }

    /// What is live cannot come faster than it is made, and has no end that is known. Another session costs more than a
    /// buffer that is not full.
    var mayHurry: Bool {
        duration != nil && !takesOnePlay && request.scale == .normal && !isPaused && !endIsAnnounced && deliversStill
            && !isEndDoubted && !hasOwnPace && done.isEmpty
    }

    var interrupter: (@Sendable () -> Void)? {
        { [doorbell] in doorbell.withLock { $0 }.put([.interrupted]) }
    }

    /// Goes on in another session of the same server, which plays what was asked for last.
    private func reopen() throws(IngestReadError) {
        mustReopen = false
        // Some servers have one session for each client.
        source.give(.close)
        let opening = RTSPOpening(
            origin: supervisor.origin(origin), bound: supervisor.openBound(for: origin), abort: abort, request: request)
        let opened: RTSPOpening.Opened
        do throws(IngestOpenError) {
            opened = try opening.run(over: usesUDP ? .auto : .tcp)
        } catch {
            hasFailed = true
            switch error.failure {
            case .undelivered(let event): throw .changed(event)
            default: throw .changed(ChangeEvent(cause: .protocolError, detail: "\(url): \(error.failure.text)"))
            }
        }
        guard opened.reader.flows.map(\.codecName) == reader.flows.map(\.codecName) else {
            hasFailed = true
            throw .changed(ChangeEvent(cause: .protocolError, detail: "\(url): another session of it has other flows"))
        }
        doorbell.withLock { $0 = opened.source.queue }
        (source, reader, usesUDP) = (opened.source, opened.reader, opened.usesUDP)
        if let reserve { source.give(.gather(reserve)) }
        (toldLosses, refused, takesOnePlay) = ([:], [], takesOnePlay || opened.takesOnePlay)
        askedSpeed = request.speed
        for item in opened.items { try take(item) }
        if isPaused {
            hasStopped = false
            source.give(.pause)
        }
    }

    /// Whether PAUSE was answered, and how.
    private func isAnswerToPause(_ item: RTSPItem) -> Bool {
        switch item {
        case .paused: return true
        case .pauseRefused:
            playsOn = true
            return true
        default: return false
        }
    }

    /// Throws away what comes until an item that is waited for.
    private func discard(until deadline: Instant, _ isIt: (RTSPItem) -> Bool) -> Bool {
        while let item = source.queue.take(until: deadline) {
            if isIt(item) { return true }
            if case .failed(let event) = item {
                failure = event
                if isOpening { openingFailure = event }
                return false
            }
        }
        return false
    }

    // MARK: - Reading

    func read() throws(IngestReadError) -> Packet? {
        startedAt = nil
        if let failure { throw .changed(failure) }
        while true {
            if scaleInstead != nil { throw .playsForwards }
            if !batch.isEmpty {
                let packet = batch.removeFirst()
                note(packet, in: &furthest)
                noteKeyFrame(packet)
                if !reader.flows[packet.flow].isSparse { lastFrame = min(packet.duration, Self.longestFrame) }
                guard wanted[packet.flow] else { continue }
                watch?.look(at: packet, form: form(of: packet.flow))
                return packet
            }
            if let doubt { throw .changed(doubt) }
            if hasEnded { return nil }
            if mustReopen {
                try reopen()
                // What came with the opening is there.
                continue
            }
            if abort.isAborted {
                hasFailed = true
                return nil
            }
            guard let item = try nextItem() else { continue }
            try take(item)
        }
    }

    /// How far a packet goes in the direction of playing.
    private func note(_ packet: borrowing Packet, in furthest: inout MediaTime?) {
        guard let pts = packet.pts else { return }
        if isBackward {
            furthest = min(furthest ?? pts, pts)
        } else {
            furthest = max(furthest ?? pts, pts + packet.duration)
        }
    }

    private func nextItem() throws(IngestReadError) -> RTSPItem? {
        if let item = source.queue.take(until: Instant(nanoseconds: 0)), !isCall(item) { return heard(item) }
        if !isOpening { supervisor.aboutToWait() }
        if !isOpening, isPaused { supervisor.nothingIsAwaited() }
        awaitsMedia = !isPaused
        if isPaused { return source.queue.take(until: .now + .seconds(1)) ?? endOfPause() }
        // While PLAY is not answered no media is due; a session sees to it that this does not last.
        var due = isOpening || isBetweenRanges ? nil : pictureIsDue ?? soundIsDue ?? .now
        let openDeadline: Instant = .now + supervisor.openBound(for: origin)
        let endDeadline: Instant = .now + Self.endPatience
        while true {
            if let moment = due, moment <= .now {
                due = nil
                supervisor.mediaIsAwaited()
            }
            // Close to the end the last packets are waited for, however soon the supervisor wants to look at something.
            let lastCall = due == nil ? endIsDue : nil
            if lastCall != nil, !isOpening { supervisor.nothingIsAwaited() }
            let deadline =
                isOpening || isBetweenRanges ? openDeadline : lastCall ?? min(supervisor.nextLook, due ?? .never)
            let item = source.queue.take(until: endIsAnnounced ? min(deadline, endDeadline) : deadline)
            if let item {
                guard isCall(item) else { return heard(item) }
                if lastCall != nil { continue }
            }
            if abort.isAborted { return nil }
            if source.queue.isClosed {
                throw .changed(ChangeEvent(cause: .closedEarly, detail: "\(url): the session is over"))
            }
            // Forwards, what is due only later has not failed to come.
            let mayBeOver = due == nil || isBackward
            if endIsAnnounced || mayBeOver && isAtEnd && lastCall ?? .now <= .now {
                try ended("said that it was done")
                return nil
            }
            guard !isOpening else {
                throw .changed(ChangeEvent(cause: .silence, detail: "\(url): no packet came"))
            }
            if let item = overlooked() {
                supervisor.wasOverlooked()
                return heard(item)
            }
            if let event = supervisor.reasonToLeave() { throw .changed(event) }
        }
    }

    /// Whether the supervisor calls, since it wants to be asked for a reason to leave.
    private func isCall(_ item: RTSPItem) -> Bool {
        guard case .interrupted = item, !isOpening, !isPaused, !isBetweenRanges else { return false }
        return supervisor.nextLook <= .now
    }

    /// What has come already while the source's thread had no turn: that is no silence of the server.
    private func overlooked() -> RTSPItem? {
        source.give(.look)
        guard let item = source.queue.take(until: .now + Self.turnPatience) else { return nil }
        if case .looked = item { return nil }
        return item
    }

    /// A server that goes on reporting, and sends no media, is silent.
    private func heard(_ item: RTSPItem) -> RTSPItem {
        guard case .packets = item else { return item }
        if !isOpening, awaitsMedia { supervisor.mediaArrived(isInBuffer: true) }
        awaitsMedia = false
        lastMedia = .now
        return item
    }

    /// When the next key frame is due backwards. Before that nothing is missed; forwards, nor before PLAY was answered, it
    /// is not known.
    private var pictureIsDue: Instant? {
        guard isBackward, let lastMedia else { return nil }
        let slowness = max(.normal, scale.magnitude.inverse ?? .normal)
        guard let step = keyFrameStep else { return lastMedia + (Self.keyFramePatience * slowness).duration }
        let usual = (step * (scale.magnitude.inverse ?? .normal)).duration
        return lastMedia + usual * 3 / 2 + Self.pictureReserve
    }

    /// When more is due of sound that comes in long pieces, and of nothing else: when what came last has been played. Before
    /// that nothing is missed, neither silence nor the last piece of all.
    private var soundIsDue: Instant? {
        guard !isBackward, let pace = (scale * speed)?.magnitude.inverse else { return nil }
        var due: Instant?
        for flow in reader.flows where !isIdle(flow) && !done.contains(flow.index) {
            let length = (reader.lastLength(of: flow.index) * pace).duration
            guard length >= ArrivalRhythm.Bounds.connection.shortest, let heard = lastHeard[flow.index] else {
                return nil
            }
            due = min(due ?? .never, heard + min(length, Self.longestPiece))
        }
        return due
    }

    /// Close to the end of the range: how long the last packets are waited for before the range counts as played; nil where
    /// the end is not near.
    private var endIsDue: Instant? {
        guard !isBackward, isAtEnd else { return nil }
        return lastMedia.map { $0 + Self.endPatience }
    }

    /// How far the key frames lie apart shows in either direction.
    private func noteKeyFrame(_ packet: borrowing Packet) {
        guard packet.isKey, let pts = packet.pts else { return }
        let flow = reader.flows[packet.flow]
        guard flow.kind == .video, !flow.isAttachedPicture else { return }
        if let lastKeyFrame {
            let step = min((pts - lastKeyFrame).magnitude, Self.longestStep)
            keyFrameStep = max(keyFrameStep ?? .zero, step)
        }
        lastKeyFrame = pts
    }

    /// While the viewer pauses nothing is missed; only the end of the session is news.
    private func endOfPause() -> RTSPItem? {
        if abort.isAborted || !source.queue.isClosed { return nil }
        return .failed(ChangeEvent(cause: .closedEarly, detail: "\(url): the session is over"))
    }

    private func take(_ item: RTSPItem) throws(IngestReadError) {
        switch item {
        case .packets(let block):
            if isBetweenRanges { return }
            var flows = block.flows
            while flows != 0 {
                lastHeard[flows.trailingZeroBitCount] = block.arrival
                flows &= flows - 1
            }
            block.bytes.withUnsafeBytes { bytes in
                for entry in block.entries where doubt == nil && scaleInstead == nil {
                    let count = batch.count
                    let packet = UnsafeRawBufferPointer(rebasing: bytes[entry.start..<(entry.start + entry.count)])
                    reader.received(
                        packet, flow: entry.flow, lostBefore: entry.lostBefore, isFilled: entry.isFilled,
                        at: block.arrival, into: &batch)
                    guard reader.isAdrift(entry.flow) else { continue }
                    // Whatever place it was given, it may be another picture's.
                    while batch.count > count { _ = batch.removeLast() }
                    doubt = ChangeEvent(cause: .protocolError, detail: "\(url): its timestamps lead nowhere")
                }
            }
        case .playing(let answer):
            played(answer)
            if let end = answer.range?.endTime, request.end == nil { duration = max(duration ?? end, end) }
        case .senderReport(let flow, let report, let arrival):
            reader.senderReported(
                flow: flow, ntpTime: report.ntpTime, timestamp: report.rtpTime, at: arrival)
        case .goodbye(let flow):
            done.insert(flow)
            if !isOpening { supervisor.flowEnded(flow) }
            try flowsEnded()
        case .notice(let notice): try take(notice)
        case .failed(let event):
            hasFailed = true
            throw .changed(event)
        case .interrupted: throw .interrupted
        case .paused: hasStopped = true
        case .pauseRefused: playsOn = true
        case .twin(let flow, let finding): if twinFindings.count < 64 { twinFindings.append((flow, finding)) }
        case .remark(let text): remarks.append(text)
        case .replayUnanswered:
            takesOnePlay = true
            mustReopen = true
            remarks.append("does not answer a second PLAY; each goes to a session of its own")
        case .ready(let flows): refused = Set(flows)
        case .moved, .transportRefused, .described, .looked: break
        }
    }

    /// Whether nothing need come of a flow.
    private func isIdle(_ flow: FlowFormat) -> Bool {
        flow.isSparse || isBackward && flow.kind != .video || refused.contains(flow.index)
    }

    /// One flow more has ended: those that bring nothing do not hold up the end.
    private func flowsEnded() throws(IngestReadError) {
        let left = reader.flows.filter { !isIdle($0) && !done.contains($0.index) }
        if left.isEmpty { return try ended("said goodbye") }
        let now = Instant.now
        let isOver = left.allSatisfy { flow in lastHeard[flow.index].map { now - $0 > Self.flowPatience } ?? true }
        // One that is only late may still come.
        if isOver { try endAnnounced("said goodbye") }
    }

    private func played(_ answer: RTSPPlayAnswer) {
        isBetweenRanges = false
        isGStreamer = isGStreamer || answer.isGStreamer
        if !isOpening { supervisor.flowsRestarted() }
        if isBackward, !answer.scale.isNegative {
            // Whatever comes now is not what was asked for.
            scaleInstead = answer.scale.numerator > 0 ? answer.scale : .normal
            return
        }
        self.scale = answer.scale
        lastMedia = .now
        // What was waited for so far was the answer.
        if isBackward, !isOpening { supervisor.nothingIsAwaited() }
        // GStreamer plays a scale as a speed, and lets the timestamps go by the clock on the wall.
        let scale = answer.scale == .normal && request.scale != .normal ? answer.speed : answer.scale
        let starts = reader.flows.indices.map { flow in
            RTPTimeline.Start(
                range: answer.start, scale: scale,
                rtpTime: flow < answer.flows.count ? answer.flows[flow]?.timestamp : nil)
        }
        playedFrom = answer.range?.startTime
        speed = answer.speed
        reader.played(
            at: starts, speed: answer.speed, mediaScale: answer.scale, bandwidth: answer.bandwidth, at: .now)
        supervisor.playing(at: scale)
    }

    private func take(_ notice: RTSPServerNotice) throws(IngestReadError) {
        switch notice {
        case .redirect(let location, let range):
            let npt = range?.startTime
            let event = ChangeEvent(
                cause: .redirected, detail: "\(url): redirected" + (location.map { " to \(redacted($0))" } ?? ""),
                target: location, position: npt)
            guard let npt else { throw .changed(event) }
            watch?.announced(event, at: npt)
        case .notice(let notice):
            if notice.code.isEnd { return try endAnnounced("announced the end (\(notice.code.rawValue))") }
            guard notice.code.isFailure else { return }
            throw .changed(
                ChangeEvent(
                    cause: .announced, detail: "\(url): announced \(notice.code.rawValue) \(notice.text)"))
        case .playNotify(let reason, _):
            if reason.hasPrefix("end-of-stream") { try endAnnounced("notified the end") }
        case .teardown(let reason):
            isTornDown = true
            throw .changed(
                ChangeEvent(
                    cause: .endedByServer,
                    detail: "\(url): ended the session" + (reason.map { " (\($0))" } ?? "")))
        case .announced: break
        }
    }

    /// The server says that this is all.
    private func ended(_ how: String) throws(IngestReadError) {
        finish()
        try checkEnd(how, mayComeStill: false)
    }

    /// The server says that the end has come: the last packets may be on their way.
    private func endAnnounced(_ how: String) throws(IngestReadError) {
        try checkEnd(how, mayComeStill: true)
        endIsAnnounced = true
    }

    /// The range of the description may be longer than what is carried of it: an end that is a little early may be the
    /// true one. It is believed when nobody else knows of more.
    ///
    /// - Parameter mayComeStill: the last packets may be on their way.
    private func checkEnd(_ how: String, mayComeStill: Bool) throws(IngestReadError) {
        if isBackward { return try checkBeginning(how) }
        guard let duration, let lastEnd, !isEndDoubted, !isAtEnd else { return }
        let missing = duration - lastEnd
        let isNear = missing <= max(MediaTime.seconds(1), MediaTime(flicks: duration.flicks / 50))
        if isNear {
            guard !mayComeStill, supervisor.hasAlternative else { return }
            isEndDoubted = true
        }
        throw .changed(
            ChangeEvent(cause: .endedByServer, detail: "\(url): \(how) at \(lastEnd) of \(duration)"))
    }

    /// Backwards the end is the beginning: the first key frame of all may stand a little behind it.
    private func checkBeginning(_ how: String) throws(IngestReadError) {
        let reached = lastEnd ?? request.start ?? .zero
        let most = max(MediaTime.seconds(1), MediaTime(flicks: (duration ?? .zero).flicks / 50))
        // One that has nothing to show of what lies before is believed when nobody else can be asked.
        guard reached > most, lastEnd != nil || supervisor.hasAlternative else { return }
        throw .changed(
            ChangeEvent(cause: .endedByServer, detail: "\(url): \(how) backwards at \(reached), before the beginning"))
    }

    private func finish() {
        reader.end(at: .now, into: &batch)
        hasEnded = true
    }

    /// The furthest end of all that came, handed out or not.
    private var lastEnd: MediaTime? {
        var end = furthest
        for index in 0..<batch.count {
            note(batch[index], in: &end)
        }
        return end
    }

    private var isAtEnd: Bool {
        if isBackward { return lastEnd.map { $0 <= Self.endTolerance } ?? false }
        guard let duration, let lastEnd else { return false }
        return lastEnd + Self.endTolerance + lastFrame >= duration
    }
}
