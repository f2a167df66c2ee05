import Glibc
internal import ThroughlineCore

/// Ctrl-C and its kin, met on a thread of their own: the first asks for a proper end, the second ends at once.
///
/// The signals are blocked in every thread and waited for in one, so that nothing ever runs inside a signal handler.
enum Interrupts {
    /// The status of a command that was interrupted, whichever signal it was.
    static let exitStatus: Int32 = 130

    private struct State {
        var isInterrupted = false
        var action: (@Sendable () -> Void)?
    }

    private static let state = Guarded(State())
    // Never joined: it waits for as long as the process lives.
    nonisolated(unsafe) private static var thread: WorkerThread?

    /// Blocks the signals and begins to wait for them. Called on the first thread before there are others.
    static func prepare() {
        signal(SIGPIPE, SIG_IGN)
        var waited = sigset_t()
        sigemptyset(&waited)
        sigaddset(&waited, SIGINT)
        sigaddset(&waited, SIGTERM)
        // Started with "&" by a script, interrupts are ignored; whoever sends one nevertheless means it.
        signal(SIGINT, SIG_DFL)
        // nohup ignores this one, and means that.
        var hangUp = sigaction()
        sigaction(SIGHUP, nil, &hangUp)
        if unsafeBitCast(hangUp.__sigaction_handler.sa_handler, to: Int.self) == 0 { sigaddset(&waited, SIGHUP) }
        pthread_sigmask(SIG_BLOCK, &waited, nil)
        thread = WorkerThread(name: "tl-signals", stackSize: 256 << 10) { [waited] in
            var (waited, received) = (waited, Int32(0))
            while true {
                guard sigwait(&waited, &received) == 0 else { continue }
                let (isFirst, action) = state.withLock { state in
                    defer { state.isInterrupted = true }
                    return (!state.isInterrupted, state.action)
                }
                guard isFirst, let action else { _exit(exitStatus) }
                action()
            }
        }
    }

    /// What the first interrupt does. Without an action it ends the process.
    ///
    /// - Parameter action: called on the thread of the signals, at once if the interrupt has come already.
    static func onFirst(_ action: @escaping @Sendable () -> Void) {
        let isLate = state.withLock { state in
            state.action = action
            return state.isInterrupted
        }
        if isLate { action() }
    }

    /// Waits for the first interrupt.
    static func wait() async {
        await withCheckedContinuation { continuation in onFirst { continuation.resume() } }
    }
}
