internal import Testing
internal import ThroughlineCore

@Suite struct JumpGuardTests {
    static let frame = MediaTime.milliseconds(40)

    /// The corrected times of packets of 40 ms, in milliseconds.
    static func corrected(_ times: [Int64]) -> [Int64] {
        var jumps = JumpGuard()
        return times.map { time in
            let time = MediaTime.milliseconds(time)
            return (time + jumps.correction(for: time, duration: frame)).milliseconds
        }
    }

    @Test func whatIsFineStaysAsItIs() {
        let times: [Int64] = [0, 40, 80, 120, 5000, 5040, 14_000, 4500]
        #expect(Self.corrected(times) == times, "holes of less than ten seconds are the programme's own")
    }

    @Test func oneThatLiesFarOffIsDamaged() {
        #expect(Self.corrected([0, 40, 9_000_080, 120, 160]) == [0, 40, 80, 120, 160])
        #expect(Self.corrected([0, 40, -9_000_080, 120, 160]) == [0, 40, 80, 120, 160])
        #expect(Self.corrected([0, 40, 9_000_080, -7_000_000, 160]) == [0, 40, 80, 120, 160])
    }

    @Test func twoThatAgreeAreANewCount() {
        #expect(Self.corrected([0, 40, 9_000_000, 9_000_040, 9_000_080]) == [0, 40, 80, 120, 160])
        #expect(Self.corrected([90_000, 90_040, 0, 40, 80, 120]) == [90_000, 90_040, 90_080, 90_120, 90_160, 90_200])
    }

    @Test func aJumpAheadWithinThePresentationIsAHole() {
        var jumps = JumpGuard()
        jumps.duration = .seconds(60)
        let times: [Int64] = [20_000, 20_040, 35_000, 35_040, 35_080, 90_000, 90_040]
        let corrected = times.map { time in
            let time = MediaTime.milliseconds(time)
            return (time + jumps.correction(for: time, duration: Self.frame)).milliseconds
        }
        // The first of them might have been a damaged one.
        #expect(corrected == [20_000, 20_040, 20_080, 35_040, 35_080, 35_120, 35_160])
        #expect(jumps.takeJump() == .milliseconds(90_040 - 35_160), "that one is a new count, and can be told")
        #expect(jumps.takeJump() == nil)
    }

    @Test func anotherOriginStartsAnew() {
        var jumps = JumpGuard()
        for time in [0, 40, 9_000_000, 9_000_040] as [Int64] {
            _ = jumps.correction(for: .milliseconds(time), duration: Self.frame)
        }
        jumps.originChanged()
        #expect(jumps.correction(for: .milliseconds(160), duration: Self.frame) == .zero)
    }
}
