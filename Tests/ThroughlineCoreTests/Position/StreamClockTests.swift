internal import Testing
internal import ThroughlineCore

@Suite struct StreamClockTests {
    private static let turn: UInt64 = 1 << 33

    /// Ticks at the pair, ticks asked for, ticks of distance.
    @Test(
        arguments: [
            (1000, 1000, 0), (1000, 91_000, 90_000), (91_000, 1000, -90_000),
            // Over the end of the 33 bits, both ways.
            (turn - 90_000, 90_000, 180_000), (90_000, turn - 90_000, -180_000),
            (0, turn / 2 - 1, Int64(turn / 2) - 1), (0, turn / 2, -Int64(turn / 2)),
            // Bits above the 33 do not count.
            (turn + 5, 3 * turn + 6, 1), (.max, .max, 0),
        ] as [(UInt64, UInt64, Int64)])
    func timesAreCountedTheShortWayRound(at ticks: UInt64, asked: UInt64, distance: Int64) {
        let clock = StreamClock(ticks: ticks, at: .seconds(100))
        #expect(clock.npt(of: asked) == .seconds(100) + MediaTime(flicks: distance * 7840))
    }

    @Test func positionsBecomeNPTWhereTheyCan() {
        let clock = StreamClock(ticks: 90_000, at: .seconds(7))
        #expect(Indicator.Position.atOnce.npt(on: clock) == nil)
        #expect(Indicator.Position.npt(.seconds(3)).npt(on: nil) == .seconds(3))
        #expect(Indicator.Position.clock(180_000).npt(on: clock) == .seconds(8))
        #expect(Indicator.Position.clock(180_000).npt(on: nil) == nil)
    }
}
