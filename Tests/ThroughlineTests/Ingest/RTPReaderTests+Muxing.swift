internal import DequeModule
internal import Testing
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols

@testable internal import Throughline

/// What is read from RTP goes into containers as it is, and what nobody would send harms nobody.
@Suite(.timeLimit(.minutes(25))) struct RTPReaderMuxingTests {
    private final class Bytes: ByteOutput {
        var bytes: [UInt8] = []
        private var position = 0
        let isSeekable = true
        func write(_ new: UnsafeRawBufferPointer) -> Bool {
            let overlap = min(new.count, bytes.count - position)
            bytes.replaceSubrange(position..<position + overlap, with: new)
            position += new.count
            return true
        }
        func seek(to offset: Int64) -> Bool {
            guard offset <= bytes.count else { return false }
            position = Int(offset)
            return true
        }
    }

    @Test(arguments: ["main.mp4", "hevc.mp4", "audio.mp3"], ["mp4", "matroska", "mpegts"])
    func containersTakeIt(_ name: String, _ container: String) throws {
        let fixture = try RTPFixture(name)
        let reader = try fixture.reader()
        reader.played(at: fixture.starts(), at: Instant(nanoseconds: 0))
        var out = UniqueDeque<Packet>()
        for packet in fixture.packets {
            packet.bytes.withUnsafeBytes {
                reader.received($0, flow: packet.flow, at: Instant(nanoseconds: 0), into: &out)
            }
        }
        let output = Bytes()
        let muxer = try Muxer(format: container, name: nil, flows: reader.flows, output: output)
        #expect(muxer.leftOut.isEmpty)
        var sent = reader.flows.map { _ in [UInt64?]() }
        while let packet = out.popFirst() {
            sent[packet.flow].append(packet.fingerprint(form: reader.form(of: packet.flow)))
            try muxer.write(packet)
        }
        try muxer.finish()
        let copy = try Demuxer(input: MemoryInput(output.bytes))
        #expect(copy.flows.map(\.codecName) == fixture.formats.map(\.codecName))
        #expect(copy.flows.map(\.width) == fixture.formats.map(\.width))
        #expect(copy.flows.map(\.sampleRate) == fixture.formats.map(\.sampleRate))
        var forms = [PayloadForm?](repeating: nil, count: copy.flows.count)
        var received = copy.flows.map { _ in [UInt64?]() }
        while let packet = try copy.read() {
            let form = forms[packet.flow] ?? copy.flows[packet.flow].payloadForm(firstPacket: packet)
            forms[packet.flow] = form
            received[packet.flow].append(packet.fingerprint(form: form))
        }
        #expect(received == sent)
    }

    @Test(arguments: 0..<8 as Range<UInt64>) func hostilePacketsAreBorne(seed: UInt64) throws {
        let text =
            "v=0\r\ns=-\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\nm=video 0 RTP/AVP 96\r\n"
            + "a=rtpmap:96 H265/90000\r\nm=audio 0 RTP/AVP 14\r\nm=audio 0 RTP/AVP 97\r\na=rtpmap:97 opus/48000/2\r\n"
            + "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 MPEG4-GENERIC/4294967295/255\r\n"
            + "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 MPEG4-GENERIC/48000/2\r\n"
            + "a=fmtp:97 mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config=1190\r\n"
            + "m=video 0 RTP/AVP 98\r\na=rtpmap:98 VP8/90000\r\n"
        let description = try #require(SessionDescription(parsing: Array(text.utf8)))
        let reader = try RTPReader(description, media: [0, 1, 2, 3, 5, 6])
        #expect(throws: MediaError.self) { try RTPReader(description, media: [4]) }
        let real = try RTPFixture("main.ts", kinds: [.video], packetSize: 300).packets
        var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
        func random(_ bound: Int) -> Int {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return Int(state % UInt64(bound))
        }
        var out = UniqueDeque<Packet>()
        for step in 0..<4000 {
            var bytes = real[random(real.count)].bytes
            if random(2) == 0 { bytes = Array(bytes.prefix(16)) + (0..<random(60)).map { _ in UInt8(random(256)) } }
            for _ in 0..<random(4) { bytes[random(min(40, bytes.count))] = UInt8(random(256)) }
            if random(10) == 0 { bytes = Array(bytes.prefix(random(20))) }
            let flow = random(7) - (step == 3 ? 9 : 0)
            let at = Instant(nanoseconds: Int64(random(1 << 40)))
            bytes.withUnsafeBytes {
                reader.received($0, flow: flow, lostBefore: random(6) == 0 ? random(.max) : 0, at: at, into: &out)
            }
            if random(200) == 0 {
                let range = MediaTime(flicks: Int64(truncatingIfNeeded: state))
                reader.played(
                    at: [
                        nil, .init(range: range, scale: Rate(Int32(random(5)) - 2), rtpTime: UInt32(random(1 << 32))),
                    ],
                    speed: Rate(Int32(random(3))), at: at)
            }
            if random(100) == 0 {
                reader.senderReported(flow: flow, ntpTime: state, timestamp: UInt32(random(1 << 32)), at: at)
            }
            if random(500) == 0 { reader.end(at: at, into: &out) }
            if random(50) == 0 {
                while out.popFirst() != nil {}
                _ = reader.takeFindings()
                for flow in 0..<7 { _ = reader.position(of: flow, at: at) }
            }
        }
    }
}
