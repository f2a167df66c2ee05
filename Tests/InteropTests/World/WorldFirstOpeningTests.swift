internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// Which origin a stream begins with, and when.
@Suite("In a world, the first opening", .inWorlds, .timeLimit(.minutes(25))) struct WorldFirstOpeningTests {
    private static let file = "main.ts"

    /// - Returns: with the play, how many requests each origin had got when it began, or came to nothing.
    private func play(
        _ faults: [[String]], configure: @escaping @Sendable (inout Configuration) -> Void = { _ in }
    ) async throws -> (play: Play, asked: [Int]) {
        try await inWorld { world in
            let origins = try faults.map { faults in
                let origin = try world.origin(Self.file, faults.filter { $0 != "dead" })
                if faults.contains("dead") { origin.kill() }
                return origin
            }
            let asked = Guarded<[Int]?>(nil)
            let play = try world.play(
                origins.map(\.film), configure: configure,
                whilePlaying: { _ in asked.withLock { $0 = origins.map { $0.log.count } } })
            return (play, asked.withLock { $0 } ?? origins.map { $0.log.count })
        }
    }

    private func expectWhole(_ play: Play, from origin: Int) async throws {
        let problems = play.problems(expected: try await References.shared.frames(Self.file), tolerance: 0)
        #expect(problems.isEmpty, "\(problems)\n\(play.story)")
        #expect(play.summary.handoffCount == 0, "\(play.story)")
        let opened = play.events.compactMap {
            if case .opened(let origin, _, _, _, _) = $0.kind { origin.index } else { nil }
        }
        #expect(opened == [origin], "\(play.story)")
    }

    @Test("beside one that says nothing the next is asked", arguments: [Duration.milliseconds(300), .seconds(30)])
    func silence(giveUpAfter: Duration) async throws {
        let (play, asked) = try await play([["silent"], []]) { $0.giveUpAfter = giveUpAfter }
        try await expectWhole(play, from: 1)
        let startup = try #require(play.summary.startup)
        #expect(startup >= .milliseconds(500) && startup < .milliseconds(600), "\(startup)")
        #expect(asked[1] == 1)
    }

    @Test("and the one after that, where the next refuses")
    func silenceAndRefusal() async throws {
        let (play, _) = try await play([["silent"], ["dead"], []])
        try await expectWhole(play, from: 2)
        #expect(try #require(play.summary.startup) < .milliseconds(600), "\(play.story)")
        #expect(play.events.contains { if case .attemptFailed(OriginID(1), _, _) = $0.kind { true } else { false } })
    }

    @Test("whoever answers first is played, and nothing is held against the other", arguments: [(900, 0), (700, 450)])
    func slow(_ first: Int, _ second: Int) async throws {
        let (play, asked) = try await play([["delay=\(first)ms"], second > 0 ? ["delay=\(second)ms"] : []])
        try await expectWhole(play, from: second > 0 ? 0 : 1)
        #expect(asked.allSatisfy { $0 >= 1 })
        #expect(play.summary.origins.allSatisfy { $0.failures == 0 }, "\(play.story)")
        #expect(play.summary.warnings.count == (second > 0 ? 0 : 1), "\(play.summary.warnings)")
    }

    @Test("one that answers within half a second is asked alone")
    func prompt() async throws {
        let (play, asked) = try await play([["delay=400ms,once"], []])
        try await expectWhole(play, from: 0)
        #expect(asked[1] == 0)
    }

    @Test("a camera that says nothing is no worse")
    func silentCamera() async throws {
        let play = try await inWorld { world in
            let camera = try world.serveRTSP(
                ["/film": Fixtures.path(Self.file)], faults: [Fault(parsing: "silent")])
            return try world.play([camera.url(for: "/film"), world.origin(Self.file).film])
        }
        try await expectWhole(play, from: 1)
        #expect(try #require(play.summary.startup) < .milliseconds(600), "\(play.story)")
    }

    @Test("where nobody answers all were asked", arguments: [Duration.zero, .seconds(30)])
    func nobody(giveUpAfter: Duration) async throws {
        let (play, asked) = try await play([["silent"], ["silent"], ["silent"]]) {
            $0.giveUpAfter = giveUpAfter
            $0.openBound = .seconds(2)
        }
        let error = try #require(play.summary.error)
        #expect(error.code == .noOriginUsable && error.attempts.map(\.origin.index) == [0, 1, 2], "\(play.story)")
        #expect(error.attempts.allSatisfy { $0.cause == .silence }, "\(error)")
        #expect(asked == [1, 1, 1])
        // Two at a time: at 0 and 0.5 s, and then when the first is given up.
        #expect(play.summary.elapsed >= .seconds(4) && play.summary.elapsed < .milliseconds(4100), "\(play.story)")
    }

    @Test("a stop ends it at once")
    func stopped() async throws {
        let elapsed = try await inWorld { world in
            let origins = [try world.origin(Self.file, ["silent"]), try world.origin(Self.file, ["silent"])]
            return try world.play(origins.map(\.film), patience: .milliseconds(1200)).summary.elapsed
        }
        #expect(elapsed >= .milliseconds(1200) && elapsed < .milliseconds(1210), "\(elapsed)")
    }
}
