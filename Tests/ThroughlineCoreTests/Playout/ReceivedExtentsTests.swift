internal import Testing
internal import ThroughlineCore

@Suite struct ReceivedExtentsTests {
    @Test func whatComesAgainDoesNotCount() {
        var extents = ReceivedExtents()
        #expect(extents.insert(0..<100) == 100)
        #expect(extents.insert(100..<150) == 50)
        #expect(extents.insert(500..<600) == 100)
        #expect(extents.insert(50..<550) == 350)
        #expect(extents.insert(0..<600) == 0)
        #expect(extents.insert(600..<600) == 0)
        #expect(extents.insert(590..<601) == 1)
    }

    /// Against a set of the bytes themselves.
    @Test(arguments: 0..<20 as Range<UInt64>) func anyOrder(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var extents = ReceivedExtents(limit: 1000)
        var bytes: Set<Int64> = []
        for _ in 0..<200 {
            let start = Int64.random(in: 0..<500, using: &random)
            let range = start..<start + Int64.random(in: 0..<30, using: &random)
            let before = bytes.count
            bytes.formUnion(range)
            #expect(extents.insert(range) == Int64(bytes.count - before))
        }
    }

    @Test func noMoreThanSoManyAreRemembered() {
        var extents = ReceivedExtents(limit: 2)
        for start in [0, 10, 20] as [Int64] { #expect(extents.insert(start..<start + 5) == 5) }
        #expect(extents.insert(0..<5) == 5, "forgotten")
        #expect(extents.insert(20..<25) == 0)
    }
}
