internal import CPosix
internal import Glibc

/// A thread in a world: runs, could run, or sleeps until it is woken.
final class WorldThread: @unchecked Sendable {
    // Unchecked: changed under the world's lock or by the one thread of the world that runs.

    enum State: Equatable {
        /// Has not begun yet.
        case new
        case running
        /// Runs when it is chosen.
        case ready
        case sleeping(place: UnsafeRawPointer, until: Instant)
    }

    let world: World
    let name: String
    let number: Int
    var state = State.new
    var hasEnded = false
    /// It runs only when nobody else could.
    var isHeldBack = false
    /// Locks that the thread holds: nobody else runs until it has given them back.
    var heldLocks = 0
    let condition: UnsafeMutablePointer<pthread_cond_t>
    private var handle = pthread_t()

    init(world: World, name: String, number: Int) {
        self.world = world
        self.name = name
        self.number = number
        condition = .allocate(capacity: 1)
        pthread_cond_init(condition, nil)
    }

    deinit {
        pthread_cond_destroy(condition)
        condition.deallocate()
    }

    /// The calling thread, where it is one of a world.
    static var current: WorldThread? {
        tl_world_thread().map { Unmanaged<WorldThread>.fromOpaque($0).takeUnretainedValue() }
    }

    func enter() { tl_set_world_thread(Unmanaged.passUnretained(self).toOpaque()) }

    func leave() { tl_set_world_thread(nil) }

    /// Where those sleep who wait for its end.
    var place: UnsafeRawPointer { UnsafeRawPointer(condition) }

    var deadline: Instant {
        if case .sleeping(_, let deadline) = state { deadline } else { .never }
    }

    func begin(stackSize: Int, _ body: @escaping @Sendable () -> Void) {
        handle = startSystemThread(name: name, stackSize: stackSize, body)
    }

    func joinSystemThread() { pthread_join(handle, nil) }
}
