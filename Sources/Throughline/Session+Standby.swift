internal import DequeModule
internal import Synchronization
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols
internal import ThroughlineTransport

/// The next origin, made ready ahead of need.
extension Session {
    /// An origin is played: from here on others are kept ready, as far as that was asked for and there are some.
    func keepStandby() {
        switch configuration.standby {
        case .cold: break
        case .warm: makeStandby()
        case .hot:
            makeHotStandby()
            makeStandby()
        }
    }

    /// Whether an origin that delivers beside the one that is played is of use: at another rate, or backwards, what it
    /// delivers is not what is wanted, though its thread may not have noticed yet.
    var takesHot: Bool { !isBackward && askedRate == .normal }

    /// Another origin plays, a handoff has ended, or the viewer wants something else.
    func standbyMayChange() {
        // There may be more origins than in the beginning.
        keepStandby()
        standby?.changed()
        hot?.changed()
    }

    /// What all of it has cost.
    var standbyCost: StandbyCost {
        let none = StandbyCost(
            standby: configuration.standby, preparations: 0, failures: 0, held: .zero, packets: 0, bytes: 0)
        switch configuration.standby {
        case .cold: return none
        case .warm:
            let now = Instant.now
            return StandbyCost(
                standby: .warm, preparations: warmKeeper.preparations + (standby?.cost.preparations ?? 0),
                failures: warmKeeper.failures + (standby?.cost.failures ?? 0),
                held: warmKeeper.held(at: now) + (standby?.cost.held ?? .zero), packets: 0, bytes: 0)
        case .hot: return hot?.cost ?? none
        }
    }

    func makeStandby() {
        guard standby == nil, origins.all.count > 1 else { return }
        guard origins.all.contains(where: { $0.kind.preparation == .session }) else { return }
        // It is stopped, and its thread joined, before the session ends.
        standby = RTSPStandby(
            transport: configuration.rtspTransport, abort: abort,
            RTSPStandby.Surroundings(
                candidates: { [unowned self] in
                    guard keepsWarm || standbyIsWanted.load(ordering: .relaxed) else { return [] }
                    return shared.withLock { $0.controller.alternates(at: .now) }?.map { origin, notBefore in
                        StandbyKeeper.Candidate(
                            origin: origin, canBePrepared: origins[origin].kind.preparation == .session,
                            notBefore: notBefore)
                    }
                },
                opening: { [unowned self] origin, abort in
                    RTSPOpening(
                        origin: origins[origin], bound: configuration.openBound, abort: abort,
                        request: nil)
                },
                becameReady: { [unowned self] origin, duration in
                    send(.standbyReady(origin: origin, url: url(origin), duration: duration))
                },
                wasLost: { [unowned self] origin, reason in
                    send(.standbyLost(origin: origin, url: url(origin), reason: reason))
                }))
    }

    /// Whether a session is to be set up ahead all the time. From any thread.
    private var keepsWarm: Bool {
        switch configuration.standby {
        case .cold: false
        case .warm: true
        // What delivers at another rate, or backwards, cannot be kept aligned.
        case .hot: shared.withLock { $0.rate != .normal }
        }
    }

    // MARK: - Warm, over HTTP

    /// How often it is looked how it does.
    static let warmLookInterval: Duration = .milliseconds(100)

    /// Whether it is time to look, for which the ingest must stand still.
    var looksWarm: Bool {
        configuration.standby == .warm && configuration.pacing == .realtime && !hasPending
            && lastFlush - lastWarmLook > Self.warmLookInterval
    }

    /// Keeps a connection with the next origin over HTTP, where it holds the same bytes.
    func keepBytesWarm(_ runner: Runner) {
        let now = Instant.now
        lastWarmLook = now
        let ingest = runner.still
        let candidates =
            shared.withLock { $0.controller.alternates(at: now) }?.map { origin, notBefore in
                StandbyKeeper.Candidate(
                    origin: origin,
                    canBePrepared: runner.canPrepare(origins[origin]) && !unprepared.contains(origin)
                        && !origins.isReadOnce(origin),
                    notBefore: notBefore)
            } ?? []
        do throws(ByteTrial.Failure) {
            switch (try ingest.warmth(), warmKeeper.ready) {
            // A handoff has used it, or the ingest that had it is gone.
            case (nil, .some): warmKeeper.taken(at: now)
            case (nil, nil): warmKeeper.cancelled()
            case (true, nil):
                warmKeeper.prepared(at: now)
                if let origin = warmKeeper.ready {
                    send(.standbyReady(origin: origin, url: url(origin), duration: now - warmBegan))
                }
            case (true, let origin?): ingest.keepWarm(origin)
            default: break
            }
        } catch {
            let origin = warmKeeper.preparing ?? warmKeeper.ready
            warmKeeper.failed(at: now, jitter: Chance.fraction)
            let failure = HandoffController.AttemptFailure(error)
            // It can still be opened anew, and joined.
            if case .different = error, let origin { unprepared.insert(origin) }
            if let origin { send(.standbyLost(origin: origin, url: url(origin), reason: failure.text)) }
        }
        switch warmKeeper.review(candidates, at: now) {
        case .prepare(let origin):
            warmBegan = now
            ingest.keepWarm(origin)
        case .release: ingest.coolDown()
        case nil: break
        }
    }

    // MARK: - Hot

    /// Tells the standby what the packets of the output are like, once that is known.
    func tellForms() {
        guard let line else { return }
        let forms = outputFlows.map { line.form(of: $0.index) }
        formsAreTold = zip(outputFlows, forms).allSatisfy { flow, form in
            form != nil || flow.isSparse || !isSelected(flow)
        }
        shared.withLock { $0.forms = forms }
    }

    private func makeHotStandby() {
        guard hot == nil, origins.all.count > 1 else { return }
        let played = outputFlows.filter { isSelected($0) }
        // It is stopped, and its threads joined, before the session ends.
        hot = HotStandby(
            abort: abort,
            HotStandby.Surroundings(
                candidates: { [unowned self] in
                    shared.withLock { state -> [(origin: OriginID, notBefore: Instant?)]? in
                        if state.isPaused || state.rate != .normal { return [] }
                        return state.controller.alternates(at: .now)
                    }?.map { origin, notBefore in
                        StandbyKeeper.Candidate(
                            origin: origin, canBePrepared: !origins.isReadOnce(origin), notBefore: notBefore)
                    }
                },
                outlook: { [unowned self] in outlook(of: played) },
                open: { [unowned self] request throws(IngestOpenError) in try open(request, for: played) },
                becameReady: { [unowned self] origin, duration in
                    shared.withLock { $0.controller.standbyDelivers(origin, at: .now) }
                    send(.standbyReady(origin: origin, url: url(origin), duration: duration))
                },
                wasLost: { [unowned self] origin, reason, failure in
                    send(.standbyLost(origin: origin, url: url(origin), reason: reason))
                    guard let failure else { return }
                    shared.withLock {
                        $0.controller.standbyFailed(failure, on: origin, at: .now, jitter: Chance.fraction)
                    }
                }))
    }

    /// How far the origin is that is played; nil where nothing was received. From any thread.
    private func outlook(of played: [FlowFormat]) -> StandbyWindow.Primary? {
        let accounts = buffer.accounts
        let ends = played.filter { !$0.isSparse }.compactMap {
            $0.index < accounts.count ? accounts[$0.index].end : nil
        }
        guard let received = ends.min() else { return nil }
        let playhead = min(buffer.playhead ?? received, received)
        return StandbyWindow.Primary(
            received: received, overlap: buffer.overlapStart(of: played) ?? received,
            picture: picture(of: played, at: playhead) ?? playhead, level: received - playhead)
    }

    /// The key frame that another encode would be compared with.
    private func picture(of played: [FlowFormat], at playhead: NPT) -> NPT? {
        guard let flow = played.first(where: { $0.kind == .video && !$0.isAttachedPicture }) else { return nil }
        let keys = buffer.keyPackets(flow: flow.index)
        var last: NPT?
        for index in 0..<keys.count {
            guard let time = keys[index].pts, time <= playhead else { continue }
            last = max(last ?? time, time)
        }
        return last
    }

    /// Opens what is to stand by, on the standby's thread.
    private func open(
        _ request: HotStandby.Request, for played: [FlowFormat]
    ) throws(IngestOpenError) -> HotIngest {
        let origin = request.origin
        let relay = RunnerRelay(self)
        let supervisor = StandbySupervisor(relay, bound: configuration.openBound)
        let kind = origins[origin].kind
        let limits = StandbyWindow.Limits()
        var begin = NPT.zero
        var asked = self.request(origin)
        asked.start = request.primary.received + request.lead
        asked.isExact = true
        asked.expected = played
        let ingest = try kind.open(asked, supervisor: supervisor, abort: request.abort)
        if !kind.beginsWhereOpened {
            guard ingest.isSeekable, ingest.timeline.agrees else {
                // That says nothing against it.
                throw IngestOpenError(
                    .differentObject("\(url(origin)): it cannot be read from where the stream is"))
            }
            // The stream has gone on meanwhile. One so young is read from its start.
            let received = (outlook(of: played) ?? request.primary).received
            if received > .seconds(1) { begin = received + limits.ahead }
            do throws(MediaError) {
                if begin > .zero { try ingest.seek(to: begin, anyPacket: true) }
            } catch {
                throw IngestOpenError(
                    ingest.openingFailure.map { .undelivered($0) } ?? .differentObject("\(url(origin)): \(error)"))
            }
        }
        let match = ProgrammeMatch(ingest, outputs: played, duration: duration)
        if let lacking = match.lacksEssential {
            throw IngestOpenError(
                .undelivered(ChangeEvent(cause: .other, detail: "\(url(origin)): it lacks \(lacking)")))
        }
        if let reason = match.otherLength {
            throw IngestOpenError(.refused(.contentRefused, "\(url(origin)): \(reason)"))
        }
        let mapping = match.mapping
        ingest.select { mapping[$0.index] != nil }
        twins.standsBy(ingest.twinEnd)
        let pictures = ingest.flows.first {
            $0.kind == .video && !$0.isAttachedPicture && mapping[$0.index] != nil
        }
        let window = StandbyWindow(
            isSparse: ingest.flows.map { $0.isSparse || mapping[$0.index] == nil }, pictures: pictures?.index,
            isRealtime: ingest.isRealtime, lead: request.lead, isFromStart: !ingest.isRealtime && begin == .zero,
            shift: ingest.timeline.shift,
            limits: limits,
            at: .now)
        return HotIngest(
            ingest, supervisor: supervisor, relay: relay, abort: request.abort, window: window,
            proof: StandbyProof(buffer: buffer, played: played) { [unowned self] in shared.withLock { $0.forms } },
            url: url(origin),
            outlook: { [unowned self] in outlook(of: played) }, changed: request.changed)
    }
}
