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
/// a player does, so that one late packet is one gap and not a lateness of everything after it.
package struct PlayoutClock: Sendable {
    /// Gaps that are kept one by one; the total goes on beyond.
    package static let gapLimit = 1000

    private var anchor: (time: MediaTime, at: Instant)?
    /// What is presented plays backwards: media times are NPT with the sign turned round, so that they rise.
    package var isBackward = false
    /// Media time that goes by in a second; positive.
    package private(set) var rate = Rate.normal
    /// The viewer has stopped it.
    package private(set) var isPaused = false
    /// Since when the outputs have been busy with what they were given.
    private var busySince: Instant?
    package private(set) var gaps: [VisibleGap] = []
    package private(set) var gapTotal: Duration = .zero

    package init() {}

    package var isRunning: Bool { anchor != nil }

    /// `time` is due at `now`.
    package mutating func start(at time: MediaTime, now: Instant) {
        anchor = (time, now)
    }

    /// Nothing is due, and nothing is late, until `resume`.
    package mutating func pause(at now: Instant) {
        guard !isPaused else { return }
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
        if let time = playhead(at: now) { anchor = (time, effective(now)) }
        self.rate = rate
    }

    /// It is to be started again, elsewhere in the presentation.
    package mutating func stop() { anchor = nil }

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
        if gaps.count < Self.gapLimit { gaps.append(VisibleGap(npt: isBackward ? -time : time, duration: lateness)) }
        return lateness
    }
}
