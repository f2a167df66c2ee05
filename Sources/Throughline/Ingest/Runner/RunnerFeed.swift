internal import DequeModule
internal import ThroughlineCore
internal import ThroughlineMedia

/// What lies between a runner's thread and whoever owns the runner: what the thread meets goes to the owner, in order, and
/// what it is to do comes back.
///
/// Never more lies here than some runs of packets and `mostItems`: beyond that nothing is read.
///
/// `put`, `ask` and what begins with `thread` are the thread's part; what was prepared may be put from any thread. All else
/// is the owner's, but for `wake`.
final class RunnerFeed: Sendable {
    /// What the runner's thread does next.
    enum Turn {
        case read
        case park
        /// The ingest is to be left.
        case leave(ChangeEvent, atOnce: Bool)
        case prepare([SourcePreparation])
        case end
    }

    /// What somebody who is asked says.
    enum Answer: Sendable {
        case source(SourceAnswer)
        case inquiry(EndInquiry?)
    }

    private struct Leave {
        let event: ChangeEvent
        /// In the middle of a packet, too.
        let isAtOnce: Bool
        /// The leave is void once media has come.
        let isForSilence: Bool
    }

    /// Items under the lock of the feed.
    private final class Shelf {
        var items = UniqueDeque<RunnerItem>()
    }

    private struct State {
        var shelf: Shelf
        /// Runs of packets that wait, and how many may.
        var runs = 0
        var mostRuns = RunnerFeed.mostRuns
        /// Nothing is read until half of what lies here is taken.
        var isFull = false
        /// The thread stands still until it is told to go on.
        var isStanding = false
        var isAsking = false
        /// The ingest waits for media.
        var isWaiting = false
        var answer: Answer?
        var parks = false
        var isEnding = false
        var leave: Leave?
        var preparations: [SourcePreparation] = []
        /// Somebody has something for the owner.
        var isWoken = false

        /// A wait is over of which the owner has not heard, nor of the end of the one before it: what is told of the last
        /// says it all. A packet may come in very many pieces.
        func dropWait() {
            let count = shelf.items.count
            guard count > 1, shelf.items[count - 1].mark == .waits, shelf.items[count - 2].mark == .waitsNoMore else {
                return
            }
            _ = shelf.items.removeLast()
            _ = shelf.items.removeLast()
        }

        mutating func madeRoom() -> Bool {
            guard isFull, runs <= mostRuns / 2, shelf.items.count <= RunnerFeed.mostItems / 2 else { return false }
            isFull = false
            return true
        }
    }

    private let state: Guarded<State>
    /// Runs of packets that wait at most: what is played in real time is not read further ahead than its buffer holds; at
    /// full speed both threads are to work in long stretches.
    private static let mostRuns = 2
    private static let mostRunsAtSpeed = 8
    /// A server may send much that makes no packet.
    static let mostItems = 512

    init() { state = Guarded(State(shelf: Shelf())) }

    /// It is read as fast as it can be had.
    func runsAtSpeed() { state.withLock { $0.mostRuns = Self.mostRunsAtSpeed } }

    // MARK: - On the thread

    /// Waits until there is something to be done.
    func threadTurn() -> Turn {
        state.wait { state, _ in
            if state.isEnding { return .end }
            if state.isStanding { return nil }
            if !state.preparations.isEmpty {
                defer { state.preparations = [] }
                return .prepare(state.preparations)
            }
            if let leave = state.leave.take() { return .leave(leave.event, atOnce: leave.isAtOnce) }
            if state.parks { return .park }
            state.isFull =
                state.isFull || state.runs >= state.mostRuns || state.shelf.items.count >= Self.mostItems
            return state.isFull ? nil : .read
        }
    }

    func put(_ item: consuming RunnerItem) {
        let mark = item.mark
        // An arrival wakes nobody: the packets that came, or the next wait for more, follow at once.
        var wakes = !item.isArrival
        var incoming: RunnerItem? = item
        state.withLock { state in
            switch mark {
            case .packets:
                state.runs += 1
                // At full speed the owner sleeps until there is a good deal to do; before the thread sleeps it tells.
                wakes = state.mostRuns == Self.mostRuns || state.runs >= state.mostRuns / 2
            case .still: (state.isStanding, state.parks) = (true, false)
            case .waits: state.isWaiting = true
            case .waitsNoMore:
                state.isWaiting = false
                state.dropWait()
            case .none: break
            }
            if let item = incoming.take() { state.shelf.items.append(item) }
        }
        if wakes { state.wake() }
    }

    /// - Returns: nil where nobody answers any more.
    func ask(_ question: RunnerQuestion) -> Answer? {
        var incoming: RunnerItem? = .question(question)
        state.withLockAndWake { state in
            (state.isAsking, state.answer) = (true, nil)
            if let item = incoming.take() { state.shelf.items.append(item) }
        }
        return state.wait { state, _ -> Answer?? in
            guard let answer = state.answer.take() else { return state.isEnding ? .some(nil) : nil }
            state.isAsking = false
            return .some(answer)
        }
    }

    /// Whether there is something to be done while bytes are waited for.
    var threadIsCalled: Bool {
        state.withLock { $0.isEnding || $0.leave?.isAtOnce ?? false || !$0.preparations.isEmpty }
    }

    func threadTakesPreparations() -> [SourcePreparation] {
        state.withLock { state in
            defer { state.preparations = [] }
            return state.preparations
        }
    }

    /// Why it is to be left at once, in the middle of a packet, too.
    func threadLeaves() -> ChangeEvent? {
        state.withLock { $0.leave?.isAtOnce ?? false ? $0.leave.take()?.event : nil }
    }

    /// A silence for which it was to be left has ended.
    func threadHeard() -> Bool {
        state.withLock { state in
            guard state.leave?.isForSilence ?? false else { return false }
            state.leave = nil
            return true
        }
    }

    // MARK: - The owner

    /// The next item.
    func next(until deadline: Instant) -> RunnerItem {
        var madeRoom = false
        let item: RunnerItem = state.wait { state, next -> RunnerItem? in
            guard state.shelf.items.isEmpty else {
                let item = state.shelf.items.removeFirst()
                if item.mark == .packets { state.runs -= 1 }
                madeRoom = state.madeRoom()
                return item
            }
            if state.isWoken || Instant.now >= deadline {
                state.isWoken = false
                return .nothing
            }
            next = deadline
            return nil
        }
        if madeRoom { state.wake() }
        return item
    }

    /// The owner's `next` returns, now or the next time. From any thread.
    func wake() { state.withLockAndWake { $0.isWoken = true } }

    func park() { state.withLockAndWake { $0.parks = !$0.isStanding } }

    /// Waits until the thread stands still.
    ///
    /// - Parameter isCallable: it comes back from waiting for media.
    /// - Returns: false where it does not: it asks, waits, or takes too long.
    func waitUntilStill(_ deadline: Instant, isCallable: Bool) -> Bool {
        state.wait(until: deadline) { state in
            if state.isStanding { return true }
            return state.isAsking || state.isWaiting && !isCallable ? false : nil
        } ?? false
    }

    /// Something lies here for the owner.
    var hasItems: Bool { state.withLock { !$0.shelf.items.isEmpty } }

    func goOn() { state.withLockAndWake { ($0.isStanding, $0.parks) = (false, false) } }

    func answer(_ answer: Answer) { state.withLockAndWake { $0.answer = answer } }

    func leave(_ event: ChangeEvent, atOnce isAtOnce: Bool, unlessHeard isForSilence: Bool) {
        state.withLockAndWake { $0.leave = Leave(event: event, isAtOnce: isAtOnce, isForSilence: isForSilence) }
    }

    /// The ingest is not to be left any more.
    func stays() { state.withLock { $0.leave = nil } }

    func prepare(_ preparation: SourcePreparation) { state.withLockAndWake { $0.preparations.append(preparation) } }

    func end() { state.withLockAndWake { $0.isEnding = true } }
}
