internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// Those who take what a stream presents: they come and go while it plays, and none of them is waited for.
@Suite("In a world, lanes", .inWorlds) struct WorldLaneTests {
    /// What a consumer has had.
    private struct Had: Sendable {
        var packets: [Int: Int] = [:]
        var dropped = 0
        var firstIsKey: Bool?
        var origins: Set<Int> = []
        /// It came to its end, without an error.
        var isWhole = false

        mutating func take(_ lane: PacketLane, pause: () -> Void = {}) {
            while true {
                switch lane.next() {
                case .batch(let batch):
                    dropped += batch.dropped
                    for packet in batch {
                        if firstIsKey == nil { firstIsKey = packet.isKey && packet.flow == 0 }
                        packets[packet.flow, default: 0] += 1
                        origins.insert(packet.origin.index)
                    }
                    pause()
                case .end(let error):
                    isWhole = error == nil
                    return
                case nil: return
                }
            }
        }
    }

    /// Two origins, of which the first dies; what takes from the play beside it.
    private func play(
        _ file: String = "main.mkv", _ act: @escaping @Sendable (WorldViewer) throws -> Void
    ) async throws -> Play {
        try await inWorld { world in
            let (first, second) = (try world.origin(file), try world.origin(file))
            world.at(.seconds(5)) { first.kill() }
            return try world.play([first.film, second.film], whilePlaying: act)
        }
    }

    @Test("all that is presented comes to a lane, through a handoff", .timeLimit(.minutes(25)))
    func all() async throws {
        let expected = try await References.shared.frames("main.mkv")
        let had = Guarded(Had())
        let play = try await play { viewer in
            let lane = viewer.player.lane()
            var mine = Had()
            mine.take(lane)
            had.withLock { $0 = mine }
        }
        play.expectUnnoticed(expected, tolerance: 0)
        let mine = had.withLock { $0 }
        #expect(mine.isWhole && mine.dropped == 0 && mine.firstIsKey == true && mine.origins == [0, 1], "\(mine)")
        // It has joined with the second key frame, or the first.
        let pictures = play.summary.flows[0].packets
        #expect(mine.packets[0] ?? 0 >= pictures - 50 && mine.packets[0] ?? 0 <= pictures, "\(mine)")
    }

    @Test("one that is slow holds up nobody, and is told what it has missed", .timeLimit(.minutes(25)))
    func slow() async throws {
        let expected = try await References.shared.frames("main.mkv")
        let had = Guarded(Had())
        let play = try await play { viewer in
            let lane = viewer.player.lane(limits: LaneLimits(duration: .milliseconds(600)))
            var mine = Had()
            mine.take(lane) { viewer.waits(.milliseconds(80)) }
            #expect(lane.dropped > 0 && mine.dropped <= lane.dropped)
            had.withLock { $0 = mine }
        }
        play.expectUnnoticed(expected, tolerance: 0)
        #expect(had.withLock { $0.isWhole && $0.dropped > 0 }, "\(had.withLock { $0 })")
    }

    @Test("a recording begins with a key frame and ends when it is to", .timeLimit(.minutes(25)))
    func recording() async throws {
        let place = try TemporaryDirectory()
        let expected = try await References.shared.frames("main.mkv")
        let play = try await play { viewer in
            guard viewer.reaches(.milliseconds(3100)) else { return }
            let output = try viewer.player.join(.file(path: place.path("part.mkv")))
            guard viewer.reaches(.milliseconds(8500)) else { return }
            viewer.player.leave(output)
        }
        play.expectUnnoticed(expected, tolerance: 0)
        // From the key frame at 4 s on.
        let all = expected.only("video").flows[0].frames.map(\.hash)
        let part = try await Frames.byFFmpeg(place.path("part.mkv")).only("video").flows[0].frames.map(\.hash)
        #expect(part.count >= 100 && part.count <= 125, "\(part.count) pictures")
        // Where it ends, pictures lack that would have been decoded later and shown before.
        let whole = part.dropLast(4)
        #expect(whole.map { all.firstIndex(of: $0) ?? -1 } == Array(100..<(100 + whole.count)))
    }

    @Test("a viewer records, and records elsewhere", .timeLimit(.minutes(25)))
    func commands() async throws {
        let place = try TemporaryDirectory()
        let (first, second) = (place.path("first.mkv"), place.path("second.mkv"))
        let answers = Guarded<[ControlAnswer?]>([])
        let play = try await play { viewer in
            func says(_ line: String) { answers.withLock { $0.append(viewer.player.obey(line)) } }
            guard viewer.reaches(.seconds(1)) else { return }
            says("record off")
            says("record \(first)")
            guard viewer.reaches(.seconds(5)) else { return }
            says("record \(first)")
            says("record \(second)")
            guard viewer.reaches(.seconds(10)) else { return }
            says("record off")
        }
        let expected = try await References.shared.frames("main.mkv")
        play.expectUnnoticed(expected, tolerance: 0)
        let told = answers.withLock { $0 }
        #expect(told.map { $0?.isAccepted } == [true, true, false, true, true], "\(told)")
        #expect(told[2]?.text?.contains("exists") ?? false && told[3]?.text != nil, "\(told)")
        for path in [first, second] {
            let part = try await Frames.byFFmpeg(path).only("video").flows[0].frames
            #expect(part.count > 50, "\(path): \(part.count) pictures")
        }
    }

    @Test("a recording that is begun too late says so", .timeLimit(.minutes(25)))
    func tooLate() async throws {
        let place = try TemporaryDirectory()
        let play = try await play { viewer in
            guard viewer.reaches(.milliseconds(11_500)) else { return }
            try viewer.player.join(.file(path: place.path("late.mkv")))
        }
        #expect(play.summary.error == nil, "\(play.story)")
        #expect(play.summary.warnings.contains { $0.contains("late.mkv: nothing was written") }, "\(play.story)")
        #expect(throws: (any Error).self) { try size(of: place.path("late.mkv")) }
    }

    @Test("one that cannot be written harms nobody", .timeLimit(.minutes(25)))
    func fails() async throws {
        let expected = try await References.shared.frames("main.mkv")
        let play = try await play { viewer in
            guard viewer.reaches(.seconds(3)) else { return }
            try viewer.player.join(.file(path: "/dev/full", format: "mpegts"))
        }
        play.expectUnnoticed(expected, tolerance: 0)
        #expect(play.summary.warnings.contains { $0.contains("/dev/full") }, "\(play.story)")
    }
}
