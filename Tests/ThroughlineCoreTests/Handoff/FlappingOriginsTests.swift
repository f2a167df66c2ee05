internal import Testing
internal import ThroughlineCore

/// Ten minutes of two origins that come and go, and no ping-pong.
@Suite struct FlappingOriginsTests {
    @Test(arguments: 0..<8 as Range<UInt64>)
    func neitherGapsNorHandoffsForNothing(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let buffer = [500, 1000, 2000, 5000][Int(seed % 4)]
        let end = 600_000
        let origins = (0..<2).map { _ in
            var origin = PolicyWorld.Origin()
            (origin.connect, origin.open, origin.first) = (50, 100, 150)
            var time = 0
            while time < end {
                time += Int.random(in: 50...(random.chance(3) ? 1000 : 20_000), using: &random)
                let length = Int.random(in: 50...(random.chance(3) ? 20_000 : 2000), using: &random)
                origin.outages.append(time..<(time + length))
                time += length
            }
            return origin
        }
        let world = PolicyWorld(origins, capacity: buffer)
        var player = PolicyPlayer(world, learned: true)
        player.play(until: end)
        var known = world
        known.playOmnisciently(until: end)
        #expect(player.world.gap <= known.gap + 600, "\(known.gap) ms for who knows")
        #expect(player.world.handoffs <= known.handoffs + 2, "\(known.handoffs) for who knows")
        // Whoever has been there for long enough to be found out and asked delivers.
        let enough = 100 + 360 + 150
        for gap in player.world.gaps {
            for now in stride(from: gap.lowerBound, to: gap.upperBound, by: PolicyWorld.step) {
                for origin in origins where origin.isUp(at: now) {
                    let since = origin.lastOutage(before: now)?.upperBound ?? 0
                    #expect(now - since <= enough, "a gap at \(now), and one was up since \(since)")
                }
            }
        }
    }
}
