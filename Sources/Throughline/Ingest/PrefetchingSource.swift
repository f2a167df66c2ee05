internal import ThroughlineCore
internal import ThroughlineTransport

/// Reads ahead of its reader, on a thread of its own, so that bytes are received while others are demuxed.
///
/// The thread takes only what has arrived and never waits for the origin: where there is nothing to take, it leaves the
/// connection to the reader, who then waits with its own deadline as it would without a thread. So silence is judged
/// where it always is, every call ends the thread's part in no more time than it takes to copy a block, and an origin
/// that is slower than its reader is read without the thread.
///
/// Bytes come in order, and what ended them only after all of them. Used on one thread at a time, as any source.
final class PrefetchingSource: ByteSource {
    /// What is read at once, and how often: one lies in a processor's cache when it is demuxed, and all of
    /// them bridge the time that a thread takes to wake up.
    struct Blocks {
        var size = 64 << 10
        var count = 8
        /// Bytes that are read in a row before reading ahead begins: who looks for an index here and there would wait for
        /// what nobody wants.
        var runUp = 128 << 10
        /// Reads longer than this are large packets going straight to where they stay: there is nothing to do beside them
        /// but to copy them, and once is enough.
        var longest = 64 << 10
    }

    private enum Outcome {
        case end
        case failure(TransportError)
    }

    private struct State {
        /// Bytes in each block that is filled, the oldest first.
        var filled: [Int] = []
        /// Where the oldest lies.
        var first = 0
        /// The connection is the thread's until it says otherwise.
        var isReading = false
        /// The thread is to read whenever a block is free.
        var isWanted = false
        /// The reader sleeps until there is something worth waking up for.
        var readerWaits = false
        /// What comes after the bytes.
        var outcome: Outcome?
        var isClosed = false

        func mayRead(_ blocks: Blocks) -> Bool {
            isWanted && !isClosed && outcome == nil && filled.count < blocks.count
        }

        /// The block after the last that is filled.
        func next(_ blocks: Blocks) -> Int { (first + filled.count) % blocks.count }
    }

    private let inner: any PollableSource
    private let abort: AbortSwitch
    private let blocks: Blocks
    private let memory: Memory
    private let state = Guarded(State())
    private var thread: WorkerThread?
    /// Bytes of the oldest block that the reader has had.
    private var taken = 0
    /// Bytes of the oldest block; 0 when it must be asked for.
    private var available = 0
    private var oldest = 0
    /// Bytes read in a row, less those of long reads by their weight.
    private var run = 0
    /// Whether the thread is to go on when a block is free.
    private var readsAhead = false

    private final class Memory: @unchecked Sendable {
        // Unchecked: a block is the thread's until it counts as filled, and the reader's from then on.
        let bytes: UnsafeMutableRawBufferPointer
        init(byteCount: Int) { bytes = .allocate(byteCount: byteCount, alignment: 64) }
        deinit { bytes.deallocate() }
    }

    /// - Parameter inner: used by nobody else from now on.
    init(_ inner: any PollableSource, abort: AbortSwitch, blocks: Blocks = Blocks()) {
        self.inner = inner
        self.abort = abort
        self.blocks = blocks
        memory = Memory(byteCount: blocks.size * blocks.count)
    }

    deinit { endThread() }

    func open(at offset: Int64, until end: Int64?, deadline: Instant) throws(TransportError) -> SourceHead {
        takeBack()
        state.withLock { state in
            state.filled = []
            state.outcome = nil
        }
        available = 0
        run = 0
        return try inner.open(at: offset, until: end, deadline: deadline)
    }

    func read(
        into buffer: UnsafeMutableRawBufferPointer, deadline: Instant, beforeBlocking: (() -> Instant)?
    ) throws(TransportError) -> Int {
        if abort.isAborted { throw TransportError(.aborted, "aborted") }
        if available > 0 || (thread != nil && nextBlock()) { return counted(take(into: buffer), of: buffer.count) }
        // The connection is this thread's now, and nothing was read from it that was not handed out.
        switch state.withLock({ $0.outcome }) {
        case .end: return 0
        case .failure(let error): throw error
        case nil: break
        }
        var waited = false
        let count = try inner.read(into: buffer, deadline: deadline) {
            waited = true
            return beforeBlocking?() ?? deadline
        }
        _ = counted(count, of: buffer.count)
        // Whoever has to wait for the origin gains nothing by reading ahead.
        if !waited, count > 0, run >= blocks.runUp, buffer.count <= blocks.longest { goOn() }
        return count
    }

    func close() {
        endThread()
        available = 0
        inner.close()
    }

    // MARK: - The reader's side

    /// Takes note of a read: long ones weigh eight times as much as what makes a run.
    private func counted(_ count: Int, of wanted: Int) -> Int {
        if wanted <= blocks.longest {
            run = min(run + count, 8 * blocks.runUp)
        } else {
            run = max(0, run - 8 * count)
            if run == 0, readsAhead { pause() }
        }
        return count
    }

    private func take(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        let count = min(buffer.count, available - taken)
        let start = oldest * blocks.size + taken
        buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: memory.bytes[start..<(start + count)]))
        taken += count
        if taken == available {
            available = 0
            release()
        }
        return count
    }

    /// Gives the block that was read back, and lets the thread look for more.
    private func release() {
        let isWorthIt = state.withLock { state in
            state.filled.removeFirst()
            state.first = (state.first + 1) % blocks.count
            state.isWanted = readsAhead
            return readsAhead && !state.isReading && state.outcome == nil && state.filled.count <= blocks.count / 2
        }
        if isWorthIt { state.wake() }
    }

    /// Takes up the next block.
    ///
    /// - Returns: false when there is none, and the connection is the reader's.
    private func nextBlock() -> Bool {
        let half = max(1, blocks.count / 2)
        let next: (place: Int, count: Int)? = state.wait { state, _ in
            // It is at it, and waits for nobody. Woken for every block, both threads would sleep more than they work.
            state.readerWaits = state.isReading && state.filled.count < (state.readerWaits ? half : 1)
            if state.readerWaits { return nil }
            if let count = state.filled.first { return .some((state.first, count)) }
            state.isWanted = false
            return .some(nil)
        }
        guard let next else { return false }
        (oldest, available) = next
        taken = 0
        return true
    }

    /// Makes the connection the reader's.
    private func takeBack() {
        readsAhead = false
        guard thread != nil else { return }
        state.wait { state, _ -> Void? in
            state.isWanted = false
            return state.isReading ? nil : ()
        }
    }

    /// Lets the thread fill no further block.
    private func pause() {
        readsAhead = false
        state.withLock { $0.isWanted = false }
    }

    /// Makes the connection the thread's.
    private func goOn() {
        readsAhead = true
        state.withLockAndWake { $0.isWanted = true }
        guard thread == nil else { return }
        // Handed over and back under the lock.
        nonisolated(unsafe) let inner = inner
        thread = WorkerThread(name: "tl-prefetch", stackSize: 512 << 10) { [state, memory, blocks] in
            Self.run(inner, state, memory, blocks)
        }
    }

    private func endThread() {
        state.withLockAndWake { $0.isClosed = true }
        thread?.join()
        thread = nil
    }

    // MARK: - The thread

    private static func run(_ inner: any PollableSource, _ state: Guarded<State>, _ memory: Memory, _ blocks: Blocks) {
        while var place = nextPlace(state, blocks) {
            var goesOn = true
            while goesOn {
                let (count, isDry, outcome) = fill(
                    UnsafeMutableRawBufferPointer(
                        rebasing: memory.bytes[(place * blocks.size)..<((place + 1) * blocks.size)]),
                    from: inner)
                var wakes = false
                state.withLock { state in
                    if count > 0 { state.filled.append(count) }
                    if isDry { state.isWanted = false }
                    state.outcome = outcome
                    goesOn = state.mayRead(blocks)
                    state.isReading = goesOn
                    place = state.next(blocks)
                    wakes = !goesOn || (state.readerWaits && state.filled.count >= blocks.count / 2)
                }
                if wakes { state.wake() }
            }
        }
    }

    /// Waits until a block is to be filled; nil at the end.
    private static func nextPlace(_ state: Guarded<State>, _ blocks: Blocks) -> Int? {
        state.wait { state, _ -> Int?? in
            if state.isClosed { return .some(nil) }
            guard state.mayRead(blocks) else { return nil }
            state.isReading = true
            return .some(state.next(blocks))
        }
    }

    /// Fills a block as far as that goes without waiting.
    private static func fill(
        _ block: UnsafeMutableRawBufferPointer, from inner: any PollableSource
    ) -> (count: Int, isDry: Bool, outcome: Outcome?) {
        var count = 0
        do throws(TransportError) {
            while count < block.count {
                let rest = UnsafeMutableRawBufferPointer(rebasing: block[count...])
                guard let more = try inner.readAvailable(into: rest) else { return (count, true, nil) }
                if more == 0 { return (count, false, .end) }
                count += more
            }
            return (count, false, nil)
        } catch { return (count, false, .failure(error)) }
    }
}
