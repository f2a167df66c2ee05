internal import Testing
internal import Throughline
internal import ThroughlineCore

/// Origins that are of no use from the start, and connections that end behind the kernel's back.
@Suite("Origins on sockets that are of no use, or idle", .inSlots) struct OriginTests {
    @Test(
        "an only origin that holds no media is told so",
        arguments: [
            ("page.html", StreamError.Code.notMedia), ("empty.mp4", .notMedia), ("truncated.mp4", .notMedia),
            ("", .noOriginUsable), ("nothing.mp4", .noOriginUsable),
        ])
    func noMedia(_ file: String, _ code: StreamError.Code) async throws {
        let server = try await NginxServer.start()
        let play = try await Play.run([server.url(file)])
        let error = try #require(play.summary.error)
        #expect(error.code == code, "\(play.story)")
        #expect(error.attempts.contains { $0.url == server.url(file) }, "\(play.story)")
    }

    @Test("a useless first origin is passed over at the start", arguments: ["page.html", "empty.mp4", "truncated.mp4"])
    func uselessFirst(_ file: String) async throws {
        let server = try await NginxServer.start()
        let play = try await Play.run([server.url(file), server.url("main.mp4")], pacing: .fast)
        #expect(play.summary.error == nil, "\(play.story)")
        let whole = try await References.shared.frames("main.mp4")
        let difference = play.frames.difference(from: whole)
        #expect(difference == nil, "\(play.story)")
    }

    @Test("a connection closed while nobody read from it is opened again, and is no failure", .timeLimit(.minutes(25)))
    func idle() async throws {
        let server = try await NginxServer.start()
        // The bytes up to the place are in the kernels at once; the rest is asked for when the reader is back.
        let plan = FaultProxy.Plan(strike: .close, at: try Fixtures.size("main.ts") * 6 / 10)
        let proxy = FaultProxy(upstream: server.port, pace: (0, 0), plan: plan)
        let reader = try LazyReader(sleeping: .seconds(7))
        let play = try await Play.run(
            [proxy.url("main.ts"), server.url("main.ts")],
            also: [.descriptor(reader.descriptor, format: "mpegts")])
        reader.finish()
        let difference = play.frames.difference(from: try await References.shared.frames("main.ts"))
        #expect(difference == nil, "\(play.story)")
        #expect(play.summary.error == nil, "\(play.story)")
        #expect(play.summary.handoffCount == 0, "\(play.story)")
        #expect(proxy.strikes.count == 1)
        #expect(play.summary.reopenCount == 1, "\(play.story)")
    }
}
