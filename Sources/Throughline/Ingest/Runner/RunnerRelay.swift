internal import Synchronization
internal import ThroughlineCore

/// What stands behind an ingest that a runner reads: it puts what the ingest tells into the runner's feed, and waits there
/// for answers. While the runner stands still, the ingest is used on its owner's thread, and talks with the session itself.
final class RunnerRelay: SourceSupervisor, @unchecked Sendable {
    // Unchecked: `isRelaying` and `runner` change only while the runner stands still, by whoever owns it.
    private let session: any SourceSupervisor
    let feed = RunnerFeed()
    /// Whose thread reads.
    weak var runner: Runner?
    var isRelaying = false
    /// At full speed, a wait that nobody was told of: most are over at once, and nothing to wake the other thread for.
    var tellsAtOnce = true
    private var untold: Instant?
    private static let shortWait: Duration = .milliseconds(50)
    /// As the session has seen it last.
    let tooSlow = Atomic<Bool>(false)

    init(_ session: any SourceSupervisor) { self.session = session }

    /// - Returns: false where the session is to be told itself.
    private func put(_ fact: @autoclosure () -> RunnerFact) -> Bool {
        guard isRelaying else { return false }
        // What was read before is on its way before it.
        runner?.publish()
        feed.put(.fact(fact()))
        return true
    }

    // MARK: Asked

    func broke(_ event: ChangeEvent, canResume: Bool) -> SourceAnswer {
        guard isRelaying else { return session.broke(event, canResume: canResume) }
        return ask(.broke(event, canResume: canResume))
    }

    func resumeFailed(_ failure: HandoffController.AttemptFailure, on origin: OriginID) -> SourceAnswer {
        guard isRelaying else { return session.resumeFailed(failure, on: origin) }
        return ask(.resumeFailed(failure, origin))
    }

    private func ask(_ question: RunnerQuestion) -> SourceAnswer {
        runner?.publish()
        guard case .source(let answer) = feed.ask(question) else { return .close }
        return answer
    }

    func endCame() -> EndInquiry? {
        guard isRelaying else { return session.endCame() }
        runner?.publish()
        guard case .inquiry(let inquiry) = feed.ask(.ended) else { return nil }
        return inquiry
    }

    func awaitGrowth(until moment: Instant) -> Bool {
        if !put(.awaitsGrowth) { session.aboutToWait() }
        return session.awaitGrowth(until: moment)
    }

    var hasAlternative: Bool { session.hasAlternative }
    func origin(_ id: OriginID) -> Origin { session.origin(id) }
    func openBound(for origin: OriginID) -> Duration { session.openBound(for: origin) }
    var isTooSlow: Bool { isRelaying ? tooSlow.load(ordering: .relaxed) : session.isTooSlow }

    // MARK: Waiting

    func aboutToWait() { if isRelaying { runner?.aboutToWait() } else { session.aboutToWait() } }
    func mediaIsAwaited() {
        guard isRelaying, !tellsAtOnce else { return tellOfWait(since: .now) }
        untold = .now
    }
    private func tellOfWait(since moment: Instant) {
        untold = nil
        if !put(.awaits(moment)) { session.mediaIsAwaited() }
    }
    func mediaArrived(isInBuffer: Bool) {
        guard isRelaying else { return session.mediaArrived(isInBuffer: isInBuffer) }
        if untold.take() != nil { return }
        let now = Instant.now
        if feed.threadHeard() { _ = put(.stays(now)) }
        _ = put(.arrived(now, isInBuffer: isInBuffer, bytesReceived: runner?.bytesReceived))
    }
    func nothingIsAwaited() {
        if untold.take() != nil { return }
        if !put(.awaitsNothing(.now)) { session.nothingIsAwaited() }
    }
    /// The session watches the clock, and calls.
    var nextLook: Instant {
        guard isRelaying else { return session.nextLook }
        if feed.threadIsCalled { return Instant(nanoseconds: 0) }
        return untold.map { $0 + Self.shortWait } ?? .never
    }
    func reasonToLeave() -> ChangeEvent? {
        guard isRelaying else { return session.reasonToLeave() }
        if let untold { tellOfWait(since: untold) }
        runner?.carryOut(feed.threadTakesPreparations())
        return feed.threadLeaves()
    }
    func wasOverlooked() { if isRelaying, feed.threadHeard() { _ = put(.stays(.now)) } }

    // MARK: Told

    func resumed(on origin: OriginID, at byte: Int64, standby: Standby, evidence: String) {
        if put(.resumed(origin, byte: byte, standby, evidence: evidence)) { return }
        session.resumed(on: origin, at: byte, standby: standby, evidence: evidence)
    }
    func reopened(_ origin: OriginID, at byte: Int64) {
        if !put(.reopened(origin, byte: byte)) { session.reopened(origin, at: byte) }
    }
    func hedged(with origin: OriginID) { if !put(.hedged(origin)) { session.hedged(with: origin) } }
    func hedgeFailed(_ failure: HandoffController.AttemptFailure, on origin: OriginID) {
        if !put(.hedgeFailed(failure, origin)) { session.hedgeFailed(failure, on: origin) }
    }
    func prepared(_ origin: OriginID, _ result: Result<Void, ByteTrial.Failure>) {
        feed.put(.fact(.prepared(origin, result)))
    }
    func preparationIsStale() { if !put(.preparationIsStale) { session.preparationIsStale() } }
    func flowEnded(_ flow: Int) { if !put(.flowEnded(flow)) { session.flowEnded(flow) } }
    func flowsRestarted() { if !put(.flowsRestarted) { session.flowsRestarted() } }
    func playing(at rate: Rate) { if !put(.playing(rate)) { session.playing(at: rate) } }
}
