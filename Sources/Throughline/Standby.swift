/// How ready the next origin is kept.
public enum Standby: String, Sendable, Hashable, CaseIterable {
    /// It is connected when it is needed.
    case cold
    /// A session with it is set up and kept alive, and not played: a handoff asks it for one thing, to play. For RTSP
    /// origins; others are cold.
    case warm
}

/// What keeping a standby ready has cost: while it is held, one idle session with its server.
public struct StandbyCost: Sendable, Hashable {
    /// Sessions that were set up ahead.
    public let preparations: Int
    /// Those that could not be set up, or were lost before they were used.
    public let failures: Int
    /// How long one stood ready in all.
    public let held: Duration
}
