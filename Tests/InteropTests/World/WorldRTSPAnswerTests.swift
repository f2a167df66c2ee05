internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// What an RTSP server may answer, and what the agent makes of it.
@Suite("In a world, answers of RTSP", .inWorlds) struct WorldRTSPAnswerTests {
    static let end: NPT = .seconds(6)

    private func play(
        _ faults: String = "", second: String = "", options: RTSPOrigin.Options = RTSPOrigin.Options(),
        buffer: Duration = .seconds(1),
        arrange: @escaping @Sendable (SimulatedWorld, LabPair) throws -> [String] = { $1.urls }
    ) async throws -> (play: Play, pair: LabPair) {
        try await LabPair.play(
            "main.mkv", faults, second: second, options: options, buffer: buffer, to: Self.end, arrange: arrange)
    }

    // MARK: Overload

    @Test(
        "453 on the alternate: the next one is asked", .timeLimit(.minutes(25)),
        arguments: ["453:setup", "503:describe"])
    func overloadedAlternate(_ status: String) async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: Self.end)
        let (play, pair) = try await play("close@npt=3 refuse", second: "status=\(status)") { world, pair in
            pair.urls + [try world.pair().first.film]
        }
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffs.last?.to == OriginID(2), "\(play.story)")
        #expect(pair.second.methods.contains(status.hasPrefix("453") ? "SETUP" : "DESCRIBE"), "\(play.story)")
    }

    @Test("Retry-After of a lone origin is waited for", .timeLimit(.minutes(25)))
    func retryAfterAlone() async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: Self.end)
        let (play, pair) = try await play(
            "close@npt=3,once status=503:describe,retry-after=1,for=900ms", buffer: .seconds(3),
            arrange: { [$1.first.film] })
        #expect(play.summary.error == nil, "\(play.story)")
        #expect(play.frames.difference(from: expected, tolerance: 0.0025) == nil, "\(play.story)")
        let asked = pair.first.log.filter { $0.method == "DESCRIBE" }.map(\.receivedAt)
        #expect(asked.count == 3, "\(play.story)")
        #expect(zip(asked.dropFirst(), asked.dropFirst(2)).allSatisfy { $1 - $0 >= .milliseconds(999) })
    }

    @Test("Retry-After keeps an origin out while another plays", .timeLimit(.minutes(25)))
    func retryAfterOfTwo() async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: Self.end)
        // The second goes for good a second after it was joined.
        let (play, pair) = try await play(
            "close@npt=3,once status=503:describe,retry-after=2,for=1900ms", second: "close@npt=4 status=404",
            buffer: .seconds(3))
        #expect(play.summary.error == nil, "\(play.story)")
        #expect(play.frames.difference(from: expected, tolerance: 0.0025) == nil, "\(play.story)")
        let asked = pair.first.log.filter { $0.method == "DESCRIBE" }.map(\.receivedAt)
        #expect(asked.count == 3, "\(play.story)")
        #expect(zip(asked.dropFirst(), asked.dropFirst(2)).allSatisfy { $1 - $0 >= .milliseconds(1999) })
        #expect(play.summary.handoffs.last?.to == OriginID(0), "\(play.story)")
    }

    // MARK: Sessions

    @Test("454 to a keepalive: what still comes is played, and what stops then is left", .timeLimit(.minutes(25)))
    func sessionLost() async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: Self.end)
        var options = RTSPOrigin.Options()
        options.timeout = .seconds(1)
        let (play, _) = try await play("session-lost@2s,once", options: options, buffer: .seconds(2))
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffs.map(\.event.cause) == [.sessionLost], "\(play.story)")
        #expect(play.summary.handoffs.map(\.to) == [OriginID(0)], "\(play.story)")
    }

    @Test("454 to PLAY: set up again", .timeLimit(.minutes(25)))
    func lostBeforePlay() async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: Self.end)
        let (play, pair) = try await play("status=454:play,once")
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffCount == 0, "\(play.story)")
        #expect(pair.second.log.isEmpty, "\(play.story)")
    }

    // MARK: Transport

    @Test(
        "UDP that is refused, or over which nothing comes: TCP", .timeLimit(.minutes(25)), arguments: [true, false])
    func fallsBackToTCP(isRefused: Bool) async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: Self.end)
        var options = RTSPOrigin.Options()
        if isRefused { options.transports = [.tcp] }
        // The first PLAY is over UDP.
        let (play, pair) = try await LabPair.play(
            "main.mkv", isRefused ? "" : "loss=100%,once", over: .auto, options: options, to: Self.end,
            arrange: { [$1.first.film] })
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffCount == 0, "\(play.story)")
        #expect(pair.first.methods.count { $0 == "DESCRIBE" } == 2, "\(pair.first.methods)")
    }

    // MARK: Authentication

    @Test("credentials in the URL, by Basic and Digest", .timeLimit(.minutes(25)), arguments: [true, false])
    func authenticates(isBasic: Bool) async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: .seconds(2))
        var options = RTSPOrigin.Options()
        options.credentials = RTSPCredentials(user: "viewer", password: "p%ss", scheme: isBasic ? .basic : .digest)
        let (credentials, end) = (options, NPT.seconds(2))
        let (play, wrong) = try await inWorld { world in
            let port = try world.pair(options: credentials).first.port
            let plays = try ["p%25ss", "wrong"].map { password in
                try world.play(["rtsp://viewer:\(password)@127.0.0.1:\(port)/film"]) { $0.to = end }
            }
            return (plays[0], plays[1])
        }
        play.expectUnnoticed(expected)
        #expect(!play.story.contains("ss@"))
        let error = try #require(wrong.summary.error)
        #expect(error.code == .noOriginUsable && error.code.exitStatus == 69)
        #expect("\(error)".contains("refuses the user or the password"), "\(error)")
        #expect(!"\(error)".contains("wrong"), "\(error)")
    }

    // MARK: Elsewhere

    @Test("DESCRIBE is sent elsewhere", .timeLimit(.minutes(25)), arguments: [301, 302])
    func moved(status: Int) async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: .seconds(2))
        let (play, pair) = try await LabPair.play(
            over: .auto, to: .seconds(2),
            arrange: { _, pair in
                pair.first.inject(Fault(.rtsp(.moved(status, location: pair.urls[1]))))
                return [pair.urls[0]]
            })
        play.expectUnnoticed(expected)
        #expect(pair.second.methods.contains("PLAY"))
    }

    @Test("DESCRIBE is sent to a host that was not given: the next origin is asked", .timeLimit(.minutes(25)))
    func movedAway() async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: .seconds(2))
        let (play, _) = try await LabPair.play(
            over: .auto, to: .seconds(2),
            arrange: { _, pair in
                pair.first.inject(Fault(.rtsp(.moved(302, location: "rtsp://elsewhere.invalid/film"))))
                return pair.urls
            })
        play.expectUnnoticed(expected)
        #expect(play.story.contains("elsewhere.invalid"), "\(play.story)")
    }

    // MARK: Alternates that say it wrongly

    @Test(
        "an alternate with faults of its own is joined exactly", .timeLimit(.minutes(25)),
        arguments: [
            "no-rtp-info", "wrong-rtp-info", "no-range", "no-range no-rtp-info", "late=400ms", "late=2s",
            "delay=40ms",
        ])
    func alternate(_ defects: String) async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: Self.end)
        // Each by itself, not one after the other.
        let (play, _) = try await play("close@npt=3 refuse") { _, pair in
            for fault in defects.split(separator: " ") { pair.second.inject(try Fault(parsing: String(fault))) }
            return pair.urls
        }
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffs.last?.to == OriginID(1), "\(play.story)")
        #expect(play.summary.handoffs.allSatisfy { $0.grade == .packetExact }, "\(play.story)")
    }

    // MARK: Streams that are not as they should be

    @Test(
        "what can be borne is borne without a handoff", .timeLimit(.minutes(25)),
        arguments: [
            "no-range", "garbage=100@npt=3", "garbage=5k@npt=3", "sequence-jump=1000@npt=3", "duplicate=10%@npt=1",
        ])
    func borne(_ fault: String) async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: Self.end)
        let (play, _) = try await play(fault)
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffCount == 0, "\(play.story)")
    }

    /// Sound that begins before the pictures is then taken to begin with them.
    @Test(
        "without true RTP-Info the flows begin together", .timeLimit(.minutes(25)),
        arguments: ["no-rtp-info", "wrong-rtp-info"])
    func assumed(_ fault: String) async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: nil)
        let (play, _) = try await LabPair.play("main.mkv", fault)
        play.expectUnnoticed(expected, tolerance: 0.025)
        #expect(play.summary.handoffCount == 0, "\(play.story)")
    }

    @Test(
        "timestamps that leap lead to a new session: no picture takes another's place", .timeLimit(.minutes(25)),
        arguments: ["new-source@npt=3,once", "timestamp-jump=100s@npt=3,once"], [false, true])
    func leaps(_ fault: String, isAlone: Bool) async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: Self.end)
        let (play, _) = try await play(fault, arrange: { isAlone ? [$1.urls[0]] : $1.urls })
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffs.map(\.event.cause) == [.protocolError], "\(play.story)")
    }

    // MARK: Losses

    @Test("UDP that loses and reorders is reported as it is", .timeLimit(.minutes(25)))
    func losses() async throws {
        // Chance that is the same each time.
        var options = RTSPOrigin.Options()
        options.seed = 1
        let (play, _) = try await LabPair.play(
            over: .udp, options: options, to: Self.end,
            arrange: { _, pair in
                for fault in ["loss=5%", "reorder=20%"] { pair.first.inject(try Fault(parsing: fault)) }
                return [pair.urls[0]]
            })
        #expect(play.summary.error == nil && play.summary.handoffCount == 0, "\(play.story)")
        let video = try #require(play.summary.flows.first)
        #expect(video.losses.packets > 0, "\(play.story)")
        #expect(play.summary.flows.reduce(0) { $0 + $1.losses.packets } > 20, "\(play.story)")
        // Every picture was presented, or told as dropped, or its only packet never came.
        #expect(video.packets < 150, "\(video)")
        #expect(video.packets + video.losses.units + video.losses.packets >= 149, "\(video)")
        #expect(play.summary.warnings.contains { $0.contains("never came") }, "\(play.story)")
    }

    @Test(
        "parameter sets that come in band are waited for, so that muxers have them", .timeLimit(.minutes(25)),
        arguments: ["main.ts", "hevc.ts"])
    func setsInBand(_ file: String) async throws {
        let expected = try await Beginnings.shared.frames(file, to: .seconds(3))
        var options = RTSPOrigin.Options()
        options.describesParameterSets = false
        let (play, _) = try await LabPair.play(
            file, "close@npt=2 refuse", options: options, to: .seconds(3), containers: ["mp4"],
            configure: { $0.flows = .kinds([.video, .audio]) })
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffCount == 1, "\(play.story)")
        let written = try await Frames.byFFmpeg(play.output("mp4")).only("video")
        #expect(written.flows.first?.frames.count == expected.only("video").flows.first?.frames.count)
    }

    @Test("the scheme of a URL forces the transport", .timeLimit(.minutes(25)), arguments: ["rtspt", "rtspu"])
    func schemes(_ scheme: String) async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: .seconds(2))
        var options = RTSPOrigin.Options()
        options.transports = scheme == "rtspt" ? [.tcp] : [.udp]
        let (play, _) = try await LabPair.play(
            over: scheme == "rtspt" ? .udp : .tcp, options: options, to: .seconds(2),
            arrange: { [scheme + $1.urls[0].dropFirst(4)] })
        play.expectUnnoticed(expected)
    }

    @Test("reordering alone loses nothing", .timeLimit(.minutes(25)))
    func reordering() async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: Self.end)
        let (play, _) = try await LabPair.play(
            "main.mkv", "reorder=20%", over: .udp, to: Self.end, arrange: { [$1.urls[0]] })
        play.expectUnnoticed(expected)
        #expect(play.summary.flows.allSatisfy { $0.losses == FlowLosses() }, "\(play.story)")
    }
}
