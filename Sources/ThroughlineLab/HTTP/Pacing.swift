/// How fast an origin delivers at most: a token bucket that is looked at every 10 ms or so, of each connection or of all of
/// them together.
///
/// The burst is there at once on a new connection, and again after the connection (or the origin) has been idle.
///
///     Pacing(bytesPerSecond: 5_000_000 / 8 * 5 / 4, burst: 5_000_000 / 8)  // 5 Mbit/s at 1.25 times real time, 1 s ahead
public struct Pacing: Sendable, Hashable {
    /// Body bytes per second, at least 1.
    public var bytesPerSecond: Int
    /// Body bytes that come as fast as the connection takes them, before the rate counts; at least 50 ms worth are used.
    public var burst: Int
    /// Whether all connections share the rate and the burst, as where a server gives a rate to a client; otherwise each has
    /// its own. A fault that throttles does so to all of them together then, too.
    public var isShared: Bool

    public init(bytesPerSecond: Int, burst: Int = 0, isShared: Bool = false) {
        self.bytesPerSecond = bytesPerSecond
        self.burst = burst
        self.isShared = isShared
    }
}
