/// A point or a length on a media timeline, exact for every usual frame and sample rate.
///
/// The unit is the flick, 1/705 600 000 s: 24, 25, 30, 50, 60 and their 1000/1001 relatives, 90 kHz, 1 ms, 44.1 and
/// 48 kHz (and their multiples) are whole numbers of flicks. An `Int64` of flicks spans 414 years either way.
public struct MediaTime: Hashable, Comparable, Sendable {
    /// Flicks in one second.
    public static let flicksPerSecond: Int64 = 705_600_000

    /// The value, in flicks.
    public var flicks: Int64

    @inlinable
    public init(flicks: Int64) { self.flicks = flicks }

    public static let zero = MediaTime(flicks: 0)

    @inlinable
    public static func < (a: MediaTime, b: MediaTime) -> Bool { a.flicks < b.flicks }

    /// Sums and differences saturate: timestamps come from the network, and a sum of two of them must not trap.
    @inlinable
    public static func + (a: MediaTime, b: MediaTime) -> MediaTime {
        let (sum, overflow) = a.flicks.addingReportingOverflow(b.flicks)
        return MediaTime(flicks: overflow ? (a.flicks < 0 ? .min : .max) : sum)
    }

    @inlinable
    public static func - (a: MediaTime, b: MediaTime) -> MediaTime {
        let (difference, overflow) = a.flicks.subtractingReportingOverflow(b.flicks)
        return MediaTime(flicks: overflow ? (a.flicks < 0 ? .min : .max) : difference)
    }

    @inlinable
    public static prefix func - (a: MediaTime) -> MediaTime { .zero - a }

    @inlinable
    public static func += (a: inout MediaTime, b: MediaTime) { a = a + b }

    /// The distance from zero.
    public var magnitude: MediaTime { flicks < 0 ? -self : self }

    /// Whole milliseconds.
    public static func milliseconds(_ value: Int64) -> MediaTime {
        MediaTime(value: value, timeBase: TimeBase(1, 1000)) ?? .zero
    }

    /// Whole seconds.
    public static func seconds(_ value: Int64) -> MediaTime {
        MediaTime(value: value, timeBase: TimeBase(1, 1)) ?? .zero
    }
}

/// Normal play time: time since the start of the presentation (RFC 2326 section 3.6).
public typealias NPT = MediaTime

/// The unit of a timestamp, in seconds: `numerator / denominator`. Both are positive.
public struct TimeBase: Hashable, Sendable {
    public let numerator: Int32
    public let denominator: Int32

    /// - Precondition: both parts are positive.
    public init(_ numerator: Int32, _ denominator: Int32) {
        precondition(numerator > 0 && denominator > 0, "time base \(numerator)/\(denominator)")
        self.numerator = numerator
        self.denominator = denominator
    }
}

extension MediaTime {
    /// `value` units of `timeBase`, rounded to the nearest flick, halves away from zero.
    ///
    /// Exact whenever the time base divides a flick, which all usual ones do. `nil` when the result does not fit.
    public init?(value: Int64, timeBase: TimeBase) {
        guard
            let flicks = value.scaled(
                by: Int64(timeBase.numerator) * MediaTime.flicksPerSecond, over: Int64(timeBase.denominator))
        else { return nil }
        self.init(flicks: flicks)
    }

    /// This time in units of `timeBase`, rounded to the nearest, halves away from zero. Saturates.
    public func value(in timeBase: TimeBase) -> Int64 {
        flicks.scaled(by: Int64(timeBase.denominator), over: Int64(timeBase.numerator) * MediaTime.flicksPerSecond)
            ?? (flicks < 0 ? .min : .max)
    }

    /// The same length on the wall clock, rounded to the nearest nanosecond.
    public var duration: Duration { .nanoseconds(nanoseconds) }

    /// The same length in nanoseconds, rounded to the nearest. Saturates.
    public var nanoseconds: Int64 {
        flicks.scaled(by: 1_000_000_000, over: MediaTime.flicksPerSecond) ?? (flicks < 0 ? .min : .max)
    }

    /// A length on the wall clock, rounded to the nearest flick. Saturates.
    public init(nanoseconds: Int64) {
        self.init(
            flicks: nanoseconds.scaled(by: MediaTime.flicksPerSecond, over: 1_000_000_000)
                ?? (nanoseconds < 0 ? .min : .max))
    }

    /// A length on the wall clock, rounded to the nearest flick. Saturates.
    public init(_ duration: Duration) { self.init(nanoseconds: duration.wholeNanoseconds) }

    /// Seconds, for people and reports only; arithmetic stays in flicks.
    public var seconds: Double { Double(flicks) / Double(MediaTime.flicksPerSecond) }

    /// Milliseconds rounded to the nearest, for people and reports only.
    public var milliseconds: Int64 { value(in: TimeBase(1, 1000)) }
}

extension MediaTime: CustomStringConvertible {
    /// `h:mm:ss.mmm`, the hours only when there are any.
    public var description: String {
        let total = magnitude.milliseconds
        let (ms, s, m, h) = (total % 1000, total / 1000 % 60, total / 60_000 % 60, total / 3_600_000)
        func padded(_ n: Int64, _ width: Int) -> String {
            let digits = String(n)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        let sign = flicks < 0 && total > 0 ? "-" : ""
        let head = h > 0 ? "\(h):\(padded(m, 2))" : "\(m)"
        return "\(sign)\(head):\(padded(s, 2)).\(padded(ms, 3))"
    }
}

extension Int64 {
    /// `self * multiplier / divisor` without overflow in between, rounded to the nearest, halves away from zero;
    /// `nil` when the result does not fit. `multiplier` and `divisor` are positive.
    package func scaled(by multiplier: Int64, over divisor: Int64) -> Int64? {
        let product = magnitude.multipliedFullWidth(by: multiplier.magnitude)
        let half = divisor.magnitude / 2
        let (low, carry) = product.low.addingReportingOverflow(half)
        let high = product.high &+ (carry ? 1 : 0)
        guard high < divisor.magnitude else { return nil }
        let quotient = divisor.magnitude.dividingFullWidth((high, low)).quotient
        guard quotient <= UInt64(Int64.max) else { return nil }
        return self < 0 ? -Int64(quotient) : Int64(quotient)
    }
}

extension Duration {
    /// Nanoseconds, saturating at the ends of `Int64` (292 years).
    package var wholeNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflow else { return seconds < 0 ? .min : .max }
        let (sum, overflowed) = product.addingReportingOverflow(attoseconds / 1_000_000_000)
        return overflowed ? (seconds < 0 ? .min : .max) : sum
    }
}
