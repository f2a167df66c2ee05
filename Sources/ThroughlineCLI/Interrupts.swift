import Glibc
internal import ThroughlineCore

/// Ctrl-C and its kin: the first asks for a proper end, the second ends at once.
///
/// The handler writes one byte into a pipe and a thread reads it there: nothing else may be done in a handler. Blocking
/// the signals and waiting for them does not work here, as libdispatch leaves the main thread with none blocked.
enum Interrupts {
    /// The status of a command that was interrupted, whichever signal it was.
    static let exitStatus: Int32 = 130

    private struct State {
        var count = InterruptCount()
        var action: (@Sendable () -> Void)?
        var farewell: (@Sendable () -> Void)?
        var userAction: (@Sendable () -> Void)?
    }

    private static let state = Guarded(State())
    // Written before the handler is installed, and never after.
    nonisolated(unsafe) private static var pipeEnd: Int32 = -1
    // Never joined: it waits for as long as the process lives.
    nonisolated(unsafe) private static var thread: WorkerThread?

    /// Takes over the signals. Called once, before anything else.
    static func prepare() {
        signal(SIGPIPE, SIG_IGN)
        // Sent too early, before there is a stream to migrate, it is no reason to die.
        signal(SIGUSR1, SIG_IGN)
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let readingEnd = ends[0]
        pipeEnd = ends[1]
        _ = fcntl(pipeEnd, F_SETFL, O_NONBLOCK)
        thread = WorkerThread(name: "tl-signals", stackSize: 256 << 10) {
            var byte: UInt8 = 0
            while true {
                guard read(readingEnd, &byte, 1) == 1 else { continue }
                if byte == userByte {
                    state.withLock { $0.userAction }?()
                    continue
                }
                let (meaning, action, farewell) = state.withLock { state in
                    (state.count.taken(at: .now), state.action, state.farewell)
                }
                switch meaning {
                case .first where action != nil: action?()
                case .echo where action != nil: continue
                default:
                    farewell?()
                    _exit(exitStatus)
                }
            }
        }
        var handler = sigaction()
        handler.__sigaction_handler.sa_handler = { _ in
            let saved = errno
            var byte: UInt8 = 0
            _ = write(Interrupts.pipeEnd, &byte, 1)
            errno = saved
        }
        handler.sa_flags = SA_RESTART
        var taken = sigset_t()
        sigemptyset(&taken)
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            var previous = sigaction()
            sigaction(signal, nil, &previous)
            // nohup ignores SIGHUP, and means that. Started with "&" by a script, SIGINT is ignored too, but whoever
            // sends one to such a process means it.
            let isIgnored =
                unsafeBitCast(previous.__sigaction_handler.sa_handler, to: Int.self)
                == unsafeBitCast(SIG_IGN, to: Int.self)
            if signal == SIGHUP, isIgnored { continue }
            sigaction(signal, &handler, nil)
            sigaddset(&taken, signal)
        }
        // Whoever started this process may have blocked them.
        pthread_sigmask(SIG_UNBLOCK, &taken, nil)
    }

    /// What the pipe carries for SIGUSR1.
    private static let userByte: UInt8 = 1

    /// What SIGUSR1 does, each time; without an action it does nothing.
    ///
    /// - Parameter action: called on the thread of the signals.
    static func onUserSignal(_ action: @escaping @Sendable () -> Void) {
        state.withLock { $0.userAction = action }
        var handler = sigaction()
        handler.__sigaction_handler.sa_handler = { _ in
            let saved = errno
            var byte: UInt8 = 1
            _ = write(Interrupts.pipeEnd, &byte, 1)
            errno = saved
        }
        handler.sa_flags = SA_RESTART
        sigaction(SIGUSR1, &handler, nil)
        var taken = sigset_t()
        sigemptyset(&taken)
        sigaddset(&taken, SIGUSR1)
        pthread_sigmask(SIG_UNBLOCK, &taken, nil)
    }

    /// What the first interrupt does. Without an action it ends the process.
    ///
    /// - Parameter action: called on the thread of the signals.
    static func onFirst(_ action: @escaping @Sendable () -> Void) {
        state.withLock { $0.action = action }
    }

    /// What is done before the process is left at once; must not take long.
    ///
    /// - Parameter action: called on the thread of the signals.
    static func onLeaving(_ action: @escaping @Sendable () -> Void) {
        state.withLock { $0.farewell = action }
    }

    /// Waits for the first interrupt.
    static func wait() async {
        await withCheckedContinuation { continuation in onFirst { continuation.resume() } }
    }
}
