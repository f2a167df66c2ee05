package import ThroughlineCore

extension SpliceInfoSection {
    /// The changes of content that the message announces, each with its time on the stream's clock: where the splice
    /// is, and where the break ends that returns by itself. Empty for what announces none.
    package var indicators: [Indicator] {
        switch command {
        case .null, .other, .encrypted: []
        case .insert(let insert): indicators(of: insert)
        case .timeSignal(let ticks): indicators(ofSignal: ticks)
        }
    }

    private func indicators(of insert: SpliceInsert) -> [Indicator] {
        guard let splice = insert.splice else {
            return [
                Indicator(
                    kind: .splice, action: .withdraw, position: .atOnce, event: insert.event,
                    detail: "splice_insert, event \(insert.event): cancelled")
            ]
        }
        let ticks: UInt64? =
            switch splice.place {
            case .immediate: nil
            case .program(let ticks): ticks.map(time)
            // The content begins to change with the first of them.
            case .components(let components): earliest(components.compactMap(\.ticks).map(time))
            }
        let direction = splice.isOut ? "out of the network" : "back to the network"
        var indicators = [
            Indicator(
                kind: .splice, action: .change, position: ticks.map { .clock($0) } ?? .atOnce, event: insert.event,
                detail: "splice_insert, event \(insert.event): \(direction)")
        ]
        if let ticks, splice.isOut, let duration = splice.duration, duration.returns {
            indicators.append(
                Indicator(
                    kind: .splice, action: .change, position: .clock((ticks + duration.ticks) % StreamClock.turn),
                    event: insert.event, detail: "splice_insert, event \(insert.event): the break ends"))
        }
        return indicators
    }

    /// The one from which all others are less than half a turn ahead.
    private func earliest(_ times: [UInt64]) -> UInt64? {
        guard var first = times.first else { return nil }
        for time in times where (time &- first) % StreamClock.turn >= StreamClock.turn / 2 { first = time }
        return first
    }

    private func indicators(ofSignal ticks: UInt64?) -> [Indicator] {
        let position: Indicator.Position = ticks.map { .clock(time($0)) } ?? .atOnce
        var segments: [SegmentationDescriptor] = []
        for case .segmentation(let segment) in descriptors { segments.append(segment) }
        guard !segments.isEmpty else {
            return [Indicator(kind: .splice, action: .change, position: position, detail: "time_signal")]
        }
        return segments.compactMap { descriptor in
            guard let segment = descriptor.segment else {
                return Indicator(
                    kind: .splice, action: .withdraw, position: .atOnce, event: descriptor.event,
                    detail: "time_signal, event \(descriptor.event): cancelled")
            }
            // Says again what runs already.
            guard segment.kind != .contentIdentification else { return nil }
            return Indicator(
                kind: .splice, action: .change, position: position, event: descriptor.event,
                detail:
                    "time_signal, event \(descriptor.event): segmentation type 0x\(String(segment.kind.rawValue, radix: 16))"
            )
        }
    }
}
