/// Finds, in the packets of a new ingest, the place where those received before end: packet-exact.
///
/// For each flow it knows the last packets received by their fingerprints, and looks for a run of them, in decode
/// order, in what the new ingest delivers. One flow that is recognised beyond doubt gives the distance between the two
/// timelines; with it the other flows are placed too, each at its own last packet. Packets that repeat (silence, still
/// pictures) prove nothing by themselves: a run counts only with a packet in it that occurs once.
///
/// Feed it every packet with `arrived`; once it is `aligned`, feed the same packets again, from the first, to
/// `verdict`, and go on with those that follow.
package struct PacketAligner: Sendable {
    package enum Status: Hashable, Sendable {
        case searching
        case aligned
        /// It is not the same encode, or not the same programme.
        case hopeless(String)
    }

    package enum Verdict: Hashable, Sendable {
        /// The viewer has this packet.
        case known
        /// A new packet; its times on the old timeline are its own plus these.
        case new(ptsShift: MediaTime, dtsShift: MediaTime)
    }

    /// The run of recognised packets that is proof enough.
    package static let provingRun = 3
    /// Times of the same packet in two containers differ by no more than their rounding.
    package static let agreement: MediaTime = .milliseconds(2)
    /// How far two timelines that both start at the start of the presentation may disagree.
    package static let greatestSkew: MediaTime = .milliseconds(1000)
    /// How far past the place where the known packets should end the search goes on.
    package static let overshoot: MediaTime = .milliseconds(250)
    /// Packets that are searched at the most.
    package static let packetLimit = 20_000

    private struct Flow: Sendable {
        let tail: [PacketTrace]
        let isSparse: Bool
        let isEssential: Bool
        let end: MediaTime?
        /// Places in the tail by fingerprint.
        var places: [UInt64: [Int]] = [:]
        /// Length of the run that ends at a place in the tail with the packet that arrived last, and whether a packet
        /// that occurs once is part of it.
        var runs: [Int: (length: Int, isProof: Bool)] = [:]
        var furthest: MediaTime?
        var arrivals = 0
        /// The first match beyond doubt: the shifts between the timelines.
        var shifts: (pts: MediaTime, dts: MediaTime)?

        // The second pass, in which packets are told apart.
        /// Place in the tail of the last packet that was recognised.
        var followed: Int?
        var isPast = false
        var recognised = 0
        var verdictRuns: [Int: (length: Int, isProof: Bool)] = [:]

        init(_ tail: FlowTail) {
            self.tail = tail.packets
            isSparse = tail.isSparse
            isEssential = tail.isEssential && !tail.packets.isEmpty
            end = tail.end
            for (place, packet) in tail.packets.enumerated() {
                if let fingerprint = packet.fingerprint { places[fingerprint, default: []].append(place) }
            }
        }

        func extended(_ runs: [Int: (length: Int, isProof: Bool)], by packet: PacketTrace) -> [Int: (
            length: Int, isProof: Bool
        )] {
            guard let fingerprint = packet.fingerprint, let found = places[fingerprint] else { return [:] }
            var next: [Int: (length: Int, isProof: Bool)] = [:]
            for place in found {
                let before = runs[place - 1] ?? (0, false)
                next[place] = (before.length + 1, before.isProof || found.count == 1)
            }
            return next
        }
    }

    private var flows: [Flow]
    /// Whether both timelines count from the start of the presentation, so that times can be compared.
    private let timelinesAgree: Bool
    private var shift: (pts: MediaTime, dts: MediaTime)?
    private var arrivals = 0
    package private(set) var status: Status = .searching

    /// - Parameter tails: by flow of the output.
    package init(tails: [FlowTail], timelinesAgree: Bool) {
        flows = tails.map { Flow($0) }
        self.timelinesAgree = timelinesAgree
    }

    /// A packet of the new ingest, in the order in which they come.
    @discardableResult
    package mutating func arrived(_ packet: PacketTrace, flow index: Int) -> Status {
        guard status == .searching, index >= 0, index < flows.count else { return status }
        arrivals += 1
        flows[index].arrivals += 1
        if let time = packet.pts ?? packet.dts { flows[index].furthest = max(flows[index].furthest ?? time, time) }
        flows[index].runs = flows[index].extended(flows[index].runs, by: packet)
        if !flows[index].isSparse, flows[index].shifts == nil {
            // The run must prove itself: long enough, or as long as anything can be on a flow that has just begun.
            let tail = flows[index].tail
            let needed = min(Self.provingRun, tail.count)
            for (place, run) in flows[index].runs where run.isProof {
                guard let ptsShift = difference(tail[place].pts, packet.pts, tail[place].dts, packet.dts) else {
                    continue
                }
                // One packet is enough where its time says the same.
                let isOnTime = timelinesAgree && ptsShift.magnitude <= Self.agreement
                guard isOnTime || run.length >= needed else { continue }
                if timelinesAgree, ptsShift.magnitude > Self.greatestSkew { continue }
                let dtsShift = difference(tail[place].dts, packet.dts, tail[place].pts, packet.pts) ?? ptsShift
                flows[index].shifts = (ptsShift, dtsShift)
                if shift == nil || flows[index].isEssential { shift = (ptsShift, dtsShift) }
                break
            }
            if shift != nil, flows.allSatisfy({ !$0.isEssential || $0.shifts != nil }) {
                status = .aligned
                return status
            }
        }
        if let reason = hopelessness() { status = .hopeless(reason) }
        return status
    }

    private func difference(_ a: MediaTime?, _ b: MediaTime?, _ c: MediaTime?, _ d: MediaTime?) -> MediaTime? {
        if let a, let b { return a - b }
        if let c, let d { return c - d }
        return nil
    }

    private func hopelessness() -> String? {
        if arrivals > Self.packetLimit { return "none of \(arrivals) packets was received before" }
        guard timelinesAgree else { return nil }
        func hasPassed(_ flow: Flow) -> Bool {
            guard let furthest = flow.furthest, let end = flow.end else { return false }
            return furthest > end + Self.overshoot
        }
        let strangers = flows.filter { $0.isEssential && $0.shifts == nil }
        if !strangers.isEmpty, strangers.allSatisfy(hasPassed) {
            return "no picture of the new origin equals one received before"
        }
        // Every flow that has a tail and delivers must have passed it.
        var sawOne = false
        for flow in flows where !flow.isSparse && flow.end != nil {
            guard flow.arrivals > 0 else { continue }
            sawOne = true
            guard flow.shifts == nil, hasPassed(flow) else { return nil }
        }
        return sawOne ? "no packet of the new origin equals one received before" : nil
    }

    /// Tells, after alignment, whether a packet is known. To be asked for every packet from the first.
    package mutating func verdict(_ packet: PacketTrace, flow index: Int) -> Verdict {
        guard let shift, index >= 0, index < flows.count else { return .known }
        var flow = flows[index]
        defer { flows[index] = flow }
        let shifts = flow.shifts ?? shift
        if flow.isPast { return .new(ptsShift: shifts.pts, dtsShift: shifts.dts) }
        guard let end = flow.end, let last = flow.tail.last else {
            // Nothing was received of this flow before.
            flow.isPast = true
            return .new(ptsShift: shifts.pts, dtsShift: shifts.dts)
        }
        flow.verdictRuns = flow.extended(flow.verdictRuns, by: packet)
        let half = MediaTime(flicks: packet.duration.flicks / 2)
        let tolerance = max(half, .milliseconds(2))
        // Recognised: the place in the tail with this fingerprint whose time agrees.
        if let place = flow.verdictRuns.keys.filter({ isSameTime(flow.tail[$0], packet, shifts, within: tolerance) })
            .max()
        {
            flow.followed = place
            flow.recognised += 1
            if flow.shifts == nil, let pts = difference(flow.tail[place].pts, packet.pts, nil, nil) {
                flow.shifts = (
                    pts, difference(flow.tail[place].dts, packet.dts, nil, nil) ?? pts
                )
            }
            if place == flow.tail.count - 1 { flow.isPast = true }
            return .known
        }
        // Not recognised, but its place among the known ones is: the received copy of it was damaged, or was repacked.
        if let followed = flow.followed, followed < flow.tail.count - 1 {
            flow.followed = followed + 1
            if followed + 1 == flow.tail.count - 1 { flow.isPast = true }
            return .known
        }
        // By time: before the end of what is known. Decode times order the packets of flows with reordering.
        let isBefore: Bool
        if let dts = packet.dts, let lastDecode = last.dts {
            isBefore = dts + shifts.dts <= lastDecode + min(half, .milliseconds(2))
        } else if let pts = packet.pts {
            isBefore = pts + shifts.pts + half < end
        } else {
            isBefore = true
        }
        if isBefore { return .known }
        flow.isPast = true
        return .new(ptsShift: shifts.pts, dtsShift: shifts.dts)
    }

    private func isSameTime(
        _ known: PacketTrace, _ packet: PacketTrace, _ shifts: (pts: MediaTime, dts: MediaTime),
        within tolerance: MediaTime
    ) -> Bool {
        if let a = known.pts, let b = packet.pts { return (a - b - shifts.pts).magnitude < tolerance }
        if let a = known.dts, let b = packet.dts { return (a - b - shifts.dts).magnitude < tolerance }
        return true
    }

    /// Whether the packet before the first new one was recognised as the last that was received.
    package func isExact(flow index: Int) -> Bool {
        index < flows.count && flows[index].followed.map { $0 == flows[index].tail.count - 1 } ?? false
    }

    /// Packets of a flow that were recognised by their fingerprints.
    package func recognised(flow index: Int) -> Int { index < flows.count ? flows[index].recognised : 0 }

    /// The distance between the timelines: old time less new time.
    package var timelineShift: MediaTime? { shift?.pts }
}
