internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// REDIRECT: the server says where to go, and when.
@Suite("In a world, REDIRECT", .inWorlds) struct WorldRTSPMoveTests {
    static let end: NPT = .seconds(6)
    /// What is asked first is heard first.
    static let link = NetworkLink(latency: .milliseconds(5))

    /// The first of a pair says so when it stands at an NPT: to go to the second of the pair, or to an address.
    ///
    /// - Parameter from: the NPT that it names.
    private func play(
        _ second: String = "", over transport: RTSPTransportChoice = .tcp, to target: String? = nil, at npt: NPT,
        from: NPT? = nil, more: String? = nil, buffer: Duration = .seconds(1)
    ) async throws -> (play: Play, pair: LabPair) {
        try await LabPair.play(
            "main.mkv", second: second, over: transport, link: Self.link, buffer: buffer, to: Self.end,
            arrange: { world, pair in
                pair.first.inject(Fault(.rtsp(.redirect(target ?? pair.urls[1], from: from)), .atNPT(npt)))
                return pair.urls + (try more.map { try world.pair("main.mkv", $0).urls } ?? [])
            })
    }

    @Test(
        "moves at the NPT that the server names, and lets the old session go after the new one has joined",
        .timeLimit(.minutes(25)), arguments: [RTSPTransportChoice.tcp, .udp], [Standby.cold, .warm, .hot])
    func later(_ transport: RTSPTransportChoice, _ standby: Standby) async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: Self.end)
        let (play, pair, other) = try await inWorld { world in
            let (pair, other) = (try world.pair(link: Self.link), try world.pair(link: Self.link))
            // The last of three is named.
            let target = other.second.film
            pair.first.inject(Fault(.rtsp(.redirect(target, from: .seconds(4))), .atNPT(.seconds(2))))
            let play = try world.play(pair.urls + [target]) {
                $0.rtspTransport = transport
                $0.standby = standby
                $0.to = Self.end
            }
            return (play, pair, other)
        }
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffCount == 1, "\(play.story)")
        let handoff = try #require(play.summary.handoffs.first, "\(play.story)")
        #expect(handoff.event.cause == .redirected && handoff.event.kind == .indicator)
        #expect(handoff.to == OriginID(2), "\(play.story)")
        #expect((handoff.npt - .seconds(4)).magnitude < .milliseconds(150), "\(play.story)")
        // It may have been made ready, and was not asked to play.
        #expect(standby == .hot || !pair.second.methods.contains("PLAY"))
        let joined = try #require(other.second.moment(of: "PLAY"))
        let left = try #require(pair.first.moment(of: "TEARDOWN"), "\(pair.first.methods)")
        #expect(left > joined)
    }

    @Test("moves at once when the server names no time", .timeLimit(.minutes(25)))
    func atOnce() async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: Self.end)
        let (play, pair) = try await play(at: .seconds(3))
        play.expectUnnoticed(expected)
        let handoff = try #require(play.summary.handoffs.first, "\(play.story)")
        #expect(handoff.event.cause == .redirected, "\(play.story)")
        #expect((handoff.npt - .seconds(3)).magnitude < .milliseconds(300), "\(play.story)")
        let joined = try #require(pair.second.moment(of: "PLAY"))
        #expect(try #require(pair.first.moment(of: "TEARDOWN")) > joined)
    }

    @Test("a place that was not given is named in a warning, and the next origin is asked", .timeLimit(.minutes(25)))
    func elsewhere() async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: Self.end)
        let (play, _) = try await play(to: "rtsp://elsewhere.invalid/film", at: .seconds(3))
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffs.map(\.to) == [OriginID(1)], "\(play.story)")
        #expect(play.summary.warnings.contains { $0.contains("elsewhere.invalid") }, "\(play.story)")
    }

    @Test(
        "where nobody else can be had, the old session is played on", .timeLimit(.minutes(25)),
        arguments: ["refuse", "status=404", "silent"], [true, false])
    func nobodyElse(_ fault: String, isPlanned: Bool) async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: Self.end)
        let (play, pair) = try await play(
            fault, at: .seconds(2), from: isPlanned ? .seconds(3) : nil, buffer: .seconds(2))
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffCount == 0, "\(play.story)")
        #expect(play.changes.map(\.cause) == [.redirected], "\(play.story)")
        #expect(play.summary.warnings.contains { $0.contains("no other origin could be joined") }, "\(play.story)")
        #expect(pair.first.methods.count { $0 == "PLAY" } == 1)
    }

    @Test("between attempts the old session is read, until one of the others joins", .timeLimit(.minutes(25)))
    func oneAfterTheOther() async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: Self.end)
        let (play, _) = try await play("silent", at: .seconds(2), more: "silent", buffer: .seconds(2))
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffs.map(\.to) == [OriginID(3)], "\(play.story)")
    }

    @Test("a server that goes before the NPT that it named is left for the one that it named", .timeLimit(.minutes(25)))
    func goneBefore() async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: Self.end)
        let play = try await inWorld { world in
            let (pair, other) = (try world.pair(), try world.pair())
            let target = other.second.film
            pair.first.inject(Fault(.rtsp(.redirect(target, from: .seconds(5))), .atNPT(.seconds(2))))
            pair.first.inject(Fault(.close, .atNPT(.seconds(3))))
            return try world.play(pair.urls + [target]) {
                $0.rtspTransport = .tcp
                $0.to = Self.end
            }
        }
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffs.map(\.to) == [OriginID(2)], "\(play.story)")
        #expect(play.summary.handoffs.first?.event.cause == .redirected, "\(play.story)")
    }
}
