internal import ThroughlineCore

/// Tells a second Ctrl-C from one interrupt that arrives twice.
///
/// `timeout`, shells and supervisors signal a process and then its group: it gets the same interrupt again within a moment,
/// and may not lose its outputs for that.
struct InterruptCount {
    enum Meaning {
        /// End properly.
        case first
        /// The first one, again.
        case echo
        /// Leave at once.
        case again
    }

    /// Nobody presses a key twice in less.
    static let echo = Duration.milliseconds(100)

    private var last: Instant?

    mutating func taken(at now: Instant) -> Meaning {
        guard let before = last else {
            last = now
            return .first
        }
        return now - before < Self.echo ? .echo : .again
    }
}
