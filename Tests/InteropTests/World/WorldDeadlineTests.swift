internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// When an origin is left that does not break: as late as the buffer allows, and not at all when it comes back in time.
@Suite("In a world, leaving by deadline", .inWorlds) struct WorldDeadlineTests {
    /// Two origins, the first of which has faults or is slow; two seconds come at once.
    private func play(
        _ file: String, _ faults: [String] = [], rate: Rate = Rate(5, 4), buffer: Int, isAlone: Bool = false
    ) async throws -> Play {
        try await inWorld { world in
            let first = try world.origin(file, faults, pace: rate, burst: .seconds(2))
            let second = try world.origin(file, burst: .seconds(2))
            return try world.play(isAlone ? [first.film] : [first.film, second.film], buffer: .seconds(buffer))
        }
    }

    /// What was seen, against what, and when what was done: in this order, and while the buffer held something.
    @Test(
        "silence is left before the buffer is dry", .timeLimit(.minutes(25)), arguments: ["main.mp4", "main.ts"],
        [1, 2, 5])
    func silence(file: String, buffer: Int) async throws {
        let expected = try await References.shared.frames(file)
        let play = try await play(file, ["stall@35%"], buffer: buffer)
        play.expectUnnoticed(expected, tolerance: 0)
        let handoff = try play.handoff()
        #expect(handoff.event.cause == .silence, "\(play.story)")
        let decision = try #require(handoff.decision, "\(play.story)")
        #expect(decision.sign == "silent")
        let commitment = try #require(decision.commitment)
        #expect(decision.since + decision.threshold <= decision.suspicion.time)
        #expect(decision.suspicion.time <= commitment.time)
        if let preparation = decision.preparation { #expect(preparation.time <= commitment.time) }
        #expect(decision.expected ?? .zero > .zero && decision.reserve ?? .zero > .zero)
        #expect(commitment.buffer ?? .zero > .zero, "\(decision.text)")
        #expect(!decision.text.isEmpty)
    }

    @Test(
        "a pause that the buffer hides is borne", .timeLimit(.minutes(25)),
        arguments: ["main-faststart.mp4", "main.ts"])
    func pause(file: String) async throws {
        let expected = try await References.shared.frames(file)
        // The level is 2 s at the most, and may be a little lower when the pause begins.
        let play = try await play(file, ["stall@30%,for=900ms"], buffer: 2)
        play.expectUnnoticed(expected, tolerance: 0)
        #expect(play.summary.handoffCount == 0, "\(play.story)")
        #expect(play.events.contains { if case .recovered = $0.kind { true } else { false } }, "\(play.story)")
    }

    @Test(
        "slow delivery is left while the origin still delivers", .timeLimit(.minutes(25)),
        arguments: ["main-faststart.mp4", "main.ts"], [Rate(1, 2), Rate(7, 10)])
    func slow(file: String, rate: Rate) async throws {
        let expected = try await References.shared.frames(file)
        let play = try await play(file, rate: rate, buffer: 2)
        play.expectUnnoticed(expected, tolerance: 0)
        #expect(play.summary.handoffs.map(\.event.cause) == [.overloaded], "\(play.story)")
        #expect(play.summary.handoffs.first?.decision?.sign == "too slow", "\(play.story)")
    }

    @Test("delivery that suffices is kept", .timeLimit(.minutes(25)), arguments: ["main.mp4", "main.ts"])
    func sufficient(file: String) async throws {
        let expected = try await References.shared.frames(file)
        let play = try await play(file, rate: Rate(21, 20), buffer: 2)
        play.expectUnnoticed(expected, tolerance: 0)
        #expect(play.summary.handoffCount == 0, "\(play.story)")
    }

    /// Everybody is slow: that is said once, and the origin is played on.
    @Test("where everybody is slow, it stays and says so", .timeLimit(.minutes(25)))
    func allSlow() async throws {
        let play = try await play("main.ts", rate: Rate(3, 4), buffer: 1, isAlone: true)
        #expect(play.summary.error == nil && play.summary.handoffCount == 0, "\(play.story)")
        let remarks = play.summary.warnings.filter { $0.contains("of what is played") }
        #expect(remarks.count == 1 && remarks.allSatisfy { $0.contains("no other origin") }, "\(play.story)")
    }
}
