package import ThroughlineCore

/// Says when a receiver is to send its next compound (RFC 3550 section 6.3 and appendix A.7): so often that all
/// together keep to the bandwidth of RTCP, at random moments, on average not before 5 s, and half of that the first time.
///
/// The clock and the randomness are passed in.
///
/// | members | bandwidth | average size | mean interval |
/// | --- | --- | --- | --- |
/// | 2 | 3125 byte/s | 100 | 5 s |
/// | 1001 | 3125 byte/s | 100 | 42.7 s |
package struct RTCPSchedule: Sendable {
    package static let shortest: Duration = .seconds(5)

    private let bytesPerSecond: Int64
    private var isInitial = true
    private var previous: Instant
    /// Sixteen times the mean size of compounds, in bytes.
    private var scaledSize: Int64 = 128 * 16

    /// Everybody in the session, this receiver too: at least 1.
    package var members: Int = 2
    /// Those of them that send media. This receiver is none.
    package var senders: Int = 1

    /// When to call `expired`.
    package private(set) var deadline: Instant

    /// - Parameters:
    ///   - bytesPerSecond: the bandwidth of RTCP, usually a twentieth of the session's; nil where it is not known.
    package init(bytesPerSecond: Int64?, at now: Instant, using random: inout some RandomNumberGenerator) {
        self.bytesPerSecond = max(0, bytesPerSecond ?? 0)
        previous = now
        deadline = now
        deadline = now + interval(using: &random)
    }

    /// The time until the next compound. What the formula makes of random numbers is on average too short, hence the
    /// division by e - 3/2 (RFC 3550 section 6.3.1).
    private func interval(using random: inout some RandomNumberGenerator) -> Duration {
        let shortest = isInitial ? Self.shortest / 2 : Self.shortest
        var nanoseconds = shortest.wholeNanoseconds
        if bytesPerSecond > 0 {
            let members = Int64(max(1, min(1 << 20, self.members)))
            let senders = Int64(max(0, min(1 << 20, self.senders)))
            // A quarter of the bandwidth is for the senders, while they are few.
            let areFew = senders * 4 <= members
            let sharing = areFew ? max(1, members - senders) : members
            let bandwidth = areFew ? max(1, bytesPerSecond / 4 * 3 + bytesPerSecond % 4 * 3 / 4) : bytesPerSecond
            let even = (scaledSize * sharing).scaled(by: 1_000_000_000 / 16, over: bandwidth) ?? .max
            // A day is as good as never.
            nanoseconds = min(86_400_000_000_000, max(nanoseconds, even))
        }
        // Between one half and three halves of it.
        let spread =
            nanoseconds.scaled(by: Int64(1) << 31 + Int64(UInt32.random(in: 0 ... .max, using: &random)), over: 1 << 32)
            ?? nanoseconds
        return .nanoseconds(spread.scaled(by: 100_000, over: 121_828) ?? spread)
    }

    /// The deadline has come. Where the session has grown since, it is moved on (RFC 3550 section 6.3.6).
    ///
    /// - Returns: whether to send now.
    package mutating func expired(at now: Instant, using random: inout some RandomNumberGenerator) -> Bool {
        guard now >= deadline else { return false }
        let due = previous + interval(using: &random)
        if due > now {
            deadline = due
            return false
        }
        previous = now
        isInitial = false
        deadline = now + interval(using: &random)
        return true
    }

    /// A compound was sent or has come; its size, with the headers of UDP and IP, goes into the mean.
    package mutating func compoundPassed(byteCount: Int) {
        let size = Int64(max(0, min(0xFFFF, byteCount)))
        scaledSize += size - scaledSize / 16
    }
}
