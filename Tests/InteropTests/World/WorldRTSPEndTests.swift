internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// How an RTSP presentation ends when nothing is wrong: that is never taken for a fault.
@Suite("In a world, the true end of RTSP", .inWorlds) struct WorldRTSPEndTests {
    @Test(
        "the end is the end", .timeLimit(.minutes(25)),
        arguments: ["", "notify=end-of-stream@npt=11.8", "announce=2101@npt=11.8"], [RTSPTransportChoice.tcp, .udp])
    func ends(_ faults: String, _ transport: RTSPTransportChoice) async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: nil)
        let (play, pair) = try await LabPair.play("main.mkv", faults, over: transport)
        play.expectUnnoticed(expected)
        #expect(play.changes.isEmpty, "\(play.story)")
        #expect(pair.second.log.isEmpty, "\(play.story)")
    }

    @Test(
        "a goodbye in the last second is no end while another origin has more", .timeLimit(.minutes(25)),
        arguments: [Configuration.Pacing.realtime, .fast])
    func goodbyeTooEarly(_ pacing: Configuration.Pacing) async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: nil)
        let (play, _) = try await LabPair.play("main.mkv", "bye@npt=11.4", pacing: pacing)
        play.expectUnnoticed(expected)
        #expect(play.changes.map(\.cause) == [.endedByServer], "\(play.story)")
    }

    @Test("a goodbye in the last second is the end when nobody has more", .timeLimit(.minutes(25)), arguments: [1, 2])
    func endBeforeTheRange(origins: Int) async throws {
        let (play, _) = try await LabPair.play(
            "main.mkv", "bye@npt=11.4", second: "bye@npt=11.4",
            arrange: { _, pair in
                Array(pair.urls.prefix(origins))
            })
        #expect(play.summary.error == nil, "\(play.story)")
        #expect(play.summary.gapTotal == .zero, "\(play.story)")
        #expect((play.summary.end ?? .zero) > .milliseconds(11_300), "\(play.story)")
    }
}
