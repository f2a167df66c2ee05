internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols

/// Finds, for each flow of the output, the flow of a new ingest that carries the same.
enum FlowMapping {
    /// The best pairs are made first, so that a flow that exists once goes to the output that it is meant for.
    ///
    /// - Returns: by flow of the new ingest, the flow of the output that it feeds.
    static func map(_ incoming: [FlowFormat], onto outputs: [FlowFormat]) -> [Int?] {
        var pairs: [(score: Int, output: FlowFormat, candidate: FlowFormat)] = []
        for output in outputs {
            for candidate in incoming {
                guard let score = likeness(candidate, output, incoming, outputs) else { continue }
                pairs.append((score, output, candidate))
            }
        }
        pairs.sort { ($1.score, $0.output.index, $0.candidate.index) < ($0.score, $1.output.index, $1.candidate.index) }
        var feeds = [Int?](repeating: nil, count: incoming.count)
        var fed: Set<Int> = []
        for pair in pairs where feeds[pair.candidate.index] == nil && !fed.contains(pair.output.index) {
            feeds[pair.candidate.index] = pair.output.index
            fed.insert(pair.output.index)
        }
        return feeds
    }

    /// How well a flow fits; nil where it does not at all.
    private static func likeness(
        _ candidate: FlowFormat, _ output: FlowFormat, _ incoming: [FlowFormat], _ outputs: [FlowFormat]
    ) -> Int? {
        guard candidate.kind == output.kind, candidate.isCoded(as: output),
            candidate.isAttachedPicture == output.isAttachedPicture
        else { return nil }
        var score = 0
        let (a, b) = (language(candidate), language(output))
        if a == b { score += 4 } else if a != "und", b != "und" { return nil }
        if ordinal(candidate, in: incoming) == ordinal(output, in: outputs) { score += 2 }
        if candidate.channels == output.channels, candidate.sampleRate == output.sampleRate { score += 1 }
        return score
    }

    private static func language(_ flow: FlowFormat) -> String { flow.language ?? "und" }

    private static func ordinal(_ flow: FlowFormat, in flows: [FlowFormat]) -> Int {
        flows.count { $0.kind == flow.kind && $0.index < flow.index }
    }
}

extension FlowFormat {
    /// Over RTP the layer of MPEG audio is not known before its first packet, and decoders take any.
    fileprivate func isCoded(as other: FlowFormat) -> Bool {
        let layers = ["mp1", "mp2", "mp3"]
        return codecID == other.codecID || layers.contains(codecName) && layers.contains(other.codecName)
    }

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
