internal import Testing

/// The server that our RTSP client is tested with serves what is in the file: another client sees it.
@Suite("GStreamer's RTSP server") struct RTSPServerTests {
    @Test(
        "FFmpeg plays from it every frame of the file", .timeLimit(.minutes(25)),
        arguments: [("main.mkv", RTSPServer.Transports.tcp), ("main-fragmented.mp4", .tcp), ("main.mkv", .udp)])
    func control(_ file: String, transports: RTSPServer.Transports) async throws {
        try await Slots.shared.run {
            let server = try await RTSPServer.start(transports: transports)
            let served = try await Frames.byFFmpeg(
                server.url(file), options: ["-rtsp_transport", transports.rawValue])
            let whole = try await Frames.byFFmpeg(Fixtures.path(file))
            #expect(served.flows.count == 3)
            #expect(served.difference(from: whole, tolerance: nil) == nil)
        }
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
