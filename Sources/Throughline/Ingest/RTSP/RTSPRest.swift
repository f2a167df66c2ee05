internal import ThroughlineCore

/// Decides how long an RTSP source leaves its sockets alone after something came, so that what is sent picture by picture
/// is received, unpacked and handed on in few turns: each costs as much as several packets.
///
///     wait for media --> take it --> rest --> take what has come meanwhile --> rest ...
///
/// The source rests only while the playout buffer holds so much that the rest makes no difference, and while all that can
/// come meanwhile has room in the sockets.
struct RTSPRest {
    /// How long the playout buffer lasts; nil where packets are wanted as soon as they come.
    var reserve: PlayoutReserve?
    /// Until when the sockets are left alone.
    private(set) var end: Instant?
    private var received = 0
    /// The bytes that came since a moment, and the most within `longest` before it.
    private var window = (began: Instant(nanoseconds: 0), bytes: 0)
    private var burst = 0
    private var mayRestFrom = Instant.never

    /// Two pictures at the usual rate.
    static let longest: Duration = .milliseconds(80)
    /// A rest is no longer than this part of what the playout buffer holds.
    static let share = 25
    /// Shorter rests gather nothing.
    static let shortest: Duration = .milliseconds(5)
    /// No rest so soon after PLAY was answered: the origin is being joined or shown, and tells meanwhile how much it sends at
    /// once.
    static let beginning: Duration = .seconds(2)
    /// A server that is not read from waits; where more comes at once, turns are few anyway.
    static let mostOverConnection = 256 << 10

    /// A request to play was answered.
    mutating func played(at now: Instant) {
        mayRestFrom = now + Self.beginning
        end = nil
    }

    mutating func received(_ byteCount: Int) { received += byteCount }

    /// All was taken that the sockets held.
    ///
    /// - Parameters:
    ///   - now: when it came.
    ///   - room: bytes that may come during a rest.
    mutating func turnEnded(at now: Instant, mayRest: Bool, room: Int) {
        end = nil
        guard received > 0 else { return }
        if now - window.began > Self.longest { window = (now, 0) }
        window.bytes += received
        received = 0
        burst = max(burst, window.bytes)
        guard let reserve, mayRest, now >= mayRestFrom, burst <= room else { return }
        let rest = min(Self.longest, reserve.left(at: now) / Self.share)
        if rest >= Self.shortest { end = now + rest }
    }
}
