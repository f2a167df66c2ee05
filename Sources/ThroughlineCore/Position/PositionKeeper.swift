/// Keeps both accounts of one flow, compares them, and says where the flow stands.
///
/// Timestamps are believed while they are sane. Where they are missing or broken, the ledger goes on from the last that
/// was believed; where no bandwidth is known or could be learnt from the timestamps so far, the clock does. They are
/// broken when they
/// - leap further than 10 s beyond what the ledger and the clock saw go by, or back by as much;
/// - stand still while the ledger counts on;
/// - go at a pace that ledger and clock, being of one mind, both contradict.
///
/// They are believed again when they come back to where they should be, or have gone steadily for a second: then with
/// the shift that makes them continue.
///
/// Per packet this costs some additions and comparisons; the accounts are compared at every 32nd packet. Nothing is
/// allocated; not thread-safe; the time is passed in.
package struct PositionKeeper: Sendable {
    package enum Finding: Hashable, Sendable {
        /// The timestamps have gone so much further than the ledger, or less far.
        case accountsApart(by: MediaTime)
        /// They agree again.
        case accountsAgree
        /// Packets come without timestamps; the position is the ledger's.
        case timestampsMissing
        /// A step that nothing explains; the position is the ledger's.
        case timestampsLeapt(step: MediaTime)
        /// They stand still, or go at another pace than the media: so far went they, so far the ledger.
        case timestampsOutOfPace(gone: MediaTime, counted: MediaTime)
        /// They are believed again, with so much added to them from here on.
        case timestampsResumed(shift: MediaTime)
    }

    /// A step this far beyond what went by is none of the media's.
    package static let leap: MediaTime = .seconds(10)
    /// The accounts are apart beyond this, and agree again within half of it.
    package static let apart: MediaTime = .seconds(2)
    /// Timestamps that go steadily for this long are believed again.
    package static let proof: MediaTime = .seconds(1)
    /// Missing timestamps are no finding before this.
    private static let missing: MediaTime = .milliseconds(250)
    /// The pace is judged over this much of the ledger.
    private static let window: MediaTime = .seconds(4)
    /// They may stand still for so much of the ledger.
    private static let standstill: MediaTime = .seconds(2)
    /// The bandwidth is learnt from at least this much, and at most twice what follows.
    private static let leastLesson: MediaTime = .seconds(2)
    private static let mostLesson: MediaTime = .seconds(30)
    private static let packetsPerSample = 32

    /// The account by timestamps, as far as they were believed, on the timeline of the position.
    package private(set) var account = FlowAccount()
    /// The account by adjustments and bytes, which knows nothing of timestamps where a bandwidth was declared.
    package private(set) var ledger = Ledger()
    /// Whether the accounts are apart, as last told.
    package private(set) var areApart = false

    /// Goes on from the last believed timestamp while there are none to be believed.
    private var bridge: Ledger?
    /// What was declared of the media, bits per second at scale 1.
    private var declaredMedia: Int64?
    /// At other scales the server sends all of the media, only faster, and does not keep its data rate.
    private var sendsEverything = false
    /// Where the ledger stood when its terms changed last.
    private var termsStart: NPT = .zero
    private var isBroken = false
    /// They are broken by their pace, and must show a better one.
    private var isOutOfPace = false
    private var hasToldOfMissing = false
    /// What is added to timestamps.
    private var shift: MediaTime = .zero
    /// The last decode time that was believed, with the shift.
    private var lastTime: MediaTime?
    /// Timestamps that may be believed again, without the shift.
    private var trial: (first: MediaTime, last: MediaTime)?
    /// What the bridge had counted when the trial began.
    private var trialCounted: MediaTime = .zero

    /// When the position was last known otherwise than by the clock.
    private var known: (npt: NPT, at: Instant)?
    private var lastArrival: Instant?

    private var packetsToSample = packetsPerSample
    /// Where everything stood when the pace began to be judged.
    private var paceStart: (time: MediaTime, npt: NPT, arrival: Instant)?
    /// Payload bytes and the furthest time at the last sample.
    private var lessonBytes: Int64 = 0
    private var lessonStart: MediaTime?
    /// The ledger at the last sample, and when the timestamps were first seen to stand where they are.
    private var sampledNPT: NPT = .zero
    private var stillSince: NPT?
    private var lesson: (bytes: Int64, time: MediaTime) = (0, .zero)

    package init() {}

    private var isBackward: Bool { ledger.scale.isNegative }

    /// An adjustment has taken effect: what comes from now on is under its terms.
    package mutating func adjusted(_ adjustment: Adjustment, at now: Instant) {
        known = position(at: now).map { ($0.npt, now) }
        let wasBackward = isBackward
        var adjustment = adjustment
        switch adjustment.bandwidth {
        case .none: break
        case .media(let bits): declaredMedia = bits
        case .delivery, .unknown: declaredMedia = nil
        }
        if sendsEverything, let declaredMedia, adjustment.scale != nil || adjustment.bandwidth != nil {
            adjustment.bandwidth = .media(
                bitsPerSecond: Self.everything(of: declaredMedia, at: adjustment.scale ?? ledger.scale))
        }
        ledger.adjusted(adjustment)
        bridge?.adjusted(adjustment)
        termsStart = ledger.npt
        if let position = adjustment.position {
            known = (position, now)
            // Timestamps are taken as they come: they were brought onto the timeline of this position by the caller.
            bridge = nil
            isBroken = false
            isOutOfPace = false
            hasToldOfMissing = false
            shift = .zero
            areApart = false
        }
        if adjustment.position != nil || isBackward != wasBackward {
            account = FlowAccount(isBackward: isBackward)
            lastTime = nil
            trial = nil
        }
        if let bandwidth = adjustment.bandwidth, bandwidth != .unknown { areApart = false }
        if adjustment.scale != nil || adjustment.bandwidth != nil { lesson = (0, .zero) }
        paceStart = nil
        lessonStart = nil
        stillSince = nil
        lastArrival = nil
    }

    /// Data has come that is no packet of media, or no new one.
    package mutating func received(overhead: Int = 0, repeated: Int = 0) {
        ledger.received(payload: 0, overhead: overhead, repeated: repeated)
    }

    /// A packet has come. Nothing is counted before an adjustment says that the flow is playing.
    ///
    /// - Parameters:
    ///   - pts, dts: on normal play time; nil where the packet has none. Either stands in for the other.
    ///   - payload, overhead: bytes, as in `Ledger`.
    package mutating func received(
        pts: NPT?, dts: NPT? = nil, duration: MediaTime = .zero, payload: Int, overhead: Int = 0, at now: Instant
    ) -> Finding? {
        // No packet is larger; so many of them cannot overflow a count.
        let payload = max(0, min(1 << 31, payload))
        let time = dts ?? pts
        if let time, !ledger.isAnchored, ledger.isPlaying { ledger = ledger.continued(from: time) }
        ledger.received(payload: payload, overhead: overhead)
        guard ledger.isPlaying else { return nil }
        bridge?.received(payload: payload)
        var finding: Finding?
        if let time {
            finding = bridge == nil ? judge(time, payload: payload, at: now) : tryAgain(time)
        } else if bridge == nil {
            beginBridge(with: payload, at: now)
        }
        let isBelieved = bridge == nil
        account.received(
            pts: isBelieved ? pts.map { $0 + shift } : nil, dts: isBelieved ? dts.map { $0 + shift } : nil,
            duration: duration, byteCount: payload)
        lastArrival = now
        packetsToSample -= 1
        if packetsToSample <= 0 {
            packetsToSample = Self.packetsPerSample
            finding = finding ?? sample(at: now)
        }
        return finding
    }

    /// Where the flow stands: up to where it has been received. Nil before anything is known.
    package func position(at now: Instant) -> Position? {
        if let bridge {
            if let position = bridge.position {
                let isShort = !isBroken && bridge.counted < Self.missing
                return Position(
                    npt: position.npt, basis: isShort ? .timestamps : .ledger,
                    uncertainty: position.uncertainty + error(of: bridge))
            }
        } else if let end = account.end {
            return Position(npt: end, basis: .timestamps)
        } else if ledger.isAnchored || ledger.counted > .zero, let position = ledger.position {
            return position
        }
        guard let known else { return nil }
        // The clock says how much may have been received, not how much was.
        let elapsed = ledger.isPlaying ? MediaTime(now - known.at) : .zero
        let gone = elapsed * ledger.scale
        return Position(
            npt: max(.zero, known.npt + gone), basis: .clock,
            uncertainty: .milliseconds(500) + gone.magnitude * Rate(1, 2))
    }

    /// Where the flow stands by each account. Nil before anything is known.
    package func accounts(at now: Instant) -> FlowPosition? {
        guard let position = position(at: now) else { return nil }
        // What was learnt from the timestamps makes no account of its own, until it stands in for them.
        let counting = bridge ?? (ledger.isDeclared || account.end == nil ? ledger : nil)
        let counted = counting.flatMap { $0.isAnchored ? $0.position?.npt : nil }
        return FlowPosition(position: position, byTimestamps: account.end, byLedger: counted)
    }

    /// How far a declared bandwidth has led astray since, if what was learnt from the timestamps is right.
    private func error(of bridge: Ledger) -> MediaTime {
        guard bridge.isDeclared, let declared = bridge.bitsPerSecond, let learnt = learntBitsPerSecond, learnt > 0
        else {
            return .zero
        }
        let difference = abs(learnt.subtractingReportingOverflow(declared).partialValue)
        return MediaTime(flicks: bridge.counted.flicks.scaled(by: difference, over: learnt) ?? .max)
    }

    // MARK: Judgement

    private mutating func judge(_ time: MediaTime, payload: Int, at now: Instant) -> Finding? {
        let time = time + shift
        if let lastTime {
            let step = forward(time - lastTime)
            guard step >= -Self.leap, step <= Self.leap || isExplained(step, at: now) else {
                beginBridge(with: payload, at: now)
                isBroken = bridge != nil
                beginTrial(time - shift)
                return .timestampsLeapt(step: step)
            }
        } else {
            paceStart = (time, ledger.npt, now)
        }
        lastTime = time
        guard hasToldOfMissing else { return nil }
        hasToldOfMissing = false
        return .timestampsResumed(shift: shift)
    }

    private mutating func beginTrial(_ time: MediaTime) {
        trial = (time, time)
        trialCounted = bridge?.counted ?? .zero
    }

    /// A length in the direction of playing.
    private func forward(_ length: MediaTime) -> MediaTime { isBackward ? -length : length }

    /// Whether a long step forward went by while nothing came. The ledger cannot tell: what it has not received it has not
    /// counted.
    private func isExplained(_ step: MediaTime, at now: Instant) -> Bool {
        guard let lastArrival else { return true }
        return step <= played(now - lastArrival) * Rate(2) + Self.leap
    }

    /// What a viewer would be shown in this time, in the direction of playing.
    private func played(_ duration: Duration) -> MediaTime {
        let shown = (MediaTime(duration) * ledger.scale).magnitude
        return shown * ledger.speed
    }

    /// Timestamps are not believed, or were missing: is that over?
    private mutating func tryAgain(_ time: MediaTime) -> Finding? {
        let expected = bridge?.position?.npt
        if let expected, isNear(time + shift, expected), !isOutOfPace { return believe(time, shift: shift) }
        guard let trial, (time - trial.last).magnitude <= Self.leap else {
            beginTrial(time)
            return nil
        }
        self.trial = (trial.first, time)
        let gone = forward(time - trial.first)
        guard gone >= Self.proof else { return nil }
        let counted = (bridge?.counted ?? .zero) - trialCounted
        if isOutOfPace, !isWithin(gone, counted, 2) {
            beginTrial(time)
            return nil
        }
        guard isBroken else { return believe(time, shift: shift) }
        // A new count goes on where the ledger stands; where there is none, where the old one ended.
        if let expected { return believe(time, shift: expected - time) }
        return believe(time, shift: account.end.map { $0 - trial.first } ?? shift)
    }

    private func isNear(_ a: MediaTime, _ b: MediaTime) -> Bool { (a - b).magnitude <= Self.apart }

    private mutating func believe(_ time: MediaTime, shift: MediaTime) -> Finding? {
        let hadTold = isBroken || hasToldOfMissing
        self.shift = shift
        bridge = nil
        isBroken = false
        isOutOfPace = false
        hasToldOfMissing = false
        trial = nil
        lastTime = time + shift
        paceStart = nil
        lessonStart = nil
        return hadTold ? .timestampsResumed(shift: shift) : nil
    }

    /// - Parameter payload: bytes of the first packet without a timestamp to be believed. Before the first of all
    ///   timestamps the ledger itself is the bridge.
    private mutating func beginBridge(with payload: Int, at now: Instant) {
        guard let end = account.end else { return }
        var bridge = ledgerGoingOn(from: end)
        bridge.received(payload: payload)
        self.bridge = bridge
        known = (end, now)
        trial = nil
    }

    /// Where timestamps have shown the declared bandwidth wrong, what they taught takes its place.
    private func ledgerGoingOn(from position: NPT) -> Ledger {
        var ledger = ledger.continued(from: position)
        if areApart, let learnt = learntBitsPerSecond {
            ledger.adjusted(Adjustment(bandwidth: .unknown))
            ledger.learnt(bitsPerSecond: learnt, at: position)
        }
        return ledger
    }

    // MARK: Scale

    /// What a server sends in a second when it sends all of the media at a scale.
    private static func everything(of bitsPerSecond: Int64, at scale: Rate) -> Int64 {
        max(1, bitsPerSecond.scaled(by: Int64(scale.numerator.magnitude), over: Int64(scale.denominator)) ?? .max)
    }

    /// At another scale a server should keep its data rate (RFC 2326 section 12.34), so that the same payload stands for
    /// more of the media; many send everything instead, only faster. Two seconds of timestamps tell which of the two it
    /// does.
    private mutating func judgeScale() {
        guard !sendsEverything, bridge == nil, let declaredMedia, lesson.time >= Self.leastLesson,
            let learnt = learntBitsPerSecond, ledger.scale != .normal, let perMedia = ledger.scale.inverse
        else { return }
        let all = Self.everything(of: declaredMedia, at: ledger.scale)
        // Nearer to the one than to the other.
        let apart = abs(learnt.subtractingReportingOverflow(declaredMedia).partialValue)
        let near = abs(learnt.subtractingReportingOverflow(all).partialValue)
        guard near < apart, near <= all / 4 else { return }
        sendsEverything = true
        let pace = perMedia.isNegative ? Rate(-perMedia.numerator, perMedia.denominator) : perMedia
        let position = termsStart + (ledger.npt - termsStart) * pace
        ledger.adjusted(Adjustment(position: max(.zero, position), bandwidth: .media(bitsPerSecond: all)))
    }

    // MARK: Samples

    private mutating func sample(at now: Instant) -> Finding? {
        if let position = position(at: now), position.basis != .clock { known = (position.npt, now) }
        guard bridge == nil, let end = account.end else {
            let counting = bridge ?? ledger
            guard !isBroken, !hasToldOfMissing, counting.position == nil || counting.counted >= Self.missing else {
                return nil
            }
            hasToldOfMissing = true
            return .timestampsMissing
        }
        let finding = judgeStillness(end, at: now)
        learn(end)
        judgeScale()
        sampledNPT = ledger.npt
        if let finding { return finding }
        return judgePace(end, at: now) ?? compare(end)
    }

    /// What the payload of a second is, from timestamps that are believed.
    private mutating func learn(_ end: MediaTime) {
        defer {
            lessonStart = end
            lessonBytes = ledger.payloadBytes
        }
        guard let lessonStart else { return }
        let gone = forward(end - lessonStart)
        guard gone > .zero else { return }
        lesson.bytes += ledger.payloadBytes - lessonBytes
        lesson.time += gone
        // What is long past counts for less.
        if lesson.time > Self.mostLesson * Rate(2) {
            lesson.bytes /= 2
            lesson.time = lesson.time * Rate(1, 2)
        }
        guard !ledger.isDeclared, lesson.time >= Self.leastLesson, let bits = learntBitsPerSecond else { return }
        ledger.learnt(bitsPerSecond: bits, at: end)
    }

    /// Payload of a second of media at scale 1, by the timestamps; nil before two seconds of it.
    package var learntBitsPerSecond: Int64? {
        guard lesson.time >= Self.leastLesson, lesson.bytes < 1 << 56 else { return nil }
        let media = lesson.time * (ledger.scale.inverse ?? .normal)
        guard media != .zero else { return nil }
        return (lesson.bytes * 8).scaled(by: MediaTime.flicksPerSecond, over: media.magnitude.flicks)
    }

    /// Timestamps that stand still while the ledger counts on.
    private mutating func judgeStillness(_ end: MediaTime, at now: Instant) -> Finding? {
        guard end == lessonStart, ledger.bitsPerSecond != nil else {
            stillSince = nil
            return nil
        }
        let since = stillSince ?? sampledNPT
        stillSince = since
        var counted = forward(ledger.npt - since)
        if let learnt = learntBitsPerSecond, learnt > 0, let declared = ledger.bitsPerSecond {
            counted = MediaTime(flicks: counted.flicks.scaled(by: declared, over: learnt) ?? .max)
        } else if let paceStart, !isWithin(forward(ledger.npt - paceStart.npt), played(now - paceStart.arrival), 2) {
            // A picture may be seconds long by a bandwidth that was declared far too low: the clock must agree.
            return nil
        }
        guard counted >= Self.standstill else { return nil }
        disbelieve(goingOnWith: ledgerGoingOn(from: moved(end, by: counted)), at: now)
        return .timestampsOutOfPace(gone: .zero, counted: counted)
    }

    private func moved(_ time: MediaTime, by length: MediaTime) -> NPT { max(.zero, time + forward(length)) }

    /// The ledger goes on from where the timestamps were right.
    private mutating func disbelieve(goingOnWith bridge: Ledger, at now: Instant) {
        self.bridge = bridge
        known = (bridge.npt, now)
        isBroken = true
        isOutOfPace = true
        trial = nil
        stillSince = nil
    }

    /// A pace that ledger and clock both contradict.
    private mutating func judgePace(_ end: MediaTime, at now: Instant) -> Finding? {
        guard ledger.bitsPerSecond != nil, ledger.scale != Rate(0) else { return nil }
        guard let start = paceStart else {
            paceStart = (end, ledger.npt, now)
            return nil
        }
        let counted = forward(ledger.npt - start.npt)
        guard counted >= Self.window || counted < .zero else { return nil }
        paceStart = (end, ledger.npt, now)
        guard counted >= Self.window else { return nil }
        let gone = forward(end - start.time)
        let clock = played(now - start.arrival)
        guard !isWithin(gone, counted, 4), !isWithin(gone, clock, 2), isWithin(counted, clock, 2) else { return nil }
        // What they taught is as wrong as they are.
        lesson = (0, .zero)
        disbelieve(goingOnWith: ledger.continued(from: moved(start.time, by: counted)), at: now)
        return .timestampsOutOfPace(gone: gone, counted: counted)
    }

    private func isWithin(_ a: MediaTime, _ b: MediaTime, _ factor: Int32) -> Bool {
        a * Rate(factor) >= b && a <= b * Rate(factor)
    }

    /// Only a declared bandwidth makes an account of its own.
    private mutating func compare(_ end: MediaTime) -> Finding? {
        guard ledger.isDeclared, let position = ledger.position else { return nil }
        // What the server does at this scale is not known yet.
        guard ledger.scale == .normal || sendsEverything || lesson.time >= Self.leastLesson else { return nil }
        let difference = end - position.npt
        if !areApart, difference.magnitude > Self.apart {
            areApart = true
            return .accountsApart(by: difference)
        }
        if areApart, difference.magnitude < Self.apart * Rate(1, 2) {
            areApart = false
            return .accountsAgree
        }
        return nil
    }
}
