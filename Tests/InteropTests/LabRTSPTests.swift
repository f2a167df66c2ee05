internal import Testing
internal import ThroughlineCore
internal import ThroughlineLab

/// The lab's RTSP origin is a server like others: a client that is not ours plays from it.
@Suite("The lab's RTSP origin", .inSlots) struct LabRTSPTests {
    @Test(
        "FFmpeg plays from it every frame of the file", .timeLimit(.minutes(25)),
        arguments: ["main.mkv", "main-fragmented.mp4", "main.ts", "hevc.ts", "vfr.mkv", "audio.aac"], ["tcp", "udp"])
    func control(_ file: String, transport: String) async throws {
        var options = RTSPOrigin.Options()
        options.pace = Rate(8)
        let origin = try await RTSPOrigin.start(serving: ["/\(file)": Fixtures.path(file)], options: options)
        let served = try await Frames.byFFmpeg(
            origin.url(for: "/\(file)"), options: ["-rtsp_transport", transport])
        let whole = try await Frames.byFFmpeg(Fixtures.path(file))
        #expect(served.difference(from: whole, tolerance: nil) == nil)
    }

    /// FFmpeg calls MPEG audio of any layer layer 2, and has to be told.
    @Test("FFmpeg hears all of an MP3 file", .timeLimit(.minutes(25)))
    func layer3() async throws {
        var options = RTSPOrigin.Options()
        options.pace = Rate(8)
        let origin = try await RTSPOrigin.start(
            serving: ["/audio.mp3": Fixtures.path("audio.mp3")], options: options)
        let served = try await Frames.byFFmpeg(
            origin.url(for: "/audio.mp3"), options: ["-rtsp_transport", "tcp", "-c:a", "mp3float"])
        let whole = try await Frames.byFFmpeg(Fixtures.path("audio.mp3"), options: ["-c:a", "mp3float"])
        #expect(served.difference(from: whole, tolerance: nil) == nil)
    }

    @Test("FFmpeg begins in the middle of it, and shows its credentials", .timeLimit(.minutes(25)))
    func seeks() async throws {
        var options = RTSPOrigin.Options()
        options.pace = Rate(8)
        options.credentials = RTSPCredentials(user: "viewer", password: "secret")
        let origin = try await RTSPOrigin.start(
            serving: ["/main.mkv": Fixtures.path("main.mkv")], options: options)
        let url = "rtsp://viewer:secret@127.0.0.1:\(origin.port)/main.mkv"
        let served = try await Frames.byFFmpeg(url, options: ["-rtsp_transport", "tcp", "-ss", "7.3"]).only("video")
        let whole = try await Frames.byFFmpeg(Fixtures.path("main.mkv")).only("video")
        let pictures = try #require(served.flows.first).frames.map(\.hash)
        // FFmpeg drops what stands before the place it was told, but for the key frame.
        #expect((117...119).contains(pictures.count))
        let tail = Array(whole.flows[0].frames.map(\.hash).suffix(pictures.count - 1))
        #expect(Array(pictures.dropFirst()) == tail)
    }
}
