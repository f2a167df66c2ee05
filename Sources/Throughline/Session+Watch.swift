internal import Synchronization
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols
internal import ThroughlineTransport

/// Watching the origin that delivers, and making the next one ready.
extension Session {
    /// Why the ingest is to be left that is read.
    struct Departure {
        let event: ChangeEvent
        /// Who has a better prospect.
        let target: OriginID?
        /// Nothing comes at all; one flow may be silent while others are not.
        let isSilence: Bool
        let since = Instant.now
        /// The origin delivers still.
        var isPlanned: Bool { event.kind == .overload }
    }

    /// After that it is left between two reads, where no packet has come.
    private static let plannedPatience: Duration = .milliseconds(200)
    /// An origin that is to be left is left in the middle of a packet once no more than this is in the buffer.
    private static let shortReserve: Duration = .milliseconds(100)

    /// While media is awaited, who could be asked is looked at so often at the least.
    private static let longestLook: Duration = .milliseconds(500)
    /// And no more often, so that no wait becomes a busy loop.
    private static let shortestLook: Duration = .milliseconds(2)
    /// From so much of the buffer on the origin keeps up.
    private static let full = 3

    // MARK: - What the ingest tells

    func mediaIsAwaited() {
        watch.waitBegan(at: .now, level: level)
        carryOutWatch()
    }

    func mediaArrived(isInBuffer: Bool) {
        mediaArrived(isInBuffer: isInBuffer, bytesReceived: played?.lastBytesReceived)
    }

    /// - Parameter bytesReceived: of the ingest so far.
    func mediaArrived(isInBuffer: Bool, bytesReceived: Int64?) {
        // Before a key frame comes the level is always low, whatever it says of the origin.
        watch.arrived(at: .now, level: isInBuffer && !isBackward ? level : nil)
        if !isInBuffer { noteTrickle(bytesReceived) }
        carryOutWatch()
    }

    /// Bytes came that make no packet yet: where delivery is slow, those are long in coming.
    private func noteTrickle(_ all: Int64?) {
        guard let played, let all, all > lastBytes, isDeliveryTelling else { return }
        let received = Int(all - lastBytes)
        lastBytes = all
        let contents = buffer.level
        note(received: received, unpacked: received, contents, of: played)
    }

    func nothingIsAwaited() {
        watch.waitEnded(at: .now)
        carryOutWatch()
    }

    var nextLook: Instant {
        let now = Instant.now
        guard let departure else { return max(now + Self.shortestLook, min(watch.nextMoment, now + Self.longestLook)) }
        return departure.isPlanned ? latest(departure) : Instant(nanoseconds: 0)
    }

    /// When it is left in the middle of a packet: whoever is proven already can go on there at once.
    private func latest(_ departure: Departure) -> Instant {
        if case .success? = preparation { return departure.since }
        let patient = departure.since + Self.plannedPatience
        return level.map { min(patient, .now + max(.zero, $0 - Self.shortReserve)) } ?? patient
    }

    func reasonToLeave() -> ChangeEvent? {
        lookForAlternates()
        if let level { watch.playing(at: .now, level: level) } else { watch.timePassed(at: .now) }
        carryOutWatch()
        // What is planned is done between two packets, as long as packets come.
        if let departure, departure.isPlanned, Instant.now < latest(departure) { return nil }
        guard let departure = departure.take() else { return nil }
        (departureTarget, departsForSilence) = (departure.target, departure.isSilence)
        return departure.event
    }

    var isTooSlow: Bool { watch.isTooSlow }

    func preparationIsStale() {
        (preparing, preparation) = (nil, nil)
        watch.preparationIsStale(at: .now)
        carryOutWatch()
    }

    func flowEnded(_ flow: Int) {
        guard let output = line?.output(of: flow) else { return }
        watch.flowEnded(output, at: .now)
    }

    func flowsRestarted() { watchFlows() }

    // MARK: - What the session sees

    /// Only what is sent as it is played comes flow by flow; in a file one flow may be longer than another, and backwards
    /// only one comes.
    func watchFlows() {
        let isRealtime = played?.isRealtime ?? false
        watch.isRealtime = isRealtime
        let comesFlowByFlow = isRealtime && !isBackward
        watch.flowsAre(
            isSparse: outputFlows.map { !comesFlowByFlow || $0.isSparse || !isSelected($0) },
            bounds: .realtimeFlow)
    }

    /// A batch is in the buffer.
    ///
    /// - Parameter bytes: of the batch.
    func noteDelivery(bytes: Int, flows: UInt64) {
        guard configuration.pacing == .realtime, let played else { return }
        var received = bytes
        if let all = played.lastBytesReceived {
            // What came since was counted already.
            received = Int(max(0, all - lastBytes))
            lastBytes = max(lastBytes, all)
        }
        guard isDeliveryTelling else { return }
        let contents = buffer.level
        let level = contents.duration.duration
        let now = Instant.now
        var flows = flows
        while flows != 0 {
            watch.flowArrived(flows.trailingZeroBitCount, at: now)
            flows &= flows - 1
        }
        watch.checkFlows(at: now, level: level)
        note(received: received, unpacked: received - bytes, contents, of: played)
        if now - lastAlternates > .seconds(1) { lookForAlternates() }
        watch.timePassed(at: now)
        carryOutWatch()
        lookForReturn()
        if let remark = watch.takeRemark() { warn("\(url(played.origin)) \(remark)") }
    }

    /// What comes tells something of how fast the origin delivers.
    private var isDeliveryTelling: Bool {
        configuration.pacing == .realtime && playedRate == .normal && !isBackward && !hasPending && buffer.isBeingPlayed
    }

    private func note(received: Int, unpacked: Int, _ contents: PlayoutBuffer.Level, of runner: Runner) {
        let level = contents.duration.duration
        // MP4 may hold the flows of a fragment one behind another.
        let inOrder = !runner.container.hasPrefix("mov")
        if !inOrder, !isFillKnown, let playhead = buffer.playhead {
            isFillKnown = true
            // What was received before the first picture was presented tells how many bytes a second of the stream takes.
            watch.learned(bytes: contents.bytes, media: (contents.reached - playhead).duration)
        }
        watch.received(
            bytes: received, unpacked: unpacked, inOrder: inOrder, level: level,
            reached: contents.reached.duration,
            isFull: level * 4 >= configuration.buffer * Self.full, from: runner.origin, at: .now)
    }

    /// An origin delivers from now on.
    ///
    /// - Parameters:
    ///   - opening: how long it took to be set up; nil where that was done ahead.
    ///   - media: then, until its media came.
    ///   - hot: how long all of it took where it delivered already.
    /// - Returns: how it came to that, where the watch has led to it.
    @discardableResult
    func noteJoined(
        _ origin: OriginID, opening: Duration?, media: Duration?, hot: Duration? = nil
    ) -> DeadlineRecord? {
        letGo()
        watch.measured(origin, opening: opening, media: media, hot: hot)
        watch.joined(at: .now)
        departure = nil
        departureTarget = nil
        let records = watch.takeRecords()
        noteReturn(origin)
        lookForAlternates()
        return records.last { $0.outcome == .joined }
    }

    // MARK: - Who would be next

    /// Tells the watch who could be asked now.
    private func lookForAlternates() {
        let now = Instant.now
        lastAlternates = now
        // While a handoff is under way, nobody is looked for.
        guard var found = shared.withLock({ $0.controller.promising(at: now) }) else { return }
        let delivering = takesHot ? hot?.ready : nil
        // An origin that stands ready now is worth a handoff, however often it failed before.
        if let ready = delivering ?? standby?.ready ?? warmKeeper.ready, !found.contains(ready), ready != played?.origin
        {
            found.append(ready)
        }
        // Read from already, it has no burst left to send large pieces with.
        let drawn = takesHot && hot?.hasMore == false ? hot?.origin : nil
        let piece = drawn == nil ? .zero : buffer.skew.duration
        var alternates = found.map { alternate in
            // Bytes are proven at one place, which is left behind as more of them come.
            DeliveryWatch.Alternate(
                alternate, canPrepare: canPrepare(alternate),
                keepsBriefly: origins[alternate].kind.preparation == .proof, isHot: alternate == delivering,
                wait: alternate == drawn ? piece : .zero)
        }
        // It is asked before the others.
        if let index = alternates.firstIndex(where: \.isHot) { alternates.insert(alternates.remove(at: index), at: 0) }
        watch.alternatesAre(alternates, at: now)
    }

    private func canPrepare(_ id: OriginID) -> Bool {
        let origin = origins[id]
        if unprepared.contains(id) || hot?.origin == id || origins.isReadOnce(id) { return false }
        return origin.kind.preparation == .session || played?.canPrepare(origin) ?? false
    }

    private func carryOutWatch() {
        var orders = watch.takeOrders()
        while !orders.isEmpty || preparing != nil {
            for order in orders {
                switch order {
                case .prepare(let origin): prepare(origin)
                case .letGo: letGo()
                case .leave(let reason):
                    guard let played else { continue }
                    departure = Departure(
                        event: event(reason, url(played.origin)), target: reason.target, isSilence: reason.isSilence)
                }
            }
            lookAtPreparation()
            orders = watch.takeOrders()
            if orders.isEmpty { break }
        }
        played?.isTooSlow(watch.isTooSlow)
        for record in watch.takeRecords() where record.outcome == .recovered {
            guard let played else { continue }
            let decision = HandoffReport.Decision(record, since: began)
            send(.recovered(origin: played.origin, url: url(played.origin), decision))
        }
    }

    private func prepare(_ origin: OriginID) {
        preparing = origin
        switch origins[origin].kind.preparation {
        case .session:
            standbyIsWanted.store(true, ordering: .relaxed)
            makeStandby()
            standby?.changed()
        case .proof:
            preparation = nil
            played?.prepare(.begin(origin))
        }
    }

    /// An origin was tried beside the one that is waited for.
    func prepared(_ origin: OriginID, _ result: Result<Void, ByteTrial.Failure>) {
        guard preparing == origin else { return }
        preparation = result
        carryOutWatch()
    }

    /// What was prepared is not needed.
    func letGo() {
        if preparing != nil || preparation != nil { played?.prepare(.letGo) }
        (preparing, preparation) = (nil, nil)
        if standbyIsWanted.exchange(false, ordering: .relaxed) { standby?.changed() }
    }

    /// Has what is being prepared become ready?
    private func lookAtPreparation() {
        guard let origin = preparing else { return }
        if origins[origin].kind.preparation == .session {
            guard standby?.ready == origin else { return }
            preparing = nil
            watch.prepared(at: .now)
            return
        }
        switch preparation {
        case nil: return
        case .success: watch.prepared(at: .now)
        case .failure(.different):
            // It can still be opened anew, and joined.
            unprepared.insert(origin)
            watch.preparationFailed(at: .now)
        case .failure(.undelivered(let error)):
            played?.prepare(.letGo)
            let event = ChangeEvent(error)
            shared.withLock { $0.controller.preparationFailed(event, on: origin, at: .now, jitter: Chance.fraction) }
            watch.preparationFailed(at: .now)
            lookForAlternates()
        }
        preparing = nil
    }

    private func event(_ reason: DeliveryWatch.Reason, _ url: String) -> ChangeEvent {
        switch reason {
        case .silence(let time):
            ChangeEvent(cause: .silence, detail: "\(url): nothing came for \(time.wholeNanoseconds / 1_000_000) ms")
        case .flow(let flow, let time):
            ChangeEvent(
                cause: .silence,
                detail:
                    "\(url): \(outputFlows[flow]) is silent for \(time.wholeNanoseconds / 1_000_000) ms while others run"
            )
        case .slow(let forecast, _): ChangeEvent(cause: .overloaded, detail: "\(url) \(forecast)")
        }
    }
}

extension DeliveryWatch.Reason {
    fileprivate var isSilence: Bool { if case .silence = self { true } else { false } }
    fileprivate var target: OriginID? { if case .slow(_, let target) = self { target } else { nil } }
}
