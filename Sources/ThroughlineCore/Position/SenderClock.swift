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
    /// A drift over less than this is noise.
    private static let leastSpan: MediaTime = .seconds(5)

    private let timeBase: TimeBase
    private var first: Report?
    package private(set) var last: Report?
    /// From the first report to the last, by the timestamps.
    private var ticks: Int64 = 0
    /// How often the measurement began again.
    package private(set) var restarts = 0

    package init(timeBase: TimeBase) { self.timeBase = timeBase }

    /// - Parameter ntpTime: seconds since 1900 and their fraction, 32 bits each. 0 is what senders without a clock send.
    package mutating func reported(ntpTime: UInt64, timestamp: UInt32, at now: Instant) {
        guard ntpTime != 0 else { return }
        let report = Report(wallClock: Self.time(ntp: ntpTime), timestamp: timestamp, arrival: now)
        defer { last = report }
        guard let last else {
            first = report
            return
        }
        let step = Int64(Int32(bitPattern: timestamp &- last.timestamp))
        let apart = (time(step) - (report.wallClock - last.wallClock)).magnitude
        if report.wallClock < last.wallClock || apart > Self.mostDisagreement {
            first = report
            ticks = 0
            restarts += 1
        } else {
            ticks += step
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

    /// How much faster the timestamps go than the sender's wall clock, in millionths; nil before 5 s of reports.
    package var driftPartsPerMillion: Int64? {
        guard let first, let last else { return nil }
        return Self.drift(of: time(ticks), against: last.wallClock - first.wallClock)
    }

    /// How much faster the sender's wall clock goes than ours, in millionths; nil before 5 s of reports. The reports'
    /// own delays are in it: 10 ms over a minute are 167 millionths.
    package var driftAgainstArrivalPartsPerMillion: Int64? {
        guard let first, let last else { return nil }
        return Self.drift(
            of: last.wallClock - first.wallClock, against: MediaTime(last.arrival - first.arrival))
    }

    private static func drift(of time: MediaTime, against reference: MediaTime) -> Int64? {
        guard reference >= leastSpan else { return nil }
        return (time - reference).flicks.scaled(by: 1_000_000, over: reference.flicks)
    }
}
