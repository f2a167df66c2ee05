import Glibc
package import ThroughlineCore

/// Reads a file that has a length, on a thread of its own and a block ahead of its reader.
///
/// A file system whose server is gone holds whoever opens or reads a file in it, and nothing ends that. It holds the thread
/// alone: every call here ends by its deadline, or when the switch is tripped, and the thread is left to itself.
///
/// Used on one thread at a time.
package final class FileReader {
    package static let blockSize = 256 << 10
    /// How long the system may take before the reader counts as waiting: what lies in memory or on a disk comes sooner.
    private static let moment: Duration = .milliseconds(20)
    /// How soon a call notices that the switch was tripped.
    private static let pulse: Duration = .milliseconds(5)
    /// How long a thread that is let go may take to end before it is left to itself.
    private static let patience: Duration = .milliseconds(50)

    /// What the system was asked to open.
    package enum Opened: Sendable {
        /// A file with a length: it is read here.
        case file(length: Int64)
        /// A named pipe, a device or the like, and a socket that was connected to: it has no length, and is read elsewhere.
        case stream(descriptor: Int32)
    }

    private enum Task {
        case open
        case read(generation: Int, offset: Int64, count: Int, block: Int)
        case end
    }

    private struct State {
        var opened: Result<Opened, TransportError>?
        /// Grows when another place is read: what was read before is void.
        var generation = 0
        /// Of the next block.
        var offset: Int64 = 0
        /// Where to stop.
        var end: Int64 = 0
        /// Blocks that are filled, the oldest first.
        var filled: [(block: Int, count: Int)] = []
        /// What comes behind them: the end of the file before `end`, or an error.
        var outcome: Result<Void, TransportError>?
        /// Block that the reader takes bytes out of.
        var taken: Int?
        var isReading = false
        var isClosed = false
        /// The descriptor of a stream has been handed over.
        var isHandedOver = false
    }

    private let path: String
    private let abort: AbortSwitch
    private let state: Guarded<State>
    private let memory: Memory
    private var thread: WorkerThread?
    /// The block that bytes are taken out of, and what is left of it.
    private var current: (block: Int, from: Int, to: Int)?

    private final class Memory: @unchecked Sendable {
        // Unchecked: a block is the thread's until it counts as filled, and the reader's from then on.
        let bytes: UnsafeMutableRawBufferPointer
        init() { bytes = .allocate(byteCount: 2 * FileReader.blockSize, alignment: 64) }
        deinit { bytes.deallocate() }
        func block(_ index: Int) -> UnsafeMutableRawBufferPointer {
            .init(rebasing: bytes[(index * FileReader.blockSize)..<((index + 1) * FileReader.blockSize)])
        }
    }

    /// - Parameter abort: ends every call.
    package init(path: String, abort: AbortSwitch) {
        self.path = path
        self.abort = abort
        (state, memory) = (Guarded(State()), Memory())
    }

    deinit { close() }

    /// Opens the file, once.
    ///
    /// - Parameter takesStreams: otherwise what has no length is not even opened: whoever writes into a pipe would notice.
    /// - Throws: `.rangeNotHonoured` for what is not taken; `.timedOut`; `.aborted`; `.other` when the system refuses.
    package func open(takesStreams: Bool, deadline: Instant) throws(TransportError) -> Opened {
        if thread == nil {
            state.withLock { $0.isReading = true }
            thread = WorkerThread(name: "tl-file", stackSize: 256 << 10) { [path, state, memory] in
                Self.run(path, takesStreams: takesStreams, state, memory)
            }
        }
        let opened: Result<Opened, TransportError> = try waitFor("to be opened", deadline: deadline, before: nil) {
            state in
            if case .success(.stream) = state.opened { state.isHandedOver = true }
            return state.opened
        }
        return try opened.get()
    }

    /// Begins to read at a place; replaces what was being read.
    package func seek(to offset: Int64, until end: Int64) {
        current = nil
        state.withLockAndWake { state in
            state.generation += 1
            (state.offset, state.end) = (offset, end)
            (state.filled, state.outcome, state.taken) = ([], nil, nil)
        }
    }

    /// At least one byte; 0 at the end.
    ///
    /// - Parameter beforeBlocking: called when the file system lets the reader wait, and again in steps; gives the deadline
    ///   from then on, and later perhaps an earlier one.
    package func read(
        into buffer: UnsafeMutableRawBufferPointer, deadline: Instant, beforeBlocking: (() -> Instant)?
    ) throws(TransportError) -> Int {
        if abort.isAborted { throw TransportError(.aborted, "aborted") }
        if current == nil {
            let next: Result<(block: Int, count: Int)?, TransportError> = try waitFor(
                "to be read", deadline: deadline, before: beforeBlocking
            ) { state in
                if !state.filled.isEmpty {
                    let first = state.filled.removeFirst()
                    state.taken = first.block
                    return .success(first)
                }
                if state.offset >= state.end, !state.isReading { return .success(nil) }
                switch state.outcome {
                case .success: return .success(nil)
                case .failure(let error): return .failure(error)
                case nil: return nil
                }
            }
            guard let block = try next.get() else { return 0 }
            current = (block.block, 0, block.count)
            state.wake()
        }
        guard var block = current else { return 0 }
        let count = min(buffer.count, block.to - block.from)
        buffer.copyMemory(from: .init(rebasing: memory.block(block.block)[block.from..<(block.from + count)]))
        block.from += count
        current = block
        if block.from == block.to {
            current = nil
            state.withLockAndWake { $0.taken = nil }
        }
        return count
    }

    package func close() {
        guard let thread = thread.take() else { return }
        let isEnded = state.withLockAndWake { state in
            state.isClosed = true
            return !state.isReading
        }
        if isEnded || state.wait(until: .now + Self.patience, { $0.isReading ? nil : true }) != nil {
            thread.join()
        } else {
            thread.abandon()
        }
    }

    /// Waits for what the thread brings, in steps, since nothing wakes it when the switch is tripped.
    private func waitFor<Value>(
        _ what: String, deadline: Instant, before beforeBlocking: (() -> Instant)?, _ look: (inout State) -> Value?
    ) throws(TransportError) -> Value {
        let began = Instant.now
        var (deadline, isTold) = (deadline, beforeBlocking == nil)
        while true {
            if abort.isAborted { throw TransportError(.aborted, "aborted") }
            let now = Instant.now
            if now - began >= Self.moment, let beforeBlocking {
                deadline = isTold ? min(deadline, beforeBlocking()) : beforeBlocking()
                isTold = true
            }
            if let value = state.wait(until: min(now + Self.pulse, max(deadline, now)), look) { return value }
            guard Instant.now < deadline else {
                throw TransportError(
                    .timedOut, "\(path): the file system does not answer: it waits \(what)")
            }
        }
    }

    // MARK: - The thread

    private static func run(_ path: String, takesStreams: Bool, _ state: Guarded<State>, _ memory: Memory) {
        let (descriptor, opened) = open(path, takesStreams: takesStreams)
        let isWanted = state.withLockAndWake { state in
            state.opened = opened
            state.isReading = false
            return !state.isClosed
        }
        if isWanted, case .success(.file) = opened { serve(descriptor, path, state, memory) }
        // A stream is its reader's, unless nobody waits for it any more.
        let isOurs = state.wait { state, _ -> Bool? in
            guard case .success(.stream) = opened else { return true }
            return state.isHandedOver ? false : state.isClosed ? true : nil
        }
        if isOurs, descriptor >= 0 { Glibc.close(descriptor) }
    }

    private static func serve(_ descriptor: Int32, _ path: String, _ state: Guarded<State>, _ memory: Memory) {
        while true {
            let task = state.wait { state, _ -> Task? in
                if state.isClosed { return .end }
                guard state.outcome == nil, state.offset < state.end,
                    let block = [0, 1].first(where: { block in
                        state.taken != block && !state.filled.contains { $0.block == block }
                    })
                else { return nil }
                state.isReading = true
                let count = Int(min(Int64(blockSize), state.end - state.offset))
                return .read(generation: state.generation, offset: state.offset, count: count, block: block)
            }
            guard case .read(let generation, let offset, let count, let block) = task else { return }
            var result = -1
            repeat {
                result = pread(descriptor, memory.block(block).baseAddress, count, off_t(offset))
            } while result < 0
                && errno == EINTR
            let failure = result < 0 ? Self.failure("read \(path)") : nil
            state.withLockAndWake { state in
                state.isReading = false
                guard generation == state.generation else { return }
                if let failure {
                    state.outcome = .failure(failure)
                } else if result == 0 {
                    state.outcome = .success(())
                } else {
                    state.filled.append((block, result))
                    state.offset += Int64(result)
                }
            }
        }
    }

    private static func open(
        _ path: String, takesStreams: Bool
    ) -> (descriptor: Int32, Result<Opened, TransportError>) {
        var status = stat()
        if !takesStreams, stat(path, &status) == 0, ![S_IFREG, S_IFBLK, S_IFDIR].contains(status.st_mode & S_IFMT) {
            return (-1, .failure(TransportError(.rangeNotHonoured, "\(path) can be read once, from its start")))
        }
        var descriptor: Int32 = -1
        // A pipe to which nobody writes yet, and a device that is not ready, hold up nobody.
        repeat {
            descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        } while descriptor < 0 && errno == EINTR
        if descriptor < 0, errno == ENXIO { descriptor = UnixSocket.connect(to: path) }
        guard descriptor >= 0, fstat(descriptor, &status) == 0 else {
            let error = failure("open \(path)")
            if descriptor >= 0 { Glibc.close(descriptor) }
            return (-1, .failure(error))
        }
        switch status.st_mode & S_IFMT {
        case S_IFDIR:
            Glibc.close(descriptor)
            return (-1, .failure(TransportError(.other, "\(path) is a directory; name a file in it")))
        case S_IFREG: return (descriptor, .success(.file(length: Int64(status.st_size))))
        case S_IFBLK: return (descriptor, .success(.file(length: Int64(max(0, lseek(descriptor, 0, SEEK_END))))))
        default: return (descriptor, .success(.stream(descriptor: descriptor)))
        }
    }

    /// Whether something lies there that has no length, and gives its bytes once: a pipe, a device or a socket. Nothing is
    /// opened.
    ///
    /// - Parameter patience: how long the file system may take; what is not known by then is taken for a file.
    package static func isStream(_ path: String, within patience: Duration) -> Bool {
        let kind = Guarded<mode_t?>(nil)
        let thread = WorkerThread(name: "tl-file", stackSize: 64 << 10) {
            var status = stat()
            let mode = stat(path, &status) == 0 ? status.st_mode & S_IFMT : S_IFREG
            kind.withLockAndWake { $0 = mode }
        }
        guard let found = kind.wait(until: .now + patience, { $0 }) else {
            thread.abandon()
            return false
        }
        thread.join()
        return ![S_IFREG, S_IFBLK, S_IFDIR].contains(found)
    }

    static func failure(_ what: String) -> TransportError {
        TransportError(.other, "cannot \(what): \(String(cString: strerror(errno)))")
    }
}
