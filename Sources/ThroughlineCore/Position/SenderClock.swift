/// What the sender reports of one flow say about its clocks: pairs of wall clock and RTP timestamp (RFC 3550 section 6.4.1).
///
/// Integers only. A report that does not go with the one before it (the wall clock was set, the timestamps began anew)
/// begins the measurement again.
package struct SenderClock: Sendable {
    /// One report.
    package struct Report: Hashable, Sendable {
        /// Wall clock of the sender, since 1900.
        package let wallClock: MediaTime
        package let timestamp: UInt32
        package let arrival: Instant
    }

    /// Further apart than this, two reports do not tell of the same clocks.
    private static let mostDisagreement: MediaTime = .seconds(1)

    private let timeBase: TimeBase
    package private(set) var last: Report?
    /// How often the measurement began again.
    package private(set) var restarts = 0

    package init(timeBase: TimeBase) { self.timeBase = timeBase }

    /// - Parameter ntpTime: seconds since 1900 and their fraction, 32 bits each. 0 is what senders without a clock send.
    package mutating func reported(ntpTime: UInt64, timestamp: UInt32, at now: Instant) {
        guard ntpTime != 0 else { return }
        let report = Report(wallClock: Self.time(ntp: ntpTime), timestamp: timestamp, arrival: now)
        defer { last = report }
        guard let last else { return }
        let step = Int64(Int32(bitPattern: timestamp &- last.timestamp))
        let apart = (time(step) - (report.wallClock - last.wallClock)).magnitude
        if report.wallClock < last.wallClock || apart > Self.mostDisagreement {
            restarts += 1
        }
    }

    /// 32.32 fixed point, rounded down to a flick. The largest value fits into a tenth of what a `MediaTime` holds.
    package static func time(ntp: UInt64) -> MediaTime {
        let perSecond = UInt64(MediaTime.flicksPerSecond)
        return MediaTime(flicks: Int64((ntp >> 32) * perSecond + ((ntp & 0xFFFF_FFFF) * perSecond) >> 32))
    }

    private func time(_ ticks: Int64) -> MediaTime {
        MediaTime(value: ticks, timeBase: timeBase) ?? MediaTime(flicks: ticks < 0 ? .min : .max)
    }
}
