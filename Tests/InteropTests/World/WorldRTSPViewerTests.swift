internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// What a viewer or an operator does while a stream plays over RTSP, and what the stream itself announces.
@Suite("In a world, what the viewer wants over RTSP", .inWorlds) struct WorldRTSPViewerTests {
    static let transports = [RTSPTransportChoice.tcp, .udp]

    @Test("user data over RTSP", .timeLimit(.minutes(25)), arguments: transports)
    func userData(_ transport: RTSPTransportChoice) async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: .seconds(7))
        let (play, _) = try await LabPair.play(
            over: transport, to: .seconds(7),
            arrange: { world, pair in
                let target = pair.second.film
                var options = RTSPOrigin.Options()
                options.indicators = [try InsertedIndicator(parsing: "sei,to=\(target),at=4@npt=3")]
                return [try world.pair(options: options).first.film, target]
            })
        play.expectUnnoticed(expected)
        try play.expectJoined(at: .seconds(4))
        #expect(try play.handoff().event.carrier == .userData)
    }

    @Test("a migration at a place", .timeLimit(.minutes(25)), arguments: transports)
    func migrates(_ transport: RTSPTransportChoice) async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: .seconds(7))
        let (play, _) = try await LabPair.play(over: transport, buffer: .seconds(2), to: .seconds(7)) { viewer, _ in
            try viewer.player.migrate(to: OriginID(1), at: .seconds(4))
        }
        play.expectUnnoticed(expected)
        try play.expectJoined(at: .seconds(4))
    }

    @Test("a migration now, there and back again", .timeLimit(.minutes(25)))
    func migratesNow() async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: .seconds(8))
        let (play, _) = try await LabPair.play(to: .seconds(8)) { viewer, _ in
            for time in [1, 3] as [Int64] {
                guard viewer.reaches(.seconds(time)) else { return }
                try viewer.player.migrate()
            }
        }
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffs.map(\.to) == [OriginID(1), OriginID(0)], "\(play.story)")
        #expect(play.summary.handoffs.allSatisfy { $0.grade == .packetExact }, "\(play.story)")
        #expect(
            play.summary.origins.allSatisfy { $0.failures == 0 }, "nothing is wrong with an origin that is left")
    }

    /// Neither PAUSE nor what follows is ever answered.
    @Test(
        "a pause at a server that falls silent", .timeLimit(.minutes(25)), arguments: transports,
        [Standby.cold, .warm])
    func pausesInSilence(_ transport: RTSPTransportChoice, _ standby: Standby) async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: .seconds(7))
        for milliseconds in [100, 400, 800] {
            let (play, _) = try await LabPair.play(
                over: transport, link: NetworkLink(latency: .milliseconds(25)), to: .seconds(7),
                configure: { $0.standby = standby },
                whilePlaying: { viewer, pair in
                    guard viewer.reaches(.seconds(3)) else { return }
                    pair.first.inject(Fault(.stall))
                    pair.first.inject(Fault(.silent))
                    viewer.waits(.milliseconds(200))
                    viewer.player.pause()
                    viewer.waits(.milliseconds(milliseconds))
                    viewer.player.resume()
                })
            play.expectUnnoticed(expected)
            #expect(play.summary.handoffCount == 1, "\(milliseconds)\n\(play.story)")
        }
    }

    @Test("a pause loses nothing", .timeLimit(.minutes(25)), arguments: transports, [false, true])
    func pauses(_ transport: RTSPTransportChoice, serverDies: Bool) async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: nil)
        let (play, _) = try await LabPair.play(over: transport) { viewer, pair in
            guard viewer.reaches(.seconds(3)) else { return }
            viewer.player.pause()
            let stood = viewer.player.status.npt
            if serverDies { pair.first.kill() }
            viewer.waits(.seconds(2))
            guard viewer.player.status.npt == stood else {
                throw SupportFailure(description: "something goes by while it is paused")
            }
            viewer.player.resume()
        }
        play.expectUnnoticed(expected)
        #expect(play.summary.elapsed > .seconds(14), "\(play.story)")
        #expect(play.summary.handoffCount == (serverDies ? 1 : 0), "\(play.story)")
    }

    /// What a server sends that cannot stop is on its way when it is to play again.
    @Test(
        "a pause at a server that plays on loses nothing", .timeLimit(.minutes(25)), arguments: transports,
        ["404:pause", "453:pause", "501:pause", "404:pause,once", "503:pause,once"])
    func pausesInVain(_ transport: RTSPTransportChoice, status: String) async throws {
        let expected = try await WorldReferences.shared.frames("main.mp4", to: nil)
        let (play, _) = try await LabPair.play(
            "main.mp4", "status=\(status)", over: transport,
            link: NetworkLink(latency: .milliseconds(14), jitter: .milliseconds(4)), buffer: .seconds(2),
            whilePlaying: { viewer, _ in
                guard viewer.reaches(.seconds(5)) else { return }
                viewer.player.pause()
                viewer.waits(.seconds(4))
                viewer.player.resume()
            })
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffCount == 0, "\(play.story)")
    }

    @Test(
        "a seek in such a pause is done, and the origin is not left for it", .timeLimit(.minutes(25)),
        arguments: transports, ["404:pause", "404:pause,once"])
    func seeksPausedInVain(_ transport: RTSPTransportChoice, status: String) async throws {
        let (play, _) = try await LabPair.play(
            "main.mp4", "status=\(status)", over: transport,
            link: NetworkLink(latency: .milliseconds(14), jitter: .milliseconds(4)), buffer: .seconds(2),
            whilePlaying: { viewer, _ in
                guard viewer.reaches(.seconds(3)) else { return }
                viewer.player.pause()
                viewer.waits(.seconds(1))
                viewer.player.seek(to: .seconds(7))
                viewer.waits(.seconds(2))
                viewer.player.resume()
            })
        #expect(play.summary.error == nil && play.summary.handoffCount == 0, "\(play.story)")
        #expect(play.summary.origins.allSatisfy { $0.failures == 0 }, "\(play.story)")
        #expect(play.summary.missing == .zero, "\(play.story)")
    }

    /// From the start to where it was left, and from the key frame before the place to the end.
    private func expectSought(_ play: Play, leftBy left: ClosedRange<Int>, from key: Int) async throws {
        let summary = play.summary
        #expect(summary.error == nil, "\(play.story)")
        #expect(summary.missing == .zero && summary.duplicate == .zero, "\(play.story)")
        #expect(play.frames.timesRise, "the output goes on without a break\n\(play.story)")
        let all = try await Beginnings.shared.frames("main.mkv", to: nil).only("video").flows[0].frames.map(\.hash)
        let mine = play.frames.only("video").flows[0].frames.map(\.hash)
        let (before, after) = (mine.dropLast(all.count - key), mine.suffix(all.count - key))
        #expect(Array(after) == Array(all[key...]), "\(mine.count) pictures\n\(play.story)")
        #expect(left.contains(before.count), "\(before.count)\n\(play.story)")
        #expect(Array(before.prefix(left.lowerBound)) == Array(all.prefix(left.lowerBound)), "\(play.story)")
    }

    @Test("a seek lands at the key frame before", .timeLimit(.minutes(25)), arguments: transports, [false, true])
    func seeks(_ transport: RTSPTransportChoice, serverDies: Bool) async throws {
        let (play, _) = try await LabPair.play(over: transport) { viewer, pair in
            guard viewer.reaches(.seconds(3)) else { return }
            viewer.player.seek(to: .milliseconds(8500))
            if serverDies { pair.first.kill() }
        }
        try await expectSought(play, leftBy: 75...80, from: 200)
    }

    /// All has been received when the viewer goes back.
    @Test("a seek in the last second is carried out", .timeLimit(.minutes(25)), arguments: transports)
    func seeksAtTheEnd(_ transport: RTSPTransportChoice) async throws {
        let (play, _) = try await LabPair.play(over: transport) { viewer, _ in
            guard viewer.reaches(.milliseconds(11_300)) else { return }
            viewer.player.seek(to: .milliseconds(8500))
        }
        #expect(play.summary.handoffCount == 0, "\(play.story)")
        try await expectSought(play, leftBy: 282...287, from: 200)
    }

    @Test("twice as fast stays twice as fast", .timeLimit(.minutes(25)), arguments: transports)
    func rates(_ transport: RTSPTransportChoice) async throws {
        let whole = try await Beginnings.shared.frames("main.mkv", to: nil)
        let (play, _) = try await LabPair.play(over: transport) { viewer, pair in
            guard viewer.reaches(.seconds(2)) else { return }
            try viewer.player.setRate(Rate(2))
            guard viewer.reaches(.seconds(6)) else { return }
            pair.first.kill()
        }
        let summary = play.summary
        #expect(summary.error == nil && summary.handoffCount == 1, "\(play.story)")
        #expect(summary.missing == .zero && summary.duplicate == .zero, "\(play.story)")
        // Two seconds at the normal rate and ten at twice that, the start, and the fill of the buffer.
        #expect(summary.elapsed < .milliseconds(9500), "\(play.story)")
        let difference = play.frames.only("video").difference(from: whole.only("video"), tolerance: nil)
        #expect(difference == nil, "\(play.story)")
    }
}
