import Glibc
internal import ThroughlineCore

/// The lane of one file or pipe: what is presented waits here until a thread of its own has written it.
///
/// The pacer hands over batches, and waits where too much is waiting already: that is how a slow reader stops the clock. The
/// queue takes up what is shorter. An error is this output's alone; what it was given before the end is written, unless it
/// fails. Used by the pacer alone.
final class OutputWriter: Sendable {
    /// What may wait, besides the batch that goes beyond.
    ///
    /// In real time a second: longer than a disk or a player hesitates, and short enough that what is said to be presented
    /// is about to be seen. At full speed a few of the pacer's batches, so that it and the writer both have something to do.
    static func limits(isPaced: Bool) -> LaneLimits {
        isPaced
            ? LaneLimits(duration: .seconds(1), bytes: 8 << 20, packets: 4096)
            : LaneLimits(duration: .seconds(60), bytes: 8 << 20, packets: 4 * Pacer.batchLimit)
    }

    private struct State {
        /// With the batch that is being written.
        var queue = LaneQueue()
        /// Nothing more comes.
        var isEnding = false
        /// Nothing more is written.
        var hasEnded = false
        var error: OutputError?
        var thread: WorkerThread?
    }

    /// What it leaves by, where it has joined later.
    let id: OutputID?
    /// How long it may wait for a first reader.
    let gate = ReaderGate()
    private let limits: LaneLimits
    private let state = Guarded(State())

    init(id: OutputID? = nil, limits: LaneLimits) { (self.id, self.limits) = (id, limits) }

    /// Starts the thread. Once; `join` is to follow.
    ///
    /// - Parameters:
    ///   - open: gives the output; called on the thread, as all that is done with the output.
    ///   - written: called on the thread with each batch once it is written.
    ///   - changed: called on the thread once there is room again, and with true at the end.
    func begin(
        _ open: @escaping @Sendable () throws(OutputError) -> any PacketOutput,
        written: @escaping @Sendable (PacketBatch) -> Void, changed: @escaping @Sendable (_ hasEnded: Bool) -> Void
    ) {
        let thread = WorkerThread(name: "tl-out") { [self] in
            blockBrokenPipes()
            do throws(OutputError) {
                try write(into: open(), written: written) { changed(false) }
                state.withLock { $0.hasEnded = true }
            } catch {
                state.withLock { state in
                    state.error = error
                    state.hasEnded = true
                    state.queue.removeAll()
                }
            }
            changed(true)
        }
        state.withLock { $0.thread = thread }
    }

    private func write(
        into output: any PacketOutput, written: (PacketBatch) -> Void, hasRoom: () -> Void
    ) throws(OutputError) {
        while let batch = next() {
            try batch.forEachPacket { packet throws(OutputError) in try output.write(packet) }
            try output.flush()
            let makesRoom = state.withLock { state in
                let wasFull = state.queue.isBeyond(limits)
                _ = state.queue.popFirst()
                return wasFull && !state.queue.isBeyond(limits)
            }
            written(batch)
            if makesRoom { hasRoom() }
        }
        try output.finish()
    }

    private func next() -> PacketBatch? {
        state.wait { state, _ -> PacketBatch?? in
            if let batch = state.queue.first { return .some(batch) }
            return state.isEnding ? .some(nil) : nil
        }
    }

    // MARK: - The pacer

    /// The output has failed, or has written all that it was given before its end.
    var hasEnded: Bool { state.withLock { $0.hasEnded } }

    /// Takes a batch, however full it is.
    func append(_ batch: PacketBatch) {
        state.withLockAndWake { state in
            guard !state.isEnding, !state.hasEnded else { return }
            state.queue.append(batch)
        }
    }

    /// There is no room for another batch.
    var isFull: Bool { state.withLock { !$0.hasEnded && $0.queue.isBeyond(limits) } }

    /// Nothing more comes: it ends once it has written what it has.
    func end() {
        state.withLockAndWake { $0.isEnding = true }
        // An output that joined later does not wait for a first reader beyond its end.
        if id != nil { gate.shut() }
    }

    /// Waits for its end.
    ///
    /// - Returns: what it failed with.
    func join() -> OutputError? {
        let thread = state.withLock { state in
            defer { state.thread = nil }
            return state.thread
        }
        thread?.join()
        return state.withLock { $0.error }
    }
}

/// A reader that closes its pipe is an error to report, not a reason to die: on this thread, from now on.
private func blockBrokenPipes() {
    var signals = sigset_t()
    sigemptyset(&signals)
    sigaddset(&signals, SIGPIPE)
    pthread_sigmask(SIG_BLOCK, &signals, nil)
}
