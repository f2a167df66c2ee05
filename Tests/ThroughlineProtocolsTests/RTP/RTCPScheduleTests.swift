internal import Testing
internal import ThroughlineCore

@testable import ThroughlineProtocols

/// Always the same number.
private struct Constant: RandomNumberGenerator {
    let value: UInt64
    mutating func next() -> UInt64 { value }
}

@Suite struct RTCPScheduleTests {
    static func milliseconds(_ from: Instant, _ to: Instant) -> Int64 { (to - from).wholeNanoseconds / 1_000_000 }

    /// The first interval is half as long; each lies between one half and three halves, divided by 1.21828.
    @Test(arguments: [(0, 1026, 2052), (.max, 3078, 6156)] as [(UInt64, Int64, Int64)])
    func intervalsLieWithinTheirBounds(random: UInt64, first: Int64, later: Int64) {
        let start = Instant.at(milliseconds: 0)
        var constant = Constant(value: random)
        var schedule = RTCPSchedule(bytesPerSecond: nil, at: start, using: &constant)
        #expect(Self.milliseconds(start, schedule.deadline) == first)
        let early = schedule.expired(at: .at(milliseconds: 500), using: &constant)
        #expect(!early)
        let deadline = schedule.deadline
        let sends = schedule.expired(at: deadline, using: &constant)
        #expect(sends && Self.milliseconds(deadline, schedule.deadline) == later)
    }

    /// The table of the type's documentation: the mean over many draws.
    @Test(arguments: [(2, 5.0), (1001, 42.7)]) func manyShareTheBandwidth(members: Int, mean: Double) {
        var random = SeededGenerator(seed: 1)
        var now = Instant.at(milliseconds: 0)
        var schedule = RTCPSchedule(bytesPerSecond: 3125, at: now, using: &random)
        schedule.members = members
        for _ in 0..<400 { schedule.compoundPassed(byteCount: 100) }
        var (sent, begun) = (0, now)
        for round in 0..<3000 {
            now = schedule.deadline
            if schedule.expired(at: now, using: &random) {
                sent += 1
                if round < 10 { (sent, begun) = (0, now) }
            }
        }
        let seconds = Double((now - begun).wholeNanoseconds) / 1e9 / Double(sent)
        #expect(abs(seconds - mean) < mean * 0.05, "\(seconds)")
    }

    @Test func whenTheSessionHasGrownTheDeadlineMovesOn() {
        let start = Instant.at(milliseconds: 0)
        var constant = Constant(value: .max / 2)
        var schedule = RTCPSchedule(bytesPerSecond: 1000, at: start, using: &constant)
        let deadline = schedule.deadline
        schedule.members = 10_000
        let sends = schedule.expired(at: deadline, using: &constant)
        #expect(!sends && schedule.deadline > deadline + .seconds(60))
    }

    @Test func absurdNumbersAreBorne() {
        for bandwidth in [.min, -1, 1, .max] as [Int64] {
            var random = SeededGenerator(seed: 2)
            var schedule = RTCPSchedule(bytesPerSecond: bandwidth, at: .at(milliseconds: 0), using: &random)
            schedule.members = .max
            schedule.senders = .min
            schedule.compoundPassed(byteCount: .max)
            let deadline = schedule.deadline
            _ = schedule.expired(at: deadline, using: &random)
            #expect(schedule.deadline > deadline)
        }
    }
}
