internal import ThroughlineCore
internal import ThroughlineMedia

/// What stands behind an ingest that is opened ahead of being played, on a thread of its own: nothing at first, so that its
/// troubles are its own; the session from when it is played.
///
/// Until `handOver` it is called on that thread, and keeps to itself what the session's supervisor may be asked on
/// its own thread only. `isAsked` is called by whoever looks for its place, once that thread has ended, and `handOver` by the
/// session.
final class StandbySupervisor: SourceSupervisor, @unchecked Sendable {
    // Unchecked: `rate` belongs to the thread that opens the ingest until that was joined. After that it and `stage` belong to
    // the thread that uses the ingest.
    private enum Stage {
        case standby, asked, played
    }

    let session: any SourceSupervisor
    private let bound: Duration?
    private var stage: Stage
    /// The rate at which the origin plays; nil before it has said so.
    private var rate: Rate?

    /// - Parameter bound: how long the origin may be silent while it is a standby; nil where it is to be joined at once, and
    ///   the session knows how long that may take.
    init(_ session: any SourceSupervisor, bound: Duration?) {
        self.session = session
        self.bound = bound
        stage = bound == nil ? .asked : .standby
    }

    /// The ingest is to be joined, and is not played yet. On the thread that looks for its place.
    func isAsked() { if stage == .standby { stage = .asked } }

    /// The ingest is played from now on.
    func handOver() {
        stage = .played
        if let rate { session.playing(at: rate) }
    }

    private var player: (any SourceSupervisor)? { stage == .played ? session : nil }

    func broke(_ event: ChangeEvent, canResume: Bool) -> SourceAnswer {
        player?.broke(event, canResume: canResume) ?? .close
    }
    func resumeFailed(_ failure: HandoffController.AttemptFailure, on origin: OriginID) -> SourceAnswer {
        player?.resumeFailed(failure, on: origin) ?? .close
    }
    func hedged(with origin: OriginID) { player?.hedged(with: origin) }
    func hedgeFailed(_ failure: HandoffController.AttemptFailure, on origin: OriginID) {
        player?.hedgeFailed(failure, on: origin)
    }
    /// An end that comes a little early is believed of a standby: whether there is more, the primary shows.
    var hasAlternative: Bool { stage == .played || bound == nil ? session.hasAlternative : false }
    func resumed(on origin: OriginID, at byte: Int64, standby: Standby, evidence: String) {
        player?.resumed(on: origin, at: byte, standby: standby, evidence: evidence)
    }
    func reopened(_ origin: OriginID, at byte: Int64) { player?.reopened(origin, at: byte) }
    func endCame() -> EndInquiry? { player?.endCame() }
    func awaitGrowth(until moment: Instant) -> Bool { player?.awaitGrowth(until: moment) ?? false }
    func aboutToWait() { player?.aboutToWait() }
    func origin(_ id: OriginID) -> Origin { session.origin(id) }
    func mediaIsAwaited() { player?.mediaIsAwaited() }
    func mediaArrived(isInBuffer: Bool) { player?.mediaArrived(isInBuffer: isInBuffer) }
    func nothingIsAwaited() { player?.nothingIsAwaited() }
    var nextLook: Instant { player?.nextLook ?? bound.map { .now + $0 } ?? .never }
    func reasonToLeave() -> ChangeEvent? { player?.reasonToLeave() }
    func wasOverlooked() { player?.wasOverlooked() }
    func flowEnded(_ flow: Int) { player?.flowEnded(flow) }
    func flowsRestarted() { player?.flowsRestarted() }
    var isTooSlow: Bool { player?.isTooSlow ?? false }
    func prepared(_ origin: OriginID, _ result: Result<Void, ByteTrial.Failure>) { player?.prepared(origin, result) }
    func preparationIsStale() { player?.preparationIsStale() }
    func openBound(for origin: OriginID) -> Duration {
        if stage == .standby, let bound { return bound }
        return session.openBound(for: origin)
    }
    func playing(at rate: Rate) {
        self.rate = rate
        player?.playing(at: rate)
    }
}
