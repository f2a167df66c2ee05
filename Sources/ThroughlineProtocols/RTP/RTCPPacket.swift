/// One packet of RTCP (RFC 3550 section 6.4 to 6.7). They travel in compounds.
package enum RTCPPacket: Hashable, Sendable {
    case senderReport(SenderReport, [ReportBlock])
    case receiverReport(ssrc: UInt32, [ReportBlock])
    case sourceDescription([SourceDescription])
    case bye(ssrcs: [UInt32], reason: String?)
    case application(Application)

    /// What a sender says of itself (RFC 3550 section 6.4.1).
    package struct SenderReport: Hashable, Sendable {
        package var ssrc: UInt32
        /// Wall clock of the report: seconds since 1900 and their fraction, 32 bits each; 0 where the sender has none.
        package var ntpTime: UInt64
        /// The same moment in units of the RTP timestamp.
        package var rtpTime: UInt32
        package var packetCount: UInt32
        package var octetCount: UInt32

        package init(ssrc: UInt32, ntpTime: UInt64, rtpTime: UInt32, packetCount: UInt32, octetCount: UInt32) {
            self.ssrc = ssrc
            self.ntpTime = ntpTime
            self.rtpTime = rtpTime
            self.packetCount = packetCount
            self.octetCount = octetCount
        }
    }

    /// What a receiver says of one source (RFC 3550 section 6.4.1).
    package struct ReportBlock: Hashable, Sendable {
        package var ssrc: UInt32
        /// Lost since the last report, in 1/256 of those expected.
        package var fractionLost: UInt8
        /// Lost in all, 24 bits with sign: duplicates make it negative. Clamped when written.
        package var cumulativeLost: Int32
        /// The highest sequence number received; above it how often the number wrapped.
        package var highestSequence: UInt32
        /// In units of the RTP timestamp.
        package var jitter: UInt32
        /// The middle 32 bits of the NTP time of the last sender report; 0 for none.
        package var lastReport: UInt32
        /// Since that report, in 1/65536 s.
        package var delaySinceLastReport: UInt32

        package init(
            ssrc: UInt32, fractionLost: UInt8, cumulativeLost: Int32, highestSequence: UInt32, jitter: UInt32,
            lastReport: UInt32, delaySinceLastReport: UInt32
        ) {
            self.ssrc = ssrc
            self.fractionLost = fractionLost
            self.cumulativeLost = cumulativeLost
            self.highestSequence = highestSequence
            self.jitter = jitter
            self.lastReport = lastReport
            self.delaySinceLastReport = delaySinceLastReport
        }
    }

    /// Who a source is (RFC 3550 section 6.5). Of all items only the canonical name is kept.
    package struct SourceDescription: Hashable, Sendable {
        package var ssrc: UInt32
        /// At most 255 bytes; what is longer is cut off when written.
        package var canonicalName: String?

        package init(ssrc: UInt32, canonicalName: String?) {
            self.ssrc = ssrc
            self.canonicalName = canonicalName
        }
    }

    /// Of an application's own making (RFC 3550 section 6.7).
    package struct Application: Hashable, Sendable {
        package var ssrc: UInt32
        /// 0 to 31.
        package var subtype: UInt8
        /// Four characters of ASCII as one big-endian number.
        package var name: UInt32
        /// A multiple of four bytes; padded with zeros when written.
        package var data: [UInt8]

        package init(ssrc: UInt32, subtype: UInt8, name: UInt32, data: [UInt8]) {
            self.ssrc = ssrc
            self.subtype = subtype
            self.name = name
            self.data = data
        }
    }
}

// MARK: Reading

extension RTCPPacket {
    /// More packets than this are in no compound that means well.
    package static let mostPackets = 64

    /// Takes a compound apart, after the checks of RFC 3550 appendix A.2: version 2 throughout, a report first, padding in
    /// the last packet only, lengths that add up to the whole. Packets of unknown types, and those whose counts do not
    /// fit into them, are passed over.
    ///
    /// - Parameters:
    ///   - compound: one datagram, or one interleaved frame.
    ///   - reduced: take a compound that does not begin with a report (RFC 5506). Servers send a lone BYE.
    /// - Returns: nil when the whole is no RTCP.
    package static func parse(_ compound: UnsafeRawBufferPointer, reduced: Bool = false) -> [RTCPPacket]? {
        guard compound.count >= 4, compound.count % 4 == 0, compound.count <= 0xFFFF else { return nil }
        guard reduced || compound[1] == PacketType.senderReport || compound[1] == PacketType.receiverReport else {
            return nil
        }
        var packets: [RTCPPacket] = []
        var offset = 0
        var count = 0
        while offset < compound.count {
            // Whole words remain, so there is a header.
            count += 1
            let length = 4 + 4 * Int(compound.bigEndian16(at: offset + 2))
            let type = compound[offset + 1]
            guard compound[offset] >> 6 == 2, (192...223).contains(type), length <= compound.count - offset,
                count <= mostPackets
            else { return nil }
            var end = offset + length
            if compound[offset] & 0x20 != 0 {
                let padding = Int(compound[end - 1])
                guard end == compound.count, padding > 0, padding % 4 == 0, padding <= length - 4 else { return nil }
                end -= padding
            }
            let itemCount = compound[offset] & 0x1F
            if let packet = RTCPPacket(type: type, itemCount: itemCount, body: compound.part(offset + 4..<end)) {
                packets.append(packet)
            }
            offset += length
        }
        return packets
    }

    /// - Parameters:
    ///   - itemCount: the five bits that count reports, chunks or sources, or name a subtype.
    ///   - body: what follows the first four bytes, without padding; whole words.
    private init?(type: UInt8, itemCount: UInt8, body: UnsafeRawBufferPointer) {
        let itemLimit = Int(itemCount)
        switch type {
        case PacketType.senderReport:
            guard body.count >= 24, let blocks = ReportBlock.list(in: body, from: 24, count: itemLimit) else {
                return nil
            }
            let report = SenderReport(
                ssrc: body.bigEndian32(at: 0),
                ntpTime: UInt64(body.bigEndian32(at: 4)) << 32 | UInt64(body.bigEndian32(at: 8)),
                rtpTime: body.bigEndian32(at: 12), packetCount: body.bigEndian32(at: 16),
                octetCount: body.bigEndian32(at: 20))
            self = .senderReport(report, blocks)
        case PacketType.receiverReport:
            guard body.count >= 4, let blocks = ReportBlock.list(in: body, from: 4, count: itemLimit) else {
                return nil
            }
            self = .receiverReport(ssrc: body.bigEndian32(at: 0), blocks)
        case PacketType.sourceDescription:
            guard let chunks = SourceDescription.list(in: body, count: itemLimit) else { return nil }
            self = .sourceDescription(chunks)
        case PacketType.bye:
            guard body.count >= 4 * itemLimit else { return nil }
            let ssrcs = (0..<itemLimit).map { body.bigEndian32(at: 4 * $0) }
            var reason: String?
            if body.count > 4 * itemLimit {
                let length = Int(body[4 * itemLimit])
                let start = 4 * itemLimit + 1
                // A reason that does not fit is no reason to doubt the BYE.
                if length > 0, length <= body.count - start {
                    reason = String(decoding: body.part(start..<start + length), as: UTF8.self)
                }
            }
            self = .bye(ssrcs: ssrcs, reason: reason)
        case PacketType.application:
            guard body.count >= 8 else { return nil }
            self = .application(
                Application(
                    ssrc: body.bigEndian32(at: 0), subtype: itemCount, name: body.bigEndian32(at: 4),
                    data: Array(body[8...])))
        default:
            return nil
        }
    }
}

extension RTCPPacket.ReportBlock {
    static let size = 24

    /// Nil when there are fewer than `count`. What follows the last is an extension of some profile.
    fileprivate static func list(in body: UnsafeRawBufferPointer, from start: Int, count: Int) -> [Self]? {
        guard body.count - start >= size * count else { return nil }
        return (0..<count).map { index in
            let at = start + size * index
            let lost = body.bigEndian32(at: at + 4)
            return Self(
                ssrc: body.bigEndian32(at: at), fractionLost: UInt8(lost >> 24),
                // The sign stands in bit 23.
                cumulativeLost: Int32(bitPattern: lost << 8) >> 8, highestSequence: body.bigEndian32(at: at + 8),
                jitter: body.bigEndian32(at: at + 12), lastReport: body.bigEndian32(at: at + 16),
                delaySinceLastReport: body.bigEndian32(at: at + 20))
        }
    }
}

extension RTCPPacket.SourceDescription {
    static let canonicalNameItem: UInt8 = 1

    /// Nil when the chunks or their items reach beyond the packet.
    fileprivate static func list(in body: UnsafeRawBufferPointer, count: Int) -> [Self]? {
        var chunks: [Self] = []
        var at = 0
        for _ in 0..<count {
            guard body.count - at >= 4 else { return nil }
            var chunk = Self(ssrc: body.bigEndian32(at: at), canonicalName: nil)
            at += 4
            // Items up to a zero byte; each has its type, its length and so many bytes.
            while true {
                guard at < body.count else { return nil }
                let type = body[at]
                if type == 0 { break }
                guard body.count - at >= 2 else { return nil }
                let length = Int(body[at + 1])
                guard length <= body.count - at - 2 else { return nil }
                if type == canonicalNameItem, chunk.canonicalName == nil {
                    chunk.canonicalName = String(decoding: body.part(at + 2..<at + 2 + length), as: UTF8.self)
                }
                at += 2 + length
            }
            // The next chunk begins with the next word.
            at = (at / 4 + 1) * 4
            chunks.append(chunk)
        }
        return chunks
    }
}

// MARK: Writing

extension RTCPPacket {
    /// The packets one after the other, as one datagram. The order is the caller's: a report comes first, and a compound
    /// has a canonical name (RFC 3550 section 6.1).
    package static func compound(_ packets: [RTCPPacket]) -> [UInt8] {
        var bytes: [UInt8] = []
        for packet in packets { packet.append(to: &bytes) }
        return bytes
    }

    /// Lists of more than 31 are cut off there, since their count has five bits.
    package func append(to bytes: inout [UInt8]) {
        let start = bytes.count
        switch self {
        case .senderReport(let report, let blocks):
            bytes.appendHeader(PacketType.senderReport, count: blocks.count)
            bytes.append(bigEndian: report.ssrc)
            bytes.append(bigEndian: UInt32(truncatingIfNeeded: report.ntpTime >> 32))
            bytes.append(bigEndian: UInt32(truncatingIfNeeded: report.ntpTime))
            bytes.append(bigEndian: report.rtpTime)
            bytes.append(bigEndian: report.packetCount)
            bytes.append(bigEndian: report.octetCount)
            for block in blocks.prefix(31) { block.append(to: &bytes) }
        case .receiverReport(let ssrc, let blocks):
            bytes.appendHeader(PacketType.receiverReport, count: blocks.count)
            bytes.append(bigEndian: ssrc)
            for block in blocks.prefix(31) { block.append(to: &bytes) }
        case .sourceDescription(let chunks):
            bytes.appendHeader(PacketType.sourceDescription, count: chunks.count)
            for chunk in chunks.prefix(31) {
                bytes.append(bigEndian: chunk.ssrc)
                if let name = chunk.canonicalName {
                    bytes.append(SourceDescription.canonicalNameItem)
                    bytes.appendCounted(name)
                }
                // At least one zero byte ends the items.
                repeat { bytes.append(0) } while (bytes.count - start) % 4 != 0
            }
        case .bye(let ssrcs, let reason):
            bytes.appendHeader(PacketType.bye, count: ssrcs.count)
            for ssrc in ssrcs.prefix(31) { bytes.append(bigEndian: ssrc) }
            if let reason, !reason.isEmpty {
                bytes.appendCounted(reason)
                while (bytes.count - start) % 4 != 0 { bytes.append(0) }
            }
        case .application(let application):
            bytes.appendHeader(PacketType.application, count: Int(application.subtype & 0x1F))
            bytes.append(bigEndian: application.ssrc)
            bytes.append(bigEndian: application.name)
            bytes += application.data.prefix(0xFFF0)
            while (bytes.count - start) % 4 != 0 { bytes.append(0) }
        }
        let words = (bytes.count - start) / 4 - 1
        bytes[start + 2] = UInt8(truncatingIfNeeded: words >> 8)
        bytes[start + 3] = UInt8(truncatingIfNeeded: words)
    }

    private enum PacketType {
        static let senderReport: UInt8 = 200
        static let receiverReport: UInt8 = 201
        static let sourceDescription: UInt8 = 202
        static let bye: UInt8 = 203
        static let application: UInt8 = 204
    }
}

extension RTCPPacket.ReportBlock {
    fileprivate func append(to bytes: inout [UInt8]) {
        bytes.append(bigEndian: ssrc)
        let lost = UInt32(bitPattern: max(-0x80_0000, min(0x7F_FFFF, cumulativeLost))) & 0xFF_FFFF
        bytes.append(bigEndian: UInt32(fractionLost) << 24 | lost)
        bytes.append(bigEndian: highestSequence)
        bytes.append(bigEndian: jitter)
        bytes.append(bigEndian: lastReport)
        bytes.append(bigEndian: delaySinceLastReport)
    }
}

extension [UInt8] {
    /// Version 2, no padding; the length is filled in when it is known.
    fileprivate mutating func appendHeader(_ type: UInt8, count: Int) {
        append(0x80 | UInt8(Swift.min(31, count)))
        append(type)
        append(0)
        append(0)
    }

    fileprivate mutating func append(bigEndian value: UInt32) {
        for shift in [24, 16, 8, 0] as [UInt32] { append(UInt8(truncatingIfNeeded: value >> shift)) }
    }

    /// A length of one byte and as much of the text.
    fileprivate mutating func appendCounted(_ text: String) {
        let text = text.utf8.prefix(255)
        append(UInt8(text.count))
        self += text
    }
}
