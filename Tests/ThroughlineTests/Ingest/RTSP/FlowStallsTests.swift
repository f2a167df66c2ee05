internal import Testing
internal import ThroughlineCore

@testable internal import Throughline

@Suite struct FlowStallsTests {
    private func at(_ milliseconds: Int64) -> Instant { Instant(nanoseconds: (1000 + milliseconds) * 1_000_000) }

    /// Two flows until a moment, then the first alone.
    private func play(second interval: Int64 = 20, until end: Int64, then last: Int64) -> FlowStalls {
        var stalls = FlowStalls(count: 2)
        for time in stride(from: Int64(0), to: last, by: 20) {
            stalls.arrived(0, at: at(time))
            if time < end, time % interval == 0 { stalls.arrived(1, at: at(time)) }
        }
        return stalls
    }

    private func stalled(_ stalls: FlowStalls, bound: Duration = .seconds(1)) -> Int? {
        stalls.stalled { _ in bound }?.flow
    }

    @Test func oneThatIsSilentWhileTheOtherRuns() {
        #expect(stalled(play(until: 1000, then: 1900)) == nil)
        #expect(stalled(play(until: 1000, then: 2040)) == 1)
        #expect(stalled(play(until: 1000, then: 1400), bound: .milliseconds(100)) == nil, "never so soon")
        #expect(play(until: 1000, then: 2040).stalled { _ in .zero }?.silence == .milliseconds(1040))
    }

    @Test func eachHasItsOwnRhythm() {
        // A picture each second: two of them may be late.
        #expect(stalled(play(second: 1000, until: 12_000, then: 13_900)) == nil)
        #expect(stalled(play(second: 1000, until: 12_000, then: 14_100)) == 1)
        #expect(stalled(play(second: 1000, until: 5000, then: 60_000)) == nil, "too little of it has come")
    }

    @Test func aSilenceOfAllIsNobodys() {
        var stalls = play(until: 1000, then: 1000)
        stalls.arrived(0, at: at(9000))
        stalls.arrived(0, at: at(9020))
        #expect(stalled(stalls, bound: .zero) == nil)
        for time in stride(from: Int64(9040), to: 10_100, by: 20) { stalls.arrived(0, at: at(time)) }
        #expect(stalled(stalls) == 1)
    }

    @Test func whatHasEndedIsNotMissed() {
        var stalls = play(until: 1000, then: 3000)
        stalls.ended(1)
        #expect(stalled(stalls) == nil)
        stalls.restart()
        #expect(stalled(stalls, bound: .zero) == nil, "after a seek it begins anew")
    }
}
