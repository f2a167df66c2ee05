package import ThroughlineCore

/// Counts what arrives from one RTP source, as RFC 3550 appendix A.1 (sequence), A.3 (loss) and A.8 (jitter) do it, and
/// makes the block of a receiver report from it.
///
/// Duplicates are found among the last 128 sequence numbers. Another SSRC takes over when two of its packets came in a
/// row, so that one stray packet does not throw the counts away. Integers only, nothing allocated; not thread-safe.
package struct RTPReceptionStatistics: Sendable {
    /// What a packet was.
    package enum Verdict: Hashable, Sendable {
        case inOrder
        /// In order, but so many before it have not come, at least one.
        case afterGap(missing: Int)
        /// It came after one with a higher number, for the first time.
        case reordered
        case duplicate
        /// The source has yet to show that it is one: nothing is counted.
        case unproven
        /// A number, or a source, that fits nowhere; nothing is counted unless the next packet follows it.
        case doubtful
        /// The source counts anew: the counts begin again with this packet and the one before.
        case restarted
        /// Another source sends: the counts begin again with this packet and the one before.
        case sourceChanged
    }

    /// Further ahead than this is another count.
    private static let mostDropout: UInt16 = 3000
    /// Further behind than this is another count.
    private static let mostMisorder: UInt16 = 100

    private let clockRateHz: Int64
    private let probation: Int

    /// The source that is counted; nil before the first packet.
    package private(set) var ssrc: UInt32?
    /// Packets in a row that are still wanted before anything is counted.
    private var probationLeft = 0
    private var baseSequence: UInt16 = 0
    private var highestSequence: UInt16 = 0
    private var cycles: UInt32 = 0
    /// The number after one that fitted nowhere; nil when there is none.
    private var doubtedNext: UInt16?
    /// The same for another source.
    private var candidate: (ssrc: UInt32, next: UInt16)?
    /// Which of the 128 numbers up to `highestSequence` have come; the lowest bit stands for the highest number.
    private var seen: UInt128 = 0

    /// Packets of this count, duplicates and late ones among them (RFC 3550 section 6.4.1).
    package private(set) var received: Int64 = 0
    package private(set) var duplicates: Int64 = 0
    package private(set) var reordered: Int64 = 0
    /// Bytes of payload of all packets that were counted but duplicates.
    package private(set) var payloadBytes: Int64 = 0

    private var expectedBefore: Int64 = 0
    private var receivedBefore: Int64 = 0

    /// Arrival less timestamp, in units of the timestamp; nil before the first packet.
    private var transit: UInt32?
    /// Sixteen times the jitter.
    private var scaledJitter: Int64 = 0

    private var lastReport: (middle: UInt32, arrival: Instant)?

    /// - Parameters:
    ///   - clockRateHz: of the RTP timestamp; less than 1 counts as 1.
    ///   - probation: packets in a row, 0 to 100, before a source is believed. Where a connection orders the packets, 0.
    package init(clockRateHz: Int64, probation: Int = 2) {
        self.clockRateHz = max(1, min(Int64(Int32.max), clockRateHz))
        self.probation = max(0, min(100, probation))
    }

    /// A packet has come.
    @discardableResult
    package mutating func received(_ header: RTPHeader, at now: Instant) -> Verdict {
        let verdict = count(header)
        switch verdict {
        case .unproven, .doubtful: break
        case .duplicate: break
        case .restarted, .sourceChanged:
            payloadBytes = Int64(header.payload.count)
            transit = nil
            scaledJitter = 0
            measureJitter(header, at: now)
        case .inOrder, .afterGap, .reordered:
            payloadBytes &+= Int64(header.payload.count)
            measureJitter(header, at: now)
        }
        return verdict
    }

    private mutating func count(_ header: RTPHeader) -> Verdict {
        let sequence = header.sequence
        guard let ssrc else {
            self.ssrc = header.ssrc
            begin(at: sequence)
            highestSequence = sequence &- 1
            probationLeft = probation
            return proving(sequence)
        }
        guard header.ssrc == ssrc else {
            if probation == 0 {
                self.ssrc = header.ssrc
                begin(at: sequence)
                received = 1
                return .sourceChanged
            }
            if let candidate, candidate.ssrc == header.ssrc, candidate.next == sequence {
                self.ssrc = header.ssrc
                probationLeft = 0
                begin(afterOneBefore: sequence)
                return .sourceChanged
            }
            candidate = (header.ssrc, sequence &+ 1)
            return .doubtful
        }
        if probationLeft > 0 { return proving(sequence) }

        let ahead = sequence &- highestSequence
        if ahead == 0 {
            received += 1
            duplicates += 1
            return .duplicate
        }
        if ahead < Self.mostDropout {
            if sequence < highestSequence { cycles &+= 1 }
            highestSequence = sequence
            seen = ahead < 128 ? seen << UInt128(ahead) | 1 : 1
            received += 1
            return ahead == 1 ? .inOrder : .afterGap(missing: Int(ahead) - 1)
        }
        let behind = highestSequence &- sequence
        if behind <= Self.mostMisorder {
            received += 1
            let bit = UInt128(1) << UInt128(behind)
            if seen & bit != 0 {
                duplicates += 1
                return .duplicate
            }
            seen |= bit
            reordered += 1
            return .reordered
        }
        if doubtedNext == sequence {
            begin(afterOneBefore: sequence)
            return .restarted
        }
        doubtedNext = sequence &+ 1
        return .doubtful
    }

    /// While the source is on probation.
    private mutating func proving(_ sequence: UInt16) -> Verdict {
        if sequence == highestSequence &+ 1 {
            probationLeft = max(0, probationLeft - 1)
            highestSequence = sequence
            if probationLeft == 0 {
                begin(at: sequence)
                received = 1
                return .inOrder
            }
        } else {
            probationLeft = max(1, probation - 1)
            highestSequence = sequence
        }
        return .unproven
    }

    private mutating func begin(at sequence: UInt16) {
        baseSequence = sequence
        highestSequence = sequence
        cycles = 0
        doubtedNext = nil
        candidate = nil
        seen = 1
        received = 0
        duplicates = 0
        reordered = 0
        expectedBefore = 0
        receivedBefore = 0
        lastReport = nil
    }

    /// The packet before this one was of the same count, but had been doubted.
    private mutating func begin(afterOneBefore sequence: UInt16) {
        begin(at: sequence)
        baseSequence = sequence &- 1
        cycles = sequence == 0 ? 1 : 0
        seen = 0b11
        received = 2
    }

    /// RFC 3550 appendix A.8, in integers. Differences are taken modulo 2^32, as the timestamps are.
    private mutating func measureJitter(_ header: RTPHeader, at now: Instant) {
        let arrival = now.nanoseconds.scaled(by: clockRateHz, over: 1_000_000_000) ?? 0
        let transit = UInt32(truncatingIfNeeded: arrival) &- header.timestamp
        if let before = self.transit {
            let difference = Int64(Int32(bitPattern: transit &- before).magnitude)
            scaledJitter += difference - (scaledJitter + 8) >> 4
        }
        self.transit = transit
    }

    /// Whether a source has been believed.
    package var isValid: Bool { ssrc != nil && probationLeft == 0 }

    /// The highest sequence number received, and above it how often the number wrapped.
    package var extendedHighestSequence: UInt32 { cycles << 16 | UInt32(highestSequence) }

    /// How many packets should have come.
    package var expected: Int64 {
        isValid ? Int64(cycles) << 16 + Int64(highestSequence) - Int64(baseSequence) + 1 : 0
    }

    /// Expected less received; negative where more were doubled than lost.
    package var lost: Int64 { expected - received }

    /// Deviation of the arrivals from the timestamps, in units of the timestamp, smoothed over some 16 packets.
    package var jitter: UInt32 { UInt32(clamping: scaledJitter >> 4) }

    /// The sender has reported; that goes back to it in the next block. The report of another source is ignored.
    package mutating func senderReported(_ report: RTCPPacket.SenderReport, at now: Instant) {
        guard report.ssrc == ssrc else { return }
        lastReport = (UInt32(truncatingIfNeeded: report.ntpTime >> 16), now)
    }

    /// The block for a receiver report, over what came since the last one; nil while there is nobody to report of.
    package mutating func reportBlock(at now: Instant) -> RTCPPacket.ReportBlock? {
        guard isValid, let ssrc else { return nil }
        let expectedNow = expected - expectedBefore
        let lostNow = expectedNow - (received - receivedBefore)
        expectedBefore = expected
        receivedBefore = received
        let fraction = expectedNow > 0 && lostNow > 0 ? min(255, lostNow * 256 / expectedNow) : 0
        var delay: Int64 = 0
        if let lastReport {
            delay = max(0, (now - lastReport.arrival).wholeNanoseconds).scaled(by: 65_536, over: 1_000_000_000) ?? .max
        }
        return RTCPPacket.ReportBlock(
            ssrc: ssrc, fractionLost: UInt8(fraction),
            cumulativeLost: Int32(max(-0x80_0000, min(0x7F_FFFF, lost))), highestSequence: extendedHighestSequence,
            jitter: jitter, lastReport: lastReport?.middle ?? 0, delaySinceLastReport: UInt32(clamping: delay))
    }
}
