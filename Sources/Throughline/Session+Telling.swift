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

    func send(_ kind: Event.Kind) { emit(Event(time: Instant.now - began, kind: kind)) }

    /// What happened, once `run` has returned.
    func summary() -> Summary {
        let elapsed = Instant.now - began
        let presented = pacer?.presented ?? []
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
                        losses: losses[flow.index, default: FlowLosses()], position: standings[flow.index])
                },
                handoffs: state.handoffs, handoffCount: state.handoffCount, reopenCount: state.reopenCount,
                gaps: buffer.gaps, gapTotal: buffer.gapTotal,
                standby: standbyCost,
                warnings: state.warnings,
                origins: origins.all.enumerated().map { index, origin in
                    let health = state.controller.roster[OriginID(index)]
                    return Summary.OriginRecord(
                        url: redacted(origin.url), failures: health.failures, ruledOut: health.ruledOut)
                })
        }
    }

    /// Where the stream is, for a status line.
    func status() -> StreamStatus {
        let (origin, handoffs) = shared.withLock { ($0.controller.current, $0.handoffCount) }
        return StreamStatus(
            npt: buffer.playhead, duration: duration, origin: origin.map { url($0) }, buffer: buffer.level.duration,
            bufferBytes: buffer.level.bytes, handoffs: handoffs, gapTotal: buffer.gapTotal)
    }
}

extension FlowFormat {
    var flowDescription: FlowDescription {
        FlowDescription(index: index, kind: kind, codec: codecName, language: language, text: description)
    }
}

extension HandoffController.AttemptFailure {
    /// For people.
    var text: String {
        switch self {
        case .undelivered(let event): event.detail
        case .differentObject(let reason): "not the same bytes: \(reason)"
        case .refused(_, let reason): reason
        case .outrun: "another was faster"
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
