internal import ThroughlineCore
internal import ThroughlineMedia

/// Whether the end of an origin is the end of the stream.
extension Session {
    /// Nobody goes on: what was received and is still in the demuxer is played all the same.
    func playOut(_ ingest: any Ingest) {
        while let packet = ingest.rest() {
            guard isPlayed(packet.flow) else { continue }
            if !accept(packet, of: ingest) { return }
        }
        flush()
    }

    /// What to do where an origin has ended before its time; nil where that was the end.
    func endedShort(_ ingest: any Ingest) -> HandoffController.Order? {
        guard let line, !isBackward else { return nil }
        let played = outputFlows.filter { !$0.isSparse && !$0.isAttachedPicture && configuration.flows.includes($0) }
        var stated: [Int: NPT] = [:]
        for flow in ingest.flows.indices {
            guard let output = line.output(of: flow), let end = ingest.statedEnd(of: flow) else { continue }
            stated[output] = end + line.shift(of: flow)
        }
        // What is known of all flows together says little of some, or where captions may be the last to end.
        let isPart = outputFlows.contains { $0.isSparse || !configuration.flows.includes($0) }
        let verdict = endOfMedia.judge(
            ingest.origin,
            flows: played.map { flow in
                EndOfMedia.Flow(
                    index: flow.index, reached: buffer.accounts[flow.index].end ?? start, stated: stated[flow.index],
                    frame: flow.frameLength)
            },
            whole: ingest.statedEnd.map { $0 + line.timelineShift } ?? statedEnd, isLoose: ingest.isRealtime || isPart,
            limit: configuration.to)
        switch verdict {
        case .whole: return nil
        case .agreed(let shortage):
            warn(
                "\(url(ingest.origin)) ends at \(shortage.reached), its header says \(shortage.stated), and no origin has more: \(shortage.missing) missing"
            )
            return nil
        case .short(let shortage):
            let flow = shortage.flow.map { " (\(outputFlows[$0]))" } ?? ""
            return observe(
                ChangeEvent(
                    cause: .endedShort,
                    detail:
                        "\(url(ingest.origin)): its media\(flow) ends at \(shortage.reached), its header says \(shortage.stated)"
                ), canResume: false)
        }
    }
}
