package import ThroughlineCore

extension ElementaryUnit {
    /// The tags in a packet of timed metadata. Empty for metadata of another kind.
    package var tags: [ID3Tag] {
        payload.withUnsafeBytes { payload in
            let tags = ID3Tag.tags(in: payload)
            // A header of five bytes may stand before them (ISO/IEC 13818-1 section 2.12.4.2, Metadata AU cell).
            guard tags.isEmpty, payload.count > 5 else { return tags }
            return ID3Tag.tags(in: payload.part(5..<payload.count))
        }
    }
}

extension TransportScanner.Event {
    /// What the event announces; empty for what does not change the content.
    ///
    /// The first list and the first map of a programme announce nothing. Sections and units are taken for cue messages and for tags, and
    /// passed over when they are none.
    package var indicators: [Indicator] {
        switch self {
        case .section(_, let bytes):
            bytes.withUnsafeBytes { try? SpliceInfoSection($0) }?.indicators ?? []
        case .unit(_, let unit):
            unit.tags.flatMap(\.indicators).map { $0.placed(at: unit.ticks) }
        case .discontinuity(let pid, isClock: true):
            [
                Indicator(
                    kind: .discontinuity, action: .change, position: .atOnce,
                    detail: "the clock on PID \(pid) begins anew")
            ]
        case .map(let map, from: let former?):
            [
                Indicator(
                    kind: .programChange, action: .change, position: .atOnce,
                    detail: "programme \(map.program): \(map.difference(from: former))")
            ]
        case .programs(_, from: _?):
            [
                Indicator(
                    kind: .programChange, action: .change, position: .atOnce, detail: "another list of programmes")
            ]
        // A programme that ends, ends with another list.
        case .programs, .map, .programEnded, .discontinuity, .packetsMissing, .clock: []
        }
    }
}

extension Indicator {
    /// At once means at the time of what carried it.
    fileprivate func placed(at ticks: UInt64?) -> Indicator {
        guard position == .atOnce, action != .withdraw, let ticks else { return self }
        return Indicator(
            kind: kind, action: action, position: .clock(ticks), target: target, event: event, detail: detail)
    }
}

extension ProgramMap.Difference: CustomStringConvertible {
    package var description: String {
        var words: [String] = []
        func list(_ word: String, _ pids: [UInt16]) {
            guard !pids.isEmpty else { return }
            words.append("\(word) \(pids.map { String($0) }.joined(separator: " "))")
        }
        list("added", added)
        list("removed", removed)
        list("changed", changed)
        if clock { words.append("another clock") }
        return words.isEmpty ? "another version of the same map" : words.joined(separator: ", ")
    }
}
