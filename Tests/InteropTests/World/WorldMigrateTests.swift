internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// The operator sends the stream from one origin to another, and the viewer sees nothing of it.
@Suite("In a world, migrate", .inWorlds) struct WorldMigrateTests {
    /// Two origins, fast ones, of pictures and sound.
    private func play(
        _ file: String, _ other: String, faults: [String] = [], buffer: Duration = .seconds(2),
        also more: [String] = [], to end: NPT? = nil,
        _ act: @escaping @Sendable (WorldViewer) throws -> Void
    ) async throws -> Play {
        try await inWorld { world in
            let (first, second) = (try world.origin(file, pace: nil), try world.origin(other, faults, pace: nil))
            return try world.play([first.film, second.film] + more, buffer: buffer) {
                $0.flows = .kinds([.video, .audio])
                $0.to = end
            } whilePlaying: {
                try act($0)
            }
        }
    }

    @Test(
        "at a place: the first frame of the new origin is the first from there on", .timeLimit(.minutes(25)),
        arguments: [("main.mp4", "main.ts"), ("main.ts", "main.ts"), ("main.mkv", "main.mp4")])
    func atPlace(_ file: String, _ other: String) async throws {
        let expected = try await Beginnings.shared.frames(file, to: nil)
        let play = try await play(file, other) { try $0.player.migrate(to: OriginID(1), at: .seconds(6)) }
        play.expectUnnoticed(expected)
        try play.expectJoined(at: .seconds(6))
        let handoff = try play.handoff()
        #expect(handoff.event.kind == .operatorRequest && handoff.event.position == .seconds(6))
        #expect(handoff.to == OriginID(1), "\(play.story)")
    }

    /// However full the buffer is, and however long the few packets are that wait for room in it.
    @Test(
        "is begun at once", .timeLimit(.minutes(25)),
        arguments: ["audio.mp3", "main.mkv"])
    func atOnce(_ file: String) async throws {
        let play = try await play(file, file) { viewer in
            guard viewer.reaches(.seconds(3)) else { return }
            viewer.player.obey("migrate")
        }
        let asked = play.events.first { if case .answered = $0.kind { true } else { false } }
        let begun = play.events.first { if case .changeObserved = $0.kind { true } else { false } }
        let time = try #require(begun, "\(play.story)").time - (try #require(asked).time)
        #expect(time <= .milliseconds(50), "\(time)\n\(play.story)")
        #expect(play.summary.gapTotal == .zero && play.summary.handoffCount == 1, "\(play.story)")
    }

    /// What is left plays on while another one is asked, however long that takes beside what the buffer holds.
    @Test(
        "to an origin that takes long to answer", .timeLimit(.minutes(25)),
        arguments: [("main.mp4", "main.mp4"), ("main.mkv", "main.ts"), ("main.mp4", "other.mp4")])
    func slow(_ file: String, _ other: String) async throws {
        let isOther = other == "other.mp4"
        let expected = try await Beginnings.shared.frames(file, to: .seconds(10))
        let play = try await play(file, other, faults: ["delay=700ms"], buffer: .seconds(1), to: .seconds(10)) {
            viewer in
            guard viewer.reaches(.seconds(2)) else { return }
            try viewer.player.migrate()
        }
        if isOther {
            #expect(play.summary.error == nil && play.summary.gapTotal == .zero, "\(play.story)")
            #expect(play.summary.missing == .zero && play.summary.duplicate == .zero, "\(play.story)")
        } else {
            play.expectUnnoticed(expected)
        }
        let handoff = try play.handoff()
        #expect(handoff.to == OriginID(1) && handoff.grade == (isOther ? .frameAligned : .packetExact), "\(play.story)")
        #expect(handoff.attempts.count == 1, "\(play.story)")
        // The buffer is not what it is paid from; at a key frame what lies behind that is given up.
        #expect(isOther || handoff.bufferAfter >= .milliseconds(700), "\(play.story)")
    }

    @Test(
        "to an origin that has not answered when the one before it fails", .timeLimit(.minutes(25)),
        arguments: ["reset@50%", "close@50%", "stall@50%"])
    func failsMeanwhile(_ fault: String) async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: nil)
        let play = try await inWorld { world in
            let first = try world.origin("main.mkv", [fault], pace: nil)
            let second = try world.origin("main.mkv", ["silent"], pace: nil)
            return try world.play([first.film, second.film, Fixtures.path("main.mkv")], buffer: .seconds(1)) {
                $0.flows = .kinds([.video, .audio])
            } whilePlaying: { viewer in
                // The first is left while its last seconds come, and gives out while the second is asked.
                guard viewer.reaches(.seconds(4)) else { return }
                try viewer.player.migrate(to: OriginID(1), at: nil)
            }
        }
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffs.map(\.to) == [OriginID(2)], "\(play.story)")
    }

    @Test(
        "while the bytes of a broken connection go on elsewhere", .timeLimit(.minutes(25)),
        arguments: stride(from: 4600, through: 5600, by: 100).map { Int64($0) })
    func whileItResumes(_ milliseconds: Int64) async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: nil)
        let play = try await inWorld { world in
            let first = try world.origin("main.mkv", ["reset@50%"], pace: nil)
            let second = try world.origin("main.mkv", ["delay=300ms"], pace: nil)
            return try world.play([first.film, second.film, Fixtures.path("main.mkv")], buffer: .seconds(2)) {
                $0.flows = .kinds([.video, .audio])
            } whilePlaying: { viewer in
                guard viewer.reaches(.milliseconds(milliseconds - 1000)) else { return }
                try viewer.player.migrate()
            }
        }
        play.expectUnnoticed(expected)
    }

    /// Nothing of the place was received when the next origin was asked, and some of it when that was there.
    @Test("right behind a seek", .timeLimit(.minutes(25)), arguments: ["main.mkv", "other.mp4"])
    func behindASeek(_ other: String) async throws {
        let play = try await play("main.mkv", other, faults: ["delay=300ms"], to: .seconds(10)) { viewer in
            guard viewer.reaches(.seconds(1)) else { return }
            viewer.player.seek(to: .seconds(5))
            try viewer.player.migrate()
        }
        #expect(play.summary.error == nil && play.summary.handoffCount == 1, "\(play.story)")
        #expect(play.summary.duplicate == .zero && play.summary.missing == .zero, "\(play.story)")
        let times = play.frames.only("video").flows.first?.frames.map(\.pts) ?? []
        #expect(zip(times.dropFirst(), times).allSatisfy { $0 > $1 }, "\(times)")
    }

    @Test("a pause is heard while an origin is asked that takes long to answer", .timeLimit(.minutes(25)))
    func pausedMeanwhile() async throws {
        let expected = try await Beginnings.shared.frames("main.mp4", to: .seconds(10))
        let play = try await play(
            "main.mp4", "main.mp4", faults: ["delay=900ms"], buffer: .seconds(1), to: .seconds(10)
        ) { viewer in
            guard viewer.reaches(.seconds(2)) else { return }
            try viewer.player.migrate()
            guard viewer.reaches(.seconds(3)) else { return }
            viewer.player.pause()
            viewer.waits(.seconds(3))
            viewer.player.resume()
        }
        play.expectUnnoticed(expected)
        #expect(play.summary.origins.allSatisfy { $0.failures == 0 }, "nobody is blamed for it")
    }

    @Test(
        "at a place inside a group of pictures, nothing is missing and nothing twice", .timeLimit(.minutes(25)),
        arguments: [5000, 5040, 5080, 5120, 6960] as [Int64])
    func insideGroup(_ milliseconds: Int64) async throws {
        let npt = MediaTime.milliseconds(milliseconds)
        let expected = try await Beginnings.shared.frames("main.mp4", to: nil)
        let play = try await play("main.mp4", "main.ts") { try $0.player.migrate(at: npt) }
        play.expectUnnoticed(expected)
        let handoff = try play.handoff()
        #expect(handoff.grade == .packetExact)
        // The first of them in decode order may be one that those at the place refer to.
        for splice in handoff.flows {
            #expect(try #require(splice.firstAfter) >= npt - .milliseconds(1), "\(play.story)")
            #expect(try #require(splice.firstAfter) < npt + .milliseconds(200), "\(play.story)")
        }
    }

    @Test("now, there and back again", .timeLimit(.minutes(25)), arguments: ["main.mkv", "main.mp4", "main.ts"])
    func now(_ file: String) async throws {
        let expected = try await Beginnings.shared.frames(file, to: .seconds(8))
        let play = try await play(file, file, buffer: .seconds(1), to: .seconds(8)) { viewer in
            for time in [1, 3] as [Int64] {
                guard viewer.reaches(.seconds(time)) else { return }
                try viewer.player.migrate()
            }
        }
        play.expectUnnoticed(expected, tolerance: 0)
        #expect(play.summary.handoffs.map(\.to) == [OriginID(1), OriginID(0)], "\(play.story)")
        #expect(play.summary.handoffs.allSatisfy { $0.grade == .packetExact }, "\(play.story)")
        #expect(
            play.summary.origins.allSatisfy { $0.failures == 0 }, "nothing is wrong with an origin that is left")
    }

    @Test("to another encode: at the first key frame from the place on", .timeLimit(.minutes(25)))
    func otherEncode() async throws {
        let play = try await play("main.mp4", "other.mp4") { try $0.player.migrate(to: OriginID(1), at: .seconds(5)) }
        #expect(play.summary.error == nil && play.summary.gapTotal == .zero, "\(play.story)")
        #expect(play.summary.missing == .zero && play.summary.duplicate == .zero, "\(play.story)")
        let handoff = try play.handoff()
        #expect(handoff.grade == .frameAligned, "\(play.story)")
        // A key frame every 1.44 s. Pictures of the former encode that refer to one behind it are made anew.
        #expect(
            handoff.evidence.contains("joined at the key frame at 0:05.760, the first from 0:05.000 on"),
            "\(play.story)")
        let video = try #require(handoff.flows.first { $0.flow == 0 })
        #expect(try #require(video.firstAfter) >= .milliseconds(5000), "\(play.story)")
        let frames = play.frames.only("video").flows.first?.frames.count
        #expect(frames == 300, "\(play.story)")
    }

    /// A third one could go on, and was not named.
    @Test(
        "to an origin that cannot be joined: says so, and stays", .timeLimit(.minutes(25)),
        arguments: ["refuse", "status=404", "silent", "programme"], [true, false])
    func impossible(_ fault: String, isPlanned: Bool) async throws {
        let expected = try await Beginnings.shared.frames("main.mp4", to: nil)
        let isOther = fault == "programme"
        let play = try await play(
            "main.mp4", isOther ? "wrong.mp4" : "main.mp4", faults: isOther ? [] : [fault],
            also: [Fixtures.path("main.ts")]
        ) { viewer in
            guard viewer.reaches(.seconds(1)) else { return }
            try viewer.player.migrate(to: OriginID(1), at: isPlanned ? .seconds(6) : nil)
        }
        play.expectUnnoticed(expected, tolerance: 0)
        #expect(play.summary.handoffCount == 0, "\(play.story)")
        #expect(play.summary.warnings.contains { $0.contains("no other origin could be joined") }, "\(play.story)")
    }

    @Test("what is no origin is refused, and where it plays already it stays", .timeLimit(.minutes(25)))
    func refused() async throws {
        let taken = Guarded<[String]>([])
        let play = try await play("main.mp4", "main.mp4", to: .seconds(6)) { viewer in
            let player = viewer.player
            if (try? player.migrate(to: OriginID(2))) != nil { taken.withLock { $0.append("a number") } }
            for url in ["file:///etc/passwd", "elsewhere"] where (try? player.migrate(to: url)) != nil {
                taken.withLock { $0.append(url) }
            }
            try player.migrate(to: OriginID(0))
        }
        #expect(taken.withLock { $0 } == [])
        #expect(play.summary.error == nil && play.summary.handoffCount == 0, "\(play.story)")
        #expect(play.summary.warnings.contains { $0.contains("already") }, "\(play.story)")
    }

    @Test("to an origin that was not configured: the operator's word is enough", .timeLimit(.minutes(25)))
    func oneMore() async throws {
        let expected = try await Beginnings.shared.frames("main.mp4", to: nil)
        let (play, urls) = try await inWorld { world in
            let urls = [try world.origin("main.mp4", pace: nil).film, try world.origin("main.mp4", pace: nil).film]
            let play = try world.play([urls[0]]) {
                $0.flows = .kinds([.video, .audio])
            } whilePlaying: {
                try $0.player.migrate(to: urls[1], at: .seconds(8))
            }
            return (play, urls)
        }
        play.expectUnnoticed(expected, tolerance: 0)
        try play.expectJoined(at: .seconds(8))
        #expect(play.summary.origins.map(\.url) == urls)
    }
}
