/// What the viewer was given within the last minute, by the fingerprints of packets: the proof of what a join delivers again,
/// whatever the join believed about the timelines.
///
/// Silence and still pictures repeat themselves, so that a fingerprint counts only where it occurs once; and one packet may
/// be like another by chance, so that only runs count, in decode order.
///
/// Recording is an append for each packet; what is looked up is made of it when a join asks (`recall`).
package struct DeliveredMemory: Sendable {
    /// How far back it reaches, in media time.
    package static let span: MediaTime = .seconds(60)
    /// Packets of a flow that are remembered at the most, however short they are.
    package static let packetLimit = 16_384
    /// Old packets are let go of in so large batches, at the least.
    private static let leastKept = 512

    private struct Flow: Sendable {
        var packets: [DeliveredPacket] = []
        /// How many there are when the old ones are let go of next.
        var limit = leastKept

        mutating func forgetOld() {
            guard let last = packets.last?.order else { return }
            let first = max(0, packets.count - packetLimit)
            let kept = packets[first...].firstIndex { last - $0.order <= span } ?? packets.count
            packets.removeFirst(kept)
            limit = max(leastKept, packets.count * 2)
        }
    }

    private var flows: [Flow]

    /// - Parameter flowCount: the number of flows of the output.
    package init(flowCount: Int) { flows = Array(repeating: Flow(), count: flowCount) }

    /// A packet of a flow is on its way to the viewer.
    ///
    /// - Parameters:
    ///   - pts: its presentation time in the output.
    ///   - dts: its decode time in the output.
    package mutating func delivered(
        _ fingerprint: UInt64, pts: MediaTime, dts: MediaTime, duration: MediaTime, flow: Int
    ) {
        guard flows.indices.contains(flow) else { return }
        flows[flow].packets.append(
            DeliveredPacket(fingerprint: fingerprint, pts: pts, dts: dts, duration: duration))
        if flows[flow].packets.count >= flows[flow].limit { flows[flow].forgetOld() }
    }

    /// The viewer does not get what was received of a flow behind a decode time; nil where none of it.
    package mutating func cut(flow: Int, to last: MediaTime?) {
        guard flows.indices.contains(flow) else { return }
        while let packet = flows[flow].packets.last, last.map({ packet.order > $0 }) ?? true {
            flows[flow].packets.removeLast()
        }
    }

    /// The viewer has gone elsewhere: what comes from there on is new, whatever it is.
    package mutating func forget() { flows = Array(repeating: Flow(), count: flows.count) }

    /// What is remembered of a flow now, to look things up in.
    package func recall(flow: Int) -> Recollection {
        guard flows.indices.contains(flow) else { return Recollection([]) }
        var flow = flows[flow]
        flow.forgetOld()
        return Recollection(flow.packets)
    }
}

/// A packet that the viewer was given, at its place in the output.
package struct DeliveredPacket: Hashable, Sendable {
    package let fingerprint: UInt64
    package let pts: MediaTime
    package let dts: MediaTime
    package let duration: MediaTime

    package init(fingerprint: UInt64, pts: MediaTime, dts: MediaTime, duration: MediaTime) {
        self.fingerprint = fingerprint
        self.pts = pts
        self.dts = dts
        self.duration = duration
    }

    /// Increases from packet to packet.
    var order: MediaTime { dts }
}

/// What was delivered of one flow within the last minute, by fingerprint.
package struct Recollection: Sendable {
    /// In decode order.
    package let packets: [DeliveredPacket]
    /// Places by fingerprint; -1 for those that occur more than once.
    private let places: [UInt64: Int]

    package init(_ packets: [DeliveredPacket]) {
        self.packets = packets
        var places: [UInt64: Int] = [:]
        places.reserveCapacity(packets.count)
        for (place, packet) in packets.enumerated() {
            places[packet.fingerprint] = places[packet.fingerprint] == nil ? place : -1
        }
        self.places = places
    }

    /// The place of a packet that was delivered once; nil where it was not, or more than once.
    package func place(of fingerprint: UInt64?) -> Int? {
        guard let fingerprint, let place = places[fingerprint], place >= 0 else { return nil }
        return place
    }

    /// Whether a packet was delivered more than once.
    package func repeats(_ fingerprint: UInt64?) -> Bool { fingerprint.map { places[$0] == -1 } ?? false }
}

/// Follows a flow in what was delivered: packets that come in the order in which they were delivered, each of which was
/// delivered once.
package struct DeliveredRun: Sendable {
    /// So many in a row have been delivered before, beyond doubt.
    package static let proof = 3

    /// Packets of the run so far.
    package private(set) var length = 0
    /// Where the last of them was delivered.
    package private(set) var place: Int?

    package init() {}

    /// The next packet of the flow.
    ///
    /// - Returns: where it was delivered; nil where it is new, or cannot be told.
    @discardableResult
    package mutating func arrived(_ fingerprint: UInt64?, in memory: Recollection) -> Int? {
        guard let found = memory.place(of: fingerprint) else {
            (length, place) = (0, nil)
            return nil
        }
        length = place == found - 1 ? length + 1 : 1
        place = found
        return found
    }

    /// The same run in what was delivered by now; the packet that arrived last is found there once more.
    mutating func goesOn(from fingerprint: UInt64?, in memory: Recollection) { place = memory.place(of: fingerprint) }

    /// Whether the viewer has had what arrived last.
    package var isProven: Bool { length >= Self.proof }
}
