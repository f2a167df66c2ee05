internal import ThroughlineMedia

/// KLV metadata (SMPTE 336M) as RTP packets (RFC 6597): a unit goes into as many packets as it takes, with one timestamp,
/// and the last of them has the marker.
struct KLVPacketizer {
    static let clockRateHz: Int32 = 90_000

    let payloadType: UInt8
    /// Bytes of payload in a packet at most.
    var limit = 1388

    /// The lines of the session description from `m=` on.
    var description: String {
        "m=application 0 RTP/AVP \(payloadType)\r\na=rtpmap:\(payloadType) smpte336m/\(Self.clockRateHz)\r\n"
    }

    /// - Parameter ticks: of the clock, from NPT 0. The sender writes sequence number, timestamp and source.
    func packets(of unit: UnsafeRawBufferPointer, ticks: Int64) -> [RTPPacketizer.Output] {
        stride(from: 0, to: unit.count, by: limit).map { start in
            let end = min(start + limit, unit.count)
            let marker: UInt8 = end == unit.count ? 0x80 : 0
            let header: [UInt8] = [0x80, marker | payloadType] + [UInt8](repeating: 0, count: 10)
            return RTPPacketizer.Output(bytes: header + unit[start..<end], ticks: ticks)
        }
    }
}
