internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols
internal import ThroughlineTransport

/// Whether the end of an origin is the end of the stream.
extension Session {
    /// Nobody goes on: what was received and is still in the demuxer is played all the same.
    func playOut(_ runner: Runner) {
        if isBackward { return }
        while let packet = runner.still.rest() {
            guard isPlayed(packet.flow) else { continue }
            if !accept(packet, of: runner) { return }
        }
        flush()
    }

    /// What to do where an origin has ended before its time; nil where that was the end.
    func endedShort(_ runner: Runner) -> HandoffController.Order? {
        guard let line, !isBackward else { return nil }
        let ingest = runner.still
        let played = outputFlows.filter { !$0.isSparse && !$0.isAttachedPicture && isSelected($0) }
        var stated: [Int: NPT] = [:]
        for flow in ingest.flows.indices {
            guard let output = line.output(of: flow), let end = ingest.statedEnd(of: flow) else { continue }
            stated[output] = end + line.shift(of: flow)
        }
        flowEnds = stated
        // What is known of all flows together says little of some, or where captions may be the last to end.
        let isPart = outputFlows.contains { $0.isSparse || !isSelected($0) }
        let verdict = endOfMedia.judge(
            ingest.origin,
            flows: played.map { flow in
                EndOfMedia.Flow(
                    index: flow.index, reached: buffer.accounts[flow.index].end ?? start, stated: stated[flow.index],
                    frame: flow.frameLength)
            },
            whole: wholeEnd(of: ingest, line) ?? statedEnd, isLoose: ingest.isRealtime || isPart,
            limit: configuration.to)
        switch verdict {
        case .whole: return longerElsewhere(runner, played)
        case .agreed(let shortage):
            warn(
                "\(url(ingest.origin)) ends at \(shortage.reached), its header says \(shortage.stated), and no origin has more: \(shortage.missing) missing"
            )
            return nil
        case .short(let shortage):
            let flow = shortage.flow.map { " (\(outputFlows[$0]))" } ?? ""
            return observe(
                ChangeEvent(
                    cause: .endedShort,
                    detail:
                        "\(url(ingest.origin)): its media\(flow) ends at \(shortage.reached), its header says \(shortage.stated)"
                ), canResume: false)
        }
    }

    /// Where the presentation ends by what an ingest says of all its flows together.
    private func wholeEnd(of ingest: any Ingest, _ line: SpliceLine) -> NPT? {
        guard let end = ingest.statedEnd else { return nil }
        // A server that began elsewhere than it said has as much of the film as the one before it, if it says so.
        if ingest.isRealtime, let duration, (duration - end).magnitude < .milliseconds(250) { return duration }
        return end + line.timelineShift
    }

    // MARK: - What others hold

    /// The origin that delivers has no more. What is buffered plays on meanwhile, and the answer is there before it ends.
    func endCame() -> EndInquiry? {
        guard !isBackward, !isReadingOn, line != nil else { return nil }
        let now = Instant.now
        let others = shared.withLock { state in
            // Whoever has ended before its time says nothing of the end.
            state.controller.alternates(at: now)?.filter { state.controller.roster[$0.origin].lastCause != .endedShort }
        }
        let askable = (others ?? []).filter { $0.notBefore == nil && !origins.isReadOnce($0.origin) }.map(\.origin)
        guard !askable.isEmpty else { return nil }
        buffer.mayHaveEnded(true)
        let bound = level.map { min(max($0 - Self.joinTime, .milliseconds(150)), .seconds(3)) } ?? .seconds(1)
        return EndInquiry(asking: askable, until: now + bound)
    }

    /// What is received of an object that may grow is at its end.
    func mayGrow() {
        flush()
        buffer.mayHaveEnded(true)
    }

    /// The object may have grown by then; if it has not, it has ended. From any thread.
    ///
    /// - Returns: false when the session is to stop.
    func awaitGrowth(until moment: Instant) -> Bool {
        shared.wait { state, deadline in
            if state.isStopped { return false }
            if Instant.now >= moment { return true }
            deadline = moment
            return nil
        }
    }

    /// What is left of the buffer for a handoff, once it is known that somebody has more.
    static let joinTime: Duration = .milliseconds(500)

    /// All was received that the origin knows of: whether another one has more. Where that one cannot be joined, the end
    /// stands.
    private func longerElsewhere(_ runner: Runner, _ played: [FlowFormat]) -> HandoffController.Order? {
        guard joinsEnded != joins else { return nil }
        let ingest = runner.still
        joinsEnded = joins
        // A server that describes the presentation and has sent all of that has said goodbye besides: to set up another
        // session only to ask would cost more than it is worth.
        if ingest.isRealtime, ingest.statedEnd != nil { return nil }
        var ends: [FlowKind: NPT] = [:]
        for flow in played { ends[flow.kind] = max(ends[flow.kind] ?? start, buffer.accounts[flow.index].end ?? start) }
        let reached = ends.values.min() ?? start
        if let limit = configuration.to, reached >= limit { return nil }
        var asked: [OriginID]?
        switch ingest.compareEnds() {
        case .stands: return nil
        case .unknown(let differing): asked = differing
        // An object that goes on elsewhere is gone on with before its end is told.
        case .goesOn, nil: break
        }
        guard asked != [], let open = endCame() else { return nil }
        let inquiry = EndInquiry(asking: asked ?? open.asked, until: open.deadline)
        let question = LengthQuestion(
            played: played.map { .init(kind: $0.kind, language: $0.language) }, reached: ends,
            measures: ingest.statedEnd == nil, limit: configuration.to,
            transport: configuration.rtspTransport, bound: max(.milliseconds(100), inquiry.deadline - .now))
        let targets = Dictionary(uniqueKeysWithValues: inquiry.asked.map { ($0, origins[$0]) })
        let verdict = EndSurvey.run(inquiry, abort: abort) { origin, abort in
            targets[origin].map { question.ask($0, abort: abort) } ?? .silent
        }
        guard case .goesOn(let origin) = verdict else { return nil }
        (leaving, endStands) = (runner, true)
        return observe(
            ChangeEvent(
                cause: .endedShort,
                detail: "\(url(ingest.origin)): its media ends at \(reached), and goes on at \(url(origin))"),
            canResume: false, isPlanned: true, target: origin, isTargetOnly: true)
    }

    /// Another origin seemed to have more, and could not be joined.
    func endStood(_ runner: Runner) {
        (endStands, endedRunner) = (false, nil)
        playOut(runner)
        let target = observed?.target
        let why = lastFailure.flatMap { $0.origin == target ? ": \($0.text)" : nil } ?? ""
        warn(
            "\(url(runner.origin)) ends at \(position ?? .zero); \(target.map { url($0) } ?? "another origin") says that it has more, and could not be joined\(why)"
        )
    }
}

/// Asks an origin by its own word whether the presentation goes on behind an NPT.
struct LengthQuestion: Sendable {
    struct Flow: Sendable {
        let kind: FlowKind
        let language: String?
    }

    let played: [Flow]
    /// Up to where the flows of each kind were received.
    let reached: [FlowKind: NPT]
    /// Where no header says how long it is, the end is looked at.
    let measures: Bool
    let limit: NPT?
    let transport: RTSPTransportChoice
    let bound: Duration

    func ask(_ origin: Origin, abort: AbortSwitch) -> EndInquiry.Answer {
        do {
            if origin.kind.isRealtime {
                let ingest = try origin.kind.openForProbing(
                    origin, bound: bound, abort: abort, transport: transport, start: .zero)
                return answer(stated: ingest.statedEnd, ingest.flows)
            }
            let input = try SourceInput(
                origin: OriginID(0), supervisor: ProbeSupervisor([origin], bound: bound), abort: abort)
            guard input.length != nil || input.isSeekable else { return .silent }
            var options = Demuxer.Options()
            options.measuresDuration = measures
            let demuxer = try Demuxer(input: input, options: options)
            let ends = demuxer.flows.filter(isPlayed).map { ($0.kind, demuxer.statedEnd(of: $0.index)) }
            guard !ends.isEmpty, ends.allSatisfy({ $1 != nil }) else {
                return answer(stated: demuxer.statedEnd, demuxer.flows)
            }
            let goesOn = ends.contains { kind, end in
                guard let reached = reached[kind] else { return false }
                return EndInquiry.answer(stated: end, reached: reached, isLoose: false, limit: limit) == .goesOn
            }
            return goesOn ? .goesOn : .endsThere
        } catch { return .silent }
    }

    private func isPlayed(_ flow: FlowFormat) -> Bool {
        !flow.isSparse && !flow.isAttachedPicture
            && played.contains {
                $0.kind == flow.kind && ($0.language == nil || flow.language == nil || $0.language == flow.language)
            }
    }

    /// Only the end of all flows together is known.
    private func answer(stated: NPT?, _ all: [FlowFormat]) -> EndInquiry.Answer {
        EndInquiry.answer(
            stated: stated, reached: reached.values.max() ?? .zero, isLoose: !all.allSatisfy(isPlayed), limit: limit)
    }
}
