internal import Testing
internal import ThroughlineCore

@testable import ThroughlineProtocols

/// Whatever arrives, the parsers of RTP and RTCP answer and do not trap: random bytes, real packets cut short, and real
/// ones with bytes changed.
@Suite struct RTPHostileInputTests {
    private static let real: [[UInt8]] = [
        rtpPacket(sequence: 65_535, timestamp: 1, payload: [1, 2, 3]),
        [0xB3] + rtpPacket(sequence: 3, payload: Array(repeating: 1, count: 40)).dropFirst(),
        RTCPPacket.compound([
            .senderReport(RTCPPacketTests.report, [RTCPPacketTests.block]),
            .sourceDescription([.init(ssrc: 1, canonicalName: "a@b"), .init(ssrc: 2, canonicalName: nil)]),
            .bye(ssrcs: [1, 2], reason: "teardown"),
        ]),
        RTCPPacket.compound([
            .receiverReport(ssrc: 1, []), .application(.init(ssrc: 1, subtype: 1, name: 2, data: [0, 0, 0, 0])),
        ]),
    ]

    private func forEachInput(seed: UInt64, _ body: (UnsafeMutableRawBufferPointer, inout SeededGenerator) -> Void) {
        var random = SeededGenerator(seed: seed)
        for round in 0..<20_000 {
            var input = Self.real.randomElement(using: &random) ?? []
            switch round % 3 {
            case 0:
                input = random.bytes(Int.random(in: 0...80, using: &random))
                // Random bytes of another version say little.
                if !input.isEmpty { input[0] = input[0] & 0x3F | 0x80 }
            case 1: input.removeLast(Int.random(in: 0...input.count, using: &random))
            default:
                for _ in 0..<Int.random(in: 1...6, using: &random) {
                    input[Int.random(in: 0..<input.count, using: &random)] =
                        [0, 1, 0x1F, 0x80, 200, 203, 0xFF, UInt8.random(in: 0...255, using: &random)]
                        .randomElement(using: &random) ?? 0
                }
            }
            // A buffer of exactly this size, so that a checking allocator sees a byte too many.
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: input.count, alignment: 1)
            defer { buffer.deallocate() }
            buffer.copyBytes(from: input)
            body(buffer, &random)
        }
    }

    @Test func packetsOfRTP() {
        var statistics = RTPReceptionStatistics(clockRateHz: 90_000)
        var buffer = RTPReorderBuffer()
        var parsed = 0
        var now = Instant.at(milliseconds: 0)
        forEachInput(seed: 11) { bytes, random in
            now = now + .milliseconds(.random(in: 0...30, using: &random))
            _ = MuxedPacketKind(UnsafeRawBufferPointer(bytes))
            guard let header = RTPHeader(UnsafeRawBufferPointer(bytes)) else { return }
            parsed += 1
            #expect(header.payload.upperBound + header.paddingCount == bytes.count)
            statistics.received(header, at: now)
            buffer.expire(at: now) { _ in }
            buffer.arrived(UnsafeRawBufferPointer(bytes), sequence: header.sequence, at: now) { _ in }
            RTPHeader.rewrite(bytes, payloadType: random.bytes(1)[0], sequence: 1, timestamp: 2, ssrc: 3)
            let rewritten = RTPHeader(UnsafeRawBufferPointer(bytes))
            #expect(rewritten?.payload == header.payload && rewritten?.ssrc == 3)
        }
        #expect(parsed > 3000)
        #expect(statistics.expected >= 0)
    }

    /// What is read can be written, and is read again as the same.
    @Test func compoundsOfRTCP() {
        var parsed = 0
        forEachInput(seed: 12) { bytes, random in
            let isReduced = Bool.random(using: &random)
            guard let packets = RTCPPacket.parse(UnsafeRawBufferPointer(bytes), reduced: isReduced) else { return }
            parsed += 1
            let again = RTCPPacketTests.parse(RTCPPacket.compound(packets), reduced: true)
            // Text that is no UTF-8 is longer when written, so that its end may be cut off.
            let isText = packets.allSatisfy { packet in
                switch packet {
                case .bye(_, let reason): reason?.unicodeScalars.contains("\u{FFFD}") != true
                case .sourceDescription(let chunks):
                    chunks.allSatisfy { $0.canonicalName?.unicodeScalars.contains("\u{FFFD}") != true }
                default: true
                }
            }
            if packets.isEmpty {
                #expect(again == nil)
            } else if isText {
                #expect(again == packets)
            }
        }
        #expect(parsed > 1500)
    }
}
