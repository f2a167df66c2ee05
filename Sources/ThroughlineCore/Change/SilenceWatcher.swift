/// Tells how long an origin may be silent while bytes are wanted of it.
///
/// Silence is judged by its deadline: as long as the buffer hides it, and holds a reserve for the handoff that may
/// follow, nothing is lost by waiting. Where no buffer hides it (at full speed, or once the buffer is dry), a bound
/// holds. Silence only counts while somebody waits for bytes: a full buffer that reads nothing says nothing about the
/// origin.
///
/// | buffer | holds | borne, with a bound of 1 s |
/// | --- | --- | --- |
/// | 1 s | 1 s | 0.5 s |
/// | 2 s | 2 s | 1.5 s |
/// | 2 s | 0.6 s | 0.25 s |
/// | 2 s | 0.25 s | 0.15 s |
/// | 2 s | nothing | 1 s |
package struct SilenceWatcher: Sendable {
    /// Shorter silence is never a sign: a paced origin sends in lumps.
    package static let shortest: Duration = .milliseconds(250)
    /// Unless the buffer would be dry by then: a handoff for nothing costs nothing that is seen.
    package static let shortestNearDry: Duration = .milliseconds(100)
    /// Media that a handoff needs at the least.
    package static let handoffTime: Duration = .milliseconds(100)
    /// Media that is kept for the handoff, at the most; half of the buffer if that is less.
    package static let mostReserve: Duration = .milliseconds(500)

    /// Media that is kept for the handoff even from an origin that is known to pause.
    package static let leastReserve: Duration = .milliseconds(400)

    private let bound: Duration
    private let reserve: Duration
    /// The longest silence that ended well.
    private var known: Duration = .zero
    /// When the wait for bytes began, or the last of them came; nil while none are wanted.
    private var waitingSince: Instant?
    private var borne: Duration = .zero
    private var level: Duration?
    /// What is sent comes so far apart that a silence up to this long is none.
    package var rhythm: Duration = .zero

    /// - Parameters:
    ///   - bound: silence that is borne where no buffer hides it.
    ///   - buffer: the length of the playout buffer; nil where nothing is paced.
    package init(bound: Duration, buffer: Duration?) {
        self.bound = max(.milliseconds(50), bound)
        reserve = buffer.map { min(Self.mostReserve, $0 / 2) } ?? .zero
    }

    /// Bytes are wanted from now on.
    ///
    /// - Parameter level: media that the buffer holds; nil where nothing is due at any time.
    package mutating func waitBegan(at now: Instant, level: Duration?) {
        guard waitingSince == nil else { return }
        waitingSince = now
        self.level = level
        borne = allowance(level: level)
    }

    /// Bytes came, and no more are wanted for now.
    package mutating func bytesArrived(at now: Instant) {
        if let since = waitingSince { known = max(known, now - since) }
        waitingSince = nil
    }

    /// Nothing is wanted for now.
    package mutating func waitEnded() { waitingSince = nil }

    /// Another origin delivers from now on: nothing is known of its rhythm.
    package mutating func originChanged() { known = .zero }

    /// Silence that is borne with so much media in the buffer.
    package func allowance(level: Duration?) -> Duration {
        guard let level, level > .zero else { return bound }
        // An origin that was as silent before, and came back, is given half as much again.
        let least = max(Self.shortestNearDry, min(Self.shortest, level - Self.handoffTime))
        return max(least, level - reserve, min(known * 3 / 2, level - Self.leastReserve))
    }

    /// Bears the silence until the buffer is dry and the bound has passed after that, for want of anyone else to ask.
    ///
    /// - Returns: false when it has lasted that long already.
    package mutating func mayGoOn(at now: Instant) -> Bool {
        let most = (level ?? .zero) + bound
        guard let waitingSince, now - waitingSince < most else { return false }
        borne = most
        return true
    }

    /// When the silence will be too long; `.never` while no bytes are wanted.
    package var deadline: Instant { waitingSince.map { $0 + max(borne, rhythm) } ?? .never }

    /// The silence so far.
    package func silence(at now: Instant) -> Duration { waitingSince.map { now - $0 } ?? .zero }
}
