/// Brings the RTP timestamps of one flow onto normal play time, as the response to PLAY tells:
/// `range start + scale x (timestamp - rtptime) / clock rate` (RFC 2326 section 12.33).
///
/// What servers really do is borne, and told as a finding:
/// - Without `RTP-Info`, the first packet stands at the start of the range.
/// - Pictures may come from the key frame before the start of the range on, under their own timestamps, which lie before
///   `rtptime`: what is needed to decode the start.
/// - An `rtptime` otherwise more than half a second from the first packet, such as 0, one of the range before, or one that counts from
///   another moment than the `Range` says, is passed over as if it were missing; where the timestamps then leap to it, they
///   show it true, and those before them were left from the range before.
/// - After a seek, the pictures between the key frame and the start of the range may share one timestamp.
/// - A single timestamp far off is taken for damage, and its packet stands where it should. Two that agree, or another
///   source, are a new count, which goes on where the old one ended.
///
/// Timestamps are unwrapped at 32 bits. All is exact to the flick, from the anchor and not from packet to packet, so
/// that nothing adds up. Nothing is allocated; not thread-safe; the time is passed in.
package struct RTPTimeline: Sendable {
    /// What the response to PLAY says.
    package struct Start: Hashable, Sendable {
        /// Where the range begins that the server plays: the response's, not the request's.
        package var range: NPT
        package var scale: Rate
        /// The timestamp of that moment; nil where `RTP-Info` has none.
        package var rtpTime: UInt32?

        package init(range: NPT, scale: Rate = .normal, rtpTime: UInt32? = nil) {
            self.range = range
            self.scale = scale
            self.rtpTime = rtpTime
        }
    }

    package enum Finding: Hashable, Sendable {
        /// The first packet lies so far after the promised `rtptime`, or before it, that the promise is not believed.
        case rtpTimeIgnored(distance: MediaTime)
        /// Packets near to it came yet: it is believed from here on.
        case rtpTimeRestored
        /// From here on, pictures before the start of the range share one timestamp.
        case timestampRepeated
        /// One timestamp lies so far from the one before it; taken for damage, if the next is not like it.
        case timestampDoubted(step: MediaTime)
        /// The source counts anew, with such a step; the timeline goes on.
        case timestampsRestarted(step: MediaTime)
    }

    /// Where a packet stands.
    package struct Reading: Hashable, Sendable {
        /// Before the start of the range this may be negative.
        package let npt: NPT
        /// Whether it is only there for the decoder to catch up: before the start of the range, or of a unit that
        /// repeats the first timestamp.
        package let isBeforeStart: Bool
        package let finding: Finding?

        package init(npt: NPT, isBeforeStart: Bool = false, finding: Finding? = nil) {
            self.npt = npt
            self.isBeforeStart = isBeforeStart
            self.finding = finding
        }
    }

    /// A step this far off is not believed.
    package static let threshold: MediaTime = .seconds(10)
    /// An `rtptime` further than this from the first packet is not believed. Reordered pictures, and sound that begins a
    /// little earlier or later than the pictures, stay well within it; servers that seek to a key frame and count `rtptime`
    /// from somewhere else are off by seconds.
    package static let belief: MediaTime = .milliseconds(500)
    /// So many packets may come before those that show a doubted `rtptime` true.
    private static let packetsInDoubt = 64

    private let timeBase: TimeBase
    private let thresholdTicks: Int64
    private let beliefTicks: Int64

    package private(set) var start: Start
    /// Flicks of NPT for a tick are `multiplier / divisor`, in lowest terms; negative when playing backwards.
    private var multiplier: Int64 = 1
    private var divisor: Int64 = 1
    /// The unwrapped timestamp that stands at the start of the range; nil until a packet has come since PLAY.
    private var anchor: Int64?
    /// Packets for which a doubted `rtptime` may still show true.
    private var doubtLeft = 0
    /// Whether the timeline rests on nothing but that the first packet stands at the start of the range.
    package private(set) var isAssumed = false

    private var last: (timestamp: UInt32, ticks: Int64, ssrc: UInt32, arrival: Instant)?
    /// The last step forward, in ticks: where the next packet should stand after a new count.
    private var step: Int64 = 0
    private var suspect: UInt32?

    private var firstTimestamp: UInt32 = 0
    private enum Beginning { case firstUnit, firstUnitEnded, repeating, over }
    private var beginning = Beginning.firstUnit

    /// The clocks of the sender, as its reports tell.
    package private(set) var senderClock: SenderClock

    /// Nil when the clock rate is none that a clock has, 1 to 705 600 000 Hz.
    package init?(clockRateHz: Int64, start: Start) {
        guard (1...MediaTime.flicksPerSecond).contains(clockRateHz) else { return nil }
        timeBase = TimeBase(1, Int32(clockRateHz))
        thresholdTicks = Self.threshold.value(in: timeBase)
        beliefTicks = Self.belief.value(in: timeBase)
        senderClock = SenderClock(timeBase: timeBase)
        self.start = start
        played(start)
    }

    /// Another response to PLAY: after a seek, a pause, or with another scale.
    package mutating func played(_ start: Start) {
        self.start = start
        anchor = nil
        doubtLeft = 0
        isAssumed = false
        suspect = nil
        beginning = .firstUnit
        let flicks = UInt64(MediaTime.flicksPerSecond) * UInt64(start.scale.numerator.magnitude)
        let ticks = UInt64(timeBase.denominator) * UInt64(start.scale.denominator)
        let common = Rate.greatestCommonDivisor(flicks, ticks)
        // Both have at most 61 bits.
        multiplier = Int64(flicks / common)
        divisor = Int64(ticks / common)
        if start.scale.isNegative { multiplier = -multiplier }
    }

    /// A packet has come.
    ///
    /// - Parameters:
    ///   - endsUnit: whether it is the last of its picture or its frame: with video, the marker; with audio, always.
    package mutating func arrived(
        timestamp: UInt32, ssrc: UInt32, endsUnit: Bool, at now: Instant
    ) -> Reading {
        var finding: Finding?
        let ticks: Int64
        if anchor != nil, let last {
            ticks = unwrap(timestamp, ssrc: ssrc, after: last, at: now, &finding)
            if doubtLeft > 0 { restore(timestamp, ticks: ticks, after: last.timestamp, &finding) }
        } else {
            // Unwrapped from what came before the seek, if it is the same count; else it begins with its own value.
            ticks = last.map { $0.ticks + Int64(Int32(bitPattern: timestamp &- $0.timestamp)) } ?? Int64(timestamp)
            anchor = ticks
            firstTimestamp = timestamp
            isAssumed = true
            if let rtpTime = start.rtpTime {
                let distance = Int64(Int32(bitPattern: timestamp &- rtpTime))
                if abs(distance) <= beliefTicks || isLeadIn(distance) {
                    anchor = ticks - distance
                    isAssumed = false
                } else {
                    finding = .rtpTimeIgnored(distance: time(distance))
                    doubtLeft = Self.packetsInDoubt
                }
            }
        }
        if suspect == nil {
            if let last, ticks > last.ticks { step = min(ticks - last.ticks, Int64(timeBase.denominator)) }
            last = (timestamp, ticks, ssrc, now)
        }
        let isRepeated = repeats(timestamp, endsUnit: endsUnit, &finding)
        let npt = npt(ticks)
        let isBefore = start.scale.isNegative ? npt > start.range : npt < start.range
        return Reading(npt: npt, isBeforeStart: isBefore || isRepeated, finding: finding)
    }

    /// Whether a first packet so many ticks after `rtptime` can be the key frame that the start of the range needs:
    /// before it, not by more than a step that is believed, and not before the presentation. Wrong values that servers
    /// send, such as 0 or one of the range before, lie before the first packet as a rule.
    private func isLeadIn(_ distance: Int64) -> Bool {
        guard distance < 0, distance >= -thresholdTicks, !start.scale.isNegative else { return false }
        return start.range + time(distance) * start.scale >= .zero
    }

    private mutating func unwrap(
        _ timestamp: UInt32, ssrc: UInt32,
        after last: (timestamp: UInt32, ticks: Int64, ssrc: UInt32, arrival: Instant),
        at now: Instant, _ finding: inout Finding?
    ) -> Int64 {
        let change = Int64(Int32(bitPattern: timestamp &- last.timestamp))
        // A silence as long as the step explains it, and again as much for what was sent late.
        if abs(change) <= thresholdTicks
            || (change > 0 && change <= thresholdTicks &+ MediaTime(now - last.arrival).value(in: timeBase) &* 2)
        {
            suspect = nil
            return last.ticks + change
        }
        let expected = last.ticks + step
        if ssrc != last.ssrc {
            suspect = nil
            finding = .timestampsRestarted(step: time(change))
            return expected
        }
        if let doubted = suspect {
            let since = Int64(Int32(bitPattern: timestamp &- doubted))
            // The packets of one damaged picture agree, and show nothing.
            if since == 0 { return expected }
            if abs(since) <= thresholdTicks {
                suspect = nil
                finding = .timestampsRestarted(step: time(change))
                return expected + since
            }
        }
        suspect = timestamp
        finding = .timestampDoubted(step: time(change))
        return expected
    }

    /// A packet near to a doubted `rtptime` shows it true, when the timestamps have leapt there: those that come by it in
    /// their course show nothing.
    private mutating func restore(
        _ timestamp: UInt32, ticks: Int64, after last: UInt32, _ finding: inout Finding?
    ) {
        doubtLeft -= 1
        guard let rtpTime = start.rtpTime else { return }
        let distance = Int64(Int32(bitPattern: timestamp &- rtpTime))
        guard abs(distance) <= beliefTicks, abs(Int64(Int32(bitPattern: timestamp &- last))) > beliefTicks else {
            return
        }
        suspect = nil
        doubtLeft = 0
        isAssumed = false
        self.anchor = ticks - distance
        finding = .rtpTimeRestored
        firstTimestamp = timestamp
        beginning = .firstUnit
    }

    /// Whether the packet is of a unit that repeats the timestamp of the one before it, at the start of the range.
    private mutating func repeats(_ timestamp: UInt32, endsUnit: Bool, _ finding: inout Finding?) -> Bool {
        guard beginning != .over else { return false }
        guard timestamp == firstTimestamp else {
            beginning = .over
            return false
        }
        switch beginning {
        case .firstUnit:
            if endsUnit { beginning = .firstUnitEnded }
            return false
        case .firstUnitEnded:
            beginning = .repeating
            finding = finding ?? .timestampRepeated
            return true
        case .repeating: return true
        case .over: return false
        }
    }

    private func time(_ ticks: Int64) -> MediaTime {
        MediaTime(value: ticks, timeBase: timeBase) ?? MediaTime(flicks: ticks < 0 ? .min : .max)
    }

    private func npt(_ ticks: Int64) -> NPT {
        let since = ticks - (anchor ?? ticks)
        if divisor == 1 {
            let (flicks, overflow) = since.multipliedReportingOverflow(by: multiplier)
            if !overflow { return start.range + MediaTime(flicks: flicks) }
        }
        let isNegative = (since < 0) != (multiplier < 0)
        guard let flicks = since.scaled(by: Int64(multiplier.magnitude), over: divisor) else {
            return start.range + MediaTime(flicks: isNegative ? .min : .max)
        }
        return start.range + MediaTime(flicks: multiplier < 0 ? -flicks : flicks)
    }

    // MARK: Sender reports

    /// A sender report of this flow has come.
    ///
    /// - Parameter ntpTime: as in `SenderClock`.
    package mutating func senderReported(ntpTime: UInt64, timestamp: UInt32, at now: Instant) {
        senderClock.reported(ntpTime: ntpTime, timestamp: timestamp, at: now)
    }

    /// Where the last report stands: the sender's wall clock since 1900, and the NPT; nil before there are both a report
    /// and a packet.
    package var reference: (wallClock: MediaTime, npt: NPT)? {
        guard anchor != nil, let last, let report = senderClock.last else { return nil }
        let ticks = last.ticks + Int64(Int32(bitPattern: report.timestamp &- last.timestamp))
        return (report.wallClock, npt(ticks))
    }

    /// The sender's wall clock, since 1900, when it played this moment.
    package func wallClock(at npt: NPT) -> MediaTime? {
        guard let reference, let perMedia = start.scale.inverse else { return nil }
        return reference.wallClock + (npt - reference.npt) * perMedia
    }

    /// How far this flow's NPT stands ahead of another's at the same moment of the sender's wall clock; zero when their
    /// lips are in step. Nil before both have reported.
    package func lead(over other: RTPTimeline) -> MediaTime? {
        guard let mine = reference, let others = other.reference else { return nil }
        return mine.npt - others.npt - (mine.wallClock - others.wallClock) * start.scale
    }
}
