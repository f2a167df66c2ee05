internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// A hot standby: an alternate that delivers beside the origin that is played, so that a handoff waits for nothing, even
/// with little in the buffer.
@Suite("In a world, a hot standby", .inWorlds) struct WorldHotTests {
    /// Plays origins of files, each at a little more than the rate of playing after a second at once.
    ///
    /// - Parameter faults: of the first.
    private func play(
        _ files: [String], _ faults: [String] = [], buffer: Duration = .milliseconds(200), to end: NPT? = nil,
        _ act: @escaping @Sendable (WorldViewer, [HTTPOrigin]) throws -> Void = { _, _ in }
    ) async throws -> Play {
        try await inWorld { world in
            let origins = try files.enumerated().map { try world.origin($1, $0 == 0 ? faults : []) }
            return try world.play(origins.map(\.film), buffer: buffer) {
                $0.standby = .hot
                $0.to = end
            } whilePlaying: {
                try act($0, origins)
            }
        }
    }

    private func expectHot(_ play: Play) {
        #expect(play.summary.handoffs.map(\.standby) == [.hot], "\(play.story)")
        #expect(play.summary.handoffs.map(\.grade) == [.packetExact], "\(play.story)")
        let cost = play.summary.standby
        #expect(cost.standby == .hot && cost.preparations >= 1, "\(cost)")
        #expect(cost.packets > 50 && cost.bytes > 10_000 && cost.held > .seconds(1), "\(cost)")
    }

    @Test(
        "takes over from an origin that breaks", .timeLimit(.minutes(25)),
        arguments: ["main.mp4", "main.ts", "main.mkv"], ["reset@40%", "close@40%"])
    func breaks(_ file: String, _ fault: String) async throws {
        let expected = try await References.shared.frames(file)
        let play = try await play([file, file], [fault, "refuse"])
        play.expectUnnoticed(expected, tolerance: 0)
        expectHot(play)
    }

    /// The stream has begun with one origin alone.
    @Test("is kept of an origin that was added while the stream plays", .timeLimit(.minutes(25)))
    func added() async throws {
        let expected = try await References.shared.frames("main.ts")
        let play = try await inWorld { world in
            let (first, second) = (try world.origin("main.ts"), try world.origin("main.ts"))
            return try world.play([first.film], buffer: .seconds(2)) {
                $0.standby = .hot
            } whilePlaying: { viewer in
                guard viewer.reaches(.seconds(2)) else { return }
                try viewer.player.migrate(to: second.film)
                guard viewer.reaches(.seconds(6)) else { return }
                second.kill()
            }
        }
        play.expectUnnoticed(expected, tolerance: 0)
        #expect(play.summary.handoffs.map(\.standby) == [.cold, .hot], "\(play.story)")
    }

    @Test("takes over from an origin that is killed", .timeLimit(.minutes(25)), arguments: ["main.mp4", "main.ts"])
    func killed(_ file: String) async throws {
        let expected = try await References.shared.frames(file)
        let play = try await play([file, file]) { viewer, origins in
            guard viewer.reaches(.seconds(4)) else { return }
            origins[0].kill()
        }
        play.expectUnnoticed(expected, tolerance: 0)
        expectHot(play)
    }

    @Test("takes over from an origin that falls silent", .timeLimit(.minutes(25)), arguments: ["main.mp4", "main.ts"])
    func silence(_ file: String) async throws {
        let expected = try await References.shared.frames(file)
        let play = try await play([file, file], ["stall@40%", "silent"])
        play.expectUnnoticed(expected, tolerance: 0)
        expectHot(play)
        let decision = try #require(play.summary.handoffs.first?.decision, "\(play.story)")
        #expect(decision.expected ?? .seconds(1) < .milliseconds(100), "\(decision.text)")
    }

    @Test("that dies is replaced by another one, and nothing is seen of it", .timeLimit(.minutes(25)))
    func dies() async throws {
        let expected = try await References.shared.frames("main.mp4")
        let play = try await play(["main.mp4", "main.mp4", "main.mp4"], buffer: .seconds(1)) { viewer, origins in
            guard viewer.reaches(.seconds(3)) else { return }
            origins[1].kill()
            guard viewer.reaches(.seconds(6)) else { return }
            origins[0].kill()
        }
        play.expectUnnoticed(expected, tolerance: 0)
        expectHot(play)
        #expect(play.summary.handoffs.first?.to == OriginID(2), "\(play.story)")
        #expect(play.summary.standby.preparations >= 2 && play.summary.standby.failures >= 1, "\(play.story)")
        let lost = play.events.contains {
            if case .standbyLost(OriginID(1), _, _) = $0.kind { true } else { false }
        }
        #expect(lost, "\(play.story)")
    }

    /// The origin that is played falls silent a few seconds after the standby was lost.
    @Test("that was lost, and stands ready again, is gone to in time", .timeLimit(.minutes(25)))
    func standsReadyAgain() async throws {
        let expected = try await References.shared.frames("main.mp4")
        let play = try await play(["main.mp4", "main.mp4"], buffer: .seconds(1)) { viewer, origins in
            guard viewer.reaches(.seconds(2)) else { return }
            origins[1].kill()
            viewer.waits(.milliseconds(600))
            origins[1].restore()
            guard viewer.reaches(.seconds(5)) else { return }
            origins[0].inject(Fault(.stall))
            origins[0].inject(Fault(.silent))
        }
        play.expectUnnoticed(expected, tolerance: 0)
        expectHot(play)
        #expect(play.summary.standby.failures >= 1, "\(play.story)")
    }

    @Test(
        "takes over from an origin that is slow while there is something in the buffer", .timeLimit(.minutes(25)),
        arguments: ["main.ts", "main-faststart.mp4", "audio.mp3"])
    func slow(_ file: String) async throws {
        let expected = try await References.shared.frames(file)
        let rate = try Fixtures.size(file) / Fixtures.seconds / 5
        let play = try await play([file, file], buffer: .seconds(2)) { viewer, origins in
            guard viewer.reaches(.seconds(3)) else { return }
            origins[0].inject(Fault(.throttle(bytesPerSecond: rate)))
        }
        play.expectUnnoticed(expected, tolerance: 0)
        #expect(play.summary.handoffs.map(\.standby) == [.hot], "\(play.story)")
        #expect(play.summary.handoffs.allSatisfy { $0.bufferBefore > .milliseconds(500) }, "\(play.story)")
    }

    /// The rate is granted to a client, and what makes the standby ready takes its part.
    @Test(
        "that is being made ready gives way to a handoff to the same origin", .timeLimit(.minutes(25)),
        arguments: [700, 879, 1000])
    func givesWay(milliseconds: Int) async throws {
        let expected = try await References.shared.frames("main.mp4")
        let play = try await inWorld { world in
            let first = try world.origin("main.mp4", isShared: true)
            let second = try world.origin("main.mp4", isShared: true)
            world.at(.milliseconds(milliseconds)) { first.kill() }
            return try world.play([first.film, second.film]) { $0.standby = .hot }
        }
        play.expectUnnoticed(expected, tolerance: 0)
        #expect(play.summary.handoffCount == 1, "\(play.story)")
    }

    @Test("stands ready again after each handoff", .timeLimit(.minutes(25)))
    func again() async throws {
        let expected = try await References.shared.frames("main.ts")
        let play = try await play(["main.ts", "main.ts", "main.ts"], buffer: .seconds(1)) { viewer, origins in
            guard viewer.reaches(.seconds(3)) else { return }
            origins[0].kill()
            guard viewer.reaches(.seconds(6)) else { return }
            origins[1].kill()
        }
        play.expectUnnoticed(expected, tolerance: 0)
        #expect(play.summary.handoffs.map(\.standby) == [.hot, .hot], "\(play.story)")
        #expect(play.summary.handoffs.map(\.grade) == [.packetExact, .packetExact], "\(play.story)")
    }

    @Test("is aligned anew after a seek", .timeLimit(.minutes(25)))
    func sought() async throws {
        let play = try await play(["main.mp4", "main.mp4"], to: .seconds(10)) { viewer, origins in
            guard viewer.reaches(.seconds(2)) else { return }
            viewer.player.seek(to: .seconds(6))
            guard viewer.reaches(.milliseconds(7500)) else { return }
            origins[0].kill()
        }
        #expect(play.summary.error == nil && play.summary.missing == .zero, "\(play.story)")
        #expect(play.summary.duplicate == .zero, "\(play.story)")
        #expect(play.summary.handoffs.map(\.standby) == [.hot], "\(play.story)")
        #expect(play.summary.handoffs.map(\.grade) == [.packetExact], "\(play.story)")
        #expect(play.summary.standby.preparations >= 2, "\(play.story)")
    }

    @Test("of another encode is joined at a key frame", .timeLimit(.minutes(25)))
    func otherEncode() async throws {
        let play = try await play(["main.mp4", "other.mp4"], buffer: .seconds(2)) { viewer, origins in
            guard viewer.reaches(.seconds(5)) else { return }
            origins[0].kill()
        }
        #expect(play.summary.error == nil && play.summary.gapTotal == .zero, "\(play.story)")
        #expect(play.summary.missing == .zero && play.summary.duplicate == .zero, "\(play.story)")
        #expect(play.summary.handoffs.map(\.standby) == [.hot], "\(play.story)")
        #expect(play.summary.handoffs.map(\.grade) == [.frameAligned], "\(play.story)")
    }

    @Test("of another programme is found out before it is needed", .timeLimit(.minutes(25)))
    func otherProgramme() async throws {
        let expected = try await References.shared.frames("main.mp4")
        let play = try await play(["main.mp4", "wrong.mp4", "main.mp4"]) { viewer, origins in
            guard viewer.reaches(.seconds(5)) else { return }
            origins[0].kill()
        }
        play.expectUnnoticed(expected, tolerance: 0)
        expectHot(play)
        #expect(play.summary.handoffs.first?.to == OriginID(2), "\(play.story)")
        let reasons = play.events.compactMap {
            if case .standbyLost(OriginID(1), _, let reason) = $0.kind { reason } else { nil }
        }
        #expect(reasons.contains { $0.contains("another programme") }, "\(play.story)")
    }

    @Test("is played as any other once it was joined", .timeLimit(.minutes(25)))
    func controls() async throws {
        let play = try await play(
            ["main.mp4", "main.mp4"], buffer: .milliseconds(500), to: .seconds(11)
        ) { viewer, origins in
            guard viewer.reaches(.seconds(2)) else { return }
            origins[0].kill()
            guard viewer.reaches(.seconds(4)) else { return }
            viewer.player.pause()
            viewer.waits(.milliseconds(400))
            viewer.player.resume()
            guard viewer.reaches(.seconds(5)) else { return }
            viewer.player.seek(to: .seconds(8))
            guard viewer.reaches(.seconds(9)) else { return }
            try viewer.player.setRate(Rate(2))
        }
        #expect(play.summary.error == nil && play.summary.end ?? .zero >= .milliseconds(10_900), "\(play.story)")
        #expect(play.summary.missing == .zero && play.summary.duplicate == .zero, "\(play.story)")
        #expect(play.summary.handoffs.map(\.standby) == [.hot], "\(play.story)")
        #expect(play.frames.timesRise)
    }

    @Test("goes on by its bytes when it breaks before another is ready", .timeLimit(.minutes(25)))
    func resumes() async throws {
        let expected = try await References.shared.frames("main.mp4")
        let play = try await play(
            ["main.mp4", "main.mp4", "main.mp4"], buffer: .milliseconds(1500)
        ) { viewer, origins in
            guard viewer.reaches(.seconds(3)) else { return }
            origins[0].kill()
            guard viewer.waits(until: { $0.status.handoffs > 0 }) else { return }
            origins[1].kill()
        }
        play.expectUnnoticed(expected, tolerance: 0)
        #expect(play.summary.handoffs.map(\.to) == [OriginID(1), OriginID(2)], "\(play.story)")
        #expect(play.summary.handoffs.first?.standby == .hot, "\(play.story)")
    }
}
