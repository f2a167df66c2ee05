internal import Foundation
internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// Several failures, and origins that are of no use.
@Suite("Origins that fail, return, flap and lie", .inSlots) struct OriginTests {
    private func expectWhole(
        _ play: Play, of file: String, handoffs: Int? = nil, tolerance: Double = 0,
        location: SourceLocation = #_sourceLocation
    ) async throws {
        let summary = play.summary
        let whole = try await References.shared.frames(file)
        let difference = play.frames.difference(from: whole, tolerance: tolerance)
        #expect(summary.error == nil, "\(play.story)", sourceLocation: location)
        if let handoffs { #expect(summary.handoffCount == handoffs, "\(play.story)", sourceLocation: location) }
        #expect(difference == nil, "\(play.story)", sourceLocation: location)
        #expect(summary.missing == .zero, "\(play.story)", sourceLocation: location)
        #expect(summary.duplicate == .zero, "\(play.story)", sourceLocation: location)
        #expect(summary.gapTotal == .zero, "\(play.story)", sourceLocation: location)
    }

    @Test(
        "the first dies, the second dies, the first is back", .timeLimit(.minutes(25)),
        arguments: ["main-faststart.mp4", "main.ts"])
    func doubleFailure(_ file: String) async throws {
        let first = try await NginxServer.start(for: file)
        let second = try await NginxServer.start(for: file)
        let pace = try Fixtures.pace(file)
        let revived = Guarded<NginxServer?>(nil)
        let play = try await Play.run(
            [first.url(file), second.url(file)],
            whilePlaying: { stream in
                guard await stream.reaches(.seconds(2)) else { return }
                first.vanish()
                guard await stream.reaches(.seconds(4)) else { return }
                let again = try? await NginxServer.start(rate: pace.rate, burst: pace.burst, port: first.port)
                revived.withLock { $0 = again }
                guard await stream.reaches(.seconds(5)) else { return }
                second.vanish()
            })
        try await expectWhole(play, of: file, handoffs: 2)
        #expect(play.summary.handoffs.map(\.to) == [OriginID(1), OriginID(0)], "\(play.story)")
    }

    /// Some demuxers open with what came before the break, and tell nobody.
    @Test(
        "one that dies while it is opened is replaced", .timeLimit(.minutes(25)),
        arguments: [
            "main.mp4", "main.ts", "main.mkv", "main-fragmented.mp4", "audio.mp3", "audio.aac", "opengop.ts", "vfr.mkv",
        ], [500, 3000, 9000, 20_000, 50_000])
    func diesWhileOpened(_ file: String, at byte: Int) async throws {
        let first = try await HTTPOrigin.start(
            serving: ["/\(file)": Fixtures.path(file)],
            faults: [Fault(parsing: "reset@byte=\(byte)"), Fault(parsing: "refuse")])
        let second = try await HTTPOrigin.start(serving: ["/\(file)": Fixtures.path(file)])
        let play = try await Play.run([first.url(for: "/\(file)"), second.url(for: "/\(file)")], pacing: .fast)
        try await expectWhole(play, of: file)
        let alone = try await HTTPOrigin.start(
            serving: ["/\(file)": Fixtures.path(file)], faults: [Fault(parsing: "reset@byte=\(byte)")])
        let stopped = try await Play.run([alone.url(for: "/\(file)")], pacing: .fast) {
            $0.giveUpAfter = .milliseconds(300)
        }
        // Beyond that byte the bytes go on where they broke: each answer brings some.
        let isWhole = stopped.frames.difference(from: try await References.shared.frames(file)) == nil
        #expect(isWhole || stopped.summary.error != nil, "\(stopped.story)")
    }

    /// Whatever was read of the other to find where it begins is played.
    @Test(
        "one that dies at its start is replaced by another container from its start", .timeLimit(.minutes(25)),
        arguments: [("main.ts", "main.mp4"), ("main.ts", "main.mkv"), ("opengop.ts", "opengop.mp4")],
        [8500, 12_000, 21_000, 33_000])
    func diesAtItsStart(_ files: (String, String), at byte: Int) async throws {
        let (file, other) = files
        let first = try await HTTPOrigin.start(
            serving: ["/\(file)": Fixtures.path(file)],
            faults: [Fault(parsing: "reset@byte=\(byte)"), Fault(parsing: "refuse")])
        let second = try await HTTPOrigin.start(serving: ["/\(other)": Fixtures.path(other)])
        let play = try await Play.run([first.url(for: "/\(file)"), second.url(for: "/\(other)")], pacing: .fast)
        // An MP4 file has its decoder drop the priming of the sound.
        if !other.hasSuffix(".mp4") { try await expectWhole(play, of: file, tolerance: 0.0025) }
        #expect(play.summary.error == nil, "\(play.story)")
        #expect(play.frames.flows.first?.frames.count == 300, "\(play.story)")
    }

    /// Where the first one broke, the other one has no byte any more; it has the pictures all the same.
    @Test(
        "a smaller object goes on behind its own length", .timeLimit(.minutes(25)),
        arguments: [("main.ts", "main.mp4"), ("main.ts", "main.mkv")], [80, 90, 97])
    func smaller(_ files: (String, String), at percent: Int) async throws {
        let (file, other) = files
        let first = try await HTTPOrigin.start(
            serving: ["/\(file)": Fixtures.path(file)],
            faults: [Fault(parsing: "reset@\(percent)%"), Fault(parsing: "refuse")])
        let second = try await HTTPOrigin.start(serving: ["/\(other)": Fixtures.path(other)])
        let play = try await Play.run([first.url(for: "/\(file)"), second.url(for: "/\(other)")], pacing: .fast)
        // Containers round times to a millisecond.
        try await expectWhole(play, of: file, handoffs: 1, tolerance: 0.0025)
        #expect(play.summary.handoffs.first?.grade == .packetExact, "\(play.story)")
    }

    @Test(
        "both break off every response after a sixth of the file", .timeLimit(.minutes(25)),
        arguments: ["main.mp4", "main.ts"])
    func flapping(_ file: String) async throws {
        let plan = FaultProxy.Plan(strike: .reset, after: try Fixtures.size(file) / 6, times: .max)
        let first = try await DyingOrigin.start(file, plan: plan)
        let second = try await DyingOrigin.start(file, plan: plan)
        let play = try await Play.run([first.url, second.url], buffer: .seconds(2))
        try await expectWhole(play, of: file)
        #expect(play.summary.handoffCount >= 5, "\(play.story)")
    }

    @Test("a dead alternate is passed over", .timeLimit(.minutes(25)))
    func deadAlternate() async throws {
        let first = try await DyingOrigin.start("main.mp4")
        let dead = try await NginxServer.start()
        dead.vanish()
        let good = try await NginxServer.start(for: "main.mp4")
        let play = try await Play.run([first.url, dead.url("main.mp4"), good.url("main.mp4")])
        try await expectWhole(play, of: "main.mp4", handoffs: 1)
        #expect(play.summary.handoffs.first?.to == OriginID(2), "\(play.story)")
    }

    /// The first dies, and the one that is picked takes requests and answers none: the next is asked beside it.
    @Test("an alternate that is slow to answer costs next to nothing", .timeLimit(.minutes(25)))
    func silentAlternate() async throws {
        let first = try await DyingOrigin.start("main.mp4")
        let pair = try await HTTPPair.start("main.mp4")
        pair.first.inject(try Fault(parsing: "silent"))
        let play = try await Play.run([first.url] + pair.urls)
        try await expectWhole(play, of: "main.mp4", handoffs: 1)
        let handoff = try #require(play.summary.handoffs.first)
        #expect(handoff.to == OriginID(2), "\(play.story)")
        #expect(handoff.attempts.suffix(2).map(\.failure) == ["another was faster", nil], "\(play.story)")
    }

    @Test(
        "an alternate that holds no media, or none of this programme, is passed over", .timeLimit(.minutes(25)),
        arguments: ["page.html", "empty.mp4", "", "truncated.mp4", "wrong.mp4", "nothing.mp4", "subs.mkv"])
    func uselessAlternate(_ file: String) async throws {
        let first = try await DyingOrigin.start("main.mp4")
        let useless = try await NginxServer.start()
        let good = try await NginxServer.start(for: "main.mp4")
        let play = try await Play.run([first.url, useless.url(file), good.url("main.mp4")])
        try await expectWhole(play, of: "main.mp4", handoffs: 1)
        #expect(play.summary.handoffs.first?.to == OriginID(2), "\(play.story)")
    }

    @Test(
        "another programme is never joined: what was received is played out, and the reason told",
        .timeLimit(.minutes(25)))
    func wrongProgramme() async throws {
        let whole = try await References.shared.frames("main.mp4")
        let first = try await DyingOrigin.start("main.mp4")
        let wrong = try await NginxServer.start(for: "wrong.mp4")
        let play = try await Play.run([first.url, wrong.url("wrong.mp4")]) { $0.giveUpAfter = .seconds(3) }
        let error = try #require(play.summary.error, "\(play.story)")
        #expect(error.code == .gaveUp, "\(play.story)")
        #expect(error.attempts.contains { $0.contains("wrong.mp4") && $0.contains("programme") }, "\(play.story)")
        #expect(play.summary.origins.last?.ruledOut != nil)
        #expect(play.summary.handoffCount == 0)
        // The last pictures before the break may lack those that refer to them; none is wrong.
        for (mine, theirs) in zip(play.frames.flows, whole.flows) {
            let known = Dictionary(uniqueKeysWithValues: theirs.frames.map { ($0.pts, $0.hash) })
            let wrong = mine.frames.filter { known[$0.pts] != $0.hash }.count
            #expect(wrong == 0, "\(play.story)")
            // A third of the bytes, less what a container needs to make a picture.
            #expect(mine.frames.count > theirs.frames.count / 4, "\(play.story)")
        }
    }

    @Test(
        "without pictures the sound decides: another encode is joined, other sound never", .timeLimit(.minutes(25)))
    func soundAlone() async throws {
        let first = try await DyingOrigin.start("audio.mp3")
        let (wrong, other) = (try await NginxServer.start(), try await NginxServer.start())
        let play = try await Play.run(
            [first.url, wrong.url("audio-wrong.mp3"), other.url("audio-other.mp3")], buffer: .seconds(2))
        #expect(play.summary.error == nil, "\(play.story)")
        #expect(play.summary.handoffCount == 1, "\(play.story)")
        let handoff = try #require(play.summary.handoffs.first, "\(play.story)")
        #expect(handoff.to == OriginID(2), "\(play.story)")
        #expect(handoff.attempts.contains { $0.failure?.contains("its sound") ?? false }, "\(play.story)")
        #expect(handoff.grade == .frameAligned, "\(play.story)")
        #expect(handoff.evidence.contains("sound"), "\(play.story)")
        #expect(play.summary.gapTotal == .zero, "\(play.story)")
        #expect(play.summary.missing == .zero && play.summary.duplicate == .zero, "\(play.story)")
        #expect(play.frames.timesRise, "\(play.story)")
    }

    @Test("an alternate that needs a moment is not taken to be silent, too", .timeLimit(.minutes(25)))
    func slowAlternate() async throws {
        let whole = try await References.shared.frames("main.ts")
        let place = "byte=150000"
        let first = try await HTTPOrigin.start(
            serving: ["/f.ts": Fixtures.path("main.ts")], faults: [try Fault(parsing: "stall@\(place)")])
        // It answers at once; its first byte comes later than it was borne to wait for the other's.
        let second = try await HTTPOrigin.start(
            serving: ["/f.ts": Fixtures.path("main.ts")], faults: [try Fault(parsing: "stall@\(place),for=300ms")])
        let play = try await Play.run([first.url(for: "/f.ts"), second.url(for: "/f.ts")], buffer: .seconds(3))
        #expect(play.summary.error == nil, "\(play.story)")
        #expect(play.summary.handoffCount == 1, "\(play.story)")
        #expect(play.summary.gapTotal == .zero, "\(play.story)")
        #expect(play.frames.difference(from: whole) == nil, "\(play.story)")
        try await first.stop()
        try await second.stop()
    }

    @Test("a damaged copy goes on, and the damage is all that is lost", .timeLimit(.minutes(25)))
    func damagedAlternate() async throws {
        let first = try await DyingOrigin.start("main.ts")
        let damaged = try await NginxServer.start(for: "corrupt.ts")
        let play = try await Play.run([first.url, damaged.url("corrupt.ts")], buffer: .seconds(2))
        #expect(play.summary.error == nil, "\(play.story)")
        #expect(play.frames.timesRise, "\(play.story)")
        #expect((play.summary.end ?? .zero) > .seconds(11), "\(play.story)")
    }

    @Test("one byte that differs before the break is noticed", .timeLimit(.minutes(25)))
    func otherBytes() async throws {
        let place = try TemporaryDirectory()
        // One byte of one packet, before the break and within what is compared.
        var changed = try bytes(of: Fixtures.path("main.mp4"))
        changed[try Fixtures.size("main.mp4") / 2 - 2000] ^= 0xFF
        try Data(changed).write(to: URL(fileURLWithPath: place.path("main.mp4")))
        let pace = try Fixtures.pace("main.mp4")
        let pacing = Pacing(bytesPerSecond: pace.rate, burst: pace.burst)
        let first = try await HTTPOrigin.start(
            serving: ["/main.mp4": Fixtures.path("main.mp4")],
            faults: [try Fault(parsing: "reset@50%"), try Fault(parsing: "refuse")], pace: pacing)
        let second = try await HTTPOrigin.start(serving: ["/main.mp4": place.path("main.mp4")])
        let play = try await Play.run([first.url(for: "/main.mp4"), second.url(for: "/main.mp4")])
        try await expectWhole(play, of: "main.mp4", handoffs: 1)
        #expect(play.summary.handoffs.first?.grade == .packetExact, "\(play.story)")
        #expect(play.story.contains("not the same bytes"), "\(play.story)")
        try await first.stop()
        try await second.stop()
    }

    @Test("a pause before anything is due is no reason to leave", .timeLimit(.minutes(25)))
    func pauseAtTheStart() async throws {
        let files = ["/film.mp4": Fixtures.path("main-fragmented.mp4")]
        let pacing = Pacing(bytesPerSecond: 1 << 20, burst: 1 << 20)
        // Before there is enough to begin with.
        let first = try await HTTPOrigin.start(
            serving: files, faults: [try Fault(parsing: "stall@byte=37228,for=500ms")], pace: pacing)
        let second = try await HTTPOrigin.start(serving: files)
        let play = try await Play.run([first.url(for: "/film.mp4"), second.url(for: "/film.mp4")]) {
            $0.to = .seconds(3)
        }
        #expect(play.summary.error == nil && play.summary.handoffCount == 0, "\(play.story)")
        #expect(play.summary.gapTotal == .zero, "\(play.story)")
        try await first.stop()
        try await second.stop()
    }

    @Test("a damaged file plays to its end", .timeLimit(.minutes(25)), arguments: [true, false])
    func damaged(isFast: Bool) async throws {
        let play = try await Play.run([Fixtures.path("corrupt.ts")], pacing: isFast ? .fast : .realtime)
        #expect(play.summary.error == nil, "\(play.story)")
        #expect(play.frames.timesRise, "\(play.story)")
        // One timestamp in it is hours ahead; it must not be waited for.
        let end = play.summary.end ?? .zero
        #expect(end > .seconds(11) && end < .seconds(13), "\(play.story)")
    }

    @Test(
        "an only origin that holds no media is told so",
        arguments: [
            ("page.html", StreamError.Code.notMedia), ("empty.mp4", .notMedia), ("truncated.mp4", .notMedia),
            ("", .noOriginUsable), ("nothing.mp4", .noOriginUsable),
        ])
    func noMedia(_ file: String, _ code: StreamError.Code) async throws {
        let server = try await NginxServer.start()
        let play = try await Play.run([server.url(file)])
        let error = try #require(play.summary.error)
        #expect(error.code == code, "\(play.story)")
        #expect(error.attempts.contains { $0.contains(server.url(file)) }, "\(play.story)")
    }

    @Test("a useless first origin is passed over at the start", arguments: ["page.html", "empty.mp4", "truncated.mp4"])
    func uselessFirst(_ file: String) async throws {
        let server = try await NginxServer.start()
        let play = try await Play.run([server.url(file), server.url("main.mp4")], pacing: .fast)
        #expect(play.summary.error == nil, "\(play.story)")
        let whole = try await References.shared.frames("main.mp4")
        let difference = play.frames.difference(from: whole)
        #expect(difference == nil, "\(play.story)")
    }

    @Test("a connection closed while nobody read from it is opened again, and is no failure", .timeLimit(.minutes(25)))
    func idle() async throws {
        let server = try await NginxServer.start()
        // The bytes up to the place are in the kernels at once; the rest is asked for when the reader is back.
        let plan = FaultProxy.Plan(strike: .close, at: try Fixtures.size("main.ts") * 6 / 10)
        let proxy = FaultProxy(upstream: server.port, pace: (0, 0), plan: plan)
        let reader = try LazyReader(sleeping: .seconds(7))
        let play = try await Play.run(
            [proxy.url("main.ts"), server.url("main.ts")],
            also: [.descriptor(reader.descriptor, format: "mpegts")])
        reader.finish()
        let difference = play.frames.difference(from: try await References.shared.frames("main.ts"))
        #expect(difference == nil, "\(play.story)")
        #expect(play.summary.error == nil, "\(play.story)")
        #expect(play.summary.handoffCount == 0, "\(play.story)")
        #expect(proxy.strikes.count == 1)
        #expect(play.summary.reopenCount == 1, "\(play.story)")
    }

    @Test("the lab's origin dies as nginx does", .timeLimit(.minutes(25)))
    func lab() async throws {
        let pace = try Fixtures.pace("main.mp4")
        let pacing = Pacing(bytesPerSecond: pace.rate, burst: pace.burst)
        let files = ["/main.mp4": Fixtures.path("main.mp4")]
        let first = try await HTTPOrigin.start(serving: files, pace: pacing)
        let second = try await HTTPOrigin.start(serving: files, pace: pacing)
        let play = try await Play.run(
            [first.url(for: "/main.mp4"), second.url(for: "/main.mp4")],
            whilePlaying: { stream in if await stream.reaches(.seconds(3)) { first.kill() } })
        try await expectWhole(play, of: "main.mp4", handoffs: 1)
        try await first.stop()
        try await second.stop()
    }
}
