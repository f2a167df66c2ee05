internal import DequeModule
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols

/// Finds where a new ingest goes on from what was received, and with which grade: what it finds is a `SplicePlan`, which
/// is carried out elsewhere. What was received may go on meanwhile.
///
/// Packet-exact is tried first, by reading from a little before the position. Where no packet is recognised, pictures and
/// sound are compared (`PlaceProof`); if they show the same programme at the same place, the line is to be cut at a key
/// frame that the buffer still hides. If they show it at another place, the new ingest's whole timeline is moved, and the
/// search begins once more. Where nothing can tell the place the join is no better than live-edge, and says so.
///
/// Used on one thread, that which reads the ingest.
final class SpliceSearch {
    enum Failure: Error {
        case aborted
        /// Its timestamps are not known to be those of the media, at the speed at which it delivers.
        case otherPace
        /// What it was asked for anew does not come: nothing that was received is recognised.
        case unproven
        case attempt(HandoffController.AttemptFailure)

        static func refused(_ reason: String) -> Failure { .attempt(.refused(.contentRefused, reason)) }
        static func tooSlow(_ url: String) -> Failure {
            .attempt(
                .undelivered(ChangeEvent(cause: .other, detail: "\(url): too slow to join before the buffer ends")))
        }
    }

    /// What is looked for, and under which terms.
    struct Terms {
        /// Length of the presentation, where it is known.
        var duration: MediaTime?
        /// Where to begin when nothing was received yet.
        var start: NPT = .zero
        /// Names the origin in reasons and warnings.
        var url: String
        /// Go on without pictures or sound that the new ingest lacks.
        var acceptsLoss = true
        /// The origin was asked to deliver faster; it is joined only where known packets show that its timestamps are none
        /// the slower for it.
        var provesPace = false
        /// Where the join is to be made, by leaving an ingest that delivers still; nil for as soon as can be.
        var place: NPT?
        /// When media came last of the ingest before; nil where that is not known.
        var lastArrival: Instant?
        /// The origin that was left is asked again.
        var isSameOrigin = false
        /// What is added to the times of the ingest, where it was joined before; nil for what its timeline says.
        var shift: MediaTime?
        var clock: () -> Instant = { .now }

        init(url: String) { self.url = url }
    }

    /// How far before the position reading begins: some packets to recognise.
    static let preroll: MediaTime = .milliseconds(300)
    /// A key frame nearer to what is due would come too late; where the join has taken long so far, so will the rest of it.
    static let lead: MediaTime = .milliseconds(80)
    static let mostLead: MediaTime = .milliseconds(250)
    /// A hole before the key frame that is filled rather than waiting for a better one.
    static let fillable: MediaTime = .milliseconds(600)
    /// Containers put so much of one flow before the first of another, and no more.
    static let latestBeginning: MediaTime = .seconds(5)

    private let ingest: any Ingest
    private let buffer: PlayoutBuffer
    private let terms: Terms
    private var outputs: [FlowFormat] { reference.outputs }
    private var flowCount: Int { reference.flowCount }
    private var url: String { terms.url }
    /// What was received of the output when the search began, or was begun again.
    private var reference: SpliceReference
    private var tails: [FlowTail] = []
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
    private var warnings: [String] = []
    /// Packets that were read since the last seek.
    private let stage = SpliceStage()

    /// - Parameter buffer: what was received is there, and more may come.
    init(_ ingest: any Ingest, _ reference: SpliceReference, in buffer: PlayoutBuffer, _ terms: Terms) {
        self.ingest = ingest
        self.reference = reference
        self.buffer = buffer
        self.terms = terms
        displacement = terms.shift ?? ingest.timeline.shift ?? .zero
        if displacement != .zero { found = "its timeline is \(displacement) off, as was seen before" }
    }

    /// Finds the place.
    func run() throws(Failure) -> SplicePlan {
        let match = ProgrammeMatch(ingest, outputs: outputs, duration: terms.duration)
        mapping = match.mapping
        if let reason = match.nothingInCommon { throw .refused("\(url): \(reason)") }
        if !terms.acceptsLoss, let lost = match.lacksEssential {
            throw .attempt(
                .undelivered(ChangeEvent(cause: .other, detail: "\(url): it lacks \(lost), which others may have")))
        }
        for flow in match.lacking { warnings.append("\(url) lacks \(flow); the other flows go on") }
        if let reason = match.otherLength { throw .refused("\(url): \(reason)") }
        ingest.select { mapping[$0.index] != nil }
        tails = reference.tails(fed: match.fed)
        if tails.allSatisfy({ $0.packets.isEmpty }) { return try beginAgain() }
        if let exact = try packetExact() { return exact }
        if let playsAgain, let (flow, output) = leadingFlow { return try joinAnew(flow, output, playsAgain) }
        if terms.provesPace { throw .unproven }
        return try placed()
    }

    /// Finds the place once more, where the stream has gone on since it was found: the present end is looked for in the
    /// packets that were read, and then in more of them.
    func again(_ reference: SpliceReference) throws(Failure) -> SplicePlan {
        self.reference = reference
        tails = reference.tails(fed: Set(mapping.compactMap { $0 }))
        if let exact = try packetExact(readsAgain: true) { return exact }
        return try placed()
    }

    private func plan(_ kind: SplicePlan.Kind, _ grade: SpliceGrade, _ evidence: String) -> SplicePlan {
        SplicePlan(
            kind, grade, evidence, of: ingest, stage: stage, mapping: mapping, displacement: displacement,
            reference: reference, position: position, terms: terms, warnings: warnings)
    }

    /// The least position of the flows that the new ingest feeds.
    private var position: MediaTime {
        let start = terms.start
        let fed = Set(mapping.compactMap { $0 })
        let ends = tails.enumerated().filter { !$0.element.isSparse && fed.contains($0.offset) }.map(\.element.end)
        // A container that has brought nothing of a flow yet brings it from the start on; one that begins long after the
        // others is not waited for.
        let isStarting = !ingest.isRealtime && ends.allSatisfy { ($0 ?? start) - start < Self.latestBeginning }
        return (isStarting ? ends.map { $0 ?? start } : ends.compactMap(\.self)).min() ?? start
    }

    // MARK: - Staging

    private func seek(to time: MediaTime, anyPacket: Bool) throws(Failure) {
        stage.clear()
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

    private func stage(_ packet: consuming Packet, _ trace: PacketTrace? = nil) throws(Failure) {
        guard stage.append(packet, trace) else {
            throw .refused("\(url): its place was not found within \(SpliceStage.byteLimit >> 20) MiB")
        }
    }

    // MARK: - Packet-exact

    /// - Parameter readsAgain: begins with what was read already.
    private func packetExact(readsAgain: Bool = false) throws(Failure) -> SplicePlan? {
        var readsAgain = readsAgain && !stage.packets.isEmpty
        let fed = Set(mapping.compactMap { $0 })
        let overlap = tails.indices.filter { fed.contains($0) }.compactMap { tails[$0].overlapStart }.min()
        var starts = ingest.searchStarts(
            for: position - displacement, overlap: (overlap ?? position) - displacement
        ).map { $0 + displacement }[...]
        var hasBegunLate = false
        var hasMissed = false
        while let target = starts.popFirst() {
            if !readsAgain { try seek(to: target, anyPacket: target > .zero) }
            var aligner = PacketAligner(
                tails: tails, timeline: ingest.timeline, decodeTimesAreMade: ingest.makesDecodeTimes)
            var pace = terms.provesPace ? PaceCheck(tails: tails) : nil
            var lookedOn = 0
            var lookEnd: Instant?
            let searchEnd = isLive ? terms.clock() + Self.liveSearch : .never
            var firsts = [MediaTime?](repeating: nil, count: flowCount)
            // The origin says that it begins behind what was received; asked for earlier it may not.
            var late: MediaTime?
            // It did not say so, and nothing of a flow was recognised that could have been.
            var isMissed = false
            if readsAgain { stage.lookThrough(mapping, &aligner, &firsts) }
            readsAgain = false
            while aligner.status == .searching || pace?.finding == .unknown && lookedOn < SpliceReference.tailLimit
                || isLagging(aligner, until: &lookEnd)
            {
                if aligner.status != .searching { lookedOn += 1 }
                guard let packet = try next() else {
                    aligner.ended()
                    break
                }
                if !starts.isEmpty, let first = ingest.controls?.playedFrom.map({ $0 + displacement }), first > position
                {
                    late = first
                    break
                }
                let output = mapping[packet.flow] ?? 0
                let trace = packet.fullTrace(form: ingest.form(of: packet.flow))
                if firsts[output] == nil { firsts[output] = packet.dts ?? packet.pts }
                aligner.arrived(trace, flow: output)
                pace?.arrived(trace, flow: output)
                if pace?.finding == .other { throw .otherPace }
                try stage(packet, trace)
                // Whatever its times say, known packets of what is live come first, or not at all.
                if searchEnd != .never, aligner.status == .searching, terms.clock() >= searchEnd { return nil }
                // Once: what is not recognised from well before either is another encode.
                if !starts.isEmpty, ingest.timeline.flowsCountApart, !hasMissed, aligner.missedTheOverlap {
                    (isMissed, hasMissed) = (true, true)
                    break
                }
            }
            if isLive, terms.isSameOrigin, aligner.status == .aligned, aligner.leftOfKnown > Self.liveLag {
                playsAgain = "it plays again what was received, \(aligner.leftOfKnown) behind, no faster than before"
                return nil
            }
            if aligner.status == .aligned, late == nil, !isMissed {
                if pace?.finding == .unknown { throw .otherPace }
                if !isHeard, !ingest.isRealtime, ingest.isSeekable, !aligner.unrecognised.isEmpty {
                    // Pictures that stand still are alike at many places.
                    isHeard = true
                    if try soundContradicts(aligner.timelineShift ?? .zero) { return nil }
                    return try packetExact()
                }
                let shift = (aligner.timelineShift ?? .zero) + displacement
                return plan(
                    .aligned(aligner), .packetExact,
                    "packets recognised by their payload after \(stage.packets.count) were read; the timelines differ by "
                        + "\(shift)")
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
    private func placed() throws(Failure) -> SplicePlan {
        for _ in 0..<Self.mostMoves {
            switch try frameAligned() {
            case .found(let plan): return plan
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
                if let exact = try packetExact() {
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
        case found(SplicePlan)
        /// It stands elsewhere: this is to be added to its times.
        case elsewhere(MediaTime, String)
        /// What was seen of it is from other moments.
        case nowhere(String)
    }

    private func frameAligned() throws(Failure) -> Attempt {
        guard let flow = ingest.flows.first(where: { $0.kind == .video && mapping[$0.index] != nil }),
            let output = mapping[flow.index], let end = tails[output].end,
            let format = outputs.first(where: { $0.index == output })
        else { return try byTime() }
        let began = Instant.now
        let playhead = buffer.playhead ?? position
        let reference = ProgrammeCheck.reference(
            buffer.keyPackets(flow: output), tail: buffer.tail(flow: output, limit: SpliceReference.tailLimit * 2),
            before: playhead, format: format)
        let proof = PlaceProof(
            pictures: flow, output: output, reference: reference, memories: tails.map(\.memory), sound: soundCheck(),
            form: { [ingest] in ingest.form(of: $0) })
        if !isLive { try seekToKeyFrame(before: min(reference?.time ?? playhead, playhead) - reachBack, flow: flow) }
        for index in 0..<stage.packets.count {
            proof.take(stage.packets[index], output: mapping[stage.packets[index].flow] ?? output)
        }
        let tolerance = MediaTime(flicks: frameDuration(of: flow, output: output).flicks / 2)

        // Candidates: key frames that the buffer still hides, until one cuts cleanly.
        var candidates: [SplicePlan.KeyFrame] = []
        var place: SplicePlan.Place?
        var isAtEnd = false
        var firstPicture: MediaTime?
        while true {
            guard let packet = try next() else {
                isAtEnd = true
                break
            }
            let (isKey, isVideo, pts) = (packet.isKey, packet.flow == flow.index, packet.pts)
            if place == nil { proof.take(packet, output: mapping[packet.flow] ?? output) }
            try stage(packet)
            if isVideo { firstPicture = firstPicture ?? pts }
            if place == nil {
                // What is live goes on while one waits.
                let isLate =
                    isLive && isVideo && pts.map { ($0 - (firstPicture ?? $0)).magnitude > Self.liveLook } ?? false
                switch try judge(proof.verdict(isFinal: isLate)) {
                case .open: break
                case .place(let known): place = known
                case .anew(let reason): return .found(try joinAnew(flow, output, reason))
                case .elsewhere(let shift, let reason): return .elsewhere(shift, reason)
                case .nowhere(let reason): return .nowhere(reason)
                }
            }
            guard isVideo, let pts else { continue }
            if let wanted = terms.place {
                // The first key frame from there on, however far behind it is.
                if isKey, candidates.isEmpty, pts >= wanted - tolerance {
                    candidates.append(.init(index: stage.packets.count - 1, time: pts, hole: .zero, isClose: false))
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
                    candidates.append(
                        .init(index: stage.packets.count - 1, time: pts, hole: hole, isClose: isClose))
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
            case .anew(let reason): return .found(try joinAnew(flow, output, reason))
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
        if let last = candidates.last {
            try stageLeadingPictures(of: last.time, from: last.index, flow: flow)
            return .found(
                plan(
                    .cut(ranked, .init(flow: flow, output: output, tolerance: tolerance)), place.grade, place.evidence))
        }
        throw isAtEnd
            ? .attempt(
                .undelivered(
                    ChangeEvent(cause: .endedShort, detail: "\(url): no key frame was found from \(playhead) on")))
            : .tooSlow(url)
    }

    /// What is to be done about a verdict.
    private enum Judgement {
        case open
        case place(SplicePlan.Place)
        case elsewhere(MediaTime, String)
        case nowhere(String)
        /// It is a new timeline, of which nothing is known.
        case anew(String)
    }

    private func judge(_ verdict: PlaceProof.Verdict) throws(Failure) -> Judgement {
        let moved = found.map { "\($0); " } ?? ""
        switch verdict {
        case .open: return .open
        case .here(let evidence): return .place(SplicePlan.Place(evidence: moved + evidence, grade: .frameAligned))
        case .elsewhere(let shift, let reason): return .elsewhere(shift, reason)
        case .untold(let reason, let isAlike):
            if isLive { return .anew(reason) }
            if !isAlike { try mustLastAsLong(reason) }
            return .place(
                SplicePlan.Place(
                    evidence: "\(moved)another encode, and nothing tells whether its times are the same: \(reason)",
                    grade: .liveEdge))
        case .nowhere(let reason): return isLive ? .anew(reason) : .nowhere(reason)
        case .refused(let reason):
            if isLive, terms.isSameOrigin { return .anew(reason) }
            throw .refused("\(url): \(reason)")
        }
    }

    /// Where nothing can be compared: only what is alike in every other respect is joined.
    private func mustLastAsLong(_ reason: String) throws(Failure) {
        guard let expected = terms.duration, let duration = ingest.duration,
            (expected - duration).magnitude < .milliseconds(250)
        else { throw .refused("\(url): no packet is the same, and \(reason)") }
    }

    private func soundCheck() -> (check: SoundCheck, flow: Int)? {
        guard let flow = ingest.flows.first(where: { $0.kind == .audio && mapping[$0.index] != nil }),
            let output = mapping[flow.index], let format = outputs.first(where: { $0.index == output }),
            let check = SoundCheck(
                received: buffer.tail(flow: output, limit: SpliceReference.tailLimit), format: format, flow: flow)
        else { return nil }
        return (check, flow.index)
    }

    // MARK: - A new timeline

    /// Neither origin knows where its stream ends: there is nothing that times could count from.
    private var isLive: Bool { ingest.isRealtime && ingest.duration == nil && terms.duration == nil }

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
        guard isLive, terms.isSameOrigin, aligner.status == .aligned, aligner.leftOfKnown > Self.liveLag else {
            return false
        }
        let now = terms.clock()
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
    private func joinAnew(_ flow: FlowFormat, _ output: Int, _ reason: String) throws(Failure) -> SplicePlan {
        var index = 0
        while true {
            while index < stage.packets.count,
                stage.packets[index].flow != flow.index || !stage.packets[index].isKey
                    || stage.packets[index].pts == nil
            {
                index += 1
            }
            if index < stage.packets.count { break }
            guard let packet = try next() else {
                throw .attempt(
                    .undelivered(ChangeEvent(cause: .endedShort, detail: "\(url): no key frame has come")))
            }
            try stage(packet)
        }
        let tolerance = MediaTime(flicks: frameDuration(of: flow, output: output).flicks / 2)
        return plan(
            .anew(at: index, .init(flow: flow, output: output, tolerance: tolerance)), .liveEdge,
            "a live stream that has begun anew, joined at its next key frame: \(reason)")
    }

    /// Pictures that are presented before a key frame may be coded behind it (an open group of pictures): reads on until
    /// they are staged.
    private func stageLeadingPictures(of time: MediaTime, from index: Int, flow: FlowFormat) throws(Failure) {
        for later in (index + 1)..<max(index + 1, stage.packets.count)
        where stage.packets[later].flow == flow.index && (stage.packets[later].pts ?? time) > time { return }
        while let packet = try next() {
            let isBehind = packet.flow == flow.index && (packet.pts ?? time) > time
            try stage(packet)
            if isBehind { return }
        }
    }

    /// Goes to a key frame at or before a time, and stages what is read to find it.
    private func seekToKeyFrame(before time: MediaTime, flow: FlowFormat) throws(Failure) {
        // Containers without an index of key frames are asked from further and further back.
        for distance: Int64 in ingest.traits.findsKeyFrames ? [0, 2, 5, 11, 30] : [2, 5, 11, 30] {
            let target = max(.zero, time - .seconds(distance))
            try seek(to: target, anyPacket: false)
            var key: MediaTime?
            while key == nil, let packet = try next() {
                if packet.flow == flow.index, packet.isKey { key = packet.pts }
                if key == nil, packet.flow == flow.index, let pts = packet.pts, pts > time + .seconds(1) { break }
                try stage(packet)
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

    /// Without pictures: each flow goes on where it ended, once the sound is known to be the same.
    private func byTime() throws(Failure) -> Attempt {
        switch try listen() {
        case .open: throw .refused("\(url): nothing tells its place")
        case .place(let place): return .found(plan(.byTime, place.grade, place.evidence))
        case .elsewhere(let shift, let reason): return .elsewhere(shift, reason)
        case .nowhere(let reason): return .nowhere(reason)
        case .anew(let reason):
            return .found(
                plan(.byTime, .liveEdge, "a live stream that may have begun anew: \(reason)"))
        }
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
            try stage(packet)
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
    private func beginAgain() throws(Failure) -> SplicePlan {
        let start = terms.start
        if start > .zero, ingest.isSeekable || ingest.traits.readsUpToPlaces {
            do throws(MediaError) { try ingest.seek(to: max(start - displacement, .zero), anyPacket: false) } catch {
                if let event = ingest.openingFailure { throw .attempt(.undelivered(event)) }
                throw .refused("\(url): it cannot begin at \(start): \(error)")
            }
        }
        return plan(.begin, .packetExact, "nothing was received before")
    }
}
