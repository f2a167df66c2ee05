internal import CPosix
internal import Glibc

/// A world in which time is ours: what runs in it reads a clock that stands still while anything is computed, and jumps
/// to the next deadline when everything waits.
///
/// The threads of a world are real ones, but only one of them runs at a time. Wherever more than one could (before a
/// lock is taken, when somebody is woken, when a deadline comes) a generator chooses, and the seed of the world is the
/// seed of that generator: the same seed gives the same order of all that happens, another seed another one.
///
/// Four doors lead into it, and ask on which thread they are called: `Guarded` (waiting), `Instant.now` and
/// `WallClock` (time), `Chance` (every random draw) and `WorkerThread` (threads). What goes through none of them is
/// outside: a system call that blocks stops the whole world.
///
///     let end = World(seed: 7).run {
///         let door = Guarded(false)
///         let thread = WorkerThread(name: "opener") { door.withLockAndWake { $0 = true } }
///         _ = door.wait(until: .now + .seconds(3600)) { $0 ? true : nil }
///         thread.join()
///         return Instant.now
///     }
package final class World: @unchecked Sendable {
    // Unchecked: all that changes is touched under `mutex`, or by the one thread that runs.

    /// What chooses, and what its draws come from.
    package let seed: UInt64
    /// Where the clock starts: `Instant.now` counts from an arbitrary moment anyway.
    package static let beginning = Instant(nanoseconds: 1_000_000_000_000)
    /// Of so many chances to let another thread go first, one is taken.
    static let switchOdds: UInt64 = 8
    /// A thread that asks for the time so often, and waits for nothing between, never ends.
    private let mostReadings: Int
    /// Threads that wake each other so often without any time going by never end.
    static let mostTurns = 50_000_000

    /// Virtual time. Written by the thread that runs.
    private(set) var now = World.beginning
    /// What its threads are connected by.
    package let network = MemoryNetwork()
    /// For what threads draw, apart from what the order of threads is drawn from: a further draw changes no order.
    var chance: SeededGenerator
    private var order: SeededGenerator
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    /// Every thread that has not ended, in the order in which they began.
    private var threads: [WorldThread] = []
    private var begun = 0
    private var readings = 0
    /// Locks that were taken since time went on.
    private var steps = 0
    private var turns = 0
    /// The date by the clock on the wall at the beginning, in nanoseconds since 1970.
    let wallClockAtBeginning: Int64

    /// - Parameters:
    ///   - seed: of the order of threads and of all random draws.
    ///   - wallClock: the date on which the world begins, in seconds since 1970; the default is 2026-01-01.
    ///   - mostReadings: how often a thread may read the clock without waiting for anything, and all of them take locks
    ///     without any time going by; at least 1.
    package init(seed: UInt64, wallClock: Int64 = 1_767_225_600, mostReadings: Int = 50_000_000) {
        self.seed = seed
        self.mostReadings = mostReadings
        wallClockAtBeginning = wallClock * 1_000_000_000
        order = SeededGenerator(seed: seed)
        chance = SeededGenerator(seed: seed ^ 0x9E37_79B9_7F4A_7C15)
        mutex = .allocate(capacity: 1)
        pthread_mutex_init(mutex, nil)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    /// The calling thread becomes the first thread of the world until `body` is through, and waits in virtual time.
    ///
    /// Every thread that was begun in the world must have been joined by then. A thread cannot be in two worlds.
    package func run<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
        precondition(WorldThread.current == nil, "this thread is in a world already")
        precondition(threads.isEmpty, "this world runs already")
        let thread = WorldThread(world: self, name: "main", number: begun)
        begun += 1
        threads = [thread]
        thread.state = .running
        thread.enter()
        defer {
            precondition(threads.count == 1, "still in the world: \(threads.dropFirst().map(\.name))")
            threads = []
            thread.leave()
        }
        return try body()
    }

    /// Tells the calling thread from others, where it is one of a world.
    package static var currentThread: ObjectIdentifier? { WorldThread.current.map { ObjectIdentifier($0) } }

    // MARK: - The thread that runs

    /// What `Instant.now` gives.
    func readClock() -> Instant {
        readings += 1
        if readings > mostReadings { fail("a thread reads the clock without end and waits for nothing") }
        return now
    }

    /// Another thread may go first.
    func mayYield(_ thread: WorldThread) {
        steps += 1
        if steps > mostReadings { fail("\(thread.name) goes on without end and waits for nothing") }
        guard thread.heldLocks == 0, threads.count > 1 else { return }
        lock()
        defer { unlock() }
        guard threads.contains(where: { $0.state == .ready }), order.next() % Self.switchOdds == 0 else { return }
        thread.state = .ready
        // Every other time it goes on only after all that the others can do at this moment: so much may come between any
        // two steps of a thread, and switching here and there alone would never show it.
        thread.isHeldBack = order.next() % 2 == 0
        passOn(from: thread)
    }

    /// Sleeps until `wake` is called for the same place, or a moment comes.
    func sleep(_ thread: WorldThread, at place: UnsafeRawPointer, until deadline: Instant) {
        precondition(thread.heldLocks == 0, "\(thread.name) would sleep holding a lock")
        lock()
        defer { unlock() }
        readings = 0
        thread.state = .sleeping(place: place, until: deadline)
        passOn(from: thread)
    }

    /// Wakes all who sleep at a place.
    func wake(at place: UnsafeRawPointer) {
        lock()
        defer { unlock() }
        for thread in threads {
            if case .sleeping(place, _) = thread.state { thread.state = .ready }
        }
    }

    /// Begins a thread; it runs as soon as it is chosen.
    func begin(name: String, stackSize: Int, _ body: @escaping @Sendable () -> Void) -> WorldThread {
        lock()
        let thread = WorldThread(world: self, name: name, number: begun)
        begun += 1
        threads.append(thread)
        thread.state = .ready
        unlock()
        thread.begin(stackSize: stackSize) { [self] in
            lock()
            awaitTurn(thread)
            unlock()
            thread.enter()
            body()
            thread.leave()
            lock()
            threads.removeAll { $0 === thread }
            thread.hasEnded = true
            for other in threads {
                if case .sleeping(thread.place, _) = other.state { other.state = .ready }
            }
            chooseNext()
            unlock()
        }
        return thread
    }

    /// Waits for a thread to end.
    func join(_ thread: WorldThread, from caller: WorldThread) {
        while !thread.hasEnded { sleep(caller, at: thread.place, until: .never) }
        thread.joinSystemThread()
    }

    // MARK: - Under the lock

    private func lock() { pthread_mutex_lock(mutex) }
    private func unlock() { pthread_mutex_unlock(mutex) }

    /// Lets another thread run, or the same one again, and comes back when this one is chosen.
    private func passOn(from thread: WorldThread) {
        chooseNext()
        awaitTurn(thread)
    }

    private func awaitTurn(_ thread: WorldThread) {
        while thread.state != .running { pthread_cond_wait(thread.condition, mutex) }
    }

    /// One of those that are ready runs next; when none is, time goes on to the next deadline.
    private func chooseNext() {
        turns += 1
        if turns > Self.mostTurns { fail("threads wake each other without end, and no time goes by") }
        var ready = threads.filter { $0.state == .ready }
        if ready.isEmpty {
            guard !threads.isEmpty else { return }
            let next = threads.reduce(Instant.never) { min($0, $1.deadline) }
            guard next != .never else { fail("every thread waits, and for nothing that will ever come") }
            now = max(now, next)
            (turns, readings, steps) = (0, 0, 0)
            for thread in threads where thread.deadline <= now { thread.state = .ready }
            ready = threads.filter { $0.state == .ready }
        }
        if ready.contains(where: { !$0.isHeldBack }) { ready.removeAll { $0.isHeldBack } }
        let chosen = ready[Int(order.next() % UInt64(ready.count))]
        chosen.state = .running
        chosen.isHeldBack = false
        pthread_cond_signal(chosen.condition)
    }

    /// Threads stand in the middle of C, and cannot be ended from outside: what went wrong is said, and that is all.
    private func fail(_ reason: String) -> Never {
        let lines = threads.map { "  \($0.name) (\($0.number)): \($0.state)" }
        fatalError("world \(seed) at \(now - Self.beginning): \(reason)\n\(lines.joined(separator: "\n"))")
    }
}
