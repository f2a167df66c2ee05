internal import Testing
internal import ThroughlineCore

@Suite struct RTPTimelineTests {
    typealias Start = RTPTimeline.Start
    typealias Finding = RTPTimeline.Finding

    static func timeline(
        _ range: NPT = .zero, scale: Rate = .normal, rtpTime: UInt32? = nil, clock: Int64 = 90_000
    ) throws -> RTPTimeline {
        try #require(
            RTPTimeline(clockRateHz: clock, start: Start(range: range, scale: scale, rtpTime: rtpTime)))
    }

    /// The formula: start of the range in ms, scale, rtptime, timestamp, and the NPT in ms.
    @Test(
        arguments: [
            (0, Rate(1), 1000, 1000, 0), (10_000, Rate(1), 1000, 91_000, 11_000),
            (10_000, Rate(2), 1000, 91_000, 12_000),
            (10_000, Rate(-1), 1000, 91_000, 9000), (10_000, Rate(1, 2), 0, 90_000, 10_500),
            (10_000, Rate(1), 4_294_967_295, 89_999, 11_000), (10_000, Rate(1), 89_999, 4_294_967_295, 9000),
        ] as [(Int64, Rate, UInt32, UInt32, Int64)])
    func theFormulaOfTheStandard(range: Int64, scale: Rate, rtpTime: UInt32, timestamp: UInt32, npt: Int64) throws {
        var timeline = try Self.timeline(.milliseconds(range), scale: scale, rtpTime: rtpTime)
        let first = timeline.arrived(timestamp: rtpTime, ssrc: 1, endsUnit: false, at: .at(0))
        #expect(first == .init(npt: .milliseconds(range)))
        let reading = timeline.arrived(timestamp: timestamp, ssrc: 1, endsUnit: true, at: .at(0))
        #expect(reading.npt == .milliseconds(npt) && reading.finding == nil)
        #expect(reading.isBeforeStart == (scale.isNegative ? npt > range : npt < range))
    }

    /// Two days of pictures: the 32 bits wrap every 13 hours and a quarter.
    @Test(arguments: [90_000, 44_100, 8000, 1_000_003] as [Int64])
    func wrapsAreUnwrappedAndNothingAddsUp(clock: Int64) throws {
        var timeline = try Self.timeline(.seconds(3), rtpTime: 4_000_000_000, clock: clock)
        // A packet every 2 s, and a bit, so that no step is a whole number of flicks with the odd clock.
        var ticks: Int64 = 0
        for index in 0..<90_000 as Range<Int64> {
            ticks = index * (2 * clock + 1)
            let reading = timeline.arrived(
                timestamp: UInt32(truncatingIfNeeded: 4_000_000_000 + ticks), ssrc: 1, endsUnit: true,
                at: .at(Double(index) * 2))
            if reading.finding != nil || index == 89_999 {
                #expect(reading.finding == nil)
                #expect(reading.npt == .seconds(3) + MediaTime(value: ticks, timeBase: TimeBase(1, Int32(clock)))!)
            }
        }
        #expect(ticks > 2 << 32 || clock != 90_000)
    }

    @Test func reorderedPicturesGoBack() throws {
        var timeline = try Self.timeline(rtpTime: 0)
        let times = [0, 14_400, 7200, 3600, 10_800].map { timestamp in
            timeline.arrived(timestamp: timestamp, ssrc: 1, endsUnit: true, at: .at(0)).npt
        }
        #expect(times == [0, 160, 80, 40, 120].map { .milliseconds($0) })
    }

    @Test func withoutRTPInfoTheFirstPacketStandsAtTheStart() throws {
        var timeline = try Self.timeline(.seconds(30))
        let first = timeline.arrived(timestamp: 4_294_960_000, ssrc: 1, endsUnit: true, at: .at(0))
        #expect(first == .init(npt: .seconds(30)))
        let next = timeline.arrived(timestamp: 4_294_960_000 &+ 90_000, ssrc: 1, endsUnit: true, at: .at(1))
        #expect(next.npt == .seconds(31))
    }

    /// `rtptime=0`, or that of the range before.
    @Test(arguments: [0, 3_000_000_000] as [UInt32]) func anAbsurdPromiseIsPassedOver(rtpTime: UInt32) throws {
        var timeline = try Self.timeline(.seconds(30), rtpTime: rtpTime)
        let first = timeline.arrived(timestamp: 1_000_000_000, ssrc: 1, endsUnit: true, at: .at(0))
        let distance = MediaTime(
            value: Int64(Int32(bitPattern: 1_000_000_000 &- rtpTime)), timeBase: TimeBase(1, 90_000))!
        #expect(first == .init(npt: .seconds(30), finding: .rtpTimeIgnored(distance: distance)))
        let next = timeline.arrived(timestamp: 1_000_090_000, ssrc: 1, endsUnit: true, at: .at(1))
        #expect(next == .init(npt: .seconds(31)))
    }

    /// Half a second ahead is the border: what is nearer is reordering, or sound that begins elsewhere than the pictures.
    /// Ten seconds before it may come what is needed to decode.
    @Test(arguments: [0, 7200, -10_800, 45_000, -45_000, 45_001, -45_001, 540_000, -900_000, -900_001] as [Int64])
    func aPromiseIsBelievedWithinBounds(ticks: Int64) throws {
        var timeline = try Self.timeline(.seconds(6), rtpTime: 1_000_000)
        let isBelieved = (-900_000...45_000).contains(ticks)
        let distance = MediaTime(value: ticks, timeBase: TimeBase(1, 90_000))!
        #expect(!timeline.isAssumed)
        let first = timeline.arrived(
            timestamp: UInt32(1_000_000 + ticks), ssrc: 1, endsUnit: true, at: .at(0))
        #expect(first.npt == .seconds(6) + (isBelieved ? distance : .zero))
        #expect(first.finding == (isBelieved ? nil : .rtpTimeIgnored(distance: distance)))
        #expect(timeline.isAssumed == !isBelieved)
    }

    /// An `rtptime` that is 10.8 s ahead of the first packet: the packets that come by it in their course change nothing.
    @Test func timestampsThatComeByADoubtedPromiseDoNotRestoreIt() throws {
        var timeline = try Self.timeline(.seconds(6), rtpTime: 1_972_000)
        for index in 0..<300 as Range<Int64> {
            let reading = timeline.arrived(
                timestamp: UInt32(1_000_000 + index * 3600), ssrc: 1, endsUnit: true, at: .at(Double(index) / 25))
            #expect(reading.npt == .seconds(6) + .milliseconds(40 * index))
            #expect((reading.finding == nil) == (index > 0))
        }
        #expect(timeline.isAssumed)
    }

    @Test func withoutRTPInfoThePlaceIsAssumed() throws {
        var timeline = try Self.timeline(.seconds(30))
        _ = timeline.arrived(timestamp: 7, ssrc: 1, endsUnit: true, at: .at(0))
        #expect(timeline.isAssumed)
        timeline.played(Start(range: .seconds(40), rtpTime: 90_007))
        _ = timeline.arrived(timestamp: 90_007, ssrc: 1, endsUnit: true, at: .at(1))
        #expect(!timeline.isAssumed)
    }

    @Test func whatWasLeftFromTheRangeBeforeDoesNotSpoilThePromise() throws {
        var timeline = try Self.timeline(.seconds(30), rtpTime: 500_000_000)
        let stale = timeline.arrived(timestamp: 90_000_000, ssrc: 1, endsUnit: true, at: .at(0))
        #expect(stale.finding == .rtpTimeIgnored(distance: .milliseconds(-4_555_556) - MediaTime(flicks: -313_600)))
        let good = timeline.arrived(timestamp: 500_003_600, ssrc: 1, endsUnit: true, at: .at(0.1))
        #expect(good == .init(npt: .milliseconds(30_040), finding: .rtpTimeRestored))
        let next = timeline.arrived(timestamp: 500_007_200, ssrc: 1, endsUnit: true, at: .at(0.2))
        #expect(next == .init(npt: .milliseconds(30_080)))
    }

    /// Packets as a server sends them after a seek: three pictures of two packets each with one timestamp, then the rest.
    @Test(arguments: [nil, 50_000] as [UInt32?]) func oneRepeatedTimestampIsRecognised(rtpTime: UInt32?) throws {
        var timeline = try Self.timeline(.seconds(30), rtpTime: rtpTime)
        var readings: [RTPTimeline.Reading] = []
        for timestamp in [50_000, 50_000, 50_000, 53_600, 57_200] as [UInt32] {
            for endsUnit in [false, true] {
                readings.append(timeline.arrived(timestamp: timestamp, ssrc: 1, endsUnit: endsUnit, at: .at(0)))
            }
        }
        #expect(
            readings.map(\.npt.milliseconds) == [
                30_000, 30_000, 30_000, 30_000, 30_000, 30_000, 30_040, 30_040, 30_080, 30_080,
            ])
        #expect(readings.map(\.isBeforeStart) == [false, false, true, true, true, true, false, false, false, false])
        #expect(readings.compactMap(\.finding) == [.timestampRepeated])
    }

    @Test func aDamagedTimestampStandsWhereItShould() throws {
        var timeline = try Self.timeline(rtpTime: 0)
        var times: [Int64] = []
        var findings: [Finding] = []
        for timestamp in [0, 3600, 2_000_000_000, 2_000_000_000, 10_800, 14_400] as [UInt32] {
            let reading = timeline.arrived(timestamp: timestamp, ssrc: 1, endsUnit: true, at: .at(0))
            times.append(reading.npt.milliseconds)
            if let finding = reading.finding { findings.append(finding) }
        }
        #expect(times == [0, 40, 80, 80, 120, 160])
        let step = MediaTime(value: 2_000_000_000 - 3600, timeBase: TimeBase(1, 90_000))!
        #expect(findings == [.timestampDoubted(step: step)])
    }

    @Test(arguments: [1, 2] as [UInt32]) func aNewCountGoesOnWhereTheOldOneEnded(ssrc: UInt32) throws {
        var timeline = try Self.timeline(.seconds(5), rtpTime: 0)
        var times: [Int64] = []
        var restarts = 0
        for (timestamp, ssrc) in [(0, 1), (3600, 1), (900_000_000, ssrc), (900_003_600, ssrc), (900_007_200, ssrc)]
            as [(UInt32, UInt32)]
        {
            let reading = timeline.arrived(timestamp: timestamp, ssrc: ssrc, endsUnit: true, at: .at(0))
            times.append(reading.npt.milliseconds)
            if case .timestampsRestarted = reading.finding { restarts += 1 }
        }
        #expect(times == [5000, 5040, 5080, 5120, 5160])
        #expect(restarts == 1)
    }

    @Test func aSilenceExplainsAStep() throws {
        var timeline = try Self.timeline(rtpTime: 0)
        _ = timeline.arrived(timestamp: 0, ssrc: 1, endsUnit: true, at: .at(0))
        let after = timeline.arrived(timestamp: 60 * 90_000, ssrc: 1, endsUnit: true, at: .at(58))
        #expect(after == .init(npt: .seconds(60)))
    }

    @Test func anotherPlayBeginsAnew() throws {
        var timeline = try Self.timeline(.seconds(5), rtpTime: 0)
        _ = timeline.arrived(timestamp: 90_000, ssrc: 1, endsUnit: true, at: .at(0))
        timeline.played(Start(range: .seconds(100), scale: Rate(-2), rtpTime: 4_000_000_000))
        let first = timeline.arrived(timestamp: 4_000_045_000, ssrc: 1, endsUnit: true, at: .at(1))
        #expect(first == .init(npt: .seconds(99)))
        timeline.played(Start(range: .seconds(7)))
        let resumed = timeline.arrived(timestamp: 9, ssrc: 1, endsUnit: true, at: .at(2))
        #expect(resumed.npt == .seconds(7) && resumed.finding == nil)
    }

    @Test func clockRatesThatNoClockHasAreNone() {
        for rate in [.min, -1, 0, MediaTime.flicksPerSecond + 1, .max] {
            #expect(RTPTimeline(clockRateHz: rate, start: Start(range: .zero)) == nil)
        }
    }

    /// Whatever comes, it answers.
    @Test(arguments: 0..<8 as Range<UInt64>) func hostileTimestampsAreBorne(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let extremes: [Rate] = [Rate(.max), Rate(-.max), Rate(1, .max), Rate(-1, .max), Rate(0), Rate(1)]
        for clock in [1, 90_000, 705_599_999] as [Int64] {
            var timeline = try Self.timeline(MediaTime(flicks: .max), rtpTime: 3, clock: clock)
            var now = Instant.at(0)
            for _ in 0..<2000 {
                if random.chance(40) {
                    timeline.played(
                        Start(
                            range: MediaTime(flicks: .random(in: .min ... .max, using: &random)),
                            scale: extremes.randomElement(using: &random)!,
                            rtpTime: random.chance(2) ? UInt32.random(in: 0 ... .max, using: &random) : nil))
                }
                if random.chance(50) { now = Instant(nanoseconds: .random(in: 0 ... .max, using: &random)) }
                _ = timeline.arrived(
                    timestamp: .random(in: 0 ... .max, using: &random), ssrc: random.chance(9) ? 1 : 2,
                    endsUnit: random.chance(2), at: now)
                if random.chance(20) {
                    timeline.senderReported(
                        ntpTime: .random(in: 0 ... .max, using: &random),
                        timestamp: .random(in: 0 ... .max, using: &random), at: now)
                    _ = timeline.wallClock(at: MediaTime(flicks: .random(in: .min ... .max, using: &random)))
                    _ = timeline.lead(over: timeline)
                }
            }
        }
    }
}
