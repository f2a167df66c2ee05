import Testing

@testable import ThroughlineProtocols

@Suite struct RTPHeaderTests {
    @Test func theFieldsAreRead() throws {
        let header = try #require(
            rtpHeader([0x80, 0xE1, 0x12, 0x34, 0xDE, 0xAD, 0xBE, 0xEF, 1, 2, 3, 4, 0xAA, 0xBB]))
        #expect(header.marker && header.payloadType == 97)
        #expect(header.sequence == 0x1234 && header.timestamp == 0xDEAD_BEEF && header.ssrc == 0x0102_0304)
        #expect(header.payload == 12..<14 && header.overhead == 12)
    }

    static let fixed: [UInt8] = [0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]

    /// First byte, what follows the fixed header, and the payload; nil where there is no RTP.
    @Test(
        arguments: [
            (0x80, [], 12..<12),
            (0x82, [0, 0, 0, 1, 0, 0, 0, 2, 9], 20..<21),
            (0x82, [0, 0, 0, 1, 0, 0, 0], nil),
            (0x90, [0xBE, 0xDE, 0, 1, 0, 0, 0, 0, 9, 9], 20..<22),
            (0x90, [0xBE, 0xDE, 0, 0], 16..<16),
            (0x90, [0xBE, 0xDE, 0, 1, 0, 0, 0], nil),
            (0x90, [0xBE, 0xDE, 0xFF, 0xFF, 0, 0, 0, 0], nil),
            (0x90, [0xBE], nil),
            (0xA0, [9, 9, 0, 2], 12..<14),
            (0xA0, [0, 0, 0, 4], 12..<12),
            (0xA0, [0, 0, 0, 5], nil),
            (0xA0, [9, 9, 9, 0], nil),
            (0xA0, [], nil),
            (0xB1, [0, 0, 0, 1, 0, 0, 0, 0, 9, 1], 20..<21),
            (0x40, [9], nil), (0x00, [9], nil), (0xC0, [9], nil),
        ] as [(UInt8, [UInt8], Range<Int>?)])
    func thePayloadIsWhatIsLeft(first: UInt8, rest: [UInt8], payload: Range<Int>?) {
        #expect(rtpHeader([first] + Self.fixed + rest)?.payload == payload)
    }

    @Test func whatIsShorterThanAHeaderIsNone() {
        let packet = rtpPacket(sequence: 1)
        for count in 0..<12 { #expect(rtpHeader(Array(packet.prefix(count))) == nil) }
    }

    @Test func rewritingChangesWhatIsNamed() throws {
        var packet = rtpPacket(sequence: 1, timestamp: 2, ssrc: 3, payloadType: 4, marker: true, payload: [5, 6])
        var done = packet.withUnsafeMutableBytes { RTPHeader.rewrite($0, sequence: 0xFEDC) }
        #expect(
            done
                && packet
                    == rtpPacket(
                        sequence: 0xFEDC, timestamp: 2, ssrc: 3, payloadType: 4, marker: true, payload: [5, 6])
        )
        done = packet.withUnsafeMutableBytes {
            RTPHeader.rewrite($0, payloadType: 0xFF, timestamp: 0x8000_0001, ssrc: 0xFFFF_FFFE)
        }
        let header = try #require(rtpHeader(packet))
        #expect(done && header.marker && header.payloadType == 127 && header.sequence == 0xFEDC)
        #expect(header.timestamp == 0x8000_0001 && header.ssrc == 0xFFFF_FFFE && packet.suffix(2) == [5, 6])

        var short: [UInt8] = [0x80, 1, 2]
        done = short.withUnsafeMutableBytes { RTPHeader.rewrite($0, ssrc: 1) }
        #expect(!done && short == [0x80, 1, 2])
    }

    @Test(
        arguments: [
            (0x80, 96, 12, .rtp), (0x80, 0xE0, 12, .rtp), (0x80, 191, 12, .rtp), (0x80, 192, 12, .rtcp),
            (0x81, 200, 8, .rtcp), (0x80, 223, 4, .rtcp), (0x80, 224, 12, .rtp), (0x80, 96, 11, nil),
            (0x80, 200, 3, nil),
            (0x40, 200, 12, nil),
        ] as [(UInt8, UInt8, Int, MuxedPacketKind?)])
    func aMuxedPortIsToldApart(first: UInt8, second: UInt8, count: Int, kind: MuxedPacketKind?) {
        let packet = Array(([first, second] + Array(repeating: 0, count: 10)).prefix(count))
        #expect(packet.withUnsafeBytes { MuxedPacketKind($0) } == kind)
    }
}
