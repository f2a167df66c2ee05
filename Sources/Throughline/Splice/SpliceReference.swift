internal import DequeModule
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols

/// What was received, as far as the search for a place compares with it: a snapshot, which any thread may read.
struct SpliceReference: Sendable {
    /// The last packets of a flow that are looked for.
    static let tailLimit = 64

    /// The flows of the output that are played.
    let outputs: [FlowFormat]
    /// The number of all flows of the output.
    let flowCount: Int
    /// The last packets by flow of the output; empty for flows that are not played.
    private let tails: [FlowTail]

    /// Called on the thread of the line.
    init(_ line: SpliceLine, _ buffer: PlayoutBuffer, outputs: [FlowFormat], flowCount: Int) {
        self.outputs = outputs
        self.flowCount = flowCount
        tails = (0..<flowCount).map { flow in
            guard let output = outputs.first(where: { $0.index == flow }) else {
                return FlowTail(packets: [], isSparse: true)
            }
            let packets = buffer.tail(flow: flow, limit: Self.tailLimit)
            let form = line.form(of: flow) ?? .opaque
            var traces: [PacketTrace] = []
            for index in 0..<packets.count { traces.append(packets[index].fullTrace(form: form)) }
            return FlowTail(
                packets: traces, isSparse: output.isSparse,
                isEssential: output.kind == .video && !output.isSparse,
                memory: output.isSparse ? nil : line.memory.recall(flow: flow))
        }
    }

    /// What was received last of each flow.
    ///
    /// - Parameter fed: the flows that somebody has; of the others nothing is looked for.
    func tails(fed: Set<Int>) -> [FlowTail] {
        tails.enumerated().map { fed.contains($0.offset) ? $0.element : FlowTail(packets: [], isSparse: true) }
    }

    /// Whether nothing has come since another snapshot was taken.
    func isAsOld(as other: SpliceReference) -> Bool {
        zip(tails, other.tails).allSatisfy { $0.packets.last == $1.packets.last }
    }
}

/// Packets that were read while a place was looked for, in order.
///
/// Belongs to the search until that has ended, and then to its plan.
final class SpliceStage {
    /// Bytes that are kept at the most.
    static let byteLimit = 96 << 20

    var packets = UniqueDeque<Packet>()
    /// What the search has seen of each packet; nil where it has not looked.
    private(set) var traces: [PacketTrace?] = []
    private var bytes = 0

    /// - Returns: false when there is more than is kept.
    func append(_ packet: consuming Packet, _ trace: PacketTrace?) -> Bool {
        bytes += packet.byteCount
        guard bytes <= Self.byteLimit else { return false }
        traces.append(trace)
        packets.append(packet)
        return true
    }

    /// Has an aligner look at what was read, as far as it needs to.
    ///
    /// - Parameters:
    ///   - mapping: by flow of the ingest, the flow of the output that it feeds.
    ///   - firsts: gets by flow of the output the first time that was met.
    func lookThrough(_ mapping: [Int?], _ aligner: inout PacketAligner, _ firsts: inout [MediaTime?]) {
        for index in traces.indices where aligner.status == .searching {
            guard let trace = traces[index], let output = mapping[packets[index].flow] else { continue }
            if firsts[output] == nil { firsts[output] = trace.dts ?? trace.pts }
            aligner.arrived(trace, flow: output)
        }
    }

    func clear() {
        while !packets.isEmpty { _ = packets.removeFirst() }
        traces = []
        bytes = 0
    }

    /// Other packets take the place of all of them.
    func replace(with next: consuming UniqueDeque<Packet>) {
        packets = next
        traces = Array(repeating: nil, count: packets.count)
    }
}
