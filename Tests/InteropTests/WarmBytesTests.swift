internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// A warm standby over HTTP: an alternate whose bytes were compared long before they are needed.
@Suite("A warm standby over HTTP", .inSlots) struct WarmBytesTests {
    /// At a little more than the rate of playing, after a second at once.
    private func start(_ file: String, _ faults: [Fault] = [], rate: Int = 5) async throws -> HTTPOrigin {
        var options = HTTPOrigin.Options()
        let second = try Fixtures.size(file) / 12
        options.pacing = Pacing(bytesPerSecond: second * rate / 4, burst: second)
        return try await HTTPOrigin.start(
            serving: ["/f": ServedFile(path: Fixtures.path(file))], faults: faults, options: options)
    }

    private func play(_ origins: [HTTPOrigin], expected: Frames) async throws -> Play {
        let play = try await Play.run(origins.map { $0.url(for: "/f") }) { $0.standby = .warm }
        play.expectUnnoticed(expected)
        return play
    }

    @Test(
        "is asked for one thing when it is needed", .timeLimit(.minutes(25)), arguments: ["main.mp4", "main.ts"],
        ["reset@50%", "stall@50%"])
    func isReady(_ file: String, _ fault: String) async throws {
        let expected = try await References.shared.frames(file)
        let first = try await start(file, [Fault(parsing: fault), Fault(.refuse)])
        let second = try await start(file)
        let play = try await play([first, second], expected: expected)
        let handoff = try play.handoff()
        #expect(handoff.standby == .warm && handoff.grade == .byteExact, "\(play.story)")
        let ready = play.events.contains { if case .standbyReady = $0.kind { true } else { false } }
        #expect(ready, "\(play.story)")
        // Proofs over a few connections, and what goes on, over the one that was kept.
        let asked = second.log
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
        let first = try await start("main.mp4", [Fault(parsing: "reset@50%"), Fault(.refuse)])
        let second = try await start("main-faststart.mp4", rate: 20)
        let play = try await play([first, second], expected: expected)
        let handoff = try play.handoff()
        #expect(handoff.standby == .cold && handoff.grade == .packetExact, "\(play.story)")
        // Told once; the first origin, which is dead, is asked again after that.
        let reasons = play.events.compactMap { event -> String? in
            if case .standbyLost(OriginID(1), _, let reason) = event.kind { reason } else { nil }
        }
        #expect(reasons.count == 1 && reasons[0].contains("not the same bytes"), "\(reasons)")
    }
}
