internal import ThroughlineCore
internal import ThroughlineProtocols
internal import ThroughlineTransport

/// Asks an origin for media beside what plays, on a thread of its own: not whether it answers, but whether it delivers.
final class ReturnProbe: Sendable {
    /// Packets that must come.
    private static let packets = 20
    /// How long it may be silent, and how long all of it may take.
    private static let bound: Duration = .seconds(5)
    private static let patience: Duration = .seconds(10)

    private let began = Instant.now

    private let abort: AbortSwitch
    private let outcome = Guarded<Bool?>(nil)
    private let thread = Guarded<WorkerThread?>(nil)

    /// Begins. `end` must follow.
    init(_ origin: Origin, transport: RTSPTransportChoice, at npt: NPT, abort parent: AbortSwitch) {
        let abort = AbortSwitch(parent: parent)
        self.abort = abort
        let probe = WorkerThread(name: "tl-return") { [outcome] in
            let isWell = Self.delivers(origin, transport: transport, at: npt, abort: abort)
            outcome.withLock { $0 = isWell }
        }
        thread.withLock { $0 = probe }
    }

    /// Whether it delivered; nil while that is not known. An origin that takes too long for it did not.
    func result(at now: Instant) -> Bool? { outcome.withLock { $0 } ?? (now >= began + Self.patience ? false : nil) }

    /// Returns when its thread has ended.
    func end() {
        abort.abort()
        thread.withLock { $0.take() }?.join()
    }

    private static func delivers(
        _ origin: Origin, transport: RTSPTransportChoice, at npt: NPT, abort: AbortSwitch
    ) -> Bool {
        do {
            let ingest = try origin.kind.openForProbing(
                origin, bound: bound, abort: abort, transport: transport, start: npt)
            let deadline = Instant.now + bound
            for _ in 0..<packets {
                guard try ingest.read() != nil, Instant.now < deadline else { return false }
            }
            return true
        } catch { return false }
    }
}
