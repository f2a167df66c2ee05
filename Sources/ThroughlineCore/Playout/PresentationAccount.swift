/// The account of what was presented: what a viewer had, what was missing and what was damaged, by flow and for one
/// viewer, whatever caused it.
///
/// It is told of every packet in the order in which packets are put out, with the times of the presentation (NPT).
package struct PresentationAccount: Sendable {
    /// A flow of the output, as far as the account is concerned.
    package enum Kind: Sendable {
        case continuous(FlowContinuity.Kind)
        /// Something comes now and then: nothing is ever missing by its times.
        case sparse
    }

    /// Of one flow, or of one origin.
    package struct Tally: Hashable, Sendable {
        package var missing: MediaTime = .zero
        package var damaged: MediaTime = .zero
        package var damagedPackets = 0
        /// Media time that was presented; of flows that go on without a break.
        package var presented: MediaTime?

        package init(
            missing: MediaTime = .zero, damaged: MediaTime = .zero, damagedPackets: Int = 0, presented: MediaTime? = nil
        ) {
            self.missing = missing
            self.damaged = damaged
            self.damagedPackets = damagedPackets
            self.presented = presented
        }
    }

    /// A flow that ends this long before the others is lost.
    static let lostAfter: MediaTime = .milliseconds(500)
    /// A flow that is this far behind is waited for no longer.
    static let skew: MediaTime = .seconds(5)

    private struct Flow: Sendable {
        var continuity: FlowContinuity?
        var damaged: MediaTime = .zero
        var damagedPackets = 0
    }

    private var flows: [Flow]
    private var missed = UnitedTime()
    private var spoilt = UnitedTime()
    private var isBackward = false
    private var defects: [MediaDefect] = []
    /// What the present stretches add up to begins here: those before are in `played`.
    private var earlier: [MediaTime]
    private var playedBefore: MediaTime = .zero

    /// By origin: what is missing inside its media, and what of it was damaged.
    package private(set) var origins: [OriginID: Tally] = [:]
    package private(set) var damagedPackets = 0

    /// - Parameter begin: where the viewer asked to begin; nil for the start of the presentation.
    package init(_ kinds: [Kind], from begin: MediaTime? = nil) {
        flows = kinds.map { kind in
            if case .continuous(let kind) = kind { Flow(continuity: FlowContinuity(kind, from: begin)) } else { Flow() }
        }
        earlier = Array(repeating: .zero, count: kinds.count)
    }

    /// Media time that was due and never presented, for one viewer.
    package var missing: MediaTime { missed.total }
    /// Media time that was presented damaged, for one viewer.
    package var damaged: MediaTime { spoilt.total }
    /// Media time that was presented, for one viewer: of each stretch between two seeks, that of the pictures, unless the
    /// sound lasts clearly longer.
    package var played: MediaTime { playedBefore + playedSince }

    private var playedSince: MediaTime {
        var (pictures, all) = (MediaTime.zero, MediaTime.zero)
        for (flow, earlier) in zip(flows, earlier) {
            guard let continuity = flow.continuity else { continue }
            let presented = continuity.presented - earlier
            all = max(all, presented)
            if continuity.kind == .pictures { pictures = max(pictures, presented) }
        }
        // Sound begins before the first picture, and goes on behind the last, by what its packets do not divide.
        return pictures > .zero && all - pictures < Self.lostAfter ? pictures : all
    }

    package func tally(of flow: Int) -> Tally {
        guard flows.indices.contains(flow) else { return Tally() }
        let continuity = flows[flow].continuity
        return Tally(
            missing: continuity?.missing ?? .zero, damaged: flows[flow].damaged,
            damagedPackets: flows[flow].damagedPackets, presented: continuity?.presented)
    }

    /// A packet was put out.
    ///
    /// - Parameters:
    ///   - duration: zero where it is not known.
    ///   - followsLoss: something of the flow was sent before it and did not come.
    package mutating func presented(
        flow: Int, pts: MediaTime?, dts: MediaTime?, duration: MediaTime, isCorrupt: Bool, followsLoss: Bool = false,
        provenance: Provenance
    ) {
        guard flows.indices.contains(flow), let start = pts ?? dts else { return }
        if isCorrupt {
            let length = flows[flow].continuity?.length(stated: duration) ?? .zero
            flows[flow].damaged += length
            flows[flow].damagedPackets += 1
            damagedPackets += 1
            spoilt.add(start..<start + length, flow: flow, packets: 1, provenance: provenance)
        }
        flows[flow].continuity?.present(
            pts: start, dts: dts ?? start, duration: duration, isCorrupt: isCorrupt, followsLoss: followsLoss,
            provenance: provenance)
        if flows[flow].continuity?.hasFound ?? false { collect(flow) }
    }

    /// A batch was put out: what has become known since?
    package mutating func takeDefects() -> [MediaDefect] {
        if flows.contains(where: { $0.continuity?.hasDoubts ?? false }) { compareDoubts() }
        if !missed.isEmpty || !spoilt.isEmpty {
            let reached = flows.compactMap { $0.continuity?.reached }
            let furthest = reached.max() ?? .zero
            close(before: reached.filter { $0 > furthest - Self.skew }.min() ?? furthest)
        }
        defer { defects = [] }
        return defects
    }

    /// What comes next is from elsewhere in the presentation.
    ///
    /// - Parameter isBackward: it is played backwards; times are NPT with the sign turned round, and pictures alone come, far
    ///   apart.
    /// - Parameter begin: where the viewer wanted to go; nil where that is not known.
    package mutating func restarted(isBackward: Bool, from begin: MediaTime? = nil) {
        endStretch(isWhole: false, isJudged: !isBackward, from: isBackward ? nil : begin)
        self.isBackward = isBackward
    }

    /// Nothing more is presented.
    ///
    /// - Parameters:
    ///   - isWhole: all was presented that was received.
    ///   - ends: by flow, where it was to end by what its container says.
    package mutating func finish(isWhole: Bool, ends: [Int: MediaTime] = [:]) {
        if !isBackward { noteLostFlows(isWhole: isWhole, ends) }
        endStretch(isWhole: isWhole, isJudged: true)
    }

    private mutating func endStretch(isWhole: Bool, isJudged: Bool, from begin: MediaTime? = nil) {
        for flow in flows.indices {
            flows[flow].continuity?.restart(isWhole: isWhole, isJudged: isJudged, from: begin)
            collect(flow)
        }
        playedBefore += playedSince
        earlier = flows.map { $0.continuity?.presented ?? .zero }
        close(before: nil)
    }

    /// Another connection went on, and a flow did not come with it; or it ended while the others went on, and nothing says
    /// that it was to.
    private mutating func noteLostFlows(isWhole: Bool, _ ends: [Int: MediaTime]) {
        let furthest = flows.compactMap { flow in
            flow.continuity.flatMap { flow in flow.end.map { (end: $0, from: flow.provenance) } }
        }.max { $0.end < $1.end }
        guard let furthest, let provenance = furthest.from else { return }
        for flow in flows.indices {
            guard let continuity = flows[flow].continuity, let end = continuity.end,
                furthest.end - end > Self.lostAfter, let from = continuity.provenance
            else { continue }
            let isAtJoin = from != provenance
            var lostTo = furthest.end
            if !isAtJoin {
                if let stated = ends[flow] { lostTo = min(lostTo, stated) }
                guard isWhole, continuity.isSteady, lostTo - end > Self.lostAfter else { continue }
            }
            flows[flow].continuity?.missesAll(to: lostTo, provenance: provenance, isAtJoin: isAtJoin)
            collect(flow)
        }
    }

    private mutating func collect(_ flow: Int) {
        guard let holes = flows[flow].continuity?.takeFound(), !isBackward else { return }
        for hole in holes {
            missed.add(hole.range, flow: flow, provenance: hole.provenance, isAtJoin: hole.isAtJoin)
            for other in flows.indices where other != flow {
                flows[other].continuity?.proveMissing(near: hole.range)
                if flows[other].continuity?.hasFound ?? false { collect(other) }
            }
        }
    }

    /// Two flows that lack something at the same place prove it to each other, whichever of them is known first.
    private mutating func compareDoubts() {
        for flow in flows.indices {
            for range in flows[flow].continuity?.doubts ?? [] {
                let isShared =
                    missed.touches(range)
                    || flows.indices.contains { other in
                        other != flow
                            && flows[other].continuity?.doubts.contains {
                                $0.lowerBound <= range.upperBound && $0.upperBound >= range.lowerBound
                            } ?? false
                    }
                guard isShared else { continue }
                flows[flow].continuity?.proveMissing(near: range)
                collect(flow)
            }
        }
    }

    private mutating func close(before time: MediaTime?) {
        for (kind, groups) in [
            (MediaDefect.Kind.missing, missed.close(before: time)), (.damaged, spoilt.close(before: time)),
        ] {
            for group in groups {
                let place = isBackward ? max(.zero, -group.range.upperBound) : group.range.lowerBound
                defects.append(
                    MediaDefect(
                        kind: kind, npt: place, duration: group.time, flows: group.flows, packets: group.packets,
                        origin: group.provenance.origin, isAtJoin: group.isAtJoin))
                var tally = origins[group.provenance.origin, default: Tally()]
                switch kind {
                case .missing: if !group.isAtJoin { tally.missing += group.time }
                case .damaged:
                    tally.damaged += group.time
                    tally.damagedPackets += group.packets
                }
                origins[group.provenance.origin] = tally
            }
        }
    }
}
