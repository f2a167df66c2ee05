internal import CPosix
internal import Glibc

/// A value behind a lock, with a condition to wait on: the one place where the project locks.
///
/// In a world (`World`) the lock is never contended, since one thread runs at a time: taking it is where another thread may
/// go first, and waiting is in virtual time.
///
/// Built on `pthread_mutex` and not on `Synchronization.Mutex`, because ThreadSanitizer on Linux follows the former,
/// and because waiting with a deadline needs a condition variable. Nothing that blocks or calls back runs inside
/// `withLock`.
package final class Guarded<State>: @unchecked Sendable {
    // Unchecked: `state` is touched only between lock and unlock of `mutex`.
    private var state: State
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>

    package init(_ state: sending State) {
        self.state = state
        mutex = .allocate(capacity: 1)
        condition = .allocate(capacity: 1)
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Runs `body` alone with the value.
    @discardableResult
    package func withLock<Result: ~Copyable, Failure: Error>(
        _ body: (inout State) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let thread = WorldThread.current
        lock(thread)
        defer { unlock(thread) }
        return try body(&state)
    }

    /// Runs `body` alone with the value, then wakes everyone who waits in `wait`.
    @discardableResult
    package func withLockAndWake<Result: ~Copyable, Failure: Error>(
        _ body: (inout State) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let thread = WorldThread.current
        lock(thread)
        defer {
            wake(thread)
            unlock(thread)
        }
        return try body(&state)
    }

    /// Wakes everyone who waits in `wait`.
    package func wake() { wake(WorldThread.current) }

    private func lock(_ thread: WorldThread?) {
        if let thread {
            thread.world.mayYield(thread)
            thread.heldLocks += 1
        }
        pthread_mutex_lock(mutex)
    }

    private func unlock(_ thread: WorldThread?) {
        pthread_mutex_unlock(mutex)
        thread?.heldLocks -= 1
    }

    private func wake(_ thread: WorldThread?) {
        if let thread { thread.world.wake(at: UnsafeRawPointer(condition)) } else { pthread_cond_broadcast(condition) }
    }

    /// Calls `body` alone with the value until it returns something, sleeping between calls until woken.
    ///
    /// - Parameter body: returns a result, or `nil` to go on waiting, at the latest until the moment that it puts into
    ///   its second argument (`.never` unless it does). It is called again then.
    package func wait<Result: ~Copyable>(_ body: (inout State, inout Instant) -> Result?) -> Result {
        let thread = WorldThread.current
        lock(thread)
        defer { unlock(thread) }
        while true {
            var deadline = Instant.never
            if let result = body(&state, &deadline) { return result }
            if let thread {
                unlock(thread)
                thread.world.sleep(thread, at: UnsafeRawPointer(condition), until: deadline)
                lock(thread)
            } else if deadline == .never {
                pthread_cond_wait(condition, mutex)
            } else {
                _ = tl_condition_wait(condition, mutex, deadline.nanoseconds)
            }
        }
    }

    /// The same with a fixed deadline.
    ///
    /// - Returns: what `body` returned, or `nil` when the deadline passed first.
    package func wait<Result>(until deadline: Instant, _ body: (inout State) -> Result?) -> Result? {
        wait { state, next -> Result?? in
            if let result = body(&state) { return .some(result) }
            if Instant.now >= deadline { return .some(nil) }
            next = deadline
            return nil
        }
    }
}
