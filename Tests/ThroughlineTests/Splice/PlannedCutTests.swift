internal import DequeModule
internal import Testing
internal import ThroughlineCore
internal import ThroughlineMedia

@testable import Throughline

@Suite struct PlannedCutTests {
    private static let frame: MediaTime = .milliseconds(40)

    private func packet(_ number: Int64, at place: Int64, flow: Int = 0, delay: Int64 = 2) throws -> Packet {
        var packet = try Packet.copying([UInt8(truncatingIfNeeded: number)])
        packet.flow = flow
        packet.pts = MediaTime(flicks: Self.frame.flicks * number)
        packet.dts = MediaTime(flicks: Self.frame.flicks * (place - delay))
        return packet
    }

    private func give(
        _ cut: PlannedCut, _ number: Int64, at place: Int64, flow: Int = 0, delay: Int64 = 2, isSparse: Bool,
        into released: inout UniqueDeque<Packet>
    ) throws {
        let packet = try packet(number, at: place, flow: flow, delay: delay)
        let times = (packet.pts, packet.dts)
        cut.take(packet, at: times, isSparse: isSparse, into: &released)
    }

    /// Presentation numbers that went on before the place was reached, in order.
    private func kept(_ order: [Int64], to place: Int64) throws -> (kept: [Int64], isReached: Bool) {
        let cut = PlannedCut(at: MediaTime(flicks: Self.frame.flicks * place))
        var kept: [Int64] = []
        for (index, number) in order.enumerated() {
            var released = UniqueDeque<Packet>()
            try give(cut, number, at: Int64(index), isSparse: false, into: &released)
            while !released.isEmpty {
                kept.append((released.removeFirst().pts?.flicks ?? 0) / Self.frame.flicks)
            }
            if cut.isReached(by: [0]) { return (kept, true) }
        }
        return (kept, false)
    }

    @Test(
        arguments: [
            // Pictures that some before the place refer to go on; nothing behind it does that nobody needs.
            (4, [0, 4, 2, 1, 3]), (3, [0, 4, 2, 1]), (1, [0]), (5, [0, 4, 2, 1, 3]),
            (6, [0, 4, 2, 1, 3, 8, 6, 5]), (8, [0, 4, 2, 1, 3, 8, 6, 5, 7]),
        ] as [(Int64, [Int64])])
    func whatIsPresentedBeforeThePlaceGoesOn(place: Int64, expected: [Int64]) throws {
        let (kept, isReached) = try kept([0, 4, 2, 1, 3, 8, 6, 5, 7, 12, 10, 9, 11, 16, 14, 13, 15], to: place)
        // A picture before the place may have let one go on that stands behind it; all before it must be there.
        #expect(Set(kept).isSuperset(of: 0..<place))
        #expect(kept == expected)
        #expect(isReached)
    }

    @Test func atAKeyFrameNothingBehindItGoesOn() throws {
        let (kept, isReached) = try kept([0, 3, 1, 2, 4, 7, 5, 6, 8], to: 4)
        #expect(kept == [0, 3, 1, 2])
        #expect(isReached)
    }

    @Test func everyFlowHasToArriveThereButOneThatHasEnded() throws {
        let cut = PlannedCut(at: .seconds(1))
        var released = UniqueDeque<Packet>()
        for number in 0..<26 as Range<Int64> {
            try give(cut, number, at: number, delay: 0, isSparse: false, into: &released)
        }
        #expect(released.count == 25)
        #expect(cut.isReached(by: [0]))
        #expect(!cut.isReached(by: [0, 1]))
        for number in 26..<200 as Range<Int64> {
            try give(cut, number, at: number, delay: 0, isSparse: false, into: &released)
        }
        #expect(cut.isReached(by: [0, 1]), "the other is further behind than any container puts it")
        cut.releaseAll(into: &released)
        #expect(released.count == 200, "nothing is lost")
    }

    @Test func sparseFlowsAreNotWaitedFor() throws {
        let cut = PlannedCut(at: .seconds(1))
        var released = UniqueDeque<Packet>()
        try give(cut, 50, at: 50, flow: 3, isSparse: true, into: &released)
        #expect(released.isEmpty && !cut.isTouched)
    }
}
