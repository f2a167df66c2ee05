internal import DequeModule
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols
internal import ThroughlineTransport

/// The next origins, made ready ahead of need: a session that is set up (RTSP), a connection that is kept (bytes), or an
/// origin that delivers beside the one that is played. On the session's loop, but for what says otherwise.
final class Standbys {
    private let stream: StreamContext
    private let intake: Intake
    /// Behind ingests that are opened here.
    private let supervisor: any SourceSupervisor
    /// Keeps a session with the next origin, from the first opening on; where that was asked for, or is needed soon.
    private var session: RTSPStandby?
    /// Keeps the next origin delivering beside the one that is played; where that was asked for.
    private var hot: HotStandby?
    /// Whether and with whom a connection over HTTP is kept.
    private var bytes = StandbyKeeper()
    private var bytesBegan = Instant(nanoseconds: 0)
    private var lastLook = Instant(nanoseconds: 0)
    /// By flow of the output, how its packets carry their payload, as far as that is known.
    private let forms = Guarded<[PayloadForm?]>([])
    private var formsAreTold = false

    /// How often it is looked how a connection does.
    private static let lookInterval: Duration = .milliseconds(100)

    init(_ stream: StreamContext, _ intake: Intake, _ supervisor: any SourceSupervisor) {
        (self.stream, self.intake, self.supervisor) = (stream, intake, supervisor)
    }

    // MARK: - Keeping

    /// An origin is played, another one is, or the viewer wants something else: others are kept ready, as far as that was
    /// asked for and there are some.
    func changed() {
        switch stream.configuration.standby {
        case .cold: break
        case .warm: keepSession()
        case .hot:
            keepHot()
            keepSession()
        }
        session?.changed()
        hot?.changed()
    }

    /// A session with the next origin is wanted soon, or no more.
    func wantsSession(_ isWanted: Bool) {
        if isWanted { keepSession() }
        session?.changed()
    }

    /// Begins a hot standby anew: the stream has gone elsewhere.
    func restart() { hot?.restart() }

    func stop() {
        session?.stop()
        hot?.stop()
    }

    // MARK: - Taking

    /// Whether an origin that delivers beside the one that is played is of use: at another rate, or backwards, what it
    /// delivers is not what is wanted, though its thread may not have noticed yet.
    private var takesHot: Bool { !intake.isBackward && intake.askedRate == .normal }

    /// Takes a hot standby, to be joined.
    func takeHot(_ origin: OriginID) -> HotIngest? { takesHot ? hot?.take(origin) : nil }

    /// A standby at an origin that is to go on otherwise is given up: the server may grant one rate to all connections of a
    /// client.
    func dropHot(_ origin: OriginID) { _ = hot?.take(origin) }

    /// Takes a session that was set up ahead, to be played.
    func takeSession(_ origin: OriginID) -> RTSPOpening.Opened? { session?.take(origin) }

    /// The origins that stand ready.
    var ready: Readiness {
        var ready = Readiness()
        if let hot {
            ready.beside = hot.origin
            if takesHot {
                ready.hot = hot.ready
                if !hot.hasMore { ready.piece = stream.buffer.skew.duration }
            }
        }
        ready.session = session?.ready
        ready.bytes = bytes.ready
        return ready
    }

    /// What keeping origins ready has cost so far.
    var cost: StandbyCost {
        let none = StandbyCost(
            standby: stream.configuration.standby, preparations: 0, failures: 0, held: .zero, packets: 0, bytes: 0)
        return switch stream.configuration.standby {
        case .cold: none
        case .warm:
            StandbyCost(
                standby: .warm, preparations: bytes.preparations + (session?.cost.preparations ?? 0),
                failures: bytes.failures + (session?.cost.failures ?? 0),
                held: bytes.held(at: .now) + (session?.cost.held ?? .zero), packets: 0, bytes: 0)
        case .hot: hot?.cost ?? none
        }
    }

    /// The origins that could be made ready, in the order in which a handoff would ask them; nil while one is under way.
    /// From any thread.
    private static func candidates(
        _ stream: StreamContext, _ canBePrepared: (OriginID) -> Bool
    ) -> [StandbyKeeper.Candidate]? {
        stream.machine.withLock { $0.handoff.alternates(at: .now) }?.map { origin, notBefore in
            StandbyKeeper.Candidate(origin: origin, canBePrepared: canBePrepared(origin), notBefore: notBefore)
        }
    }

    // MARK: - A session

    private func keepSession() {
        guard session == nil, stream.origins.all.count > 1 else { return }
        guard stream.origins.all.contains(where: { $0.kind.preparation == .session }) else { return }
        let stream = stream
        // `stop` joins the standby's thread before the stream ends.
        session = RTSPStandby(
            transport: stream.configuration.rtspTransport, abort: stream.abort,
            RTSPStandby.Surroundings(
                candidates: {
                    guard Self.keepsSession(stream) || stream.machine.withLock({ $0.watch.wantsSession }) else {
                        return []
                    }
                    return Self.candidates(stream) { stream.origins[$0].kind.preparation == .session }
                },
                opening: { origin, abort in
                    RTSPOpening(
                        origin: stream.origins[origin], bound: stream.configuration.openBound, abort: abort,
                        request: nil)
                },
                becameReady: { origin, duration in
                    stream.record.send(
                        .standbyReady(origin: origin, url: stream.record.url(origin), duration: duration))
                },
                wasLost: { origin, reason in
                    stream.record.send(.standbyLost(origin: origin, url: stream.record.url(origin), reason: reason))
                }))
    }

    /// Whether a session is to be set up ahead all the time. From any thread.
    private static func keepsSession(_ stream: StreamContext) -> Bool {
        switch stream.configuration.standby {
        case .cold: false
        case .warm: true
        // What delivers at another rate, or backwards, cannot be kept aligned.
        case .hot: stream.viewer.rate != .normal
        }
    }

    // MARK: - A connection over HTTP

    /// Whether it is time to look, for which the ingest must stand still.
    func looksAtBytes(since lastFlush: Instant) -> Bool {
        stream.configuration.standby == .warm && stream.isPaced && lastFlush - lastLook > Self.lookInterval
    }

    /// Keeps a connection with the next origin, where it holds the same bytes.
    func keepBytes(_ runner: Runner) {
        let now = Instant.now
        lastLook = now
        let ingest = runner.still.resumable
        let watch = stream.machine.withLock { $0.watch }
        let candidates = Self.candidates(stream) { origin in
            runner.mayPrepareBytes && stream.origins[origin].kind.carriesBytes && watch.mayHoldBytes(origin)
                && !stream.origins.isReadOnce(origin)
        }
        do throws(ByteTrial.Failure) {
            switch (try ingest?.warmth(), bytes.ready) {
            // A handoff has used it, or the ingest that had it is gone.
            case (nil, .some): bytes.taken(at: now)
            case (nil, nil): bytes.cancelled()
            case (true, nil):
                bytes.prepared(at: now)
                if let origin = bytes.ready {
                    let url = stream.record.url(origin)
                    stream.record.send(.standbyReady(origin: origin, url: url, duration: now - bytesBegan))
                }
            case (true, let origin?): ingest?.keepWarm(origin)
            default: break
            }
        } catch {
            let origin = bytes.preparing ?? bytes.ready
            bytes.failed(at: now, jitter: Chance.fraction)
            if let origin { lost(origin, error, at: now) }
        }
        switch bytes.review(candidates ?? [], at: now) {
        case .prepare(let origin):
            bytesBegan = now
            ingest?.keepWarm(origin)
        case .release: ingest?.coolDown()
        case nil: break
        }
    }

    private func lost(_ origin: OriginID, _ failure: ByteTrial.Failure, at now: Instant) {
        // An origin with other bytes can still be opened anew, and joined.
        if case .different = failure {
            _ = stream.machine.withLock { $0.handle(.holdsOtherBytes(origin), at: now) }
        }
        let reason = HandoffController.AttemptFailure(failure).text
        stream.record.send(.standbyLost(origin: origin, url: stream.record.url(origin), reason: reason))
    }

    // MARK: - An origin that delivers

    /// Tells the standby what the packets of the output are like, once that is known.
    func tellForms() {
        guard hot != nil, !formsAreTold, let line = intake.line else { return }
        let known = intake.flows.map { line.form(of: $0.index) }
        formsAreTold = zip(intake.flows, known).allSatisfy { flow, form in
            form != nil || flow.isSparse || !intake.isSelected(flow)
        }
        forms.withLock { $0 = known }
    }

    private func keepHot() {
        guard hot == nil, stream.origins.all.count > 1 else { return }
        let opening = HotOpening(stream, played: intake.selected, forms, supervisor)
        let stream = stream
        // `stop` joins the standby's threads before the stream ends.
        hot = HotStandby(
            abort: stream.abort,
            HotStandby.Surroundings(
                candidates: {
                    if stream.viewer.isPaused || stream.viewer.rate != .normal { return [] }
                    return Self.candidates(stream) { !stream.origins.isReadOnce($0) }
                },
                outlook: { opening.outlook },
                open: { request throws(IngestOpenError) in try opening.open(request) },
                becameReady: { origin, duration in
                    _ = stream.machine.withLock { $0.handle(.standbyDelivers(origin), at: .now) }
                    stream.record.send(
                        .standbyReady(origin: origin, url: stream.record.url(origin), duration: duration))
                },
                wasLost: { origin, reason, failure in
                    stream.record.send(.standbyLost(origin: origin, url: stream.record.url(origin), reason: reason))
                    guard let failure else { return }
                    _ = stream.machine.withLock { $0.handle(.standbyFailed(failure, origin), at: .now) }
                }))
    }
}
