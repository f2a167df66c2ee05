internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols

/// Finds, for each flow of the output, the flow of a new ingest that carries the same.
enum FlowMapping {
    /// - Returns: by flow of the new ingest, the flow of the output that it feeds.
    static func map(_ incoming: [FlowFormat], onto outputs: [FlowFormat]) -> [Int?] {
        var feeds = [Int?](repeating: nil, count: incoming.count)
        for output in outputs {
            var best: (flow: Int, score: Int)?
            for candidate in incoming
            where feeds[candidate.index] == nil && candidate.kind == output.kind
                && candidate.codecID == output.codecID && candidate.isAttachedPicture == output.isAttachedPicture
            {
                var score = 0
                if language(candidate) == language(output) { score += 4 }
                if ordinal(candidate, in: incoming) == ordinal(output, in: outputs) { score += 2 }
                if candidate.channels == output.channels, candidate.sampleRate == output.sampleRate { score += 1 }
                if score > best?.score ?? -1 { best = (candidate.index, score) }
            }
            if let best { feeds[best.flow] = output.index }
        }
        return feeds
    }

    private static func language(_ flow: FlowFormat) -> String { flow.language ?? "und" }

    private static func ordinal(_ flow: FlowFormat, in flows: [FlowFormat]) -> Int {
        flows.count { $0.kind == flow.kind && $0.index < flow.index }
    }
}

extension FlowFormat {
    /// What the payload reader calls this codec.
    var payloadCodec: PayloadForm.Codec {
        switch codecName {
        case "h264": .h264
        case "hevc": .hevc
        case "aac": .aac
        default: .other
        }
    }

    /// How this flow carries its payload, told from its headers and its first packet.
    func payloadForm(firstPacket: borrowing Packet) -> PayloadForm {
        let codec = payloadCodec
        return firstPacket.withPayload { payload in
            withExtradata { PayloadForm.detect(codec: codec, extradata: $0, firstPacket: payload) }
        }
    }

    var parameterSets: ParameterSets {
        guard let codec = payloadCodec.video else { return ParameterSets() }
        return withExtradata { (try? ParameterSets(codec: codec, extradata: $0)) ?? ParameterSets() }
    }
}
