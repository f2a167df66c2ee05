internal import CPosix
internal import Glibc

/// A named thread for work that blocks in C. It must be joined, or abandoned where it is stuck in the system; leaking one is a
/// programmer's error.
package final class WorkerThread: @unchecked Sendable {
    // Unchecked: `joined` is written only by the one caller of `join`.
    private enum Thread {
        case system(pthread_t)
        case world(WorldThread)
    }

    private let thread: Thread
    private var joined = false

    /// Starts `body` on a new thread; from a thread of a world, on one of the same world.
    ///
    /// - Parameters:
    ///   - name: at most 15 bytes are shown by the system.
    ///   - stackSize: bytes; libavformat's own threads live with 512 KiB.
    package init(name: String, stackSize: Int = 1 << 20, _ body: @escaping @Sendable () -> Void) {
        if let current = WorldThread.current {
            thread = .world(current.world.begin(name: name, stackSize: stackSize, body))
        } else {
            thread = .system(startSystemThread(name: name, stackSize: stackSize, body))
        }
    }

    deinit { precondition(joined, "a worker thread was not joined") }

    /// Waits for the thread to end. Called once, never from the thread itself.
    package func join() {
        precondition(!joined, "a worker thread was joined twice")
        joined = true
        switch thread {
        case .system(let handle): pthread_join(handle, nil)
        case .world(let thread):
            guard let current = WorldThread.current else {
                preconditionFailure("a thread of a world is joined from outside of it")
            }
            thread.world.join(thread, from: current)
        }
    }

    /// Leaves the thread to itself, in place of `join`: for one that is stuck where nothing can reach it, as in a file system
    /// whose server is gone. It ends when the system lets it go, or with the process; what it uses must live until then.
    package func abandon() {
        precondition(!joined, "a worker thread that was joined was abandoned")
        joined = true
        switch thread {
        case .system(let handle): pthread_detach(handle)
        case .world: preconditionFailure("nothing in a world is stuck in the system")
        }
    }

    /// Runs on a new thread what blocks, and waits for it without holding up the threads of tasks: there are few of them,
    /// and those of `DispatchQueue.global` are the same.
    ///
    /// - Parameters:
    ///   - name: at most 15 bytes are shown by the system.
    ///   - body: its thread has ended when this returns.
    package static func run<Result: Sendable, Failure: Error>(
        name: String, _ body: @escaping @Sendable () throws(Failure) -> Result
    ) async throws(Failure) -> Result {
        let result: Swift.Result<Result, Failure> = await withCheckedContinuation { continuation in
            let thread = Guarded<WorkerThread?>(nil)
            thread.withLock {
                $0 = WorkerThread(name: name) {
                    let result = Swift.Result(catching: body)
                    Task.detached {
                        thread.withLock { $0?.join() }
                        continuation.resume(returning: result)
                    }
                }
            }
        }
        return try result.get()
    }
}

private final class ThreadStart {
    let name: String
    let body: @Sendable () -> Void
    init(name: String, body: @escaping @Sendable () -> Void) {
        self.name = name
        self.body = body
    }
}

/// Starts a thread of the system.
func startSystemThread(name: String, stackSize: Int, _ body: @escaping @Sendable () -> Void) -> pthread_t {
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    pthread_attr_setstacksize(&attributes, stackSize)
    let start = Unmanaged.passRetained(ThreadStart(name: name, body: body))
    var handle = pthread_t()
    let result = pthread_create(
        &handle, &attributes,
        { context in
            let start = Unmanaged<ThreadStart>.fromOpaque(context!).takeRetainedValue()
            tl_name_thread(start.name)
            start.body()
            return nil
        }, start.toOpaque())
    pthread_attr_destroy(&attributes)
    precondition(result == 0, "pthread_create: error \(result)")
    return handle
}
