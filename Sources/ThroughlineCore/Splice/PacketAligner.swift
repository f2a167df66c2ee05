/// Finds, in the packets of a new ingest, the place where those received before end: packet-exact.
///
/// For each flow it knows the last packets received by their fingerprints, and looks for a run of them, in decode
/// order, in what the new ingest delivers. One flow that is recognised beyond doubt gives the distance between the two
/// timelines; with it the other flows are placed too, each at its own last packet. Packets that repeat (silence, still
/// pictures) prove nothing by themselves: a run counts only with a packet in it that occurs once, in all that was delivered
/// within the last minute where that is known.
///
/// A run of packets each of which was delivered once proves any distance, however far it lies from where the timelines
/// should be. It does so for the place as a whole: a flow that could show itself there, and does not, or that proves another
/// distance, contradicts it, and there is no such place.
///
/// Of an essential flow at least one packet must be recognised: origins may share the sound and differ in the pictures.
/// Sound that is another encode goes on by time.
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
    /// A shorter run is proof, too, when it lasts so long, and nothing came before it: a flow of few packets a second.
    package static let provingSpan: MediaTime = .milliseconds(200)
    /// How far two timelines that both start at the start of the presentation may disagree before every flow is asked.
    package static let greatestSkew: MediaTime = .milliseconds(1000)
    /// How far the distances may differ that the flows of one timeline show: containers begin each flow where they like.
    package static let flowSkew: MediaTime = .milliseconds(250)
    /// How far past the place where the known packets should end the search goes on.
    package static let overshoot: MediaTime = .milliseconds(250)
    /// How far containers may put the first frame of sound from one another.
    package static let primingSlack: MediaTime = .milliseconds(100)
    /// The last packets received, of which one is to be recognised when the new ingest begins before them.
    package static let packetsThatShow = 8
    /// Packets that are searched at the most.
    package static let packetLimit = 20_000
    /// Timelines of containers that agree are no further apart.
    static let nearness: MediaTime = .milliseconds(250)

    /// Packets that arrived last, as places in a tail.
    private struct Run {
        var length = 0
        var span: MediaTime = .zero
        /// Packets of it that occur once in the tail.
        var distinct = 0
        /// Packets of it that occur once in all that is remembered.
        var unique = 0
    }

    /// What is added to the times of the new timeline.
    private typealias Shifts = (pts: MediaTime, dts: MediaTime)

    private struct Flow: Sendable {
        let tail: [PacketTrace]
        let isSparse: Bool
        let isEssential: Bool
        let end: MediaTime?
        let memory: Recollection?
        /// What arrived last, in what was delivered.
        var delivered = DeliveredRun()
        /// Places in the tail by fingerprint.
        var places: [UInt64: [Int]] = [:]
        /// The run that ends at a place in the tail with the packet that arrived last.
        var runs: [Int: Run] = [:]
        var furthest: MediaTime?
        var arrivals = 0
        /// What arrived while the distance of the timelines was not known.
        var early: [PacketTrace] = []
        /// A packet was recognised by its payload and its time.
        var isRecognised = false
        /// The shifts between the timelines, by the first packet recognised or, where there is one, by a proving run.
        var shifts: Shifts?
        var isProven = false

        // The second pass, in which packets are told apart.
        /// Place in the tail of the last packet that was recognised.
        var followed: Int?
        /// A packet was judged.
        var hasBegun = false
        var isPast = false
        var recognised = 0

        init(_ tail: FlowTail) {
            self.tail = tail.packets
            isSparse = tail.isSparse
            isEssential = tail.isEssential
            end = tail.end
            memory = tail.memory
            for (place, packet) in tail.packets.enumerated() {
                if let fingerprint = packet.fingerprint { places[fingerprint, default: []].append(place) }
            }
        }

        /// Takes part in finding the place.
        var counts: Bool { !isSparse && !tail.isEmpty }

        func matches(_ packet: PacketTrace) -> [Int] { packet.fingerprint.flatMap { places[$0] } ?? [] }

        mutating func extendRuns(by packet: PacketTrace) {
            let found = matches(packet)
            var next: [Int: Run] = [:]
            for place in found {
                var run = runs[place - 1] ?? Run()
                run.length += 1
                run.span += packet.duration
                if found.count == 1 {
                    run.distinct += 1
                    if !repeats(packet) { run.unique += 1 }
                }
                next[place] = run
            }
            runs = next
            if let memory { delivered.arrived(packet.glance, in: memory) }
        }

        /// Whether the packet was delivered more than once, behind the tail or in it.
        func repeats(_ packet: PacketTrace) -> Bool { memory?.repeats(packet.glance) ?? false }

        /// Whether the packet was delivered, once, and stands there.
        func remembers(_ packet: PacketTrace, _ shifts: Shifts) -> Bool {
            guard let memory, let place = memory.place(of: packet.glance), let pts = packet.pts else { return false }
            let tolerance = max(MediaTime(flicks: packet.duration.flicks / 2), .milliseconds(2))
            return (memory.packets[place].pts - pts - shifts.pts).magnitude < tolerance
        }

        /// The place in the tail with this payload whose time agrees best.
        func place(of packet: PacketTrace, _ shifts: Shifts) -> Int? {
            let tolerance = max(MediaTime(flicks: packet.duration.flicks / 2), .milliseconds(2))
            return matches(packet)
                .map { (place: $0, distance: tail[$0].distance(from: packet, shifts)) }
                .filter { $0.distance < tolerance }
                .min { ($0.distance, -$0.place) < ($1.distance, -$1.place) }?.place
        }

        /// Looks at a packet once the distance of the timelines is known.
        ///
        /// - Parameter isCommon: the distance is the same for every flow.
        mutating func compare(_ packet: PacketTrace, _ shifts: Shifts, isCommon: Bool) {
            // Packets that repeat may be alike in another encode, too.
            let mayRepeat = !isEssential && isCommon
            if let place = place(of: packet, shifts), mayRepeat || matches(packet).count == 1 {
                isRecognised = true
                follow(place, packet)
            } else if remembers(packet, shifts) {
                isRecognised = true
            }
        }

        /// Takes the shifts of this flow from its first packet that was recognised.
        mutating func follow(_ place: Int, _ packet: PacketTrace) {
            guard shifts == nil, let pts = difference(tail[place].pts, packet.pts) else { return }
            shifts = (pts, difference(tail[place].dts, packet.dts) ?? pts)
        }

        /// Something arrived that is shown after all that is known of the flow.
        func isBehindTail(_ shift: MediaTime) -> Bool {
            guard let furthest, let end, let last = tail.last else { return false }
            return furthest + shift >= end - MediaTime(flicks: last.duration.flicks / 2)
        }

        /// Whether of the last packets any can be recognised by itself: in silence none can.
        var canShow: Bool {
            tail.suffix(PacketAligner.packetsThatShow).contains { packet in
                packet.fingerprint.map { places[$0]?.count == 1 && !repeats(packet) } ?? false
            }
        }

        /// All that is known of the flow lies behind what arrives.
        func isPassed(_ shift: MediaTime) -> Bool {
            guard let furthest, let end else { return false }
            return furthest + shift > end + PacketAligner.overshoot
        }
    }

    private var flows: [Flow]
    /// Of the new ingest.
    private let timeline: Timeline
    private let decodeTimesAreMade: Bool
    private var shift: Shifts?
    private var arrivals = 0
    package private(set) var status: Status = .searching

    /// - Parameter tails: by flow of the output; empty for those that the new ingest lacks.
    /// - Parameter decodeTimesAreMade: the decode times of the new ingest are not its origin's. They settle only after some
    ///   packets, and are shifted as the presentation times are.
    /// - Parameter timeline: of the new ingest. Where its flows count apart, each is recognised by itself, and only where that
    ///   fails by what is known of another.
    package init(tails: [FlowTail], timeline: Timeline, decodeTimesAreMade: Bool = false) {
        flows = tails.map { Flow($0) }
        self.decodeTimesAreMade = decodeTimesAreMade
        self.timeline = timeline
    }

    /// Whether times can be compared as they are.
    private var timelinesAgree: Bool { timeline.agrees }
    private var flowsCountApart: Bool { timeline.flowsCountApart }

    /// A packet of the new ingest, in the order in which they come.
    @discardableResult
    package mutating func arrived(_ packet: PacketTrace, flow index: Int) -> Status {
        guard index >= 0, index < flows.count else { return status }
        var packet = packet
        if decodeTimesAreMade { packet.dts = nil }
        if let time = packet.pts ?? packet.dts { flows[index].furthest = max(flows[index].furthest ?? time, time) }
        guard status == .searching else { return status }
        arrivals += 1
        flows[index].arrivals += 1
        if flows[index].counts {
            flows[index].extendRuns(by: packet)
            var found: Shifts?
            if !flows[index].isProven {
                found = proof(packet, flow: index)
                if found != nil {
                    flows[index].shifts = found
                    flows[index].isProven = true
                }
            }
            if let shift {
                flows[index].compare(packet, flows[index].shifts ?? shift, isCommon: !flowsCountApart)
            } else {
                flows[index].early.append(packet)
                if let found { adopt(found) }
            }
        } else if shift == nil, timelinesAgree, !flows.contains(where: \.counts) {
            // Nothing was received that could be recognised: nothing can be joined wrongly.
            adopt((.zero, .zero))
        }
        status = judge()
        return status
    }

    /// The shifts that the run which ends with this packet proves.
    private func proof(_ packet: PacketTrace, flow index: Int) -> Shifts? {
        let flow = flows[index]
        if let memory = flow.memory, let place = flow.delivered.place, flow.delivered.isProven, let pts = packet.pts {
            let known = memory.packets[place]
            return (known.pts - pts, difference(known.dts, packet.dts) ?? known.pts - pts)
        }
        // The run must prove itself: long enough, or as long as anything can be on a flow that has just begun.
        let needed = min(Self.provingRun, flow.tail.count)
        for (place, run) in flow.runs where run.distinct > 0 {
            let known = flow.tail[place]
            guard let ptsShift = difference(known.pts, packet.pts) ?? difference(known.dts, packet.dts) else {
                continue
            }
            // What was delivered long before, too, is told apart by where it should be.
            let isNear = timelinesAgree && ptsShift.magnitude <= Self.nearness
            guard run.unique > 0 || isNear else { continue }
            // So far from where it should be it must be beyond doubt.
            if timelinesAgree, ptsShift.magnitude > Self.greatestSkew, run.unique < Self.provingRun { continue }
            // Two packets are enough where their times say the same to the rounding of containers.
            let isOnTime = timelinesAgree && ptsShift.magnitude <= Self.agreement && run.length >= min(2, needed)
            if run.length < needed, !isOnTime {
                let isAllThereIs = run.length == flow.arrivals && run.span >= Self.provingSpan
                guard timelinesAgree, isAllThereIs, ptsShift.magnitude.flicks < packet.duration.flicks / 2 else {
                    continue
                }
            }
            return (ptsShift, difference(known.dts, packet.dts) ?? ptsShift)
        }
        return nil
    }

    private mutating func adopt(_ found: Shifts) {
        shift = found
        for index in flows.indices {
            for packet in flows[index].early {
                flows[index].compare(packet, flows[index].shifts ?? found, isCommon: !flowsCountApart)
            }
            flows[index].early = []
        }
    }

    private func judge() -> Status {
        guard let shift else {
            if let reason = hopelessness() { return .hopeless(reason) }
            return .searching
        }
        let hasEssential = flows.contains { $0.isEssential && $0.counts }
        let delivering = flows.filter { $0.counts && $0.arrivals > 0 }
        let allPassed = delivering.allSatisfy { $0.isPassed(shift.pts) }
        if !flowsCountApart {
            let proven = flows.filter { $0.counts && $0.isProven }.compactMap(\.shifts?.pts)
            if let least = proven.min(), let most = proven.max(), most - least > Self.flowSkew {
                return .hopeless("its flows contradict each other: they are \(least) and \(most) off")
            }
        }
        for flow in flows where flow.counts && !flow.isRecognised && !flow.isProven {
            if !flowsCountApart, flow.arrivals > 0, isFar(shift), flow.canShow {
                if !flow.isPassed(shift.pts), arrivals <= Self.packetLimit { return .searching }
                return .hopeless("one of its flows is \(shift.pts) off, and another contradicts that")
            }
            // Pictures that are recognised decide for all: silence beside them is told apart as it comes. What can show
            // itself is waited for, up to where it should have been: the timelines of two containers may be a frame of
            // sound apart. Where each counts apart, each must show itself.
            if !flow.isEssential, !flowsCountApart, hasEssential, !flow.canShow { continue }
            var isPassed = flow.arrivals == 0 ? allPassed : flow.isPassed(shift.pts)
            if flowsCountApart, timeline.basis != .live, flow.arrivals > 0 {
                isPassed = isPassed || flow.isPassed(.zero)
            }
            if !isPassed, arrivals <= Self.packetLimit { return .searching }
            if flow.isEssential { return .hopeless("no picture of the new origin equals one received before") }
        }
        return .aligned
    }

    /// Further from where the timelines should be than one flow is believed.
    private func isFar(_ shift: Shifts) -> Bool { timelinesAgree && shift.pts.magnitude > Self.greatestSkew }

    /// The new ingest has no more packets: what is known by now must do.
    @discardableResult
    package mutating func ended() -> Status {
        guard status == .searching, let shift else { return status }
        let isSure = flows.allSatisfy { flow in
            let mustShow = flow.isEssential || isFar(shift) && flow.arrivals > 0 && flow.canShow
            return !mustShow || !flow.counts || flow.isRecognised || flow.isProven
        }
        if isSure { status = .aligned }
        return status
    }

    /// Whether what arrives of a flow stands behind all that is known of it, and none of it was recognised although it could
    /// have been: the new ingest began too late, or is another encode.
    ///
    /// This is seen as soon as it is so; to find out what can be done without an overlap, `arrived` looks on further.
    package var missedTheOverlap: Bool {
        let counting = flows.filter { $0.counts && $0.arrivals > 0 }
        // The first packet of a range may be a stray one, and as many as prove a place must have come: the server may begin
        // well before the times that it tells.
        let missed = counting.filter {
            !$0.isRecognised && !$0.isProven && $0.arrivals > Self.provingRun && $0.isBehindTail(shift?.pts ?? .zero)
        }
        // As long as nothing at all was recognised, one flow may tell yet how far the others are off.
        return (shift != nil || missed.count == counting.count) && missed.contains(where: \.canShow)
    }

    /// How much of what was received is still to come again, of the flow that lacks the most, once the place is known.
    package var leftOfKnown: MediaTime {
        guard let shift else { return .zero }
        return flows.filter { $0.counts }.compactMap { flow in
            guard let end = flow.end, let furthest = flow.furthest else { return nil }
            return end - furthest - (flow.shifts ?? shift).pts
        }.max() ?? .zero
    }

    private func hopelessness() -> String? {
        if arrivals > Self.packetLimit { return "none of \(arrivals) packets was received before" }
        guard timeline.basis != .live else { return nil }
        // Every flow that has a tail and delivers must have passed it.
        let delivering = flows.filter { $0.counts && $0.arrivals > 0 }
        // So many packets could have proven another place.
        guard !delivering.isEmpty,
            delivering.allSatisfy({ $0.isPassed(.zero) && $0.arrivals >= Self.provingRun })
        else { return nil }
        return "no packet of the new origin equals one received before"
    }

    /// Tells, after alignment, whether a packet is known. To be asked for every packet from the first.
    package mutating func verdict(_ packet: PacketTrace, flow index: Int) -> Verdict {
        guard let shift, index >= 0, index < flows.count else { return .known }
        var flow = flows[index]
        defer {
            flow.hasBegun = true
            flows[index] = flow
        }
        // How far another flow's decode times run ahead of its pictures says nothing about this one's.
        let shifts = flow.shifts ?? neighbour ?? (shift.pts, shift.pts)
        if flow.isPast { return .new(ptsShift: shifts.pts, dtsShift: shifts.dts) }
        guard let end = flow.end, let last = flow.tail.last else {
            // Nothing was received of this flow before.
            flow.isPast = true
            return .new(ptsShift: shifts.pts, dtsShift: shifts.dts)
        }
        // Recognised: the place in the tail with this fingerprint whose time agrees.
        var bare = packet
        if decodeTimesAreMade { bare.dts = nil }
        if let place = flow.place(of: bare, shifts) {
            flow.followed = place
            flow.recognised += 1
            flow.follow(place, bare)
            if place == flow.tail.count - 1 { flow.isPast = true }
            return .known
        }
        // The very first frame of a flow, alone: containers put the priming of sound here or there.
        if !flow.hasBegun, flow.tail.count == 1, packet.fingerprint != nil, packet.fingerprint == last.fingerprint,
            last.distance(from: bare, shifts) < Self.primingSlack
        {
            (flow.followed, flow.isPast) = (0, true)
            flow.recognised += 1
            return .known
        }
        let half = MediaTime(flicks: packet.duration.flicks / 2)
        // Not recognised, but its place among the known ones is: the received copy of it was damaged, or was repacked.
        if let followed = flow.followed, followed < flow.tail.count - 1,
            flow.tail[followed + 1].distance(from: packet, shifts) < max(half, .milliseconds(2))
        {
            flow.followed = followed + 1
            if followed + 1 == flow.tail.count - 1 { flow.isPast = true }
            return .known
        }
        // By time: before the end of what is known. Decode times order the packets of flows with reordering.
        let isBefore: Bool
        if let dts = packet.dts, let lastDecode = last.dts {
            let slack = packet.duration > .zero ? min(half, .milliseconds(10)) : .milliseconds(2)
            isBefore = dts + shifts.dts <= lastDecode + slack
        } else if let pts = packet.pts {
            isBefore = pts + shifts.pts + half < end
        } else {
            isBefore = true
        }
        if isBefore { return .known }
        flow.isPast = true
        return .new(ptsShift: shifts.pts, dtsShift: shifts.dts)
    }

    /// Where each flow counts apart: how far the sound is off, which says more of other sound than the pictures do.
    private var neighbour: Shifts? {
        guard flowsCountApart else { return nil }
        return flows.lazy.filter { $0.counts && !$0.isEssential }.compactMap(\.shifts).first.map { ($0.pts, $0.pts) }
    }

    /// Whether the packet before the first new one was recognised as the last that was received.
    package func isExact(flow index: Int) -> Bool {
        index < flows.count && flows[index].followed.map { $0 == flows[index].tail.count - 1 } ?? false
    }

    /// Packets of a flow that were recognised by their fingerprints.
    package func recognised(flow index: Int) -> Int { index < flows.count ? flows[index].recognised : 0 }

    /// Flows that arrived, and of which nothing was recognised although it could have been: another encode, or another place.
    package var unrecognised: [Int] {
        flows.indices.filter { index in
            let flow = flows[index]
            return flow.counts && flow.arrivals > 0 && !flow.isRecognised && !flow.isProven && flow.canShow
        }
    }

    /// Nothing was received of a flow.
    package func isNew(flow index: Int) -> Bool { index >= flows.count || flows[index].tail.isEmpty }

    /// The distance between the timelines: old time less new time.
    package var timelineShift: MediaTime? { shift?.pts }
}

extension PacketTrace {
    /// How far a packet of another timeline is from this one's place; zero where no times tell.
    fileprivate func distance(from packet: PacketTrace, _ shifts: (pts: MediaTime, dts: MediaTime)) -> MediaTime {
        if let pts, let other = packet.pts { return (pts - other - shifts.pts).magnitude }
        if let dts, let other = packet.dts { return (dts - other - shifts.dts).magnitude }
        return .zero
    }
}

/// The distance of two times, where both are known.
private func difference(_ a: MediaTime?, _ b: MediaTime?) -> MediaTime? {
    if let a, let b { a - b } else { nil }
}
