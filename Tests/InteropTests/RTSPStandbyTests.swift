internal import Testing
internal import Throughline
internal import ThroughlineCore

/// Standbys with a server that is not ours: one that is set up long before it is needed, and one that delivers all along.
@Suite("A standby over RTSP", .inSlots) struct RTSPStandbyTests {
    @Test(
        "of a server that is not ours takes over", .timeLimit(.minutes(25)),
        arguments: [
            (Standby.warm, RTSPTransportChoice.tcp, "main.mkv"), (.warm, .udp, "hevc.mp4"), (.hot, .tcp, "main.mp4"),
            (.hot, .udp, "main.mkv"),
        ])
    func takesOver(_ standby: Standby, _ transport: RTSPTransportChoice, _ file: String) async throws {
        let expected = try await RTSPReferences.shared.frames(file)
        let (first, second) = (try await RTSPServer.start(), try await RTSPServer.start())
        let play = try await Play.run([first.url(file), second.url(file)]) {
            $0.rtspTransport = transport
            $0.standby = standby
        } whilePlaying: { stream in
            guard await stream.reaches(.seconds(3)) else { return }
            first.vanish()
        }
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffs.map(\.standby) == [standby], "\(play.story)")
        #expect(play.summary.handoffs.map(\.grade) == [.packetExact], "\(play.story)")
    }
}
