internal import DequeModule
internal import Synchronization
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols
internal import ThroughlineTransport

/// One ingest on a thread of its own, from when it is played to its end.
///
///     still --goOn--> reading --.parked/.ended/.failed/.left--> still --stop--> over
///
/// While it reads, what it meets comes out of `next` in order: packets, facts and questions. It never decides: where its
/// bytes break it asks, and waits for `answer`. While it stands still, the ingest is its owner's, as it was before the
/// first `goOn`: it is sought in, joined and asked on the owner's thread.
///
/// Owned and used by one thread, but for `wake`.
final class Runner: @unchecked Sendable {
    // Unchecked: what belongs to the thread is used by it alone between `goOn` and the item that says that it stands still;
    // the rest by the owner alone.
    private let ingest: any Ingest
    private let relay: RunnerRelay
    /// Ends the ingest, and nothing else.
    let abort: AbortSwitch
    private let feed: RunnerFeed
    private let isPaced: Bool
    private let interrupter: (@Sendable () -> Void)?

    // The owner's.
    private(set) var isStill = true
    private var isParking = false
    /// The ingest waits for media.
    private(set) var isWaiting = false
    private var givenBack = UniqueDeque<Packet>()
    private var lastStatus: IngestStatus
    private var thread: WorkerThread?

    // The thread's.
    private var batch = UniqueDeque<Packet>()
    private var batchBytes = 0
    private var lastPublished = Instant(nanoseconds: 0)
    private var lastNoticed = Instant(nanoseconds: 0)
    /// The status that the last packets were handed on with.
    private var given: IngestStatus?

    private static let mostBytes = 256 << 10
    /// How long the thread may take to come back from a read that does not wait.
    private static let haltPatience: Duration = .milliseconds(100)
    private static let noticeInterval: Duration = .seconds(1)

    /// - Parameters:
    ///   - relay: stands behind the ingest, and behind no other.
    ///   - abort: ends the ingest, and nothing else.
    ///   - isPaced: it is played in real time; otherwise as fast as it can be had.
    init(_ ingest: any Ingest, relay: RunnerRelay, abort: AbortSwitch, isPaced: Bool) {
        self.ingest = ingest
        self.relay = relay
        self.abort = abort
        self.isPaced = isPaced
        feed = relay.feed
        relay.tellsAtOnce = isPaced
        if !isPaced { feed.runsAtSpeed() }
        interrupter = ingest.interrupter
        let traits = ingest.traits
        (isRealtime, container, makesDecodeTimes) = (traits.isRealtime, traits.container, traits.makesDecodeTimes)
        lastStatus = IngestStatus(ingest)
        relay.runner = self
    }

    deinit { precondition(thread == nil, "a runner is stopped before it goes") }

    // MARK: - The owner

    /// The ingest, while the runner stands still.
    var still: any Ingest {
        precondition(isStill, "the ingest is its runner's while that reads")
        return ingest
    }

    /// What the owner may know of the ingest: what is so at present, or while the runner reads what was so behind the last
    /// packets that it gave.
    var status: IngestStatus { isStill ? IngestStatus(ingest) : lastStatus }

    var origin: OriginID { isStill ? ingest.origin : lastStatus.origin }
    var flows: [FlowFormat] { isStill ? ingest.flows : lastStatus.flows }
    var timeline: Timeline { isStill ? ingest.timeline : lastStatus.timeline }
    var duration: MediaTime? { isStill ? ingest.duration : lastStatus.duration }
    var deliversStill: Bool { isStill ? ingest.deliversStill : lastStatus.deliversStill }
    var mayHurry: Bool { isStill ? ingest.controls?.mayHurry ?? false : lastStatus.mayHurry }
    /// Bytes that had come before the last packets, or by now while it stands still.
    var lastBytesReceived: Int64? { isStill ? ingest.bytesReceived : lastStatus.bytesReceived }
    func form(of flow: Int) -> PayloadForm {
        if isStill { return ingest.form(of: flow) }
        return flow < lastStatus.forms.count ? lastStatus.forms[flow] : .opaque
    }
    /// Whether an origin that carries bytes could be made ready to go on under the ingest.
    var mayPrepareBytes: Bool { isStill ? ingest.resumable?.canPrepare ?? false : lastStatus.canPrepare }
    // Traits of the ingest that never change: asked while the thread reads.
    let isRealtime: Bool
    let container: String
    let makesDecodeTimes: Bool

    /// Begins to read, or goes on.
    func goOn() {
        precondition(isStill, "it reads already")
        lastStatus = IngestStatus(ingest)
        (isStill, isParking) = (false, false)
        relay.isRelaying = true
        feed.goOn()
        if thread == nil { thread = WorkerThread(name: "tl-runner") { [self] in run() } }
    }

    /// Has the thread stand still soon; `.parked` tells when, unless something else made it stand still before.
    func park() {
        guard !isStill, !isParking else { return }
        isParking = true
        feed.park()
        interrupter?()
    }

    /// Has the thread stand still at once, where it need not wait for bytes before. What it has met is there still.
    ///
    /// - Returns: whether it stands still.
    @discardableResult
    func halt() -> Bool {
        if isStill { return true }
        park()
        guard feed.waitUntilStill(.now + Self.haltPatience, isCallable: interrupter != nil) else { return false }
        return standsStill()
    }

    /// There is more to be taken with `next`.
    var hasItems: Bool { !givenBack.isEmpty || feed.hasItems }

    /// Packets that are to come once more.
    func giveBack(_ packets: inout UniqueDeque<Packet>) {
        while !packets.isEmpty { givenBack.append(packets.removeFirst()) }
    }

    private func standsStill() -> Bool {
        (isStill, isParking, isWaiting) = (true, false, false)
        relay.isRelaying = false
        return true
    }

    /// The next of what it has met, in order.
    func next(until deadline: Instant) -> RunnerItem {
        if !givenBack.isEmpty {
            var packets = UniqueDeque<Packet>()
            swap(&packets, &givenBack)
            return .packets(PacketRun(packets: packets, status: lastStatus))
        }
        let item = feed.next(until: deadline)
        switch item.mark {
        case .packets: lastStatus = item.status ?? lastStatus
        case .waits: isWaiting = true
        case .waitsNoMore: isWaiting = false
        case .still: _ = standsStill()
        case .none: if let origin = item.newOrigin { lastStatus.origin = origin }
        }
        return item
    }

    func answer(_ answer: SourceAnswer) { feed.answer(.source(answer)) }
    func answer(_ inquiry: EndInquiry?) { feed.answer(.inquiry(inquiry)) }

    /// The ingest is to be left: it asks where to go on between two packets, or at once.
    ///
    /// - Parameter isForSilence: all flows are silent, which is no reason any more once media has come.
    func leave(_ event: ChangeEvent, atOnce isAtOnce: Bool, unlessHeard isForSilence: Bool = false) {
        feed.leave(event, atOnce: isAtOnce, unlessHeard: isForSilence)
        if isAtOnce { call() }
    }

    /// The ingest is not to be left any more, for whatever reason it was to be.
    func stays() { feed.stays() }

    func prepare(_ preparation: SourcePreparation) {
        if isStill { return carryOut([preparation]) }
        feed.prepare(preparation)
        call()
    }

    /// Has the thread look for what it is to do, where it waits for media.
    private func call() {
        abort.askAnew()
        interrupter?()
    }

    /// Whether it brings too little, as far as the session knows.
    func isTooSlow(_ isTooSlow: Bool) { relay.tooSlow.store(isTooSlow, ordering: .relaxed) }

    /// Has `next` return, now or the next time. From any thread.
    var waker: @Sendable () -> Void { { [feed] in feed.wake() } }

    /// Ends the thread; the ingest is the owner's, and reads no more unless it stood still.
    func stop() {
        guard let thread = thread.take() else { return }
        if !halt() { abort.abort() }
        feed.end()
        thread.join()
        _ = standsStill()
    }

    // MARK: - The thread

    private func run() {
        while true {
            switch feed.threadTurn() {
            case .end: return
            case .prepare(let preparations): carryOut(preparations)
            case .park: stand(.parked)
            case .leave(let event, let isAtOnce): askWhere(event, atOnce: isAtOnce)
            case .read: read()
            }
        }
    }

    private func read() {
        do throws(IngestReadError) {
            guard let packet = try ingest.read() else { return stand(.ended) }
            take(packet)
        } catch {
            if case .interrupted = error { return }
            stand(.failed(error))
        }
    }

    private func take(_ packet: consuming Packet) {
        if let watch = ingest.watch, watch.hasNews {
            publish()
            feed.put(.fact(.announced(watch.takeNotices(), watch.takeFindings())))
        }
        batchBytes += packet.byteCount
        batch.append(packet)
        if batch.count >= (isPaced ? 16 : 128) || batchBytes >= Self.mostBytes { publish() }
    }

    /// Hands on what was read.
    func publish() {
        guard !batch.isEmpty else { return }
        let now = Instant.now
        lastPublished = now
        var packets = UniqueDeque<Packet>()
        swap(&packets, &batch)
        batchBytes = 0
        let status = IngestStatus(ingest, after: given)
        given = status
        feed.put(.packets(PacketRun(packets: packets, status: status)))
        guard now - lastNoticed > Self.noticeInterval else { return }
        lastNoticed = now
        guard let accounts = ingest.accounts else { return }
        let (findings, losses) = (accounts.takeFindings(), accounts.takeLosses())
        if !findings.isEmpty || !losses.isEmpty { feed.put(.fact(.noticed(findings, losses))) }
    }

    /// The ingest waits from now on.
    func aboutToWait() {
        // At full speed a short wait is nothing to wake the other thread for.
        if !isPaced, batch.count < 64, Instant.now - lastPublished < .milliseconds(50) { return }
        publish()
    }

    /// On the thread, for the relay in the middle of a read too, or on the owner's while it stands still.
    func carryOut(_ preparations: [SourcePreparation]) {
        if !preparations.isEmpty { ingest.resumable?.carryOut(preparations) }
    }

    /// For the relay, on the thread.
    var bytesReceived: Int64? { ingest.bytesReceived }

    private func stand(_ stop: RunnerStop) {
        publish()
        feed.put(.still(stop))
    }

    private func askWhere(_ event: ChangeEvent, atOnce isAtOnce: Bool) {
        publish()
        let bytes = ingest.resumable
        let question = RunnerQuestion.leaves(event, atOnce: isAtOnce, canResume: bytes?.canResume ?? false)
        guard case .source(let answer) = feed.ask(question), bytes?.follow(answer) ?? false else { return stand(.left) }
    }
}
