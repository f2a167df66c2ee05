internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// A warm standby over HTTP: an alternate whose bytes were compared long before they are needed.
@Suite("In a world, a warm standby", .inWorlds) struct WorldWarmTests {
    private func play(
        _ file: String, _ faults: [String], _ other: String, pace: Rate = Rate(5, 4)
    ) async throws -> (play: Play, asked: [RequestRecord]) {
        try await inWorld { world in
            let (first, second) = (try world.origin(file, faults), try world.origin(other, pace: pace))
            let play = try world.play([first.film, second.film]) { $0.standby = .warm }
            return (play, second.log)
        }
    }

    @Test(
        "is asked for one thing when it is needed", .timeLimit(.minutes(25)), arguments: ["main.mp4", "main.ts"],
        ["reset@50%", "stall@50%"])
    func isReady(_ file: String, _ fault: String) async throws {
        let expected = try await References.shared.frames(file)
        let (play, asked) = try await play(file, [fault, "refuse"], file)
        play.expectUnnoticed(expected, tolerance: 0)
        let handoff = try play.handoff()
        #expect(handoff.standby == .warm && handoff.grade == .byteExact, "\(play.story)")
        let ready = play.events.contains { if case .standbyReady = $0.kind { true } else { false } }
        #expect(ready, "\(play.story)")
        // Proofs over a few connections, and what goes on, over the one that was kept.
        let place = try #require(handoff.byteOffset)
        // A transport stream is asked at its end whether it has grown.
        let last = try #require(asked.last { ($0.promised?.lowerBound ?? .max) <= place })
        let start = try #require(last.promised?.lowerBound)
        #expect(start <= place && place - start <= 8192, "\(asked)")
        #expect(asked.contains { $0.connection == last.connection && $0.number < last.number }, "\(asked)")
        let cost = play.summary.standby
        #expect(cost.standby == .warm && cost.preparations >= 1 && cost.held > .seconds(1), "\(cost)")
    }

    @Test("that holds other bytes is none, and joined as it can be", .timeLimit(.minutes(25)))
    func otherBytes() async throws {
        let expected = try await References.shared.frames("main.mp4")
        let (play, _) = try await play("main.mp4", ["reset@50%", "refuse"], "main-faststart.mp4", pace: Rate(5))
        play.expectUnnoticed(expected, tolerance: 0)
        let handoff = try play.handoff()
        #expect(handoff.standby == .cold && handoff.grade == .packetExact, "\(play.story)")
        // Told once; the first origin, which is dead, is asked again after that.
        let reasons = play.events.compactMap { event -> String? in
            if case .standbyLost(OriginID(1), _, let reason) = event.kind { reason } else { nil }
        }
        #expect(reasons.count == 1 && reasons[0].contains("not the same bytes"), "\(reasons)")
    }
}
