internal import ThroughlineCore

@testable import ThroughlineProtocols

/// An RTP packet, with whatever a test does not care about left out.
func rtpPacket(
    sequence: UInt16, timestamp: UInt32 = 0, ssrc: UInt32 = 0x1234_5678, payloadType: UInt8 = 96, marker: Bool = false,
    payload: [UInt8] = []
) -> [UInt8] {
    var packet: [UInt8] = [0x80, payloadType | (marker ? 0x80 : 0)]
    for shift in [8, 0] { packet.append(UInt8(truncatingIfNeeded: sequence >> UInt16(shift))) }
    for value in [timestamp, ssrc] {
        for shift in [24, 16, 8, 0] as [UInt32] { packet.append(UInt8(truncatingIfNeeded: value >> shift)) }
    }
    return packet + payload
}

func rtpHeader(_ packet: [UInt8]) -> RTPHeader? { packet.withUnsafeBytes { RTPHeader($0) } }

func rtpHeader(sequence: UInt16, timestamp: UInt32 = 0, ssrc: UInt32 = 1) -> RTPHeader {
    rtpHeader(rtpPacket(sequence: sequence, timestamp: timestamp, ssrc: ssrc))!
}

extension Instant {
    /// A moment of a test's own clock.
    static func at(milliseconds: Int64) -> Instant { Instant(nanoseconds: 7_000_000_000 + milliseconds * 1_000_000) }
}
