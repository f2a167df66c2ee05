import Testing
import ThroughlineCore

@testable import ThroughlineProtocols

@Suite struct RTSPRangeTests {
    private static func flicks(_ seconds: Int64, _ flicks: Int64 = 0) -> MediaTime {
        .seconds(seconds) + MediaTime(flicks: flicks)
    }

    @Test(
        arguments: [
            ("npt=0-", .zero, nil), ("npt=0.000-30.5", .zero, .milliseconds(30_500)),
            ("npt = 1 : 02 : 03.25 - 2:00 ", .milliseconds(3_723_250), .seconds(120)),
            ("NPT:10-20", .seconds(10), .seconds(20)), ("10-20", .seconds(10), .seconds(20)),
            ("npt=0,5-1,25", .milliseconds(500), .milliseconds(1250)), ("npt=-10", nil, .seconds(10)),
            ("npt=-0.5-7", .zero, .seconds(7)), ("npt=5-inf", .seconds(5), nil), ("npt=5", .seconds(5), nil),
            ("npt=0-  70.00000", .zero, .seconds(70)),
            // A third of a second: the nearest flick.
            ("npt=0.333333333333333333333333-", MediaTime(flicks: 235_200_000), nil),
            ("npt=0.0000000007-", .zero, nil), ("npt=0.0000000008-", MediaTime(flicks: 1), nil),
            ("smpte=10:12:33:20-", flicks(0, 1_101_508 * 23_543_520), nil),
            ("smpte-30-drop=00:01:00:02-00:10:00:00", flicks(60, 42_336_000), flicks(0, 17_982 * 23_543_520)),
            ("smpte-25=10:07:00-10:07:33:05.01", .seconds(36_420), flicks(36_453, 5 * 28_224_000 + 282_240)),
            ("clock=19961108T142300Z-19961108T143520.5Z", .seconds(847_462_980), .milliseconds(847_463_720_500)),
            ("clock=20240229T235959Z-", .seconds(1_709_251_199), nil),
        ] as [(String, MediaTime?, MediaTime?)])
    func reads(text: String, start: MediaTime?, end: MediaTime?) throws {
        let range = try #require(RTSPRange(text))
        #expect(range.startTime == start && range.endTime == end)
        #expect(RTSPRange("\(range)") == range)
    }

    @Test(arguments: [
        "", "npt", "npt=", "npt=-", "npt=x-", "npt=1e5-", "npt=1:2:3:4-", "bytes=0-5", "npt=99999999999999-", "npt 0-",
        "smpte=10:61:00-", "smpte-25=00:00:00:25-", "clock=20240230T000000Z-", "clock=2024-", "clock=19690101T000000Z-",
    ])
    func refuses(text: String) { #expect(RTSPRange(text) == nil) }

    @Test func readsNow() {
        #expect(RTSPRange("npt=now-") == RTSPRange(start: .now))
        #expect(RTSPRange("npt=0-now") == RTSPRange(start: .at(.zero), end: .now))
        #expect(RTSPRange("now-") == RTSPRange(start: .now))
        #expect("\(RTSPRange(start: .now))" == "npt=now-")
    }

    @Test func readsTheTimeOfEffect() {
        let range = RTSPRange("npt=5- ; Time = 19970123T143720Z")
        #expect(range == RTSPRange(start: .at(.seconds(5)), time: .seconds(854_030_240)))
        #expect(range.map { "\($0)" } == "npt=5.000-;time=19970123T143720Z")
    }

    /// Any flick can be asked for.
    @Test func writesEveryFlickBack() {
        var random = SeededGenerator(seed: 1)
        for _ in 0..<2000 {
            let time = MediaTime(flicks: Int64.random(in: 0...(.max / 4), using: &random))
            #expect(RTSPRange("\(RTSPRange.npt(from: time))")?.startTime == time)
            let frame = Int64.random(in: 0..<2_500_000, using: &random)
            for rate in [SMPTERate.drop30, .fps25] {
                let time = MediaTime(value: frame * 100 + 7, timeBase: rate.subframe)!
                let range = RTSPRange(unit: .smpte(rate), start: .at(time))
                #expect(RTSPRange("\(range)") == range)
            }
        }
    }

    /// No two frames share a timecode, and the numbers that are left out are never written.
    @Test func dropsFrameNumbers() {
        var before = ""
        for frame in Int64(0)..<40_000 {
            let time = MediaTime(value: frame * 100, timeBase: SMPTERate.drop30.subframe)!
            let text = SMPTETimecode.description(time, rate: .drop30)
            #expect(text > before && SMPTETimecode.parse(text[...], rate: .drop30) == time)
            before = text
        }
        #expect(SMPTETimecode.description(MediaTime(flicks: 1800 * 23_543_520), rate: .drop30) == "00:01:00:02")
        #expect(SMPTETimecode.parse("01:00:00:00", rate: .drop30) == MediaTime(flicks: 107_892 * 23_543_520))
    }
}
