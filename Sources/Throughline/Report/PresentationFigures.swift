internal import ThroughlineCore

/// What was presented so far, for one viewer.
struct PresentationFigures: Sendable {
    /// What was due at places of the timeline, and not there.
    var missing: MediaTime = .zero
    /// What live streams sent while nobody was connected, where the timeline begins anew behind it.
    var unseen: MediaTime = .zero
    var damaged: MediaTime = .zero
    var damagedPackets = 0
    var played: MediaTime = .zero
    /// What was missing or damaged, one by one; bounded.
    var defects: [MediaDefect] = []
}

/// How long seeks took, from the command to the first picture of the new place.
struct SeekTimes: Sendable {
    private(set) var count = 0
    private(set) var total: Duration = .zero
    private(set) var longest: Duration = .zero
    private var since: Instant?

    /// Of two at once the first is superseded.
    mutating func asked(at now: Instant) { since = now }

    mutating func shown(at now: Instant) {
        guard let since else { return }
        self.since = nil
        count += 1
        total += now - since
        longest = max(longest, now - since)
    }
}
