/// How ready the next origin is kept.
public enum Standby: String, Sendable, Hashable, CaseIterable {
    /// It is connected when it is needed.
    case cold
    /// It is connected and known to hold what is played, and a handoff asks it for one thing: over RTSP a session is set up
    /// and kept alive, to be asked to play; over HTTP its bytes were compared, and a connection is kept.
    case warm
    /// It delivers, beside the origin that is played: a handoff finds what it needs in memory, and waits for nothing. It
    /// costs what a second viewer costs.
    case hot
}

/// What keeping a standby ready has cost: while it is held, one idle session with its server, or one that delivers.
public struct StandbyCost: Sendable, Hashable {
    /// How ready it was kept.
    public let standby: Standby
    /// Sessions that were set up ahead.
    public let preparations: Int
    /// Those that could not be set up, or were lost before they were used.
    public let failures: Int
    /// How long one stood ready in all.
    public let held: Duration
    /// Packets of media that came while they were not played; none unless the standby is hot.
    public let packets: Int
    /// Bytes that came with them, as far as they are counted: of the container, or where there is none of the media.
    public let bytes: Int64
}
