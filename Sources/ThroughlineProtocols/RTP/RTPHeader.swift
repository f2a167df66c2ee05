/// The fixed header of an RTP packet, and where its payload lies (RFC 3550 section 5.1).
///
/// Read in place: no copy, no allocation. The bytes are not kept.
package struct RTPHeader: Hashable, Sendable {
    /// Bytes of the fixed header.
    package static let size = 12

    /// What the profile makes of it; with most video formats the last packet of a picture.
    package let marker: Bool
    /// 0 to 127.
    package let payloadType: UInt8
    package let sequence: UInt16
    package let timestamp: UInt32
    package let ssrc: UInt32
    /// How many contributing sources are listed, 0 to 15.
    package let contributorCount: Int
    /// The bytes of the payload, counted from the start of the packet: after the contributing sources and the header
    /// extension, before the padding. May be empty.
    package let payload: Range<Int>
    /// Bytes of padding at the end, the count itself included; 0 for none.
    package let paddingCount: Int

    /// Nil for what is no RTP: too short, another version than 2, or lengths that do not fit into the packet.
    package init?(_ packet: UnsafeRawBufferPointer) {
        guard packet.count >= Self.size else { return nil }
        let first = packet[0]
        guard first >> 6 == 2 else { return nil }
        contributorCount = Int(first & 0x0F)
        var start = Self.size + 4 * contributorCount
        guard start <= packet.count else { return nil }
        if first & 0x10 != 0 {
            // Two bytes that the profile defines, then the length in words, without these four bytes.
            guard packet.count - start >= 4 else { return nil }
            start += 4 + 4 * Int(packet.bigEndian16(at: start + 2))
            guard start <= packet.count else { return nil }
        }
        var end = packet.count
        if first & 0x20 != 0 {
            // The last byte counts the padding, itself included.
            let padding = Int(packet[end - 1])
            guard padding > 0, padding <= end - start else { return nil }
            end -= padding
        }
        marker = packet[1] & 0x80 != 0
        payloadType = packet[1] & 0x7F
        sequence = packet.bigEndian16(at: 2)
        timestamp = packet.bigEndian32(at: 4)
        ssrc = packet.bigEndian32(at: 8)
        payload = start..<end
        paddingCount = packet.count - end
    }

    /// Bytes that are not payload: header, contributing sources, extension and padding.
    package var overhead: Int { payload.lowerBound + paddingCount }
}

extension RTPHeader {
    /// Writes other values into a packet in place, for a reader that must see one source where there were several.
    ///
    /// - Parameter payloadType: only its low 7 bits are taken; the marker stays as it is.
    /// - Returns: false, and nothing is changed, when the bytes are too few for a header of version 2.
    @discardableResult
    package static func rewrite(
        _ packet: UnsafeMutableRawBufferPointer, payloadType: UInt8? = nil, sequence: UInt16? = nil,
        timestamp: UInt32? = nil, ssrc: UInt32? = nil
    ) -> Bool {
        guard packet.count >= size, packet[0] >> 6 == 2 else { return false }
        if let payloadType { packet[1] = packet[1] & 0x80 | payloadType & 0x7F }
        if let sequence { packet.storeBytes(of: sequence.bigEndian, toByteOffset: 2, as: UInt16.self) }
        if let timestamp { packet.storeBytes(of: timestamp.bigEndian, toByteOffset: 4, as: UInt32.self) }
        if let ssrc { packet.storeBytes(of: ssrc.bigEndian, toByteOffset: 8, as: UInt32.self) }
        return true
    }
}

/// What a datagram is on a port that carries both RTP and RTCP.
package enum MuxedPacketKind: Hashable, Sendable {
    case rtp, rtcp

    /// RTCP has its packet type where RTP has marker and payload type; 192 to 223 are left to RTCP (RFC 5761 section
    /// 4). Nil for what is neither: version 2 is wanted of both, and more than the smallest header has. That the rest is
    /// in order is for the parsers to say.
    package init?(_ packet: UnsafeRawBufferPointer) {
        guard packet.count >= 4, packet[0] >> 6 == 2 else { return nil }
        if (192...223).contains(packet[1]) {
            self = .rtcp
        } else if packet.count >= RTPHeader.size {
            self = .rtp
        } else {
            return nil
        }
    }
}

extension UnsafeRawBufferPointer {
    /// - Precondition: two bytes are there.
    @inline(__always)
    func bigEndian16(at offset: Int) -> UInt16 {
        UInt16(bigEndian: part(offset..<offset + 2).loadUnaligned(as: UInt16.self))
    }

    /// - Precondition: four bytes are there.
    @inline(__always)
    func bigEndian32(at offset: Int) -> UInt32 {
        UInt32(bigEndian: part(offset..<offset + 4).loadUnaligned(as: UInt32.self))
    }
}
