internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// The operator sends the stream from one origin to another, and the viewer sees nothing of it.
@Suite("Migrate", .inSlots) struct MigrateTests {
    @Test(
        "at a place over HTTP: the first frame of the new origin is the first from there on", .timeLimit(.minutes(25)),
        arguments: [("main.mp4", "main.ts"), ("main.ts", "main.ts"), ("main.mkv", "main.mp4")])
    func atPlace(_ file: String, _ other: String) async throws {
        let expected = try await Beginnings.shared.frames(file, to: nil)
        let pair = try await HTTPPair.start(file, other)
        let play = try await Play.run(pair.urls, buffer: .seconds(2)) {
            $0.flows = .kinds([.video, .audio])
        } whilePlaying: { stream in
            #expect(throws: Never.self) { try stream.migrate(to: OriginID(1), at: .seconds(6)) }
        }
        play.expectUnnoticed(expected)
        try play.expectJoined(at: .seconds(6))
        let handoff = try play.handoff()
        #expect(handoff.event.kind == .operatorRequest && handoff.event.position == .seconds(6))
        #expect(handoff.to == OriginID(1), "\(play.story)")
    }

    @Test(
        "at a place inside a group of pictures, nothing is missing and nothing twice", .timeLimit(.minutes(25)),
        arguments: [5.0, 5.04, 5.08, 5.12, 6.96])
    func insideGroup(_ seconds: Double) async throws {
        let npt = MediaTime.milliseconds(Int64(seconds * 1000))
        let expected = try await Beginnings.shared.frames("main.mp4", to: nil)
        let pair = try await HTTPPair.start("main.mp4", "main.ts")
        let play = try await Play.run(pair.urls, buffer: .seconds(2)) {
            $0.flows = .kinds([.video, .audio])
        } whilePlaying: { stream in
            #expect(throws: Never.self) { try stream.migrate(at: npt) }
        }
        play.expectUnnoticed(expected)
        let handoff = try play.handoff()
        #expect(handoff.grade == .packetExact)
        // The first of them in decode order may be one that those at the place refer to.
        for splice in handoff.flows {
            #expect(try #require(splice.firstAfter) >= npt - .milliseconds(1), "\(play.story)")
            #expect(try #require(splice.firstAfter) < npt + .milliseconds(200), "\(play.story)")
        }
    }

    @Test("at a place over RTSP", .timeLimit(.minutes(25)), arguments: [RTSPTransportChoice.tcp, .udp])
    func overRTSP(_ transport: RTSPTransportChoice) async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: .seconds(7))
        let pair = try await LabPair.start()
        let play = try await Play.run(pair.urls, buffer: .seconds(2)) {
            $0.rtspTransport = transport
            $0.to = .seconds(7)
        } whilePlaying: { stream in
            #expect(throws: Never.self) { try stream.migrate(to: OriginID(1), at: .seconds(4)) }
        }
        play.expectUnnoticed(expected)
        try play.expectJoined(at: .seconds(4))
    }

    @Test("now, there and back again", .timeLimit(.minutes(25)), arguments: ["http", "rtsp"])
    func now(_ carrier: String) async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: .seconds(8))
        let (http, rtsp) = (try await HTTPPair.start("main.mkv"), try await LabPair.start())
        let play = try await Play.run(carrier == "http" ? http.urls : rtsp.urls) {
            $0.rtspTransport = .tcp
            $0.flows = .kinds([.video, .audio])
            $0.to = .seconds(8)
        } whilePlaying: { stream in
            for time in [1, 3] as [Int64] {
                guard await stream.reaches(.seconds(time)) else { return }
                #expect(throws: Never.self) { try stream.migrate() }
            }
        }
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffs.map(\.to) == [OriginID(1), OriginID(0)], "\(play.story)")
        #expect(play.summary.handoffs.allSatisfy { $0.grade == .packetExact }, "\(play.story)")
        #expect(
            play.summary.origins.allSatisfy { $0.failures == 0 }, "nothing is wrong with an origin that is left")
    }

    @Test("to another encode: at the first key frame from the place on", .timeLimit(.minutes(25)))
    func otherEncode() async throws {
        let pair = try await HTTPPair.start("main.mp4", "other.mp4")
        let play = try await Play.run(pair.urls, buffer: .seconds(2)) {
            $0.flows = .kinds([.video, .audio])
        } whilePlaying: { stream in
            #expect(throws: Never.self) { try stream.migrate(to: OriginID(1), at: .seconds(5)) }
        }
        #expect(play.summary.error == nil && play.summary.gapTotal == .zero, "\(play.story)")
        #expect(play.summary.missing == .zero && play.summary.duplicate == .zero, "\(play.story)")
        let handoff = try play.handoff()
        #expect(handoff.grade == .frameAligned, "\(play.story)")
        // A key frame every 1.44 s. Pictures of the former encode that refer to one behind it are made anew.
        #expect(
            handoff.evidence.contains("joined at the key frame at 0:05.760, the first from 0:05.000 on"),
            "\(play.story)")
        let video = try #require(handoff.flows.first { $0.flow == 0 })
        #expect(try #require(video.firstAfter) >= .milliseconds(5000), "\(play.story)")
        let frames = play.frames.only("video").flows.first?.frames.count
        #expect(frames == 300, "\(play.story)")
    }

    @Test(
        "to an origin that cannot be joined: says so, and stays", .timeLimit(.minutes(25)),
        arguments: ["refuse", "status=404", "silent", "programme"], [true, false])
    func impossible(_ fault: String, isPlanned: Bool) async throws {
        let expected = try await Beginnings.shared.frames("main.mp4", to: nil)
        let pair = try await HTTPPair.start(
            "main.mp4", fault == "programme" ? "wrong.mp4" : "main.mp4",
            secondFaults: fault == "programme" ? [] : [Fault(parsing: fault)])
        // A third that could go on, and was not named.
        let play = try await Play.run(pair.urls + [Fixtures.path("main.ts")], buffer: .seconds(2)) {
            $0.flows = .kinds([.video, .audio])
        } whilePlaying: { stream in
            guard await stream.reaches(.seconds(1)) else { return }
            #expect(throws: Never.self) { try stream.migrate(to: OriginID(1), at: isPlanned ? .seconds(6) : nil) }
        }
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffCount == 0, "\(play.story)")
        #expect(play.summary.warnings.contains { $0.contains("no other origin could be joined") }, "\(play.story)")
    }

    @Test("what is no origin is refused, and where it plays already it stays", .timeLimit(.minutes(25)))
    func refused() async throws {
        let pair = try await HTTPPair.start("main.mp4")
        let play = try await Play.run(pair.urls, buffer: .seconds(2)) {
            $0.to = .seconds(6)
        } whilePlaying: { stream in
            #expect(throws: StreamError.self) { try stream.migrate(to: OriginID(2)) }
            #expect(throws: StreamError.self) { try stream.migrate(to: "file:///etc/passwd") }
            #expect(throws: StreamError.self) { try stream.migrate(to: "elsewhere") }
            #expect(throws: Never.self) { try stream.migrate(to: OriginID(0)) }
        }
        #expect(play.summary.error == nil && play.summary.handoffCount == 0, "\(play.story)")
        #expect(play.summary.warnings.contains { $0.contains("already") }, "\(play.story)")
    }

    @Test("to an origin that was not configured: the operator's word is enough", .timeLimit(.minutes(25)))
    func oneMore() async throws {
        let expected = try await Beginnings.shared.frames("main.mp4", to: nil)
        let pair = try await HTTPPair.start("main.mp4")
        let play = try await Play.run([pair.urls[0]]) {
            $0.flows = .kinds([.video, .audio])
        } whilePlaying: { stream in
            #expect(throws: Never.self) { try stream.migrate(to: pair.urls[1], at: .seconds(8)) }
        }
        play.expectUnnoticed(expected)
        try play.expectJoined(at: .seconds(8))
        #expect(play.summary.origins.map(\.url) == pair.urls)
    }
}
