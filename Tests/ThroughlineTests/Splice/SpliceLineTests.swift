internal import DequeModule
internal import Testing
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols

@testable internal import Throughline

/// One continuous timeline out of two origins, on real files.
@Suite(.timeLimit(.minutes(25))) struct SpliceLineTests {
    /// A packet as it left the line.
    struct Out: Equatable {
        let flow: Int
        let pts: MediaTime?
        let dts: MediaTime?
        let fingerprint: UInt64?
    }

    /// Reads one file until so many packets have passed, and goes on with another.
    final class Journey {
        let line: SpliceLine
        let flows: [FlowFormat]
        var out: [Out] = []
        var packets = UniqueDeque<Packet>()
        private var traces: [[PacketTrace]]

        init(_ name: String, packets count: Int) throws {
            let reader = try FixtureReader(name)
            flows = reader.flows
            line = SpliceLine(flows: flows)
            traces = flows.map { _ in [] }
            while out.count < count, var packet = try reader.read() {
                let form = reader.form(of: packet.flow)
                if line.pass(&packet, form: form) { take(packet) }
            }
        }

        private func take(_ packet: consuming Packet) {
            let fingerprint = packet.fingerprint(form: line.form(of: packet.flow) ?? .opaque)
            traces[packet.flow].append(packet.trace(fingerprint: fingerprint))
            out.append(Out(flow: packet.flow, pts: packet.pts, dts: packet.dts, fingerprint: fingerprint))
            packets.append(packet)
        }

        /// Joins another file packet-exact and reads it to its end.
        func goOn(with name: String) throws -> PacketAligner.Status {
            let reader = try FixtureReader(name)
            let mapping = FlowMapping.map(reader.flows, onto: flows)
            let fed = Set(mapping.compactMap { $0 })
            let tails = flows.map {
                FlowTail(
                    packets: traces[$0.index].suffix(64), isSparse: $0.isSparse,
                    isEssential: $0.kind == .video && fed.contains($0.index))
            }
            let position = tails.filter { !$0.isSparse }.compactMap(\.end).min() ?? .zero
            try reader.demuxer.seek(to: max(.zero, position - .milliseconds(300)), anyPacket: true)
            var aligner = PacketAligner(tails: tails, timeline: Timeline(.fromStart))
            var staged = UniqueDeque<Packet>()
            while aligner.status == .searching, let packet = try reader.read() {
                guard let output = mapping[packet.flow] else { continue }
                let fingerprint = packet.fingerprint(form: reader.form(of: packet.flow))
                aligner.arrived(packet.trace(fingerprint: fingerprint), flow: output)
                staged.append(packet)
            }
            guard aligner.status == .aligned else { return aligner.status }
            line.adopt(
                reader.flows, mapping: mapping, gates: flows.map { _ in .aligner }, aligner: aligner,
                ends: tails.map(\.end), isOtherEncode: false)
            while !staged.isEmpty {
                var packet = staged.removeFirst()
                if line.pass(&packet, form: reader.form(of: packet.flow)) { take(packet) }
            }
            while var packet = try reader.read() {
                if line.pass(&packet, form: reader.form(of: packet.flow)) { take(packet) }
            }
            return aligner.status
        }
    }

    @Test("pictures that lead up to a range stand just before it, and sound that does is dropped")
    func leadsUp() throws {
        let reader = try FixtureReader("main.mkv")
        let line = SpliceLine(flows: reader.flows)
        line.restart()
        var counts = reader.flows.map { _ in 0 }
        var out = UniqueDeque<Packet>()
        var fingerprints: [UInt64?] = []
        while out.count < 40, var packet = try reader.read() {
            let flow = packet.flow
            counts[flow] += 1
            if counts[flow] <= 13 { (packet.pts, packet.dts) = (nil, nil) }
            let form = reader.form(of: flow)
            if flow == 0 { fingerprints.append(packet.fingerprint(form: form)) }
            guard line.pass(&packet, form: form, mayLeadUp: true) else { continue }
            let (before, held) = (out.count, flow == 0 && counts[flow] == 14)
            #expect((line.takeLeadIn(into: &out) > 0) == held)
            #expect(out.count - before == (held ? 13 : 0))
            out.append(packet)
        }
        var times: [MediaTime] = []
        var shown: [UInt64?] = []
        for index in 0..<out.count where out[index].flow == 0 {
            let (pts, dts) = (out[index].pts, out[index].dts)
            times.append(try #require(dts))
            #expect(try #require(pts) >= times[times.count - 1])
            shown.append(out[index].fingerprint(form: reader.form(of: 0)))
        }
        #expect(shown == Array(fingerprints.prefix(shown.count)) && shown.count > 14)
        #expect(zip(times, times.dropFirst()).allSatisfy { $0 < $1 })
        #expect(times[13] - times[0] == .milliseconds(13), "all stand just before the first that has a time")
        for index in 0..<out.count where out[index].flow != 0 {
            let pts = out[index].pts
            #expect(try #require(pts) > .milliseconds(200))
        }
    }

    /// A join by time that was wrong by so much: what the viewer has had does not come again, and what did is counted.
    @Test(arguments: [0, 1300, 5000] as [Int64])
    func whatWasDeliveredIsNotDeliveredAgain(_ error: Int64) throws {
        let journey = try Journey("main.mp4", packets: 700)
        let (line, flows) = (journey.line, journey.flows)
        var delivered = flows.map { _ in Set<UInt64>() }
        for out in journey.out { if let fingerprint = out.fingerprint { delivered[out.flow].insert(fingerprint) } }
        let reader = try FixtureReader("main.mkv")
        let mapping = FlowMapping.map(reader.flows, onto: flows)
        let anywhere = SpliceLine.Gate.from(MediaTime(flicks: .min / 2), tolerance: .zero)
        line.adopt(
            reader.flows, mapping: mapping, gates: flows.map { _ in anywhere }, aligner: nil,
            ends: flows.map { _ in nil },
            isOtherEncode: false)
        // Two seconds before the end of what was received.
        try reader.demuxer.seek(to: .seconds(2))
        var repeated = flows.map { _ in 0 }
        var fresh = flows.map { _ in 0 }
        while var packet = try reader.read() {
            packet.move(by: .milliseconds(error))
            guard line.pass(&packet, form: reader.form(of: packet.flow)) else { continue }
            let form = line.form(of: packet.flow) ?? .opaque
            guard let fingerprint = packet.fingerprint(form: form) else { continue }
            if delivered[packet.flow].contains(fingerprint) {
                repeated[packet.flow] += 1
            } else {
                fresh[packet.flow] += 1
            }
        }
        for flow in flows where !flow.isSparse {
            #expect(repeated[flow.index] <= 2, "two may be alike by chance")
            let whole = flow.kind == .video ? 300 : flow.index == 1 ? 564 : 518
            #expect(abs(delivered[flow.index].count + fresh[flow.index] - whole) <= 1)
            #expect((line.duplicate(of: flow.index) > .zero) == (repeated[flow.index] > 0))
        }
    }

    static let containers = ["main.mp4", "main-faststart.mp4", "main-fragmented.mp4", "main.ts", "main.mkv"]

    @Test(arguments: containers, containers)
    func theSameEncodeGoesOnWithoutASeam(_ first: String, _ second: String) throws {
        let whole = try Journey(first, packets: .max)
        // Wherever it breaks: in mid-group, at a key frame, near the start, near the end.
        for count in [40, 217, 600, 850, 1333] {
            let journey = try Journey(first, packets: count)
            #expect(try journey.goOn(with: second) == .aligned, "\(first) to \(second) after \(count)")
            for flow in journey.flows where !flow.isSparse {
                let (expected, actual) = (
                    whole.out.filter { $0.flow == flow.index }, journey.out.filter { $0.flow == flow.index }
                )
                #expect(
                    actual.map(\.fingerprint) == expected.map(\.fingerprint),
                    "\(first) to \(second) after \(count): \(flow)")
                let worst = zip(actual, expected).compactMap { a, b in
                    a.pts.flatMap { a in b.pts.map { (a - $0).magnitude } }
                }.max()
                #expect(try #require(worst) <= .milliseconds(2), "\(first) to \(second) after \(count): \(flow)")
                let decodes = actual.compactMap(\.dts)
                #expect(zip(decodes, decodes.dropFirst()).allSatisfy { $0 < $1 })
            }
            // Of a flow that had ended already there is nothing new to settle it.
            #expect(journey.line.isSettled || count > 1000)
            #expect(
                journey.line.splices.filter { $0.flow < 3 }.allSatisfy { $0.missing == .zero && $0.duplicate == .zero })
        }
    }

    @Test(arguments: [("main.mp4", "main.ts"), ("main.ts", "main.mkv"), ("main.mkv", "main.mp4")])
    func theDecoderNoticesNothing(_ first: String, _ second: String) throws {
        let journey = try Journey(first, packets: 700)
        _ = try journey.goOn(with: second)
        let flow = try #require(journey.flows.first { $0.kind == .video })
        let decoder = try Decoder(flow: flow)
        var times: [Int64] = []
        func see(_ frame: borrowing DecodedFrame) { times.append(frame.pts?.milliseconds ?? -1) }
        while !journey.packets.isEmpty {
            let packet = journey.packets.removeFirst()
            if packet.flow == flow.index { decoder.decode(packet) { see($0) } }
        }
        decoder.drain { see($0) }
        #expect(decoder.errorCount == 0)
        #expect(times.count == 300)
        #expect(zip(times, 0..<300).allSatisfy { abs($0 - Int64($1) * 40) <= 2 })
    }

    @Test(arguments: ["other.mp4", "other.ts", "wrong.mp4"])
    func anotherEncodeIsNotJoinedPacketByPacket(_ second: String) throws {
        for count in [3, 10, 217, 850] {
            let journey = try Journey("main.mp4", packets: count)
            let status = try journey.goOn(with: second)
            #expect(status != .aligned, "after \(count)")
        }
    }

    @Test func aContainerWithFewerFlowsFeedsThoseItHas() throws {
        let journey = try Journey("main.mp4", packets: 700)
        #expect(try journey.goOn(with: "offset.ts") == .aligned)
        #expect(journey.out.count { $0.flow == 0 } == 300)
        #expect(journey.out.count { $0.flow == 2 } == 518)
        #expect(journey.out.count { $0.flow == 1 } < 564)
        #expect(journey.line.isSettled)
    }

    @Test func theFirstIngestPassesAsItIs() throws {
        let reader = try FixtureReader("main.mp4")
        let line = SpliceLine(flows: reader.flows)
        var count = 0
        while var packet = try reader.read() {
            let (flow, pts, dts, size) = (packet.flow, packet.pts, packet.dts, packet.byteCount)
            #expect(line.pass(&packet, form: reader.form(of: flow)))
            #expect(packet.flow == flow && packet.pts == pts && packet.dts == dts && packet.byteCount == size)
            count += 1
        }
        #expect(count == 1392)
        #expect(line.splices.isEmpty)
    }

    @Test func anotherEncodeGoesOnFromItsGate() throws {
        let journey = try Journey("main.mp4", packets: 700)
        let reader = try FixtureReader("other.ts")
        let mapping = FlowMapping.map(reader.flows, onto: journey.flows)
        // Pictures are cut; sound goes on where it has come to.
        let ends: [MediaTime] = [.milliseconds(5760)] + Array(repeating: .milliseconds(6400), count: 3)
        journey.line.cut(output: 0, lastDecode: .milliseconds(5640))
        journey.line.adopt(
            reader.flows, mapping: mapping,
            gates: ends.map { .from($0, tolerance: .milliseconds(20)) }, aligner: nil,
            ends: ends, isOtherEncode: true)
        try reader.demuxer.seek(to: .seconds(4))
        var firsts: [Int: MediaTime] = [:]
        var keys = 0
        var last: MediaTime?
        while keys < 3, var packet = try reader.read() {
            let isKey = packet.isKey
            guard journey.line.pass(&packet, form: reader.form(of: packet.flow)) else { continue }
            let (pts, decode) = (packet.pts, packet.dts)
            if firsts[packet.flow] == nil { firsts[packet.flow] = pts }
            guard packet.flow == 0 else { continue }
            // Decode times go on from the cut, and the form stays that of the first origin.
            let dts = try #require(decode)
            #expect(dts > last ?? .milliseconds(5640))
            last = dts
            let form = PayloadForm.lengthPrefixed(.h264, lengthSize: 4)
            #expect(journey.line.form(of: 0) == form)
            #expect(packet.fingerprint(form: form) != nil)
            if isKey { keys += 1 }
        }
        #expect(firsts.keys.sorted() == [0, 1, 2])
        for (flow, first) in firsts {
            #expect(first >= ends[flow] - .milliseconds(20) && first <= ends[flow] + .milliseconds(130))
        }
        #expect(journey.line.splices.allSatisfy { $0.grade == .frameAligned && $0.matched == 0 })
        #expect(journey.line.splices.allSatisfy { $0.missing == .zero && $0.duplicate == .zero })
    }
}
