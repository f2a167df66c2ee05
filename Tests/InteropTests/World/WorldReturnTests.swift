internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// Back to the preferred origin, once it is well again, or not.
@Suite("In a world, going back", .inWorlds) struct WorldReturnTests {
    /// Three times the same twelve seconds; the first of two origins is away from 2 to 5 s.
    private func play(_ failback: Failback) async throws -> (Play, whole: Frames) {
        let place = try TemporaryDirectory()
        let path = place.path("long.ts")
        let made = try await Tool.run([
            "ffmpeg", "-v", "error", "-nostdin", "-stream_loop", "2", "-i", Fixtures.path("main.ts"), "-map", "0:v",
            "-map", "0:a:0", "-c", "copy", "-y", path,
        ])
        guard made.status == 0 else { throw SupportFailure(description: "ffmpeg: \(made.errors)") }
        let play = try await inWorld { world in
            let first = try world.origin(path, seconds: 36)
            let other = try world.origin(path, seconds: 36)
            return try world.play([first.film, other.film], patience: .seconds(90)) {
                $0.failback = failback
            } whilePlaying: { viewer in
                guard viewer.reaches(.seconds(2)) else { return }
                first.kill()
                guard viewer.reaches(.seconds(5)) else { return }
                first.restore()
            }
        }
        return (play, try await Play.run([path], pacing: .fast).frames)
    }

    @Test("once, after three probes, and nobody notices", .timeLimit(.minutes(25)))
    func returns() async throws {
        let (play, whole) = try await play(.healthy)
        play.expectUnnoticed(whole, tolerance: 0)
        #expect(play.summary.handoffs.map(\.to) == [OriginID(1), OriginID(0)], "\(play.story)")
        #expect(play.summary.handoffs.last?.event.cause == .failback, "\(play.story)")
    }

    @Test("not where that is not wanted", .timeLimit(.minutes(25)), arguments: [Failback.never, .next])
    func stays(_ failback: Failback) async throws {
        let (play, whole) = try await play(failback)
        play.expectUnnoticed(whole, tolerance: 0)
        #expect(play.summary.handoffs.map(\.to) == [OriginID(1)], "\(play.story)")
    }
}
