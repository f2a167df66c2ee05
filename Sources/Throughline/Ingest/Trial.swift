internal import ThroughlineCore
internal import ThroughlineTransport

/// What may come to nothing, made on a thread of its own; its end is told, waited for, or brought about.
///
/// One-shot: `begin`, then `takeOutcome` or `cancel`, both on the thread that began it.
final class Trial<Outcome, Failure: Error>: @unchecked Sendable {
    private struct End {
        var value: Result<Outcome, Failure>?
        var told: (@Sendable () -> Void)?

        mutating func came(_ found: Result<Outcome, Failure>) -> (@Sendable () -> Void)? {
            value = found
            return told.take()
        }
    }

    // Unchecked: the thread is touched by whoever began it, and the result is behind a lock.
    private let abort: AbortSwitch
    private let result = Guarded(End())
    private var thread: WorkerThread?
    /// Touched by the thread alone once that was begun.
    private var work: (() throws(Failure) -> Outcome)?

    /// - Parameter abort: ends the work, and nothing else.
    init(abort: AbortSwitch) { self.abort = abort }

    /// - Parameter work: done on the thread; it must end soon once `abort` was tripped.
    func begin(name: String, stackSize: Int = 1 << 20, _ work: @escaping () throws(Failure) -> Outcome) {
        self.work = work
        thread = WorkerThread(name: name, stackSize: stackSize) { [self] in
            let found = carryOut()
            let told = result.withLockAndWake { $0.came(found) }
            told?()
        }
    }

    /// Does the work, on the thread, and lets go of all that it was done with before its end is told: that may have threads
    /// of its own to end.
    private func carryOut() -> Result<Outcome, Failure> {
        guard let work = work.take() else { preconditionFailure("a trial is begun once") }
        do throws(Failure) { return .success(try work()) } catch { return .failure(error) }
    }

    /// What came of it, if that is known.
    var state: Result<Void, Failure>? { result.withLock { $0.value?.map { _ in } } }

    /// Waits for the end of the work.
    ///
    /// - Returns: false where that did not come before the deadline.
    func hasEnded(by deadline: Instant) -> Bool { result.wait(until: deadline) { $0.value.map { _ in true } } ?? false }

    /// Calls `told` once it is known what came of it: now, or later on its thread.
    func whenEnded(_ told: @escaping @Sendable () -> Void) {
        let isKnown = result.withLock { result in
            if result.value == nil { result.told = told }
            return result.value != nil
        }
        if isKnown { told() }
    }

    /// Ends what was begun; returns when its thread has ended.
    func cancel() {
        abort.abort()
        thread.take()?.join()
    }

    /// What came of it, once it has ended.
    func takeOutcome() throws(Failure) -> Outcome {
        thread.take()?.join()
        guard let found = result.withLock({ $0.value.take() }) else {
            preconditionFailure("a trial without an end, or asked twice")
        }
        return try found.get()
    }
}
