internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// Moments in which two threads meet, in whichever order a seed chooses.
///
/// `THROUGHLINE_RACES=1000` plays so many seeds; `THROUGHLINE_SEED=7` that one alone.
@Suite("In a world, races", .inWorlds) struct WorldRaceTests {
    static let seeds = WorldSeeds.races(10)

    /// The origin that is played dies as soon as the standby has been asked.
    @Test("a hot standby taken while it is opened is given up", .timeLimit(.minutes(25)), arguments: seeds)
    func takenWhileOpened(_ seed: UInt64) async throws {
        let play = try await inWorld(seed: seed) { world in
            var options = HTTPOrigin.Options()
            options.pacing = Pacing(bytesPerSecond: 35_000, burst: 28_000)
            let first = try world.serve(["/film": ServedFile(path: Fixtures.path("main.ts"))], options: options)
            options.onEvent = { event in
                guard case .requested = event else { return }
                world.at(.zero) { first.kill() }
            }
            let second = try world.serve(["/film": ServedFile(path: Fixtures.path("main.mkv"))], options: options)
            return try world.play([first.film, second.film]) {
                $0.standby = .hot
                $0.to = .seconds(1)
            }
        }
        #expect(play.summary.error == nil && play.summary.gapTotal == .zero, "\(play.story)")
        #expect(play.summary.missing == .zero && play.summary.duplicate == .zero, "\(play.story)")
        #expect(play.summary.handoffs.map(\.to) == [OriginID(1)], "\(play.story)")
        // Who is given up has failed nobody.
        let lost = play.events.contains {
            if case .standbyLost(OriginID(1), _, _) = $0.kind { true } else { false }
        }
        #expect(!lost, "\(play.story)")
    }
}
