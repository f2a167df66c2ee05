/// Why and when the origin that is played is left for what it delivers, and who is made ready for that.
///
/// `DeliveryWatch` judges what comes. Here it is told who could go on, what it orders is put into words for whoever makes
/// origins ready, and the reason to leave is kept until the session can act on it: at once where nothing comes, between two
/// packets where too little does.
///
/// Pure: facts and the time in, orders out (`StreamMachine`).
package struct OriginWatch: Sendable {
    /// Why the origin is to be left that is played.
    private struct Departure: Sendable {
        let event: ChangeEvent
        /// The origin that has a better prospect.
        let target: OriginID?
        /// Nothing comes at all; one flow may be silent while others are not.
        let isSilence: Bool
        let since: Instant
        /// The origin delivers still.
        var isPlanned: Bool { event.kind == .overload }
    }

    /// After that it is left between two reads, where no packet has come.
    private static let plannedPatience: Duration = .milliseconds(200)
    /// An origin that is to be left is left in the middle of a packet once no more than this is in the buffer.
    private static let shortReserve: Duration = .milliseconds(100)
    /// While media is awaited, who could be asked is looked at so often at the least.
    private static let longestLook: Duration = .milliseconds(500)
    /// Looks come no faster than this, so that no wait becomes a busy loop.
    private static let shortestLook: Duration = .milliseconds(2)
    /// How often who could be asked is looked at while media comes.
    private static let lookInterval: Duration = .seconds(1)

    private var delivery: DeliveryWatch
    private var departure: Departure?
    /// The origin to be asked first, once the departure was taken.
    private var target: OriginID?
    /// The origin that is being made ready, and what came of it where that is told.
    private var preparing: OriginID?
    private var preparation: Preparation?
    /// A session ahead of need is wanted, only while it may be needed soon.
    package private(set) var wantsSession = false
    /// Origins that hold other bytes, so that nothing can be made ready there.
    private var unprepared: Set<OriginID> = []
    private var lastAlternates = Instant(nanoseconds: 0)
    /// An ingest is read.
    private var isReading = false
    /// Of the flows of the output, in words.
    private var flows: [String] = []
    private var orders: [StreamMachine.Order] = []

    /// - Parameters:
    ///   - origins: how many there may be.
    ///   - bound: silence that is borne where no buffer hides it.
    init(origins: Int, bound: Duration) { delivery = DeliveryWatch(origins: origins, bound: bound) }

    /// How long handoffs take.
    package var times: HandoffTimes { delivery.times }
    /// The origin that is played brings too little.
    package var isTooSlow: Bool { delivery.isTooSlow }
    /// Why it is to be left, if it is.
    package var event: ChangeEvent? { departure?.event }

    mutating func takeOrders() -> [StreamMachine.Order] {
        guard !orders.isEmpty else { return [] }
        defer { orders = [] }
        return orders
    }

    // MARK: - What is read

    /// - Parameters:
    ///   - isRealtime: as in `DeliveryWatch`.
    ///   - flows: in words, and whether each may be silent for as long as it likes.
    mutating func reads(isRealtime: Bool, flows now: [(name: String, isSparse: Bool)]) {
        flows = now.map(\.name)
        delivery.isRealtime = isRealtime
        delivery.flowsAre(isSparse: now.map(\.isSparse), bounds: .realtimeFlow)
    }

    /// An ingest is read, or none.
    mutating func isRead(_ isRead: Bool) { isReading = isRead }

    mutating func flowEnded(_ flow: Int, at now: Instant) { delivery.flowEnded(flow, at: now) }

    // MARK: - Waiting

    mutating func awaits(_ scene: Scene, _ handoff: inout HandoffController) {
        delivery.waitBegan(at: scene.now, level: scene.sight.level)
        carryOut(scene, &handoff)
    }

    /// - Parameters:
    ///   - isInBuffer: what came before is in the buffer, so that the level tells something.
    ///   - trickle: bytes that make no packet yet.
    mutating func arrived(isInBuffer: Bool, _ trickle: Delivery?, _ scene: Scene, _ handoff: inout HandoffController) {
        // Before a key frame comes the level is always low, whatever it says of the origin.
        let level = isInBuffer && !scene.sight.isBackward ? scene.sight.level : nil
        delivery.arrived(at: scene.now, level: level)
        if let trickle { received(trickle, at: scene.now) }
        carryOut(scene, &handoff)
    }

    mutating func awaitsNothing(_ scene: Scene, _ handoff: inout HandoffController) {
        delivery.waitEnded(at: scene.now)
        carryOut(scene, &handoff)
    }

    /// The origin was to be left, and media came.
    mutating func stays(at now: Instant) { delivery.stays(at: now) }

    /// While media is awaited: when to look for a reason to leave.
    func nextLook(_ level: Duration?, at now: Instant) -> Instant {
        guard let departure else {
            return max(now + Self.shortestLook, min(delivery.nextMoment, now + Self.longestLook))
        }
        return departure.isPlanned ? latest(departure, level, at: now) : Instant(nanoseconds: 0)
    }

    /// When it is left in the middle of a packet: whoever is proven already can go on there at once.
    private func latest(_ departure: Departure, _ level: Duration?, at now: Instant) -> Instant {
        if preparation == .ready { return departure.since }
        let patient = departure.since + Self.plannedPatience
        return level.map { min(patient, now + max(.zero, $0 - Self.shortReserve)) } ?? patient
    }

    /// Media has been awaited for a while.
    ///
    /// - Returns: why the origin is to be left now, and whether that is the silence of all flows.
    mutating func looked(
        _ scene: Scene, _ handoff: inout HandoffController
    ) -> (event: ChangeEvent, isSilence: Bool)? {
        lookForAlternates(scene, &handoff)
        if let level = scene.sight.level {
            delivery.playing(at: scene.now, level: level)
        } else {
            delivery.timePassed(at: scene.now)
        }
        carryOut(scene, &handoff)
        // What is planned is done between two packets, as long as packets come.
        if let departure, departure.isPlanned, scene.now < latest(departure, scene.sight.level, at: scene.now) {
            return nil
        }
        guard let departure = departure.take() else { return nil }
        target = departure.target
        return (departure.event, departure.isSilence)
    }

    /// The origin is left for the reason that was kept, between two packets.
    mutating func takeEvent() -> ChangeEvent? {
        guard let departure = departure.take() else { return nil }
        target = departure.target
        return departure.event
    }

    /// The origin to be asked first, where the one before was left for what it delivers. Once.
    mutating func takeTarget() -> OriginID? { target.take() }

    /// The origin is left for something else.
    mutating func forget() { departure = nil }

    // MARK: - Media

    /// A batch of the flows of a set, a bit for each, is in the buffer.
    mutating func delivered(_ media: Delivery, flows: UInt64, _ scene: Scene, _ handoff: inout HandoffController) {
        var flows = flows
        while flows != 0 {
            delivery.flowArrived(flows.trailingZeroBitCount, at: scene.now)
            flows &= flows - 1
        }
        delivery.checkFlows(at: scene.now, level: media.level)
        received(media, at: scene.now)
        if scene.now - lastAlternates > Self.lookInterval { lookForAlternates(scene, &handoff) }
        delivery.timePassed(at: scene.now)
        carryOut(scene, &handoff)
        if let remark = delivery.takeRemark() { orders.append(.remark(media.origin, remark)) }
    }

    private mutating func received(_ media: Delivery, at now: Instant) {
        if let learned = media.learned { delivery.learned(bytes: learned.bytes, media: learned.media) }
        delivery.received(
            bytes: media.received, unpacked: media.unpacked, inOrder: media.inOrder, level: media.level,
            reached: media.reached, isFull: media.isFull, from: media.origin, at: now)
    }

    /// The viewer has asked for something: what was seen of the delivery says nothing of what comes.
    mutating func interrupted(at now: Instant) { delivery.interrupted(at: now) }

    // MARK: - Handoffs

    /// Another origin delivers, or bytes of another go on.
    ///
    /// - Returns: how it came to that, where the watch has led to it.
    mutating func joined(
        _ cost: HandoffCost, of origin: OriginID, _ scene: Scene, _ handoff: inout HandoffController
    ) -> DeadlineRecord? {
        letGo()
        delivery.measured(origin, opening: cost.opening, media: cost.media, hot: cost.hot)
        delivery.joined(at: scene.now)
        (departure, target) = (nil, nil)
        let records = delivery.takeRecords()
        lookForAlternates(scene, &handoff)
        return records.last { $0.outcome == .joined }
    }

    // MARK: - Who would be next

    /// Tells the watch who could be asked now.
    private mutating func lookForAlternates(_ scene: Scene, _ handoff: inout HandoffController) {
        lastAlternates = scene.now
        // While a handoff is under way, nobody is looked for.
        guard var found = handoff.promising(at: scene.now) else { return }
        let ready = scene.sight.ready
        // An origin that stands ready now is worth a handoff, however often it failed before.
        if let now = ready.hot ?? ready.session ?? ready.bytes, !found.contains(now), now != handoff.current {
            found.append(now)
        }
        var alternates = found.map { alternate in
            // Bytes are proven at one place, which is left behind as more of them come.
            DeliveryWatch.Alternate(
                alternate, canPrepare: canPrepare(alternate, scene),
                keepsBriefly: !scene.origins[alternate.index].preparesSession, isHot: alternate == ready.hot,
                // Read from already, it has no burst left to send large pieces with.
                wait: alternate == ready.beside ? ready.piece ?? .zero : .zero)
        }
        // What delivers already is asked before the others.
        if let index = alternates.firstIndex(where: \.isHot) { alternates.insert(alternates.remove(at: index), at: 0) }
        delivery.alternatesAre(alternates, at: scene.now)
    }

    private func canPrepare(_ id: OriginID, _ scene: Scene) -> Bool {
        let origin = scene.origins[id.index]
        if unprepared.contains(id) || scene.sight.ready.beside == id || origin.isReadOnce { return false }
        return origin.preparesSession || scene.sight.mayPrepareBytes
    }

    /// An origin holds other bytes than the one that is played.
    mutating func holdsOtherBytes(_ origin: OriginID) { unprepared.insert(origin) }
    package func mayHoldBytes(_ origin: OriginID) -> Bool { !unprepared.contains(origin) }

    // MARK: - Preparing

    /// An origin was tried beside the one that is waited for.
    mutating func prepared(
        _ origin: OriginID, _ result: Preparation, _ scene: Scene, _ handoff: inout HandoffController
    ) {
        guard preparing == origin else { return }
        preparation = result
        carryOut(scene, &handoff)
    }

    mutating func preparationIsStale(_ scene: Scene, _ handoff: inout HandoffController) {
        (preparing, preparation) = (nil, nil)
        delivery.preparationIsStale(at: scene.now)
        carryOut(scene, &handoff)
    }

    /// What was prepared is not needed.
    mutating func letGo() {
        if preparing != nil || preparation != nil { orders.append(.letGo) }
        (preparing, preparation) = (nil, nil)
        if wantsSession {
            wantsSession = false
            orders.append(.wantsSession(false))
        }
    }

    private mutating func carryOut(_ scene: Scene, _ handoff: inout HandoffController) {
        var wanted = delivery.takeOrders()
        while !wanted.isEmpty || preparing != nil {
            for order in wanted {
                switch order {
                case .prepare(let origin): prepare(origin, scene)
                case .letGo: letGo()
                case .leave(let reason):
                    guard isReading, let current = handoff.current else { continue }
                    departure = Departure(
                        event: event(reason, scene.origins[current.index].name), target: reason.target,
                        isSilence: reason.isSilence, since: scene.now)
                }
            }
            lookAtPreparation(scene, &handoff)
            wanted = delivery.takeOrders()
            if wanted.isEmpty { break }
        }
        for record in delivery.takeRecords() where record.outcome == .recovered && isReading {
            orders.append(.recovered(record))
        }
    }

    private mutating func prepare(_ origin: OriginID, _ scene: Scene) {
        preparing = origin
        guard scene.origins[origin.index].preparesSession else {
            preparation = nil
            return orders.append(.prepare(origin))
        }
        wantsSession = true
        orders.append(.wantsSession(true))
    }

    /// Has what is being prepared become ready?
    private mutating func lookAtPreparation(_ scene: Scene, _ handoff: inout HandoffController) {
        guard let origin = preparing else { return }
        if scene.origins[origin.index].preparesSession {
            guard scene.sight.ready.session == origin else { return }
            preparing = nil
            return delivery.prepared(at: scene.now)
        }
        switch preparation {
        case nil: return
        case .ready: delivery.prepared(at: scene.now)
        case .differs:
            unprepared.insert(origin)
            delivery.preparationFailed(at: scene.now)
        case .undelivered(let event):
            orders.append(.letGo)
            handoff.preparationFailed(event, on: origin, at: scene.now, jitter: scene.chance())
            delivery.preparationFailed(at: scene.now)
            lookForAlternates(scene, &handoff)
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
                detail: "\(url): \(flow < flows.count ? flows[flow] : "a flow") is silent for "
                    + "\(time.wholeNanoseconds / 1_000_000) ms while others run")
        case .slow(let forecast, _): ChangeEvent(cause: .overloaded, detail: "\(url) \(forecast)")
        }
    }
}

extension OriginWatch {
    /// What is around the watch at one moment.
    struct Scene {
        let now: Instant
        let sight: Sight
        let origins: [StreamMachine.Origin]
        let chance: @Sendable () -> Double
    }
}

/// What a handoff took.
package struct HandoffCost: Hashable, Sendable {
    /// Until the origin was set up; nil where that was done ahead.
    package var opening: Duration?
    /// From when the origin was set up until its media came; nil where that was not waited for.
    package var media: Duration?
    /// The whole handoff, where the origin delivered already.
    package var hot: Duration?

    package init(opening: Duration? = nil, media: Duration? = nil, hot: Duration? = nil) {
        self.opening = opening
        self.media = media
        self.hot = hot
    }
}

extension DeliveryWatch.Reason {
    fileprivate var isSilence: Bool { if case .silence = self { true } else { false } }
    fileprivate var target: OriginID? { if case .slow(_, let target) = self { target } else { nil } }
}
