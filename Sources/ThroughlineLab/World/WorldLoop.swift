internal import Dispatch
internal import NIOCore
internal import NIOEmbedded
internal import ThroughlineCore

/// The event loop of all origins of a world: one thread of it, virtual time.
///
/// Tasks run in the order of their times, and of their coming where those are the same.
final class WorldLoop: EventLoop, @unchecked Sendable {
    // Unchecked: `tasks` is locked; `channels` and `thread` are touched by the loop's thread and by whoever starts and
    // stops it.

    private struct Task {
        let number: Int
        let due: Instant
        let body: @Sendable () -> Void
        /// In place of `body`, where that will never be carried out.
        let drop: @Sendable () -> Void
    }

    private struct Tasks {
        /// By time, the next one last.
        var waiting: [Task] = []
        var count = 0
        var isStopped = false
    }

    private let network: MemoryNetwork
    private let tasks = Guarded(Tasks())
    private var channels: [MemoryChannel] = []
    private var thread: WorkerThread?
    private var identity: ObjectIdentifier?

    init(network: MemoryNetwork) { self.network = network }

    // MARK: - The thread

    func start() { thread = WorkerThread(name: "tl-lab") { self.run() } }

    func stop() {
        tasks.withLock { $0.isStopped = true }
        network.wake()
        thread?.join()
        thread = nil
    }

    private func run() {
        identity = World.currentThread
        while true {
            while let task = nextDue() { task() }
            for channel in channels { channel.pump() }
            channels.removeAll { $0.isOver }
            let (next, isStopped) = tasks.withLock { ($0.waiting.last?.due ?? .never, $0.isStopped) }
            if isStopped { break }
            if next <= .now { continue }
            _ = network.wait(for: channels.map(\.end), until: next) { [tasks] in
                tasks.withLock { $0.isStopped || ($0.waiting.last?.due ?? .never) < next } ? true : nil
            }
        }
        for channel in channels { channel.abandon() }
        channels = []
        // What is left refers to its origin, and that to the loop.
        let left = tasks.withLock { tasks in
            defer { tasks.waiting = [] }
            return tasks.waiting
        }
        for task in left { task.drop() }
    }

    private func nextDue() -> (@Sendable () -> Void)? {
        let now = Instant.now
        return tasks.withLock { tasks in
            guard let last = tasks.waiting.last, last.due <= now else { return nil }
            return tasks.waiting.removeLast().body
        }
    }

    private func add(
        due: Instant, _ body: @escaping @Sendable () -> Void, drop: @escaping @Sendable () -> Void = {}
    ) -> Int {
        let number = tasks.withLock { tasks -> Int? in
            if tasks.isStopped { return nil }
            tasks.count += 1
            let task = Task(number: tasks.count, due: due, body: body, drop: drop)
            let index = tasks.waiting.firstIndex { $0.due <= due } ?? tasks.waiting.endIndex
            tasks.waiting.insert(task, at: index)
            return task.number
        }
        guard let number else {
            drop()
            return 0
        }
        if !inEventLoop { network.wake() }
        return number
    }

    private func cancel(_ number: Int) { tasks.withLock { $0.waiting.removeAll { $0.number == number } } }

    /// Serves a connection from now on. On the loop.
    func adopt(_ channel: MemoryChannel) { channels.append(channel) }

    // MARK: - EventLoop

    var inEventLoop: Bool { identity != nil && identity == World.currentThread }

    var now: NIODeadline { .uptimeNanoseconds(UInt64(Instant.now.nanoseconds)) }

    func execute(_ task: @escaping @Sendable () -> Void) { _ = add(due: .now, task) }

    @discardableResult
    func scheduleTask<T>(deadline: NIODeadline, _ task: @escaping @Sendable () throws -> T) -> Scheduled<T> {
        schedule(at: Instant(nanoseconds: Int64(clamping: deadline.uptimeNanoseconds)), task)
    }

    @discardableResult
    func scheduleTask<T>(in time: TimeAmount, _ task: @escaping @Sendable () throws -> T) -> Scheduled<T> {
        schedule(at: .now + .nanoseconds(max(0, time.nanoseconds)), task)
    }

    private func schedule<T>(at due: Instant, _ task: @escaping @Sendable () throws -> T) -> Scheduled<T> {
        let promise = makePromise(of: T.self)
        let number = add(due: due) {
            do { promise.assumeIsolatedUnsafeUnchecked().succeed(try task()) } catch { promise.fail(error) }
        } drop: {
            promise.fail(EventLoopError.cancelled)
        }
        return Scheduled(promise: promise) { self.cancel(number) }
    }

    func shutdownGracefully(queue: DispatchQueue, _ callback: @escaping @Sendable ((any Error)?) -> Void) {
        preconditionFailure("the loop of a world ends with it")
    }
}
