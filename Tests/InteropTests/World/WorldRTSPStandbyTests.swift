internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// A warm standby: an alternate that is set up long before it is needed, and then asked for nothing but to play.
@Suite("In a world, a warm standby over RTSP", .inWorlds) struct WorldRTSPStandbyTests {
    static let end: NPT = .seconds(6)

    private func play(
        _ faults: String, _ transport: RTSPTransportChoice = .tcp, expected: Frames,
        options: RTSPOrigin.Options = RTSPOrigin.Options(),
        arrange: @escaping @Sendable (SimulatedWorld, LabPair) throws -> [String] = { $1.urls },
        whilePlaying: @escaping @Sendable (WorldViewer, LabPair) throws -> Void = { _, _ in }
    ) async throws -> (play: Play, pair: LabPair) {
        let (play, pair) = try await LabPair.play(
            "main.mkv", faults, over: transport, options: options, to: Self.end, configure: { $0.standby = .warm },
            arrange: arrange, whilePlaying: whilePlaying)
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffCount == 1, "\(play.story)")
        return (play, pair)
    }

    @Test(
        "is set up long before the failure, and asked for one PLAY after it", .timeLimit(.minutes(25)),
        arguments: [RTSPTransportChoice.tcp, .udp])
    func lab(_ transport: RTSPTransportChoice) async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: Self.end)
        let (play, pair) = try await play("reset@npt=3 refuse", transport, expected: expected)
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

    @Test("that dies before it is needed is replaced by another one, and is no handoff", .timeLimit(.minutes(25)))
    func dies() async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: Self.end)
        let (play, _) = try await play(
            "reset@npt=4 refuse", expected: expected,
            arrange: { world, pair in pair.urls + [try world.pair().second.film] },
            whilePlaying: { viewer, pair in
                guard viewer.reaches(.milliseconds(500)) else { return }
                pair.second.kill()
            })
        let handoff = try #require(play.summary.handoffs.first, "\(play.story)")
        #expect(handoff.to == OriginID(2) && handoff.standby == .warm, "\(play.story)")
        #expect(play.summary.origins[1].failures == 0, "it was not asked to play")
        #expect(play.summary.standby.preparations == 2, "\(play.story)")
        #expect(play.summary.standby.failures >= 1, "\(play.story)")
    }

    @Test("that was forgotten without a word is asked again from the start, at once", .timeLimit(.minutes(25)))
    func forgotten() async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: Self.end)
        let (play, pair) = try await play(
            "reset@npt=3 refuse", expected: expected,
            whilePlaying: { viewer, pair in
                guard viewer.reaches(.milliseconds(500)) else { return }
                pair.second.inject(Fault(.rtsp(.sessionLost)))
                pair.second.heal()
            })
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
        let (play, pair) = try await play("reset@npt=5 refuse", transport, expected: expected, options: options)
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
        let behind = options
        let (play, pair, target) = try await inWorld { world in
            let pair = try world.pair("main.mkv", "reset@npt=3 refuse")
            let target = try world.pair(options: behind).second
            let named = "rtsp://viewer:secret@127.0.0.1:\(target.port)/film"
            pair.second.inject(Fault(.rtsp(.moved(302, location: named))))
            let play = try world.play(pair.urls) {
                $0.standby = .warm
                $0.to = Self.end
            }
            return (play, pair, target)
        }
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffCount == 1, "\(play.story)")
        let handoff = try #require(play.summary.handoffs.first, "\(play.story)")
        #expect(handoff.to == OriginID(1) && handoff.standby == .warm, "\(play.story)")
        #expect(target.methods.count { $0 == "PLAY" } == 1)
        #expect(!pair.second.methods.contains("PLAY"))
    }

    @Test("is let go at the end, unused", .timeLimit(.minutes(25)))
    func unused() async throws {
        let (play, pair) = try await LabPair.play(
            over: .auto, to: .seconds(1), configure: { $0.standby = .warm })
        #expect(play.summary.error == nil && play.summary.handoffCount == 0, "\(play.story)")
        #expect(pair.second.methods == ["DESCRIBE", "SETUP", "SETUP", "SETUP", "TEARDOWN"])
    }

    @Test("is not made ready unless that was asked for", .timeLimit(.minutes(25)))
    func cold() async throws {
        let (play, pair) = try await LabPair.play(over: .auto, to: .seconds(1))
        let cost = play.summary.standby
        #expect(cost.standby == .cold && cost.preparations == 0 && cost.packets == 0 && cost.bytes == 0)
        #expect(pair.second.log.isEmpty)
    }
}
