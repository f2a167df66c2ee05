internal import DequeModule
internal import Synchronization
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols
internal import ThroughlineTransport

/// What the session tells: events while it plays, a status at any time, the summary at the end.
extension Session {
    func url(_ origin: OriginID) -> String { redacted(origins[origin].url) }

    func warn(_ text: String) {
        shared.withLock { if $0.warnings.count < Self.reportLimit { $0.warnings.append(text) } }
        send(.warning(text))
    }

    func send(_ kind: Event.Kind) { events.send(kind) }

    /// The first picture is shown, or the first after the viewer went elsewhere; on the pacer's thread.
    func nowShown() {
        let now = Instant.now
        shared.withLock { state in
            if state.firstPresented == nil { state.firstPresented = now - began }
            state.seeks.shown(at: now)
        }
    }

    /// Tells what became known to be missing or damaged; on the pacer's thread.
    func tell(_ account: inout PresentationAccount) {
        let defects = account.takeDefects()
        let figures = (account.missing, account.damaged, account.damagedPackets, account.played)
        let told = shared.withLock { state in
            (state.presentation.missing, state.presentation.damaged) = (figures.0, figures.1)
            (state.presentation.damagedPackets, state.presentation.played) = (figures.2, figures.3)
            let room = max(0, Self.reportLimit - state.presentation.defects.count)
            state.presentation.defects += defects.prefix(room)
            return defects.prefix(room)
        }
        for defect in told { send(.defect(defect, url: url(defect.origin))) }
    }

    /// More was presented than the origin says that there is: one of both is wrong.
    func noteExcess() {
        guard let duration, !isBackward, let end = presentedEnd, end > duration + Self.mostExcess else { return }
        warn("media was played up to \(end), although the stream was said to end at \(duration)")
        shared.withLock { $0.opened?.duration = end }
    }

    /// Containers round, and count the sound beyond the last picture or not.
    private static let mostExcess: MediaTime = .milliseconds(500)

    /// What happened, once `run` has returned.
    func summary() -> Summary {
        let elapsed = Instant.now - began
        let presented = pacer?.presented ?? []
        let tallies = pacer?.account ?? PresentationAccount([])
        let standings = Dictionary(
            allStandings.map { ($0.flow, $0.position) }, uniquingKeysWith: { first, _ in first })
        return shared.withLock { state in
            Summary(
                error: state.error, elapsed: elapsed, startup: state.firstPresented,
                container: state.opened?.container, duration: state.opened?.duration,
                end: presentedEnd,
                flows: (state.opened?.flows ?? []).map { flow in
                    let account = flow.index < presented.count ? presented[flow.index] : FlowAccount()
                    return Summary.Flow(
                        description: flow, packets: account.packets, bytes: account.bytes, end: account.end,
                        losses: losses[flow.index, default: FlowLosses()], position: standings[flow.index],
                        tally: tallies.tally(of: flow.index), duplicate: line?.duplicate(of: flow.index) ?? .zero)
                },
                handoffs: state.handoffs, handoffCount: state.handoffCount, reopenCount: state.reopenCount,
                gaps: buffer.gaps, gapCount: buffer.gapCount, gapTotal: buffer.gapTotal, playingTime: playingTime,
                seeks: state.seeks, presentation: state.presentation, duplicate: line?.duplicate ?? .zero,
                standby: standbyCost,
                warnings: state.warnings,
                origins: origins.all.enumerated().map { index, origin in
                    let health = state.controller.roster[OriginID(index)]
                    return Summary.OriginRecord(
                        url: redacted(origin.url), failures: health.failures, ruledOut: health.ruledOut,
                        tally: tallies.origins[OriginID(index)] ?? PresentationAccount.Tally())
                })
        }
    }

    /// Where the stream is, for a status line.
    func status() -> StreamStatus {
        let (origin, handoffs, missing, isPaused, rate) = shared.withLock {
            (
                $0.controller.current, $0.handoffCount, $0.presentation.missing + $0.presentation.unseen, $0.isPaused,
                $0.rate
            )
        }
        return StreamStatus(
            npt: buffer.playhead, duration: duration, origin: origin.map { url($0) }, buffer: buffer.level.duration,
            bufferBytes: buffer.level.bytes, handoffs: handoffs, gapTotal: buffer.gapTotal,
            missing: missing, isPaused: isPaused, rate: rate)
    }
}

extension FlowFormat {
    var flowDescription: FlowDescription {
        FlowDescription(index: index, kind: kind, codec: codecName, language: language, text: description)
    }
}

extension HandoffController.AttemptFailure {
    /// Nil where the origin did deliver.
    var cause: ChangeEvent.Cause? {
        switch self {
        case .undelivered(let event): event.cause
        case .refused(let cause, _): cause
        case .differentObject, .outrun, .calledOff: nil
        }
    }

    /// For people.
    var text: String {
        switch self {
        case .undelivered(let event): event.detail
        case .differentObject(let reason): "not the same bytes: \(reason)"
        case .refused(_, let reason): reason
        case .outrun: "another was faster"
        case .calledOff: "called off before it was there"
        }
    }
}

extension HandoffController.Order {
    var method: String {
        switch self {
        case .open: "open"
        case .resume: "resume"
        case .replace: "replace"
        case .wait: "wait"
        case .stay: "stay"
        case .giveUp: "give-up"
        }
    }
}
