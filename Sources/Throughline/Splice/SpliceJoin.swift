internal import DequeModule
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols

/// Joins a new ingest to what was received: finds the grade that holds, and sets up the splice line for it.
///
/// Packet-exact is tried first, by reading from a little before the position. Where no packet is recognised, pictures and
/// sound are compared (`PlaceProof`); if they show the same programme at the same place, the line is cut at a key frame that
/// the buffer still hides. If they show it at another place, the new ingest's whole timeline is moved, and the join is tried
/// once more. Where nothing can tell the place the join is no better than live-edge, and says so.
/// Used once, on the worker's thread.
final class SpliceJoin {
    enum Failure: Error {
        case aborted
        /// Its timestamps are not known to be those of the media, at the speed at which it delivers.
        case otherPace
        /// What it was asked for anew does not come: nothing that was received is recognised.
        case unproven
        case attempt(HandoffController.AttemptFailure)

        static func refused(_ reason: String) -> Failure { .attempt(.refused(.contentRefused, reason)) }
    }

    struct Result {
        var grade: SpliceGrade
        var evidence: String
        var warnings: [String]
    }

    /// A join that is to be made at a place in the stream, by leaving an ingest that delivers still and was read up to there.
    struct Planned {
        let npt: NPT
        /// Reads that ingest on, up to another place.
        let readOn: (NPT) -> Void
    }

    /// How far before the position reading begins: some packets to recognise.
    static let preroll: MediaTime = .milliseconds(300)
    /// A key frame nearer to what is due would come too late; where the join has taken long so far, so will the rest of it.
    static let lead: MediaTime = .milliseconds(80)
    static let mostLead: MediaTime = .milliseconds(250)
    /// A hole before the key frame that is filled rather than waiting for a better one.
    static let fillable: MediaTime = .milliseconds(600)
    static let tailLimit = 64
    /// Containers put so much of one flow before the first of another, and no more.
    static let latestBeginning: MediaTime = .seconds(5)
    /// Bytes that are staged at the most while the place is sought.
    static let stagedByteLimit = 96 << 20

    private let ingest: any Ingest
    private let line: SpliceLine
    private let buffer: PlayoutBuffer
    private let outputs: [FlowFormat]
    private let flowCount: Int
    private let expectedDuration: MediaTime?
    private let start: NPT
    private let url: String
    private let acceptsLoss: Bool
    private let provesPace: Bool
    private let planned: Planned?
    private let lastArrival: Instant?
    private let isSameOrigin: Bool
    private let clock: () -> Instant
    /// What is added to the times of the ingest: where its timeline was found.
    private var displacement: MediaTime = .zero
    /// How much further back than needed is looked for it.
    private var reachBack: MediaTime = .zero
    /// Sound that was not recognised beside pictures that were has been listened to.
    private var isHeard = false
    /// By what that was found.
    private var found: String?
    /// How it shows that a live stream has begun anew, and plays what it has played before.
    private var playsAgain: String?
    private var mapping: [Int?] = []
    private var tails: [FlowTail] = []
    private var staged = UniqueDeque<Packet>()
    private var fingerprints: [UInt64?] = []
    private var stagedBytes = 0

    /// - Parameters:
    ///   - outputs: the flows of the output that are played.
    ///   - flowCount: the number of all flows of the output.
    ///   - start: where to begin when nothing was received yet.
    ///   - acceptsLoss: go on without pictures or sound that the new ingest lacks.
    ///   - provesPace: the origin was asked to deliver faster; it is joined only where known packets show that its timestamps
    ///     are none the slower for it.
    ///   - planned: where it is to be made; nil for as soon as can be.
    ///   - lastArrival: when media came last of the ingest before; nil where that is not known.
    ///   - isSameOrigin: the origin that was left is asked again.
    ///   - shift: what is added to the times of the ingest, where it was joined before; nil for what its timeline says.
    init(
        ingest: any Ingest, line: SpliceLine, buffer: PlayoutBuffer, outputs: [FlowFormat], flowCount: Int,
        expectedDuration: MediaTime?, start: NPT, url: String, acceptsLoss: Bool, provesPace: Bool = false,
        planned: Planned? = nil, lastArrival: Instant? = nil, isSameOrigin: Bool = false, shift: MediaTime? = nil,
        clock: @escaping () -> Instant = { .now }
    ) {
        self.clock = clock
        self.lastArrival = lastArrival
        self.isSameOrigin = isSameOrigin
        self.provesPace = provesPace
        self.planned = planned
        self.acceptsLoss = acceptsLoss
        self.ingest = ingest
        self.line = line
        self.buffer = buffer
        self.outputs = outputs
        self.flowCount = flowCount
        self.expectedDuration = expectedDuration
        self.start = start
        self.url = url
        displacement = shift ?? ingest.timeline.shift ?? .zero
        if displacement != .zero { found = "its timeline is \(displacement) off, as was seen before" }
    }

    /// Finds the place.
    ///
    /// - Parameter batch: gets the first new packets.
    func run(into batch: inout UniqueDeque<Packet>) throws(Failure) -> Result {
        var warnings: [String] = []
        mapping = FlowMapping.map(ingest.flows, onto: outputs)
        let fed = Set(mapping.compactMap { $0 })
        let lacking = outputs.filter { !fed.contains($0.index) }
        guard outputs.contains(where: { !$0.isSparse && fed.contains($0.index) }) else {
            let has = ingest.flows.map(\.description).joined(separator: ", ")
            let wanted = outputs.filter { !$0.isSparse }.map(\.description).joined(separator: ", ")
            throw .refused("\(url): it holds \(has), and \(wanted) is wanted")
        }
        if !acceptsLoss, let lost = lacking.first(where: { !$0.isSparse }) {
            throw .attempt(
                .undelivered(ChangeEvent(cause: .other, detail: "\(url): it lacks \(lost), which others may have")))
        }
        for flow in lacking { warnings.append("\(url) lacks \(flow); the other flows go on") }
        if let expected = expectedDuration, let duration = ingest.duration,
            (expected - duration).magnitude > max(.seconds(2), MediaTime(flicks: expected.flicks / 50))
        {
            throw .refused("\(url): another programme: it lasts \(duration), not \(expected)")
        }
        ingest.select { mapping[$0.index] != nil }
        readTails()
        var result: Result
        if tails.allSatisfy({ $0.packets.isEmpty }) {
            result = try beginAgain(into: &batch)
        } else if let exact = try packetExact(into: &batch) {
            result = exact
        } else if let playsAgain, let (flow, output) = leadingFlow {
            result = try joinAnew(flow, output, playsAgain, into: &batch)
        } else if provesPace {
            throw .unproven
        } else {
            result = try placed(into: &batch)
        }
        result.warnings = warnings + line.takeWarnings()
        return result
    }

    private func readTails() {
        let fed = Set(mapping.compactMap { $0 })
        tails = (0..<flowCount).map { flow in
            guard let output = outputs.first(where: { $0.index == flow }), fed.contains(flow) else {
                return FlowTail(packets: [], isSparse: true)
            }
            let packets = buffer.tail(flow: flow, limit: Self.tailLimit)
            let form = line.form(of: flow) ?? .opaque
            var traces: [PacketTrace] = []
            for index in 0..<packets.count {
                traces.append(packets[index].fullTrace(form: form))
            }
            return FlowTail(
                packets: traces, isSparse: output.isSparse,
                isEssential: output.kind == .video && !output.isSparse,
                memory: output.isSparse ? nil : line.memory.recall(flow: flow))
        }
    }

    /// The least position of the flows that the new ingest feeds.
    private var position: MediaTime {
        let fed = Set(mapping.compactMap { $0 })
        let ends = tails.enumerated().filter { !$0.element.isSparse && fed.contains($0.offset) }.map(\.element.end)
        // A container that has brought nothing of a flow yet brings it from the start on; one that begins long after the
        // others is not waited for.
        let isStarting = !ingest.isRealtime && ends.allSatisfy { ($0 ?? start) - start < Self.latestBeginning }
        return (isStarting ? ends.map { $0 ?? start } : ends.compactMap(\.self)).min() ?? start
    }

    // MARK: - Staging

    private func clearStage() {
        while !staged.isEmpty { _ = staged.removeFirst() }
        fingerprints = []
        stagedBytes = 0
    }

    private func seek(to time: MediaTime, anyPacket: Bool) throws(Failure) {
        clearStage()
        guard ingest.isSeekable else { return }
        do throws(MediaError) {
            try ingest.seek(to: max(time - displacement, .zero), anyPacket: anyPacket)
        } catch {
            if let event = ingest.openingFailure { throw .attempt(.undelivered(event)) }
            // It has no index: reading goes on from where it stands.
        }
    }

    /// Reads a packet that feeds the output; nil at the end of the bytes.
    private func next() throws(Failure) -> Packet? {
        while true {
            var packet: Packet?
            do throws(IngestReadError) {
                packet = try ingest.read()
            } catch {
                switch error {
                case .broken(let media):
                    throw .attempt(.undelivered(ChangeEvent(cause: .contentBroken, detail: "\(url): \(media)")))
                case .changed(let event): throw .attempt(.undelivered(event))
                case .interrupted: continue
                case .playsForwards: throw .refused("\(url): it does not play backwards")
                }
            }
            guard var packet = packet.take() else {
                if let event = ingest.openingFailure { throw .attempt(.undelivered(event)) }
                if ingest.hasFailed { throw .aborted }
                return nil
            }
            guard packet.flow < mapping.count, mapping[packet.flow] != nil else { continue }
            if displacement != .zero { packet.move(by: displacement) }
            return packet
        }
    }

    private func stage(_ packet: consuming Packet, fingerprint: UInt64?) throws(Failure) {
        stagedBytes += packet.byteCount
        guard stagedBytes <= Self.stagedByteLimit else {
            throw .refused("\(url): its place was not found within \(Self.stagedByteLimit >> 20) MiB")
        }
        fingerprints.append(fingerprint)
        staged.append(packet)
    }

    /// Sends what is staged through the line.
    private func release(into batch: inout UniqueDeque<Packet>) {
        var index = 0
        while !staged.isEmpty {
            var packet = staged.removeFirst()
            let form = ingest.form(of: packet.flow)
            if line.pass(&packet, form: form, fingerprint: .some(fingerprints[index])) { batch.append(packet) }
            index += 1
        }
        line.displace(by: displacement)
        clearStage()
    }

    // MARK: - Packet-exact

    private func packetExact(into batch: inout UniqueDeque<Packet>) throws(Failure) -> Result? {
        let fed = Set(mapping.compactMap { $0 })
        let overlap = tails.indices.filter { fed.contains($0) }.compactMap { tails[$0].overlapStart }.min()
        var starts = ingest.searchStarts(
            for: position - displacement, overlap: (overlap ?? position) - displacement
        ).map { $0 + displacement }[...]
        var hasBegunLate = false
        var hasMissed = false
        while let target = starts.popFirst() {
            try seek(to: target, anyPacket: target > .zero)
            var aligner = PacketAligner(
                tails: tails, timeline: ingest.timeline, decodeTimesAreMade: ingest.makesDecodeTimes)
            var pace = provesPace ? PaceCheck(tails: tails) : nil
            var lookedOn = 0
            var lookEnd: Instant?
            let searchEnd = isLive ? clock() + Self.liveSearch : .never
            var firsts = [MediaTime?](repeating: nil, count: flowCount)
            // The origin says that it begins behind what was received; asked for earlier it may not.
            var late: MediaTime?
            // It did not say so, and nothing of a flow was recognised that could have been.
            var isMissed = false
            while aligner.status == .searching || pace?.finding == .unknown && lookedOn < Self.tailLimit
                || isLagging(aligner, until: &lookEnd)
            {
                if aligner.status != .searching { lookedOn += 1 }
                guard let packet = try next() else {
                    aligner.ended()
                    break
                }
                if !starts.isEmpty, let first = ingest.playedFrom.map({ $0 + displacement }), first > position {
                    late = first
                    break
                }
                let output = mapping[packet.flow] ?? 0
                let trace = packet.fullTrace(form: ingest.form(of: packet.flow))
                if firsts[output] == nil { firsts[output] = packet.dts ?? packet.pts }
                aligner.arrived(trace, flow: output)
                pace?.arrived(trace, flow: output)
                if pace?.finding == .other { throw .otherPace }
                try stage(packet, fingerprint: trace.fingerprint)
                // Whatever its times say, known packets of what is live come first, or not at all.
                if searchEnd != .never, aligner.status == .searching, clock() >= searchEnd { return nil }
                // Once: what is not recognised from well before either is another encode.
                if !starts.isEmpty, ingest.timeline.flowsCountApart, !hasMissed, aligner.missedTheOverlap {
                    (isMissed, hasMissed) = (true, true)
                    break
                }
            }
            if isLive, isSameOrigin, aligner.status == .aligned, aligner.leftOfKnown > Self.liveLag {
                playsAgain = "it plays again what was received, \(aligner.leftOfKnown) behind, no faster than before"
                return nil
            }
            if aligner.status == .aligned, late == nil, !isMissed {
                if pace?.finding == .unknown { throw .otherPace }
                if !isHeard, !ingest.isRealtime, ingest.isSeekable, !aligner.unrecognised.isEmpty {
                    // Pictures that stand still are alike at many places.
                    isHeard = true
                    if try soundContradicts(aligner.timelineShift ?? .zero) { return nil }
                    return try packetExact(into: &batch)
                }
                let count = staged.count
                line.adopt(
                    ingest.flows, mapping: mapping, gates: Array(repeating: .aligner, count: flowCount),
                    aligner: aligner, ends: tails.map(\.end), isOtherEncode: false, mayGoBack: ingest.isRealtime)
                release(into: &batch)
                let shift = (aligner.timelineShift ?? .zero) + displacement
                return Result(
                    grade: .packetExact,
                    evidence: "packets recognised by their payload after \(count) were read; the timelines differ by "
                        + "\(shift)", warnings: [])
            }
            guard let furthest = starts.last, late != nil || isMissed || beganTooLate(firsts) else { return nil }
            // One that begins late, and says so, does it again: asked for by so much earlier it begins in time, and nothing
            // that is known already is waited for.
            guard let late, !hasBegunLate else { continue }
            hasBegunLate = true
            let earlier = target - (late - target) - .milliseconds(50)
            if earlier > furthest { starts = [earlier] + starts.filter { $0 < earlier } }
        }
        return nil
    }

    /// Whether the sound is another one where the pictures were recognised.
    ///
    /// - Parameter shift: what is to be added to the times there.
    private func soundContradicts(_ shift: MediaTime) throws(Failure) -> Bool {
        guard case (var check, let flow)? = soundCheck() else { return false }
        try seek(to: check.start - shift - Self.preroll, anyPacket: false)
        while var packet = try next() {
            guard packet.flow == flow else { continue }
            packet.move(by: shift)
            check.hear(packet)
            if packet.pts ?? .zero > check.end { break }
        }
        switch check.finding() {
        case .different, .elsewhere: return true
        case .here, .untold, .inconclusive: return false
        }
    }

    /// Whether a flow was met only behind what is known of it. Containers put seconds of one flow before another's, and an
    /// index may know of one flow only.
    ///
    /// - Parameter firsts: by flow of the output, the first time that was met.
    private func beganTooLate(_ firsts: [MediaTime?]) -> Bool {
        let fed = Set(mapping.compactMap { $0 })
        return tails.enumerated().contains { flow, tail in
            guard !tail.isSparse, fed.contains(flow), let end = tail.end else { return false }
            // Pictures are shown up to half a second after the moment that they are decoded at.
            let last = min(end, tail.packets.last?.dts ?? end)
            return firsts[flow].map { $0 > last - .milliseconds(100) } ?? true
        }
    }

    // MARK: - Frame-aligned

    /// Joins another encode where it is shown to stand.
    private func placed(into batch: inout UniqueDeque<Packet>) throws(Failure) -> Result {
        for _ in 0..<Self.mostMoves {
            switch try frameAligned(into: &batch) {
            case .joined(let result): return result
            case .nowhere(let reason):
                // It may run ahead: what was received is then to be found further back. An origin that delivers no faster
                // than is played would take too long for that.
                guard reachBack == .zero, !ingest.isRealtime, ingest.isSeekable else {
                    throw .refused("\(url): \(reason)")
                }
                reachBack = Self.furthestBack
            case .elsewhere(let shift, let reason):
                displacement = displacement + shift
                reachBack = .zero
                let words = "its timeline is \(displacement) off: \(reason)"
                if var exact = try packetExact(into: &batch) {
                    exact.evidence = "\(words); \(exact.evidence)"
                    return exact
                }
                found = words
            }
        }
        throw .refused("\(url): its place was not found: \(found ?? "")")
    }

    /// How often a timeline is moved before the ingest is given up.
    private static let mostMoves = 3
    /// How far before the place where it should be a moment is looked for.
    private static let furthestBack: MediaTime = .seconds(8)

    private enum Attempt {
        case joined(Result)
        /// It stands elsewhere: this is to be added to its times.
        case elsewhere(MediaTime, String)
        /// What was seen of it is from other moments.
        case nowhere(String)
    }

    /// A place, as far as it is known.
    private struct Place {
        let evidence: String
        let grade: SpliceGrade
    }

    private func frameAligned(into batch: inout UniqueDeque<Packet>) throws(Failure) -> Attempt {
        guard let flow = ingest.flows.first(where: { $0.kind == .video && mapping[$0.index] != nil }),
            let output = mapping[flow.index], let end = tails[output].end,
            let format = outputs.first(where: { $0.index == output })
        else { return try joinByTime(into: &batch) }
        let began = Instant.now
        let playhead = buffer.playhead ?? position
        let reference = ProgrammeCheck.reference(
            buffer.keyPackets(flow: output), tail: buffer.tail(flow: output, limit: Self.tailLimit * 2),
            before: playhead, format: format)
        let proof = PlaceProof(
            pictures: flow, output: output, reference: reference, memories: tails.map(\.memory), sound: soundCheck(),
            form: { [ingest] in ingest.form(of: $0) })
        if !isLive { try seekToKeyFrame(before: min(reference?.time ?? playhead, playhead) - reachBack, flow: flow) }
        for index in 0..<staged.count { proof.take(staged[index], output: mapping[staged[index].flow] ?? output) }
        let tolerance = MediaTime(flicks: frameDuration(of: flow, output: output).flicks / 2)

        // Candidates: key frames that the buffer still hides, until one cuts cleanly.
        var candidates: [(index: Int, time: MediaTime, hole: MediaTime, isClose: Bool)] = []
        var place: Place?
        var isAtEnd = false
        var firstPicture: MediaTime?
        while true {
            guard let packet = try next() else {
                isAtEnd = true
                break
            }
            let (isKey, isVideo, pts) = (packet.isKey, packet.flow == flow.index, packet.pts)
            if place == nil { proof.take(packet, output: mapping[packet.flow] ?? output) }
            try stage(packet, fingerprint: nil)
            if isVideo { firstPicture = firstPicture ?? pts }
            if place == nil {
                // What is live goes on while one waits.
                let isLate =
                    isLive && isVideo && pts.map { ($0 - (firstPicture ?? $0)).magnitude > Self.liveLook } ?? false
                switch try judge(proof.verdict(isFinal: isLate)) {
                case .open: break
                case .place(let known): place = known
                case .anew(let reason): return .joined(try joinAnew(flow, output, reason, into: &batch))
                case .elsewhere(let shift, let reason): return .elsewhere(shift, reason)
                case .nowhere(let reason): return .nowhere(reason)
                }
            }
            guard isVideo, let pts else { continue }
            if let planned {
                // The first key frame from there on, however far behind it is.
                if isKey, candidates.isEmpty, pts >= planned.npt - tolerance {
                    candidates.append((staged.count - 1, pts, .zero, false))
                }
                if place != nil, !candidates.isEmpty { break }
                continue
            }
            if isKey, pts >= (buffer.playhead ?? playhead) + Self.lead {
                let lead = min(MediaTime((.now - began) / 2), Self.mostLead)
                let isClose = pts < (buffer.playhead ?? playhead) + lead
                let (recent, waiting) = buffer.traces(flow: output)
                if let cut = KeyFrameCut(recent: recent, waiting: waiting, at: pts, tolerance: tolerance) {
                    let hole = max(.zero, pts - (cut.keptEnd ?? pts))
                    candidates.append((staged.count - 1, pts, hole, isClose))
                }
            }
            let isGood = candidates.contains { $0.hole < Self.fillable && !$0.isClose }
            // A little behind the end there may be one that is not so close.
            let furthest = end + (candidates.allSatisfy(\.isClose) ? Self.fillable : tolerance)
            if place != nil, !candidates.isEmpty, isGood || pts > furthest { break }
        }
        if place == nil {
            switch try judge(proof.verdict(isFinal: true)) {
            case .open: throw .refused("\(url): nothing tells its place")
            case .place(let known): place = known
            case .anew(let reason): return .joined(try joinAnew(flow, output, reason, into: &batch))
            case .elsewhere(let shift, let reason): return .elsewhere(shift, reason)
            case .nowhere(let reason): return .nowhere(reason)
            }
        }
        guard let place else { throw .refused("\(url): nothing tells its place") }
        // The later the key frame, the less of what is received is given up for it; only a hole too wide to fill counts
        // for more. A place that the pacer has passed meanwhile is no place any more.
        let ranked = candidates.sorted { a, b in
            let (x, y) = (max(a.hole, Self.fillable), max(b.hole, Self.fillable))
            if x == y, a.isClose != b.isClose { return b.isClose }
            return x == y ? a.time > b.time : x < y
        }
        for candidate in ranked {
            if let planned {
                if candidate.time > planned.npt + tolerance { planned.readOn(candidate.time) }
                readTails()
            }
            try stageLeadingPictures(of: candidate.time, from: candidate.index, flow: flow)
            let result = cut(
                at: candidate.time, index: candidate.index, flow: flow, output: output, tolerance: tolerance,
                place: place)
            if let result {
                release(into: &batch)
                return .joined(result)
            }
        }
        throw isAtEnd
            ? .attempt(
                .undelivered(
                    ChangeEvent(cause: .endedShort, detail: "\(url): no key frame was found from \(playhead) on")))
            : .attempt(
                .undelivered(ChangeEvent(cause: .other, detail: "\(url): too slow to join before the buffer ends")))
    }

    /// What is to be done about a verdict.
    private enum Judgement {
        case open
        case place(Place)
        case elsewhere(MediaTime, String)
        case nowhere(String)
        /// It is a new timeline, of which nothing is known.
        case anew(String)
    }

    private func judge(_ verdict: PlaceProof.Verdict) throws(Failure) -> Judgement {
        let moved = found.map { "\($0); " } ?? ""
        switch verdict {
        case .open: return .open
        case .here(let evidence): return .place(Place(evidence: moved + evidence, grade: .frameAligned))
        case .elsewhere(let shift, let reason): return .elsewhere(shift, reason)
        case .untold(let reason, let isAlike):
            if isLive { return .anew(reason) }
            if !isAlike { try mustLastAsLong(reason) }
            return .place(
                Place(
                    evidence: "\(moved)another encode, and nothing tells whether its times are the same: \(reason)",
                    grade: .liveEdge))
        case .nowhere(let reason): return isLive ? .anew(reason) : .nowhere(reason)
        case .refused(let reason):
            if isLive, isSameOrigin { return .anew(reason) }
            throw .refused("\(url): \(reason)")
        }
    }

    /// Where nothing can be compared: only what is alike in every other respect is joined.
    private func mustLastAsLong(_ reason: String) throws(Failure) {
        guard let expected = expectedDuration, let duration = ingest.duration,
            (expected - duration).magnitude < .milliseconds(250)
        else { throw .refused("\(url): no packet is the same, and \(reason)") }
    }

    private func soundCheck() -> (check: SoundCheck, flow: Int)? {
        guard let flow = ingest.flows.first(where: { $0.kind == .audio && mapping[$0.index] != nil }),
            let output = mapping[flow.index], let format = outputs.first(where: { $0.index == output }),
            let check = SoundCheck(
                received: buffer.tail(flow: output, limit: Self.tailLimit), format: format, flow: flow)
        else { return nil }
        return (check, flow.index)
    }

    // MARK: - A new timeline

    /// Neither origin knows where its stream ends: there is nothing that times could count from.
    private var isLive: Bool { ingest.isRealtime && ingest.duration == nil && expectedDuration == nil }

    /// So much of a live stream is looked at before it is joined wherever it is.
    private static let liveLook: MediaTime = .milliseconds(500)
    /// What a live server has kept since the last key frame comes at once, and within this time as much of what is known as
    /// leaves no more than `liveLag`.
    private static let liveBurst: Duration = .milliseconds(500)
    private static let liveLag: MediaTime = .milliseconds(400)
    /// For so long known packets are looked for in a live stream.
    private static let liveSearch: Duration = .seconds(1)

    /// Whether a live stream is still to show that it goes on behind what was received. One that has begun anew may play the
    /// same again, as test pictures do, and would be behind for good.
    private func isLagging(_ aligner: PacketAligner, until end: inout Instant?) -> Bool {
        guard isLive, isSameOrigin, aligner.status == .aligned, aligner.leftOfKnown > Self.liveLag else { return false }
        let now = clock()
        let deadline = end ?? now + Self.liveBurst
        end = deadline
        return now < deadline
    }

    /// The flow whose key frames decide where a join is made.
    private var leadingFlow: (FlowFormat, Int)? {
        let fed = ingest.flows.filter { !$0.isSparse && mapping[$0.index] != nil }
        guard let flow = fed.first(where: { $0.kind == .video }) ?? fed.first, let output = mapping[flow.index] else {
            return nil
        }
        return (flow, output)
    }

    /// Joins a live stream that has begun anew at its next key frame: what was received is played to its end, and what was
    /// sent meanwhile is missing.
    private func joinAnew(
        _ flow: FlowFormat, _ output: Int, _ reason: String, into batch: inout UniqueDeque<Packet>
    ) throws(Failure) -> Result {
        var index = 0
        while true {
            while index < staged.count,
                staged[index].flow != flow.index || !staged[index].isKey || staged[index].pts == nil
            {
                index += 1
            }
            if index < staged.count { break }
            guard let packet = try next() else {
                throw .attempt(
                    .undelivered(ChangeEvent(cause: .endedShort, detail: "\(url): no key frame has come")))
            }
            try stage(packet, fingerprint: nil)
        }
        let end = tails[output].end ?? position
        let shift = end - (staged[index].pts ?? .zero)
        displacement = displacement + shift
        for place in 0..<staged.count { staged[place].move(by: shift) }
        let tolerance = MediaTime(flicks: frameDuration(of: flow, output: output).flicks / 2)
        let gates: [SpliceLine.Gate?] = (0..<flowCount).map { other in
            other == output ? .from(end, tolerance: tolerance) : .from(tails[other].end ?? end, tolerance: .zero)
        }
        // As long as nothing came, as much was sent that nobody has.
        let unseen = lastArrival.map { MediaTime(clock() - $0) }
        line.adopt(
            ingest.flows, mapping: mapping, gates: gates, aligner: nil, ends: tails.map(\.end), isOtherEncode: true,
            grade: .liveEdge, unseen: unseen ?? .zero, mayRepeat: true)
        release(into: &batch)
        let lost =
            unseen.map { "about \($0) is missing, by the clock on the wall" } ?? "how much is missing is not known"
        return Result(
            grade: .liveEdge,
            evidence: "a live stream that has begun anew, joined at its next key frame: \(reason); \(lost)",
            warnings: [])
    }

    /// Pictures that are presented before a key frame may be coded behind it (an open group of pictures): reads on until
    /// they are staged.
    private func stageLeadingPictures(of time: MediaTime, from index: Int, flow: FlowFormat) throws(Failure) {
        for later in (index + 1)..<max(index + 1, staged.count)
        where staged[later].flow == flow.index && (staged[later].pts ?? time) > time { return }
        while let packet = try next() {
            let isBehind = packet.flow == flow.index && (packet.pts ?? time) > time
            try stage(packet, fingerprint: nil)
            if isBehind { return }
        }
    }

    /// Goes to a key frame at or before a time, and stages what is read to find it.
    private func seekToKeyFrame(before time: MediaTime, flow: FlowFormat) throws(Failure) {
        // Containers without an index of key frames are asked from further and further back.
        for distance: Int64 in ingest.findsKeyFrames ? [0, 2, 5, 11, 30] : [2, 5, 11, 30] {
            let target = max(.zero, time - .seconds(distance))
            try seek(to: target, anyPacket: false)
            var key: MediaTime?
            while key == nil, let packet = try next() {
                if packet.flow == flow.index, packet.isKey { key = packet.pts }
                if key == nil, packet.flow == flow.index, let pts = packet.pts, pts > time + .seconds(1) { break }
                try stage(packet, fingerprint: nil)
            }
            if let key, key <= time || target == .zero { return }
            if target == .zero { return }
        }
    }

    private func frameDuration(of flow: FlowFormat, output: Int) -> MediaTime {
        if let duration = tails[output].packets.last?.duration, duration > .zero { return duration }
        if let rate = flow.frameRate,
            let time = MediaTime(value: 1, timeBase: TimeBase(rate.denominator, rate.numerator))
        {
            return time
        }
        return .milliseconds(40)
    }

    /// Cuts the line at a key frame of the new ingest, and stages what goes on from there.
    private func cut(
        at time: MediaTime, index: Int, flow: FlowFormat, output: Int, tolerance: MediaTime, place: Place
    ) -> Result? {
        guard let (cut, lastDecode) = buffer.cut(flow: output, at: time, tolerance: tolerance) else { return nil }
        line.cut(output: output, lastDecode: lastDecode)
        let frame = tolerance + tolerance
        let keptEnd = cut.keptEnd ?? time
        let isHole = time - keptEnd > tolerance
        var evidence = "\(place.evidence); joined at the key frame at \(time)"
        if let planned { evidence += ", the first from \(planned.npt) on" }

        // What comes before the key frame is not passed on, but it can fill the hole before the key frame.
        var next = UniqueDeque<Packet>()
        if isHole {
            let lead = max(.zero, time - (staged[index].dts ?? time))
            next = PictureBridge.fill(
                keptEnd..<time, from: staged, flow: flow, form: ingest.form(of: flow.index), lead: lead,
                duration: frame, tolerance: tolerance)
        }
        let isFilled = isHole && !next.isEmpty
        if isFilled {
            let pictures = next.count == 1 ? "1 picture before it was" : "\(next.count) pictures before it were"
            evidence += "; \(pictures) encoded anew"
        }
        var number = 0
        while !staged.isEmpty {
            let packet = staged.removeFirst()
            // Neither what comes before the key frame nor its leading pictures can be decoded from it on.
            let isDecodable = number >= index && (packet.pts ?? time) >= time - tolerance
            if packet.flow != flow.index || isDecodable { next.append(packet) }
            number += 1
        }
        staged = next
        fingerprints = Array(repeating: nil, count: staged.count)

        let first = isFilled ? keptEnd : time
        var ends = tails.map(\.end)
        ends[output] = keptEnd
        let gates: [SpliceLine.Gate?] = (0..<flowCount).map { other in
            if other == output { return .from(first, tolerance: tolerance) }
            guard let end = tails[other].end else { return .from(position - Self.preroll, tolerance: .zero) }
            let duration = tails[other].packets.last?.duration ?? .zero
            return .from(end, tolerance: MediaTime(flicks: duration.flicks / 2))
        }
        line.adopt(
            ingest.flows, mapping: mapping, gates: gates, aligner: nil, ends: ends,
            isOtherEncode: true, grade: place.grade, mayGoBack: ingest.isRealtime)
        let isWhole = !isHole || isFilled || cut.lostPictures > 0
        return Result(grade: isWhole ? place.grade : .liveEdge, evidence: evidence, warnings: [])
    }

    /// Without pictures: each flow goes on where it ended, once the sound is known to be the same.
    private func joinByTime(into batch: inout UniqueDeque<Packet>) throws(Failure) -> Attempt {
        let place: Place
        switch try listen() {
        case .open: throw .refused("\(url): nothing tells its place")
        case .place(let known): place = known
        case .elsewhere(let shift, let reason): return .elsewhere(shift, reason)
        case .nowhere(let reason): return .nowhere(reason)
        case .anew(let reason):
            place = Place(evidence: "a live stream that may have begun anew: \(reason)", grade: .liveEdge)
        }
        let gates: [SpliceLine.Gate?] = tails.map { tail in
            let duration = tail.packets.last?.duration ?? .zero
            return .from(tail.end ?? position, tolerance: MediaTime(flicks: duration.flicks / 2))
        }
        line.adopt(
            ingest.flows, mapping: mapping, gates: gates, aligner: nil, ends: tails.map(\.end),
            isOtherEncode: true, grade: place.grade, mayGoBack: ingest.isRealtime)
        release(into: &batch)
        return .joined(Result(grade: place.grade, evidence: place.evidence, warnings: []))
    }

    /// Compares the sound that was received last with that of the new ingest, and stages what was read for it.
    private func listen() throws(Failure) -> Judgement {
        guard case (var check, let flow)? = soundCheck() else {
            try seek(to: position - Self.preroll, anyPacket: false)
            return try judge(.untold("there is nothing to compare", isAlike: false))
        }
        try seek(to: min(check.start, position) - Self.preroll, anyPacket: false)
        while let packet = try next() {
            let isBehind = packet.flow == flow && (packet.pts ?? .zero) > check.end
            if packet.flow == flow { check.hear(packet) }
            try stage(packet, fingerprint: nil)
            if isBehind { break }
        }
        switch check.finding() {
        case .here(let likeness):
            return try judge(
                .here(
                    "another encode: no packet is the same, and the sound from \(check.start) on is, there and nowhere "
                        + "near (likeness \(likeness.percent))"))
        case .elsewhere(let shift, let likeness):
            return .elsewhere(shift, "the sound from \(check.start) on is found there (likeness \(likeness.percent))")
        case .untold(let likeness):
            return try judge(
                .untold(
                    "the sound from \(check.start) on is alike before and after, too (likeness \(likeness.percent))",
                    isAlike: true))
        case .different(let likeness):
            throw .refused(
                "\(url): another programme: its sound from \(check.start) on differs (likeness \(likeness.percent))")
        case .inconclusive(let reason): return try judge(.untold(reason, isAlike: false))
        }
    }

    /// Nothing was received before: the stream begins here.
    private func beginAgain(into batch: inout UniqueDeque<Packet>) throws(Failure) -> Result {
        if start > .zero, ingest.isSeekable || ingest.readsUpToPlaces {
            do throws(MediaError) { try ingest.seek(to: max(start - displacement, .zero), anyPacket: false) } catch {
                if let event = ingest.openingFailure { throw .attempt(.undelivered(event)) }
                throw .refused("\(url): it cannot begin at \(start): \(error)")
            }
        }
        // After a seek the outputs have been promised a form already, which a gate sees to.
        let gates = (0..<flowCount).map { flow in
            line.form(of: flow).map { _ in SpliceLine.Gate.from(MediaTime(flicks: .min / 2), tolerance: .zero) }
        }
        line.adopt(
            ingest.flows, mapping: mapping, gates: gates, aligner: nil, ends: tails.map(\.end), isOtherEncode: true)
        line.displace(by: displacement)
        return Result(grade: .packetExact, evidence: "nothing was received before", warnings: [])
    }
}
