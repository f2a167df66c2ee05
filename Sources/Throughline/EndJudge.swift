internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols
internal import ThroughlineTransport

/// Whether the end of an origin is the end of the stream: by what its container says, and by what other origins hold. On the
/// session's loop, but for what says otherwise.
final class EndJudge {
    enum Verdict {
        case ended
        /// The origin's media ends before the presentation does.
        case short(ChangeEvent)
        /// All was received that the origin knows of, and another one says that it has more.
        case goesOn(ChangeEvent, at: OriginID)
    }

    private let stream: StreamContext
    private let intake: Intake
    private var media = EndOfMedia()
    /// By the count of joins, where others were asked for more at the end.
    private var joinsEnded: Int?
    /// Where the presentation ends by what the first origin says.
    var statedEnd: NPT?
    /// By flow of the output, where it ends by what the container says that was read last.
    private(set) var flowEnds: [Int: NPT] = [:]

    init(_ stream: StreamContext, _ intake: Intake) { (self.stream, self.intake) = (stream, intake) }

    /// An origin has no more.
    func judge(_ ingest: any Ingest) -> Verdict {
        guard let line = intake.line, !line.isBackward else { return .ended }
        let played = intake.flows.filter { !$0.isSparse && !$0.isAttachedPicture && intake.isSelected($0) }
        var stated: [Int: NPT] = [:]
        for flow in ingest.flows.indices {
            guard let output = line.output(of: flow), let end = ingest.statedEnd(of: flow) else { continue }
            stated[output] = end + line.shift(of: flow)
        }
        flowEnds = stated
        let url = stream.record.url(ingest.origin)
        let accounts = stream.buffer.accounts
        // The end of all flows together is no end of a part of them, and captions may end after the pictures.
        let isPart = intake.flows.contains { $0.isSparse || !intake.isSelected($0) }
        let verdict = media.judge(
            ingest.origin,
            flows: played.map { flow in
                EndOfMedia.Flow(
                    index: flow.index, reached: accounts[flow.index].end ?? intake.start, stated: stated[flow.index],
                    frame: flow.frameLength)
            },
            whole: wholeEnd(of: ingest, line) ?? statedEnd, isLoose: ingest.isRealtime || isPart,
            limit: stream.configuration.to)
        switch verdict {
        case .whole: return longerElsewhere(ingest, played)
        case .agreed(let shortage):
            stream.record.warn(
                "\(url) ends at \(shortage.reached), its header says \(shortage.stated), and no origin has more: "
                    + "\(shortage.missing) missing")
            return .ended
        case .short(let shortage):
            let flow = shortage.flow.map { " (\(intake.flows[$0]))" } ?? ""
            return .short(
                ChangeEvent(
                    cause: .endedShort,
                    detail:
                        "\(url): its media\(flow) ends at \(shortage.reached), its header says \(shortage.stated)"))
        }
    }

    /// Where the presentation ends by what an ingest says of all its flows together.
    private func wholeEnd(of ingest: any Ingest, _ line: SpliceLine) -> NPT? {
        guard let end = ingest.statedEnd else { return nil }
        // A server that began elsewhere than it said has as much of the film as the one before it, if it says so.
        if ingest.isRealtime, let duration = stream.record.duration, (duration - end).magnitude < .milliseconds(250) {
            return duration
        }
        return end + line.timelineShift
    }

    // MARK: - What others hold

    /// The origin that delivers has no more: who could say whether that is the end, and until when. What is buffered plays on
    /// meanwhile, and the answer is there before it ends.
    func inquiry() -> EndInquiry? {
        guard !intake.isBackward, intake.line != nil else { return nil }
        let now = Instant.now
        let others = stream.machine.withLock { machine in
            // An origin whose media ended too early cannot say where the presentation ends.
            machine.handoff.alternates(at: now)?.filter { machine.handoff.roster[$0.origin].lastCause != .endedShort }
        }
        let askable = (others ?? []).filter { $0.notBefore == nil && !stream.origins.isReadOnce($0.origin) }
            .map(\.origin)
        guard !askable.isEmpty else { return nil }
        stream.buffer.mayHaveEnded(true)
        let bound = stream.level.map { min(max($0 - StreamMachine.joinTime, .milliseconds(150)), .seconds(3)) }
        return EndInquiry(asking: askable, until: now + (bound ?? .seconds(1)))
    }

    /// All was received that the origin knows of: whether another one has more. Where that one cannot be joined, the end
    /// stands.
    private func longerElsewhere(_ ingest: any Ingest, _ played: [FlowFormat]) -> Verdict {
        guard joinsEnded != intake.joins else { return .ended }
        joinsEnded = intake.joins
        // A server that describes the presentation and has sent all of that has said goodbye besides: to set up another
        // session only to ask would cost more than it is worth.
        if ingest.isRealtime, ingest.statedEnd != nil { return .ended }
        var ends: [FlowKind: NPT] = [:]
        let (accounts, start) = (stream.buffer.accounts, intake.start)
        for flow in played { ends[flow.kind] = max(ends[flow.kind] ?? start, accounts[flow.index].end ?? start) }
        let reached = ends.values.min() ?? start
        if let limit = stream.configuration.to, reached >= limit { return .ended }
        var asked: [OriginID]?
        switch ingest.resumable?.compareEnds() {
        case .stands: return .ended
        case .unknown(let differing): asked = differing
        // An object that goes on elsewhere is gone on with before its end is told.
        case .goesOn, nil: break
        }
        guard asked != [], let open = inquiry() else { return .ended }
        let inquiry = EndInquiry(asking: asked ?? open.asked, until: open.deadline)
        let question = LengthQuestion(
            played: played.map { .init(kind: $0.kind, language: $0.language) }, reached: ends,
            measures: ingest.statedEnd == nil, limit: stream.configuration.to,
            transport: stream.configuration.rtspTransport, bound: max(.milliseconds(100), inquiry.deadline - .now))
        let targets = Dictionary(uniqueKeysWithValues: inquiry.asked.map { ($0, stream.origins[$0]) })
        let verdict = EndSurvey.run(inquiry, abort: stream.abort) { origin, abort in
            targets[origin].map { question.ask($0, abort: abort) } ?? .silent
        }
        guard case .goesOn(let origin) = verdict else { return .ended }
        return .goesOn(
            ChangeEvent(
                cause: .endedShort,
                detail: "\(stream.record.url(ingest.origin)): its media ends at \(reached), and goes on at "
                    + stream.record.url(origin)),
            at: origin)
    }

    /// Another origin seemed to have more, and could not be joined.
    func stood(_ origin: OriginID) {
        let (target, lastFailure) = stream.machine.withLock { ($0.observed?.target, $0.lastFailure) }
        let why = lastFailure.flatMap { $0.origin == target ? ": \($0.failure.text)" : nil } ?? ""
        let other = target.map { stream.record.url($0) } ?? "another origin"
        stream.record.warn(
            "\(stream.record.url(origin)) ends at \(intake.position ?? .zero); \(other) says that it has more, and could "
                + "not be joined\(why)")
    }
}
