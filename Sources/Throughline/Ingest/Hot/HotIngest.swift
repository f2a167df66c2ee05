internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols
internal import ThroughlineTransport

/// An ingest that was read ahead of need: a hot standby, and the ingest that is played once it was joined.
///
/// At first a thread of its own reads it into a feed (`HotFeed`). A join reads what is there from memory, as often as it
/// likes, and waits only for what has not come yet. Once played, what waits in the feed is handed out, the thread ends, and
/// the ingest is read as any other on the session's thread.
///
///     standby --take--> joining --opened--> played from the feed --its thread has ended--> played
///        |                 |                                                                 ^
///        '-----------------'-- asked for what the feed has not: the thread is stopped -------'
///
/// `feed` is for any thread; all else belongs to the one that reads it: whose join looks for its place, and the session's
/// after that.
final class HotIngest: Ingest, RealtimeControls, WireAccounts {
    private let first: OriginID
    /// Whose packets it gives.
    var origin: OriginID { isSettled ? inner.origin : first }
    let feed: HotFeed
    /// Hot where it was ready when it was taken.
    private var standby = Standby.warm
    private let firstTraits: IngestTraits
    let twinEnd: RTSPTwinEnd?
    /// The roles that the ingest has.
    private let isControlled: Bool
    private let isAccounted: Bool

    private let inner: any Ingest
    private let supervisor: StandbySupervisor
    /// Stands behind it once it is played.
    let relay: RunnerRelay
    let abort: AbortSwitch
    private let url: String
    private var thread: WorkerThread?
    /// The thread has ended: the ingest is read here.
    private var isSettled = false
    private var isPlayed = false
    /// The feed is to be read before the ingest.
    private var hasFeed = true
    /// The session was told that media is waited for, whether a read was interrupted meanwhile or not.
    private var isAwaited = false
    private var wanted: [Bool]?
    private var knownDuration: MediaTime?
    private let firstTimeline: Timeline
    private let couldPlayBackwards: Bool
    /// Bytes that were handed out of the feed, and what the ingest had received when it was read here first.
    private var bytesOfFeed: Int64 = 0
    private var bytesBefore: Int64 = 0
    private var end: HotFeed.End?

    /// How long the thread may take to come back from a read, where it can be told to, before that is broken off: when it is
    /// let go. For one that is needed nothing is lost that soon, and on a busy machine its thread may have no turn.
    private static let settlePatience: Duration = .milliseconds(100)

    /// Reads an ingest from now on.
    ///
    /// - Parameters:
    ///   - ingest: just opened, and used by nobody else from here on.
    ///   - supervisor: of the ingest.
    ///   - relay: behind that supervisor.
    ///   - abort: of the ingest, and of nothing else.
    ///   - proof: compares it with what is played.
    ///   - outlook: how far the primary is; from the thread that reads.
    ///   - changed: the condition of the feed has changed; from that thread.
    init(
        _ ingest: sending any Ingest, supervisor: StandbySupervisor, relay: RunnerRelay, abort: AbortSwitch,
        window: StandbyWindow,
        proof: StandbyProof, url: String,
        outlook: @escaping @Sendable () -> StandbyWindow.Primary?, changed: @escaping @Sendable () -> Void
    ) {
        first = ingest.origin
        firstTraits = ingest.traits
        firstTimeline = ingest.timeline
        (isControlled, isAccounted) = (ingest.controls != nil, ingest.accounts != nil)
        twinEnd = ingest.accounts?.twinEnd
        knownDuration = ingest.duration
        couldPlayBackwards = ingest.controls?.mayPlayBackwards ?? false
        self.supervisor = supervisor
        self.relay = relay
        self.abort = abort
        self.url = url
        let feed = HotFeed(window: window, flows: ingest.flows, abort: abort)
        self.feed = feed
        inner = ingest
        nonisolated(unsafe) let handed = ingest  // The thread's alone until it was joined.
        thread = WorkerThread(name: "tl-hot") {
            feed.run(handed, proof: proof, outlook: outlook, changed: changed)
        }
    }

    /// The session has it from now on.
    ///
    /// - Parameter primary: how far the origin is that is left; nil where that is not known.
    func take(at primary: StandbyWindow.Primary?) {
        if let primary, feed.isReady(primary) { standby = .hot }
        feed.take()
    }

    deinit { endThread(atMost: inner.interrupter == nil ? .zero : Self.settlePatience) }

    // MARK: - The thread

    /// Ends the thread.
    ///
    /// - Returns: whether what it read had to be broken off, since it did not come back in time.
    @discardableResult
    private func endThread(atMost patience: Duration) -> Bool {
        guard let thread = thread.take() else { return false }
        feed.stop()
        inner.interrupter?()
        let isLate = feed.waitForEnd(atMost: patience) == nil
        if isLate { abort.abort() }
        thread.join()
        return isLate
    }

    /// Takes the ingest over from its thread.
    ///
    /// - Returns: false when it has failed.
    @discardableResult
    private func settle() -> Bool {
        if !isSettled {
            let isBrokenOff = endThread(atMost: supervisor.session.openBound(for: origin))
            isSettled = true
            end = feed.waitForEnd(atMost: .zero)
            if isBrokenOff {
                switch end {
                case .ended, .failed: break
                // Broken off here, and not because the stream is over: it is the origin's failure. The ingest is of no use
                // any more, even where its thread came back in order after that.
                case .aborted, .stopped, nil:
                    end = .failed(
                        ChangeEvent(cause: .silence, detail: "\(url): nothing came while something was asked for"))
                }
            }
            if isLeft {
                supervisor.isAsked()
                bytesBefore = inner.bytesReceived ?? 0
                if let wanted { inner.select { $0.index < wanted.count && wanted[$0.index] } }
                if isPlayed { handOver() }
            }
        }
        return isLeft
    }

    /// The thread has left the ingest so that it can be used here: read on, or from elsewhere where it has come to its end.
    private var isLeft: Bool {
        switch end {
        case .stopped, .ended: true
        case .failed, .aborted, nil: false
        }
    }

    /// The ingest, where it can be used on this thread.
    private var settled: (any Ingest)? { isSettled && isLeft ? inner : nil }
    func statedEnd(of flow: Int) -> NPT? { settled?.statedEnd(of: flow) }

    /// The same, where only an ingest that is not held back by waiting for bytes has anything to do for it.
    private var controllable: (any RealtimeControls)? {
        if isRealtime { settle() }
        return settled?.controls
    }

    private func handOver() {
        supervisor.handOver()
        inner.opened()
    }

    private func clear() {
        feed.clear()
        hasFeed = false
    }

    // MARK: - Reading

    func read() throws(IngestReadError) -> Packet? {
        while hasFeed {
            guard let packet = try readFeed() else { break }
            if let wanted, packet.flow >= wanted.count || !wanted[packet.flow] { continue }
            bytesOfFeed += Int64(packet.byteCount)
            return packet
        }
        switch end {
        case .failed(let event): throw .changed(event)
        case .ended, .aborted, nil: return nil
        case .stopped: return try inner.read()
        }
    }

    /// - Returns: nil where nothing more comes in the feed.
    private func readFeed() throws(IngestReadError) -> Packet? {
        let session = supervisor.session
        var isTold = false
        let bound = Instant.now + (isPlayed ? .zero : session.openBound(for: origin))
        var deadline = isPlayed ? Instant(nanoseconds: 0) : bound
        while true {
            let outcome: HotFeed.Outcome
            do throws(MediaError) { outcome = try feed.next(until: deadline) } catch { throw .broken(error) }
            switch consume outcome {
            case .packet(let packet):
                if isAwaited { session.mediaArrived(isInBuffer: true) }
                isAwaited = false
                return packet
            case .end:
                if isAwaited { session.nothingIsAwaited() }
                isAwaited = false
                settle()
                // A join may go back in what is here, unless more of the ingest follows it.
                if case .stopped = end { hasFeed = false }
                if isPlayed { hasFeed = false }
                return nil
            case .interrupted:
                // The session may have called in order to have this ingest left, since nothing came.
                if isTold, session.nextLook <= .now, let event = session.reasonToLeave() { throw .changed(event) }
                throw .interrupted
            case .nothing:
                guard isPlayed else {
                    throw .changed(ChangeEvent(cause: .silence, detail: "\(url): no packet came"))
                }
                if !isTold {
                    (isTold, isAwaited) = (true, true)
                    session.aboutToWait()
                    session.mediaIsAwaited()
                } else if let event = session.reasonToLeave() {
                    throw .changed(event)
                }
                deadline = session.nextLook
            }
        }
    }

    func seek(to time: NPT, anyPacket: Bool) throws(MediaError) {
        if !isPlayed, hasFeed, feed.place(at: time, atKey: !anyPacket) { return }
        guard let inner = beginElsewhere() else { return }
        try inner.seek(to: time, anyPacket: anyPacket)
    }

    /// What is here is of no use any more.
    ///
    /// - Returns: the ingest, which may have come to an end before; nil when it has failed.
    private func beginElsewhere() -> (any Ingest)? {
        let isUsable = settle()
        clear()
        guard isUsable else { return nil }
        end = .stopped
        return inner
    }

    /// Of what is here, reading more costs nothing.
    func searchStarts(for position: MediaTime, overlap: MediaTime) -> [MediaTime] {
        if !isPlayed, hasFeed, let start = feed.start, start <= overlap {
            let first = max(start, min(position, overlap) - StandbyWindow.preroll)
            return first > start ? [first, start] : [first]
        }
        settle()
        return settled?.searchStarts(for: position, overlap: overlap) ?? [position]
    }

    func opened() {
        isPlayed = true
        feed.play()
        if isSettled { if isLeft { handOver() } } else { inner.interrupter?() }
    }

    func select(_ isWanted: (FlowFormat) -> Bool) {
        wanted = flows.map(isWanted)
        settled?.select(isWanted)
    }

    // MARK: - What it is

    var traits: IngestTraits {
        var traits = firstTraits
        (traits.openingTime, traits.standby) = (nil, standby)
        // Key frames are found in the feed as with an index.
        traits.findsKeyFrames = hasFeed || traits.container != "mpegts"
        return traits
    }

    var flows: [FlowFormat] { settled?.flows ?? feed.flows }
    func form(of flow: Int) -> PayloadForm { settled?.form(of: flow) ?? feed.form(of: flow) }
    var duration: MediaTime? { settled?.duration ?? knownDuration }
    var timeline: Timeline {
        var timeline = settled?.timeline ?? firstTimeline
        timeline.shift = feed.shift ?? timeline.shift
        return timeline
    }
    var condition: IngestCondition {
        let inner = settled?.condition
        return switch end {
        case nil: IngestCondition(openingFailure: inner?.openingFailure, hasFailed: false, deliversStill: true)
        case .stopped: inner ?? IngestCondition(hasFailed: false, deliversStill: true)
        case .ended: IngestCondition(openingFailure: inner?.openingFailure, hasFailed: false, deliversStill: false)
        case .aborted: IngestCondition(openingFailure: inner?.openingFailure, hasFailed: true, deliversStill: false)
        case .failed(let event): IngestCondition(openingFailure: event, hasFailed: true, deliversStill: false)
        }
    }
    var watch: ChangeWatch? { settled?.watch }
    var resumable: (any ByteResumable)? { hasFeed ? nil : settled?.resumable }
    var controls: (any RealtimeControls)? { isControlled ? self : nil }
    var accounts: (any WireAccounts)? { isAccounted ? self : nil }
    var bytesReceived: Int64? {
        guard let settled else { return bytesOfFeed }
        return settled.bytesReceived.map { $0 - bytesBefore + bytesOfFeed }
    }
    var playedFrom: NPT? { hasFeed ? nil : settled?.controls?.playedFrom }
    var askedFrom: NPT? { hasFeed ? nil : settled?.controls?.askedFrom }
    func takeLosses() -> [Int: FlowLosses] {
        var losses = feed.takeLosses()
        guard !hasFeed, let accounts = settled?.accounts else { return losses }
        for (flow, lost) in accounts.takeLosses() { losses[flow, default: FlowLosses()] += lost }
        return losses
    }
    func takeFindings() -> [(flow: Int?, text: String)] { hasFeed ? [] : settled?.accounts?.takeFindings() ?? [] }
    func position(of flow: Int) -> FlowPosition? { hasFeed ? nil : settled?.accounts?.position(of: flow) }

    // MARK: - What the viewer wants

    var mayPlayBackwards: Bool { settled?.controls?.mayPlayBackwards ?? couldPlayBackwards }
    var scaleInstead: Rate? { settled?.controls?.scaleInstead }
    func turn(to time: NPT, at rate: Rate) throws(MediaError) {
        guard let inner = beginElsewhere() else { return }
        try inner.turn(to: time, at: rate)
    }
    func pause() { controllable?.pause() }
    func mustRejoin(at rate: Rate, bandwidth: Int64?) -> Bool {
        controllable?.mustRejoin(at: rate, bandwidth: bandwidth) ?? false
    }
    func deliver(at speed: Rate) { settled?.controls?.deliver(at: speed) }
    func distrustsAnswers() { settled?.controls?.distrustsAnswers() }
    var mayHurry: Bool { !hasFeed && settled?.controls?.mayHurry ?? false }
    var speed: Rate { settled?.controls?.speed ?? .normal }

    /// Wakes whoever waits at the feed, and whoever waits at the ingest.
    var interrupter: (@Sendable () -> Void)? {
        { [feed, inner = inner.interrupter] in
            feed.interrupt()
            inner?()
        }
    }
}
