internal import DequeModule
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols

/// Compares what a hot standby delivers with what was received of the primary, ahead of need: an origin with other content
/// is found out while nothing depends on it.
///
/// A standby is compared as a join would compare it (`SpliceSearch`): by its packets, or where none is known by the picture,
/// or without pictures the same sound. Used on the standby's thread.
struct StandbyProof: Sendable {
    enum Finding: Sendable, Hashable {
        /// Too little has come to tell.
        case unknown
        /// The packets are those of the primary; `shift`, added to the times of the standby, makes them NPT.
        case samePackets(shift: MediaTime)
        /// Another encode of the same programme, or nothing shows that it is not; `shift` as with `samePackets`, nil where it was
        /// not seen.
        case sameProgramme(shift: MediaTime?)
        case different(String)

        /// Added to the times of the standby it makes them NPT; nil where the comparison did not show how much that is.
        var shift: MediaTime? {
            switch self {
            case .samePackets(let shift): shift
            case .sameProgramme(let shift): shift
            case .unknown, .different: nil
            }
        }
    }

    let buffer: PlayoutBuffer
    /// The flows of the output that are played.
    let played: [FlowFormat]
    /// By flow of the output, how its packets carry their payload; nil while that is not known.
    let forms: @Sendable () -> [PayloadForm?]

    private static let tailLimit = 64

    /// - Parameter packets: what came last of the ingest, in order; with the key frame before what is presented, if it is to
    ///   show that pictures are the same.
    func examine(_ ingest: any Ingest, _ packets: borrowing UniqueDeque<Packet>) -> Finding {
        let mapping = FlowMapping.map(ingest.flows, onto: played)
        guard let aligner = compare(ingest, packets, mapping) else { return .unknown }
        switch aligner.status {
        case .aligned: return .samePackets(shift: aligner.timelineShift ?? .zero)
        case .searching: return .unknown
        case .hopeless: return look(ingest, packets, mapping)
        }
    }

    private func compare(
        _ ingest: any Ingest, _ packets: borrowing UniqueDeque<Packet>, _ mapping: [Int?]
    ) -> PacketAligner? {
        let forms = forms()
        let fed = Set(mapping.compactMap { $0 })
        let count = (played.map(\.index).max() ?? -1) + 1
        var tails = Array(repeating: FlowTail(packets: [], isSparse: true), count: count)
        for flow in played where fed.contains(flow.index) {
            guard flow.index < forms.count, let form = forms[flow.index] else { continue }
            let tail = buffer.tail(flow: flow.index, limit: Self.tailLimit)
            var traces: [PacketTrace] = []
            for index in 0..<tail.count {
                traces.append(tail[index].trace(fingerprint: tail[index].fingerprint(form: form)))
            }
            tails[flow.index] = FlowTail(
                packets: traces, isSparse: flow.isSparse, isEssential: flow.kind == .video && !flow.isSparse)
        }
        guard tails.contains(where: { !$0.packets.isEmpty }) else { return nil }
        var aligner = PacketAligner(
            tails: tails, timeline: ingest.timeline, decodeTimesAreMade: ingest.makesDecodeTimes)
        var index = 0
        while index < packets.count, aligner.status == .searching {
            let flow = packets[index].flow
            if flow < mapping.count, let output = mapping[flow] {
                let fingerprint = packets[index].fingerprint(form: ingest.form(of: flow))
                aligner.arrived(packets[index].trace(fingerprint: fingerprint), flow: output)
            }
            index += 1
        }
        return aligner
    }

    // MARK: - Another encode, or another programme

    private func look(_ ingest: any Ingest, _ packets: borrowing UniqueDeque<Packet>, _ mapping: [Int?]) -> Finding {
        guard
            let flow = ingest.flows.first(where: {
                $0.kind == .video && !$0.isAttachedPicture && $0.index < mapping.count && mapping[$0.index] != nil
            }), let format = format(of: flow, mapping)
        else { return listen(ingest, packets, mapping) }
        let keys = buffer.keyPackets(flow: format.index)
        guard
            let reference = ProgrammeCheck.reference(
                keys, tail: buffer.tail(flow: format.index, limit: Self.tailLimit), before: buffer.playhead ?? .zero,
                format: format),
            let check = ProgrammeCheck(reference: reference, flow: flow)
        else { return .unknown }
        var first: Int?
        for index in 0..<packets.count where packets[index].flow == flow.index && packets[index].isKey {
            if (packets[index].pts ?? reference.time) <= reference.time { first = index }
        }
        guard let first else { return .unknown }
        for index in first..<packets.count where packets[index].flow == flow.index { check.look(at: packets[index]) }
        switch check.finding() {
        // Where exactly it stands is found out when it is joined.
        case .here: return .sameProgramme(shift: .zero)
        case .elsewhere(let shift, _): return .sameProgramme(shift: shift)
        case .untold, .nowhere: return .sameProgramme(shift: nil)
        case .different: return .different("another programme: its pictures from \(reference.time) on differ")
        case .inconclusive: return .unknown
        }
    }

    private func listen(_ ingest: any Ingest, _ packets: borrowing UniqueDeque<Packet>, _ mapping: [Int?]) -> Finding {
        guard
            let flow = ingest.flows.first(where: {
                $0.kind == .audio && $0.index < mapping.count && mapping[$0.index] != nil
            }), let format = format(of: flow, mapping),
            var check = SoundCheck(
                received: buffer.tail(flow: format.index, limit: Self.tailLimit), format: format, flow: flow)
        else { return .unknown }
        for index in 0..<packets.count where packets[index].flow == flow.index {
            guard let time = packets[index].pts, time <= check.end else { continue }
            check.hear(packets[index])
        }
        switch check.finding() {
        case .here: return .sameProgramme(shift: .zero)
        case .elsewhere(let shift, _): return .sameProgramme(shift: shift)
        case .untold: return .sameProgramme(shift: nil)
        case .different: return .different("another programme: its sound from \(check.start) on differs")
        case .inconclusive: return .unknown
        }
    }

    private func format(of flow: FlowFormat, _ mapping: [Int?]) -> FlowFormat? {
        played.first { $0.index == mapping[flow.index] }
    }
}
