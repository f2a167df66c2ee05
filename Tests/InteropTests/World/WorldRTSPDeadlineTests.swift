internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// When an origin over RTSP is left that does not break: as late as the buffer allows, and not at all when it comes back in
/// time.
@Suite("In a world, leaving by deadline over RTSP", .inWorlds) struct WorldRTSPDeadlineTests {
    @Test(
        "silence over RTSP is left before the buffer is dry", .timeLimit(.minutes(25)),
        arguments: [RTSPTransportChoice.tcp, .udp], [1, 2, 5])
    func silenceOverRTSP(transport: RTSPTransportChoice, buffer: Int) async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: .seconds(9))
        let (play, _) = try await LabPair.play(
            "main.mkv", "stall@npt=6", over: transport, buffer: .seconds(buffer), to: .seconds(9))
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffCount == 1, "\(play.story)")
        try expectExplained(play)
    }

    /// What was seen, against what, and when what was done: in this order, and while the buffer held something.
    private func expectExplained(_ play: Play) throws {
        let handoff = try #require(play.summary.handoffs.first, "\(play.story)")
        #expect(handoff.event.cause == .silence, "\(play.story)")
        let decision = try #require(handoff.decision, "\(play.story)")
        #expect(decision.sign == "silent")
        let commitment = try #require(decision.commitment)
        #expect(decision.since + decision.threshold <= decision.suspicion.time + .milliseconds(1))
        #expect(decision.suspicion.time <= commitment.time)
        if let preparation = decision.preparation { #expect(preparation.time <= commitment.time) }
        #expect(decision.expected ?? .zero > .zero && decision.reserve ?? .zero > .zero)
        #expect(commitment.buffer ?? .zero > .zero, "\(decision.text)")
        #expect(!decision.text.isEmpty)
    }

    /// - Parameter percent: of the rate at which the stream is played.
    private func throttledPair(to percent: Int, over transport: RTSPTransportChoice) async throws -> Play {
        let rate = try Fixtures.size("main.mkv") / 12 * percent / 100
        return try await LabPair.play(
            "main.mkv", "throttle=\(rate)@2s", over: transport, buffer: .seconds(2)
        ).play
    }

    @Test(
        "slow delivery over RTSP is left while the origin still delivers", .timeLimit(.minutes(25)),
        arguments: [RTSPTransportChoice.tcp, .udp], [50, 80])
    func slowOverRTSP(transport: RTSPTransportChoice, percent: Int) async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: nil)
        let play = try await throttledPair(to: percent, over: transport)
        play.expectUnnoticed(expected)
        let handoff = try play.handoff()
        #expect(handoff.event.cause == .overloaded && handoff.decision?.sign == "too slow", "\(play.story)")
    }

    @Test(
        "delivery over RTSP that suffices is kept", .timeLimit(.minutes(25)),
        arguments: [RTSPTransportChoice.tcp, .udp])
    func sufficientOverRTSP(transport: RTSPTransportChoice) async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: nil)
        let play = try await throttledPair(to: 105, over: transport)
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffCount == 0, "\(play.story)")
    }

    @Test(
        "a pause over RTSP that the buffer hides is borne", .timeLimit(.minutes(25)),
        arguments: [RTSPTransportChoice.tcp, .udp])
    func pauseOverRTSP(transport: RTSPTransportChoice) async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: nil)
        let (play, _) = try await LabPair.play(
            "main.mkv", "stall@npt=6,for=900ms", over: transport, buffer: .seconds(2))
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffCount == 0, "\(play.story)")
        #expect(play.events.contains { if case .recovered = $0.kind { true } else { false } }, "\(play.story)")
    }
}
