internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// What a handoff took from the buffer is made up for, where the next origin can deliver faster.
@Suite("The buffer is filled again over RTSP", .inSlots) struct RTSPRefillTests {
    static let end: NPT = .seconds(11)
    static let buffer: Duration = .milliseconds(1500)

    /// A first origin that dies, and a second one that takes half a second to be opened.
    private func pair(
        _ file: String = "main.mkv", takes delay: Duration = .milliseconds(500), _ others: Fault...
    ) async throws -> LabPair {
        let slow = Fault(.delay(delay), method: "DESCRIBE")
        return try await LabPair.start(
            file, faults: [Fault(.reset, .atNPT(.seconds(3))), Fault(.refuse)], secondFaults: [slow] + others)
    }

    private func play(
        _ urls: [String], _ transport: RTSPTransportChoice,
        whilePlaying: (@Sendable (ResilientStream) async -> Void)? = nil
    ) async throws -> Play {
        try await Play.run(urls, buffer: Self.buffer) {
            $0.rtspTransport = transport
            $0.to = Self.end
        } whilePlaying: { stream in
            await whilePlaying?(stream)
        }
    }

    @Test(
        "after a handoff that took half a second", .timeLimit(.minutes(25)),
        arguments: [RTSPTransportChoice.tcp, .udp], ["main.mkv", "hevc.ts"])
    func refills(_ transport: RTSPTransportChoice, _ file: String) async throws {
        let expected = try await Beginnings.shared.frames(file, to: Self.end)
        let pair = try await pair(file)
        let level = Guarded<Duration>(.zero)
        let play = try await play(pair.urls, transport) { stream in
            guard await stream.reaches(.seconds(8)) else { return }
            let now = stream.status.buffer.duration
            level.withLock { $0 = now }
        }
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
        arguments: [RTSPTransportChoice.tcp, .udp], [4.5, 5.5, 7])
    func again(_ transport: RTSPTransportChoice, at time: Double) async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: Self.end)
        let death = NPT.milliseconds(Int64(time * 1000))
        let (pair, other) = (
            try await pair(takes: .milliseconds(300), Fault(.reset, .atNPT(death)), Fault(.refuse)),
            try await LabPair.start()
        )
        let play = try await play(pair.urls + [other.urls[0]], transport)
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffs.map(\.to) == [OriginID(1), OriginID(2)], "\(play.story)")
        #expect(play.summary.handoffs.map(\.grade) == [.packetExact, .packetExact], "\(play.story)")
    }

    @Test(
        "a server that passes `Speed` over, or whose timestamps follow it, is asked once", .timeLimit(.minutes(25)),
        arguments: [RTSPTransportChoice.tcp, .udp], ["no-speed", "speed-in-timestamps"])
    func cannot(_ transport: RTSPTransportChoice, _ fault: String) async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: Self.end)
        let pair = try await pair("main.mkv", Fault(parsing: fault))
        let play = try await play(pair.urls, transport)
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffCount == 1, "\(play.story)")
        #expect(play.refills.isEmpty, "\(play.story)")
        let plays = pair.second.methods.count { $0 == "PLAY" }
        #expect(plays == (fault == "no-speed" ? 2 : 3), "\(pair.second.methods)")
    }

    @Test("a pause in the middle of it, and nothing is lost", .timeLimit(.minutes(25)))
    func pauses() async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: Self.end)
        let pair = try await pair()
        let play = try await play(pair.urls, .tcp) { stream in
            guard await stream.reaches(.milliseconds(4200)) else { return }
            stream.pause()
            try? await Task.sleep(for: .milliseconds(500))
            stream.resume()
        }
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
