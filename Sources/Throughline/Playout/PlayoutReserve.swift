internal import Synchronization
internal import ThroughlineCore

/// How long a playout buffer lasts without anything new: whoever brings more has that much time.
///
/// Set under the lock of the buffer, and asked from any thread without it.
final class PlayoutReserve: Sendable {
    private let lastMoment = Atomic<Int64>(0)

    /// - Parameter moment: when all has been presented; nil where nothing is presented, or nothing more is to come.
    func lasts(until moment: Instant?) { lastMoment.store(moment?.nanoseconds ?? 0, ordering: .relaxed) }

    /// Zero where the viewer waits, or is about to begin.
    func left(at now: Instant) -> Duration {
        max(.zero, Instant(nanoseconds: lastMoment.load(ordering: .relaxed)) - now)
    }
}
