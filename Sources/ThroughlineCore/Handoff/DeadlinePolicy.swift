/// Decides when to prepare an alternate, and when to leave: facts and the time in, orders out.
///
/// The buffer holds B of media, and a handoff is expected to take H. As long as B is greater, waiting costs nothing, and
/// the origin may come back. So suspicion prepares an alternate early, and the origin is left late:
///
///     quiet --silence beyond the rhythm--> suspicious: .prepare --B falls to the reserve--> .commit --> joined
///       ^                                       |                                             |
///       '------- delivers again, .withdraw -----'---------------------------------------------'
///
/// The reserve is H times a margin. What is prepared has connecting and opening behind it: its H is shorter, and the
/// decision can wait longer. With a margin of 6/5, and an alternate that needs 150 ms to get ready and then 150 ms more:
///
/// | buffer | regular pause | prepares after | leaves after |
/// | --- | --- | --- | --- |
/// | 2 s | 40 ms | 100 ms | 1820 ms |
/// | 1 s | 40 ms | 100 ms | 820 ms |
/// | 1 s | 700 ms | 540 ms, as it is time | 850 ms: beyond its pauses, as long as that leaves H itself |
/// | 0.5 s | 400 ms | 100 ms, as it is time | 425 ms: the pause must pass at the least |
/// | 0.2 s | 40 ms | leaves at once | 100 ms |
///
/// At the latest it leaves when the buffer is dry, unless the silence is shorter than any that says something. Where
/// nobody else can be asked, it leaves (to ask the same origin anew) once the buffer has been dry for the bound.
///
/// The runner tells facts as they come and calls `timePassed` at `nextMoment`. Each call returns the orders to carry out
/// now, mostly none.
package struct DeadlinePolicy: Sendable {
    /// What threatens to run the buffer dry.
    package enum Sign: Hashable, Sendable {
        /// Nothing comes from the origin.
        case silence
        /// Nothing comes of one flow, while others run.
        case flow(Int)
        /// Too little comes.
        case slowDelivery
        /// Nothing; but the buffer no longer holds what a handoff without preparation needs.
        case lowBuffer

        /// Of those that began at once, which is told first.
        fileprivate var rank: Int {
            switch self {
            case .silence: -3
            case .slowDelivery: -2
            case .lowBuffer: -1
            case .flow(let index): index
            }
        }
    }

    package enum Order: Hashable, Sendable {
        /// Connect to the alternate and set it up; `prepared` or `preparationFailed` tells how it went.
        case prepare
        /// Hand off; `joined` or `handoffFailed` tells how it went.
        case commit(Sign)
        /// The origin delivers again: let the alternate go, or call the handoff off if it has not joined yet.
        case withdraw
    }

    /// The origin that would be asked next.
    package struct Alternate: Hashable, Sendable {
        /// Expected time of a handoff without preparation.
        package var cold: Duration
        /// Expected time of a handoff once it is prepared.
        package var warm: Duration
        package var canPrepare: Bool
        /// What is prepared is of use for a moment only: it is not prepared for a buffer that is merely low.
        package var keepsBriefly: Bool
        /// It delivers already, beside the origin that is played.
        package var delivers: Bool

        package init(
            cold: Duration, warm: Duration, canPrepare: Bool, keepsBriefly: Bool = false, delivers: Bool = false
        ) {
            self.cold = max(.zero, cold)
            self.warm = min(max(.zero, warm), self.cold)
            self.canPrepare = canPrepare
            self.keepsBriefly = keepsBriefly
            self.delivers = delivers
        }

        func canPrepare(for sign: Sign) -> Bool {
            canPrepare && (!keepsBriefly || sign == .silence || sign == .slowDelivery)
        }
    }

    package struct Settings: Sendable {
        /// The reserve is the time of a handoff times this; 1 at the least.
        package var margin: Rate
        /// Bounds of the reserve.
        package var leastReserve: Duration
        package var mostReserve: Duration
        /// Silence that is borne where no buffer hides it, and beyond the buffer where nobody else can be asked.
        package var bound: Duration
        /// How long the origin must deliver before an alternate is let go; a buffer must be as long low to prepare one.
        package var calm: Duration
        /// What is taken from the buffer does not come back: one and a half times what a handoff takes that was not prepared
        /// is left in it, even where it was.
        package var keepsBuffer = false
        /// Of suspicion.
        package var rhythm: ArrivalRhythm.Bounds

        package init(
            margin: Rate = Rate(6, 5), leastReserve: Duration = .milliseconds(50),
            mostReserve: Duration = .seconds(2), bound: Duration = .seconds(1), calm: Duration = .seconds(2),
            rhythm: ArrivalRhythm.Bounds = .connection
        ) {
            self.margin = max(.normal, margin)
            self.leastReserve = max(.zero, leastReserve)
            self.mostReserve = max(self.leastReserve, mostReserve)
            self.bound = max(.milliseconds(50), bound)
            self.calm = max(.milliseconds(50), calm)
            self.rhythm = rhythm
        }
    }

    private struct Threat: Sendable {
        let since: Instant
        /// When the buffer will be dry; nil where nothing is due at any time.
        var dryAt: Instant?
        let usualPause: Duration?
        /// As long as that it may be silent even if that leaves too little for a handoff.
        let regularPause: Duration?
        let suspicionAt: Instant
        /// So much media lasts for so long, where some more comes meanwhile.
        var drain: (media: Duration, time: Duration)?
        var isSuspicious = false

        /// Nothing hides it.
        var isBare: Bool { dryAt.map { $0 <= since } ?? true }
        func level(at now: Instant) -> Duration? {
            dryAt.map { dryAt in
                let time = max(.zero, dryAt - now)
                guard let drain, drain.time > .zero else { return time }
                return .nanoseconds(
                    time.wholeNanoseconds.scaled(
                        by: drain.media.wholeNanoseconds, over: drain.time.wholeNanoseconds) ?? time.wholeNanoseconds)
            }
        }
        /// How long so much media lasts.
        func duration(of media: Duration) -> Duration {
            guard let drain, drain.media > .zero else { return media }
            return .nanoseconds(
                media.wholeNanoseconds.scaled(
                    by: drain.time.wholeNanoseconds, over: drain.media.wholeNanoseconds) ?? .max / 4)
        }
    }

    private enum Standby: Sendable {
        case none
        case preparing(since: Instant)
        case ready
        /// May be tried again at a moment that is later with each failure.
        case failed(until: Instant)
    }

    /// Records that are kept until they are taken.
    package static let recordLimit = 100
    /// Preparation that failed is tried again after this, then twice as long, up to a minute.
    package static let firstRetry: Duration = .seconds(1)

    package var settings: Settings
    package private(set) var rhythm: ArrivalRhythm
    /// What is going on; nil while nothing is suspicious.
    package private(set) var record: DeadlineRecord?
    private var finished: [DeadlineRecord] = []
    private var alternate: Alternate?
    private var threats: [Sign: Threat] = [:]
    private var standby: Standby = .none
    private var failedPreparations = 0
    private var isCommitted = false
    private var commitNotBefore: Instant?
    /// Since when nothing is suspicious.
    private var calmSince: Instant?
    /// Since when arrivals leave the buffer low.
    private var lowSince: Instant?
    /// When the buffer would be dry after the last arrival.
    private var lastDryAt: Instant?
    /// The last moment that was decided on.
    private var settledAt = Instant(nanoseconds: .min)

    package init(settings: Settings = Settings()) {
        self.settings = settings
        rhythm = ArrivalRhythm(bounds: settings.rhythm)
    }

    // MARK: - Facts

    /// Who would be asked next, and how long that is expected to take; nil when there is nobody.
    ///
    /// - Parameter isSame: the same origin as before, with other expectations: what was prepared of it stays so.
    package mutating func alternateChanged(to next: Alternate?, isSame: Bool = false, at now: Instant) -> [Order] {
        if !isSame || next == nil {
            standby = .none
            failedPreparations = 0
        }
        alternate = next.map {
            // What takes longer is begun no earlier for that.
            let most = settings.mostReserve * Int(settings.margin.denominator) / Int(settings.margin.numerator)
            var bounded = $0
            (bounded.cold, bounded.warm) = (min($0.cold, most), min($0.warm, most))
            return bounded
        }
        return settle(at: now)
    }

    /// Bytes are wanted from now on. Nothing changes where that is so already.
    ///
    /// - Parameter level: time until the media in the buffer is used up; nil where nothing is due at any time.
    package mutating func waitBegan(at now: Instant, level: Duration?) -> [Order] {
        guard rhythm.waitingSince == nil else { return settle(at: now) }
        rhythm.waitBegan(at: now)
        threats[.silence] = Threat(
            since: now, dryAt: level.map { now + max(.zero, $0) }, usualPause: rhythm.usualPause,
            regularPause: rhythm.regularPause, suspicionAt: rhythm.suspicionBegins)
        return settle(at: now)
    }

    /// The stream has begun to be played: from now on media is due, and the buffer is used up.
    package mutating func playing(at now: Instant, level: Duration) -> [Order] {
        for (sign, threat) in threats where threat.dryAt == nil { threats[sign]?.dryAt = now + max(.zero, level) }
        return settle(at: now)
    }

    /// Bytes came, and no more are wanted for now.
    ///
    /// - Parameter level: as above, with what came.
    package mutating func arrived(bytes: Int = 1, at now: Instant, level: Duration?) -> [Order] {
        guard bytes > 0 else { return settle(at: now) }
        rhythm.arrived(bytes: bytes, at: now)
        threats[.silence] = nil
        lastDryAt = level.map { now + max(.zero, $0) }
        if let level, let alternate, alternate.canPrepare(for: .lowBuffer), level < lowMark(alternate) {
            if lowSince == nil { lowSince = now }
        } else {
            lowSince = nil
        }
        return settle(at: now)
    }

    /// Nothing is wanted for now: the buffer is full, or the viewer pauses.
    package mutating func waitEnded(at now: Instant) -> [Order] {
        forgetWaits()
        return settle(at: now)
    }

    /// A flow is silent while others run.
    ///
    /// - Parameter level: time until what the buffer holds of this flow is used up.
    package mutating func flowFellSilent(
        _ silence: FlowSilenceWatcher.Silence, level: Duration?, at now: Instant
    ) -> [Order] {
        threats[.flow(silence.flow)] = Threat(
            since: silence.since, dryAt: level.map { now + max(.zero, $0) }, usualPause: silence.threshold * 4 / 5,
            regularPause: nil, suspicionAt: now)
        return settle(at: now)
    }

    package mutating func flowCameBack(_ flow: Int, at now: Instant) -> [Order] {
        threats[.flow(flow)] = nil
        return settle(at: now)
    }

    /// The origin delivers too slowly, and an alternate has a better prospect. May be told again with a better forecast.
    ///
    /// - Parameter level: media in the buffer; it goes more slowly than time, since some more comes.
    package mutating func deliveryIsSlow(dryAt: Instant, level: Duration, at now: Instant) -> [Order] {
        let old = threats[.slowDelivery]
        threats[.slowDelivery] = Threat(
            since: old?.since ?? now, dryAt: max(now, dryAt), usualPause: nil, regularPause: nil,
            suspicionAt: old?.suspicionAt ?? now, drain: (max(.zero, level), max(level, dryAt - now)),
            isSuspicious: old?.isSuspicious ?? false)
        return settle(at: now)
    }

    package mutating func deliveryRecovered(at now: Instant) -> [Order] {
        threats[.slowDelivery] = nil
        return settle(at: now)
    }

    package var isTooSlow: Bool { threats[.slowDelivery] != nil }

    package mutating func prepared(at now: Instant) -> [Order] {
        guard case .preparing = standby else { return settle(at: now) }
        standby = .ready
        failedPreparations = 0
        let stamp = stamp(at: now)
        record?.prepared = stamp
        return settle(at: now)
    }

    /// It could not be prepared, or what was prepared is lost.
    package mutating func preparationFailed(at now: Instant) -> [Order] {
        failedPreparations = min(failedPreparations + 1, 7)
        let wait = min(Self.firstRetry * (1 << (failedPreparations - 1)), .seconds(60))
        standby = .failed(until: now + wait)
        return settle(at: now)
    }

    /// Another origin delivers, for whatever reason. Nothing is known of it, nor of who would be next.
    package mutating func joined(at now: Instant) {
        close(.joined, at: now)
        rhythm.originChanged()
        threats = [:]
        standby = .none
        failedPreparations = 0
        alternate = nil
        isCommitted = false
        (commitNotBefore, calmSince, lowSince, lastDryAt) = (nil, nil, nil, nil)
    }

    /// The handoff came to nothing, and the origin is still there. Nobody has read it meanwhile: that nothing came says
    /// nothing of it.
    package mutating func handoffFailed(at now: Instant) -> [Order] {
        forgetWaits()
        guard isCommitted else { return settle(at: now) }
        isCommitted = false
        standby = .none
        commitNotBefore = now + settings.bound
        close(.failed, at: now)
        threats[.slowDelivery]?.isSuspicious = false
        return settle(at: now)
    }

    private mutating func forgetWaits() {
        rhythm.waitEnded()
        threats = threats.filter { $0.key == .slowDelivery }
    }

    package mutating func timePassed(at now: Instant) -> [Order] { settle(at: now) }

    // MARK: - Telling

    /// When `timePassed` is to be called; `.never` if not at all.
    package var nextMoment: Instant {
        var next = Instant.never
        for (sign, threat) in threats {
            if !threat.isSuspicious { next = min(next, suspicion(sign, threat)) }
            if !isCommitted {
                next = min(next, commitment(sign, threat, at: settledAt))
                next = min(next, preparation(sign, threat))
            }
        }
        if !isCommitted, let lowSince, let alternate, alternate.canPrepare(for: .lowBuffer), case .none = standby {
            next = min(next, lowSince + settings.calm)
        }
        if !isCommitted, let calmSince, lowSince == nil, isHolding { next = min(next, calmSince + settings.calm) }
        return next
    }

    /// The cases that are closed, the oldest first. They are told once.
    package mutating func takeRecords() -> [DeadlineRecord] {
        defer { finished = [] }
        return finished
    }

    /// When the origin will be left if nothing comes until then; `.never` where that is not in sight.
    package func commitment(at now: Instant) -> Instant {
        isCommitted ? now : threats.map { commitment($0.key, $0.value, at: now) }.min() ?? .never
    }

    // MARK: - Deciding

    private var isHolding: Bool {
        if record != nil { return true }
        switch standby {
        case .preparing, .ready: return true
        case .none, .failed: return false
        }
    }

    private mutating func settle(at now: Instant) -> [Order] {
        settledAt = now
        let suspects = threats.filter { sign, threat in
            !threat.isSuspicious && (suspicion(sign, threat) <= now || commitment(sign, threat, at: now) <= now)
        }
        for (sign, threat) in suspects.sorted(by: Self.isOlder) {
            threats[sign]?.isSuspicious = true
            noteSuspicion(sign, threat, at: now)
        }
        let isSuspicious = threats.values.contains(where: \.isSuspicious)
        calmSince = isSuspicious ? nil : calmSince ?? now
        if isCommitted { return isSuspicious ? [] : callOff(at: now) }
        if isSuspicious,
            let sign = threats.filter({ commitment($0.key, $0.value, at: now) <= now }).min(by: Self.isOlder)?.key
        {
            return commit(sign, at: now)
        }
        if wantsPreparation(at: now) {
            standby = .preparing(since: now)
            let stamp = stamp(at: now)
            if record == nil {
                let since = lowSince ?? now
                record = DeadlineRecord(
                    sign: .lowBuffer, since: since, usualPause: rhythm.usualPause, threshold: settings.calm,
                    suspected: stamp)
            }
            if record?.preparation == nil { record?.preparation = stamp }
            return [.prepare]
        }
        if isHolding, lowSince == nil, let calmSince, now - calmSince >= settings.calm { return letGo(at: now) }
        return []
    }

    /// The order of what threatens; never that of a hash, which differs from process to process.
    private static func isOlder(_ a: (key: Sign, value: Threat), than b: (key: Sign, value: Threat)) -> Bool {
        (a.value.since, a.key.rank) < (b.value.since, b.key.rank)
    }

    private mutating func noteSuspicion(_ sign: Sign, _ threat: Threat, at now: Instant) {
        if record != nil {
            record?.suspicions += 1
        } else {
            record = DeadlineRecord(
                sign: sign, since: threat.since, usualPause: threat.usualPause,
                threshold: suspicion(sign, threat) - threat.since,
                suspected: .init(at: now, level: threat.level(at: now)))
        }
    }

    private mutating func commit(_ sign: Sign, at now: Instant) -> [Order] {
        isCommitted = true
        let (stamp, expected, reserve) = (stamp(at: now), remaining(at: now), reserve(at: now))
        record?.commitment = stamp
        if alternate != nil {
            record?.expected = expected
            record?.reserve = reserve
        }
        return [.commit(sign)]
    }

    /// The threat is over before another origin has joined: stay, if there would be time for another handoff.
    private mutating func callOff(at now: Instant) -> [Order] {
        guard let alternate, let lastDryAt, lastDryAt - now > scaled(alternate.cold) else { return [] }
        isCommitted = false
        // Calling it off ends what was prepared.
        standby = .none
        if lowSince != nil { lowSince = now }
        let stamp = stamp(at: now)
        record?.withdrawal = stamp
        close(.recovered, at: now)
        return [.withdraw]
    }

    private mutating func letGo(at now: Instant) -> [Order] {
        var orders: [Order] = []
        switch standby {
        case .preparing, .ready:
            standby = .none
            let stamp = stamp(at: now)
            record?.withdrawal = stamp
            orders = [.withdraw]
        case .none, .failed: break
        }
        close(.recovered, at: now)
        return orders
    }

    private mutating func close(_ outcome: DeadlineRecord.Outcome, at now: Instant) {
        guard var record else { return }
        record.outcome = outcome
        record.ended = stamp(at: now)
        if finished.count >= Self.recordLimit { finished.removeFirst() }
        finished.append(record)
        self.record = nil
    }

    private func stamp(at now: Instant) -> DeadlineRecord.Stamp {
        let level = threats.values.compactMap { $0.level(at: now) }.min() ?? lastDryAt.map { max(.zero, $0 - now) }
        return .init(at: now, level: level)
    }

    // MARK: - Moments

    /// Beyond the rhythm, or when it is time to prepare.
    private func suspicion(_ sign: Sign, _ threat: Threat) -> Instant {
        min(threat.suspicionAt, lastCallToPrepare(sign, threat))
    }

    private func lastCallToPrepare(_ sign: Sign, _ threat: Threat) -> Instant {
        guard let alternate, alternate.canPrepare(for: sign), let dryAt = threat.dryAt, !threat.isBare else {
            return threat.suspicionAt
        }
        return max(threat.since + settings.rhythm.shortest, dryAt - lowMark(alternate))
    }

    private func preparation(_ sign: Sign, _ threat: Threat) -> Instant {
        guard let alternate, alternate.canPrepare(for: sign) else { return .never }
        switch standby {
        case .none: return suspicion(sign, threat)
        case .failed(let until): return max(until, suspicion(sign, threat))
        case .preparing, .ready: return .never
        }
    }

    private func wantsPreparation(at now: Instant) -> Bool {
        guard let alternate, alternate.canPrepare else { return false }
        if threats.contains(where: { preparation($0.key, $0.value) <= now }) { return true }
        guard alternate.canPrepare(for: .lowBuffer), case .none = standby, let lowSince else { return false }
        return now - lowSince >= settings.calm
    }

    /// Below this a cold handoff may come too late.
    private func lowMark(_ alternate: Alternate) -> Duration { scaled(alternate.cold) + settings.rhythm.shortest }

    /// When an origin is to be left, as things stand at `now`.
    private func commitment(_ sign: Sign, _ threat: Threat, at now: Instant) -> Instant {
        let moment = undelayedCommitment(sign, threat, at: now)
        return commitNotBefore.map { max($0, moment) } ?? moment
    }

    private func undelayedCommitment(_ sign: Sign, _ threat: Threat, at now: Instant) -> Instant {
        let shortest = threat.since + settings.rhythm.shortest
        let suspicious = max(shortest, threat.usualPause.map { threat.since + $0 * 5 / 4 } ?? shortest)
        let bound = threat.since + settings.bound
        guard let dryAt = threat.dryAt else { return max(bound, suspicious) }
        guard let alternate else {
            return sign == .slowDelivery ? .never : max(dryAt + settings.bound, shortest)
        }
        if threat.isBare { return threat.usualPause == nil ? bound : min(suspicious, bound) }
        if sign == .slowDelivery {
            // It will not get better by waiting, and what plays on meanwhile costs nothing.
            if case .ready = standby { return threat.since }
            if alternate.delivers { return threat.since }
            return dryAt - threat.duration(of: max(settings.leastReserve, scaled(alternate.cold)) * 2)
        }
        let moment = commitment(threat, dryAt, reserve: reserve(at: now), time: remaining(at: now))
        // While the alternate gets ready, the time it needs shrinks as fast as the buffer.
        guard case .preparing = standby, moment > now, !settings.keepsBuffer else { return moment }
        let reserve = max(settings.leastReserve, scaled(alternate.warm))
        return commitment(threat, dryAt, reserve: reserve, time: alternate.warm)
    }

    private func commitment(_ threat: Threat, _ dryAt: Instant, reserve: Duration, time: Duration) -> Instant {
        let moment = max(threat.since + settings.rhythm.shortest, dryAt - reserve)
        guard let pause = threat.regularPause else { return moment }
        // A quarter longer than usual; or, where that leaves too little, just longer.
        var patient = threat.since + pause * 5 / 4
        if patient > dryAt - time { patient = max(dryAt - time, threat.since + pause * 17 / 16) }
        return max(moment, min(patient, dryAt))
    }

    /// What is left to be done of a handoff.
    private func remaining(at now: Instant) -> Duration {
        guard let alternate else { return .zero }
        switch standby {
        case .ready: return alternate.warm
        case .preparing(let since): return alternate.warm + max(.zero, alternate.cold - alternate.warm - (now - since))
        case .none, .failed: return alternate.cold
        }
    }

    private func reserve(at now: Instant) -> Duration {
        guard let alternate else { return .zero }
        if settings.keepsBuffer { return max(settings.leastReserve, alternate.cold * 3 / 2) }
        switch standby {
        case .failed: return max(settings.leastReserve, scaled(alternate.cold))
        case .none where !alternate.canPrepare: return max(settings.leastReserve, scaled(alternate.cold))
        case .none, .preparing, .ready:
            // The margin is for what comes after the decision.
            return remaining(at: now) - alternate.warm + max(settings.leastReserve, scaled(alternate.warm))
        }
    }

    private func scaled(_ time: Duration) -> Duration {
        time * Int(settings.margin.numerator) / Int(settings.margin.denominator)
    }
}

extension DeadlinePolicy.Sign: CustomStringConvertible {
    package var description: String {
        switch self {
        case .silence: "silent"
        case .flow(let index): "flow \(index) silent"
        case .slowDelivery: "too slow"
        case .lowBuffer: "buffer low"
        }
    }
}

extension Instant {
    fileprivate static func - (a: Instant, b: Duration) -> Instant {
        let (difference, overflow) = a.nanoseconds.subtractingReportingOverflow(b.wholeNanoseconds)
        return overflow ? (a.nanoseconds < 0 ? Instant(nanoseconds: .min) : .never) : Instant(nanoseconds: difference)
    }
}
