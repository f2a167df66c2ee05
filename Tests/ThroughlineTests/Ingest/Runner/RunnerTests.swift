internal import DequeModule
internal import Glibc
internal import Testing
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols
internal import ThroughlineTransport

@testable internal import Throughline

/// What a runner gives its owner, and what it does for it.
@Suite(.timeLimit(.minutes(25))) struct RunnerTests {
    /// Reads a file, and does before a packet what the test says. On the runner's thread.
    private final class ScriptedIngest: IngestDouble, ByteResumable {
        private let reader: FixtureReader
        private var count = 0
        /// Before the packet of this number, from 0 on.
        var before: (Int) throws(IngestReadError) -> Void = { _ in }
        /// What it was told to do where it was to be left.
        private(set) var answers = 0
        var goesOn = false

        init() throws { reader = try FixtureReader("main.mp4") }

        var flows: [FlowFormat] { reader.flows }
        var resumable: (any ByteResumable)? { self }
        let canResume = true
        let canPrepare = false
        func carryOut(_ preparations: [SourcePreparation]) {}
        func keepWarm(_ origin: OriginID) {}
        func warmth() throws(ByteTrial.Failure) -> Bool? { nil }
        func coolDown() {}
        func compareEnds() -> EndInquiry.Verdict? { nil }
        func rest() -> Packet? { nil }
        func form(of flow: Int) -> PayloadForm { reader.form(of: flow) }
        func follow(_ answer: SourceAnswer) -> Bool {
            answers += 1
            if case .resume = answer { return goesOn }
            return false
        }

        func read() throws(IngestReadError) -> Packet? {
            try before(count)
            count += 1
            return (try? reader.read()) ?? nil
        }
    }

    /// A runner of a script, and what it gave.
    private final class Play {
        let ingest: ScriptedIngest
        let relay = RunnerRelay(ListeningSupervisor())
        let runner: Runner
        private(set) var packets = 0

        init() throws {
            ingest = try ScriptedIngest()
            runner = Runner(ingest, relay: relay, abort: AbortSwitch(), isPaced: true)
        }

        /// The next item that is none of packets, in a word.
        func next() -> String {
            while true {
                switch runner.next(until: .now + .seconds(20)) {
                case .packets(let run): packets += run.packets.count
                case .fact(let fact): return "\(fact)".prefix { $0 != "(" }.description
                case .question(.broke): return "broke?"
                case .question(.leaves(let event, let isAtOnce, let canResume)):
                    return "leaves for \(event.cause)\(isAtOnce ? " at once" : "")\(canResume ? "" : " for good")?"
                case .question: return "another question"
                case .still(.failed): return "still: failed"
                case .still(let stop): return "still: \(stop)"
                case .nothing: return "nothing"
                }
            }
        }
    }

    private static var count: Int {
        get throws {
            let reader = try FixtureReader("main.mp4")
            var count = 0
            while try reader.read() != nil { count += 1 }
            return count
        }
    }

    @Test("All packets come, and then the end; the ingest is its owner's from then on")
    func reads() throws {
        let play = try Play()
        defer { play.runner.stop() }
        play.runner.goOn()
        #expect(play.next() == "still: ended")
        #expect(try play.packets == Self.count)
        #expect(play.runner.isStill && play.runner.still === play.ingest)
    }

    @Test("What is told stands where it came about, behind the packets before it")
    func order() throws {
        let play = try Play()
        defer { play.runner.stop() }
        play.ingest.before = { [relay = play.relay] number in
            if number == 10 { relay.flowsRestarted() }
            if number == 20 { relay.mediaIsAwaited() }
            if number == 21 { relay.mediaArrived(isInBuffer: true) }
        }
        play.runner.goOn()
        #expect(play.next() == "flowsRestarted" && play.packets == 10)
        #expect(play.next() == "awaits" && play.packets == 20 && play.runner.isWaiting)
        #expect(play.next() == "arrived" && play.packets == 21 && !play.runner.isWaiting)
        #expect(play.next() == "still: ended")
    }

    @Test("Halted with nothing taken, it stands still, and what it has met is there")
    func halts() throws {
        let play = try Play()
        defer { play.runner.stop() }
        play.runner.goOn()
        #expect(play.runner.halt() && play.runner.isStill)
        #expect(play.next() == "still: parked")
        play.runner.goOn()
        #expect(play.next() == "still: ended")
        #expect(try play.packets == Self.count)
    }

    private func isReading(_ feed: RunnerFeed) -> Bool {
        let turn = Blocking { if case .read = feed.threadTurn() { true } else { false } }
        defer {
            feed.end()
            turn.join()
        }
        return !turn.isBlocked && turn.value() ?? false
    }

    @Test(
        "Nothing is read while so many packets wait, or so much that is no packet", arguments: [0, 1, 2], [0, 511, 512])
    func isBounded(runs: Int, facts: Int) throws {
        let feed = RunnerFeed()
        let status = IngestStatus(try ScriptedIngest())
        for _ in 0..<runs { feed.put(.packets(PacketRun(packets: UniqueDeque(), status: status))) }
        for _ in 0..<facts { feed.put(.fact(.flowsRestarted)) }
        #expect(isReading(feed) == (runs < 2 && runs + facts < RunnerFeed.mostItems))
    }

    @Test("It is read on once half of that is taken")
    func isReadOn() throws {
        let feed = RunnerFeed()
        for _ in 0..<RunnerFeed.mostItems { feed.put(.fact(.flowsRestarted)) }
        let turn = Blocking { if case .read = feed.threadTurn() { true } else { false } }
        #expect(turn.isBlocked)
        for _ in 0..<RunnerFeed.mostItems / 2 { _ = feed.next(until: .now) }
        #expect(turn.value() ?? false)
        turn.join()
    }

    @Test("A packet that comes in very many pieces leaves the last wait alone, however long nobody listens")
    func pieces() {
        let feed = RunnerFeed()
        for piece in 1...10_000 {
            feed.put(.fact(.awaits(.now)))
            feed.put(.fact(.arrived(.now, isInBuffer: false, bytesReceived: Int64(piece))))
        }
        var facts: [String] = []
        while feed.hasItems {
            if case .fact(let fact) = feed.next(until: .now) { facts.append("\(fact)") }
        }
        #expect(facts.count == 2 && facts[1].contains("10000"), "\(facts.count) facts, at last \(facts.suffix(2))")
    }

    @Test("Where bytes break it waits for the answer")
    func asks() throws {
        let play = try Play()
        defer { play.runner.stop() }
        let answers = Guarded<[String]>([])
        play.ingest.before = { [relay = play.relay] number in
            guard number == 7 else { return }
            let answer = relay.broke(ChangeEvent(cause: .reset, detail: "broke"), canResume: true)
            if case .resume(let origin, _) = answer { answers.withLock { $0.append("\(origin.index)") } }
        }
        play.runner.goOn()
        #expect(play.next() == "broke?" && play.packets == 7)
        play.runner.answer(.resume(OriginID(1), HedgedOpening([.init(OriginID(1), expected: .zero)], dryAt: nil)))
        #expect(play.next() == "still: ended")
        #expect(answers.withLock { $0 } == ["1"])
    }

    @Test("It is left between two packets, and stands still where its bytes go on nowhere", arguments: [true, false])
    func leaves(goesOn: Bool) throws {
        let play = try Play()
        defer { play.runner.stop() }
        play.ingest.goesOn = goesOn
        play.runner.leave(ChangeEvent(cause: .overloaded, detail: "slow"), atOnce: false)
        play.runner.goOn()
        #expect(play.next() == "leaves for overloaded?" && play.packets == 0)
        play.runner.answer(.resume(OriginID(1), HedgedOpening([.init(OriginID(1), expected: .zero)], dryAt: nil)))
        #expect(play.next() == (goesOn ? "still: ended" : "still: left"))
        #expect(play.ingest.answers == 1)
    }

    @Test(
        "Media that comes is no reason to leave for silence any more; that of one flow is another matter",
        arguments: [true, false])
    func isHeard(isAllSilent: Bool) throws {
        let play = try Play()
        defer { play.runner.stop() }
        let isTold = Guarded(false)
        play.ingest.before = { [relay = play.relay] number in
            guard number == 5 else { return }
            relay.mediaIsAwaited()
            _ = isTold.wait(until: .now + .seconds(20)) { $0 ? true : nil }
            relay.mediaArrived(isInBuffer: true)
        }
        play.runner.goOn()
        #expect(play.next() == "awaits")
        play.runner.leave(
            ChangeEvent(cause: .silence, detail: "nothing came"), atOnce: true, unlessHeard: isAllSilent)
        isTold.withLockAndWake { $0 = true }
        if isAllSilent { #expect(play.next() == "stays") }
        #expect(play.next() == "arrived")
        #expect(play.next() == (isAllSilent ? "still: ended" : "leaves for silence at once?"))
        if !isAllSilent { play.runner.answer(.close) }
    }

    @Test("Whoever waits for media is called, and told why it is to be left")
    func isCalled() throws {
        let play = try Play()
        defer { play.runner.stop() }
        let reason = Guarded<ChangeEvent?>(nil)
        play.ingest.before = { [relay = play.relay] number in
            guard number == 5 else { return }
            relay.mediaIsAwaited()
            while relay.nextLook > .now { sched_yield() }
            reason.withLock { $0 = relay.reasonToLeave() }
        }
        play.runner.goOn()
        #expect(play.next() == "awaits")
        play.runner.leave(ChangeEvent(cause: .silence, detail: "nothing came"), atOnce: true)
        #expect(play.next() == "still: ended")
        #expect(reason.withLock { $0 }?.cause == .silence)
    }

    /// An ingest that went on looking would look without end while it waits.
    @Test("Whoever waits for media is called once for what is to be prepared, whether it can prepare anything or not")
    func isCalledOnce() throws {
        let play = try Play()
        defer { play.runner.stop() }
        let isOver = Guarded<Bool?>(nil)
        play.ingest.before = { [relay = play.relay] number in
            guard number == 5 else { return }
            relay.mediaIsAwaited()
            while relay.nextLook > .now { sched_yield() }
            let reason = relay.reasonToLeave()
            isOver.withLock { $0 = reason == nil && relay.nextLook > .now }
        }
        play.runner.goOn()
        #expect(play.next() == "awaits")
        play.runner.prepare(.letGo)
        #expect(play.next() == "still: ended")
        #expect(isOver.withLock { $0 } == true)
    }

    @Test("Stopped while it asks, it is over")
    func stops() throws {
        let play = try Play()
        play.ingest.before = { [relay = play.relay] number in
            if number == 7 { _ = relay.broke(ChangeEvent(cause: .reset, detail: "broke"), canResume: true) }
        }
        play.runner.goOn()
        #expect(play.next() == "broke?")
        play.runner.stop()
        #expect(play.runner.isStill)
    }

    @Test("What is given back comes once more, before anything else")
    func givesBack() throws {
        let play = try Play()
        defer { play.runner.stop() }
        play.runner.goOn()
        var first: [MediaTime?] = []
        guard case .packets(var run) = play.runner.next(until: .now + .seconds(20)) else {
            Issue.record("no packets")
            return
        }
        for index in 0..<run.packets.count { first.append(run.packets[index].dts) }
        play.runner.giveBack(&run.packets)
        guard case .packets(let again) = play.runner.next(until: .now + .seconds(20)) else {
            Issue.record("no packets")
            return
        }
        #expect(again.packets.count == first.count)
        for index in 0..<again.packets.count { #expect(again.packets[index].dts == first[index]) }
    }
}
