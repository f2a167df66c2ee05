internal import DequeModule
internal import Testing
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols

@testable internal import Throughline

/// What is missing takes its own access unit with it, and no other.
@Suite(.timeLimit(.minutes(25))) struct RTPReaderLossTests {
    /// For each RTP packet, the place of its access unit.
    private static func units(_ packets: [RTPFixture.Sent]) -> [Int] {
        var unit = -1
        var last: UInt32?
        return packets.map { packet in
            if packet.timestamp != last { unit += 1 }
            last = packet.timestamp
            return unit
        }
    }

    /// Whether anything of a picture is in the packet, and not only what may stand before one (RFC 6184, RFC 7798).
    private static func hasPicture(_ packet: RTPFixture.Sent, isHEVC: Bool) -> Bool {
        let payload = Array(packet.bytes[12...])
        func isSlice(_ byte: UInt8) -> Bool { isHEVC ? byte >> 1 & 0x3F < 32 : (1...5).contains(byte & 0x1F) }
        let type = isHEVC ? payload[0] >> 1 & 0x3F : payload[0] & 0x1F
        switch (isHEVC, type) {
        case (true, 49): return payload[2] & 0x3F < 32
        case (false, 28): return isSlice(payload[1] & 0x1F)
        case (true, 48), (false, 24):
            var at = isHEVC ? 2 : 1
            while at + 2 < payload.count {
                if isSlice(payload[at + 2]) { return true }
                at += 2 + Int(payload[at]) << 8 + Int(payload[at + 1])
            }
            return false
        default: return isSlice(payload[0])
        }
    }

    @Test(
        arguments: [("main.mp4", 400), ("main.mp4", 1400), ("opengop.ts", 700), ("hevc.mp4", 400)] as [(String, Int32)])
    func everySinglePacket(_ name: String, packetSize: Int32) throws {
        let fixture = try RTPFixture(name, kinds: [.video], packetSize: packetSize)
        let sent = Array(fixture.packets.prefix(240))
        let units = Self.units(sent)
        let whole = try RTPReading(fixture, packets: sent)
        #expect(whole.packets[0].count >= 20)
        for lost in sent.indices.dropLast() {
            let reading = try RTPReading(fixture, packets: sent, lost: [lost])
            var expected = whole.packets[0].map(\.fingerprint)
            // Delimiters, SEI and parameter sets are no part of a picture, and the decoder has the sets already.
            let isPart = Self.hasPicture(sent[lost], isHEVC: name.hasPrefix("hevc"))
            if isPart { expected.remove(at: units[lost]) }
            let isTorn = !isPart && reading.packets[0].count < expected.count
            if isTorn { expected.remove(at: units[lost]) }
            #expect(reading.packets[0].map(\.fingerprint) == expected, "\(lost)")
            let losses = reading.reader.losses(of: 0)
            #expect(losses.packets == 1)
            // A picture that was gone as a whole cannot be told.
            let others = sent.indices.contains {
                $0 != lost && units[$0] == units[lost] && Self.hasPicture(sent[$0], isHEVC: name.hasPrefix("hevc"))
            }
            #expect(losses.units <= 1)
            if isPart { #expect(losses.units == (others ? 1 : 0), "\(lost)") }
            let times = zip(reading.packets[0], reading.packets[0].dropFirst())
            #expect(times.allSatisfy { a, b in a.dts! < b.dts! })
            #expect(reading.packets[0].allSatisfy { $0.dts! <= $0.pts! })
        }
    }

    @Test func withoutMarkersTheUnitBeforeMayGoToo() throws {
        let fixture = try RTPFixture("main.mp4", kinds: [.video], packetSize: 600)
        var sent = Array(fixture.packets.prefix(150))
        for index in sent.indices { sent[index].marker = false }
        let units = Self.units(sent)
        let whole = try RTPReading(fixture, packets: sent)
        for lost in sent.indices.dropLast() {
            let reading = try RTPReading(fixture, packets: sent, lost: [lost])
            let prints = whole.packets[0].map(\.fingerprint)
            if !Self.hasPicture(sent[lost], isHEVC: false) { continue }
            let isFirst = lost > 0 && units[lost - 1] != units[lost]
            let gone = Set(isFirst ? [units[lost] - 1, units[lost]] : [units[lost]])
            let expected = prints.indices.filter { !gone.contains($0) }.map { prints[$0] }
            #expect(reading.packets[0].map(\.fingerprint) == expected, "\(lost)")
        }
    }

    @Test(arguments: ["main.mp4", "hevc.mp4", "main.ts"]) func markersAreNotNeeded(_ name: String) throws {
        let fixture = try RTPFixture(name, kinds: [.video])
        var sent = fixture.packets
        for index in sent.indices { sent[index].marker = false }
        let with = try RTPReading(fixture)
        let without = try RTPReading(fixture, packets: sent)
        #expect(without.packets == with.packets)
        #expect(without.packets[0].count == 300)
    }

    /// The last unit without its marker is half a unit, where the others have one.
    @Test func aBreakLeavesNothingHalf() throws {
        let fixture = try RTPFixture("main.mp4", kinds: [.video], packetSize: 600)
        for count in 2..<40 {
            let sent = Array(fixture.packets.prefix(count))
            let units = Self.units(sent)
            let ended = Set(sent.indices.filter { sent[$0].marker }.map { units[$0] })
            let reading = try RTPReading(fixture, packets: sent)
            // Before the first marker nobody knows.
            if !ended.isEmpty { #expect(reading.packets[0].count == ended.count) }
        }
    }

    /// Slices can be read each for itself: that the first of a picture is missing shows in where the second one begins.
    @Test func aPictureWithoutItsFirstSliceIsNotWhole() throws {
        let fixture = try RTPFixture("main.mp4", kinds: [.video])
        var sent: [RTPFixture.Sent] = []
        var firsts: [Int] = []
        for packet in fixture.packets.prefix(80) {
            guard (1...5).contains(packet.bytes[12] & 0x1F), packet.marker else {
                sent.append(packet)
                continue
            }
            var (first, second) = (packet, packet)
            first.marker = false
            second.bytes[13] = 0x40 | packet.bytes[13] >> 2
            firsts.append(sent.count)
            sent += [first, second]
        }
        let whole = try RTPReading(fixture, packets: sent)
        #expect(firsts.count > 20)
        for lost in firsts {
            for missing in [lost, lost + 1] {
                let reading = try RTPReading(fixture, packets: sent, lost: [missing])
                #expect(reading.packets[0].count == whole.packets[0].count - 1)
                #expect(reading.reader.losses(of: 0).units == 1)
            }
        }
    }

    /// Each RTP packet claims to end a picture.
    @Test func markersThatLieAreSeenThrough() throws {
        let fixture = try RTPFixture("main.mp4", kinds: [.video])
        var reading = try RTPReading(fixture)
        let whole = reading.packets[0]
        // A slice of its own in every packet: the picture's slice, once more, with another first macroblock.
        var sent: [RTPFixture.Sent] = []
        for packet in fixture.packets {
            sent.append(packet)
            let type = packet.bytes[12] & 0x1F
            guard (1...5).contains(type), packet.marker else { continue }
            var second = packet
            second.bytes[13] = 0x40 | packet.bytes[13] >> 2
            sent.append(second)
        }
        reading = try RTPReading(fixture, packets: sent)
        // One picture is the price.
        #expect(reading.reader.losses(of: 0).units <= 1)
        #expect((whole.count - 1...whole.count).contains(reading.packets[0].count))
    }

    @Test func soundGoesOnBehindAHole() throws {
        let fixture = try RTPFixture("main.mp4", kinds: [.audio])
        let whole = try RTPReading(fixture)
        let lost = Set(fixture.packets.indices.filter { $0 % 7 == 3 })
        let reading = try RTPReading(fixture, lost: lost)
        for flow in fixture.formats.indices {
            let known = Set(whole.packets[flow])
            #expect(reading.packets[flow].allSatisfy { known.contains($0) })
            #expect(reading.packets[flow].count < whole.packets[flow].count)
            #expect(reading.reader.losses(of: flow).packets > 5)
        }
    }
}
