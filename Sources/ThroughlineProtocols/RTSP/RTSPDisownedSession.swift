internal import ThroughlineCore

/// Judges a session that its server disowns: of which it says, to a sign of life, that there is no such session (454,
/// RFC 2326 section 11.3.5).
///
/// Some servers say so of a session that they deliver, and go on: it stays. Where nothing comes any more, and for longer
/// than before between two packets, the answer and the silence confirm each other, and the session is lost.
///
///     media   | | | | |                     | | | | | | | |
///     454           x . . bound: lost           x            kept
struct RTSPDisownedSession: Hashable, Sendable {
    /// Silence that confirms it, at the least. It is twice the longest that was seen while media came.
    static let shortest: Duration = .milliseconds(500)
    static let longest: Duration = .seconds(5)

    private var lastMedia: Instant?
    private var longestLull: Duration = .zero
    private var isDisowned = false

    /// Media has come.
    mutating func mediaArrived(at now: Instant) {
        if let lastMedia { longestLull = max(longestLull, now - lastMedia) }
        lastMedia = now
    }

    /// Media is due from now on: a PLAY was answered, or what comes is read again.
    mutating func mediaIsDue(at now: Instant) { lastMedia = max(lastMedia ?? now, now) }

    /// The server has said that it knows no such session.
    mutating func disowned(at now: Instant) {
        isDisowned = true
        lastMedia = lastMedia ?? now
    }

    /// The server has answered as one that knows the session does.
    mutating func owned() { isDisowned = false }

    /// When the session is lost, unless media comes; `.never` while the server has not disowned it.
    var deadline: Instant {
        guard isDisowned, let lastMedia else { return .never }
        return lastMedia + max(Self.shortest, min(longestLull * 2, Self.longest))
    }
}
