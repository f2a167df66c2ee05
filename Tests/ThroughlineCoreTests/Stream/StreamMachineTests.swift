internal import Testing
internal import ThroughlineCore

/// What the stream machine makes of what is met, as scripts: who is made ready, when an origin is left, and who goes on.
@Suite struct StreamMachineTests {
    private func playing(_ world: StreamWorld, until seconds: Double) -> StreamWorld {
        var world = world
        world.start()
        world.play(until: seconds)
        return world
    }

    @Test("An origin that falls silent is left while the buffer holds what a handoff takes")
    func silence() {
        var world = StreamWorld(2)
        world.from(4, 0, .silent)
        world.start()
        world.play(until: 10)
        let lines = world.log.map { $0.split(separator: " ", maxSplits: 1)[1] }
        #expect(
            lines == ["open A", "A plays", "prepare B", "A is left: silence", "resume B", "let go", "B plays"],
            "\(world.transcript)")
        #expect(world.dry == .zero)
        #expect(world.played == OriginID(1))
    }

    @Test("One that comes back in time is played on, and the other let go")
    func comesBack() {
        var world = StreamWorld(2)
        world.from(4, 0, .silent)
        world.from(5.2, 0, .delivers)
        world.start()
        world.play(until: 20)
        #expect(world.played == OriginID(0), "\(world.transcript)")
        #expect(world.log.contains { $0.hasSuffix("prepare B") } && world.log.contains { $0.hasSuffix("let go") })
        #expect(world.log.contains { $0.hasSuffix("recovered") })
        #expect(world.dry == .zero)
    }

    @Test("One that delivers too little is left while it delivers")
    func slow() {
        var world = StreamWorld(2, buffer: .seconds(4))
        world.from(6, 0, .slow(40))
        world.start()
        world.play(until: 30)
        #expect(world.log.contains { $0.hasSuffix("A is left: overloaded") }, "\(world.transcript)")
        #expect(world.played == OriginID(1) && world.dry == .zero, "\(world.transcript)")
    }

    @Test("What is prepared by a session is asked for as one")
    func session() {
        var world = StreamWorld([.init(name: "A"), .init(name: "B", preparesSession: true)])
        world.from(4, 0, .silent)
        world.start()
        world.play(until: 10)
        #expect(world.log.contains { $0.hasSuffix("a session is wanted") }, "\(world.transcript)")
        #expect(!world.log.contains { $0.contains("prepare") })
        #expect(world.played == OriginID(1) && world.dry == .zero, "\(world.transcript)")
    }

    @Test("A pipe is never asked only to see")
    func readOnce() {
        var world = StreamWorld([.init(name: "A", isReadOnce: true), .init(name: "B", isReadOnce: true)]) {
            $0.failback = .healthy
        }
        world.from(4, 0, .silent)
        world.start()
        world.play(until: 60)
        #expect(!world.log.contains { $0.contains("prepare") || $0.contains("probe") }, "\(world.transcript)")
        #expect(world.played == OriginID(1), "\(world.transcript)")
    }

    @Test("The preferred origin is gone back to once it has delivered three times, and not before")
    func goingBack() {
        var world = StreamWorld(2) { $0.failback = .healthy }
        world.from(4, 0, .refuses)
        world.from(12, 0, .delivers)
        world.start()
        world.play(until: 60)
        let lines = world.log.map { $0.split(separator: " ", maxSplits: 1)[1] }
        #expect(lines.filter { $0 == "probe A" }.count >= 4, "\(world.transcript)")
        #expect(lines.filter { $0 == "go back to A" }.count == 1, "\(world.transcript)")
    }

    @Test("An origin is not asked that nobody gave")
    func stranger() {
        var world = playing(StreamWorld(2), until: 3)
        var change = StreamMachine.Change(
            ChangeEvent(cause: .redirected, detail: "", target: "http://elsewhere/film"))
        change.isPlanned = true
        world.changed(change)
        #expect(
            world.log.suffix(2).map { $0.split(separator: " ", maxSplits: 1)[1] } == [
                "replace B", "not asked: http://elsewhere/film",
            ], "\(world.transcript)")
    }

    @Test("What it had announced for later is the first to be asked when it fails before")
    func announced() {
        var world = playing(StreamWorld(3), until: 3)
        var change = StreamMachine.Change(ChangeEvent(cause: .silence, detail: ""))
        change.announced = OriginID(2)
        world.changed(change)
        #expect(world.log.last?.hasSuffix("replace C") ?? false, "\(world.transcript)")
    }

    @Test("While there is someone else to ask, no origin may take more than a third of the buffer")
    func bounds() {
        var world = playing(StreamWorld(3), until: 5)
        let first = OriginID(0)
        #expect(world.machine.bound(for: first, .seconds(3)) == .milliseconds(2500), "what a handoff leaves")
        world.changed(StreamMachine.Change(ChangeEvent(cause: .silence, detail: "")))
        #expect(world.machine.bound(for: OriginID(1), .seconds(3)) == .seconds(1))
        #expect(world.machine.bound(for: OriginID(1), .milliseconds(90)) == .milliseconds(200))
        var machine = world.machine
        _ = machine.handle(.playsOn(true), at: world.now)
        #expect(machine.bound(for: OriginID(1), .milliseconds(90)) == StreamMachine.patience, "nothing presses")
        #expect(
            machine.patience(with: OriginID(1), .milliseconds(90)) == .milliseconds(200),
            "whoever waits meanwhile waits as long as ever")
    }

    /// Origins come and go as they like: no order is given twice, a stream goes on as long as somebody delivers, and comes
    /// back to life when somebody does again.
    @Test("Whatever origins do, the stream goes on where somebody delivers", arguments: 0..<60 as Range<UInt64>)
    func random(_ seed: UInt64) {
        var chance = SeededGenerator(seed: seed)
        let count = Int.random(in: 2...4, using: &chance)
        let origins = (0..<count).map {
            StreamMachine.Origin(
                name: StreamWorld.name($0), priority: chance.chance(3) ? 1 : 0, preparesSession: chance.chance(3))
        }
        var world = StreamWorld(origins) {
            $0.failback = [.never, .next, .healthy][Int.random(in: 0..<3, using: &chance)]
            $0.giveUpAfter = .seconds(600)
        }
        for origin in 0..<count {
            var moment = Double.random(in: 2...20, using: &chance)
            while moment < 90 {
                let moods: [StreamWorld.Mood] = [.silent, .refuses, .slow(40), .slow(50)]
                world.from(moment, origin, moods[Int.random(in: 0..<4, using: &chance)])
                moment += Double.random(in: 0.1...8, using: &chance)
                world.from(moment, origin, .delivers)
                moment += Double.random(in: 1...30, using: &chance)
            }
            world.from(100, origin, .delivers)
        }
        world.start()
        world.play(until: 170)
        #expect(world.reason == nil, "\(world.transcript)")
        let before = world.dry
        world.play(until: 190)
        #expect(world.played != nil && world.dry == before && world.level > .zero, "\(world.transcript)")
    }
}
