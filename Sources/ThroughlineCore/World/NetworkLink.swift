/// What the way to a place in a world is like.
public struct NetworkLink: Sendable, Hashable {
    /// One way.
    public var latency: Duration
    /// Up to so much more, drawn anew for everything that is sent; order is kept.
    public var jitter: Duration

    public init(latency: Duration = .zero, jitter: Duration = .zero) {
        self.latency = latency
        self.jitter = jitter
    }
}
