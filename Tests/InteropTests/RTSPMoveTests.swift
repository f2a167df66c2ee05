internal import Testing
internal import Throughline
internal import ThroughlineCore

/// REDIRECT and ANNOUNCE of a server that is not ours.
@Suite("REDIRECT", .inSlots) struct RTSPMoveTests {
    @Test("GStreamer's REDIRECT and ANNOUNCE", .timeLimit(.minutes(25)), arguments: ["redirect", "announce", "end"])
    func gstreamer(_ what: String) async throws {
        let expected = try await RTSPReferences.shared.frames("main.mkv")
        let second = try await RTSPServer.start()
        let arguments =
            switch what {
            case "redirect": ["--redirect", second.url("main.mkv")]
            case "announce": ["--notice", "5401 \"Downstream Failure\""]
            default: ["--notice", "2101 \"End-of-Stream Reached\""]
            }
        let first = try await RTSPServer.start(arguments: arguments)
        let play = try await Play.run([first.url("main.mkv"), second.url("main.mkv")]) {
            $0.rtspTransport = .tcp
        } whilePlaying: { stream in
            guard await stream.reaches(.seconds(3)) else { return }
            what == "redirect" ? first.redirect() : first.announce()
        }
        play.expectUnnoticed(expected)
        let cause: ChangeEvent.Cause =
            what == "redirect" ? .redirected : what == "announce" ? .announced : .endedByServer
        #expect(play.summary.handoffs.map(\.event.cause) == [cause], "\(play.story)")
        #expect(play.summary.handoffs.map(\.to) == [OriginID(1)], "\(play.story)")
    }
}
