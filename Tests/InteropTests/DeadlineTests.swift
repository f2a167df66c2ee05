internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// When an origin is left that does not break: as late as the buffer allows, and not at all when it comes back in time.
@Suite("Leaving by deadline", .inSlots) struct DeadlineTests {
    private struct Lab {
        let first: HTTPOrigin
        let second: HTTPOrigin
        let file: String

        /// - Parameter rate: how fast the first delivers, as a multiple of the rate of playing; two seconds at once before.
        init(_ file: String, rate: Rate = Rate(5, 4), faults: [Fault] = []) async throws {
            let files: [String: ServedFile] = ["/\(file)": ServedFile(path: Fixtures.path(file))]
            // The files of the tests are twelve seconds long.
            let second = try Fixtures.size(file) / 12
            func pacing(_ rate: Rate) -> Pacing {
                Pacing(
                    bytesPerSecond: second * Int(rate.numerator) / Int(rate.denominator), burst: second * 2)
            }
            var options = HTTPOrigin.Options()
            options.pacing = pacing(rate)
            first = try await HTTPOrigin.start(serving: files, faults: faults, options: options)
            options.pacing = pacing(Rate(5, 4))
            self.second = try await HTTPOrigin.start(serving: files, options: options)
            self.file = file
        }

        var urls: [String] { [first.url(for: "/\(file)"), second.url(for: "/\(file)")] }
    }

    @Test(
        "silence over HTTP is left before the buffer is dry", .timeLimit(.minutes(25)),
        arguments: ["main.mp4", "main.ts"], [1, 2, 5])
    func silenceOverHTTP(file: String, buffer: Int) async throws {
        let expected = try await References.shared.frames(file)
        let lab = try await Lab(file, faults: [Fault(parsing: "stall@35%")])
        let play = try await Play.run(lab.urls, buffer: .seconds(buffer))
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffCount == 1, "\(play.story)")
        try expectExplained(play)
    }

    @Test(
        "silence over RTSP is left before the buffer is dry", .timeLimit(.minutes(25)),
        arguments: [RTSPTransportChoice.tcp, .udp], [1, 2, 5])
    func silenceOverRTSP(transport: RTSPTransportChoice, buffer: Int) async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: nil)
        let lab = try await LabPair.start(faults: [Fault(parsing: "stall@npt=7")])
        let play = try await Play.run(lab.urls, buffer: .seconds(buffer)) { $0.rtspTransport = transport }
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

    @Test(
        "a pause that the buffer hides is borne", .timeLimit(.minutes(25)),
        arguments: ["main-faststart.mp4", "main.ts"])
    func pauseOverHTTP(file: String) async throws {
        let expected = try await References.shared.frames(file)
        // The level is 2 s at the most, and may be a little lower when the pause begins.
        let lab = try await Lab(file, faults: [Fault(parsing: "stall@30%,for=900ms")])
        let play = try await Play.run(lab.urls, buffer: .seconds(2))
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffCount == 0, "\(play.story)")
        #expect(play.events.contains { if case .recovered = $0.kind { true } else { false } }, "\(play.story)")
    }

    @Test(
        "slow delivery is left while the origin still delivers", .timeLimit(.minutes(25)),
        arguments: ["main-faststart.mp4", "main.ts"], [Rate(1, 2), Rate(7, 10)])
    func slow(file: String, rate: Rate) async throws {
        let expected = try await References.shared.frames(file)
        let lab = try await Lab(file, rate: rate)
        let play = try await Play.run(lab.urls, buffer: .seconds(2))
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffs.map(\.event.cause) == [.overloaded], "\(play.story)")
        #expect(play.summary.handoffs.first?.decision?.sign == "too slow", "\(play.story)")
    }

    @Test("delivery that suffices is kept", .timeLimit(.minutes(25)), arguments: ["main.mp4", "main.ts"])
    func sufficient(file: String) async throws {
        let expected = try await References.shared.frames(file)
        let lab = try await Lab(file, rate: Rate(21, 20))
        let play = try await Play.run(lab.urls, buffer: .seconds(2))
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffCount == 0, "\(play.story)")
    }

    /// - Parameter percent: of the rate at which the stream is played.
    private func throttledPair(to percent: Int, over transport: RTSPTransportChoice) async throws -> Play {
        let rate = try Fixtures.size("main.mkv") / 12 * percent / 100
        let lab = try await LabPair.start(faults: [Fault(parsing: "throttle=\(rate)@2s")])
        return try await Play.run(lab.urls, buffer: .seconds(2)) { $0.rtspTransport = transport }
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
        let lab = try await LabPair.start(faults: [Fault(parsing: "stall@npt=6,for=900ms")])
        let play = try await Play.run(lab.urls, buffer: .seconds(2)) { $0.rtspTransport = transport }
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffCount == 0, "\(play.story)")
        #expect(play.events.contains { if case .recovered = $0.kind { true } else { false } }, "\(play.story)")
    }

    /// Everybody is slow: that is said once, and the origin is played on.
    @Test("where everybody is slow, it stays and says so", .timeLimit(.minutes(25)))
    func allSlow() async throws {
        let lab = try await Lab("main.ts", rate: Rate(3, 4))
        let play = try await Play.run([lab.urls[0]], buffer: .seconds(1))
        #expect(play.summary.error == nil && play.summary.handoffCount == 0, "\(play.story)")
        let remarks = play.summary.warnings.filter { $0.contains("of what is played") }
        #expect(remarks.count == 1 && remarks.allSatisfy { $0.contains("no other origin") }, "\(play.story)")
    }
}
