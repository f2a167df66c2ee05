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

    /// - Parameter abort: ends the work, and nothing else.
    init(abort: AbortSwitch) { self.abort = abort }

    /// - Parameter work: done on the thread; it must end soon once `abort` was tripped.
    func begin(name: String, stackSize: Int = 1 << 20, _ work: @escaping () throws(Failure) -> Outcome) {
        nonisolated(unsafe) let work = work  // The thread's alone from here on.
        thread = WorkerThread(name: name, stackSize: stackSize) { [self] in
            let found: Result<Outcome, Failure>
            do throws(Failure) { found = .success(try work()) } catch { found = .failure(error) }
            let told = result.withLock { $0.came(found) }
            told?()
        }
    }

    /// What came of it, if that is known.
    var state: Result<Void, Failure>? { result.withLock { $0.value?.map { _ in } } }

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
