internal import Testing
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols

/// What payloads are taken apart into is what libavformat makes of them, which is an implementation of somebody else.
@Suite struct RTPUnpackingTests {
    private static let head = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    private static let sound = "sizelength=13;indexlength=3;indexdeltalength=3;mode=AAC-hbr;config=1190"

    private static func description(_ codec: String) -> String {
        switch codec {
        case "h264": head + "m=video 9 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\n"
        case "hevc": head + "m=video 9 RTP/AVP 96\r\na=rtpmap:96 H265/90000\r\n"
        default: head + "m=audio 9 RTP/AVP 96\r\na=rtpmap:96 mpeg4-generic/48000/2\r\na=fmtp:96 \(sound)\r\n"
        }
    }

    /// By libavformat; nil where it refuses the packet.
    private func expected(
        _ depacketizer: RTPDepacketizer, _ payload: [UInt8], sequence: UInt16, timestamp: UInt8
    ) -> [UInt8]? {
        let packet: [UInt8] =
            [
                0x80, 0x80 | 96, UInt8(sequence >> 8), UInt8(truncatingIfNeeded: sequence), 0, 0, 0, timestamp, 0, 0, 0,
                1,
            ]
            + payload
        var bytes: [UInt8] = []
        let isFed = packet.withUnsafeBytes { packet in
            do throws(MediaError) {
                try depacketizer.feed(packet) { piece in piece.withPayload { bytes += $0 } }
                return true
            } catch { return false }
        }
        return isFed ? bytes : nil
    }

    private func units(_ payload: [UInt8], _ codec: VideoCodec) -> [UInt8]? {
        var bytes: [UInt8] = []
        let isGood = payload.withUnsafeBytes { payload in
            NALUnpacker(codec, parameters: nil).unpack(payload) { piece in
                if piece.start != .fragment { bytes += [0, 0, 0, 1] }
                if let header = piece.header { bytes += [header.0] + (header.1.map { [$0] } ?? []) }
                bytes += payload[piece.range]
            }
        }
        return isGood ? bytes : nil
    }

    private func frames(_ payload: [UInt8]) -> [UInt8]? {
        var bytes: [UInt8] = []
        var unpacker = MPEG4Unpacker(parameters: Self.sound)
        let isGood = payload.withUnsafeBytes { unpacker?.unpack($0, timestamp: 0, endsUnit: true) { bytes += $0 } }
        return isGood == true ? bytes : nil
    }

    /// A payload as senders make them.
    private func payload(_ codec: String, _ random: inout SeededGenerator) -> [UInt8] {
        func bytes(_ range: ClosedRange<Int>) -> [UInt8] {
            (0..<Int.random(in: range, using: &random)).map { _ in UInt8.random(in: 1...255, using: &random) }
        }
        func prefixed(_ unit: [UInt8]) -> [UInt8] { [UInt8(unit.count >> 8), UInt8(unit.count & 255)] + unit }
        let count = Int.random(in: 1...4, using: &random)
        let part = UInt8.random(in: 0...2, using: &random)
        let flags: UInt8 = [0x80, 0, 0x40][Int(part)]
        switch codec {
        case "h264":
            let type = UInt8.random(in: 1...23, using: &random)
            switch Int.random(in: 0...2, using: &random) {
            case 0: return [0x60 | type] + bytes(1...60)
            case 1: return [0x78] + (0..<count).flatMap { _ in prefixed([0x60 | type] + bytes(1...30)) }
            default: return [0x7C, flags | type] + bytes(1...60)
            }
        case "hevc":
            let type = UInt8.random(in: 0...47, using: &random)
            switch Int.random(in: 0...2, using: &random) {
            case 0: return [type << 1, 1] + bytes(1...60)
            case 1: return [0x60, 1] + (0..<count).flatMap { _ in prefixed([type << 1, 1] + bytes(1...30)) }
            default: return [0x62, 1, flags | type] + bytes(1...60)
            }
        default:
            let frames = (0..<count).map { _ in bytes(1...90) }
            return [0, UInt8(16 * count)]
                + frames.flatMap { [UInt8($0.count >> 5), UInt8(truncatingIfNeeded: $0.count << 3)] }
                + frames.flatMap { $0 }
        }
    }

    @Test("Payloads as senders make them", arguments: ["h264", "hevc", "aac"])
    func wellFormed(codec: String) throws {
        let depacketizer = try RTPDepacketizer(description: Self.description(codec))
        var random = SeededGenerator(seed: 7)
        for number in 0..<2000 as Range<UInt16> {
            let payload = payload(codec, &random)
            let found = codec == "aac" ? frames(payload) : units(payload, codec == "h264" ? .h264 : .hevc)
            let expected = expected(depacketizer, payload, sequence: number, timestamp: UInt8(number & 255))
            #expect(found == expected, "packet \(number): \(payload)")
            if found != expected { return }
        }
    }

    @Test("Bytes of any kind trap nothing, and give no more than they hold", arguments: ["h264", "hevc", "aac"])
    func hostile(codec: String) {
        var random = SeededGenerator(seed: 11)
        for _ in 0..<5000 {
            var payload = payload(codec, &random)
            for _ in 0..<Int.random(in: 0...4, using: &random) where !payload.isEmpty {
                payload[Int.random(in: 0..<payload.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            payload.removeLast(Int.random(in: 0...payload.count, using: &random))
            let found = codec == "aac" ? frames(payload) : units(payload, codec == "h264" ? .h264 : .hevc)
            #expect(found?.count ?? 0 <= payload.count * 6)
        }
    }
}
