internal import ThroughlineCore
internal import ThroughlineProtocols

/// One flow of a session as a source of RTP: numbers and times of its packets, and its sender reports (RFC 3550).
///
/// The clock of the timestamps is one for all flows of a session. It goes on from one PLAY to the next, whatever jumps
/// the NPT makes (RFC 2326 appendix B).
struct RTPSender {
    let clock: TimeBase
    private(set) var ssrc: UInt32
    /// The number of the next packet.
    private(set) var sequence: UInt16
    /// The timestamp where the session's clock is zero.
    private(set) var origin: UInt32
    private var packetCount: UInt32 = 0
    private var octetCount: UInt32 = 0
    private var lastTimestamp: UInt32?

    init(clock: TimeBase, using random: inout some RandomNumberGenerator) {
        self.clock = clock
        ssrc = .random(in: .min ... .max, using: &random)
        sequence = .random(in: .min ... .max, using: &random)
        origin = .random(in: .min ... .max, using: &random)
    }

    /// The timestamp of a moment on the session's clock.
    func timestamp(at moment: MediaTime) -> UInt32 {
        origin &+ UInt32(truncatingIfNeeded: moment.value(in: clock))
    }

    /// Gives a packet the next number, and a timestamp so many ticks behind that of a moment.
    ///
    /// - Parameter other: a timestamp that takes the place of the right one.
    mutating func stamp(
        _ packet: inout [UInt8], at moment: MediaTime, plus ticks: Int64, isFrozen: Bool = false, other: UInt32? = nil
    ) {
        var time = other ?? timestamp(at: moment) &+ UInt32(truncatingIfNeeded: ticks)
        if isFrozen, let lastTimestamp { time = lastTimestamp }
        lastTimestamp = time
        packet.withUnsafeMutableBytes {
            _ = RTPHeader.rewrite($0, sequence: sequence, timestamp: time, ssrc: ssrc)
        }
        sequence &+= 1
        packetCount &+= 1
        octetCount &+= UInt32(truncatingIfNeeded: packet.count - RTPHeader.size)
    }

    /// Another source, as after a restart of whatever makes the stream.
    mutating func begin(using random: inout some RandomNumberGenerator) {
        self = RTPSender(clock: clock, using: &random)
    }

    mutating func skip(_ count: Int) { sequence &+= UInt16(truncatingIfNeeded: count) }

    mutating func jump(_ time: MediaTime) { origin &+= UInt32(truncatingIfNeeded: time.value(in: clock)) }

    /// A sender report, and with `bye` the end of the source.
    ///
    /// - Parameters:
    ///   - moment: on the session's clock, now.
    ///   - wallClock: now, in seconds since 1900 as 32.32 fixed point.
    ///   - isSilent: says nothing of the clocks.
    func report(at moment: MediaTime, wallClock: UInt64, bye: Bool, isSilent: Bool = false) -> [UInt8] {
        let report = RTCPPacket.SenderReport(
            ssrc: ssrc, ntpTime: wallClock, rtpTime: timestamp(at: moment), packetCount: packetCount,
            octetCount: octetCount)
        var packets: [RTCPPacket] = [
            isSilent ? .receiverReport(ssrc: ssrc, []) : .senderReport(report, []),
            .sourceDescription([RTCPPacket.SourceDescription(ssrc: ssrc, canonicalName: "throughline-lab")]),
        ]
        if bye { packets.append(.bye(ssrcs: [ssrc], reason: nil)) }
        return RTCPPacket.compound(packets)
    }
}

extension SeededGenerator {
    /// True so many times in a hundred.
    mutating func happens(percent: Double) -> Bool {
        Double(next() >> 11) / Double(1 << 53) * 100 < percent
    }
}
