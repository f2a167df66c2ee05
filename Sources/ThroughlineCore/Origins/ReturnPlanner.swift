/// Whether the stream goes back to the preferred origin once that is well again.
public enum Failback: String, CaseIterable, Sendable, Hashable {
    /// It stays where it is as long as that delivers, and asks the preferred origin last.
    case never
    /// It goes back once the preferred origin has delivered media to three probes in a row, some seconds apart; to more of
    /// them, and further apart, the more often it was left soon after.
    case healthy
    /// It asks the preferred origin first at the next handoff.
    case next
}

/// Plans the way back to the preferred origin: facts and the time in, orders out.
///
///     left --penalty served, interval passed--> .probe --good, for the third time--> .goBack --> home
///       ^                                          |                                             |
///       '-- interval doubles ------- bad ----------'------- left again soon: all doubles --------'
///
/// | | at first | each time that it relapses | at the most |
/// | --- | --- | --- | --- |
/// | time before the first probe, and between probes | 5 s | twice | 5 min |
/// | good probes in a row that are asked for | 3 | twice | 24 |
///
/// It relapses when it is left again within a minute of coming back, and that minute doubles too. So an origin that comes
/// and goes is gone back to ever more seldom, and one that is well for good is gone back to once.
package struct ReturnPlanner: Sendable {
    package enum Order: Hashable, Sendable {
        /// Connect and read some media, beside what plays; `probeEnded` tells how it went.
        case probe(OriginID)
        /// Hand off to it, while the other plays on; `returned` or `returnFailed` tells how it went.
        case goBack(OriginID)
    }

    package static let firstInterval: Duration = .seconds(5)
    package static let longestInterval: Duration = .seconds(300)
    package static let goodProbes = 3
    package static let mostGoodProbes = 24
    package static let trust: Duration = .seconds(60)

    private enum State: Sendable {
        case home(since: Instant?)
        case away(nextProbe: Instant)
        case probing
        case goingBack
    }

    package let policy: Failback
    package let preferred: OriginID
    private var state: State = .home(since: nil)
    private var relapses = 0
    private var good = 0
    private var bad = 0

    package init(policy: Failback, preferred: OriginID) {
        self.policy = policy
        self.preferred = preferred
    }

    /// The preferred origin was left, for whatever reason.
    ///
    /// - Parameter penaltyEnds: before that it is not to be asked.
    package mutating func left(at now: Instant, penaltyEnds: Instant?) {
        guard case .home(let since) = state else { return }
        if let since {
            relapses = now - since < Self.trust * (1 << min(relapses, 6)) ? min(relapses + 1, 6) : 0
        }
        (good, bad) = (0, 0)
        state = .away(nextProbe: max(now + interval, penaltyEnds ?? now))
    }

    package mutating func timePassed(at now: Instant) -> Order? {
        guard now >= nextMoment else { return nil }
        state = .probing
        return .probe(preferred)
    }

    /// When `timePassed` is to be called; `.never` if not at all.
    package var nextMoment: Instant {
        guard policy == .healthy, case .away(let nextProbe) = state else { return .never }
        return nextProbe
    }

    /// - Parameter readMedia: it delivered media, and not just an answer.
    package mutating func probeEnded(readMedia: Bool, at now: Instant) -> Order? {
        guard case .probing = state else { return nil }
        guard readMedia else {
            good = 0
            bad = min(bad + 1, 6)
            state = .away(nextProbe: now + interval)
            return nil
        }
        bad = 0
        good += 1
        guard good >= min(Self.goodProbes << relapses, Self.mostGoodProbes) else {
            state = .away(nextProbe: now + interval)
            return nil
        }
        state = .goingBack
        return .goBack(preferred)
    }

    /// The preferred origin delivers, whether it was gone back to or there was nobody else.
    package mutating func returned(at now: Instant) {
        // It was not away: that it is left soon is no relapse.
        if isHome { return }
        state = .home(since: now)
    }

    /// The way back came to nothing: the other plays on.
    package mutating func returnFailed(at now: Instant) {
        guard case .goingBack = state else { return }
        (good, bad) = (0, min(bad + 1, 6))
        state = .away(nextProbe: now + interval)
    }

    private var isHome: Bool { if case .home = state { true } else { false } }

    private var interval: Duration { min(Self.firstInterval * (1 << min(relapses + bad, 6)), Self.longestInterval) }
}
