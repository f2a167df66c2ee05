internal import CPosix

/// A moment on the monotonic clock. State machines are given instants; only those who run them read the clock.
public struct Instant: Hashable, Comparable, Sendable {
    /// Nanoseconds since an arbitrary fixed moment.
    public var nanoseconds: Int64

    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    /// A moment that never comes: no deadline.
    public static let never = Instant(nanoseconds: .max)

    /// Reads the clock (`CLOCK_MONOTONIC`); in a world the world's.
    public static var now: Instant {
        if let thread = WorldThread.current { return thread.world.readClock() }
        return Instant(nanoseconds: tl_monotonic_nanoseconds())
    }

    public static func < (a: Instant, b: Instant) -> Bool { a.nanoseconds < b.nanoseconds }

    /// Saturates at `never`.
    public static func + (a: Instant, b: Duration) -> Instant {
        let (sum, overflow) = a.nanoseconds.addingReportingOverflow(b.wholeNanoseconds)
        return overflow ? .never : Instant(nanoseconds: sum)
    }

    /// The time that has passed since `b`; negative when `b` is later.
    public static func - (a: Instant, b: Instant) -> Duration {
        .nanoseconds(a.nanoseconds.subtractingReportingOverflow(b.nanoseconds).partialValue)
    }
}
