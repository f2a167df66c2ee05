internal import Testing
internal import ThroughlineCore

@Suite struct RangeEndTests {
    private static let end: NPT = .seconds(3)

    private func reached(_ packets: [(flow: Int, due: Int64)], isRealtime: Bool) -> Bool {
        var range = RangeEnd(at: Self.end)
        for (flow, due) in packets { range.received(flow, due: .milliseconds(due)) }
        return range.isReached(by: 0..<2, isRealtime: isRealtime)
    }

    @Test("it is reached when every flow is there", arguments: [true, false])
    func everyFlow(isRealtime: Bool) {
        #expect(!reached([(0, 2960), (1, 2980)], isRealtime: isRealtime))
        #expect(!reached([(0, 3000), (1, 2980)], isRealtime: isRealtime))
        #expect(reached([(0, 3000), (1, 3000)], isRealtime: isRealtime))
    }

    @Test("a flow that brings nothing, or nothing more, is not waited for where all is sent as it is played")
    func silentFlow() {
        #expect(!reached([(0, 3480)], isRealtime: true))
        #expect(reached([(0, 3520)], isRealtime: true))
        #expect(reached([(1, 1000), (0, 3520)], isRealtime: true))
    }

    @Test("in a file one that has begun is waited for, and one that has not, for a while")
    func lateFlow() {
        #expect(!reached([(1, 1000), (0, 6000)], isRealtime: false))
        #expect(!reached([(0, 4900)], isRealtime: false))
        #expect(reached([(0, 5000)], isRealtime: false))
    }
}
