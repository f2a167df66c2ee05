internal import DequeModule
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols

/// How an ingest goes on from what was received, as a search has found it; carried out once, on the thread of the line.
final class SplicePlan {
    /// A place, as far as it is known.
    struct Place {
        let evidence: String
        let grade: SpliceGrade
    }

    /// A key frame at which the line may be cut.
    struct KeyFrame {
        /// Place among the packets that were read.
        let index: Int
        let time: MediaTime
        /// How much would be missing before the key frame.
        let hole: MediaTime
        /// The pacer may have come by before the join is made.
        let isClose: Bool
    }

    /// The flow whose key frames decide.
    struct Leader {
        let flow: FlowFormat
        let output: Int
        /// Half a frame.
        let tolerance: MediaTime
    }

    enum Kind {
        /// Packets were recognised.
        case aligned(PacketAligner)
        /// At one of these key frames, the best first.
        case cut([KeyFrame], Leader)
        /// Each flow where it ended.
        case byTime
        /// A live stream has begun anew, and goes on with a key frame.
        case anew(at: Int, Leader)
        /// Nothing was received before.
        case begin
    }

    struct Result {
        var grade: SpliceGrade
        var evidence: String
        var warnings: [String]
    }

    let kind: Kind
    let grade: SpliceGrade
    var evidence: String
    private let ingest: any Ingest
    private let stage: SpliceStage
    private let mapping: [Int?]
    /// What is added to the times of the ingest.
    private var displacement: MediaTime
    private let reference: SpliceReference
    /// The least position of the flows of the output that the ingest feeds.
    private let position: NPT
    private let terms: SpliceSearch.Terms
    /// When media came last of the ingest before; nil where that is not known.
    var lastArrival: Instant?
    private let warnings: [String]

    init(
        _ kind: Kind, _ grade: SpliceGrade, _ evidence: String, of ingest: any Ingest, stage: SpliceStage,
        mapping: [Int?], displacement: MediaTime, reference: SpliceReference, position: NPT,
        terms: SpliceSearch.Terms, warnings: [String]
    ) {
        self.kind = kind
        self.grade = grade
        self.evidence = evidence
        self.ingest = ingest
        self.stage = stage
        self.mapping = mapping
        self.displacement = displacement
        self.reference = reference
        self.position = position
        self.terms = terms
        lastArrival = terms.lastArrival
        self.warnings = warnings
    }

    /// Up to where the ingest that is left is to be read before the plan is carried out; nil where it has been read so far.
    var readsOnTo: NPT? {
        guard let place = terms.place, case .cut(let frames, let leader) = kind, let frame = frames.first,
            frame.time > place + leader.tolerance
        else { return nil }
        return frame.time
    }

    /// Joins.
    ///
    /// - Parameters:
    ///   - current: what was received by now.
    ///   - batch: gets the first new packets.
    /// - Returns: nil where so much was received meanwhile that the place must be looked for again.
    /// - Throws: why it cannot be carried out any more.
    func carryOut(
        on line: SpliceLine, _ buffer: PlayoutBuffer, _ current: SpliceReference,
        into batch: inout UniqueDeque<Packet>
    ) throws(SpliceSearch.Failure) -> Result? {
        let tails = current.tails(fed: Set(mapping.compactMap { $0 }))
        var evidence = evidence
        var grade = grade
        switch kind {
        case .aligned(let found):
            let aligner = current.isAsOld(as: reference) ? found : align(tails)
            guard let aligner else { return nil }
            adopt(
                line, Array(repeating: .aligner, count: current.flowCount), ends: tails.map(\.end), aligner: aligner)
        case .cut(let frames, let leader):
            guard let joined = cut(frames, leader, line, buffer, tails) else { throw .tooSlow(terms.url) }
            evidence += joined.words
            if !joined.isWhole { grade = .liveEdge }
        case .byTime:
            let gates: [SpliceLine.Gate?] = tails.map { tail in
                let duration = tail.packets.last?.duration ?? .zero
                return .from(tail.end ?? position, tolerance: MediaTime(flicks: duration.flicks / 2))
            }
            adopt(line, gates, ends: tails.map(\.end))
        case .anew(let index, let leader): evidence += beginAnew(at: index, leader, line, tails)
        case .begin:
            guard current.isAsOld(as: reference) else { return nil }
            // After a seek the outputs have been promised a form already, which a gate sees to.
            let gates = (0..<current.flowCount).map { flow in
                line.form(of: flow).map { _ in SpliceLine.Gate.from(MediaTime(flicks: .min / 2), tolerance: .zero) }
            }
            line.adopt(
                ingest.flows, mapping: mapping, gates: gates, aligner: nil, ends: tails.map(\.end),
                isOtherEncode: true)
        }
        release(line, into: &batch)
        return Result(grade: grade, evidence: evidence, warnings: warnings + line.takeWarnings())
    }

    /// Recognises what has been received by now in what was read.
    private func align(_ tails: [FlowTail]) -> PacketAligner? {
        var aligner = PacketAligner(
            tails: tails, timeline: ingest.timeline, decodeTimesAreMade: ingest.makesDecodeTimes)
        var firsts = [MediaTime?](repeating: nil, count: tails.count)
        stage.lookThrough(mapping, &aligner, &firsts)
        return aligner.status == .aligned ? aligner : nil
    }

    private func adopt(
        _ line: SpliceLine, _ gates: [SpliceLine.Gate?], ends: [MediaTime?], aligner: PacketAligner? = nil
    ) {
        line.adopt(
            ingest.flows, mapping: mapping, gates: gates, aligner: aligner, ends: ends,
            isOtherEncode: aligner == nil, grade: grade, mayGoBack: ingest.isRealtime)
    }

    /// Sends what is staged through the line.
    private func release(_ line: SpliceLine, into batch: inout UniqueDeque<Packet>) {
        var index = 0
        while !stage.packets.isEmpty {
            var packet = stage.packets.removeFirst()
            let form = ingest.form(of: packet.flow)
            let known = stage.traces[index].map { UInt64??.some($0.fingerprint) }
            if line.pass(&packet, form: form, fingerprint: known ?? nil) { batch.append(packet) }
            index += 1
        }
        line.displace(by: displacement)
        stage.clear()
    }

    // MARK: - A new timeline

    /// - Returns: what is to be said of it.
    private func beginAnew(
        at index: Int, _ leader: Leader, _ line: SpliceLine, _ tails: [FlowTail]
    ) -> String {
        // As long as nothing came, as much was sent that nobody has.
        let unseen = lastArrival.map { MediaTime(terms.clock() - $0) }
        let begin = stage.packets[index].pts ?? .zero
        let end = tails[leader.output].end ?? begin
        displacement = displacement + (end - begin)
        for place in 0..<stage.packets.count { stage.packets[place].move(by: end - begin) }
        let gates: [SpliceLine.Gate?] = tails.indices.map { other in
            other == leader.output
                ? .from(end, tolerance: leader.tolerance) : .from(tails[other].end ?? end, tolerance: .zero)
        }
        line.adopt(
            ingest.flows, mapping: mapping, gates: gates, aligner: nil, ends: tails.map(\.end), isOtherEncode: true,
            grade: .liveEdge, unseen: unseen ?? .zero, mayRepeat: true)
        return unseen.map { "; about \($0) is missing, by the clock on the wall" }
            ?? "; how much is missing is not known"
    }

    // MARK: - At a key frame

    /// Cuts the line at the best of the key frames that the pacer has not passed meanwhile.
    private func cut(
        _ frames: [KeyFrame], _ leader: Leader, _ line: SpliceLine, _ buffer: PlayoutBuffer, _ tails: [FlowTail]
    ) -> (words: String, isWhole: Bool)? {
        for frame in frames {
            if let joined = cut(at: frame, leader, line, buffer, tails) { return joined }
        }
        return nil
    }

    /// Cuts the line at a key frame, and stages what goes on from there.
    private func cut(
        at frame: KeyFrame, _ leader: Leader, _ line: SpliceLine, _ buffer: PlayoutBuffer, _ tails: [FlowTail]
    ) -> (words: String, isWhole: Bool)? {
        let (time, output, tolerance) = (frame.time, leader.output, leader.tolerance)
        guard let (cut, lastDecode) = buffer.cut(flow: output, at: time, tolerance: tolerance) else { return nil }
        line.cut(output: output, lastDecode: lastDecode)
        let keptEnd = cut.keptEnd ?? time
        let isHole = time - keptEnd > tolerance
        var words = "; joined at the key frame at \(time)"
        if let place = terms.place { words += ", the first from \(place) on" }

        // What comes before the key frame is not passed on, but it can fill the hole before the key frame.
        var next = UniqueDeque<Packet>()
        if isHole {
            let lead = max(.zero, time - (stage.packets[frame.index].dts ?? time))
            next = PictureBridge.fill(
                keptEnd..<time, from: stage.packets, flow: leader.flow, form: ingest.form(of: leader.flow.index),
                lead: lead, duration: tolerance + tolerance, tolerance: tolerance)
        }
        let isFilled = isHole && !next.isEmpty
        if isFilled {
            let pictures = next.count == 1 ? "1 picture before it was" : "\(next.count) pictures before it were"
            words += "; \(pictures) encoded anew"
        }
        var number = 0
        while !stage.packets.isEmpty {
            let packet = stage.packets.removeFirst()
            // Neither what comes before the key frame nor its leading pictures can be decoded from it on.
            let isDecodable = number >= frame.index && (packet.pts ?? time) >= time - tolerance
            if packet.flow != leader.flow.index || isDecodable { next.append(packet) }
            number += 1
        }
        stage.replace(with: next)

        let first = isFilled ? keptEnd : time
        var ends = tails.map(\.end)
        ends[output] = keptEnd
        let gates: [SpliceLine.Gate?] = tails.indices.map { other in
            if other == output { return .from(first, tolerance: tolerance) }
            guard let end = tails[other].end else { return .from(position - SpliceSearch.preroll, tolerance: .zero) }
            let duration = tails[other].packets.last?.duration ?? .zero
            return .from(end, tolerance: MediaTime(flicks: duration.flicks / 2))
        }
        adopt(line, gates, ends: ends)
        return (words, !isHole || isFilled || cut.lostPictures > 0)
    }
}

extension SpliceSearch {
    /// Finds the place and joins there, while nothing else is received. On the thread of the line.
    ///
    /// - Parameter batch: gets the first new packets.
    func join(
        _ line: SpliceLine, _ buffer: PlayoutBuffer, _ reference: SpliceReference,
        into batch: inout UniqueDeque<Packet>
    ) throws(Failure) -> SplicePlan.Result {
        guard let result = try run().carryOut(on: line, buffer, reference, into: &batch) else {
            preconditionFailure("what was received has changed")
        }
        return result
    }
}
