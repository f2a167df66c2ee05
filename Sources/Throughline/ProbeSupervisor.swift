internal import ThroughlineCore

/// What stands behind an input when nothing is played: no failure is healed, each is the end of that input.
///
/// An `Ingest` made with it keeps `isOpening`, so that its input tells its failure and asks for nothing.
final class ProbeSupervisor: SourceSupervisor {
    private let origins: [Origin]
    private let bound: Duration

    /// - Parameter bound: how long an origin may be silent.
    init(_ origins: [Origin], bound: Duration) {
        self.origins = origins
        self.bound = bound
    }

    func sourceFailed(_ event: ChangeEvent, canResume: Bool) -> HandoffController.Order {
        .giveUp(reason: event.detail)
    }
    func resumeFailed(_ failure: HandoffController.AttemptFailure) -> HandoffController.Order {
        .giveUp(reason: failure.text)
    }
    func replace(on origin: OriginID) -> HandoffController.Order? { .giveUp(reason: "") }
    var hasAlternative: Bool { true }
    func waitEnded() -> HandoffController.Order { .giveUp(reason: "") }
    func resumed(on origin: OriginID, at byte: Int64, evidence: String) {}
    func reopened(at byte: Int64) {}
    func sleep(until: Instant) -> Bool { false }
    func aboutToWait() {}
    func origin(_ id: OriginID) -> Origin { origins[id.index] }
    var level: Duration? { nil }
    func playing(at rate: Rate) {}
    func openBound(for origin: OriginID) -> Duration { bound }
}
