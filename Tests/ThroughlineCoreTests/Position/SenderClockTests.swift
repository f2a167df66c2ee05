internal import Testing
internal import ThroughlineCore

@Suite struct SenderClockTests {
    /// Seconds of the sender's wall clock as a report writes them.
    static func ntp(_ seconds: Double) -> UInt64 { UInt64((3_900_000_000 + seconds) * 4_294_967_296) }

    @Test func ntpTimesAreExact() {
        #expect(SenderClock.time(ntp: 1 << 32) == .seconds(1))
        #expect(SenderClock.time(ntp: 0x8000_0000) == .milliseconds(500))
        #expect(SenderClock.time(ntp: .max) == .seconds(1 << 32) - MediaTime(flicks: 1))
    }

    @Test func aClockThatWasSetBeginsAnew() {
        var clock = SenderClock(timeBase: TimeBase(1, 90_000))
        let reports: [(Double, UInt32)] = [
            (0, 0), (5, 450_000), (3605, 900_000), (3610, 1_350_000), (3615, 7), (3614, 8), (3614.5, 45_008),
        ]
        var restarts: [Int] = []
        for (seconds, timestamp) in reports {
            clock.reported(ntpTime: Self.ntp(seconds), timestamp: timestamp, at: .at(seconds))
            restarts.append(clock.restarts)
        }
        #expect(restarts == [0, 0, 1, 1, 2, 3, 3])
        clock.reported(ntpTime: 0, timestamp: 0, at: .at(0))
        #expect(clock.last?.timestamp == 45_008, "a sender without a clock reports none")
    }

    /// Sound whose first packet was put at the start of the range, though it was 120 ms late.
    @Test func lipsAreBroughtIntoStep() throws {
        var video = try RTPTimelineTests.timeline(.seconds(10), rtpTime: 1000)
        var audio = try RTPTimelineTests.timeline(.seconds(10), clock: 48_000)
        #expect(video.lead(over: audio) == nil)
        _ = video.arrived(timestamp: 1000, ssrc: 1, endsUnit: true, at: .at(0))
        _ = audio.arrived(timestamp: 500_000, ssrc: 2, endsUnit: true, at: .at(0.12))
        video.senderReported(ntpTime: Self.ntp(2), timestamp: 1000 + 2 * 90_000, at: .at(2))
        audio.senderReported(ntpTime: Self.ntp(1.5), timestamp: 500_000 + 48_000 * 138 / 100, at: .at(2))
        let lead = try #require(video.lead(over: audio))
        #expect((lead - .milliseconds(120)).magnitude <= MediaTime(flicks: 1))
        let wallClock = try #require(video.wallClock(at: .seconds(15)))
        #expect(wallClock - SenderClock.time(ntp: Self.ntp(0)) == .seconds(5))
    }
}
