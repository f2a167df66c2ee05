internal import ThroughlineCore

@testable import ThroughlineProtocols

/// Two servers that send the same, and what a receiver makes of it that plays the one and has the other as its twin.
///
/// Everything is decided by the seed, and time is virtual.
struct TwinScene {
    /// How one of the two sends, and what the network does to it.
    struct Path {
        var sequence: UInt16 = 100
        var timestamp: UInt32 = 5000
        var ssrc: UInt32 = 0x1111_1111
        var payloadType: UInt8 = 96
        /// Of a thousand packets so many are lost.
        var lossPerThousand = 50
        /// Each packet is late by 0 to so many milliseconds.
        var jitter: Int64 = 20
        /// All of them are late by so many; where it is negative, the other is late by as many.
        var lag: Int64 = 0
        /// Of a thousand packets so many come twice.
        var doubledPerThousand = 0
        /// Packets that are lost altogether.
        var outage: Range<Int> = 0..<0
        /// From this packet on sequence numbers are so many further.
        var skip: (from: Int, by: UInt16) = (.max, 0)
    }

    var played = Path()
    var twin = Path(sequence: 40_000, timestamp: 77, ssrc: 0x2222_2222, payloadType: 97)
    var count = 24_000
    /// From one packet to the next.
    var microseconds: Int64 = 1000
    /// Bytes of payload.
    var size = 60
    /// What the played server sends, by number; nil for something that occurs once.
    var content: (@Sendable (Int) -> [UInt8])?
    /// What the twin sends, where that is something else.
    var twinContent: (@Sendable (Int) -> [UInt8])?
    /// By how much the timestamps of the twin are off, by number.
    var rounding: (@Sendable (Int) -> UInt32)?
    var policy = RTPTwin.Policy()
    var seed: UInt64 = 1

    struct Outcome {
        var delivered = 0
        var filled = 0
        var lost = 0
        /// Packets of the played path that the network lost, and those that both paths lost.
        var lostOnPath = 0
        var lostOnBoth = 0
        /// Packets that are not what the played server sent in this place.
        var wrong: [Int] = []
        var findings: [RTPTwin.Finding] = []
        /// The most that was kept of the twin.
        var mostCapacity = 0
        /// From when a packet could first go on to when it did, at the most.
        var longestDelay: Duration = .zero
        /// Places that were lost, in order.
        var lostPlaces: [Int] = []

        var lossPerThousand: Double { Double(lost) * 1000 / Double(delivered + filled + lost) }
    }

    private struct Arrival {
        let time: Int64
        let number: Int
        let isTwin: Bool
    }

    private static let packetsPerPicture = 3

    /// A packet as one of the two sends it.
    func packet(_ number: Int, of path: Path, isTwin: Bool = false) -> [UInt8] {
        let skipped = number >= path.skip.from ? path.skip.by : 0
        let payload: [UInt8]
        if isTwin, let twinContent {
            payload = twinContent(number)
        } else if let content {
            payload = content(number)
        } else {
            payload = Self.unique(number, size: size)
        }
        let ticks = UInt32(truncatingIfNeeded: number / Self.packetsPerPicture * 3600)
        return rtpPacket(
            sequence: path.sequence &+ UInt16(truncatingIfNeeded: number) &+ skipped,
            timestamp: path.timestamp &+ ticks &+ (isTwin ? rounding?(number) ?? 0 : 0), ssrc: path.ssrc,
            payloadType: path.payloadType, marker: number % Self.packetsPerPicture == Self.packetsPerPicture - 1,
            payload: payload)
    }

    /// Bytes that occur in no other packet.
    static func unique(_ number: Int, size: Int = 60) -> [UInt8] {
        var random = SeededGenerator(seed: UInt64(number) &+ 1_000_000)
        var bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: size)
        let (first, second) = (random.next(), random.next())
        bytes.withUnsafeMutableBytes { bytes in
            guard size >= 8 else { return }
            bytes.storeBytes(of: first, as: UInt64.self)
            bytes.storeBytes(of: second, toByteOffset: size - 8, as: UInt64.self)
        }
        return bytes
    }

    private func arrivals(of path: Path, isTwin: Bool, lost: inout Set<Int>, _ random: inout SeededGenerator)
        -> [Arrival]
    {
        var all: [Arrival] = []
        for number in 0..<count {
            let time = Int64(number) * microseconds + max(0, path.lag) * 1000
            // The first is there, so that both count from the same.
            let isFirst = number == 0 && !isTwin
            if !isFirst, Int.random(in: 0..<1000, using: &random) < path.lossPerThousand || path.outage.contains(number)
            {
                lost.insert(number)
                continue
            }
            let jitter = isFirst || path.jitter == 0 ? 0 : Int64.random(in: 0...path.jitter * 1000, using: &random)
            all.append(Arrival(time: time + jitter, number: number, isTwin: isTwin))
            if Int.random(in: 0..<1000, using: &random) < path.doubledPerThousand {
                all.append(Arrival(time: time + jitter + 700, number: number, isTwin: isTwin))
            }
        }
        return all
    }

    func run() -> Outcome {
        var random = SeededGenerator(seed: seed)
        var outcome = Outcome()
        var (lost, lostByTwin): (Set<Int>, Set<Int>) = ([], [])
        var played = played
        if twin.lag < 0 { played.lag = -twin.lag }
        var events = arrivals(of: played, isTwin: false, lost: &lost, &random)
        events += arrivals(of: twin, isTwin: true, lost: &lostByTwin, &random)
        events.sort { ($0.time, $0.number, $0.isTwin ? 1 : 0) < ($1.time, $1.number, $1.isTwin ? 1 : 0) }
        outcome.lostOnPath = lost.count
        outcome.lostOnBoth = lost.intersection(lostByTwin).count

        var buffer = RTPReorderBuffer(policy: .init(beginning: .zero))
        buffer.join(policy)
        var place = 0
        var now = Instant.at(milliseconds: 0)
        func took(_ output: RTPReorderBuffer.Output) {
            switch output {
            case .packet(let bytes), .filled(let bytes):
                if Array(bytes) != packet(place, of: self.played) { outcome.wrong.append(place) }
                if case .filled = output {
                    if !lost.contains(place) { outcome.wrong.append(place) }
                    outcome.filled += 1
                } else {
                    outcome.delivered += 1
                }
                let sent = Instant.at(milliseconds: played.lag) + .microseconds(Int64(place) * microseconds)
                outcome.longestDelay = max(outcome.longestDelay, now - sent)
                place += 1
            case .lost(let count):
                outcome.lostPlaces += place..<place + count
                outcome.lost += count
                place += count
            case .restarted: outcome.wrong.append(place)
            }
        }
        for event in events {
            let time = Instant.at(milliseconds: 0) + .microseconds(event.time)
            while buffer.deadline < time {
                now = max(now, buffer.deadline)
                buffer.expire(at: now, deliver: took)
            }
            now = time
            let path = event.isTwin ? twin : played
            let bytes = packet(event.number, of: path, isTwin: event.isTwin)
            let sequence = UInt16(bytes[2]) << 8 | UInt16(bytes[3])
            bytes.withUnsafeBytes { packet in
                if event.isTwin {
                    buffer.twinReceived(packet, arrival: now, at: now, deliver: took)
                } else {
                    buffer.arrived(packet, sequence: sequence, at: now, deliver: took)
                }
            }
            outcome.mostCapacity = max(outcome.mostCapacity, buffer.twinCapacity)
            outcome.findings += buffer.takeTwinFindings()
        }
        buffer.flush(deliver: took)
        if buffer.filled != outcome.filled || buffer.lost != outcome.lost { outcome.wrong.append(-1) }
        return outcome
    }
}
