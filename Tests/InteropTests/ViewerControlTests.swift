internal import Testing
internal import Throughline
internal import ThroughlineCore

/// What a viewer does while a stream from GStreamer's server plays, and that it outlives the server.
@Suite("What the viewer wants", .inSlots) struct ViewerControlTests {
    private static let file = "main.mkv"

    @Test("a pause loses nothing though the server dies in it", .timeLimit(.minutes(25)))
    func pauses() async throws {
        let expected = try await RTSPReferences.shared.frames(Self.file)
        let (first, second) = (try await RTSPServer.start(), try await RTSPServer.start())
        let play = try await Play.run([first.url(Self.file), second.url(Self.file)]) {
            $0.rtspTransport = .tcp
        } whilePlaying: { stream in
            guard await stream.reaches(.seconds(3)) else { return }
            stream.pause()
            let stood = stream.status.npt
            first.vanish()
            try? await Task.sleep(for: .seconds(2))
            #expect(stream.status.npt == stood, "nothing goes by while it is paused")
            stream.resume()
        }
        let summary = play.summary
        #expect(summary.error == nil, "\(play.story)")
        #expect(summary.missing == .zero && summary.duplicate == .zero, "\(play.story)")
        #expect(summary.gapTotal == .zero, "\(play.story)")
        #expect(summary.elapsed > .seconds(13), "\(play.story)")
        #expect(summary.handoffCount == 1, "\(play.story)")
        let difference = play.frames.difference(from: expected, tolerance: 0.0025)
        #expect(difference == nil, "\(play.story)")
    }

    @Test("a seek lands at the key frame before though the server dies", .timeLimit(.minutes(25)))
    func seeks() async throws {
        let expected = try await RTSPReferences.shared.frames(Self.file)
        let (first, second) = (try await RTSPServer.start(), try await RTSPServer.start())
        let play = try await Play.run([first.url(Self.file), second.url(Self.file)]) {
            $0.rtspTransport = .tcp
        } whilePlaying: { stream in
            guard await stream.reaches(.seconds(3)) else { return }
            stream.seek(to: .milliseconds(8500))
            first.vanish()
        }
        let summary = play.summary
        #expect(summary.error == nil, "\(play.story)")
        #expect(summary.missing == .zero && summary.duplicate == .zero, "\(play.story)")
        #expect(play.frames.timesRise, "the output goes on without a break\n\(play.story)")
        let mine = play.frames.only("video").flows[0].frames.map(\.hash)
        let all = expected.only("video").flows[0].frames.map(\.hash)
        // From the start to where it was left, and from the key frame at 8 s to the end.
        let rest = Array(all[200...])
        #expect(Array(mine.suffix(100)) == rest, "\(mine.count) pictures\n\(play.story)")
        let before = mine.dropLast(100)
        #expect(before.count > 60 && before.count < 130, "\(before.count)\n\(play.story)")
        #expect(Array(before.prefix(60)) == Array(all.prefix(60)), "\(play.story)")
    }

    @Test(
        "a seek to where the server sends what comes before without times", .timeLimit(.minutes(25)),
        arguments: [("main-fragmented.mp4", 6500, 150), ("main.mkv", 6500, 150)])
    func seeksBetween(_ file: String, to milliseconds: Int64, first: Int) async throws {
        let expected = try await RTSPReferences.shared.frames(file)
        let server = try await RTSPServer.start()
        let moved = Guarded<Duration?>(nil)
        let play = try await Play.run([server.url(file)]) {
            $0.rtspTransport = .tcp
        } whilePlaying: { stream in
            guard await stream.reaches(.seconds(3)) else { return }
            stream.seek(to: .milliseconds(milliseconds))
            let asked = Instant.now
            guard await stream.reaches(.milliseconds(milliseconds + 500)) else { return }
            moved.withLock { $0 = Instant.now - asked }
        }
        let summary = play.summary
        #expect(summary.error == nil && summary.gapTotal == .zero, "\(play.story)")
        #expect(summary.missing == .zero && summary.duplicate == .zero, "\(play.story)")
        // The start, as long as the buffer is, and what is played until then.
        let took = try #require(moved.withLock { $0 }, "\(play.story)")
        #expect(took < .seconds(4), "\(play.story)")
        let mine = play.frames.only("video").flows[0].frames.map(\.hash)
        let all = expected.only("video").flows[0].frames.map(\.hash)
        #expect(Array(mine.suffix(all.count - first)) == Array(all[first...]), "\(mine.count)\n\(play.story)")
    }

    @Test("twice as fast stays twice as fast", .timeLimit(.minutes(25)))
    func rates() async throws {
        let expected = try await RTSPReferences.shared.frames(Self.file)
        let (first, second) = (try await RTSPServer.start(), try await RTSPServer.start())
        let play = try await Play.run([first.url(Self.file), second.url(Self.file)]) {
            $0.rtspTransport = .tcp
        } whilePlaying: { stream in
            guard await stream.reaches(.seconds(2)) else { return }
            try? stream.setRate(Rate(2))
            guard await stream.reaches(.seconds(6)) else { return }
            first.vanish()
        }
        let summary = play.summary
        #expect(summary.error == nil, "\(play.story)")
        #expect(summary.missing == .zero && summary.duplicate == .zero, "\(play.story)")
        // Two seconds at the normal rate and ten at twice that, the start, and the fill of the buffer.
        #expect(summary.elapsed < .milliseconds(9500), "\(play.story)")
        let (mine, theirs) = (play.frames.only("video"), expected.only("video"))
        #expect(mine.difference(from: theirs, tolerance: nil) == nil, "\(play.story)")
    }
}
