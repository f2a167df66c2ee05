/// Tells how long an origin may be silent while bytes are wanted of it.
///
/// Silence only counts while somebody waits for bytes: a full buffer that reads nothing says nothing about the origin.
package struct SilenceWatcher: Sendable {
    /// Silence that is borne at the most.
    package let bound: Duration
    /// When the wait for bytes began, or the last of them came; nil while none are wanted.
    private var waitingSince: Instant?

    /// - Parameters:
    ///   - bound: the settable bound.
    ///   - buffer: the length of the playout buffer. Half of it is kept for the handoff that follows, so a buffer
    ///     shorter than twice the bound shortens the bound.
    package init(bound: Duration, buffer: Duration) {
        self.bound = max(.milliseconds(50), min(bound, buffer / 2))
    }

    /// Bytes are wanted from now on.
    package mutating func waitBegan(at now: Instant) { if waitingSince == nil { waitingSince = now } }
    /// Bytes came.
    package mutating func bytesArrived(at now: Instant) { if waitingSince != nil { waitingSince = now } }
    /// No bytes are wanted for now.
    package mutating func waitEnded() { waitingSince = nil }

    /// When the silence will be too long; `.never` while no bytes are wanted.
    package var deadline: Instant { waitingSince.map { $0 + bound } ?? .never }

    /// The silence so far, once it is too long.
    package func silence(at now: Instant) -> Duration? {
        guard let waitingSince, now >= waitingSince + bound else { return nil }
        return now - waitingSince
    }
}
