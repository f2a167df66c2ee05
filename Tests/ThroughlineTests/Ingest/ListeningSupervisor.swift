internal import ThroughlineCore

@testable internal import Throughline

/// A session that notes what it is told of waiting for media, and heals no failure. Used on one thread.
final class ListeningSupervisor: SourceSupervisor {
    private let url: String
    /// How often media was waited for.
    let waits = Guarded(0)
    private(set) var isWaiting = false
    private var since = Instant.never
    /// How often it was asked for a reason to leave without being told that anything is waited for.
    private(set) var blindLooks = 0
    /// Why an origin is no longer read.
    private(set) var failure: ChangeEvent?
    /// Where bytes go on after a connection was idle, and was opened again.
    private(set) var reopenings: [Int64] = []
    /// Media begins to be waited for.
    var awaited: () -> Void = {}
    /// Whether a silence is a reason to leave, by how long it has lasted and which it is.
    var leaves: (Duration, Int) -> Bool = { _, _ in false }

    init(url: String = "the origin") { self.url = url }

    func mediaIsAwaited() {
        if isWaiting { return }
        (isWaiting, since) = (true, .now)
        waits.withLockAndWake { $0 += 1 }
        awaited()
    }
    func mediaArrived(isInBuffer: Bool) { isWaiting = false }
    func nothingIsAwaited() { isWaiting = false }
    var nextLook: Instant { .now + .milliseconds(5) }
    func reasonToLeave() -> ChangeEvent? {
        if !isWaiting { blindLooks += 1 }
        let isLeft = isWaiting ? leaves(.now - since, waits.withLock { $0 }) : blindLooks > 50
        return isLeft ? ChangeEvent(cause: .silence, detail: "\(url): nothing came") : nil
    }

    func broke(_ event: ChangeEvent, canResume: Bool) -> SourceAnswer {
        failure = event
        return .close
    }
    func resumeFailed(_ failure: HandoffController.AttemptFailure, on origin: OriginID) -> SourceAnswer { .close }
    let hasAlternative = false
    func resumed(on origin: OriginID, at byte: Int64, standby: Standby, evidence: String) {}
    func reopened(_ origin: OriginID, at byte: Int64) { reopenings.append(byte) }
    func aboutToWait() {}
    func origin(_ id: OriginID) -> Origin { Origin(url: url) }
    func flowEnded(_ flow: Int) {}
    func flowsRestarted() {}
    func openBound(for origin: OriginID) -> Duration { .seconds(10) }
    func playing(at rate: Rate) {}
}
