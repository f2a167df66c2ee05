internal import Testing
internal import ThroughlineCore

@Suite struct ArrivalRhythmTests {
    /// Feeds pauses, in milliseconds, one after the other.
    static func rhythm(_ pauses: [Int]) -> (rhythm: ArrivalRhythm, end: Instant) {
        var rhythm = ArrivalRhythm()
        var now = Instant.at(0)
        for pause in pauses {
            rhythm.waitBegan(at: now)
            now = now + .milliseconds(pause)
            rhythm.arrived(at: now)
        }
        return (rhythm, now)
    }

    /// The table of the type's documentation, and more.
    @Test(
        arguments: [
            ([], nil, nil, 250), ([40, 40], nil, nil, 250), ([40, 40, 40], 40, nil, 100),
            (Array(repeating: 40, count: 500), 40, 40, 100),
            ((0..<5).flatMap { _ in [2000] + Array(repeating: 2, count: 200) }, 2000, 2000, 2500),
            (Array(repeating: 40, count: 50) + [3000] + Array(repeating: 40, count: 50), 40, 40, 100),
            ([3000, 1500, 900, 300, 200, 100], 900, nil, 1125),
            (Array(repeating: 400, count: 20) + [1000], 400, 400, 500),
            (Array(repeating: 60_000, count: 5), 60_000, 60_000, 15_000),
        ] as [([Int], Int?, Int?, Int)])
    func theTable(pauses: [Int], usual: Int?, regular: Int?, suspicious: Int) {
        let rhythm = Self.rhythm(pauses).rhythm
        #expect(rhythm.usualPause == usual.map { .milliseconds($0) })
        #expect(rhythm.regularPause == regular.map { .milliseconds($0) })
        #expect(rhythm.suspicionAfter == .milliseconds(suspicious))
    }

    @Test func whatWasLongAgoIsForgotten() {
        var (rhythm, now) = Self.rhythm([2000, 2000, 2000, 2000])
        for _ in 0..<1600 {
            rhythm.waitBegan(at: now)
            now = now + .milliseconds(40)
            rhythm.arrived(at: now)
        }
        #expect(rhythm.usualPause == .milliseconds(40))
    }

    @Test func whatPausesSeldomIsNotForgotten() {
        // A pause of 20 s at a time: three in a minute.
        let rhythm = Self.rhythm(Array(repeating: 20_000, count: 7)).rhythm
        #expect(rhythm.usualPause == .seconds(20))
    }

    @Test func onlyWaitingCounts() {
        var (rhythm, now) = Self.rhythm(Array(repeating: 40, count: 10))
        #expect(rhythm.suspicionBegins == .never)
        now = now + .seconds(100)
        rhythm.arrived(at: now)
        #expect(rhythm.usualPause == .milliseconds(40), "nobody waited")
        rhythm.waitBegan(at: now)
        #expect(rhythm.suspicionBegins == now + .milliseconds(100))
        rhythm.waitBegan(at: now + .milliseconds(50))
        #expect(rhythm.silence(at: now + .milliseconds(60)) == .milliseconds(60), "the wait began once")
        rhythm.arrived(bytes: 0, at: now + .milliseconds(70))
        #expect(rhythm.waitingSince == now, "nothing is no arrival")
        rhythm.waitEnded()
        #expect(rhythm.suspicionBegins == .never)
        rhythm.originChanged()
        #expect(rhythm.usualPause == nil)
    }
}
