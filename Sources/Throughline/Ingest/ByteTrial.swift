internal import ThroughlineCore
internal import ThroughlineProtocols
internal import ThroughlineTransport

/// Tries whether another origin goes on with the same bytes: asks for them from a place on, and compares again what was
/// read before it.
///
/// One-shot. `begin` lets it work on a thread of its own, beside the source that is read.
final class ByteTrial: @unchecked Sendable {
    // Unchecked: what is asked is never changed, and the rest is one thread's, or behind a lock.

    /// What the origin has to show.
    struct Question {
        let origin: OriginID
        let target: Origin
        /// Where reading is to go on.
        let offset: Int64
        /// The length of the object.
        let length: Int64?
        /// What was read right before that place, and pieces from elsewhere.
        let adjacent: ByteProof.Piece
        let others: [ByteProof.Piece]
        /// The strong validator of an object whose bytes are known to be right.
        let known: String?
        /// How long the origin may take to answer, and then to send.
        let bound: Duration
        let prefetches: Bool
        /// The source is not to go on: its connection is to be kept for later.
        var isKept = false
    }

    /// An origin that goes on.
    struct Outcome {
        /// Stands at the offset, unless it is kept for later.
        let source: any ByteSource
        let validator: String?
        /// Bytes that were compared.
        let compared: Int
    }

    enum Failure: Error {
        case undelivered(TransportError)
        case different(String)
    }

    /// Bytes that are compared where the origin itself says that its object is the same.
    static let shortProof = 4 * 1024
    /// How long a proof may take to come over one connection, once the origin has answered.
    private static let patience: Duration = .milliseconds(30)
    /// Connections over which a proof that did not come at once is asked for.
    private static let connections = 4
    private static let tooSlow = TransportError(.timedOut, "too slow to prove that it holds the same bytes")

    let question: Question
    private let abort: AbortSwitch
    private let result = Guarded<(value: Result<Outcome, Failure>?, told: (@Sendable () -> Void)?)>((nil, nil))
    private var thread: WorkerThread?
    /// A connection to work over.
    private var given: (any ByteSource)?

    /// - Parameters:
    ///   - abort: ends it; with `source` it is that of the source, which `cancel` ends too.
    ///   - source: an idle connection with the origin.
    init(_ question: Question, abort: AbortSwitch, over source: (any ByteSource)? = nil) {
        self.question = question
        self.abort = source == nil ? AbortSwitch(parent: abort) : abort
        given = source
    }

    /// Begins on a thread of its own. `cancel` or `takeOutcome` must follow.
    func begin() {
        thread = WorkerThread(name: "tl-trial", stackSize: 256 << 10) { [self] in
            let found: Result<Outcome, Failure>
            do throws(Failure) { found = .success(try run()) } catch { found = .failure(error) }
            let told = result.withLock { result in
                result.value = found
                return result.told.take()
            }
            told?()
        }
    }

    /// What came of it, if that is known.
    var state: Result<Void, Failure>? { result.withLock { $0.value?.map { _ in } } }

    /// Calls `told` once it is known what came of it: now, or later on its thread.
    func whenEnded(_ told: @escaping @Sendable () -> Void) {
        let isKnown = result.withLock { result in
            if result.value == nil { result.told = told }
            return result.value != nil
        }
        if isKnown { told() }
    }

    /// Ends what was begun; returns when its thread has ended.
    func cancel() {
        abort.abort()
        thread.take()?.join()
    }

    /// What came of it, once it has ended.
    func takeOutcome() throws(Failure) -> Outcome {
        thread.take()?.join()
        guard let found = result.withLock({ $0.value.take() }) else { throw .undelivered(Self.tooSlow) }
        return try found.get()
    }

    // MARK: - On the thread that runs it

    private func run() throws(Failure) -> Outcome {
        if question.known != nil { return try runShort() }
        let candidate = try connect()
        // Beside each other: the connection that goes on keeps the burst of an origin that paces its connections for
        // the media. Where the proof does not come at once, what is left of it is asked for over several more, and
        // comes in the first burst of each.
        let first = (question.others + [question.adjacent]).filter { !$0.bytes.isEmpty }.map {
            Reader($0, of: self, patience: Self.patience)
        }
        var failure: Failure?
        var head: SourceHead?
        do throws(Failure) {
            head = question.isKept ? try rest(candidate) : try open(candidate, at: question.offset, until: nil)
        } catch { failure = error }
        var compared = 0
        var left: [ByteProof.Piece] = []
        for proof in first {
            do throws(Failure) {
                let count = try proof.result()
                compared += count
                left += proof.piece.dropFirst(count).split(into: Self.connections)
            } catch { failure = failure ?? error }
        }
        if let failure { throw failure }
        let rest = left.map { Reader($0, of: self, patience: question.bound) }
        for proof in rest {
            do throws(Failure) {
                let count = try proof.result()
                compared += count
                if count < proof.piece.bytes.count { throw .undelivered(Self.tooSlow) }
            } catch { failure = failure ?? error }
        }
        if let failure { throw failure }
        return Outcome(source: candidate, validator: head?.validator, compared: compared)
    }

    /// Bytes of this origin are known to be right, and by its own word its object is still the same: enough to see that it
    /// goes on where it should.
    private func runShort() throws(Failure) -> Outcome {
        let candidate = try connect()
        let piece = question.adjacent.suffix(Self.shortProof)
        let head = question.isKept ? try rest(candidate) : try open(candidate, at: piece.offset, until: nil)
        if head.validator != question.known { throw .different("its ETag has changed") }
        if question.isKept {
            return Outcome(source: candidate, validator: head.validator, compared: piece.bytes.count)
        }
        let compared = try compare(piece, with: candidate, patience: question.bound)
        if compared < piece.bytes.count { throw .undelivered(Self.tooSlow) }
        return Outcome(source: candidate, validator: head.validator, compared: compared)
    }

    /// Asks for a few bytes that are known and reads them all: a connection that has answered to the end is kept.
    private func rest(_ source: any ByteSource) throws(Failure) -> SourceHead {
        let piece = question.adjacent.suffix(Self.shortProof)
        let head = try open(source, at: piece.offset, until: piece.end)
        if try compare(piece, with: source, patience: question.bound) < piece.bytes.count {
            throw .undelivered(Self.tooSlow)
        }
        // There is no byte behind them; this finds the end.
        let nothing = UnsafeMutableRawBufferPointer.allocate(byteCount: 1, alignment: 1)
        defer { nothing.deallocate() }
        do throws(TransportError) {
            _ = try source.read(into: nothing, deadline: .now + question.bound, beforeBlocking: nil)
        } catch { throw .undelivered(error) }
        return head
    }

    private func connect() throws(Failure) -> any ByteSource {
        if let given = given.take() { return given }
        return try connect(prefetches: question.prefetches)
    }

    private func connect(prefetches: Bool) throws(Failure) -> any ByteSource {
        if RTSPAddress.isRTSP(question.target.url) { throw .different("RTSP carries no bytes of a container") }
        do throws(TransportError) {
            return try makeSource(for: question.target, abort: abort, prefetches: prefetches)
        } catch { throw .undelivered(error) }
    }

    /// Opens a candidate, and looks at what it says of its object.
    private func open(
        _ candidate: any ByteSource, at offset: Int64, until end: Int64?
    ) throws(Failure) -> SourceHead {
        let head: SourceHead
        do throws(TransportError) {
            head = try candidate.open(at: offset, until: end, deadline: .now + question.bound)
        } catch {
            // What is shorter has no such byte; it may be the same encode in another container.
            switch error.code {
            case .httpStatus(416): throw .different("it has no byte \(offset)")
            case .rangeNotHonoured: throw .different("it does not serve ranges")
            default: throw .undelivered(error)
            }
        }
        guard head.isSeekable else { throw .different("it does not serve ranges") }
        guard head.length == question.length else {
            throw .different("its length is \(head.length ?? 0) bytes, not \(question.length ?? 0)")
        }
        return head
    }

    /// Reads a piece again from a candidate that stands at its start.
    ///
    /// - Parameter patience: how long it may take in all.
    /// - Returns: how many bytes were the same: all of them, unless patience ended.
    private func compare(
        _ piece: ByteProof.Piece, with candidate: any ByteSource, patience: Duration
    ) throws(Failure) -> Int {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 32 * 1024, alignment: 16)
        defer { buffer.deallocate() }
        let deadline = Instant.now + min(question.bound, patience)
        var done = 0
        while done < piece.bytes.count {
            let wanted = min(buffer.count, piece.bytes.count - done)
            let count: Int
            do throws(TransportError) {
                count = try candidate.read(
                    into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]), deadline: deadline,
                    beforeBlocking: nil)
                if count == 0 { throw TransportError(.closedEarly, "the object ended before its length") }
            } catch {
                if error.code == .timedOut { return done }
                throw .undelivered(error)
            }
            guard buffer[..<count].elementsEqual(piece.bytes[done..<(done + count)]) else {
                throw .different("its bytes differ in the \(count) from byte \(piece.offset + Int64(done)) on")
            }
            done += count
        }
        return done
    }

    /// Compares one piece over a connection and on a thread of its own.
    private final class Reader {
        private let outcome = Guarded<Result<Int, Failure>?>(nil)
        private let thread: WorkerThread
        let piece: ByteProof.Piece

        init(_ piece: ByteProof.Piece, of trial: ByteTrial, patience: Duration) {
            self.piece = piece
            // The trial waits for the thread.
            thread = WorkerThread(name: "tl-proof", stackSize: 256 << 10) { [outcome, unowned trial] in
                let result: Result<Int, Failure>
                do throws(Failure) {
                    let candidate = try trial.connect(prefetches: false)
                    _ = try trial.open(candidate, at: piece.offset, until: piece.end)
                    result = .success(try trial.compare(piece, with: candidate, patience: patience))
                } catch { result = .failure(error) }
                outcome.withLock { $0 = result }
            }
        }

        /// Waits for the thread, and tells how many bytes were the same. Once.
        func result() throws(Failure) -> Int {
            thread.join()
            return try outcome.withLock { $0 ?? .success(0) }.get()
        }
    }
}
