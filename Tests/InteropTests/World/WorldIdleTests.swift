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
        var random = SeededGenerator(seed: seed &* 0x9E37_79B9)
        func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
        let files = ["main.mp4", "main-fragmented.mp4", "main.ts", "main.mkv"]
        let file = files[number(0...files.count - 1)]
        let kind: Fault.Kind = number(0...1) == 0 ? .close : .reset
        let latency = Duration.milliseconds(number(0...1) == 0 ? 0 : number(1...60))
        let pace: Rate? = number(0...1) == 0 ? nil : Rate(5, 4)
        let pauseAt = Duration.milliseconds(number(500...5000))
        // Before the viewer goes on, at that moment, or so soon after that nothing was read.
        let length = Duration.milliseconds(number(4000...12_000))
        let closedAt = pauseAt + length - .milliseconds(number(0...3) == 0 ? 0 : number(0...1500))
        let expected = try await References.shared.frames(file)
        let play = try await inWorld(seed: seed) { world in
            let link = NetworkLink(latency: latency, jitter: latency / 4)
            let origins = try (0..<2).map { _ in
                var options = HTTPOrigin.Options()
                if let pace {
                    let second = try Fixtures.size(file) / Fixtures.seconds
                    options.pacing = Pacing(
                        bytesPerSecond: second * Int(pace.numerator) / Int(pace.denominator), burst: second)
                }
                return try world.serve(
                    ["/film": ServedFile(path: Fixtures.path(file))], options: options, link: link)
            }
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
