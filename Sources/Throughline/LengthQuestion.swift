internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineTransport

/// Asks an origin by its own word whether the presentation goes on behind an NPT.
struct LengthQuestion: Sendable {
    struct Flow: Sendable {
        let kind: FlowKind
        let language: String?
    }

    let played: [Flow]
    /// Up to where the flows of each kind were received.
    let reached: [FlowKind: NPT]
    /// Where no header says how long it is, the end is looked at.
    let measures: Bool
    let limit: NPT?
    let transport: RTSPTransportChoice
    let bound: Duration

    func ask(_ origin: Origin, abort: AbortSwitch) -> EndInquiry.Answer {
        do {
            if origin.kind.isRealtime {
                let ingest = try origin.kind.openForProbing(
                    origin, bound: bound, abort: abort, transport: transport, start: .zero)
                return answer(stated: ingest.statedEnd, ingest.flows)
            }
            let input = try SourceInput(
                origin: OriginID(0), supervisor: ProbeSupervisor([origin], bound: bound), abort: abort)
            guard input.length != nil || input.isSeekable else { return .silent }
            var options = Demuxer.Options()
            options.measuresDuration = measures
            let demuxer = try Demuxer(input: input, options: options)
            let ends = demuxer.flows.filter(isPlayed).map { ($0.kind, demuxer.statedEnd(of: $0.index)) }
            guard !ends.isEmpty, ends.allSatisfy({ $1 != nil }) else {
                return answer(stated: demuxer.statedEnd, demuxer.flows)
            }
            let goesOn = ends.contains { kind, end in
                guard let reached = reached[kind] else { return false }
                return EndInquiry.answer(stated: end, reached: reached, isLoose: false, limit: limit) == .goesOn
            }
            return goesOn ? .goesOn : .endsThere
        } catch { return .silent }
    }

    private func isPlayed(_ flow: FlowFormat) -> Bool {
        !flow.isSparse && !flow.isAttachedPicture
            && played.contains {
                $0.kind == flow.kind && ($0.language == nil || flow.language == nil || $0.language == flow.language)
            }
    }

    /// Only the end of all flows together is known.
    private func answer(stated: NPT?, _ all: [FlowFormat]) -> EndInquiry.Answer {
        EndInquiry.answer(
            stated: stated, reached: reached.values.max() ?? .zero, isLoose: !all.allSatisfy(isPlayed), limit: limit)
    }
}
