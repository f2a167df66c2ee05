internal import ThroughlineCore

/// A token bucket for one connection, or for all of an origin. On the origin's thread.
final class Meter {
    private(set) var bucket: TokenBucket

    init(_ bucket: TokenBucket) { self.bucket = bucket }

    convenience init(_ pacing: Pacing, at now: Instant) {
        self.init(TokenBucket(rate: pacing.bytesPerSecond, burst: pacing.burst, full: true, at: now))
    }

    func take(_ bytes: Int64, at now: Instant) { bucket.take(bytes, at: now) }
}
