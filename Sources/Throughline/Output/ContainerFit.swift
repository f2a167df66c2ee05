internal import ThroughlineCore
internal import ThroughlineMedia

/// Why a container did not take the flows, and what to ask for instead. Found out by trying, with the bytes thrown away:
/// what a muxer takes stands nowhere but in its code.
struct ContainerFit {
    /// libavformat's name of the muxer, or nil where the extension of `name` tells it.
    let format: String?
    let name: String?
    let flows: [FlowFormat]

    /// - Parameter reason: what the muxer said.
    func refusal(_ reason: String) -> String {
        let container = Muxer.containerName(format: format, name: name) ?? "the container"
        let refused = flows.filter { !isTaken([$0], format: format, name: name) }
        let text: String
        if refused.isEmpty {
            text = "\(container) cannot hold these flows together: \(words(flows)) (\(reason))"
        } else {
            let others = flows.filter { flow in !refused.contains { $0.index == flow.index } }
            let areTogether = others.isEmpty || isTaken(others, format: format, name: name)
            text = "\(container) cannot hold \(words(refused))" + (areTogether ? "" : ", nor the other flows together")
        }
        let remedies = [selection, otherContainer].compactMap { $0 }
        guard !remedies.isEmpty else { return "\(text); choose another container with --format" }
        return "\(text); \(remedies.joined(separator: ", or "))"
    }

    private func words(_ flows: [FlowFormat]) -> String { flows.map(\.description).joined(separator: ", ") }

    /// Kinds of flows that it would take.
    private var selection: String? {
        let candidates: [[FlowKind]] = [[.video, .audio], [.video], [.audio], [.subtitle], [.data]]
        let found = candidates.first { kinds in
            let chosen = flows.filter { kinds.contains($0.kind) }
            let isAll = kinds.allSatisfy { kind in chosen.contains { $0.kind == kind } }
            return isAll && chosen.count < flows.count && isTaken(chosen, format: format, name: name)
        }
        return found.map { "add --flows " + $0.map(\.rawValue).joined(separator: ",") }
    }

    /// A container that would take all that is seen and heard.
    private var otherContainer: String? {
        let wanted = flows.filter { $0.kind == .video || $0.kind == .audio }
        guard isTaken(wanted.isEmpty ? flows : wanted, format: "matroska", name: nil) else { return nil }
        guard format == nil, let name else { return "--format matroska" }
        let file = name.split(separator: "/").last ?? ""
        let stem = file.lastIndex(of: ".").map { file[..<$0] } ?? file
        return "name \(name.dropLast(file.count))\(stem).mkv"
    }

    private func isTaken(_ flows: [FlowFormat], format: String?, name: String?) -> Bool {
        let nowhere = Nowhere()
        let muxer = try? Muxer(format: format, name: name, flows: flows, output: nowhere)
        return muxer?.leftOut.isEmpty ?? false
    }

    private final class Nowhere: ByteOutput {
        let isSeekable = true
        func write(_ bytes: UnsafeRawBufferPointer) -> Bool { true }
        func seek(to offset: Int64) -> Bool { true }
    }
}
