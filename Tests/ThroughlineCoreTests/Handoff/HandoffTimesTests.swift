internal import Testing
internal import ThroughlineCore

@Suite struct HandoffTimesTests {
    let a = OriginID(0)
    let b = OriginID(1)

    @Test func beforeAnythingIsMeasured() {
        let times = HandoffTimes(origins: 2)
        #expect(times.cold(a) == .milliseconds(300))
        #expect(times.warm(a) == .milliseconds(150))
        let others = HandoffTimes(origins: 1, defaults: [.milliseconds(10), .milliseconds(20)])
        #expect(others.cold(a) == .milliseconds(180))
    }

    @Test func whatWasMeasuredIsExpected() {
        var times = HandoffTimes(origins: 2)
        times.measured(.connect, .milliseconds(10), of: a)
        #expect(times.expected(.connect, of: a) == .milliseconds(12), "within a tenth either way, twice")
        for _ in 0..<50 { times.measured(.connect, .milliseconds(10), of: a) }
        let expected = times.expected(.connect, of: a)
        #expect(expected >= .milliseconds(10) && expected < .microseconds(10_010))
    }

    @Test func whatVariesIsGivenRoom() {
        var steady = SmoothedTime(.milliseconds(100))
        var wild = SmoothedTime(.milliseconds(100))
        for index in 0..<100 {
            steady.measured(.milliseconds(100))
            wild.measured(.milliseconds(index % 2 == 0 ? 40 : 160))
        }
        #expect(steady.expected < .milliseconds(101))
        #expect(wild.expected > .milliseconds(160))
        #expect(wild.expected < .milliseconds(240))
        wild.measured(.seconds(1_000_000))
        #expect(wild.expected < .seconds(60), "an absurd time is cut")
    }

    @Test func oneLearnsFromTheOthers() {
        var times = HandoffTimes(origins: 3)
        times.measured(.firstMedia, .milliseconds(400), of: a)
        #expect(times.warm(b) == .milliseconds(480), "unknown: as the others")
        times.measured(.firstMedia, .seconds(30), of: a)
        #expect(times.warm(b) == .milliseconds(600), "but no more than four times what is usual")
        times.measured(.firstMedia, .milliseconds(20), of: b)
        #expect(times.warm(b) == .milliseconds(24))
    }

    @Test func whatDeliversAlreadyIsMeasuredForItself() {
        var times = HandoffTimes(origins: 2)
        #expect(times.hot(a) == .milliseconds(40) && times.cold(a) == .milliseconds(300))
        times.measuredHot(.milliseconds(3), of: a)
        #expect(times.hot(a) == .milliseconds(40), "no less than the default")
        times.measuredHot(.milliseconds(900), of: b)
        #expect(times.hot(b) > .milliseconds(900) && times.hot(a) == .milliseconds(40))
        #expect(times.cold(a) == .milliseconds(300) && times.warm(b) == .milliseconds(150))
    }
}
