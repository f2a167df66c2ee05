/// What the way to a place in a world is like.
public struct NetworkLink: Sendable, Hashable {
    /// How long bytes and datagrams are under way, in one direction.
    public var latency: Duration
    /// Up to so much is added to `latency`, drawn anew for everything that is sent; order is kept.
    public var jitter: Duration
    /// Of a hundred datagrams, so many are lost, each way; 0 to 100. What goes over a connection is never lost.
    public var loss: Double
    /// Of a hundred datagrams, so many come twice.
    public var duplication: Double
    /// Of a hundred datagrams, so many are held back, and overtaken by what is sent meanwhile.
    public var reordering: Double
    /// The longest time for which `reordering` holds a datagram back.
    public var holdBack: Duration

    public init(
        latency: Duration = .zero, jitter: Duration = .zero, loss: Double = 0, duplication: Double = 0,
        reordering: Double = 0, holdBack: Duration = .milliseconds(20)
    ) {
        self.latency = latency
        self.jitter = jitter
        self.loss = loss
        self.duplication = duplication
        self.reordering = reordering
        self.holdBack = holdBack
    }

    /// How long something takes that is sent now.
    func delay() -> Duration { latency + Self.upTo(jitter) }

    /// When copies of a datagram come that is sent now: none where it is lost.
    ///
    /// - Parameter lastArrival: of what was sent before and not held back; kept up to date.
    func arrivals(after lastArrival: inout Instant) -> [Instant] {
        if Self.happens(loss) { return [] }
        return (0..<(Self.happens(duplication) ? 2 : 1)).map { _ in
            let arrival = max(lastArrival, .now + delay())
            if Self.happens(reordering) { return arrival + Self.upTo(holdBack) }
            lastArrival = arrival
            return arrival
        }
    }

    private static func upTo(_ duration: Duration) -> Duration {
        duration > .zero ? .nanoseconds(Chance.number(in: 0...duration.wholeNanoseconds)) : .zero
    }

    /// Draws nothing where it never happens.
    private static func happens(_ percent: Double) -> Bool { percent > 0 && Chance.fraction * 100 < percent }
}
