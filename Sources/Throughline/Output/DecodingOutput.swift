internal import ThroughlineCore
internal import ThroughlineMedia

/// Decodes video and audio, and puts raw pictures and samples into a container: `framehash` for a hash of each frame.
final class DecodingOutput: PacketOutput {
    private let output: MuxerOutput
    private var decoders: [Decoder?]
    let warnings: [String]
    /// Frames that were decoded, by flow.
    private(set) var frames: [Int]

    /// Packets that decoders refused, and frames that they marked as damaged.
    var errorCount: Int { decoders.reduce(0) { $0 + ($1?.errorCount ?? 0) } }

    init(
        _ target: Output, flows: [FlowFormat], stop: DescriptorOutput.StopFlag, gate: ReaderGate? = nil
    ) throws(OutputError) {
        let count = (flows.map(\.index).max() ?? -1) + 1
        decoders = Array(repeating: nil, count: count)
        frames = Array(repeating: 0, count: count)
        var raw: [FlowFormat] = []
        var leftOut: [String] = []
        for flow in flows {
            do throws(MediaError) {
                guard flow.kind == .video || flow.kind == .audio else {
                    leftOut.append("\(flow) is not decoded; it is left out")
                    continue
                }
                let decoder = try Decoder(flow: flow)
                guard let form = try decoder.rawFlow() else {
                    leftOut.append("\(flow) says too little of itself to be decoded; it is left out")
                    continue
                }
                decoders[flow.index] = decoder
                raw.append(form)
            } catch { leftOut.append("\(flow): \(error); it is left out") }
        }
        output = try MuxerOutput(target, flows: raw, start: .zero, stop: stop, gate: gate)
        warnings = leftOut + output.warnings
    }

    func write(_ packet: borrowing Packet) throws(OutputError) {
        let flow = packet.flow
        guard flow < decoders.count, let decoder = decoders[flow] else { return }
        try decoder.decode(packet) { frame throws(OutputError) in try write(frame, flow: flow) }
    }

    private func write(_ frame: borrowing DecodedFrame, flow: Int) throws(OutputError) {
        frames[flow] += 1
        let packet: Packet?
        do throws(MediaError) { packet = try frame.rawPacket() } catch { throw OutputError(message: "\(error)") }
        if let packet { try output.write(packet) }
    }

    func flush() throws(OutputError) { try output.flush() }

    func finish() throws(OutputError) {
        for (flow, decoder) in decoders.enumerated() {
            try decoder?.drain { frame throws(OutputError) in try write(frame, flow: flow) }
        }
        try output.finish()
    }
}
