internal import Testing
internal import ThroughlineCore

@Suite struct MediaTimeTests {
    /// Time bases of usual frame and sample rates, all of which divide a flick.
    static let exactBases: [TimeBase] =
        [24, 25, 30, 48, 50, 60, 100, 120].map { TimeBase(1, $0) }
        + [24_000, 30_000, 48_000, 60_000, 120_000].map { TimeBase(1001, $0) }
        + [1000, 90_000, 8000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 88_200, 96_000, 176_400, 192_000].map {
            TimeBase(1, $0)
        } + [TimeBase(1, 12_800), TimeBase(1, 600), TimeBase(1, 1)]

    /// Time bases that are no whole number of flicks: libavformat's microseconds, what its MP4 muxer makes of 30 and 60
    /// pictures a second, and a rate that is nothing.
    static let finerBases = [TimeBase(1, 1_000_000), TimeBase(1, 15_360), TimeBase(1, 10_000_000), TimeBase(7, 11_111)]

    @Test(arguments: exactBases)
    func usualBasesAreExact(_ base: TimeBase) throws {
        let whole = MediaTime.flicksPerSecond * Int64(base.numerator)
        #expect(whole.isMultiple(of: Int64(base.denominator)))
        let unit = whole / Int64(base.denominator)
        for value: Int64 in [0, 1, -1, 2, 1001, -90_000, 123_456_789] {
            let time = try #require(MediaTime(value: value, timeBase: base))
            #expect(time.flicks == value * unit)
        }
    }

    @Test(arguments: exactBases + finerBases)
    func aValueComesBack(_ base: TimeBase) throws {
        var random = SeededGenerator(seed: 1)
        for bound: Int64 in [10, 100_000, 1 << 33] {
            for _ in 0..<200 {
                let value = Int64.random(in: -bound...bound, using: &random)
                #expect(try #require(MediaTime(value: value, timeBase: base)).value(in: base) == value)
            }
        }
    }

    @Test func aThousandAndOneAddsUp() throws {
        let frame = try #require(MediaTime(value: 1, timeBase: TimeBase(1001, 30_000)))
        var time = MediaTime.zero
        for _ in 0..<30_000 { time += frame }
        #expect(time == .seconds(1001))
        #expect(frame.value(in: TimeBase(1, 90_000)) == 3003)
        #expect(frame.value(in: TimeBase(1, 1000)) == 33)
    }

    @Test func halvesGoAwayFromZero() {
        let half = MediaTime.flicksPerSecond / 2
        let second = TimeBase(1, 1)
        #expect(MediaTime(flicks: half).value(in: second) == 1)
        #expect(MediaTime(flicks: -half).value(in: second) == -1)
        #expect(MediaTime(flicks: half - 1).value(in: second) == 0)
        #expect(MediaTime(flicks: 1 - half).value(in: second) == 0)
        #expect(MediaTime(flicks: half * 3).value(in: second) == 2)
        #expect(MediaTime(flicks: half * 5).value(in: second) == 3)
        #expect(MediaTime(flicks: 352_800).milliseconds == 1)
        #expect(MediaTime(flicks: 352_799).milliseconds == 0)
        #expect(Int64(7).scaled(by: 1, over: 2) == 4)
        #expect(Int64(-7).scaled(by: 1, over: 2) == -4)
        #expect(Int64(1).scaled(by: 1, over: 3) == 0)
        #expect(Int64(2).scaled(by: 1, over: 3) == 1)
    }

    @Test func whatDoesNotFitIsNilOrTheEnd() {
        #expect(MediaTime(value: .max, timeBase: TimeBase(1, 1)) == nil)
        #expect(MediaTime(value: .min, timeBase: TimeBase(1, 1)) == nil)
        #expect(MediaTime(value: .max, timeBase: TimeBase(.max, 1)) == nil)
        #expect(MediaTime(value: .max, timeBase: TimeBase(1, .max))?.flicks == 3_030_528_925_468_800_000)
        #expect(MediaTime(value: 13_071_000_000, timeBase: TimeBase(1, 1)) != nil)
        #expect(MediaTime(value: 13_072_000_000, timeBase: TimeBase(1, 1)) == nil)
        #expect(MediaTime(flicks: .max).value(in: TimeBase(1, .max)) == .max)
        #expect(MediaTime(flicks: .min).value(in: TimeBase(1, .max)) == .min)
        #expect(MediaTime(flicks: .max).value(in: TimeBase(.max, 1)) == 6)
        #expect(MediaTime(flicks: .max).nanoseconds == .max)
        #expect(MediaTime(flicks: .min).nanoseconds == .min)
        #expect(MediaTime.milliseconds(.max) == .zero)
    }

    @Test func sumsStopAtTheEnds() {
        let (least, most, one) = (MediaTime(flicks: .min), MediaTime(flicks: .max), MediaTime(flicks: 1))
        #expect(most + one == most)
        #expect(least - one == least)
        #expect(least + (-one) == least)
        #expect(most - (-one) == most)
        #expect(-least == most)
        #expect(.zero - least == most)
        #expect(least - most == least)
        #expect(most - least == most)
        #expect(least.magnitude == most)
        #expect(most + least == MediaTime(flicks: -1))
        var sum = most
        sum += most
        #expect(sum == most)
    }

    @Test func wallClockAndBack() {
        #expect(MediaTime(.seconds(1)) == .seconds(1))
        #expect(MediaTime(.milliseconds(-40)) == .milliseconds(-40))
        #expect(MediaTime.milliseconds(40).duration == .milliseconds(40))
        #expect(MediaTime(nanoseconds: 1).flicks == 1)
        #expect(MediaTime(flicks: 1).nanoseconds == 1)
        #expect(MediaTime(flicks: -1).nanoseconds == -1)
        #expect(MediaTime(.seconds(Int64.max)) == MediaTime(nanoseconds: .max))
        #expect(MediaTime(.seconds(Int64.min)) == MediaTime(nanoseconds: .min))
        #expect(Duration.seconds(9_223_372_036).wholeNanoseconds == 9_223_372_036_000_000_000)
        #expect(Duration.seconds(9_223_372_037).wholeNanoseconds == .max)
        #expect(Duration.seconds(-9_223_372_037).wholeNanoseconds == .min)
    }

    @Test(
        arguments: [
            (0, "0:00.000"), (1, "0:00.001"), (999, "0:00.999"), (59_999, "0:59.999"), (60_000, "1:00.000"),
            (3_599_999, "59:59.999"), (3_600_000, "1:00:00.000"), (36_061_007, "10:01:01.007"), (-40, "-0:00.040"),
            (-3_600_000, "-1:00:00.000"),
        ] as [(Int64, String)])
    func isWrittenAsAClockReads(_ milliseconds: Int64, _ text: String) {
        #expect(MediaTime.milliseconds(milliseconds).description == text)
    }

    @Test func isWrittenRounded() {
        #expect(MediaTime(flicks: 352_800).description == "0:00.001")
        #expect(MediaTime(flicks: 352_799).description == "0:00.000")
        #expect(MediaTime(flicks: -352_799).description == "0:00.000")
        #expect(MediaTime(flicks: .max).description == "3631020:06:27.833")
        #expect(MediaTime(flicks: .min).description == "-3631020:06:27.833")
    }

    @Test func aMomentThatNeverComesStaysThere() {
        #expect(Instant.never + .seconds(1) == .never)
        #expect(Instant.at(1) + .seconds(Int64.max) == .never)
        #expect(Instant.at(3) - .at(1) == .seconds(2))
        #expect(Instant.at(1) - .at(3) == .seconds(-2))
        #expect(Instant.at(1) < .never)
    }

    @Test(arguments: [(0, "0"), (50, "0.1"), (1000, "1"), (1234, "1.2"), (29_960, "30"), (30_000, "30")])
    func secondsForPeople(_ milliseconds: Int, _ text: String) {
        #expect(Duration.milliseconds(milliseconds).secondsText == text)
    }
}
