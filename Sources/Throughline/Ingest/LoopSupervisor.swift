internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineTransport

/// What an ingest tells and asks while it stands still, and is read on the session's loop: to find its place anew, or to go
/// elsewhere. While its runner reads, `RunnerRelay` hands the same to the loop.
///
/// `origin`, `openBound`, `hasAlternative` and `awaitGrowth` may be called from any thread.
final class LoopSupervisor: SourceSupervisor {
    private let stream: StreamContext
    private weak var navigator: Navigator?
    private weak var judge: EndJudge?
    private weak var watcher: Watcher?
    private weak var handoffs: Handoffs?
    private weak var reader: Reader?

    init(_ stream: StreamContext) { self.stream = stream }

    /// Once, before anything is opened.
    func serve(
        _ navigator: Navigator, _ judge: EndJudge, _ watcher: Watcher, _ handoffs: Handoffs, _ reader: Reader
    ) {
        (self.navigator, self.judge, self.watcher) = (navigator, judge, watcher)
        (self.handoffs, self.reader) = (handoffs, reader)
    }

    // MARK: Asked

    func broke(_ event: ChangeEvent, canResume: Bool) -> SourceAnswer {
        reader?.broke(event, canResume: canResume) ?? .close
    }
    func resumeFailed(_ failure: HandoffController.AttemptFailure, on origin: OriginID) -> SourceAnswer {
        reader?.resumeFailed(failure, on: origin) ?? .close
    }
    func endCame() -> EndInquiry? { handoffs?.group.isReadOn ?? true ? nil : judge?.inquiry() }
    func awaitGrowth(until moment: Instant) -> Bool { stream.viewer.wait(until: moment) }
    var hasAlternative: Bool { stream.machine.withLock { $0.handoff.hasAlternative } }
    func origin(_ id: OriginID) -> Origin { stream.origins[id] }
    func openBound(for origin: OriginID) -> Duration { stream.openBound(for: origin) }
    var isTooSlow: Bool { stream.machine.withLock { $0.watch.isTooSlow } }

    // MARK: Waiting

    func aboutToWait() { reader?.aboutToWait() }
    func mediaIsAwaited() { watcher?.mediaIsAwaited() }
    func mediaArrived(isInBuffer: Bool) {
        watcher?.mediaArrived(
            isInBuffer: isInBuffer, bytes: handoffs?.group.read?.lastBytesReceived,
            isPending: handoffs?.isPending ?? false)
    }
    func nothingIsAwaited() { watcher?.nothingIsAwaited() }
    var nextLook: Instant { watcher?.nextLook ?? .never }
    func reasonToLeave() -> ChangeEvent? { watcher?.reasonToLeave()?.event }

    // MARK: Told

    func resumed(on origin: OriginID, at byte: Int64, standby: Standby, evidence: String) {
        handoffs?.resumed(on: origin, at: byte, standby: standby, evidence: evidence)
    }
    func reopened(_ origin: OriginID, at byte: Int64) { stream.record.reopened(origin, at: byte) }
    func hedged(with origin: OriginID) { watcher?.decide(.hedged(origin)) }
    func hedgeFailed(_ failure: HandoffController.AttemptFailure, on origin: OriginID) {
        handoffs?.hedgeFailed(failure, on: origin)
    }
    func preparationIsStale() {
        guard let watcher else { return }
        watcher.decide(.preparationIsStale, watcher.sight)
    }
    func flowEnded(_ flow: Int) { watcher?.flowEnded(flow) }
    func flowsRestarted() { watcher?.flowsBegin() }
    func playing(at rate: Rate) { navigator?.playing(at: rate) }
}
