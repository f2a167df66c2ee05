internal import DequeModule
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols

/// The continuous timeline of the output: every packet of every ingest passes here, and comes out with the form, the
/// flow and the times that the outputs were promised, or not at all when the viewer has it already. Used on the thread
/// of the current ingest.
final class SpliceLine {
    /// What tells new packets of a flow from known ones, after a splice.
    enum Gate {
        /// By the fingerprints of packets.
        case aligner
        /// By time: from this presentation time on; backwards, down from it.
        case from(MediaTime, tolerance: MediaTime)
    }

    /// A flow of the output, as the first ingest described it.
    private struct OutputFlow {
        let format: FlowFormat
        /// Known from its first packet on.
        var form: PayloadForm?
        var clock: DecodeClock
        var guardian = JumpGuard()
        /// The last duration that a packet stated.
        var duration: MediaTime = .zero
        /// Where the next packet stands when the flow goes on without a hole.
        var next: MediaTime?
    }

    /// How the current ingest feeds a flow of the output.
    private struct Feed {
        var output: Int
        var format: FlowFormat
        /// Nil once new packets flow.
        var gate: Gate?
        var ptsShift: MediaTime = .zero
        var dtsShift: MediaTime = .zero
        var repacker: Repacker?
        /// The decoder was configured for another encode: key frames bring their own parameter sets.
        var isOtherEncode = false
        /// The ingest counts time in other units than the output.
        var isCoarser = false
        /// One of those units, and one of the output's: what rounding may add up to.
        var tick: MediaTime = .zero
        /// End of what was kept of the output before the splice, in presentation order.
        var lastBefore: MediaTime?
        /// Sees to it that nothing that was delivered before the splice is delivered again; nil once new packets flow.
        var repeats: RepeatWatch?
        /// The place of the splice was assumed, and this much of the presentation lies between; nil where the times tell.
        var unseen: MediaTime?
        var grade = SpliceGrade.frameAligned
    }

    /// Key frames that lie closer together are one, by two origins that count a little differently.
    static let leastStep: MediaTime = .milliseconds(20)
    /// How far a sparse flow may be from the others.
    static let sparseReach: MediaTime = .seconds(60)

    /// Pictures that lead up to the first of a range stand so far apart, just before it: no more is seen of them, and the
    /// times rise in every container.
    static let leadInStep: MediaTime = .milliseconds(1)
    /// No more of them are kept.
    static let leadInLimit = 1024
    static let leadInByteLimit = 32 << 20

    private var outputs: [OutputFlow]
    /// The furthest decode time of the flows that count.
    private var furthest: MediaTime?
    private var feeds: [Feed?] = []
    /// What the viewer has.
    private(set) var memory: DeliveredMemory
    private var aligner: PacketAligner?
    /// What is added to the times of the current ingest before anything else: its whole timeline was found elsewhere.
    private(set) var displacement: MediaTime = .zero
    private var scratch: [UInt8] = []
    /// Pictures without times that came before the first time of their flow.
    private var leadIn = UniqueDeque<Packet>()
    private var leadInBytes = 0
    /// What the splice did to the flows that are through their gates.
    private(set) var splices: [FlowSplice] = []
    /// Presentation time that was delivered twice, by flow of the output; and for one viewer, before the last splice.
    private var duplicates: [MediaTime]
    private var duplicatesBefore: MediaTime = .zero
    /// Presentation time that passed unseen before the last splice, where the timeline does not show it.
    private(set) var unseen: MediaTime?
    private var warnings: [String] = []
    var hasWarnings: Bool { !warnings.isEmpty }
    /// Where a clock began to count anew.
    private var lastJump: NPT?
    /// The stream is played backwards: key frames alone go on, and their times are turned round.
    private(set) var isBackward = false
    /// NPT of the last picture that was passed on backwards.
    private(set) var lowest: NPT?

    /// The line as the first ingest feeds it: every flow as it comes.
    init(flows: [FlowFormat]) {
        outputs = flows.map {
            OutputFlow(
                format: $0, clock: DecodeClock(timeBase: $0.timeBase, reorderDepth: $0.reorderDepth))
        }
        feeds = flows.map { Feed(output: $0.index, format: $0) }
        memory = DeliveredMemory(flowCount: flows.count)
        duplicates = flows.map { _ in .zero }
    }

    /// How long the presentation is, where that is known.
    var duration: MediaTime? { didSet { for index in outputs.indices { outputs[index].guardian.duration = duration } } }

    /// How the output's packets carry the payload of a flow; nil while there were none.
    func form(of output: Int) -> PayloadForm? { outputs[output].form }

    /// A new ingest feeds the line from now on.
    ///
    /// - Parameters:
    ///   - flows: the flows of the ingest.
    ///   - mapping: by flow of the ingest, the flow of the output.
    ///   - gates: by flow of the output.
    ///   - ends: by flow of the output, where what is kept of it ends.
    ///   - grade: of flows that are joined by time.
    ///   - unseen: presentation time that passed unseen between the two ingests, where their times do not tell.
    ///   - mayGoBack: as in `RepeatWatch`.
    ///   - mayRepeat: it is a new timeline: what comes is new, even where it is like what was delivered.
    func adopt(
        _ flows: [FlowFormat], mapping: [Int?], gates: [Gate?], aligner: PacketAligner?, ends: [MediaTime?],
        isOtherEncode: Bool, grade: SpliceGrade = .frameAligned, unseen: MediaTime? = nil, mayGoBack: Bool = false,
        mayRepeat: Bool = false
    ) {
        displacement = .zero
        self.aligner = aligner
        dropLeadIn()
        closeSplices()
        self.unseen = unseen
        for index in outputs.indices { outputs[index].guardian.originChanged() }
        feeds = zip(flows, mapping).map { flow, output in
            guard let output else { return nil }
            let target = outputs[output].format.timeBase
            let units = [flow.timeBase, target].compactMap { MediaTime(value: 1, timeBase: $0) }
            return Feed(
                output: output, format: flow, gate: gates[output], isOtherEncode: isOtherEncode,
                isCoarser: flow.timeBase != target, tick: units.reduce(.zero, +), lastBefore: ends[output],
                repeats: mayRepeat ? nil : repeatWatch(of: output, mayGoBack: mayGoBack), unseen: unseen,
                grade: grade)
        }
    }

    /// What was delivered twice of a flow.
    func duplicate(of output: Int) -> MediaTime { output < duplicates.count ? duplicates[output] : .zero }

    /// What was delivered twice, for one viewer: what several flows bring twice at a splice counts once.
    var duplicate: MediaTime { duplicatesBefore + (splices.map(\.duplicate).max() ?? .zero) }

    private func closeSplices() {
        duplicatesBefore = duplicate
        (splices, unseen) = ([], nil)
    }

    private func repeatWatch(of output: Int, mayGoBack: Bool) -> RepeatWatch? {
        guard !isBackward, !outputs[output].format.isSparse else { return nil }
        let memory = memory.recall(flow: output)
        return memory.packets.isEmpty ? nil : RepeatWatch(memory: memory, mayGoBack: mayGoBack)
    }

    /// The timeline of the current ingest was found elsewhere: the packets that come from now on are moved by so much.
    func displace(by time: MediaTime) { displacement = time }

    /// The ingest goes on elsewhere in the presentation, and nothing of what was received matters any more.
    ///
    /// - Parameter isBackward: from there back to the beginning.
    func restart(isBackward: Bool = false) {
        self.isBackward = isBackward
        lowest = nil
        aligner = nil
        dropLeadIn()
        closeSplices()
        furthest = nil
        memory.forget()
        for index in outputs.indices {
            let format = outputs[index].format
            outputs[index].clock = DecodeClock(timeBase: format.timeBase, reorderDepth: format.reorderDepth)
            outputs[index].guardian = JumpGuard()
            outputs[index].guardian.duration = duration
            outputs[index].next = nil
        }
        for index in feeds.indices {
            // A viewer who goes back wants to see it again.
            feeds[index]?.repeats = nil
            guard feeds[index]?.gate != nil else { continue }
            feeds[index]?.gate = .from(MediaTime(flicks: isBackward ? .max / 2 : .min / 2), tolerance: .zero)
        }
    }

    /// What comes next backwards may repeat what was passed on: only what lies before it is new.
    func dropRepeated() {
        for index in feeds.indices where feeds[index] != nil { feeds[index]?.gate = gateBelow }
    }

    /// Opens for what backwards comes after the pictures that were passed on.
    var gateBelow: Gate { .from(lowest.map { $0 - Self.leastStep } ?? MediaTime(flicks: .max / 2), tolerance: .zero) }

    /// What the output holds of a flow was cut: decode times go on from there.
    func cut(output: Int, lastDecode: MediaTime?) {
        outputs[output].clock.cut(to: lastDecode)
        memory.cut(flow: output, to: lastDecode)
    }

    /// Whether every flow that counts is through its gate.
    var isSettled: Bool {
        feeds.allSatisfy { feed in
            guard let feed, feed.gate != nil || !(feed.repeats?.isSettled ?? true) else { return true }
            let format = outputs[feed.output].format
            return format.isSparse || isBackward && format.kind != .video
        }
    }

    /// Which flow of the output a flow of the current ingest feeds.
    func output(of flow: Int) -> Int? { flow < feeds.count ? feeds[flow]?.output : nil }

    /// How far the output's timeline is ahead of that of a flow of the current ingest.
    func shift(of flow: Int) -> MediaTime {
        displacement + (flow < feeds.count ? feeds[flow]?.ptsShift ?? .zero : .zero)
    }

    /// How far the output's timeline is ahead of that of the current ingest, of the flow that is least so.
    var timelineShift: MediaTime {
        feeds.indices.filter { feeds[$0].map { !$0.format.isSparse } ?? false }.map { shift(of: $0) }.min() ?? .zero
    }

    /// Where a packet of the current ingest will stand in the output; nil while its flow is not through its gate.
    func place(of packet: borrowing Packet) -> (pts: MediaTime?, dts: MediaTime?)? {
        guard packet.flow < feeds.count, let feed = feeds[packet.flow], feed.gate == nil else { return nil }
        let pts = packet.pts.map { $0 + displacement + feed.ptsShift }
        let dts = packet.dts.map { $0 + displacement + feed.dtsShift }
        guard !feed.format.isSparse, let time = dts ?? pts else { return (pts, dts) }
        // A copy: only asked, and not passed.
        var guardian = outputs[feed.output].guardian
        let correction = guardian.correction(for: time, duration: outputs[feed.output].duration)
        return (pts.map { $0 + correction }, dts.map { $0 + correction })
    }

    func takeWarnings() -> [String] {
        defer { warnings = [] }
        return warnings
    }

    /// Moves a packet onto the line. False when it has no place there, or the viewer has it.
    ///
    /// - Parameters:
    ///   - fingerprint: the packet's, if it was computed already.
    ///   - mayLeadUp: what comes without times before the first time of a flow stands before that. Pictures are kept for the
    ///     decoder until then (`takeLeadIn`), and nothing else is.
    func pass(
        _ packet: inout Packet, form: PayloadForm, fingerprint: UInt64?? = nil, mayLeadUp: Bool = false
    ) -> Bool {
        guard packet.flow < feeds.count, var feed = feeds[packet.flow] else { return false }
        if displacement != .zero { packet.move(by: displacement) }
        if isBackward {
            let format = outputs[feed.output].format
            guard format.kind == .video, !format.isAttachedPicture, packet.isKey, packet.pts != nil else {
                return false
            }
        }
        if let gate = feed.gate {
            let flow = packet.flow
            guard opens(gate, &feed, for: packet, form: form, fingerprint: fingerprint) else { return false }
            feed.gate = nil
            do throws(RepackError) {
                try connect(&feed, form: form)
            } catch {
                warnings.append("\(feed.format) cannot go on in the form of \(outputs[feed.output].format)")
                feeds[flow] = nil
                return false
            }
            feeds[flow] = feed
        }
        if feed.repeats != nil {
            let isKnown = isRepeated(packet, form: form, &feed)
            feeds[packet.flow] = feed
            if isKnown { return false }
        }
        let output = feed.output
        if outputs[output].form == nil { outputs[output].form = form }
        if let repacker = feed.repacker {
            do throws(RepackError) {
                try packet.repack(with: repacker, insertingParameterSets: feed.isOtherEncode, scratch: &scratch)
            } catch { return false }
        }
        packet.flow = output
        if mayLeadUp, packet.pts == nil, packet.dts == nil, outputs[output].clock.lastDecode == nil {
            keepLeadIn(packet)
            return false
        }
        snapDuration(of: &packet, feed: feed)
        if packet.duration > .zero { outputs[output].duration = packet.duration }
        var pts = packet.pts.map { $0 + feed.ptsShift }
        var dts = packet.dts.map { $0 + feed.dtsShift }
        if isBackward, let npt = pts {
            lowest = npt
            (pts, dts) = (-npt, -npt)
        } else if let time = dts ?? pts {
            if outputs[output].format.isSparse {
                // A damaged time in a sparse flow would be waited for.
                if let furthest, (time - furthest).magnitude > Self.sparseReach { return false }
            } else {
                let correction = outputs[output].guardian.correction(for: time, duration: outputs[output].duration)
                if let jump = outputs[output].guardian.takeJump() { warnOfJump(by: jump, at: time + correction) }
                pts = pts.map { $0 + correction }
                dts = dts.map { $0 + correction }
                furthest = max(furthest ?? time, time + correction)
            }
        }
        if feed.isCoarser, outputs[output].format.kind == .audio, let next = outputs[output].next,
            let time = dts ?? pts,
            (time - next).magnitude <= feed.tick
        {
            (pts, dts) = (next, next)
        }
        let times = outputs[output].clock.next(pts: pts, dts: dts, duration: outputs[output].duration)
        packet.pts = times.pts
        packet.dts = times.dts
        outputs[output].next = times.dts + packet.duration
        remember(packet)
        if !leadIn.isEmpty { placeLeadIn(of: output, before: times.dts) }
        return true
    }

    /// Once, however many flows jump.
    private func warnOfJump(by jump: MediaTime, at place: NPT) {
        if let last = lastJump, (place - last).magnitude < .seconds(5) { return }
        lastJump = place
        warnings.append(
            "timestamps jump by \(jump) at \(place): taken for a new count; whether media is missing there is not known"
        )
    }

    /// Whether a packet belongs to a run that was delivered before the splice. What it lies behind its place there is where
    /// the flow really stands.
    private func isRepeated(_ packet: borrowing Packet, form: PayloadForm, _ feed: inout Feed) -> Bool {
        guard var watch = feed.repeats else { return false }
        let output = feed.output
        let verdict = watch.arrived(packet.glance(form: form), duration: packet.duration) {
            memory.recall(flow: output)
        }
        feed.repeats = watch.isOver ? nil : watch
        guard case .repeated(let known, let passed) = verdict else { return false }
        if let pts = packet.pts, known.pts != pts + feed.ptsShift {
            let further = known.pts - pts - feed.ptsShift
            feed.ptsShift += further
            feed.dtsShift += further
            outputs[output].guardian.originChanged()
            outputs[output].next = nil
        }
        if passed > .zero { noteRepeated(passed, of: feed) }
        return true
    }

    private func noteRepeated(_ time: MediaTime, of feed: Feed) {
        guard let index = splices.lastIndex(where: { $0.flow == feed.output }) else { return }
        splices[index].duplicate = splices[index].duplicate + time
        duplicates[feed.output] = duplicates[feed.output] + time
        warnings.append("\(feed.format): what was delivered before came again, and was left out")
    }

    private func remember(_ packet: borrowing Packet) {
        let flow = packet.flow
        guard !isBackward, !outputs[flow].format.isSparse, let pts = packet.pts, let dts = packet.dts,
            let glance = packet.glance(form: outputs[flow].form ?? .opaque)
        else { return }
        memory.delivered(glance, pts: pts, dts: dts, duration: packet.duration, flow: flow)
    }

    // MARK: - What leads up to the first picture

    /// Appends what leads up to the packet that was passed last.
    ///
    /// - Returns: its bytes.
    func takeLeadIn(into packets: inout UniqueDeque<Packet>) -> Int {
        var bytes = 0
        while !leadIn.isEmpty, leadIn[0].dts != nil {
            bytes += leadIn[0].byteCount
            packets.append(leadIn.removeFirst())
        }
        leadInBytes -= bytes
        return bytes
    }

    private func keepLeadIn(_ packet: borrowing Packet) {
        let format = outputs[packet.flow].format
        guard format.kind == .video, !format.isAttachedPicture, leadIn.count < Self.leadInLimit,
            leadInBytes + packet.byteCount <= Self.leadInByteLimit, let copy = try? packet.reference()
        else { return }
        leadInBytes += packet.byteCount
        leadIn.append(copy)
    }

    /// Those of a flow come to the front, with times.
    private func placeLeadIn(of output: Int, before first: MediaTime) {
        var placed = UniqueDeque<Packet>()
        var others = UniqueDeque<Packet>()
        while let packet = leadIn.popFirst() {
            if packet.flow == output, packet.dts == nil { placed.append(packet) } else { others.append(packet) }
        }
        for index in 0..<placed.count {
            let time = first - MediaTime(flicks: Self.leadInStep.flicks * Int64(placed.count - index))
            (placed[index].pts, placed[index].dts) = (time, time)
        }
        while let packet = placed.popFirst() { leadIn.append(packet) }
        while let packet = others.popFirst() { leadIn.append(packet) }
    }

    private func dropLeadIn() {
        while !leadIn.isEmpty { _ = leadIn.removeFirst() }
        leadInBytes = 0
    }

    /// A container with a coarser time base rounds the same duration: what it rounds is kept as it was before.
    private func snapDuration(of packet: inout Packet, feed: Feed) {
        let known = outputs[feed.output].duration
        if feed.isCoarser, outputs[feed.output].format.kind == .audio, known > .zero,
            (packet.duration - known).magnitude <= feed.tick
        {
            packet.duration = known
        }
    }

    /// Whether a packet is the first new one of its flow.
    private func opens(
        _ gate: Gate, _ feed: inout Feed, for packet: borrowing Packet, form: PayloadForm, fingerprint: UInt64??
    ) -> Bool {
        switch gate {
        case .aligner:
            let fingerprint = fingerprint ?? packet.fingerprint(form: form)
            guard
                case .new(let ptsShift, let dtsShift) = aligner?.verdict(
                    packet.trace(fingerprint: fingerprint), flow: feed.output)
            else { return false }
            feed.ptsShift = ptsShift
            feed.dtsShift = dtsShift
            let first = (packet.pts ?? packet.dts).map { $0 + ptsShift }
            let isExact = aligner?.isExact(flow: feed.output) ?? false
            let matched = aligner?.recognised(flow: feed.output) ?? 0
            // Of what there was nothing of nothing can be recognised.
            let isNew = feed.format.isSparse || aligner?.isNew(flow: feed.output) ?? true
            if matched > 0 { feed.repeats?.recognised() }
            note(
                feed, first: first, grade: matched > 0 || isNew ? .packetExact : .frameAligned, matched: matched,
                duration: packet.duration, isExact: isExact)
            return true
        case .from(let time, let tolerance):
            guard let start = packet.pts ?? packet.dts else { return false }
            guard isBackward ? start + feed.ptsShift <= time + tolerance : start >= time - tolerance else {
                return false
            }
            note(
                feed, first: start, grade: feed.grade, matched: 0, duration: packet.duration, isExact: false)
            return true
        }
    }

    private func note(
        _ feed: Feed, first: MediaTime?, grade: SpliceGrade, matched: Int, duration: MediaTime, isExact: Bool
    ) {
        var (missing, duplicate) = (MediaTime.zero, MediaTime.zero)
        if let unseen = feed.unseen {
            missing = unseen
        } else if !isExact, !feed.format.isSparse, let last = feed.lastBefore, let first {
            // Two encoders may cut time into packets at different places: less than a packet is not a hole.
            let duration = max(duration, outputs[feed.output].duration)
            let difference = first - last
            let isSame = aligner != nil
            let least = isSame ? MediaTime(flicks: duration.flicks / 2) : duration
            if difference > least { missing = difference }
            if -difference > duration { duplicate = -difference }
        }
        duplicates[feed.output] = duplicates[feed.output] + duplicate
        splices.append(
            FlowSplice(
                flow: feed.output, grade: grade, lastBefore: feed.lastBefore, firstAfter: first, matched: matched,
                missing: missing, duplicate: duplicate))
    }

    private func connect(_ feed: inout Feed, form: PayloadForm) throws(RepackError) {
        let target = outputs[feed.output].form ?? form
        guard target != form || feed.isOtherEncode else { return }
        feed.repacker = try Repacker(from: form, to: target, parameterSets: feed.format.parameterSets)
    }
}

extension Packet {
    /// Stands elsewhere on the timeline from now on.
    mutating func move(by time: MediaTime) {
        pts = pts.map { $0 + time }
        dts = dts.map { $0 + time }
    }

    /// Carries the payload in another form from now on.
    ///
    /// - Parameter scratch: kept by the caller, so that one array serves all packets.
    mutating func repack(
        with repacker: Repacker, insertingParameterSets insert: Bool = false, scratch: inout [UInt8]
    ) throws(RepackError) {
        let isKey = isKey
        if repacker.isIdentity(isKey: isKey, insertParameterSets: insert) { return }
        try withPayload { payload throws(RepackError) in
            try repacker.repack(payload, isKey: isKey, insertParameterSets: insert, into: &scratch)
        }
        let isReplaced = scratch.withUnsafeBytes { bytes in
            do throws(MediaError) {
                try replacePayload(with: bytes)
                return true
            } catch { return false }
        }
        if !isReplaced { throw .tooLarge(scratch.count) }
    }
}

extension Packet {
    /// The same for the same payload in every container.
    borrowing func fingerprint(form: PayloadForm) -> UInt64? {
        withPayload { Fingerprint.of(payload: $0, form: form)?.rawValue }
    }

    /// The same for the same payload in every container, and cheap; alone it proves nothing.
    borrowing func glance(form: PayloadForm) -> UInt64? {
        withPayload { Fingerprint.glance(payload: $0, form: form)?.rawValue }
    }
}

extension Packet {
    /// All that splicing needs to know of this packet.
    borrowing func fullTrace(form: PayloadForm) -> PacketTrace {
        trace(fingerprint: fingerprint(form: form), glance: glance(form: form))
    }
}
