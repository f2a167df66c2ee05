internal import DequeModule
internal import Testing
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols
internal import ThroughlineTransport

@testable internal import Throughline

/// Whole joins, from one file to another, wherever the first one ends.
@Suite(.timeLimit(.minutes(25))) struct SpliceSearchTests {
    /// What a viewer has of a flow: each packet by its payload, in order.
    private typealias Played = [[UInt64?]]

    private func open(_ name: String, expected: [FlowFormat] = []) throws -> any Ingest {
        try ByteIngest.forProbing(
            Origin(url: Fixture.path(name)), bound: .seconds(10), abort: AbortSwitch(), expected: expected)
    }

    private func note(_ packet: borrowing Packet, _ line: SpliceLine, in played: inout Played) {
        played[packet.flow].append(packet.fingerprint(form: line.form(of: packet.flow) ?? .opaque))
    }

    /// Plays a file, from some number of packets on another one.
    ///
    /// - Returns: what was played, and how they were joined; nil where the first one ended before.
    private func play(_ name: String, _ other: String?, from count: Int) throws -> (Played, SplicePlan.Result?) {
        let first = try open(name)
        let flows = first.flows
        let line = SpliceLine(flows: flows)
        let buffer = PlayoutBuffer(
            limits: PlayoutBuffer.Limits(duration: .seconds(3600), bytes: 1 << 30, packets: 1 << 20, isPaced: false))
        buffer.begin(flows.map { ($0.isSparse, $0.kind == .video && !$0.isAttachedPicture) })
        var played = Played(repeating: [], count: flows.count)
        var batch = UniqueDeque<Packet>()
        for _ in 0..<count {
            guard var packet = try first.read() ?? first.resumable?.rest() else { return (played, nil) }
            let form = first.form(of: packet.flow)
            if line.pass(&packet, form: form) {
                note(packet, line, in: &played)
                batch.append(packet)
            }
        }
        _ = buffer.push(&batch)
        guard let other else { return (played, nil) }
        let next = try open(other, expected: flows)
        let reference = SpliceReference(line, buffer, outputs: flows, flowCount: flows.count)
        let result = try SpliceSearch(next, reference, in: buffer, SpliceSearch.Terms(url: other)).join(
            line, buffer, reference, into: &batch)
        while let packet = batch.popFirst() { note(packet, line, in: &played) }
        while var packet = try next.read() ?? next.resumable?.rest() {
            let form = next.form(of: packet.flow)
            if line.pass(&packet, form: form) { note(packet, line, in: &played) }
        }
        return (played, result)
    }

    /// A prime, so that it ends everywhere in groups of pictures and between sounds.
    private static let step = 13

    @Test(
        "wherever it ends, the same encode goes on with the next packet",
        arguments: [
            ("main.mp4", "main.ts"), ("main.ts", "main.mp4"), ("main.mkv", "main.ts"), ("main.mkv", "main.mp4"),
            ("main.mp4", "main-fragmented.mp4"), ("main-fragmented.mp4", "main.ts"), ("main.mp4", "main.mkv"),
            ("hevc.mp4", "hevc.ts"), ("main.mp4", "offset.ts"),
        ])
    func wherever(name: String, other: String) throws {
        let (whole, _) = try play(name, nil, from: .max)
        let flows = try open(name).flows
        let fed = Set(FlowMapping.map(try open(other).flows, onto: flows).compactMap { $0 })
        let count = whole.reduce(0) { $0 + $1.count }
        // The last second may be all known.
        for end in stride(from: 3, to: count - 120, by: Self.step) {
            let (played, result) = try play(name, other, from: end)
            #expect(result?.grade == .packetExact, "after \(end) packets: \(result?.evidence ?? "")")
            for flow in flows where !flow.isSparse && fed.contains(flow.index) {
                let (a, b) = (whole[flow.index], played[flow.index])
                if a == b { continue }
                let place = zip(a, b).enumerated().first { $1.0 != $1.1 }?.offset ?? min(a.count, b.count)
                Issue.record("after \(end) packets: \(flow): \(b.count) of \(a.count), other from \(place) on")
            }
            if result?.grade != .packetExact { return }
        }
    }

    // MARK: - The same packets elsewhere on the timeline

    /// `edits.mp4` hides the first 3.1 s of `main.mp4` behind its edit list: the same packets stand 3.1 s earlier.
    @Test(arguments: [
        ("edits.mp4", "main.mp4"), ("edits.mp4", "main.ts"), ("main.mp4", "edits.mp4"), ("main.ts", "edits.mp4"),
    ])
    func theSamePacketsElsewhereComeOnce(name: String, other: String) throws {
        let (whole, _) = try play(name, nil, from: .max)
        let flows = try open(name).flows
        let count = whole.reduce(0) { $0 + $1.count }
        for end in stride(from: 340, to: count - 120, by: 61) {
            let (played, result) = try play(name, other, from: end)
            #expect(result?.grade == .packetExact, "after \(end) packets: \(result?.evidence ?? "")")
            for flow in flows where flow.kind == .video {
                #expect(whole[flow.index] == played[flow.index], "after \(end): \(result?.evidence ?? "")")
            }
            for flow in flows where flow.kind == .audio {
                let fingerprints = played[flow.index].compactMap(\.self)
                #expect(Set(fingerprints).count == fingerprints.count, "after \(end): \(flow) comes twice")
                #expect(abs(fingerprints.count - whole[flow.index].count) <= 3, "after \(end): \(flow)")
            }
        }
    }

    // MARK: - Another encode

    /// The times at which the pictures and sounds of a play are presented, by flow.
    private struct Presented {
        var starts: [[MediaTime]]
        var result: SplicePlan.Result?
        var isAnyLeft = true

        mutating func take(from buffer: PlayoutBuffer, atMost limit: Int) {
            var left = limit
            while left > 0 {
                var batch = UniqueDeque<Packet>()
                guard case .batch = buffer.take(into: &batch, limit: min(left, 64)) else { return }
                for index in 0..<batch.count {
                    if let pts = batch[index].pts { starts[batch[index].flow].append(pts) }
                }
                left -= batch.count
            }
        }
    }

    /// Plays so many packets of a file, and then another one, with some of them still in the buffer.
    private func present(
        _ name: String, _ other: String, from count: Int, waiting: Int, lasts duration: MediaTime? = .seconds(12)
    ) throws -> Presented {
        let first = try open(name)
        let flows = first.flows
        let line = SpliceLine(flows: flows)
        let buffer = PlayoutBuffer(
            limits: PlayoutBuffer.Limits(duration: .seconds(3600), bytes: 1 << 30, packets: 1 << 20, isPaced: false))
        buffer.begin(flows.map { ($0.isSparse, $0.kind == .video && !$0.isAttachedPicture) })
        var presented = Presented(starts: flows.map { _ in [] })
        var batch = UniqueDeque<Packet>()
        var received = 0
        while received < count {
            guard var packet = try first.read() else {
                presented.isAnyLeft = false
                return presented
            }
            received += 1
            let form = first.form(of: packet.flow)
            if line.pass(&packet, form: form) { batch.append(packet) }
        }
        _ = buffer.push(&batch)
        presented.take(from: buffer, atMost: max(0, count - waiting))
        let next = try open(other, expected: flows)
        var terms = SpliceSearch.Terms(url: other)
        terms.duration = duration
        let reference = SpliceReference(line, buffer, outputs: flows, flowCount: flows.count)
        presented.result = try SpliceSearch(next, reference, in: buffer, terms).join(
            line, buffer, reference, into: &batch)
        while var packet = try next.read() ?? next.resumable?.rest() {
            let form = next.form(of: packet.flow)
            if line.pass(&packet, form: form) { batch.append(packet) }
        }
        _ = buffer.push(&batch)
        buffer.end()
        presented.take(from: buffer, atMost: .max)
        return presented
    }

    /// The other encode's timeline is 3.1 s off: it is joined where it stands.
    @Test(arguments: [("edits.mp4", "other.mp4")])
    func anotherEncodeElsewhereIsJoinedWhereItStands(name: String, other: String) throws {
        for end in stride(from: 500, to: 800, by: 97) {
            let presented = try present(name, other, from: end, waiting: 200, lasts: nil)
            guard presented.isAnyLeft else { return }
            #expect(presented.result?.grade == .frameAligned, "after \(end): \(presented.result?.evidence ?? "")")
            let pictures = presented.starts[0].sorted()
            let steps = zip(pictures.dropFirst(), pictures).map { $0 - $1 }
            #expect(
                steps.allSatisfy { $0 > .milliseconds(20) && $0 < .milliseconds(60) },
                "after \(end): \(presented.result?.evidence ?? "")")
            // Both end with the programme.
            let expected = name == "other.mp4" ? 300 : presented.starts[0].count
            #expect(abs(presented.starts[0].count - expected) <= 1, "after \(end): \(presented.starts[0].count)")
        }
    }

    @Test(
        "wherever it ends, another encode goes on with the next picture",
        arguments: [
            ("main.mp4", "other.mp4"), ("main.ts", "other.ts"), ("main.mp4", "other.ts"), ("main.ts", "other.mp4"),
            ("other.mp4", "main.mp4"), ("main.mkv", "other.ts"), ("main.mp4", "other-opengop.mp4"),
            ("opengop.mp4", "other.mp4"),
        ])
    func anotherEncode(name: String, other: String) throws {
        for end in stride(from: 40, to: 1000, by: 37) {
            // Some three seconds wait: more than from one key frame to the next.
            let presented = try present(name, other, from: end, waiting: 350)
            guard presented.isAnyLeft else { return }
            #expect(presented.result?.grade == .frameAligned, "after \(end): \(presented.result?.evidence ?? "")")
            let pictures = presented.starts[0].sorted()
            for (number, time) in pictures.enumerated() {
                let due = MediaTime.milliseconds(40 * Int64(number))
                if (time - due).magnitude < .milliseconds(3) { continue }
                Issue.record("after \(end): picture \(number) stands at \(time): \(presented.result?.evidence ?? "")")
                break
            }
            #expect(pictures.count == 300, "after \(end): \(presented.result?.evidence ?? "")")
        }
    }
}
