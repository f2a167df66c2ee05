internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// A hot standby: an alternate that delivers beside the origin that is played, so that a handoff waits for nothing, even
/// with little in the buffer.
@Suite("In a world, a hot standby over RTSP", .inWorlds) struct WorldRTSPHotTests {
    static let buffer: Duration = .milliseconds(200)

    private func play(
        _ file: String = "main.mkv", _ faults: String = "", over transport: RTSPTransportChoice = .tcp,
        expected: Frames?, to end: NPT? = nil, buffer: Duration = Self.buffer,
        arrange: @escaping @Sendable (SimulatedWorld, LabPair) throws -> [String] = { $1.urls },
        whilePlaying: @escaping @Sendable (WorldViewer, LabPair) throws -> Void
    ) async throws -> (play: Play, pair: LabPair) {
        let (play, pair) = try await LabPair.play(
            file, faults, over: transport, buffer: buffer, to: end, configure: { $0.standby = .hot },
            arrange: arrange, whilePlaying: whilePlaying)
        if let expected { play.expectUnnoticed(expected) }
        return (play, pair)
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
        expectHot(
            try await play("main.mkv", "reset@npt=4 refuse", over: transport, expected: expected, to: end) { _, _ in }
                .play)
    }

    @Test("over another protocol takes over", .timeLimit(.minutes(25)), arguments: [false, true])
    func mixed(_ beginsWithRTSP: Bool) async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: nil)
        let play = try await inWorld { world in
            let rtsp = try world.pair("main.mkv", beginsWithRTSP ? "reset@npt=4 refuse" : "").first.film
            let http = try world.origin("main.mkv", beginsWithRTSP ? [] : ["reset@50%", "refuse"]).film
            return try world.play(beginsWithRTSP ? [rtsp, http] : [http, rtsp], buffer: Self.buffer) {
                $0.standby = .hot
                $0.rtspTransport = .tcp
                $0.flows = .kinds([.video, .audio])
            }
        }
        play.expectUnnoticed(expected)
        expectHot(play)
    }

    @Test(
        "takes over from an RTSP origin that falls silent", .timeLimit(.minutes(25)),
        arguments: [RTSPTransportChoice.tcp, .udp])
    func silenceOverRTSP(_ transport: RTSPTransportChoice) async throws {
        let end: NPT = .seconds(6)
        let expected = try await Beginnings.shared.frames("main.mkv", to: end)
        expectHot(
            try await play("main.mkv", "stall@npt=4 silent", over: transport, expected: expected, to: end) { _, _ in }
                .play)
    }

    /// Of 5 % on either path, what both lose is 0.25 %.
    @Test(
        "fills what the network loses", .timeLimit(.minutes(25)),
        arguments: [.milliseconds(200), .seconds(2)] as [Duration])
    func lossy(buffer: Duration) async throws {
        let (play, _) = try await play(
            over: .udp, expected: nil, buffer: buffer,
            arrange: { world, _ in
                try ([3, 4] as [UInt64]).map { seed in
                    var options = RTSPOrigin.Options()
                    options.seed = seed
                    return try world.pair("main.mkv", "loss=5%", options: options).first.film
                }
            }, whilePlaying: { _, _ in })
        #expect(play.summary.error == nil && play.summary.handoffCount == 0, "\(play.story)")
        #expect(play.summary.gapTotal == .zero, "\(play.story)")
        // What is lost before the standby is aligned, in the first second, is not filled.
        let losses = play.summary.flows.map(\.losses)
        let (lost, filled) = (losses.reduce(0) { $0 + $1.packets }, losses.reduce(0) { $0 + $1.filled })
        #expect(filled > 40 && lost * 4 < filled, "\(losses)")
    }

    @Test("is aligned anew after a seek", .timeLimit(.minutes(25)))
    func sought() async throws {
        let (play, _) = try await play("main.mp4", expected: nil, to: .seconds(10)) { viewer, pair in
            guard viewer.reaches(.seconds(2)) else { return }
            viewer.player.seek(to: .seconds(6))
            guard viewer.reaches(.milliseconds(7500)) else { return }
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
        let (play, _) = try await play(
            "main.mp4", expected: nil, to: .seconds(11), buffer: .milliseconds(500)
        ) { viewer, pair in
            guard viewer.reaches(.seconds(2)) else { return }
            pair.first.kill()
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

    @Test("is a warm one at another rate, and none while the stream is paused", .timeLimit(.minutes(25)))
    func otherRates() async throws {
        let lastMethod = Guarded<String?>(nil)
        let (play, _) = try await play("main.mp4", expected: nil, buffer: .seconds(1)) { viewer, pair in
            guard viewer.reaches(.seconds(1)) else { return }
            viewer.player.pause()
            viewer.waits(.milliseconds(500))
            let last = pair.second.methods.last
            lastMethod.withLock { $0 = last }
            try viewer.player.setRate(Rate(2))
            viewer.player.resume()
            guard viewer.reaches(.seconds(4)) else { return }
            pair.first.kill()
        }
        #expect(lastMethod.withLock { $0 } == "TEARDOWN")
        #expect(play.summary.error == nil && play.summary.missing == .zero, "\(play.story)")
        #expect(play.summary.handoffs.map(\.standby) == [.warm], "\(play.story)")
    }

    @Test("is let go at the end, unused", .timeLimit(.minutes(25)))
    func unused() async throws {
        let (play, pair) = try await play(expected: nil, to: .seconds(2)) { _, _ in }
        #expect(play.summary.error == nil && play.summary.handoffCount == 0, "\(play.story)")
        #expect(play.summary.standby.preparations == 1, "\(play.story)")
        #expect(pair.second.methods == ["DESCRIBE", "SETUP", "SETUP", "SETUP", "PLAY", "TEARDOWN"])
    }
}
