internal import DequeModule
internal import Foundation
internal import Testing
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols

@testable internal import Throughline

/// A fixture as a server sends it: a description, and RTP packets in the order of sending.
struct RTPFixture {
    struct Sent: Hashable {
        var flow: Int
        var bytes: [UInt8]
        /// Timestamp, sequence number and marker, in place.
        var timestamp: UInt32 {
            get { bytes[4..<8].reduce(0) { $0 << 8 | UInt32($1) } }
            set { for k in 0..<4 { bytes[4 + k] = UInt8(truncatingIfNeeded: newValue >> (24 - 8 * UInt32(k))) } }
        }
        var sequence: UInt16 { UInt16(bytes[2]) << 8 | UInt16(bytes[3]) }
        var marker: Bool {
            get { bytes[1] & 0x80 != 0 }
            set { bytes[1] = bytes[1] & 0x7F | (newValue ? 0x80 : 0) }
        }
    }

    /// A packet of a flow, as the reader or the demuxer gives it.
    struct Whole: Hashable {
        var pts: MediaTime?
        var dts: MediaTime?
        var duration: MediaTime
        var isKey: Bool
        var fingerprint: UInt64?
        /// Of the first RTP packet that carries it, among those of the flow; nil for what the reader gave.
        var place: Int?
    }

    var description = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
    var packets: [Sent] = []
    /// What the demuxer gives of the file.
    var original: [[Whole]] = []
    var formats: [FlowFormat] = []
    /// By flow, the timestamp of NPT 0.
    var zero: [UInt32] = []
    var clocks: [Int32] = []

    /// Gets the RTP packets of a muxer, one with each write.
    private final class Sink: ByteOutput {
        var packets: [[UInt8]] = []
        let isSeekable = false
        func seek(to offset: Int64) -> Bool { false }
        func write(_ bytes: UnsafeRawBufferPointer) -> Bool {
            // Not the sender reports.
            if bytes.count > 12, !(200...204).contains(bytes[1]) { packets.append(Array(bytes)) }
            return true
        }
    }

    /// - Parameters:
    ///   - describesSets: whether the parameter sets are in the description.
    ///   - clock: another clock rate for what has a choice.
    init(
        _ name: String, kinds: Set<FlowKind> = [.video, .audio], describesSets: Bool = true, packetSize: Int32 = 1400,
        from start: NPT = .zero
    ) throws {
        let reader = try FixtureReader(name)
        let chosen = reader.flows.filter { kinds.contains($0.kind) && !$0.isSparse }
        var sinks: [Sink] = []
        var muxers: [Muxer] = []
        var places = [Int?](repeating: nil, count: reader.flows.count)
        for flow in chosen {
            let single = try flow.completed(.init(), index: 0)
            let sink = Sink()
            muxers.append(
                try Muxer(format: "rtp", name: nil, flows: [single], packetSize: packetSize, output: sink))
            sinks.append(sink)
            places[flow.index] = formats.count
            formats.append(flow)
            original.append([])
            zero.append(0)
            let (lines, clock) = Self.describe(flow, describesSets: describesSets)
            description += lines + "a=control:stream=\(formats.count - 1)\r\n"
            clocks.append(clock)
        }
        var counts = formats.map { _ in 0 }
        reader.demuxer.select { flow in chosen.contains { $0.index == flow.index } }
        while var packet = try reader.read() {
            guard let flow = places[packet.flow] else { continue }
            original[flow].append(
                Whole(
                    pts: packet.pts, dts: packet.dts, duration: packet.duration, isKey: packet.isKey,
                    fingerprint: packet.fingerprint(form: reader.form(of: packet.flow)), place: counts[flow]))
            packet.flow = 0
            try muxers[flow].write(packet)
            for bytes in sinks[flow].packets {
                let sent = Sent(flow: flow, bytes: bytes)
                if counts[flow] == 0, let first = original[flow].first?.pts {
                    zero[flow] =
                        sent.timestamp &- UInt32(truncatingIfNeeded: first.value(in: TimeBase(1, clocks[flow])))
                }
                counts[flow] += 1
                packets.append(sent)
            }
            sinks[flow].packets = []
        }
    }

    private static let frequencies = [96_000, 88_200, 64_000, 48_000, 44_100]

    private static func describe(_ flow: FlowFormat, describesSets: Bool) -> (String, Int32) {
        func base64(_ units: [[UInt8]]) -> String {
            units.map { Data($0).base64EncodedString() }.joined(separator: ",")
        }
        let sets = flow.parameterSets
        switch flow.codecName {
        case "h264":
            let more = describesSets ? ";sprop-parameter-sets=\(base64(sets.sequence + sets.picture))" : ""
            return (
                "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\(more)\r\n", 90_000
            )
        case "hevc":
            let more =
                describesSets
                ? "a=fmtp:96 sprop-vps=\(base64(sets.video));sprop-sps=\(base64(sets.sequence));"
                    + "sprop-pps=\(base64(sets.picture))\r\n" : ""
            return ("m=video 0 RTP/AVP 96\r\na=rtpmap:96 H265/90000\r\n\(more)", 90_000)
        case "aac":
            var config = flow.withExtradata { Array($0) }
            if config.isEmpty, let index = Self.frequencies.firstIndex(of: flow.sampleRate) {
                // ADTS has none; AAC LC, as the muxer would have it.
                config = [2 << 3 | UInt8(index >> 1), UInt8(index & 1) << 7 | UInt8(flow.channels) << 3]
            }
            let hex = config.map { String(format: "%02x", $0) }.joined()
            let lines =
                "m=audio 0 RTP/AVP 96\r\na=rtpmap:96 MPEG4-GENERIC/\(flow.sampleRate)/\(flow.channels)\r\n"
                + "a=fmtp:96 streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;"
                + "indexdeltalength=3;config=\(hex)\r\n"
                + (flow.language.map { "a=lang:\($0)\r\n" } ?? "")
            return (lines, Int32(flow.sampleRate))
        default:
            return ("m=audio 0 RTP/AVP 14\r\n", 90_000)
        }
    }

    func reader() throws -> RTPReader {
        let parsed = try #require(SessionDescription(parsing: Array(description.utf8)))
        return try RTPReader(parsed, media: Array(parsed.media.indices))
    }

    /// What `RTP-Info` says of a play from here.
    func starts(_ range: NPT = .zero) -> [RTPTimeline.Start?] {
        formats.indices.map {
            RTPTimeline.Start(
                range: range, rtpTime: zero[$0] &+ UInt32(truncatingIfNeeded: range.value(in: TimeBase(1, clocks[$0]))))
        }
    }
}

/// What a reader made of RTP packets.
struct RTPReading {
    let reader: RTPReader
    var packets: [[RTPFixture.Whole]]
    var queue = [RTPFixture.Whole]()

    /// - Parameter lost: indices of packets that do not arrive.
    init(
        _ fixture: RTPFixture, packets sent: [RTPFixture.Sent]? = nil, starts: [RTPTimeline.Start?]? = nil,
        lost: Set<Int> = []
    ) throws {
        reader = try fixture.reader()
        packets = fixture.formats.map { _ in [] }
        reader.played(at: starts ?? fixture.starts(), at: Instant(nanoseconds: 0))
        try feed(sent ?? fixture.packets, lost: lost)
        var out = UniqueDeque<Packet>()
        reader.end(at: Instant(nanoseconds: 1_000_000_000), into: &out)
        take(&out)
    }

    mutating func feed(_ sent: [RTPFixture.Sent], lost: Set<Int> = []) throws {
        var out = UniqueDeque<Packet>()
        var missing = packets.map { _ in 0 }
        for (index, packet) in sent.enumerated() {
            if lost.contains(index) {
                missing[packet.flow] += 1
                continue
            }
            packet.bytes.withUnsafeBytes { bytes in
                reader.received(
                    bytes, flow: packet.flow, lostBefore: missing[packet.flow],
                    at: Instant(nanoseconds: Int64(index) * 10_000_000), into: &out)
            }
            missing[packet.flow] = 0
            take(&out)
        }
    }

    private mutating func take(_ out: inout UniqueDeque<Packet>) {
        while let packet = out.popFirst() {
            packets[packet.flow].append(
                RTPFixture.Whole(
                    pts: packet.pts, dts: packet.dts, duration: packet.duration, isKey: packet.isKey,
                    fingerprint: packet.fingerprint(form: reader.form(of: packet.flow)), place: nil))
        }
    }
}
