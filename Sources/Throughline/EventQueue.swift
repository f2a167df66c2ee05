internal import DequeModule
internal import ThroughlineCore

/// The events of a stream on their way to whoever wants them: in the order of their times, one at a time, on a thread of
/// ours.
///
/// The stream never waits for the program that hears of its events: one that takes long over an event delays the later
/// events, and nothing else. All but `close` may be called from any thread.
final class EventQueue: Sendable {
    private struct State {
        var events = Deque<Event>()
        /// Events that were left out for want of room, since the last warning that told of such.
        var dropped = 0
        /// The thread that delivers has been told that events wait.
        var isScheduled = false
        var isClosed = false
        var readers: [EventReader] = []
    }

    /// How many events wait at the most, with one more for how the stream ended.
    static let limit = 10_000

    private let state = Guarded(State())
    private let began: Instant
    private let body: @Sendable (Event) -> Void
    /// Delivers the events of a stream that plays in a world, whose threads must be the world's own; nil elsewhere, where
    /// one thread serves the whole process.
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
            // How the stream ended is always told.
            let isLast = if case .ended = kind { true } else { false }
            let isBusy = state.events.count >= (state.dropped > 0 ? Self.limit / 2 : Self.limit)
            if isBusy, !isLast {
                state.dropped += 1
                return false
            }
            // The time is taken under the lock, so that no event is older than the one before it.
            let time = .now - began
            if state.dropped > 0 {
                let text = "\(state.dropped) events were not told: the program was busy with those before them"
                state.events.append(Event(time: time, kind: .warning(text)))
                state.dropped = 0
            }
            state.events.append(Event(time: time, kind: kind))
            defer { state.isScheduled = true }
            return !state.isScheduled
        }
        if mustWake { schedule() }
    }

    /// Lets a task read all events that are delivered from now on.
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
        // The thread that tells events serves all streams until the process ends, so that nobody joins it.
        thread.withLock { $0 = WorkerThread(name: "tl-events") { [unowned self] in run() } }
    }

    func serve(_ queue: EventQueue) { waiting.withLockAndWake { $0.append(queue) } }

    private func run() {
        while true { waiting.wait { waiting, _ in waiting.popFirst() }.deliver() }
    }
}
