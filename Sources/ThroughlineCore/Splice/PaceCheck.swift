/// Tells by packets that are known whether an origin that delivers faster tells the times of the media, as RFC 2326 section
/// 12.35 has it, or lets its timestamps go by the clock on the wall, as some do.
///
/// Between two known packets the same time must have passed. The first packet of each flow is not looked at: it may be cut
/// off at the start of the range, or have been put where it belongs by its length. Nor are the next ones enough: they may
/// be late ones of the range before.
package struct PaceCheck: Sendable {
    package enum Finding: Hashable, Sendable {
        /// Too little was recognised so far.
        case unknown
        case ofMedia
        case other
    }

    /// What lies closer together shows nothing.
    package static let shortest: MediaTime = .milliseconds(10)
    /// So far apart two that agree must lie to show that the times are right.
    package static let reach: MediaTime = .milliseconds(50)
    /// What the rounding of timestamps comes to, and more.
    package static let tolerance: MediaTime = .milliseconds(2)

    private struct Flow: Sendable {
        /// By fingerprint, where it occurs once.
        var times: [UInt64: MediaTime?] = [:]
        var hasBegun = false
        var first: (known: MediaTime, told: MediaTime)?
    }

    private var flows: [Flow]
    package private(set) var finding = Finding.unknown

    /// - Parameter tails: by flow of the output.
    package init(tails: [FlowTail]) {
        flows = tails.map { tail in
            var flow = Flow()
            for packet in tail.packets {
                guard let fingerprint = packet.fingerprint else { continue }
                let isNew = flow.times[fingerprint] == nil
                flow.times[fingerprint] = .some(isNew ? packet.pts : nil)
            }
            return flow
        }
    }

    /// A packet has come.
    package mutating func arrived(_ packet: PacketTrace, flow index: Int) {
        guard flows.indices.contains(index), let told = packet.pts else { return }
        guard flows[index].hasBegun else {
            flows[index].hasBegun = true
            return
        }
        guard let known = packet.fingerprint.flatMap({ flows[index].times[$0] ?? nil }) else { return }
        guard let first = flows[index].first else {
            flows[index].first = (known, told)
            return
        }
        let passed = known - first.known
        guard finding != .other, passed.magnitude >= Self.shortest else { return }
        if (told - first.told - passed).magnitude > Self.tolerance {
            finding = .other
        } else if passed.magnitude >= Self.reach {
            finding = .ofMedia
        }
    }
}
