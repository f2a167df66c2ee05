internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

@Suite("In a world, RTSP", .inWorlds) struct WorldRTSPTests {
    @Test("an undisturbed play is whole", .timeLimit(.minutes(25)), arguments: [RTSPTransportChoice.tcp, .udp])
    func undisturbed(_ transport: RTSPTransportChoice) async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: nil)
        let play = try await Play.inWorld(seed: 1) {
            $0.rtspTransport = transport
        } arrange: { world in
            [try world.serveRTSP(["/f": Fixtures.path("main.mkv")]).url(for: "/f")]
        }
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffCount == 0, "\(play.story)")
    }
}
