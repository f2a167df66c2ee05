import Testing

@testable import ThroughlineProtocols

@Suite struct RTCPPacketTests {
    static let block = RTCPPacket.ReportBlock(
        ssrc: 7, fractionLost: 3, cumulativeLost: -2, highestSequence: 0x0001_FFFF, jitter: 9, lastReport: 10,
        delaySinceLastReport: 11)
    static let report = RTCPPacket.SenderReport(
        ssrc: 0xA0B0_C0D0, ntpTime: 0x0102_0304_8000_0000, rtpTime: 0xFFFF_FFFF, packetCount: 5, octetCount: 6)

    static func parse(_ bytes: [UInt8], reduced: Bool = false) -> [RTCPPacket]? {
        bytes.withUnsafeBytes { RTCPPacket.parse($0, reduced: reduced) }
    }

    static let all: [RTCPPacket] = [
        .senderReport(report, [block, block]), .receiverReport(ssrc: 5, []),
        .receiverReport(ssrc: 5, Array(repeating: block, count: 31)),
        .sourceDescription([
            .init(ssrc: 1, canonicalName: "a"), .init(ssrc: 2, canonicalName: "four"),
            .init(ssrc: 3, canonicalName: nil),
        ]),
        .bye(ssrcs: [1, 2], reason: "gone"), .bye(ssrcs: [1], reason: nil), .bye(ssrcs: [], reason: nil),
        .application(.init(ssrc: 1, subtype: 31, name: 0x4142_4344, data: [1, 2, 3, 4])),
    ]

    @Test(arguments: all) func whatIsWrittenIsRead(packet: RTCPPacket) {
        let bytes = RTCPPacket.compound([packet])
        #expect(bytes.count % 4 == 0)
        #expect(Self.parse(bytes, reduced: true) == [packet])
    }

    @Test func aCompoundIsRead() {
        let packets = [Self.all[0]] + Self.all
        #expect(Self.parse(RTCPPacket.compound(packets)) == packets)
    }

    /// A report as it stands in RFC 3550 section 6.4.2, byte by byte.
    @Test func aReceiverReportIsWrittenAsTheStandardSays() {
        #expect(
            RTCPPacket.compound([.receiverReport(ssrc: 0x0A0B_0C0D, [Self.block])]) == [
                0x81, 201, 0, 7, 0x0A, 0x0B, 0x0C, 0x0D,
                0, 0, 0, 7, 3, 0xFF, 0xFF, 0xFE, 0, 1, 0xFF, 0xFF, 0, 0, 0, 9, 0, 0, 0, 10, 0, 0, 0, 11,
            ])
    }

    @Test func whatDoesNotFitIsCutOffWhenWritten() throws {
        var block = Self.block
        block.cumulativeLost = .max
        let long = String(repeating: "x", count: 300)
        let packets = try #require(
            Self.parse(
                RTCPPacket.compound([
                    .receiverReport(ssrc: 1, Array(repeating: block, count: 40)),
                    .sourceDescription([.init(ssrc: 1, canonicalName: long)]),
                    .bye(ssrcs: Array(0..<40), reason: long),
                ])))
        guard case .receiverReport(_, let blocks) = packets[0], case .bye(let ssrcs, let reason) = packets[2] else {
            Issue.record("\(packets)")
            return
        }
        #expect(blocks.count == 31 && blocks[0].cumulativeLost == 0x7F_FFFF)
        #expect(packets[1] == .sourceDescription([.init(ssrc: 1, canonicalName: String(long.prefix(255)))]))
        #expect(ssrcs == Array(0..<31) && reason?.count == 255)
    }

    static let empty: [UInt8] = [0x80, 201, 0, 1, 0, 0, 0, 1]

    /// What follows an empty receiver report, and what comes of the whole: how many packets, or nil where it is no RTCP.
    @Test(
        arguments: [
            ([], 1),
            // Another version, a length beyond the end, a type that RTCP has not, half a word.
            ([0x40, 203, 0, 0], nil), ([0x80, 203, 0, 1], nil), ([0x80, 96, 0, 0], nil), ([0x80, 203], nil),
            // Padding: in the last packet; in another; of a length that cannot be.
            ([0xA0, 203, 0, 1, 0, 0, 0, 4], 2), ([0xA0, 203, 0, 1, 0, 0, 0, 4, 0x80, 203, 0, 0], nil),
            ([0xA0, 203, 0, 1, 0, 0, 0, 8], nil), ([0xA0, 203, 0, 1, 0, 0, 0, 0], nil), ([0xA0, 203, 0, 0], nil),
            ([0xA0, 203, 0, 1, 0, 0, 0, 3], nil),
            // Unknown types are passed over: feedback, extended reports.
            ([0x81, 205, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0x80, 207, 0, 1, 0, 0, 0, 1, 0x81, 203, 0, 1, 0, 0, 0, 1], 2),
            // Counts that do not fit: reports, sources, chunks, items.
            ([0x81, 201, 0, 1, 0, 0, 0, 1], 1), ([0x82, 203, 0, 1, 0, 0, 0, 1], 1), ([0x80, 200, 0, 1, 0, 0, 0, 1], 1),
            ([0x82, 202, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0], 1), ([0x81, 202, 0, 2, 0, 0, 0, 1, 1, 3, 65, 65], 1),
            ([0x81, 202, 0, 2, 0, 0, 0, 1, 1, 2, 65, 65], 1), ([0x81, 204, 0, 1, 0, 0, 0, 1], 1),
        ] as [([UInt8], Int?)])
    func compoundsAreChecked(rest: [UInt8], count: Int?) {
        #expect(Self.parse(Self.empty + rest)?.count == count)
    }

    @Test func aReportComesFirstUnlessReduced() {
        let bye = RTCPPacket.compound([.bye(ssrcs: [1], reason: nil)])
        #expect(Self.parse(bye) == nil)
        #expect(Self.parse(bye, reduced: true)?.count == 1)
        #expect(Self.parse([]) == nil)
    }

    @Test func aReasonThatDoesNotFitIsLeftOut() {
        #expect(
            Self.parse([0x81, 203, 0, 2, 0, 0, 0, 1, 9, 65, 65, 65], reduced: true) == [.bye(ssrcs: [1], reason: nil)])
    }

    @Test func packetsAreBounded() {
        let many = RTCPPacket.compound(Array(repeating: .receiverReport(ssrc: 1, []), count: RTCPPacket.mostPackets))
        #expect(Self.parse(many)?.count == RTCPPacket.mostPackets)
        #expect(Self.parse(many + Self.empty) == nil)
    }
}
