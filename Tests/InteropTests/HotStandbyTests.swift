internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// A hot standby: an alternate that delivers beside the origin that is played, so that a handoff waits for nothing, even
/// with little in the buffer.
@Suite("A hot standby", .inSlots) struct HotStandbyTests {
    static let buffer: Duration = .milliseconds(200)

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
        var options = HTTPOrigin.Options()
        let pace = try Fixtures.pace("main.mkv")
        options.pacing = Pacing(bytesPerSecond: pace.rate, burst: pace.burst)
        let http = try await HTTPOrigin.start(
            serving: ["/main.mkv": ServedFile(path: Fixtures.path("main.mkv"))],
            faults: beginsWithRTSP ? [] : [Fault(parsing: "reset@50%"), Fault(.refuse)], options: options)
        let url = http.url(for: "/main.mkv")
        let urls = beginsWithRTSP ? [rtsp.urls[0], url] : [url, rtsp.urls[0]]
        let play = try await Play.run(urls, buffer: Self.buffer) {
            $0.standby = .hot
            $0.rtspTransport = .tcp
            $0.flows = .kinds([.video, .audio])
        }
        expectUnnoticed(play, expected)
        expectHot(play)
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

    @Test("is aligned anew after a seek", .timeLimit(.minutes(25)))
    func sought() async throws {
        let pair = try await LabPair.start("main.mp4")
        let play = try await play(pair.urls, expected: nil, to: .seconds(10)) { stream in
            guard await stream.reaches(.seconds(2)) else { return }
            stream.seek(to: .seconds(6))
            guard await stream.reaches(.milliseconds(7500)) else { return }
            pair.first.kill()
        }
        #expect(play.summary.error == nil && play.summary.missing == .zero, "\(play.story)")
        #expect(play.summary.duplicate == .zero, "\(play.story)")
        #expect(play.summary.handoffs.map(\.standby) == [.hot], "\(play.story)")
        #expect(play.summary.handoffs.map(\.grade) == [.packetExact], "\(play.story)")
        #expect(play.summary.standby.preparations >= 2, "\(play.story)")
    }

    @Test("is played as any other once it was joined", .timeLimit(.minutes(25)))
    func controls() async throws {
        let pair = try await LabPair.start("main.mp4")
        let play = try await play(
            pair.urls, expected: nil, to: .seconds(11), buffer: .milliseconds(500)
        ) { stream in
            guard await stream.reaches(.seconds(2)) else { return }
            pair.first.kill()
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
