internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// A warm standby: an alternate that is set up long before it is needed, and then asked for nothing but to play.
@Suite("A warm standby", .inSlots) struct RTSPStandbyTests {
    static let end: NPT = .seconds(6)

    private func play(
        _ urls: [String], _ transport: RTSPTransportChoice = .tcp, expected: Frames, to end: NPT? = Self.end,
        whilePlaying: (@Sendable (ResilientStream) async -> Void)? = nil
    ) async throws -> Play {
        let play = try await Play.run(urls) {
            $0.rtspTransport = transport
            $0.standby = .warm
            $0.to = end
        } whilePlaying: { stream in
            await whilePlaying?(stream)
        }
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffCount == 1, "\(play.story)")
        return play
    }

    @Test(
        "is set up long before the failure, and asked for one PLAY after it", .timeLimit(.minutes(25)),
        arguments: [RTSPTransportChoice.tcp, .udp])
    func lab(_ transport: RTSPTransportChoice) async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: Self.end)
        let pair = try await LabPair.start(faults: [Fault(.reset, .atNPT(.seconds(3))), Fault(.refuse)])
        let play = try await play(pair.urls, transport, expected: expected)
        let handoff = try #require(play.summary.handoffs.first, "\(play.story)")
        #expect(handoff.standby == .warm && handoff.grade == .packetExact, "\(play.story)")
        #expect(handoff.attempts.count == 1, "\(play.story)")
        let asked = pair.second.methods.filter { $0 != "GET_PARAMETER" }
        #expect(asked == ["DESCRIBE", "SETUP", "SETUP", "SETUP", "PLAY", "TEARDOWN"])
        let (ready, played) = (
            try #require(pair.second.log.last { $0.method == "SETUP" }?.answeredAt),
            try #require(pair.second.moment(of: "PLAY"))
        )
        #expect(played - ready > .seconds(1))
        let cost = play.summary.standby
        #expect(cost.preparations == 1 && cost.held > .seconds(1), "\(play.story)")
    }

    @Test(
        "of a server that is not ours", .timeLimit(.minutes(25)), arguments: [RTSPTransportChoice.tcp, .udp],
        ["main.mkv", "main.mp4", "hevc.mp4"])
    func server(_ transport: RTSPTransportChoice, _ file: String) async throws {
        let expected = try await RTSPReferences.shared.frames(file)
        let (first, second) = (try await RTSPServer.start(), try await RTSPServer.start())
        let play = try await play([first.url(file), second.url(file)], transport, expected: expected, to: nil) {
            guard await $0.reaches(.seconds(3)) else { return }
            first.vanish()
        }
        #expect(play.summary.handoffs.map(\.standby) == [.warm], "\(play.story)")
        #expect(play.summary.handoffs.map(\.grade) == [.packetExact], "\(play.story)")
    }

    @Test("that dies before it is needed is replaced by another one, and is no handoff", .timeLimit(.minutes(25)))
    func dies() async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: Self.end)
        let (pair, other) = (
            try await LabPair.start(faults: [Fault(.reset, .atNPT(.seconds(4))), Fault(.refuse)]),
            try await LabPair.start()
        )
        let play = try await play(pair.urls + [other.urls[1]], expected: expected) {
            guard await $0.reaches(.milliseconds(500)) else { return }
            pair.second.kill()
        }
        let handoff = try #require(play.summary.handoffs.first, "\(play.story)")
        #expect(handoff.to == OriginID(2) && handoff.standby == .warm, "\(play.story)")
        #expect(play.summary.origins[1].failures == 0, "it was not asked to play")
        #expect(play.summary.standby.preparations == 2, "\(play.story)")
        #expect(play.summary.standby.failures >= 1, "\(play.story)")
    }

    @Test("that was forgotten without a word is asked again from the start, at once", .timeLimit(.minutes(25)))
    func forgotten() async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: Self.end)
        let pair = try await LabPair.start(faults: [Fault(.reset, .atNPT(.seconds(3))), Fault(.refuse)])
        let play = try await play(pair.urls, expected: expected) {
            guard await $0.reaches(.milliseconds(500)) else { return }
            pair.second.inject(Fault(.rtsp(.sessionLost)))
            pair.second.heal()
        }
        let handoff = try #require(play.summary.handoffs.first, "\(play.story)")
        #expect(handoff.to == OriginID(1) && handoff.standby == .cold, "\(play.story)")
        #expect(handoff.attempts.count == 1 && play.summary.origins[1].failures == 0, "\(play.story)")
        #expect(pair.second.methods.count { $0 == "PLAY" } == 2)
        #expect(handoff.duration < .milliseconds(300), "\(play.story)")
    }

    @Test(
        "is kept alive where sessions end soon", .timeLimit(.minutes(25)), arguments: [RTSPTransportChoice.tcp, .udp])
    func keptAlive(_ transport: RTSPTransportChoice) async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: Self.end)
        var options = RTSPOrigin.Options()
        options.timeout = .seconds(2)
        let pair = try await LabPair.start(
            faults: [Fault(.reset, .atNPT(.seconds(5))), Fault(.refuse)], options: options)
        let play = try await play(pair.urls, transport, expected: expected)
        #expect(play.summary.handoffs.map(\.standby) == [.warm], "\(play.story)")
        let before = pair.second.methods.prefix { $0 != "PLAY" }
        #expect(before.count { $0 == "GET_PARAMETER" } >= 3, "\(before)")
        #expect(before.count { $0 == "DESCRIBE" } == 1, "\(before)")
    }

    @Test("with credentials, behind a redirect, where UDP is refused", .timeLimit(.minutes(25)))
    func aLongWay() async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: Self.end)
        var options = RTSPOrigin.Options()
        options.credentials = RTSPCredentials(user: "viewer", password: "secret")
        options.transports = [.tcp]
        let pair = try await LabPair.start(faults: [Fault(.reset, .atNPT(.seconds(3))), Fault(.refuse)])
        let target = try await LabPair.start(options: options)
        let named = "rtsp://viewer:secret@127.0.0.1:\(target.second.port)/main.mkv"
        pair.second.inject(Fault(.rtsp(.moved(302, location: named))))
        let play = try await play(pair.urls, .auto, expected: expected)
        let handoff = try #require(play.summary.handoffs.first, "\(play.story)")
        #expect(handoff.to == OriginID(1) && handoff.standby == .warm, "\(play.story)")
        #expect(target.second.methods.count { $0 == "PLAY" } == 1)
        #expect(!pair.second.methods.contains("PLAY"))
    }

    @Test("is let go at the end, unused", .timeLimit(.minutes(25)))
    func unused() async throws {
        let pair = try await LabPair.start()
        let play = try await Play.run(pair.urls) {
            $0.standby = .warm
            $0.to = .seconds(1)
        }
        #expect(play.summary.error == nil && play.summary.handoffCount == 0, "\(play.story)")
        #expect(pair.second.methods == ["DESCRIBE", "SETUP", "SETUP", "SETUP", "TEARDOWN"])
    }

    @Test("is not made ready unless that was asked for", .timeLimit(.minutes(25)))
    func cold() async throws {
        let pair = try await LabPair.start()
        let play = try await Play.run(pair.urls) { $0.to = .seconds(1) }
        let cost = play.summary.standby
        #expect(cost.standby == .cold && cost.preparations == 0 && cost.packets == 0 && cost.bytes == 0)
        #expect(pair.second.log.isEmpty)
    }
}
