/// Watches what the origin that delivers delivers, and says when it is to be left: facts and the time in, orders out.
///
/// Three judges look at the same arrivals: `DeadlinePolicy` at silence, `FlowSilenceWatcher` at one flow among others, and
/// `DeliveryForecast` at delivery that is too slow. What they find meets in the deadline policy, which alone decides, by
/// what the buffer holds and by what a handoff to the next origin is expected to take (`HandoffTimes`).
///
/// Whoever runs it tells facts as they come, calls `timePassed` at `nextMoment`, and carries out what `takeOrders` gives.
package struct DeliveryWatch: Sendable {
    package enum Order: Hashable, Sendable {
        /// Make this origin ready.
        case prepare(OriginID)
        /// Leave the origin that delivers.
        case leave(Reason)
        /// What was made ready is not needed any more.
        case letGo
    }

    /// Why an origin is to be left.
    package enum Reason: Hashable, Sendable {
        /// Nothing came for so long.
        case silence(Duration)
        /// Nothing came of one flow for so long.
        case flow(Int, Duration)
        /// Too little comes. The target has a better prospect.
        case slow(DeliveryForecast.Forecast, target: OriginID?)
    }

    /// An origin that could be asked next.
    package struct Alternate: Hashable, Sendable {
        package let origin: OriginID
        package let canPrepare: Bool
        /// As in `DeadlinePolicy.Alternate`.
        package let keepsBriefly: Bool
        /// It delivers already, and there is nothing to prepare.
        package let isHot: Bool
        /// How long it takes, beyond a handoff, until more of all flows has come: it sends large pieces, and has no burst
        /// to send them with, since it is being read from already.
        package let wait: Duration

        package init(
            _ origin: OriginID, canPrepare: Bool, keepsBriefly: Bool = false, isHot: Bool = false,
            wait: Duration = .zero
        ) {
            self.wait = wait
            self.origin = origin
            self.canPrepare = canPrepare && !isHot
            self.keepsBriefly = keepsBriefly
            self.isHot = isHot
        }
    }

    /// While delivery is slow and nobody better can be had, the others are weighed again so often.
    package static let reviewInterval: Duration = .seconds(5)

    private var policy: DeadlinePolicy
    private var flows: FlowSilenceWatcher
    private var forecast: DeliveryForecast
    /// How long handoffs take.
    package private(set) var times: HandoffTimes
    private var rates: DeliveryRates
    private var alternates: [Alternate] = []
    private var next: Alternate?
    /// Of the forecast that was told last: who has a better prospect.
    private var target: OriginID?
    private var reviewAt = Instant.never
    private var orders: [Order] = []
    /// Flows that are silent, each with the last that came of it.
    private var silentFlows: [Int: Instant] = [:]
    /// When the wait for bytes began; nil while none are wanted.
    private var waitingSince: Instant?
    /// What is to be said of slow delivery that nobody else could better; told once for each stretch of it.
    private var remark: String?
    private var hasRemarked = false

    /// - Parameters:
    ///   - origins: how many there are.
    ///   - bound: silence that is borne where no buffer hides it.
    package init(origins: Int, bound: Duration) {
        policy = DeadlinePolicy(settings: DeadlinePolicy.Settings(bound: bound))
        flows = FlowSilenceWatcher(isSparse: [])
        forecast = DeliveryForecast()
        times = HandoffTimes(origins: origins)
        rates = DeliveryRates(origins: origins)
    }

    /// The origin delivers no faster than is played: what a handoff takes from the buffer does not come back.
    package var isRealtime: Bool {
        get { policy.settings.keepsBuffer }
        set { policy.settings.keepsBuffer = newValue }
    }

    // MARK: - Silence

    /// Bytes are wanted from now on, and must be waited for.
    ///
    /// - Parameter level: time until the media in the buffer is used up; nil where nothing is due at any time.
    package mutating func waitBegan(at now: Instant, level: Duration?) {
        if waitingSince == nil { waitingSince = now }
        take(policy.waitBegan(at: now, level: level), at: now)
    }

    /// While bytes are waited for: media is due now, which may have begun in the middle of the wait.
    package mutating func playing(at now: Instant, level: Duration) {
        take(policy.playing(at: now, level: level), at: now)
    }

    /// Bytes came, and no more are wanted for now.
    ///
    /// - Parameter level: as above, with what came; nil also where it is not known yet.
    package mutating func arrived(at now: Instant, level: Duration?) {
        waitingSince = nil
        take(policy.arrived(at: now, level: level), at: now)
    }

    /// Nothing is wanted for now.
    package mutating func waitEnded(at now: Instant) {
        waitingSince = nil
        take(policy.waitEnded(at: now), at: now)
    }

    /// How long the wait for bytes has lasted.
    package func silence(at now: Instant) -> Duration { waitingSince.map { now - $0 } ?? .zero }

    // MARK: - One flow among others

    /// - Parameters:
    ///   - isSparse: for each flow, whether it may be silent for as long as it likes.
    ///   - bounds: what is suspicious of one that may not.
    package mutating func flowsAre(isSparse: [Bool], bounds: ArrivalRhythm.Bounds) {
        flows = FlowSilenceWatcher(isSparse: isSparse, bounds: bounds)
        silentFlows = [:]
    }

    package mutating func flowArrived(_ flow: Int, at now: Instant) {
        guard flows.arrived(flow, at: now) else { return }
        silentFlows[flow] = nil
        take(policy.flowCameBack(flow, at: now), at: now)
    }

    package mutating func flowEnded(_ flow: Int, at now: Instant) {
        flows.ended(flow)
        guard silentFlows.removeValue(forKey: flow) != nil else { return }
        take(policy.flowCameBack(flow, at: now), at: now)
    }

    /// Looks for flows that are silent.
    ///
    /// - Parameter level: as above.
    package mutating func checkFlows(at now: Instant, level: Duration?) {
        // Where nobody else has it, the others go on.
        guard next != nil, flows.nextCheck <= now else { return }
        for silence in flows.check(at: now) {
            silentFlows[silence.flow] = silence.since
            take(policy.flowFellSilent(silence, level: level, at: now), at: now)
        }
    }

    // MARK: - Slow delivery

    /// Media came and is in the buffer.
    ///
    /// - Parameters:
    ///   - unpacked: as in `DeliveryForecast`, as is `inOrder`.
    ///   - level: time until the media in the buffer is used up.
    ///   - reached: up to where the flows came on the average.
    ///   - isFull: the buffer holds so much that the origin keeps up.
    package mutating func received(
        bytes: Int, unpacked: Int, inOrder: Bool = false, level: Duration, reached: Duration, isFull: Bool,
        from origin: OriginID,
        at now: Instant
    ) {
        // Where one flow lags, that is no slowness of all.
        if flows.hasLaggard(at: now) { return forecast.suspended() }
        let news =
            isFull
            ? forecast.bufferIsFull(
                bytes: bytes, unpacked: unpacked, inOrder: inOrder, level: level, reached: reached, at: now)
            : forecast.received(
                bytes: bytes, unpacked: unpacked, inOrder: inOrder, level: level, reached: reached, at: now)
        if isFull, reviewAt == .never { rates.measured(1000, of: origin, at: now) }
        switch news {
        case .slow: weigh(origin, at: now)
        case .recovered:
            (reviewAt, target, hasRemarked) = (.never, nil, false)
            take(policy.deliveryRecovered(at: now), at: now)
        case nil: if now >= reviewAt { weigh(origin, at: now) }
        }
    }

    /// Tells the forecast how many bytes of the stream stand for how much media (`DeliveryForecast.learned`).
    package mutating func learned(bytes: Int, media: Duration) { forecast.learned(bytes: bytes, media: media) }

    /// Whether somebody else has a better prospect than the origin that is slow.
    private mutating func weigh(_ origin: OriginID, at now: Instant) {
        guard let found = forecast.forecast else { return }
        reviewAt = now + Self.reviewInterval
        rates.measured(found.ratio, of: origin, at: now)
        let verdict = rates.verdict(rate: found.ratio, others: alternates.map(\.origin), at: now)
        if case .move(let better) = verdict {
            target = better
            if let alternate = alternates.first(where: { $0.origin == better }) { choose(alternate, at: now) }
            take(policy.deliveryIsSlow(dryAt: found.dryAt, level: found.level, at: now), at: now)
        } else if !hasRemarked {
            hasRemarked = true
            remark = "\(found.description); \(verdict.description)"
        }
    }

    /// The origin brings too little, and somebody has a better prospect.
    package var isTooSlow: Bool { policy.isTooSlow }

    /// What is to be said of slow delivery, once.
    package mutating func takeRemark() -> String? { remark.take() }

    // MARK: - What is around it

    /// Pause, seek, another rate of playing: what was seen of the delivery says nothing of what comes.
    package mutating func interrupted(at now: Instant) {
        forecast.interrupted()
        flows.waitEnded()
        (reviewAt, target) = (.never, nil)
        for flow in silentFlows.keys.sorted() { take(policy.flowCameBack(flow, at: now), at: now) }
        silentFlows = [:]
        take(policy.deliveryRecovered(at: now), at: now)
        waitEnded(at: now)
    }

    /// Who could be asked now, the best first.
    package mutating func alternatesAre(_ now: [Alternate], at moment: Instant) {
        guard now != alternates else { return }
        alternates = now
        choose(now.first { $0.origin == target } ?? now.first, at: moment)
    }

    private mutating func choose(_ alternate: Alternate?, at now: Instant) {
        let isSame = alternate == next
        next = alternate
        let known = alternate.map {
            DeadlinePolicy.Alternate(
                cold: ($0.isHot ? times.hot($0.origin) : times.cold($0.origin)) + $0.wait,
                warm: ($0.isHot ? times.hot($0.origin) : times.warm($0.origin)) + $0.wait, canPrepare: $0.canPrepare,
                keepsBriefly: $0.keepsBriefly, delivers: $0.isHot)
        }
        if !isSame, isPreparing { orders.append(.letGo) }
        if !isSame { isPreparing = false }
        take(policy.alternateChanged(to: known, isSame: isSame, at: now), at: now)
    }

    /// An origin is being made ready, or is.
    private var isPreparing = false

    /// The origin of the last `.prepare` is ready.
    package mutating func prepared(at now: Instant) { take(policy.prepared(at: now), at: now) }

    package mutating func preparationFailed(at now: Instant) {
        isPreparing = false
        take(policy.preparationFailed(at: now), at: now)
    }

    /// What was made ready is of no use any more, through no fault of anybody.
    package mutating func preparationIsStale(at now: Instant) {
        guard isPreparing else { return }
        isPreparing = false
        let alternate = next
        next = nil
        choose(alternate, at: now)
    }

    /// An origin goes on, and took so long.
    ///
    /// - Parameters:
    ///   - opening: until it was set up; nil where that was done ahead.
    ///   - media: then, until media came.
    ///   - hot: all of it, where the origin delivered already.
    package mutating func measured(
        _ origin: OriginID, opening: Duration?, media: Duration?, hot: Duration? = nil
    ) {
        if let hot { times.measuredHot(hot, of: origin) }
        if let opening {
            times.measured(.connect, .zero, of: origin)
            times.measured(.open, opening, of: origin)
        }
        if let media { times.measured(.firstMedia, media, of: origin) }
    }

    /// Another origin delivers, or the same one anew.
    package mutating func joined(at now: Instant) {
        policy.joined(at: now)
        flows.originChanged()
        forecast.originChanged()
        silentFlows = [:]
        waitingSince = nil
        orders = []
        alternates = []
        isPreparing = false
        (next, target, remark, hasRemarked, reviewAt) = (nil, nil, nil, false, .never)
    }

    /// The handoff came to nothing, and the origin plays on; it was not read meanwhile.
    package mutating func stays(at now: Instant) {
        waitingSince = nil
        take(policy.handoffFailed(at: now), at: now)
    }

    package mutating func timePassed(at now: Instant) { take(policy.timePassed(at: now), at: now) }

    /// When `timePassed` is to be called; `.never` if not at all.
    package var nextMoment: Instant { orders.isEmpty ? policy.nextMoment : Instant(nanoseconds: 0) }

    /// What is to be done now, in this order. Once.
    package mutating func takeOrders() -> [Order] {
        guard !orders.isEmpty else { return [] }
        defer { orders = [] }
        return orders
    }

    /// The cases that are closed, the oldest first. They are told once.
    package mutating func takeRecords() -> [DeadlineRecord] { policy.takeRecords() }

    private mutating func take(_ new: [DeadlinePolicy.Order], at now: Instant) {
        for order in new {
            switch order {
            case .prepare:
                guard let next else { continue }
                isPreparing = true
                orders.append(.prepare(next.origin))
            case .commit(let sign): orders.append(.leave(reason(of: sign, at: now)))
            case .withdraw:
                // A handoff under way is not called off: whoever runs this does nothing else meanwhile.
                isPreparing = false
                orders.append(.letGo)
            }
        }
    }

    private func reason(of sign: DeadlinePolicy.Sign, at now: Instant) -> Reason {
        switch sign {
        case .silence, .lowBuffer: .silence(silence(at: now))
        case .flow(let flow): .flow(flow, silentFlows[flow].map { now - $0 } ?? .zero)
        case .slowDelivery:
            if let forecast = forecast.forecast { .slow(forecast, target: target) } else { .silence(silence(at: now)) }
        }
    }
}
