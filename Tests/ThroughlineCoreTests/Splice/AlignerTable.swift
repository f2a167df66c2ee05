internal import Testing
internal import ThroughlineCore

/// Timelines as text: a line for each flow, a column for each slot of time, a letter for each packet.
///
///     v|Abcdefgh       a flow of pictures of which capitals are key frames
///     a|--xy1234       sound: every packet stands alone
///     s|   k           subtitles: silent for long
///
/// The same letter is the same payload; `#` is damaged, unlike anything else, and `?` has nothing to recognise it by.
struct AlignerTable {
    var received: [String]
    var arriving: [String]
    /// Milliseconds of a column, by flow.
    var slots: [Int64] = [40, 40, 40]
    /// What the timeline of the arriving packets counts less than the other.
    var shift: MediaTime = .zero
    /// Pictures held back for reordering, in columns: decode times stand so much earlier, in the received and in the
    /// arriving packets.
    var decodeLead: (received: Int64, arriving: Int64) = (0, 0)
    var timeline = Timeline(.fromStart)

    struct Outcome: Equatable {
        var status: PacketAligner.Status
        /// The arriving packets that were taken as new, in their columns.
        var accepted: [String]
        /// Packets that had arrived when the status was known.
        var arrivals: Int
        /// Milliseconds that were added to the times of the first new packet, by flow.
        var shifts: [Int: [Int64]] = [:]
        var exact: [Bool] = []
        /// Packets that had arrived when it was seen that the overlap was missed.
        var missedAfter: Int?
    }

    private func packets(_ lines: [String], isArriving: Bool) -> [(
        flow: Int, column: Int, letter: Character, trace: PacketTrace
    )] {
        lines.enumerated().flatMap { flow, line -> [(Int, Int, Character, PacketTrace)] in
            let kind = line.first
            return line.dropFirst(2).enumerated().compactMap { column, letter in
                guard letter != " " else { return nil }
                let slot = MediaTime.milliseconds(slots[flow])
                let time = MediaTime(flicks: slot.flicks * Int64(column)) - (isArriving ? shift : .zero)
                let lead = kind == "v" ? (isArriving ? decodeLead.arriving : decodeLead.received) : 0
                let fingerprint: UInt64? =
                    switch letter {
                    case "?": nil
                    case "#": UInt64(100_000 + column * 2 + (isArriving ? 1 : 0))
                    default: UInt64(letter.unicodeScalars.first!.value) + UInt64(flow) * 1000
                    }
                return (
                    flow, column, letter,
                    PacketTrace(
                        pts: time, dts: time - MediaTime(flicks: slot.flicks * lead), duration: slot,
                        isKey: kind != "v" || letter.isUppercase, fingerprint: fingerprint)
                )
            }
        }
    }

    func outcome() -> Outcome {
        let known = packets(received, isArriving: false)
        let tails = received.enumerated().map { flow, line in
            FlowTail(
                packets: known.filter { $0.flow == flow }.map(\.trace), isSparse: line.first == "s",
                isEssential: line.first == "v")
        }
        let stream = packets(arriving, isArriving: true).sorted {
            ($0.trace.dts!, $0.flow) < ($1.trace.dts!, $1.flow)
        }
        var aligner = PacketAligner(
            tails: tails, timeline: timeline)
        var count = 0
        var missedAfter: Int?
        for packet in stream where aligner.status == .searching {
            aligner.arrived(packet.trace, flow: packet.flow)
            count += 1
            if missedAfter == nil, aligner.missedTheOverlap { missedAfter = count }
        }
        var accepted = arriving.map { Array(repeating: Character(" "), count: $0.count - 2) }
        var shifts: [Int: [Int64]] = [:]
        if aligner.status == .aligned {
            for packet in stream {
                guard case .new(let pts, let dts) = aligner.verdict(packet.trace, flow: packet.flow) else { continue }
                accepted[packet.flow][packet.column] = packet.letter
                if shifts[packet.flow] == nil { shifts[packet.flow] = [pts.milliseconds, dts.milliseconds] }
            }
        }
        return Outcome(
            status: aligner.status,
            accepted: accepted.map { String($0.reversed().drop { $0 == " " }.reversed()) }, arrivals: count,
            shifts: shifts, exact: received.indices.map { aligner.isExact(flow: $0) }, missedAfter: missedAfter)
    }
}

extension PacketAligner.Status {
    var isHopeless: Bool { if case .hopeless = self { true } else { false } }
}
