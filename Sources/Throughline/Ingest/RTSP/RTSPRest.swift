internal import ThroughlineCore

/// Decides how long an RTSP source leaves its sockets alone after something came, so that what is sent picture by picture
/// is received, unpacked and handed on in few turns: each costs as much as several packets.
///
///     wait for media --> take it --> rest --> take what has come meanwhile --> rest ...
///
/// It rests only while the viewer has so much to see that the rest makes no difference, and while all that can come
/// meanwhile has room in the sockets.
struct RTSPRest {
    /// What the viewer has to see; nil where what comes is wanted at once.
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
    /// It rests no longer than this part of what the viewer has to see.
    static let share = 25
    /// Shorter rests gather nothing.
    static let shortest: Duration = .milliseconds(5)
    /// What begins to play is joined or shown as soon as it can be, and shows meanwhile how much comes at once.
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
