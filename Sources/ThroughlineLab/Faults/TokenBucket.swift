internal import ThroughlineCore

/// Meters bytes over time: a bucket that fills at `rate` bytes per second up to `burst`, kept as the moment at which it
/// will be full, so that nothing is lost to rounding between ticks (the generic cell rate algorithm).
struct TokenBucket {
    /// How often a paced response looks for tokens.
    static let tick = Duration.milliseconds(10)

    /// Bytes per second, at least 1.
    let rate: Int64
    /// Bytes that may be sent at once; at least 50 ms worth, so that late ticks lose nothing, and at least 1.
    let burst: Int64
    private var fullAt: Instant

    /// - Parameter full: whether the whole burst is there at once; otherwise the bucket starts empty.
    init(rate: Int, burst: Int, full: Bool, at now: Instant) {
        self.rate = Int64(max(rate, 1))
        self.burst = max(Int64(burst), self.rate / 20, 1)
        fullAt = now
        if !full { fullAt = now + Self.time(for: self.burst, rate: self.rate) }
    }

    private static func time(for bytes: Int64, rate: Int64) -> Duration {
        .nanoseconds(bytes.scaled(by: 1_000_000_000, over: rate) ?? .max)
    }

    /// Bytes that may be sent now.
    func available(at now: Instant) -> Int64 {
        let missing = UInt64(max(0, (fullAt - now).wholeNanoseconds))
        let product = missing.multipliedFullWidth(by: UInt64(rate))
        let second: UInt64 = 1_000_000_000
        guard product.high < second else { return 0 }
        // A byte of which a part is missing is not there.
        let (bytes, rest) = second.dividingFullWidth(product)
        guard bytes < UInt64(burst) else { return 0 }
        return burst - Int64(bytes) - (rest > 0 ? 1 : 0)
    }

    /// Takes `bytes` out; going below empty is paid back later.
    mutating func take(_ bytes: Int64, at now: Instant) {
        fullAt = max(fullAt, now) + Self.time(for: bytes, rate: rate)
    }

    /// How long to wait before asking again: one tick, or until there is one byte.
    func wait(at now: Instant) -> Duration {
        let emptyUntil = fullAt - now - Self.time(for: burst, rate: rate)
        return max(Self.tick, emptyUntil + Self.time(for: 1, rate: rate))
    }
}
