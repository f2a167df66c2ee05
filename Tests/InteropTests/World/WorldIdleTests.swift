internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// Connections that nobody reads from, and that their server closes.
///
/// `THROUGHLINE_RACES=1000` plays so many seeds; `THROUGHLINE_SEED=7` that one alone.
@Suite("In a world, an idle connection", .inWorlds) struct WorldIdleTests {
    static let seeds = WorldSeeds.races(10)

    /// A viewer pauses, and at some moment around the resume the server closes the connection.
    @Test("that was closed while nobody read is opened again", .timeLimit(.minutes(25)), arguments: seeds)
    func closes(_ seed: UInt64) async throws {
        var draws = SeededDraws(seed: seed)
        let file = draws.one(of: ["main.mp4", "main-fragmented.mp4", "main.ts", "main.mkv"])
        let kind: Fault.Kind = draws.isOne(in: 2) ? .close : .reset
        let latency = draws.isOne(in: 2) ? .zero : draws.milliseconds(1...60)
        let pace: Rate? = draws.isOne(in: 2) ? nil : Rate(5, 4)
        let pauseAt = draws.milliseconds(500...5000)
        let length = draws.milliseconds(4000...12_000)
        // Shortly before the viewer goes on, or at that very moment.
        let closedAt = pauseAt + length - (draws.isOne(in: 4) ? .zero : draws.milliseconds(0...1500))
        let expected = try await References.shared.frames(file)
        let play = try await inWorld(seed: seed) { world in
            let link = NetworkLink(latency: latency, jitter: latency / 4)
            let origins = try (0..<2).map { _ in try world.origin(file, pace: pace, link: link) }
            return try world.play(
                origins.map(\.film),
                whilePlaying: { viewer in
                    guard viewer.waits(pauseAt) else { return }
                    viewer.player.pause()
                    guard viewer.waits(closedAt - pauseAt) else { return }
                    origins[0].inject(Fault(kind, recovery: .once))
                    guard viewer.waits(pauseAt + length - closedAt) else { return }
                    viewer.player.resume()
                })
        }
        let story =
            "\(file), \(kind), latency \(latency), pace \(pace.map { "\($0)" } ?? "none"), paused at \(pauseAt) for "
            + "\(length), closed at \(closedAt)\n\(play.story)"
        let problems = play.problems(expected: expected, tolerance: 0)
        #expect(problems.isEmpty, "\(problems)\n\(story)")
        #expect(play.summary.handoffCount == 0, "\(story)")
    }
}
