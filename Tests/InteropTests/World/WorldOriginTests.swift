internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// Several failures, and origins that are of no use.
@Suite("In a world, origins that fail, return, flap and lie", .inWorlds) struct WorldOriginTests {
    private static let dies = ["reset@33%", "refuse"]

    private func expectWhole(
        _ play: Play, of file: String, handoffs: Int? = nil, tolerance: Double = 0,
        _ location: SourceLocation = #_sourceLocation
    ) async throws {
        let problems = play.problems(expected: try await References.shared.frames(file), tolerance: tolerance)
        #expect(problems.isEmpty, "\(problems)\n\(play.story)", sourceLocation: location)
        if let handoffs { #expect(play.summary.handoffCount == handoffs, "\(play.story)", sourceLocation: location) }
    }

    @Test(
        "the first dies, the second dies, the first is back", .timeLimit(.minutes(25)),
        arguments: ["main-faststart.mp4", "main.ts", "main.mkv"])
    func doubleFailure(_ file: String) async throws {
        let play = try await inWorld { world in
            let (first, second) = (try world.origin(file), try world.origin(file))
            return try world.play(
                [first.film, second.film],
                whilePlaying: { viewer in
                    guard viewer.reaches(.seconds(2)) else { return }
                    first.kill()
                    guard viewer.reaches(.seconds(4)) else { return }
                    first.restore()
                    guard viewer.reaches(.seconds(5)) else { return }
                    second.kill()
                })
        }
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
        let play = try await inWorld { world in
            let first = try world.origin(file, ["reset@byte=\(byte)", "refuse"], pace: nil)
            return try world.play([first.film, world.origin(file, pace: nil).film], pacing: .fast)
        }
        try await expectWhole(play, of: file)
        let stopped = try await inWorld { world in
            let alone = try world.origin(file, ["reset@byte=\(byte)"], pace: nil)
            return try world.play([alone.film], pacing: .fast) { $0.giveUpAfter = .milliseconds(300) }
        }
        // Beyond that byte the bytes go on where they broke: each answer brings some.
        let isWhole = stopped.frames.difference(from: try await References.shared.frames(file)) == nil
        #expect(isWhole || stopped.summary.error != nil, "\(stopped.story)")
    }

    @Test(
        "one that promises ranges and serves none is read through", .timeLimit(.minutes(25)),
        arguments: ["main.mp4", "main-fragmented.mp4", "main.ts", "main.mkv"])
    func promisesRanges(_ file: String) async throws {
        let play = try await inWorld { world in
            var options = HTTPOrigin.Options()
            (options.servesRanges, options.promisesRanges) = (false, true)
            let origin = try world.serve(["/film": ServedFile(path: Fixtures.path(file))], options: options)
            return try world.play([origin.film], pacing: .fast)
        }
        // A demuxer of fragments asks for other places only later, and then the origin is asked anew in mid-stream.
        try await expectWhole(play, of: file, handoffs: file == "main-fragmented.mp4" ? nil : 0)
    }

    /// Whatever was read of the other to find where it begins is played.
    @Test(
        "one that dies at its start is replaced by another container from its start", .timeLimit(.minutes(25)),
        arguments: [("main.ts", "main.mp4"), ("main.ts", "main.mkv"), ("opengop.ts", "opengop.mp4")],
        [8500, 12_000, 21_000, 33_000])
    func diesAtItsStart(_ files: (String, String), at byte: Int) async throws {
        let (file, other) = files
        let play = try await inWorld { world in
            let first = try world.origin(file, ["reset@byte=\(byte)", "refuse"], pace: nil)
            return try world.play([first.film, world.origin(other, pace: nil).film], pacing: .fast)
        }
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
        let play = try await inWorld { world in
            let first = try world.origin(file, ["reset@\(percent)%", "refuse"], pace: nil)
            return try world.play([first.film, world.origin(other, pace: nil).film], pacing: .fast)
        }
        // Containers round times to a millisecond.
        try await expectWhole(play, of: file, handoffs: 1, tolerance: 0.0025)
        #expect(play.summary.handoffs.first?.grade == .packetExact, "\(play.story)")
    }

    /// Whoever sends is broken off every second and a half, with the next bytes: where the buffer is full, two breaks may be one.
    @Test(
        "both break off every response", .timeLimit(.minutes(25)), arguments: ["main.mp4", "main.ts", "main.mkv"])
    func flapping(_ file: String) async throws {
        let play = try await inWorld { world in
            let origins = [try world.origin(file), try world.origin(file)]
            for time in stride(from: 1500, to: 12_000, by: 1500) {
                world.at(.milliseconds(time)) {
                    for origin in origins where origin.log.contains(where: { $0.outcome == .inProgress }) {
                        origin.inject(Fault(.reset, recovery: .once))
                    }
                }
            }
            return try world.play(origins.map(\.film), buffer: .seconds(2))
        }
        try await expectWhole(play, of: file)
        #expect(play.summary.handoffCount >= 4, "\(play.story)")
    }

    @Test("a dead alternate is passed over", .timeLimit(.minutes(25)))
    func deadAlternate() async throws {
        let play = try await inWorld { world in
            let dead = try world.origin("main.mp4")
            dead.kill()
            return try world.play(
                [world.origin("main.mp4", Self.dies).film, dead.film, world.origin("main.mp4").film])
        }
        try await expectWhole(play, of: "main.mp4", handoffs: 1)
        #expect(play.summary.handoffs.first?.to == OriginID(2), "\(play.story)")
    }

    /// The first dies, and the one that is picked takes requests and answers none: the next is asked beside it.
    @Test("an alternate that is slow to answer costs next to nothing", .timeLimit(.minutes(25)))
    func silentAlternate() async throws {
        let play = try await inWorld { world in
            let silent = try world.origin("main.mp4", ["silent"])
            return try world.play(
                [world.origin("main.mp4", Self.dies).film, silent.film, world.origin("main.mp4").film])
        }
        try await expectWhole(play, of: "main.mp4", handoffs: 1)
        let handoff = try #require(play.summary.handoffs.first)
        #expect(handoff.to == OriginID(2), "\(play.story)")
        #expect(handoff.attempts.suffix(2).map(\.failure) == ["another was faster", nil], "\(play.story)")
    }

    @Test(
        "an alternate that holds no media, or none of this programme, is passed over", .timeLimit(.minutes(25)),
        arguments: ["page.html", "empty.mp4", "truncated.mp4", "wrong.mp4", "nothing.mp4", "subs.mkv"])
    func uselessAlternate(_ file: String) async throws {
        let play = try await inWorld { world in
            let useless =
                file == "nothing.mp4" ? try world.serve([:]) : try world.origin(file, pace: nil)
            return try world.play(
                [world.origin("main.mp4", Self.dies).film, useless.film, world.origin("main.mp4").film])
        }
        try await expectWhole(play, of: "main.mp4", handoffs: 1)
        #expect(play.summary.handoffs.first?.to == OriginID(2), "\(play.story)")
    }

    @Test(
        "another programme is never joined: what was received is played out, and the reason told",
        .timeLimit(.minutes(25)))
    func wrongProgramme() async throws {
        let whole = try await References.shared.frames("main.mp4")
        let play = try await inWorld { world in
            let wrong = try world.serve(
                ["/wrong.mp4": ServedFile(path: Fixtures.path("wrong.mp4"))])
            return try world.play([world.origin("main.mp4", Self.dies).film, wrong.url(for: "/wrong.mp4")]) {
                $0.giveUpAfter = .seconds(3)
            }
        }
        let error = try #require(play.summary.error, "\(play.story)")
        #expect(error.code == .gaveUp, "\(play.story)")
        #expect(
            error.attempts.contains { $0.url.hasSuffix("/wrong.mp4") && $0.reason.contains("programme") },
            "\(play.story)")
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
        let play = try await inWorld { world in
            let origins = [
                try world.origin("audio.mp3", Self.dies), try world.origin("audio-wrong.mp3", pace: nil),
                try world.origin("audio-other.mp3", pace: nil),
            ]
            return try world.play(origins.map(\.film), buffer: .seconds(2))
        }
        #expect(play.summary.error == nil, "\(play.story)")
        let handoff = try play.handoff()
        #expect(handoff.to == OriginID(2), "\(play.story)")
        #expect(handoff.attempts.contains { $0.failure?.contains("its sound") ?? false }, "\(play.story)")
        #expect(handoff.grade == .frameAligned, "\(play.story)")
        #expect(handoff.evidence.contains("sound"), "\(play.story)")
        #expect(play.summary.gapTotal == .zero, "\(play.story)")
        #expect(play.summary.missing == .zero && play.summary.duplicate == .zero, "\(play.story)")
        #expect(play.frames.timesRise, "\(play.story)")
    }

    /// It answers at once; its first byte comes later than it was borne to wait for the other's.
    @Test("an alternate that needs a moment is not taken to be silent, too", .timeLimit(.minutes(25)))
    func slowAlternate() async throws {
        let place = "byte=150000"
        let play = try await inWorld { world in
            let first = try world.origin("main.ts", ["stall@\(place)"], pace: nil)
            let second = try world.origin("main.ts", ["stall@\(place),for=300ms"], pace: nil)
            return try world.play([first.film, second.film], buffer: .seconds(3))
        }
        try await expectWhole(play, of: "main.ts", handoffs: 1)
    }

    @Test("a damaged copy goes on, and the damage is all that is lost", .timeLimit(.minutes(25)))
    func damagedAlternate() async throws {
        let play = try await inWorld { world in
            try world.play(
                [world.origin("main.ts", Self.dies).film, world.origin("corrupt.ts").film], buffer: .seconds(2))
        }
        #expect(play.summary.error == nil, "\(play.story)")
        #expect(play.frames.timesRise, "\(play.story)")
        #expect((play.summary.end ?? .zero) > .seconds(11), "\(play.story)")
    }

    /// One byte of one packet, before the break and within what is compared.
    @Test("one byte that differs before the break is noticed", .timeLimit(.minutes(25)))
    func otherBytes() async throws {
        var changed = try bytes(of: Fixtures.path("main.mp4"))
        changed[changed.count / 2 - 2000] ^= 0xFF
        let play = try await inWorld { [changed] world in
            let first = try world.origin("main.mp4", ["reset@50%", "refuse"])
            let second = try world.serve(["/film": ServedFile(bytes: changed)])
            return try world.play([first.film, second.film])
        }
        try await expectWhole(play, of: "main.mp4", handoffs: 1)
        #expect(play.summary.handoffs.first?.grade == .packetExact, "\(play.story)")
        #expect(play.story.contains("not the same bytes"), "\(play.story)")
    }

    /// Before there is enough to begin with.
    @Test("a pause before anything is due is no reason to leave", .timeLimit(.minutes(25)))
    func pauseAtTheStart() async throws {
        let play = try await inWorld { world in
            let first = try world.origin("main-fragmented.mp4", ["stall@byte=37228,for=500ms"], pace: nil)
            return try world.play([first.film, world.origin("main-fragmented.mp4", pace: nil).film])
        }
        try await expectWhole(play, of: "main-fragmented.mp4", handoffs: 0)
    }

    @Test("a damaged file plays to its end", .timeLimit(.minutes(25)), arguments: [true, false])
    func damaged(isFast: Bool) async throws {
        let play = try await inWorld { try $0.play([Fixtures.path("corrupt.ts")], pacing: isFast ? .fast : .realtime) }
        #expect(play.summary.error == nil, "\(play.story)")
        #expect(play.frames.timesRise, "\(play.story)")
        // One timestamp in it is hours ahead; it must not be waited for.
        let end = play.summary.end ?? .zero
        #expect(end > .seconds(11) && end < .seconds(13), "\(play.story)")
        #expect(play.summary.elapsed < .seconds(13), "\(play.story)")
    }
}
