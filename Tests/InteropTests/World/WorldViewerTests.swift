internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// What a viewer does while a stream plays, and that it outlives a server.
@Suite("In a world, what the viewer wants", .inWorlds) struct WorldViewerTests {
    /// Two origins of a file; what is done beside the play gets the first of them.
    private func play(
        _ file: String = "main.mkv", _ act: @escaping @Sendable (WorldViewer, HTTPOrigin) throws -> Void
    ) async throws -> Play {
        try await inWorld { world in
            let (first, second) = (try world.origin(file), try world.origin(file))
            return try world.play([first.film, second.film], whilePlaying: { viewer in try act(viewer, first) })
        }
    }

    @Test(
        "a pause loses nothing", .timeLimit(.minutes(25)), arguments: ["main.mkv", "main.mp4", "main.ts"],
        [false, true])
    func pauses(_ file: String, serverDies: Bool) async throws {
        let expected = try await References.shared.frames(file)
        let play = try await play(file) { viewer, first in
            guard viewer.reaches(.seconds(3)) else { return }
            viewer.player.pause()
            let stood = viewer.player.status.npt
            if serverDies { first.kill() }
            viewer.waits(.seconds(2))
            guard viewer.player.status.npt == stood else {
                throw SupportFailure(description: "something goes by while it is paused")
            }
            viewer.player.resume()
        }
        play.expectUnnoticed(expected, tolerance: 0)
        // The film, the pause, and the fill of the buffer.
        #expect(play.summary.elapsed >= .seconds(14) && play.summary.elapsed < .milliseconds(14_200), "\(play.story)")
        #expect(play.summary.handoffCount == (serverDies ? 1 : 0), "\(play.story)")
    }

    @Test("a seek lands at the key frame before", .timeLimit(.minutes(25)), arguments: [false, true])
    func seeks(serverDies: Bool) async throws {
        let all = try await References.shared.frames("main.mkv").only("video").flows[0].frames.map(\.hash)
        let play = try await play { viewer, first in
            guard viewer.reaches(.seconds(3)) else { return }
            viewer.player.seek(to: .milliseconds(8500))
            if serverDies { first.kill() }
        }
        let summary = play.summary
        #expect(summary.error == nil, "\(play.story)")
        #expect(summary.missing == .zero && summary.duplicate == .zero, "\(play.story)")
        #expect(play.frames.timesRise, "the output goes on without a break\n\(play.story)")
        // From the start to where it was left, and from the key frame at 8 s to the end.
        let mine = play.frames.only("video").flows[0].frames.map(\.hash)
        let (before, after) = (mine.dropLast(100), mine.suffix(100))
        #expect(Array(after) == Array(all[200...]), "\(mine.count) pictures\n\(play.story)")
        #expect(before.count >= 75 && before.count <= 80, "\(before.count)\n\(play.story)")
        #expect(Array(before.prefix(75)) == Array(all.prefix(75)), "\(play.story)")
    }

    /// All has been received when the viewer goes back.
    @Test("a seek in the last second is carried out", .timeLimit(.minutes(25)))
    func seeksAtTheEnd() async throws {
        let all = try await References.shared.frames("main.mkv").only("video").flows[0].frames.map(\.hash)
        let play = try await play { viewer, _ in
            guard viewer.reaches(.milliseconds(11_300)) else { return }
            viewer.player.seek(to: .milliseconds(8500))
        }
        #expect(play.summary.error == nil && play.summary.handoffCount == 0, "\(play.story)")
        let mine = play.frames.only("video").flows[0].frames.map(\.hash)
        #expect(Array(mine.suffix(100)) == Array(all[200...]), "\(mine.count) pictures\n\(play.story)")
        #expect(mine.count >= 382 && mine.count <= 388, "\(mine.count)\n\(play.story)")
    }

    @Test("twice as fast stays twice as fast", .timeLimit(.minutes(25)))
    func rates() async throws {
        let expected = try await References.shared.frames("main.mkv").only("video")
        let play = try await inWorld { world in
            let first = try world.origin("main.mkv", pace: Rate(5, 2))
            let second = try world.origin("main.mkv", pace: Rate(5, 2))
            return try world.play(
                [first.film, second.film],
                whilePlaying: { viewer in
                    guard viewer.reaches(.seconds(2)) else { return }
                    try viewer.player.setRate(Rate(2))
                    guard viewer.reaches(.seconds(6)) else { return }
                    first.kill()
                })
        }
        let summary = play.summary
        #expect(summary.error == nil && summary.gapTotal == .zero, "\(play.story)")
        #expect(summary.missing == .zero && summary.duplicate == .zero, "\(play.story)")
        // Two seconds at the normal rate and ten at twice that, the start, and the fill of the buffer.
        #expect(summary.elapsed >= .seconds(7) && summary.elapsed < .milliseconds(7500), "\(play.story)")
        let difference = play.frames.only("video").difference(from: expected, tolerance: nil)
        #expect(difference == nil, "\(play.story)")
    }

    /// The origin falls silent for good, and the viewer leaves while waiting.
    @Test("a wait that is not over counts", .timeLimit(.minutes(25)))
    func anOpenWait() async throws {
        let play = try await inWorld { world in
            let origin = try world.origin("main-faststart.mp4", ["stall@20%", "refuse"], pace: nil)
            return try world.play(
                [origin.film], buffer: .milliseconds(500),
                whilePlaying: { viewer in
                    _ = viewer.waits { $0.status.visibleGap >= .milliseconds(600) }
                    viewer.player.stop()
                })
        }
        let gap = play.summary.gapTotal
        #expect(play.summary.error?.code == .stopped, "\(play.story)")
        #expect(gap >= .milliseconds(600) && gap < .milliseconds(610) && play.summary.gapCount == 1, "\(play.story)")
        let told = play.events.compactMap { event in
            if case .gap(let gap) = event.kind { gap.duration } else { nil }
        }
        #expect(told == [gap], "\(play.story)")
        #expect(play.summary.rebufferingRatio ?? 0 > 0 && play.summary.playingTime > .seconds(1), "\(play.story)")
    }
}
