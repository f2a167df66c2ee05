/// Learns how something arrives, and from when on its silence is suspicious.
///
/// Servers send a picture at a time, in lumps, or a segment every few seconds: each has a longest pause that is usual.
/// That is taken to be the third longest of the last half minute to minute, so that neither the number of packets in a
/// burst nor one or two hiccups count. Silence is suspicious when it has lasted a quarter longer.
///
/// | pauses seen | usual | suspicious after |
/// | --- | --- | --- |
/// | fewer than three | unknown | 250 ms |
/// | 40 ms, again and again | 40 ms | 100 ms |
/// | 2 ms, and 2 s after each segment | 2 s | 2.5 s |
/// | 40 ms, and once 3 s | 40 ms | 100 ms |
///
/// A rhythm is regular where pauses as long come again and again and are alike: segments and lumps, but not hiccups.
///
/// Only time counts in which something is wanted: a full buffer that reads nothing is no pause of the origin. An arrival
/// costs the same however many there were, and ten pauses are kept.
package struct ArrivalRhythm: Sendable {
    package struct Bounds: Sendable {
        /// Shorter silence is never suspicious.
        package var shortest: Duration
        /// Before enough pauses were seen; and no less before as much time as `learning` was waited.
        package var unknown: Duration
        package var learning: Duration
        /// Longer silence always is.
        package var longest: Duration

        package init(shortest: Duration, unknown: Duration, longest: Duration, learning: Duration = .zero) {
            self.shortest = max(.zero, shortest)
            self.longest = max(self.shortest, longest)
            self.unknown = min(max(self.shortest, unknown), self.longest)
            self.learning = learning
        }

        /// For all that comes over a connection.
        package static let connection = Bounds(
            shortest: .milliseconds(100), unknown: .milliseconds(250), longest: .seconds(15))
        /// For one flow among others that are sent as they are played.
        package static let realtimeFlow = Bounds(
            shortest: .milliseconds(500), unknown: .milliseconds(500), longest: .seconds(15))
        /// For one flow among others: containers keep their flows together in steps of up to a second or two.
        package static let flow = Bounds(
            shortest: .milliseconds(250), unknown: .seconds(2), longest: .seconds(15), learning: .seconds(10))
    }

    /// Pauses are forgotten after one to two of these.
    package static let memory: Duration = .seconds(30)
    /// A pause that was seen as often is usual.
    package static let usualCount = 3

    /// So many pauses that are alike make a regular rhythm.
    package static let regularCount = 5

    /// The longest pauses of a stretch of time, the longest first.
    private struct Longest: Sendable {
        var pauses: InlinePauses = (.zero, .zero, .zero, .zero, .zero)
        var count = 0

        mutating func note(_ pause: Duration) {
            count = min(count + 1, regularCount)
            guard pause > pauses.4 else { return }
            pauses.4 = pause
            if pauses.4 > pauses.3 { swap(&pauses.4, &pauses.3) }
            if pauses.3 > pauses.2 { swap(&pauses.3, &pauses.2) }
            if pauses.2 > pauses.1 { swap(&pauses.2, &pauses.1) }
            if pauses.1 > pauses.0 { swap(&pauses.1, &pauses.0) }
        }
    }
    private typealias InlinePauses = (Duration, Duration, Duration, Duration, Duration)

    package let bounds: Bounds
    private var recent = Longest()
    private var earlier = Longest()
    private var recentBegan: Instant?
    /// All the waiting that was seen.
    private var waited: Duration = .zero
    /// When the wait began; nil while nothing is wanted.
    package private(set) var waitingSince: Instant?

    package init(bounds: Bounds = .connection) { self.bounds = bounds }

    /// Something is wanted from now on. Nothing changes where that is so already.
    package mutating func waitBegan(at now: Instant) {
        if waitingSince == nil { waitingSince = now }
    }

    /// Something came, and no more is wanted for now.
    ///
    /// - Parameter bytes: how much; nothing is no arrival.
    package mutating func arrived(bytes: Int = 1, at now: Instant) {
        guard bytes > 0, let since = waitingSince else { return }
        waitingSince = nil
        guard now > since else { return }
        learn(now - since, at: now)
    }

    /// Nothing is wanted for now; the wait so far teaches nothing.
    package mutating func waitEnded() { waitingSince = nil }

    /// Something else delivers from now on.
    package mutating func originChanged() { self = ArrivalRhythm(bounds: bounds) }

    /// The wait is taken to have begun later than it did, so that its silence is no longer than `most` by now.
    package mutating func limitSilence(to most: Duration, at now: Instant) {
        guard let since = waitingSince, now - since > most else { return }
        waitingSince = Instant(nanoseconds: now.nanoseconds - most.wholeNanoseconds)
    }

    private mutating func learn(_ pause: Duration, at now: Instant) {
        if let began = recentBegan {
            // What pauses for long is seen seldom: it is remembered until there is as much to know again.
            if now - began >= Self.memory, recent.count >= Self.usualCount {
                earlier = recent
                recent = Longest()
                recentBegan = now
            }
        } else {
            recentBegan = now
        }
        recent.note(pause)
        waited = min(waited + pause, .seconds(1_000_000))
    }

    private var longest: Longest {
        var both = recent
        let (a, b, c, d, e) = earlier.pauses
        for pause in [a, b, c, d, e].prefix(earlier.count) { both.note(pause) }
        return both
    }

    /// The longest pause that is usual; nil before enough is known.
    package var usualPause: Duration? {
        let longest = longest
        return longest.count < Self.usualCount ? nil : longest.pauses.2
    }

    /// The usual pause of a regular rhythm; nil where there is none.
    package var regularPause: Duration? {
        let longest = longest
        guard longest.count >= Self.regularCount, longest.pauses.4 * 3 >= longest.pauses.1 * 2 else { return nil }
        return longest.pauses.2
    }

    /// How long a silence has to last to be suspicious.
    package var suspicionAfter: Duration {
        guard let usualPause else { return bounds.unknown }
        let least = waited < bounds.learning ? bounds.unknown : bounds.shortest
        return min(max(usualPause * 5 / 4, least), bounds.longest)
    }

    /// When the present silence becomes suspicious; `.never` while nothing is wanted.
    package var suspicionBegins: Instant { waitingSince.map { $0 + suspicionAfter } ?? .never }

    /// The silence so far.
    package func silence(at now: Instant) -> Duration { waitingSince.map { now - $0 } ?? .zero }
}
