internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// Back to the preferred origin, once it is well again, or not.
@Suite("Going back", .inSlots) struct ReturnTests {
    /// Three times the same twelve seconds.
    private static func film(_ place: borrowing TemporaryDirectory) async throws -> String {
        let path = place.path("long.ts")
        let made = try await Tool.run([
            "ffmpeg", "-v", "error", "-nostdin", "-stream_loop", "2", "-i", Fixtures.path("main.ts"), "-map", "0:v",
            "-map", "0:a:0", "-c", "copy", "-y", path,
        ])
        guard made.status == 0 else { throw SupportFailure(description: "ffmpeg: \(made.errors)") }
        return path
    }

    @Test("once, after three probes, and nobody notices", .timeLimit(.minutes(25)))
    func returns() async throws {
        let place = try TemporaryDirectory()
        let film = try await Self.film(place)
        var options = HTTPOrigin.Options()
        let second = try size(of: film) / 36
        options.pacing = Pacing(bytesPerSecond: second * 5 / 4, burst: second)
        let first = try await HTTPOrigin.start(serving: ["/long.ts": ServedFile(path: film)], options: options)
        let other = try await HTTPOrigin.start(serving: ["/long.ts": ServedFile(path: film)], options: options)
        let urls = [first.url(for: "/long.ts"), other.url(for: "/long.ts")]
        let play = try await Play.run(urls, patience: .seconds(90)) {
            $0.failback = .healthy
        } whilePlaying: { stream in
            guard await stream.reaches(.seconds(2)) else { return }
            first.kill()
            guard await stream.reaches(.seconds(5)) else { return }
            try? await first.revive()
        }
        play.expectUnnoticed(try await Play.run([film], pacing: .fast).frames)
        #expect(play.summary.handoffs.map(\.to) == [OriginID(1), OriginID(0)], "\(play.story)")
        #expect(play.summary.handoffs.last?.event.cause == .failback, "\(play.story)")
    }

    @Test("not where that is not wanted", .timeLimit(.minutes(25)), arguments: [Failback.never, .next])
    func stays(_ failback: Failback) async throws {
        let place = try TemporaryDirectory()
        let film = try await Self.film(place)
        var options = HTTPOrigin.Options()
        let second = try size(of: film) / 36
        options.pacing = Pacing(bytesPerSecond: second * 5 / 4, burst: second)
        let first = try await HTTPOrigin.start(serving: ["/long.ts": ServedFile(path: film)], options: options)
        let other = try await HTTPOrigin.start(serving: ["/long.ts": ServedFile(path: film)], options: options)
        let urls = [first.url(for: "/long.ts"), other.url(for: "/long.ts")]
        let play = try await Play.run(urls, patience: .seconds(90)) {
            $0.failback = failback
            $0.to = .seconds(25)
        } whilePlaying: { stream in
            guard await stream.reaches(.seconds(2)) else { return }
            first.kill()
            guard await stream.reaches(.seconds(4)) else { return }
            try? await first.revive()
        }
        #expect(play.summary.error == nil && play.summary.gapTotal == .zero, "\(play.story)")
        #expect(play.summary.handoffs.map(\.to) == [OriginID(1)], "\(play.story)")
    }
}
