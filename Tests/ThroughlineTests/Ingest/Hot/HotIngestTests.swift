internal import Glibc
internal import Testing
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols
internal import ThroughlineTransport

@testable internal import Throughline

/// An ingest that is read ahead, over a file: what a join reads from memory, and what is read once it is played.
@Suite(.timeLimit(.minutes(25))) struct HotIngestTests {
    private static let file = Fixture.path("main.mp4")

    /// A standby that begins at an NPT, beside a primary that is where the test says.
    private final class World: Sendable {
        let primary: Guarded<StandbyWindow.Primary?>
        let abort = AbortSwitch()

        init(received: NPT) {
            primary = Guarded(
                StandbyWindow.Primary(
                    received: received, overlap: received - .milliseconds(100), picture: received - .seconds(1)))
        }

        private static var request: IngestRequest {
            var request = IngestRequest(origin: OriginID(0))
            request.isPaced = true
            return request
        }

        func standby(at begin: NPT, isRealtime: Bool = false) throws -> HotIngest {
            let origin = Origin(url: HotIngestTests.file)
            let relay = RunnerRelay(ProbeSupervisor([origin], bound: .seconds(5)))
            let supervisor = StandbySupervisor(relay, bound: .seconds(5))
            let ingest = try ByteIngest(Self.request, supervisor: supervisor, abort: abort)
            if begin > .zero { try ingest.seek(to: begin) }
            let window = StandbyWindow(
                isSparse: ingest.flows.map(\.isSparse), pictures: 0, isRealtime: isRealtime,
                isFromStart: begin == .zero, at: .now)
            let buffer = PlayoutBuffer(
                limits: PlayoutBuffer.Limits(duration: .seconds(1), bytes: 1 << 20, packets: 100, isPaced: true))
            return HotIngest(
                ingest, supervisor: supervisor, relay: relay, abort: abort, window: window,
                proof: StandbyProof(buffer: buffer, played: []) { [] }, url: "the standby",
                outlook: { [primary] in primary.withLock { $0 } }, changed: {})
        }
    }

    /// A packet as it can be told from all others.
    private struct Mark: Hashable {
        let flow: Int
        let pts: MediaTime?
        let bytes: Int
    }

    private func marks(_ ingest: any Ingest, limit: Int = .max) throws -> [Mark] {
        var marks: [Mark] = []
        while marks.count < limit, let packet = try ingest.read() {
            marks.append(Mark(flow: packet.flow, pts: packet.pts, bytes: packet.byteCount))
        }
        return marks
    }

    /// All of the file from a key frame on.
    private func reference(from begin: NPT) throws -> [Mark] {
        let ingest = try ByteIngest.forProbing(Origin(url: Self.file), bound: .seconds(5), abort: AbortSwitch())
        if begin > .zero { try ingest.seek(to: begin) }
        return try marks(ingest)
    }

    @Test(
        "A join reads the same from memory as often as it likes, and what is played goes on there", arguments: [0, 4])
    func joins(begin: Int64) throws {
        let begin = NPT.seconds(begin)
        let expected = try reference(from: begin)
        let world = World(received: begin + .seconds(1))
        let hot = try world.standby(at: begin)
        hot.take(at: nil)
        try hot.seek(to: begin, anyPacket: false)
        let first = try marks(hot, limit: 60)
        let beginning = try #require(first.first.flatMap { expected.firstIndex(of: $0) })
        #expect(first == Array(expected[beginning..<(beginning + 60)]))
        #expect(first.prefix(10).contains { $0.flow == 0 && $0.pts == begin }, "the key frame")
        try hot.seek(to: begin + .milliseconds(500), anyPacket: true)
        let later = try marks(hot, limit: 20)
        let place = try #require(later.first.flatMap { expected.firstIndex(of: $0) })
        #expect(place > beginning && place < 90)
        #expect(later == Array(expected[place..<(place + 20)]))
        hot.opened()
        let rest = try marks(hot)
        #expect(rest == Array(expected[(place + 20)...]), "\(rest.count) of \(expected.count)")
        #expect(!hot.hasFailed && hot.openingFailure == nil)
    }

    @Test("What is not here is asked for, before it is played and later")
    func elsewhere() throws {
        let expected = try reference(from: .seconds(2))
        let world = World(received: .seconds(7))
        let hot = try world.standby(at: .seconds(6))
        hot.take(at: nil)
        try hot.seek(to: .seconds(2), anyPacket: false)
        #expect(try marks(hot, limit: 40) == Array(expected.prefix(40)))
        hot.opened()
        #expect(try marks(hot, limit: 40) == Array(expected[40..<80]))
        try hot.seek(to: .seconds(2), anyPacket: false)
        #expect(try marks(hot) == expected)
    }

    @Test("Flows that are not wanted are left out, from memory and later")
    func selection() throws {
        let expected = try reference(from: .zero).filter { $0.flow == 0 }
        let hot = try World(received: .seconds(1)).standby(at: .zero)
        hot.take(at: nil)
        hot.select { $0.index == 0 }
        try hot.seek(to: .zero, anyPacket: false)
        let first = try marks(hot, limit: 10)
        hot.opened()
        #expect(try first + marks(hot) == expected)
    }

    @Test("It reads no further than a little ahead of the primary, and drops what nobody needs")
    func bounded() throws {
        let world = World(received: .seconds(1))
        let hot = try world.standby(at: .zero)
        func waits(_ isIt: () -> Bool) -> Bool {
            let deadline = Instant.now + .seconds(20)
            // The standby's own pace: nothing tells when it has looked.
            while !isIt(), Instant.now < deadline { _ = hot.feed.waitForEnd(atMost: .milliseconds(5)) }
            return isIt()
        }
        let primary = StandbyWindow.Primary(
            received: .seconds(1), overlap: .milliseconds(900), picture: .zero)
        #expect(waits { hot.feed.isReady(primary) })
        let few = hot.feed.received.packets
        #expect(few > 30 && few < 300)
        world.primary.withLock {
            $0 = StandbyWindow.Primary(received: .seconds(8), overlap: .milliseconds(7900), picture: .seconds(6))
        }
        #expect(waits { hot.feed.received.packets > few * 3 && hot.feed.start ?? .zero >= .milliseconds(5000) })
        // The file is not read to its end.
        #expect(hot.feed.waitForEnd(atMost: .zero) == nil)
    }

    @Test("Let go in the middle of it, its thread ends at once")
    func letGo() throws {
        let hot = try World(received: .seconds(1)).standby(at: .zero)
        weak let feed = hot.feed
        #expect(feed != nil)
        withExtendedLifetime(hot) {}
    }

    /// An ingest of which comes what the test says.
    private final class StubIngest: IngestDouble {
        typealias Read = () throws(IngestReadError) -> Packet?

        private let abort: AbortSwitch
        private let next: Read
        private var hasFailed = false
        var condition: IngestCondition { IngestCondition(hasFailed: hasFailed, deliversStill: !hasFailed) }

        /// It is being read.
        let isRead = Guarded(false)

        init(
            abort: AbortSwitch, flows: [FlowFormat] = [], interrupter: (@Sendable () -> Void)? = nil,
            next: @escaping Read
        ) {
            self.abort = abort
            self.flows = flows
            self.interrupter = interrupter
            self.next = next
        }

        let flows: [FlowFormat]
        let interrupter: (@Sendable () -> Void)?
        func read() throws(IngestReadError) -> Packet? {
            isRead.withLockAndWake { $0 = true }
            if !abort.isAborted, let packet = try next() { return packet }
            hasFailed = abort.isAborted
            return nil
        }
    }

    private let primary = StandbyWindow.Primary(received: .seconds(1), overlap: .seconds(1), picture: .zero)

    /// A standby that is being read.
    private func standby(
        _ ingest: sending StubIngest, abort: AbortSwitch, session: any SourceSupervisor
    ) -> HotIngest {
        let buffer = PlayoutBuffer(
            limits: PlayoutBuffer.Limits(duration: .seconds(1), bytes: 1 << 20, packets: 100, isPaced: true))
        let (isRead, isSparse) = (ingest.isRead, ingest.flows.isEmpty ? [false] : ingest.flows.map(\.isSparse))
        let relay = RunnerRelay(session)
        let hot = HotIngest(
            ingest, supervisor: StandbySupervisor(relay, bound: .seconds(5)), relay: relay, abort: abort,
            window: StandbyWindow(isSparse: isSparse, pictures: nil, isRealtime: false, at: .now),
            proof: StandbyProof(buffer: buffer, played: []) { [] }, url: "the standby",
            outlook: { [primary] in primary },
            changed: {})
        #expect(isRead.wait(until: .now + .seconds(20)) { $0 ? true : nil } ?? false)
        return hot
    }

    private func expectSilence(_ hot: HotIngest) throws {
        do throws(IngestReadError) {
            _ = try hot.read()
            Issue.record("it has ended")
        } catch {
            guard case .changed(let event) = error else { throw error }
            #expect(event.cause == .silence)
        }
    }

    @Test("Where nothing comes, what is asked for elsewhere is the failure of its origin, and not the end")
    func silent() throws {
        let abort = AbortSwitch()
        let ingest = StubIngest(abort: abort) {
            while !abort.isAborted { usleep(1000) }
            return nil
        }
        let session = ProbeSupervisor([Origin(url: "silence")], bound: .milliseconds(50))
        let hot = standby(ingest, abort: abort, session: session)
        hot.take(at: primary)
        #expect(hot.traits.standby == .warm, "it is not in step")
        hot.opened()
        try hot.seek(to: .seconds(3), anyPacket: false)
        try expectSilence(hot)
    }

    @Test("So it is where the thread comes back in order after all, but too late")
    func comesBackTooLate() throws {
        let abort = AbortSwitch()
        let ingest = StubIngest(
            abort: abort, interrupter: {},
            next: { () throws(IngestReadError) in
                while !abort.isAborted { usleep(1000) }
                throw .interrupted
            })
        let session = ProbeSupervisor([Origin(url: "late")], bound: .milliseconds(50))
        let hot = standby(ingest, abort: abort, session: session)
        hot.take(at: primary)
        hot.opened()
        try hot.seek(to: .seconds(3), anyPacket: false)
        try expectSilence(hot)
    }

    @Test("A thread that has its turn a little late has as much time as any origin")
    func comesBackLate() throws {
        let abort = AbortSwitch()
        let isInterrupted = Guarded(false)
        let ingest = StubIngest(
            abort: abort, interrupter: { isInterrupted.withLockAndWake { $0 = true } },
            next: { () throws(IngestReadError) in
                _ = isInterrupted.wait(until: .now + .seconds(20)) { $0 ? () : nil }
                usleep(300_000)
                throw .interrupted
            })
        let hot = standby(
            ingest, abort: abort, session: ProbeSupervisor([Origin(url: "late")], bound: .seconds(20)))
        hot.take(at: primary)
        hot.opened()
        try hot.seek(to: .seconds(3), anyPacket: false)
        #expect(!abort.isAborted && !hot.hasFailed)
    }

    @Test("What comes after a wait that was interrupted ends it")
    func interruptedWait() throws {
        let abort = AbortSwitch()
        let mayCome = Guarded(false)
        let session = ListeningSupervisor()
        let reader = try FixtureReader("main.mp4")
        let ingest = StubIngest(abort: abort, flows: reader.flows) {
            _ = mayCome.wait(until: .now + .seconds(20)) { $0 ? () : nil }
            return try? reader.read()
        }
        let hot = standby(ingest, abort: abort, session: session)
        hot.take(at: primary)
        hot.opened()
        session.awaited = { [interrupt = hot.interrupter] in interrupt?() }
        do throws(IngestReadError) {
            _ = try hot.read()
            Issue.record("something came")
        } catch {
            guard case .interrupted = error else { throw error }
        }
        session.awaited = {}
        #expect(session.isWaiting)
        mayCome.withLockAndWake { $0 = true }
        #expect(hot.feed.waitForEnd(atMost: .seconds(20)) != nil)
        #expect(try hot.read() != nil)
        #expect(!session.isWaiting)
    }

    @Test("One that was read to its end can be gone back in, by a join and by the viewer")
    func ended() throws {
        let expected = try reference(from: .zero)
        let later = try reference(from: .seconds(2))
        let world = World(received: .zero)
        world.primary.withLock { $0 = nil }
        let hot = try world.standby(at: .zero, isRealtime: true)
        #expect(hot.feed.waitForEnd(atMost: .seconds(20)) != nil)
        hot.take(at: nil)
        try hot.seek(to: .zero, anyPacket: false)
        let first = try marks(hot)
        let place = try #require(first.first.flatMap { expected.firstIndex(of: $0) })
        #expect(first == Array(expected[place...]) && place < 10)
        try hot.seek(to: .zero, anyPacket: false)
        #expect(try marks(hot, limit: 40) == Array(first.prefix(40)))
        hot.opened()
        #expect(try marks(hot) == Array(first.dropFirst(40)))
        try hot.seek(to: .seconds(2), anyPacket: false)
        #expect(try marks(hot) == later)
        #expect(!hot.hasFailed)
    }
}
