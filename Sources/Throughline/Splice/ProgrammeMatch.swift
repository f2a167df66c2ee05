internal import ThroughlineCore
internal import ThroughlineMedia

/// Whether an ingest can be of the same programme as what is played, by what it says of itself: which of its flows feed
/// which of the output, what it lacks, and how long it lasts.
struct ProgrammeMatch {
    /// By flow of the ingest, the flow of the output that it feeds.
    let mapping: [Int?]
    /// The flows of the output that it feeds.
    let fed: Set<Int>
    /// Flows of the output that it does not have.
    let lacking: [FlowFormat]
    /// Why it lasts too long, or not long enough; nil where that is not known, or the same.
    let otherLength: String?
    private let flows: [FlowFormat]
    private let outputs: [FlowFormat]

    /// - Parameters:
    ///   - outputs: the flows of the output that are played.
    ///   - duration: of what is played, where it is known.
    init(_ ingest: any Ingest, outputs: [FlowFormat], duration: MediaTime?) {
        flows = ingest.flows
        self.outputs = outputs
        mapping = FlowMapping.map(flows, onto: outputs)
        let fed = Set(mapping.compactMap { $0 })
        self.fed = fed
        lacking = outputs.filter { !fed.contains($0.index) }
        otherLength = duration.flatMap { duration in
            guard let other = ingest.duration, (duration - other).magnitude > Self.tolerance(of: duration) else {
                return nil
            }
            return "another programme: it lasts \(other), not \(duration)"
        }
    }

    /// Containers, and encodes, of one programme differ by so much at most.
    private static func tolerance(of duration: MediaTime) -> MediaTime {
        max(.seconds(2), MediaTime(flicks: duration.flicks / 50))
    }

    /// A flow that is always there, of which it has nothing.
    var lacksEssential: FlowFormat? { lacking.first { !$0.isSparse } }

    /// Why it has nothing that could go on; nil where it has.
    var nothingInCommon: String? {
        guard !outputs.contains(where: { !$0.isSparse && fed.contains($0.index) }) else { return nil }
        let has = flows.map(\.description).joined(separator: ", ")
        let wanted = outputs.filter { !$0.isSparse }.map(\.description).joined(separator: ", ")
        return "it holds \(has), and \(wanted) is wanted"
    }

    /// Whether it has pictures that move, of those that are wanted.
    var hasPictures: Bool {
        zip(flows, mapping).contains { $1 != nil && $0.kind == .video && !$0.isAttachedPicture }
    }
}
