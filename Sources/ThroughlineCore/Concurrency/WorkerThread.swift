internal import CPosix
internal import Glibc

/// A named thread for work that blocks in C. It must be joined, or abandoned where it is stuck in the system; leaking one is a
/// programmer's error.
package final class WorkerThread: @unchecked Sendable {
    // Unchecked: `handle` is written once before the object escapes, `joined` only by the one caller of `join`.
    private var handle = pthread_t()
    private var joined = false

    private final class Start {
        let name: String
        let body: @Sendable () -> Void
        init(name: String, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }

    /// Starts `body` on a new thread.
    ///
    /// - Parameters:
    ///   - name: at most 15 bytes are shown by the system.
    ///   - stackSize: bytes; libavformat's own threads live with 512 KiB.
    package init(name: String, stackSize: Int = 1 << 20, _ body: @escaping @Sendable () -> Void) {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        pthread_attr_setstacksize(&attributes, stackSize)
        let start = Unmanaged.passRetained(Start(name: name, body: body))
        let result = pthread_create(
            &handle, &attributes,
            { context in
                let start = Unmanaged<Start>.fromOpaque(context!).takeRetainedValue()
                tl_name_thread(start.name)
                start.body()
                return nil
            }, start.toOpaque())
        pthread_attr_destroy(&attributes)
        precondition(result == 0, "pthread_create: error \(result)")
    }

    deinit { precondition(joined, "a worker thread was not joined") }

    /// Waits for the thread to end. Called once, never from the thread itself.
    package func join() {
        precondition(!joined, "a worker thread was joined twice")
        joined = true
        pthread_join(handle, nil)
    }

    /// Leaves the thread to itself, in place of `join`: for one that is stuck where nothing can reach it, as in a file system
    /// whose server is gone. It ends when the system lets it go, or with the process; what it uses must live until then.
    package func abandon() {
        precondition(!joined, "a worker thread that was joined was abandoned")
        joined = true
        pthread_detach(handle)
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
