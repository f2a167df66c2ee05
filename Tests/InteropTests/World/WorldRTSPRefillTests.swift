internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// What a handoff took from the buffer is made up for, where the next origin can deliver faster.
@Suite("In a world, the buffer is filled again over RTSP", .inWorlds) struct WorldRTSPRefillTests {
    static let end: NPT = .seconds(11)
    static let buffer: Duration = .milliseconds(1500)

    /// A first origin that dies, and a second one that takes a while to be opened.
    private func play(
        _ transport: RTSPTransportChoice, _ file: String = "main.mkv", takes delay: Int = 550, _ others: String = "",
        arrange: @escaping @Sendable (SimulatedWorld, LabPair) throws -> [String] = { $1.urls },
        whilePlaying: @escaping @Sendable (WorldViewer, LabPair) throws -> Void = { _, _ in }
    ) async throws -> (play: Play, pair: LabPair) {
        try await LabPair.play(
            file, "reset@npt=3 refuse", second: "delay=\(delay)ms:describe \(others)", over: transport,
            buffer: Self.buffer, to: Self.end, arrange: arrange, whilePlaying: whilePlaying)
    }

    @Test(
        "after a handoff that took half a second", .timeLimit(.minutes(25)),
        arguments: [RTSPTransportChoice.tcp, .udp], ["main.mkv", "hevc.ts"])
    func refills(_ transport: RTSPTransportChoice, _ file: String) async throws {
        let expected = try await Beginnings.shared.frames(file, to: Self.end)
        let level = Guarded<Duration>(.zero)
        let (play, pair) = try await play(
            transport, file,
            whilePlaying: { viewer, _ in
                guard viewer.reaches(.seconds(8)) else { return }
                let now = viewer.player.status.buffer.duration
                level.withLock { $0 = now }
            })
        play.expectUnnoticed(expected)
        let handoff = try #require(play.summary.handoffs.first, "\(play.story)")
        #expect(play.summary.handoffCount == 1 && handoff.duration >= .milliseconds(500), "\(play.story)")
        #expect(handoff.bufferAfter < .milliseconds(1150), "\(play.story)")
        #expect(play.refills == [OriginID(1)], "\(play.story)")
        let told = play.events.map(\.json).filter { $0.contains("\"event\":\"refilled\"") }
        #expect(
            told.count == 1 && told.allSatisfy { $0.contains("\"bufferBefore\":") && $0.contains("\"origin\":1") })
        #expect(level.withLock { $0 } > Self.buffer - .milliseconds(150), "\(play.story)")
        #expect(play.summary.flows.allSatisfy { $0.losses.packets == 0 && $0.losses.units == 0 })
        #expect(
            pair.second.methods.filter { $0 != "GET_PARAMETER" }.suffix(6)
                == ["PLAY", "PAUSE", "PLAY", "PAUSE", "PLAY", "TEARDOWN"])
    }

    @Test(
        "a second handoff in the middle of it is not seen either", .timeLimit(.minutes(25)),
        arguments: [RTSPTransportChoice.tcp, .udp], ["4.5", "5.5", "7"])
    func again(_ transport: RTSPTransportChoice, at time: String) async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: Self.end)
        let (play, _) = try await play(
            transport, takes: 300, "reset@npt=\(time) refuse",
            arrange: { world, pair in
                pair.urls + [try world.pair().first.film]
            })
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffs.map(\.to) == [OriginID(1), OriginID(2)], "\(play.story)")
        #expect(play.summary.handoffs.map(\.grade) == [.packetExact, .packetExact], "\(play.story)")
    }

    @Test(
        "a server that passes `Speed` over, or whose timestamps follow it, is asked once", .timeLimit(.minutes(25)),
        arguments: [RTSPTransportChoice.tcp, .udp], ["no-speed", "speed-in-timestamps"])
    func cannot(_ transport: RTSPTransportChoice, _ fault: String) async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: Self.end)
        let (play, pair) = try await play(transport, "main.mkv", fault)
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffCount == 1, "\(play.story)")
        #expect(play.refills.isEmpty, "\(play.story)")
        let plays = pair.second.methods.count { $0 == "PLAY" }
        #expect(plays == (fault == "no-speed" ? 2 : 3), "\(pair.second.methods)")
    }

    @Test("a pause in the middle of it, and nothing is lost", .timeLimit(.minutes(25)))
    func pauses() async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: Self.end)
        let (play, _) = try await play(
            .tcp,
            whilePlaying: { viewer, _ in
                guard viewer.reaches(.milliseconds(4200)) else { return }
                viewer.player.pause()
                viewer.waits(.milliseconds(500))
                viewer.player.resume()
            })
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffCount == 1, "\(play.story)")
    }
}

extension Play {
    /// Who filled the buffer again, in order.
    var refills: [OriginID] {
        events.compactMap { if case .refilled(let origin, _, _, _, _) = $0.kind { origin } else { nil } }
    }
}
