internal import DequeModule
internal import Testing
internal import ThroughlineCore

@testable internal import Throughline
@testable internal import ThroughlineMedia

/// Outputs beside each other: each has its own pace, its own error and its own end. In virtual time.
@Suite(.timeLimit(.minutes(25))) struct PacerTests {
    /// What an output was given.
    struct Taken: Equatable, Sendable {
        let due: Int64
        /// Milliseconds of the world.
        let at: Int64
        /// Where its payload is.
        let payload: UInt
    }

    /// An output that keeps what it is given, and is as slow, or as broken, as it is told to be.
    final class Sink: PacketOutput, Sendable {
        struct State {
            var taken: [Taken] = []
            var isFinished = false
        }

        private let state = Guarded(State())
        private let act: @Sendable (Int) throws(OutputError) -> Void
        private let failsAtEnd: Bool
        let warnings: [String] = []

        /// - Parameter act: what it does before it takes a packet, by the number of the packet.
        init(
            failsAtEnd: Bool = false, _ act: @escaping @Sendable (Int) throws(OutputError) -> Void = { _ in }
        ) {
            (self.failsAtEnd, self.act) = (failsAtEnd, act)
        }

        var taken: [Taken] { state.withLock { $0.taken } }
        var dues: [Int64] { taken.map(\.due) }
        var isFinished: Bool { state.withLock { $0.isFinished } }

        func write(_ packet: borrowing Packet) throws(OutputError) {
            try act(state.withLock { $0.taken.count })
            let payload = packet.withPayload { UInt(bitPattern: $0.baseAddress) }
            let at = (Instant.now - World.beginning).wholeNanoseconds / 1_000_000
            let taken = Taken(due: packet.due?.milliseconds ?? -1, at: at, payload: payload)
            state.withLock { $0.taken.append(taken) }
        }

        func flush() {}
        func finish() throws(OutputError) {
            if failsAtEnd { throw OutputError(message: "no trailer") }
            state.withLock { $0.isFinished = true }
        }
    }

    /// A reader that takes nothing until it is told to.
    final class Gate: Sendable {
        private let state = Guarded<(isOpen: Bool, isStopped: Bool)>((false, false))

        func wait() throws(OutputError) {
            let isStopped = state.wait { state, _ in state.isOpen || state.isStopped ? state.isStopped : nil }
            if isStopped { throw OutputError(message: "stopped", isAborted: true) }
        }

        func open() { state.withLockAndWake { $0.isOpen = true } }
        func stop() { state.withLockAndWake { $0.isStopped = true } }
    }

    /// A play of pictures, 25 a second, through a pacer on its own thread.
    final class Playing: Sendable {
        struct State {
            var pushed = 0
            var failures: [(message: String, hadJoined: Bool, at: Int64)] = []
            var thrown: String?
            var presented = 0
        }

        let buffer: PlayoutBuffer
        let joins = OutputLanes()
        let state = Guarded(State())
        private let threads = Guarded<[WorkerThread]>([])

        /// - Parameters:
        ///   - count: of pictures; each twenty-fifth is a key frame.
        ///   - pause: after so many pictures nothing comes for ten seconds.
        ///   - joined: what is opened when something joins.
        init(
            _ outputs: [Sink], count: Int, isPaced: Bool = true, pauseAfter pause: Int? = nil, joined: Sink? = nil
        ) throws {
            buffer = PlayoutBufferTests.buffer("v", isPaced: isPaced)
            let flows = Array(try FixtureReader("main.mp4").flows.prefix(1))
            let pacer = Pacer(
                buffer: buffer, outputs: outputs, limits: OutputWriter.limits(isPaced: isPaced), joins: joins,
                open: { _, _, _ throws(OutputError) in
                    guard let joined else { throw OutputError(message: "cannot be opened") }
                    return joined
                },
                flows: flows, played: flows, from: nil, firstOut: { _ in }, firstShown: {}, batchOut: { _ in },
                outputFailed: { [state] error, hadJoined in
                    let at = (Instant.now - World.beginning).wholeNanoseconds / 1_000_000
                    state.withLock { $0.failures.append((error.message, hadJoined, at)) }
                })
            nonisolated(unsafe) let handed = pacer  // Used on its thread alone.
            let pacing = WorkerThread(name: "pacer") { [state, buffer] in
                do throws(OutputError) {
                    try handed.run()
                } catch {
                    state.withLock { $0.thrown = error.message }
                }
                // Whoever pushes is not to wait for what is presented no more.
                buffer.abort()
                handed.waitForLeaving()
                state.withLock { $0.presented = handed.presented[0].packets }
            }
            let pushing = WorkerThread(name: "pushing") { [self] in
                var batch = UniqueDeque<Packet>()
                for index in 0..<count {
                    if index == pause { PacerTests.wait(.seconds(10)) }
                    guard var packet = try? PlayoutBufferTests.packet(0, due: Int64(index) * 40) else { return }
                    packet.markKey(index % 25 == 0)
                    batch.append(packet)
                    guard batch.count == 5 || index == count - 1 || index + 1 == pause else { continue }
                    guard buffer.push(&batch) else { return }
                    state.withLock { $0.pushed = index + 1 }
                }
                buffer.end()
            }
            threads.withLock { $0 = [pacing, pushing] }
        }

        var pushed: Int { state.withLock { $0.pushed } }
        var failures: [String] { state.withLock { $0.failures.map { "\($0.message) \($0.hadJoined)" } } }
        var thrown: String? { state.withLock { $0.thrown } }

        /// Waits for its end.
        func end() {
            for thread in threads.withLock({ $0 }) { thread.join() }
        }
    }

    static func wait(_ duration: Duration) {
        _ = Guarded(()).wait(until: .now + duration) { _ -> Void? in nil }
    }

    private static func pictures(_ range: Range<Int>) -> [Int64] { range.map { Int64($0) * 40 } }

    // MARK: - Their pace

    @Test("One that hesitates delays neither the clock nor the output beside it")
    func hesitates() throws {
        try World(seed: 1).run {
            let slow = Sink { if $0 == 25 { Self.wait(.milliseconds(800)) } }
            let file = Sink()
            let playing = try Playing([slow, file], count: 100)
            playing.end()
            #expect(file.dues == Self.pictures(0..<100) && slow.dues == Self.pictures(0..<100))
            #expect(file.isFinished && slow.isFinished)
            let latest = file.taken.map { $0.at - $0.due }.max() ?? .max
            #expect(latest <= 40, "it is written \(latest) ms late")
            let delay = slow.taken.map { $0.at - $0.due }.max() ?? 0
            #expect(delay >= 700, "what was to be slow was not")
        }
    }

    @Test("One that nobody reads makes the clock wait, and little is held for it")
    func stands() throws {
        try World(seed: 1).run {
            let gate = Gate()
            let pipe = Sink { number throws(OutputError) in if number == 50 { try gate.wait() } }
            let file = Sink()
            let playing = try Playing([pipe, file], count: 500)
            Self.wait(.seconds(10))
            let (written, pushed) = (file.taken.count, playing.pushed)
            // A second waits, and the batch that goes beyond.
            #expect(written > 70 && written <= 50 + 25 + 5, "\(written) pictures were presented")
            // The buffer holds two seconds.
            #expect(pushed <= written + 50 + 5, "\(pushed) pictures were received")
            Self.wait(.seconds(10))
            #expect(file.taken.count == written && playing.pushed == pushed)
            gate.open()
            playing.end()
            #expect(file.dues == Self.pictures(0..<500) && pipe.dues == Self.pictures(0..<500))
            #expect(playing.buffer.gapCount == 0, "it is the reader's pace, and no gap")
            #expect(playing.failures.isEmpty && playing.thrown == nil)
        }
    }

    @Test("At full speed little is held for one that is slow, too")
    func standsAtFullSpeed() throws {
        try World(seed: 1).run {
            let gate = Gate()
            let pipe = Sink { _ throws(OutputError) in try gate.wait() }
            let file = Sink()
            let playing = try Playing([pipe, file], count: 10_000, isPaced: false)
            Self.wait(.seconds(1))
            let written = file.taken.count
            #expect(written > 0 && written <= 5 * Pacer.batchLimit, "\(written) pictures were presented")
            gate.open()
            playing.end()
            #expect(file.dues == Self.pictures(0..<10_000) && pipe.dues == file.dues)
        }
    }

    @Test("All have the same packets, and none a copy")
    func shared() throws {
        try World(seed: 1).run {
            let sinks = [Sink(), Sink(), Sink()]
            let playing = try Playing(sinks, count: 50)
            let lane = PacketLane(.dropToKeyFrame, LaneLimits())
            playing.joins.join(lane)
            playing.end()
            let payloads = sinks.map { $0.taken.map(\.payload) }
            #expect(payloads[0].count == 50 && Set(payloads).count == 1)
            var ofLane: [UInt] = []
            while case .batch(let batch) = lane.next(timeout: .zero) {
                ofLane += batch.map { $0.withPayload { UInt(bitPattern: $0.baseAddress) } }
            }
            #expect(!ofLane.isEmpty && ofLane == payloads[0].suffix(ofLane.count))
        }
    }

    // MARK: - Their errors

    @Test("One that fails leaves the others whole", arguments: [true, false])
    func fails(isPaced: Bool) throws {
        try World(seed: 1).run {
            let failing = Sink { number throws(OutputError) in
                if number == 60 { throw OutputError(message: "full") }
            }
            let sinks = [Sink(), failing, Sink()]
            let playing = try Playing(sinks, count: 400, isPaced: isPaced)
            playing.end()
            #expect(playing.failures == ["full false"] && playing.thrown == nil)
            #expect(failing.dues == Self.pictures(0..<60) && !failing.isFinished)
            for sink in [sinks[0], sinks[2]] { #expect(sink.dues == Self.pictures(0..<400) && sink.isFinished) }
        }
    }

    @Test("Where the last of them has failed, the stream ends with its error", arguments: [true, false])
    func allFail(isPaced: Bool) throws {
        try World(seed: 1).run {
            func sink(_ count: Int) -> Sink {
                Sink { number throws(OutputError) in
                    if number == count { throw OutputError(message: "full at \(count)") }
                }
            }
            let playing = try Playing([sink(100), sink(30)], count: isPaced ? 200 : 20_000, isPaced: isPaced)
            playing.end()
            // At full speed both have failed before the pacer looks.
            #expect(playing.failures.count == 1)
            #expect(
                Set(playing.failures + ["\(playing.thrown ?? "") false"]) == ["full at 30 false", "full at 100 false"])
            if isPaced { #expect(playing.thrown == "full at 100") }
        }
    }

    @Test("One that cannot be finished fails alone where another is whole", arguments: [true, false])
    func unfinished(_ isLast: Bool) throws {
        try World(seed: 1).run {
            let (whole, broken) = (Sink(), Sink(failsAtEnd: true))
            let playing = try Playing(isLast ? [whole, broken] : [broken, whole], count: 50)
            playing.end()
            #expect(playing.failures == ["no trailer false"] && playing.thrown == nil)
            #expect(whole.isFinished && whole.dues == Self.pictures(0..<50))
        }
    }

    @Test("Where none can be finished, the stream ends with the error of the last")
    func noneFinished() throws {
        try World(seed: 1).run {
            let playing = try Playing([Sink(failsAtEnd: true), Sink(failsAtEnd: true)], count: 50)
            playing.end()
            #expect(playing.failures == ["no trailer false"] && playing.thrown == "no trailer")
        }
    }

    @Test("A failure is told at once, though nothing is presented any more")
    func failsInAPause() throws {
        try World(seed: 1).run {
            let failing = Sink { number throws(OutputError) in
                guard number == 49 else { return }
                Self.wait(.milliseconds(300))
                throw OutputError(message: "full")
            }
            let playing = try Playing([failing, Sink()], count: 100, pauseAfter: 50)
            playing.end()
            let at = playing.state.withLock { $0.failures.first?.at } ?? .max
            #expect(at <= 50 * 40 + 400, "it is told at \(at) ms")
        }
    }

    @Test("A failure is told at once, though nobody reads the output beside it")
    func failsBesideOneThatStands() throws {
        try World(seed: 1).run {
            let gate = Gate()
            let pipe = Sink { number throws(OutputError) in if number == 10 { try gate.wait() } }
            let failing = Sink { number throws(OutputError) in
                guard number == 20 else { return }
                Self.wait(.seconds(3))
                throw OutputError(message: "full")
            }
            let playing = try Playing([pipe, failing], count: 200)
            Self.wait(.seconds(5))
            #expect(playing.failures == ["full false"])
            gate.open()
            playing.end()
            #expect(pipe.dues == Self.pictures(0..<200) && playing.thrown == nil)
        }
    }

    // MARK: - Coming and going

    @Test("One that joins begins with a key frame, and fails alone", arguments: [true, false])
    func joins(fails: Bool) throws {
        try World(seed: 1).run {
            let file = Sink()
            let joined = Sink { number throws(OutputError) in
                if fails, number == 3 { throw OutputError(message: "full") }
            }
            let playing = try Playing([file], count: 200, joined: joined)
            Self.wait(.milliseconds(3100))
            #expect(playing.joins.join(.file(path: "joined")) != nil)
            playing.end()
            #expect(file.dues == Self.pictures(0..<200))
            #expect(joined.dues == Self.pictures(100..<(fails ? 103 : 200)) && joined.isFinished == !fails)
            #expect(playing.failures == (fails ? ["full true"] : []) && playing.thrown == nil)
        }
    }

    @Test("Where one that has joined fails as the last, the stream goes on")
    func joinedAlone() throws {
        try World(seed: 1).run {
            let joined = Sink { number throws(OutputError) in
                if number == 3 { throw OutputError(message: "full") }
            }
            let playing = try Playing([], count: 200, joined: joined)
            _ = playing.joins.join(.file(path: "joined"))
            playing.end()
            #expect(playing.failures == ["full true"] && playing.thrown == nil)
            #expect(playing.state.withLock { $0.presented } == 200)
        }
    }

    @Test("One that cannot be opened is told, and harms nobody")
    func cannotBeOpened() throws {
        try World(seed: 1).run {
            let file = Sink()
            let playing = try Playing([file], count: 100)
            _ = playing.joins.join(.file(path: "joined"))
            playing.end()
            #expect(file.dues == Self.pictures(0..<100))
            #expect(playing.failures == ["cannot be opened true"] && playing.thrown == nil)
        }
    }

    @Test("Once one leaves that nobody reads, the clock goes on")
    func leaves() throws {
        try World(seed: 1).run {
            let gate = Gate()
            let pipe = Sink { number throws(OutputError) in if number == 10 { try gate.wait() } }
            let file = Sink()
            let playing = try Playing([file], count: 300, joined: pipe)
            let id = try #require(playing.joins.join(.file(path: "joined")))
            Self.wait(.seconds(10))
            let written = file.taken.count
            #expect(written < 50)
            playing.joins.leave(id)
            Self.wait(.seconds(5))
            #expect(file.taken.count > written + 100)
            gate.open()
            playing.end()
            #expect(file.dues == Self.pictures(0..<300))
            // What it was given before it left is written.
            #expect(pipe.isFinished && pipe.dues == Self.pictures(0..<pipe.taken.count) && pipe.taken.count > 30)
        }
    }

    @Test("A stop while one is waited for loses nothing of what the other was given")
    func stops() throws {
        try World(seed: 1).run {
            let gate = Gate()
            let pipe = Sink { number throws(OutputError) in if number == 50 { try gate.wait() } }
            let file = Sink { if $0 == 60 { Self.wait(.milliseconds(500)) } }
            let playing = try Playing([pipe, file], count: 500)
            Self.wait(.milliseconds(2600))
            gate.stop()
            playing.buffer.abort()
            let began = Instant.now
            playing.end()
            #expect(Instant.now - began <= .milliseconds(600))
            let presented = playing.state.withLock { $0.presented }
            #expect(presented > 60 && file.dues == Self.pictures(0..<presented) && file.isFinished)
            #expect(!pipe.isFinished)
        }
    }
}
