internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// A hot standby: an alternate that delivers beside the origin that is played, so that a handoff waits for nothing, even
/// with little in the buffer.
@Suite("A hot standby") struct HotStandbyTests {
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
        if let expected { play.expectUnnoticed(expected) }
        return play
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
        try await Slots.shared.run {
            let pair = try await Pair(file, faults: [Fault(parsing: fault), Fault(.refuse)])
            expectHot(try await play(pair.urls, expected: expected))
        }
    }

    @Test(
        "over HTTP takes over from an origin that is killed", .timeLimit(.minutes(25)),
        arguments: ["main.mp4", "main.ts"])
    func killed(_ file: String) async throws {
        let expected = try await References.shared.frames(file)
        try await Slots.shared.run {
            let pair = try await Pair(file)
            let play = try await play(pair.urls, expected: expected) {
                guard await $0.reaches(.seconds(4)) else { return }
                pair.first.kill()
            }
            expectHot(play)
        }
    }

    @Test(
        "over RTSP takes over from an origin that breaks", .timeLimit(.minutes(25)),
        arguments: [RTSPTransportChoice.tcp, .udp])
    func rtsp(_ transport: RTSPTransportChoice) async throws {
        let end: NPT = .seconds(6)
        let expected = try await Beginnings.shared.frames("main.mkv", to: end)
        try await Slots.shared.run {
            let pair = try await LabPair.start(faults: [Fault(.reset, .atNPT(.seconds(4))), Fault(.refuse)])
            let play = try await play(pair.urls, expected: expected, to: end, transport: transport)
            expectHot(play)
        }
    }
}
