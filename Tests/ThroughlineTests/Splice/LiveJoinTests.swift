internal import DequeModule
internal import Testing
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols

@testable internal import Throughline

/// A live stream, of which nobody knows where it ends, that breaks and is joined again: in virtual time.
@Suite(.timeLimit(.minutes(25))) struct LiveJoinTests {
    private final class Clock {
        var now = Instant(nanoseconds: 1_000_000_000_000)
    }

    /// A file as a camera sends it: as fast as it is played, or for some time at once.
    private final class Camera: IngestDouble {
        private let reader: FixtureReader
        private let clock: Clock
        private let ahead: MediaTime
        private let displacement: MediaTime
        private var first: (time: MediaTime, at: Instant)?
        private var wanted: [Bool]

        /// - Parameters:
        ///   - start: where in the file it begins, at the key frame before.
        ///   - displacement: what is added to the times of the file.
        ///   - ahead: so much comes at once.
        init(
            _ name: String, from start: MediaTime = .zero, displacement: MediaTime = .zero, ahead: MediaTime = .zero,
            clock: Clock
        ) throws {
            reader = try FixtureReader(name)
            if start > .zero { try reader.demuxer.seek(to: start) }
            (self.clock, self.ahead, self.displacement) = (clock, ahead, displacement)
            wanted = reader.flows.map { _ in true }
        }

        var flows: [FlowFormat] { reader.flows }
        let traits = IngestTraits(container: "double", isRealtime: true)
        let timeline = Timeline(.live, flowsCountApart: true)
        func select(_ isWanted: (FlowFormat) -> Bool) { wanted = flows.map(isWanted) }
        func form(of flow: Int) -> PayloadForm { reader.form(of: flow) }

        func read() throws(IngestReadError) -> Packet? {
            while var packet = try? reader.read() {
                guard packet.flow < wanted.count, wanted[packet.flow] else { continue }
                if let dts = packet.dts {
                    let start = first ?? (dts, clock.now)
                    first = start
                    let due = start.at + (dts - start.time - ahead).duration
                    clock.now = max(clock.now, due)
                }
                packet.move(by: displacement)
                return packet
            }
            return nil
        }
    }

    private struct Outcome {
        var result: SplicePlan.Result
        /// Packets by their payload, by flow, before the join and behind it.
        var before: [[UInt64?]]
        var after: [[UInt64?]]
        var splices: [FlowSplice]
    }

    /// Plays so many packets of `main.mp4`, and goes on with a camera, after three seconds without one.
    private func join(
        after count: Int, isSameOrigin: Bool = true, expects duration: MediaTime? = nil,
        _ camera: (_ last: MediaTime, Clock) throws -> Camera
    ) throws -> Outcome {
        let clock = Clock()
        let first = try Camera("main.mp4", clock: clock)
        let flows = first.flows
        let line = SpliceLine(flows: flows)
        let buffer = PlayoutBuffer(
            limits: PlayoutBuffer.Limits(duration: .seconds(3600), bytes: 1 << 30, packets: 1 << 20, isPaced: false))
        buffer.begin(flows.map { ($0.isSparse, $0.kind == .video && !$0.isAttachedPicture) })
        var batch = UniqueDeque<Packet>()
        var before: [[UInt64?]] = flows.map { _ in [] }
        var last: MediaTime = .zero
        for _ in 0..<count {
            guard var packet = try first.read() else { break }
            let form = first.form(of: packet.flow)
            guard line.pass(&packet, form: form) else { continue }
            before[packet.flow].append(packet.fingerprint(form: form))
            last = max(last, packet.dts ?? .zero)
            batch.append(packet)
        }
        _ = buffer.push(&batch)
        let broke = clock.now
        clock.now = clock.now + .seconds(3)
        let next = try camera(last, clock)
        var terms = SpliceSearch.Terms(url: "camera")
        (terms.duration, terms.lastArrival, terms.isSameOrigin) = (duration, broke, isSameOrigin)
        terms.clock = { clock.now }
        let reference = SpliceReference(line, buffer, outputs: flows, flowCount: flows.count)
        let result = try SpliceSearch(next, reference, in: buffer, terms).join(line, buffer, reference, into: &batch)
        var after: [[UInt64?]] = flows.map { _ in [] }
        while let packet = batch.popFirst() {
            after[packet.flow].append(packet.fingerprint(form: line.form(of: packet.flow) ?? .opaque))
        }
        for _ in 0..<200 {
            guard var packet = try next.read() else { break }
            let form = next.form(of: packet.flow)
            guard line.pass(&packet, form: form) else { continue }
            after[packet.flow].append(packet.fingerprint(form: form))
        }
        let splices = line.splices.filter { !flows[$0.flow].isSparse }
        return Outcome(result: result, before: before, after: after, splices: splices)
    }

    private func expectNewTimeline(_ outcome: Outcome, misses least: Duration) {
        #expect(outcome.result.grade == .liveEdge, "\(outcome.result.evidence)")
        #expect(outcome.result.evidence.contains("begun anew"), "\(outcome.result.evidence)")
        #expect(outcome.result.evidence.contains("by the clock on the wall"), "\(outcome.result.evidence)")
        #expect(outcome.splices.count == 3)
        for splice in outcome.splices {
            #expect(splice.grade == .liveEdge && splice.matched == 0 && splice.duplicate == .zero, "\(splice)")
            #expect(splice.missing.duration >= least, "\(splice)")
            #expect(splice.missing.duration < least + .seconds(2), "\(splice)")
        }
    }

    @Test(
        "a camera that shows something else after it has begun anew is another timeline, whatever its times",
        arguments: [0, 5000, 100_000])
    func showsSomethingElse(displacement: Int64) throws {
        let outcome = try join(after: 600) { _, clock in
            try Camera("wrong.mp4", displacement: .milliseconds(displacement), clock: clock)
        }
        expectNewTimeline(outcome, misses: .seconds(3))
    }

    /// Test pictures begin with the first again.
    @Test("one that plays the same again, as fast as before, is another timeline", arguments: [0, 4321])
    func playsTheSameAgain(displacement: Int64) throws {
        let outcome = try join(after: 600) { _, clock in
            try Camera("main.mp4", displacement: .milliseconds(displacement), clock: clock)
        }
        expectNewTimeline(outcome, misses: .seconds(3))
        #expect(outcome.after[0].first == outcome.before[0].first, "nothing of it is taken for what the viewer has")
    }

    @Test("one that sends at once what it keeps since the last key frame goes on with the next packet")
    func goesOn() throws {
        let outcome = try join(after: 600) { last, clock in
            try Camera(
                "main.mp4", from: last - .seconds(1), displacement: .seconds(50), ahead: .seconds(6), clock: clock)
        }
        #expect(outcome.result.grade == .packetExact, "\(outcome.result.evidence) \(outcome.splices)")
        let whole = try FixtureReader("main.mp4")
        var pictures: [UInt64?] = []
        while let packet = try whole.read() {
            if packet.flow == 0 { pictures.append(packet.fingerprint(form: whole.form(of: 0))) }
        }
        let played = outcome.before[0] + outcome.after[0]
        #expect(played == Array(pictures.prefix(played.count)))
        #expect(outcome.splices.allSatisfy { $0.missing == .zero && $0.duplicate == .zero && $0.matched > 0 })
    }

    @Test("another camera that shows something else is refused") func anotherCamera() {
        #expect(throws: SpliceSearch.Failure.self) {
            _ = try join(after: 600, isSameOrigin: false) { _, clock in try Camera("wrong.mp4", clock: clock) }
        }
    }
}
