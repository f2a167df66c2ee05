internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// Changes that the media themselves announce, over RTSP.
@Suite("Indicators in the stream", .inSlots) struct IndicatorTests {
    @Test("user data over RTSP", .timeLimit(.minutes(25)), arguments: [RTSPTransportChoice.tcp, .udp])
    func overRTSP(_ transport: RTSPTransportChoice) async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: .seconds(7))
        let files = ["/main.mkv": Fixtures.path("main.mkv")]
        let second = try await RTSPOrigin.start(serving: files)
        let target = second.url(for: "/main.mkv")
        var options = RTSPOrigin.Options()
        options.indicators = [try InsertedIndicator(parsing: "sei,to=\(target),at=4@npt=3")]
        let first = try await RTSPOrigin.start(serving: files, options: options)
        let play = try await Play.run([first.url(for: "/main.mkv"), target]) {
            $0.rtspTransport = transport
            $0.to = .seconds(7)
        }
        play.expectUnnoticed(expected)
        try play.expectJoined(at: .seconds(4))
        #expect(try play.handoff().event.carrier == .userData)
    }
}
