/// A stretch of wall-clock time in which media was due and was not there.
public struct VisibleGap: Hashable, Sendable {
    /// Where in the presentation the viewer waited.
    public let npt: NPT
    public let duration: Duration

    public init(npt: NPT, duration: Duration) {
        self.npt = npt
        self.duration = duration
    }
}

/// Tells when media is due, and measures each gap.
///
/// A packet that arrives after it was due is a gap as long as it is late. The clock then stands still for that long, as
/// a player does, so that one late packet is one gap and not a lateness of everything after it. Gaps with next to nothing
/// between them are one.
package struct PlayoutClock: Sendable {
    /// Gaps that are kept one by one; the total goes on beyond.
    package static let gapLimit = 1000

    /// A gap that begins sooner after the last one is the same: nobody sees what comes between.
    static let nearness: Duration = .milliseconds(100)

    private var anchor: (time: MediaTime, at: Instant)?
    /// What is presented plays backwards: media times are NPT with the sign turned round, so that they rise.
    package var isBackward = false
    /// Media time that goes by in a second; positive.
    package private(set) var rate = Rate.normal
    /// The viewer has stopped it.
    package private(set) var isPaused = false
    /// Since when the outputs have been busy with what they were given.
    private var busySince: Instant?
    /// The gaps that are over, as far as they are kept, how many there were, and those that nobody has taken yet.
    private var closed: (gaps: [VisibleGap], count: Int, new: [VisibleGap]) = ([], 0, [])
    /// The last gap, until it is known that it is over, and when it ended so far.
    private var latest: (gap: VisibleGap, end: Instant)?
    package private(set) var gapTotal: Duration = .zero
    /// Wall-clock time in which media was presented, up to the anchor.
    private var ran: Duration = .zero

    package init() {}

    package var isRunning: Bool { anchor != nil }

    /// At most the first thousand.
    package var gaps: [VisibleGap] {
        closed.gaps + (closed.gaps.count < Self.gapLimit ? latest.map { [$0.gap] } ?? [] : [])
    }

    package var gapCount: Int { closed.count + (latest == nil ? 0 : 1) }

    /// Gaps that are over, since the last call.
    ///
    /// - Parameter now: nil when nothing more is presented.
    package mutating func takeGaps(at now: Instant?) -> [VisibleGap] {
        if let latest, now.map({ $0 - latest.end > Self.nearness }) ?? true { close() }
        defer { closed.new = [] }
        return closed.new
    }

    private mutating func close() {
        guard let gap = latest?.gap else { return }
        latest = nil
        closed.count += 1
        if closed.gaps.count < Self.gapLimit { closed.gaps.append(gap) }
        if closed.new.count < Self.gapLimit { closed.new.append(gap) }
    }

    /// How long a viewer has waited who waits now.
    ///
    /// - Parameter end: up to where there is media; it is presented until then.
    package func wait(since end: MediaTime, at now: Instant) -> Duration {
        guard anchor != nil, !isPaused, let due = due(end) else { return .zero }
        return max(.zero, effective(now) - due)
    }

    /// Wall-clock time in which media went by: neither pauses, nor gaps that are over, nor outputs that are slow.
    package func playingTime(at now: Instant) -> Duration {
        guard let anchor, !isPaused else { return ran }
        return ran + max(.zero, effective(now) - anchor.at)
    }

    /// `time` is due at `now`.
    package mutating func start(at time: MediaTime, now: Instant) {
        anchor = (time, now)
    }

    /// Nothing is due, and nothing is late, until `resume`.
    package mutating func pause(at now: Instant) {
        guard !isPaused else { return }
        ran = playingTime(at: now)
        if let time = playhead(at: now) { anchor = (time, now) }
        busySince = nil
        isPaused = true
    }

    package mutating func resume(at now: Instant) {
        guard isPaused else { return }
        isPaused = false
        if let anchor { self.anchor = (anchor.time, now) }
    }

    /// Media goes by at another rate from now on.
    package mutating func setRate(_ rate: Rate, at now: Instant) {
        precondition(rate.numerator > 0, "a clock at rate \(rate)")
        ran = playingTime(at: now)
        if let time = playhead(at: now) { anchor = (time, effective(now)) }
        self.rate = rate
    }

    /// It is to be started again, elsewhere in the presentation.
    package mutating func stop(at now: Instant) {
        ran = playingTime(at: now)
        anchor = nil
    }

    /// Outputs that take longer than this stop the clock.
    package static let patience: Duration = .milliseconds(100)

    /// The outputs were given something. If they are slow to take it, the clock stands still until they have: that is
    /// their reader's pace, and no gap.
    package mutating func outputsBegan(at now: Instant) { busySince = now }

    /// The outputs have taken what they were given.
    package mutating func outputsEnded(at now: Instant) {
        defer { busySince = nil }
        guard let anchor, !isPaused else { return }
        self.anchor = (anchor.time, anchor.at + (now - effective(now)))
    }

    private func effective(_ now: Instant) -> Instant {
        guard let busySince else { return now }
        return min(now, busySince + Self.patience)
    }

    /// The media time that is due at `now`.
    package func playhead(at now: Instant) -> MediaTime? {
        guard let anchor else { return nil }
        if isPaused { return anchor.time }
        let passed = MediaTime(nanoseconds: (effective(now) - anchor.at).wholeNanoseconds)
        return anchor.time + (rate == .normal ? passed : passed * rate)
    }

    /// When a media time is due; `.never` where that cannot be told.
    package func due(_ time: MediaTime) -> Instant? {
        guard let anchor else { return nil }
        if isPaused { return .never }
        let ahead = time - anchor.time
        let distance = (rate == .normal ? ahead : ahead * (rate.inverse ?? .normal)).nanoseconds
        let (moment, overflow) = anchor.at.nanoseconds.addingReportingOverflow(distance)
        return overflow && distance > 0 ? .never : Instant(nanoseconds: overflow ? .min : moment)
    }

    /// Media that is due at `time` has arrived.
    ///
    /// - Returns: how late, when it is.
    @discardableResult
    package mutating func arrived(due time: MediaTime, now: Instant) -> Duration? {
        let now = effective(now)
        guard let anchor, !isPaused, let due = due(time), due < now else { return nil }
        let lateness = now - due
        self.anchor = (anchor.time, anchor.at + lateness)
        gapTotal += lateness
        if let latest, due - latest.end <= Self.nearness {
            self.latest = (VisibleGap(npt: latest.gap.npt, duration: latest.gap.duration + lateness), now)
        } else {
            close()
            latest = (VisibleGap(npt: isBackward ? -time : time, duration: lateness), now)
        }
        return lateness
    }
}
