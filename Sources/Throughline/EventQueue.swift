internal import DequeModule
internal import ThroughlineCore

/// The events of a stream on their way to whoever wants them: in the order of their times, one at a time, on a thread of
/// ours.
///
/// Whoever makes an event only leaves it here: a program that takes its time with one holds up nobody but the events behind
/// it. From any thread, but for `close`.
final class EventQueue: Sendable {
    private struct State {
        var events = Deque<Event>()
        /// Events that there was no room for, since the last that was told of.
        var dropped = 0
        /// The thread knows that there is something here.
        var isScheduled = false
        var isClosed = false
        var readers: [EventReader] = []
    }

    /// So many wait at the most.
    static let limit = 10_000

    private let state = Guarded(State())
    private let began: Instant
    private let body: @Sendable (Event) -> Void
    /// In a world, where threads are those of the world; elsewhere there is one for the process.
    private let worldThread = Guarded<WorkerThread?>(nil)

    /// - Parameters:
    ///   - began: from when on the times of the events count.
    ///   - body: called for each event.
    init(since began: Instant, _ body: @escaping @Sendable (Event) -> Void) {
        self.began = began
        self.body = body
    }

    func send(_ kind: Event.Kind) {
        let mustWake = state.withLockAndWake { state in
            if state.isClosed { return false }
            if state.events.count >= Self.limit {
                // The last event says how it ended, and is always there.
                guard case .ended = kind else {
                    state.dropped += 1
                    return false
                }
            }
            // The time is taken here, so that no event is older than the one before it.
            state.events.append(Event(time: .now - began, kind: kind))
            defer { state.isScheduled = true }
            return !state.isScheduled
        }
        if mustWake { schedule() }
    }

    /// Somebody reads from the next event on.
    func add(_ reader: EventReader) {
        let isClosed = state.withLock { state in
            if !state.isClosed { state.readers.append(reader) }
            return state.isClosed
        }
        if isClosed { reader.finish() }
    }

    /// Returns once all that was sent was delivered; what is sent after that is nobody's. Called once.
    func close() {
        let readers = state.wait { state, _ -> [EventReader]? in
            guard !state.isScheduled else { return nil }
            state.isClosed = true
            return state.readers
        }
        state.wake()
        for reader in readers { reader.finish() }
        worldThread.withLock { $0.take() }?.join()
    }

    private func schedule() {
        guard World.currentThread != nil else { return EventThread.shared.serve(self) }
        worldThread.withLock { thread in
            if thread == nil { thread = WorkerThread(name: "tl-events") { [unowned self] in serveAlone() } }
        }
    }

    private func serveAlone() {
        while state.wait({ state, _ in state.isScheduled ? true : state.isClosed ? false : nil }) { deliver() }
    }

    /// Delivers what is there, and what comes meanwhile. On one thread.
    fileprivate func deliver() {
        while true {
            let next = state.withLockAndWake { state -> (Event, readers: [EventReader])? in
                if state.dropped > 0, state.events.count < Self.limit / 2 {
                    let text = "\(state.dropped) events were not told: the program was busy with those before them"
                    state.dropped = 0
                    return (Event(time: .now - began, kind: .warning(text)), state.readers)
                }
                guard let event = state.events.popFirst() else {
                    state.isScheduled = false
                    return nil
                }
                return (event, state.readers)
            }
            guard let (event, readers) = next else { return }
            body(event)
            let gone = readers.filter { !$0.take(event) }
            if !gone.isEmpty { state.withLock { $0.readers.removeAll { one in gone.contains { $0 === one } } } }
        }
    }
}

/// The thread on which the events of all streams of the process are delivered.
private final class EventThread: Sendable {
    static let shared = EventThread()

    private let waiting = Guarded(Deque<EventQueue>())
    private let thread = Guarded<WorkerThread?>(nil)

    private init() {
        // It ends with the process.
        thread.withLock { $0 = WorkerThread(name: "tl-events") { [unowned self] in run() } }
    }

    func serve(_ queue: EventQueue) { waiting.withLockAndWake { $0.append(queue) } }

    private func run() {
        while true { waiting.wait { waiting, _ in waiting.popFirst() }.deliver() }
    }
}
