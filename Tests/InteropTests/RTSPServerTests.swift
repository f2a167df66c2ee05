internal import Testing

/// The server that our RTSP client is tested with serves what is in the file: another client sees it. Over TCP: on UDP FFmpeg
/// ends with the server's goodbye, whether it has read what came before that or not.
@Suite("GStreamer's RTSP server", .inSlots) struct RTSPServerTests {
    @Test(
        "FFmpeg plays from it every frame of the file", .timeLimit(.minutes(25)),
        arguments: ["main.mkv", "main-fragmented.mp4"])
    func control(_ file: String) async throws {
        let server = try await RTSPServer.start(transports: .tcp)
        let served = try await Frames.byFFmpeg(server.url(file), options: ["-rtsp_transport", "tcp"])
        let whole = try await Frames.byFFmpeg(Fixtures.path(file))
        #expect(served.flows.count == 3)
        #expect(served.difference(from: whole, tolerance: nil) == nil)
    }

    @Test("it is gone at once, and another takes its port", .timeLimit(.minutes(25)))
    func returns() async throws {
        let first = try await RTSPServer.start()
        first.vanish()
        #expect(Sockets.connect(port: first.port) == nil)
        let second = try await RTSPServer.start(port: first.port)
        #expect(second.port == first.port)
    }
}
