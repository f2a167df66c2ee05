internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// A hot standby: an alternate that delivers beside the origin that is played, so that a handoff waits for nothing, even
/// with little in the buffer.
@Suite("A hot standby", .inSlots) struct HotStandbyTests {
    static let buffer: Duration = .milliseconds(200)

    /// Two of the lab's HTTP origins, each at a little more than the rate of playing after a second at once.
    private struct Pair {
        let first: HTTPOrigin
        let second: HTTPOrigin
        let urls: [String]

        init(_ file: String, _ other: String? = nil, faults: [Fault] = []) async throws {
            func start(_ file: String, _ faults: [Fault]) async throws -> HTTPOrigin {
                var options = HTTPOrigin.Options()
                let second = try Fixtures.size(file) / 12
                options.pacing = Pacing(bytesPerSecond: second * 5 / 4, burst: second)
                return try await HTTPOrigin.start(
                    serving: ["/\(file)": ServedFile(path: Fixtures.path(file))], faults: faults, options: options)
            }
            first = try await start(file, faults)
            second = try await start(other ?? file, [])
            urls = [first.url(for: "/\(file)"), second.url(for: "/\(other ?? file)")]
        }
    }

    private func play(
        _ urls: [String], expected: Frames?, to end: NPT? = nil, buffer: Duration = Self.buffer,
        transport: RTSPTransportChoice = .tcp,
        whilePlaying: (@Sendable (ResilientStream) async -> Void)? = nil
    ) async throws -> Play {
        let play = try await Play.run(urls, buffer: buffer) {
            $0.standby = .hot
            $0.to = end
            $0.rtspTransport = transport
        } whilePlaying: { stream in
            await whilePlaying?(stream)
        }
        if let expected { expectUnnoticed(play, expected) }
        return play
    }

    /// With so little in the buffer a busy machine shows before anything has failed; that is not the standby's.
    private func expectUnnoticed(_ play: Play, _ expected: Frames) {
        let change = play.events.firstIndex { if case .changeObserved = $0.kind { true } else { false } }
        let hasGap = play.events[(change ?? play.events.endIndex)...].contains {
            if case .gap = $0.kind { true } else { false }
        }
        let problems = play.problems(expected: expected).filter { hasGap || !$0.hasPrefix("gap") }
        if !problems.isEmpty { Issue.record("\(problems.joined(separator: "; "))\n\(play.story)") }
    }

    private func expectHot(_ play: Play) {
        #expect(play.summary.handoffs.map(\.standby) == [.hot], "\(play.story)")
        #expect(play.summary.handoffs.map(\.grade) == [.packetExact], "\(play.story)")
        let cost = play.summary.standby
        #expect(cost.standby == .hot && cost.preparations >= 1, "\(cost)")
        #expect(cost.packets > 50 && cost.bytes > 10_000 && cost.held > .seconds(1), "\(cost)")
    }

    @Test(
        "over HTTP takes over from an origin that breaks", .timeLimit(.minutes(25)),
        arguments: ["main.mp4", "main.ts"],
        ["reset@40%", "close@40%"])
    func http(_ file: String, _ fault: String) async throws {
        let expected = try await References.shared.frames(file)
        let pair = try await Pair(file, faults: [Fault(parsing: fault), Fault(.refuse)])
        expectHot(try await play(pair.urls, expected: expected))
    }

    @Test(
        "over HTTP takes over from an origin that is killed", .timeLimit(.minutes(25)),
        arguments: ["main.mp4", "main.ts"])
    func killed(_ file: String) async throws {
        let expected = try await References.shared.frames(file)
        let pair = try await Pair(file)
        let play = try await play(pair.urls, expected: expected) {
            guard await $0.reaches(.seconds(4)) else { return }
            pair.first.kill()
        }
        expectHot(play)
    }

    @Test(
        "over RTSP takes over from an origin that breaks", .timeLimit(.minutes(25)),
        arguments: [RTSPTransportChoice.tcp, .udp])
    func rtsp(_ transport: RTSPTransportChoice) async throws {
        let end: NPT = .seconds(6)
        let expected = try await Beginnings.shared.frames("main.mkv", to: end)
        let pair = try await LabPair.start(faults: [Fault(.reset, .atNPT(.seconds(4))), Fault(.refuse)])
        let play = try await play(pair.urls, expected: expected, to: end, transport: transport)
        expectHot(play)
    }

    @Test(
        "over RTSP takes over from a server that is not ours", .timeLimit(.minutes(25)),
        arguments: [RTSPTransportChoice.tcp, .udp], ["main.mkv", "main.mp4", "hevc.mp4"])
    func server(_ transport: RTSPTransportChoice, _ file: String) async throws {
        let expected = try await RTSPReferences.shared.frames(file)
        let (first, second) = (try await RTSPServer.start(), try await RTSPServer.start())
        let play = try await play([first.url(file), second.url(file)], expected: expected, transport: transport) {
            guard await $0.reaches(.seconds(5)) else { return }
            first.vanish()
        }
        expectHot(play)
    }

    @Test("over another protocol takes over", .timeLimit(.minutes(25)), arguments: [false, true])
    func mixed(_ beginsWithRTSP: Bool) async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: nil)
        let fault = [Fault(.reset, .atNPT(.seconds(4))), Fault(.refuse)]
        let rtsp = try await LabPair.start(faults: beginsWithRTSP ? fault : [])
        let http = try await Pair(
            "main.mkv", faults: beginsWithRTSP ? [] : [Fault(parsing: "reset@50%"), Fault(.refuse)])
        let urls = beginsWithRTSP ? [rtsp.urls[0], http.urls[0]] : [http.urls[0], rtsp.urls[0]]
        let play = try await Play.run(urls, buffer: Self.buffer) {
            $0.standby = .hot
            $0.rtspTransport = .tcp
            $0.flows = .kinds([.video, .audio])
        }
        expectUnnoticed(play, expected)
        expectHot(play)
    }

    @Test(
        "takes over from an HTTP origin that falls silent", .timeLimit(.minutes(25)),
        arguments: ["main.mp4", "main.ts"])
    func silenceOverHTTP(_ file: String) async throws {
        let expected = try await References.shared.frames(file)
        let pair = try await Pair(file, faults: [Fault(parsing: "stall@40%"), Fault(.silent)])
        let play = try await play(pair.urls, expected: expected)
        expectHot(play)
        let decision = try #require(play.summary.handoffs.first?.decision, "\(play.story)")
        #expect(decision.expected ?? .seconds(1) < .milliseconds(100), "\(decision.text)")
    }

    @Test(
        "takes over from an RTSP origin that falls silent", .timeLimit(.minutes(25)),
        arguments: [RTSPTransportChoice.tcp, .udp])
    func silenceOverRTSP(_ transport: RTSPTransportChoice) async throws {
        let end: NPT = .seconds(6)
        let expected = try await Beginnings.shared.frames("main.mkv", to: end)
        let pair = try await LabPair.start(faults: [Fault(parsing: "stall@npt=4"), Fault(.silent)])
        expectHot(try await play(pair.urls, expected: expected, to: end, transport: transport))
    }

    @Test("that dies is replaced by another one, and nothing is seen of it", .timeLimit(.minutes(25)))
    func dies() async throws {
        let expected = try await References.shared.frames("main.mp4")
        let (pair, others) = (try await Pair("main.mp4"), try await Pair("main.mp4"))
        // What is shown here needs no short buffer.
        let play = try await play(pair.urls + [others.urls[0]], expected: expected, buffer: .seconds(1)) {
            guard await $0.reaches(.seconds(3)) else { return }
            pair.second.kill()
            guard await $0.reaches(.seconds(6)) else { return }
            pair.first.kill()
        }
        expectHot(play)
        #expect(play.summary.handoffs.first?.to == OriginID(2), "\(play.story)")
        #expect(play.summary.standby.preparations >= 2 && play.summary.standby.failures >= 1, "\(play.story)")
        let lost = play.events.contains {
            if case .standbyLost(OriginID(1), _, _) = $0.kind { true } else { false }
        }
        #expect(lost, "\(play.story)")
    }

    @Test("stands ready again after each handoff", .timeLimit(.minutes(25)))
    func again() async throws {
        let expected = try await References.shared.frames("main.ts")
        let (pair, others) = (try await Pair("main.ts"), try await Pair("main.ts"))
        // What is shown here needs no short buffer.
        let play = try await play(pair.urls + [others.urls[0]], expected: expected, buffer: .seconds(1)) {
            guard await $0.reaches(.seconds(3)) else { return }
            pair.first.kill()
            guard await $0.reaches(.seconds(6)) else { return }
            pair.second.kill()
        }
        #expect(play.summary.handoffs.map(\.standby) == [.hot, .hot], "\(play.story)")
        #expect(play.summary.handoffs.map(\.grade) == [.packetExact, .packetExact], "\(play.story)")
    }

    /// Of 5 % on either path, what both lose is 0.25 %.
    @Test(
        "fills what the network loses", .timeLimit(.minutes(25)),
        arguments: [.milliseconds(200), .seconds(2)] as [Duration])
    func lossy(buffer: Duration) async throws {
        var urls: [String] = []
        var origins: [RTSPOrigin] = []
        for seed in [3, 4] as [UInt64] {
            var options = RTSPOrigin.Options()
            options.seed = seed
            let origin = try await RTSPOrigin.start(
                serving: ["/main.mkv": Fixtures.path("main.mkv")], faults: [Fault(parsing: "loss=5%")],
                options: options)
            origins.append(origin)
            urls.append(origin.url(for: "/main.mkv"))
        }
        let play = try await play(urls, expected: nil, buffer: buffer, transport: .udp)
        #expect(play.summary.error == nil && play.summary.handoffCount == 0, "\(play.story)")
        #expect(play.summary.gapTotal == .zero, "\(play.story)")
        // What is lost before the standby is aligned, in the first second, is not filled.
        let losses = play.summary.flows.map(\.losses)
        let (lost, filled) = (losses.reduce(0) { $0 + $1.packets }, losses.reduce(0) { $0 + $1.filled })
        #expect(filled > 40 && lost * 4 < filled, "\(losses)")
    }

    @Test("is aligned anew after a seek", .timeLimit(.minutes(25)), arguments: [false, true])
    func sought(_ isRTSP: Bool) async throws {
        let (pair, lab) = (try await Pair("main.mp4"), try await LabPair.start("main.mp4"))
        let play = try await play(isRTSP ? lab.urls : pair.urls, expected: nil, to: .seconds(10)) { stream in
            guard await stream.reaches(.seconds(2)) else { return }
            stream.seek(to: .seconds(6))
            guard await stream.reaches(.milliseconds(7500)) else { return }
            if isRTSP { lab.first.kill() } else { pair.first.kill() }
        }
        #expect(play.summary.error == nil && play.summary.missing == .zero, "\(play.story)")
        #expect(play.summary.duplicate == .zero, "\(play.story)")
        #expect(play.summary.handoffs.map(\.standby) == [.hot], "\(play.story)")
        #expect(play.summary.handoffs.map(\.grade) == [.packetExact], "\(play.story)")
        #expect(play.summary.standby.preparations >= 2, "\(play.story)")
    }

    @Test("of another encode is joined at a key frame", .timeLimit(.minutes(25)))
    func otherEncode() async throws {
        let pair = try await Pair("main.mp4", "other.mp4")
        let play = try await play(pair.urls, expected: nil, buffer: .seconds(2)) {
            guard await $0.reaches(.seconds(5)) else { return }
            pair.first.kill()
        }
        #expect(play.summary.error == nil && play.summary.gapTotal == .zero, "\(play.story)")
        #expect(play.summary.missing == .zero && play.summary.duplicate == .zero, "\(play.story)")
        #expect(play.summary.handoffs.map(\.standby) == [.hot], "\(play.story)")
        #expect(play.summary.handoffs.map(\.grade) == [.frameAligned], "\(play.story)")
    }

    @Test("of another programme is found out before it is needed", .timeLimit(.minutes(25)))
    func otherProgramme() async throws {
        let expected = try await References.shared.frames("main.mp4")
        let (pair, others) = (try await Pair("main.mp4", "wrong.mp4"), try await Pair("main.mp4"))
        let play = try await play(pair.urls + [others.urls[0]], expected: expected) {
            guard await $0.reaches(.seconds(5)) else { return }
            pair.first.kill()
        }
        expectHot(play)
        #expect(play.summary.handoffs.first?.to == OriginID(2), "\(play.story)")
        let reasons = play.events.compactMap {
            if case .standbyLost(OriginID(1), _, let reason) = $0.kind { reason } else { nil }
        }
        #expect(reasons.contains { $0.contains("another programme") }, "\(play.story)")
    }

    @Test("is played as any other once it was joined", .timeLimit(.minutes(25)), arguments: [false, true])
    func controls(_ isRTSP: Bool) async throws {
        let (pair, lab) = (try await Pair("main.mp4"), try await LabPair.start("main.mp4"))
        let play = try await play(
            isRTSP ? lab.urls : pair.urls, expected: nil, to: .seconds(11), buffer: .milliseconds(500)
        ) { stream in
            guard await stream.reaches(.seconds(2)) else { return }
            if isRTSP { lab.first.kill() } else { pair.first.kill() }
            guard await stream.reaches(.seconds(4)) else { return }
            stream.pause()
            try? await Task.sleep(for: .milliseconds(400))
            stream.resume()
            guard await stream.reaches(.seconds(5)) else { return }
            stream.seek(to: .seconds(8))
            guard await stream.reaches(.seconds(9)) else { return }
            try? stream.setRate(Rate(2))
        }
        #expect(play.summary.error == nil && play.summary.end ?? .zero >= .milliseconds(10_900), "\(play.story)")
        #expect(play.summary.missing == .zero && play.summary.duplicate == .zero, "\(play.story)")
        #expect(play.summary.handoffs.map(\.standby) == [.hot], "\(play.story)")
        #expect(play.frames.timesRise)
    }

    @Test("goes on by its bytes when it breaks before another is ready", .timeLimit(.minutes(25)))
    func resumes() async throws {
        let expected = try await References.shared.frames("main.mp4")
        let (pair, others) = (try await Pair("main.mp4"), try await Pair("main.mp4"))
        let play = try await play(
            pair.urls + [others.urls[0]], expected: expected, buffer: .milliseconds(1500)
        ) { stream in
            guard await stream.reaches(.seconds(3)) else { return }
            pair.first.kill()
            while stream.status.handoffs == 0 { try? await Task.sleep(for: .milliseconds(5)) }
            pair.second.kill()
        }
        #expect(play.summary.handoffs.map(\.to) == [OriginID(1), OriginID(2)], "\(play.story)")
        #expect(play.summary.handoffs.first?.standby == .hot, "\(play.story)")
    }

    @Test("is a warm one at another rate, and none while the stream is paused", .timeLimit(.minutes(25)))
    func otherRates() async throws {
        let lab = try await LabPair.start("main.mp4")
        let play = try await play(lab.urls, expected: nil, buffer: .seconds(1)) { stream in
            guard await stream.reaches(.seconds(1)) else { return }
            stream.pause()
            try? await Task.sleep(for: .milliseconds(500))
            #expect(lab.second.methods.last == "TEARDOWN")
            try? stream.setRate(Rate(2))
            stream.resume()
            guard await stream.reaches(.seconds(4)) else { return }
            lab.first.kill()
        }
        #expect(play.summary.error == nil && play.summary.missing == .zero, "\(play.story)")
        #expect(play.summary.handoffs.map(\.standby) == [.warm], "\(play.story)")
    }

    @Test("is let go at the end, unused", .timeLimit(.minutes(25)))
    func unused() async throws {
        let pair = try await LabPair.start()
        let play = try await play(pair.urls, expected: nil, to: .seconds(2))
        #expect(play.summary.error == nil && play.summary.handoffCount == 0, "\(play.story)")
        #expect(play.summary.standby.preparations == 1, "\(play.story)")
        #expect(pair.second.methods == ["DESCRIBE", "SETUP", "SETUP", "SETUP", "PLAY", "TEARDOWN"])
    }
}
