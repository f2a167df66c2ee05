internal import DequeModule
internal import Testing
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols

@testable internal import Throughline

/// Two sessions lose what they like: what comes out lacks what both have lost, and nothing else.
@Suite(.timeLimit(.minutes(25))) struct RTPReaderTwinTests {
    /// The same as the played server sends it, and as its twin does.
    private struct Arrival {
        var time: Int64
        /// In the fixture.
        var index: Int
        var isTwin: Bool
    }

    /// What came of a run.
    private struct Merged {
        var reading: RTPReading
        var lost: Set<Int> = []
        var lostOnPath: Set<Int> = []
        var lostOnBoth: Set<Int> = []
        var filled = 0
    }

    /// xorshift, of Marsaglia.
    private struct Chance {
        var state: UInt64
        mutating func next(below limit: UInt64) -> UInt64 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return state % limit
        }
    }

    /// - Parameters:
    ///   - perThousand: packets that each path loses, each for itself.
    ///   - lag: of the twin, in milliseconds.
    private func merge(_ fixture: RTPFixture, perThousand: UInt64, lag: Int64, isOther: Bool = false) throws -> Merged {
        var chance = Chance(state: 0x9E37_79B9_7F4A_7C15)
        let sent = fixture.packets
        var arrivals: [Arrival] = []
        var lostByTwin: Set<Int> = []
        var merged = Merged(reading: try RTPReading(fixture, packets: []))
        for index in sent.indices {
            let time = Int64(index) * 2000
            // With the first of each flow the count begins.
            let isFirst = !sent[..<index].contains { $0.flow == sent[index].flow }
            if !isFirst, chance.next(below: 1000) < perThousand {
                merged.lostOnPath.insert(index)
            } else {
                let jitter = isFirst ? 0 : Int64(chance.next(below: 20_000))
                arrivals.append(Arrival(time: time + max(0, -lag) * 1000 + jitter, index: index, isTwin: false))
            }
            if chance.next(below: 1000) < perThousand {
                lostByTwin.insert(index)
            } else {
                let jitter = Int64(chance.next(below: 20_000))
                arrivals.append(Arrival(time: time + max(0, lag) * 1000 + jitter, index: index, isTwin: true))
            }
        }
        arrivals.sort { ($0.time, $0.index, $0.isTwin ? 1 : 0) < ($1.time, $1.index, $1.isTwin ? 1 : 0) }
        merged.lostOnBoth = merged.lostOnPath.intersection(lostByTwin)

        // By flow, the places of its packets in the fixture.
        var places = fixture.formats.map { _ in [Int]() }
        for (index, packet) in sent.enumerated() { places[packet.flow].append(index) }
        var next = places.map { _ in 0 }
        var missing = places.map { _ in 0 }
        let reader = try fixture.reader()
        reader.played(at: fixture.starts(), at: Instant(nanoseconds: 0))
        var buffers = places.map { _ in
            var buffer = RTPReorderBuffer(policy: .init(beginning: .zero))
            buffer.join(RTPTwin.Policy())
            return buffer
        }
        var out = UniqueDeque<Packet>()
        var now = Instant(nanoseconds: 0)
        var isTrue = true
        func took(_ output: RTPReorderBuffer.Output, _ flow: Int) {
            switch output {
            case .packet(let bytes), .filled(let bytes):
                var isFilled = false
                if case .filled = output { isFilled = true }
                let place = places[flow][next[flow]]
                isTrue = isTrue && Array(bytes) == sent[place].bytes
                if isFilled { merged.filled += 1 }
                reader.received(
                    bytes, flow: flow, lostBefore: missing[flow], isFilled: isFilled, at: now, into: &out)
                (next[flow], missing[flow]) = (next[flow] + 1, 0)
            case .lost(let count):
                merged.lost.formUnion(places[flow][next[flow]..<next[flow] + count])
                (next[flow], missing[flow]) = (next[flow] + count, missing[flow] + count)
            case .restarted: isTrue = false
            }
        }
        for arrival in arrivals {
            let time = Instant(nanoseconds: arrival.time * 1000)
            for flow in buffers.indices {
                while buffers[flow].deadline < time {
                    now = max(now, buffers[flow].deadline)
                    buffers[flow].expire(at: now) { took($0, flow) }
                }
            }
            now = time
            let packet = sent[arrival.index]
            if arrival.isTwin {
                Self.asTwin(packet, isOther: isOther).withUnsafeBytes { bytes in
                    buffers[packet.flow].twinReceived(bytes, arrival: now, at: now) { took($0, packet.flow) }
                }
            } else {
                packet.bytes.withUnsafeBytes { bytes in
                    buffers[packet.flow].arrived(bytes, sequence: packet.sequence, at: now) { took($0, packet.flow) }
                }
            }
        }
        for flow in buffers.indices { buffers[flow].flush { took($0, flow) } }
        reader.end(at: now, into: &out)
        #expect(isTrue, "what was filled is what was lost, in its place")
        while let packet = out.popFirst() {
            merged.reading.packets[packet.flow].append(
                RTPFixture.Whole(
                    pts: packet.pts, dts: packet.dts, duration: packet.duration, isKey: packet.isKey,
                    fingerprint: packet.fingerprint(form: reader.form(of: packet.flow)), place: nil))
        }
        // Behind the last that came nobody knows of any.
        for flow in places.indices { merged.lostOnPath.subtract(places[flow][next[flow]...]) }
        merged.lostOnBoth.formIntersection(merged.lostOnPath)
        for flow in places.indices {
            let losses = reader.losses(of: flow)
            #expect(losses.packets == merged.lost.count { sent[$0].flow == flow } - missing[flow])
            #expect(losses.filled == buffers[flow].filled)
        }
        return merged
    }

    /// Other numbers; and where it sends something else, another payload too.
    private static func asTwin(_ packet: RTPFixture.Sent, isOther: Bool) -> [UInt8] {
        var other = packet
        other.timestamp = packet.timestamp &+ 4_000_000_000
        let sequence = packet.sequence &+ 54_321
        (other.bytes[2], other.bytes[3]) = (UInt8(sequence >> 8), UInt8(sequence & 0xFF))
        (other.bytes[8], other.bytes[9]) = (0xAB, 0xCD)
        if isOther { other.bytes[other.bytes.count - 1] ^= 0x10 }
        return other.bytes
    }

    @Test(
        arguments: [("main.mp4", 0), ("main.mp4", 180), ("hevc.mp4", -180), ("opengop.mp4", 40)] as [(String, Int64)])
    func whatBothHaveLostIsMissing(name: String, lag: Int64) throws {
        let fixture = try RTPFixture(name, packetSize: 200)
        let merged = try merge(fixture, perThousand: 50, lag: lag)
        #expect(merged.lostOnPath.count > 50 && merged.filled + merged.lost.count == merged.lostOnPath.count)
        #expect(merged.lost.isSuperset(of: merged.lostOnBoth))
        // Beside those, what was lost before it was known how the two differ.
        let early = fixture.packets.count / 10 + Int(abs(lag)) / 2
        #expect(merged.lost.subtracting(merged.lostOnBoth).allSatisfy { $0 < early }, "\(merged.lost)")
        // As if no more had been lost than that, in the first place.
        let reference = try RTPReading(fixture, lost: merged.lost)
        for flow in fixture.formats.indices {
            #expect(merged.reading.packets[flow].map(\.fingerprint) == reference.packets[flow].map(\.fingerprint))
            #expect(merged.reading.packets[flow].map(\.pts) == reference.packets[flow].map(\.pts))
            #expect(merged.reading.packets[flow].map(\.dts) == reference.packets[flow].map(\.dts))
        }
        // The pictures are those of the file, but for those that lack something.
        let video = fixture.packets.indices.filter { fixture.packets[$0].flow == 0 }
        let starts = fixture.original[0].compactMap(\.place) + [video.count]
        var expected: [UInt64?] = []
        for (picture, whole) in fixture.original[0].enumerated() {
            let own = video[starts[picture]..<starts[picture + 1]]
            if own.allSatisfy({ !merged.lost.contains($0) }) { expected.append(whole.fingerprint) }
        }
        let got = merged.reading.packets[0].map(\.fingerprint)
        #expect(Set(got).isSuperset(of: expected) && got.count <= expected.count + 4)
        #expect(expected.count > 250, "\(expected.count)")
    }

    @Test func aTwinThatSendsSomethingElseChangesNothing() throws {
        let fixture = try RTPFixture("main.mp4", packetSize: 200)
        let merged = try merge(fixture, perThousand: 50, lag: 20, isOther: true)
        #expect(merged.filled == 0 && merged.lost == merged.lostOnPath && merged.lost.count > 60)
        let reference = try RTPReading(fixture, lost: merged.lost)
        #expect(merged.reading.packets.map { $0.map(\.fingerprint) } == reference.packets.map { $0.map(\.fingerprint) })
    }
}
