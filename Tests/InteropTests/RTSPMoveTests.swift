internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// REDIRECT: the server says where to go, and when.
@Suite("REDIRECT", .inSlots) struct RTSPMoveTests {
    static let end: NPT = .seconds(6)

    @Test(
        "moves at the NPT that the server names, and lets the old session go after the new one has joined",
        .timeLimit(.minutes(25)), arguments: [RTSPTransportChoice.tcp, .udp])
    func later(_ transport: RTSPTransportChoice) async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: Self.end)
        let (pair, other) = (try await LabPair.start(), try await LabPair.start())
        // The last of three is named.
        let target = other.second.url(for: "/main.mkv")
        pair.first.inject(Fault(.rtsp(.redirect(target, from: .seconds(4))), .atNPT(.seconds(2))))
        let play = try await Play.run(pair.urls + [target]) {
            $0.rtspTransport = transport
            $0.to = Self.end
        }
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffCount == 1, "\(play.story)")
        let handoff = try #require(play.summary.handoffs.first, "\(play.story)")
        #expect(handoff.event.cause == .redirected && handoff.event.kind == .indicator)
        #expect(handoff.to == OriginID(2), "\(play.story)")
        #expect((handoff.npt - .seconds(4)).magnitude < .milliseconds(150), "\(play.story)")
        // It may have been made ready, and was not asked to play.
        #expect(!pair.second.methods.contains("PLAY"))
        let joined = try #require(other.second.moment(of: "PLAY"))
        let left = try #require(pair.first.moment(of: "TEARDOWN"), "\(pair.first.methods)")
        #expect(left > joined)
    }

    @Test("moves at once when the server names no time", .timeLimit(.minutes(25)))
    func atOnce() async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: Self.end)
        let pair = try await LabPair.start()
        pair.first.inject(Fault(.rtsp(.redirect(pair.urls[1])), .atNPT(.seconds(3))))
        let play = try await Play.run(pair.urls) {
            $0.rtspTransport = .tcp
            $0.to = Self.end
        }
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
        let pair = try await LabPair.start()
        pair.first.inject(
            Fault(.rtsp(.redirect("rtsp://elsewhere.invalid/main.mkv")), .atNPT(.seconds(3))))
        let play = try await Play.run(pair.urls) {
            $0.rtspTransport = .tcp
            $0.to = Self.end
        }
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffs.map(\.to) == [OriginID(1)], "\(play.story)")
        #expect(play.summary.warnings.contains { $0.contains("elsewhere.invalid") }, "\(play.story)")
    }

    @Test(
        "where nobody else can be had, the old session is played on", .timeLimit(.minutes(25)),
        arguments: ["refuse", "status=404", "silent"], [true, false])
    func nobodyElse(_ fault: String, isPlanned: Bool) async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: Self.end)
        let pair = try await LabPair.start(secondFaults: [Fault(parsing: fault)])
        let redirect = RTSPFault.redirect(pair.urls[1], from: isPlanned ? .seconds(3) : nil)
        pair.first.inject(Fault(.rtsp(redirect), .atNPT(.seconds(2))))
        let play = try await Play.run(pair.urls, buffer: .seconds(2)) {
            $0.rtspTransport = .tcp
            $0.to = Self.end
        }
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffCount == 0, "\(play.story)")
        #expect(play.changes.map(\.cause) == [.redirected], "\(play.story)")
        #expect(play.summary.warnings.contains { $0.contains("no other origin could be joined") }, "\(play.story)")
        #expect(pair.first.methods.count { $0 == "PLAY" } == 1)
    }

    @Test("between attempts the old session is read, until one of the others joins", .timeLimit(.minutes(25)))
    func oneAfterTheOther() async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: Self.end)
        let (pair, other) = (
            try await LabPair.start(secondFaults: [Fault(parsing: "silent")]),
            try await LabPair.start(faults: [Fault(parsing: "silent")])
        )
        pair.first.inject(Fault(.rtsp(.redirect(pair.urls[1])), .atNPT(.seconds(2))))
        let play = try await Play.run(pair.urls + other.urls, buffer: .seconds(2)) {
            $0.rtspTransport = .tcp
            $0.to = Self.end
        }
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffs.map(\.to) == [OriginID(3)], "\(play.story)")
    }

    @Test("a server that goes before the NPT that it named is left for the one that it named", .timeLimit(.minutes(25)))
    func goneBefore() async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: Self.end)
        let (pair, other) = (try await LabPair.start(), try await LabPair.start())
        let target = other.second.url(for: "/main.mkv")
        pair.first.inject(Fault(.rtsp(.redirect(target, from: .seconds(5))), .atNPT(.seconds(2))))
        pair.first.inject(Fault(.close, .atNPT(.seconds(3))))
        let play = try await Play.run(pair.urls + [target]) {
            $0.rtspTransport = .tcp
            $0.to = Self.end
        }
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffs.map(\.to) == [OriginID(2)], "\(play.story)")
        #expect(play.summary.handoffs.first?.event.cause == .redirected, "\(play.story)")
    }

    @Test("GStreamer's REDIRECT and ANNOUNCE", .timeLimit(.minutes(25)), arguments: ["redirect", "announce", "end"])
    func gstreamer(_ what: String) async throws {
        let expected = try await RTSPReferences.shared.frames("main.mkv")
        let second = try await RTSPServer.start()
        let arguments =
            switch what {
            case "redirect": ["--redirect", second.url("main.mkv")]
            case "announce": ["--notice", "5401 \"Downstream Failure\""]
            default: ["--notice", "2101 \"End-of-Stream Reached\""]
            }
        let first = try await RTSPServer.start(arguments: arguments)
        let play = try await Play.run([first.url("main.mkv"), second.url("main.mkv")]) {
            $0.rtspTransport = .tcp
        } whilePlaying: { stream in
            guard await stream.reaches(.seconds(3)) else { return }
            what == "redirect" ? first.redirect() : first.announce()
        }
        play.expectUnnoticed(expected)
        let cause: ChangeEvent.Cause =
            what == "redirect" ? .redirected : what == "announce" ? .announced : .endedByServer
        #expect(play.summary.handoffs.map(\.event.cause) == [cause], "\(play.story)")
        #expect(play.summary.handoffs.map(\.to) == [OriginID(1)], "\(play.story)")
    }
}
