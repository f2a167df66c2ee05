internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols
internal import ThroughlineTransport

/// What the input of a demuxer asks of its session when a source fails.
protocol SourceSupervisor: AnyObject {
    /// A source under a running demuxer failed: what to do?
    func sourceFailed(_ event: ChangeEvent, canResume: Bool) -> HandoffController.Order
    /// An attempt to resume came to nothing: what next?
    func resumeFailed(_ failure: HandoffController.AttemptFailure) -> HandoffController.Order
    /// The moment that was waited for has come: what next?
    func waitEnded() -> HandoffController.Order
    /// Joins another ingest while this one stands still.
    ///
    /// - Returns: nil when it was joined and this input is to end; otherwise what to do next.
    func replace(on origin: OriginID) -> HandoffController.Order?
    /// Whether anyone but the current origin could be asked now.
    var hasAlternative: Bool { get }
    /// Bytes flow again, from this origin.
    func resumed(on origin: OriginID, at byte: Int64, evidence: String)
    /// A source that was closed while nobody read was opened again.
    func reopened(at byte: Int64)
    /// Sleeps; false when the session is to stop.
    func sleep(until: Instant) -> Bool
    /// The reader is about to wait for bytes: everything read so far should be on its way.
    func aboutToWait()
    func origin(_ id: OriginID) -> Origin
    /// Media ahead of what is due; nil where nothing is due at any time.
    var level: Duration? { get }
    /// How long an origin may take to answer.
    func openBound(for origin: OriginID) -> Duration
    /// The origin plays at this rate, whatever it was asked for.
    func playing(at rate: Rate)
}

/// The bytes of one object for a demuxer, whichever origin they come from.
///
/// When a source fails in mid-object, the next origin is asked for the same bytes, from a place before the break: when
/// its object is as long and those bytes are the same, reading goes on there and the demuxer never notices. Otherwise
/// the input fails, and `pendingOrder` says what its session is to do.
final class SourceInput: ByteInput {
    /// How long nobody must have read for a closed connection to count as idle.
    static let idleBound: Duration = .seconds(2)

    private let supervisor: any SourceSupervisor
    private let abort: AbortSwitch
    private let prefetches: Bool
    private let watch: ChangeWatch?
    private var silence: SilenceWatcher
    private var source: any ByteSource
    private var originID: OriginID
    private var proof = ByteProof()
    /// Origins whose bytes are known to be the same, with the strong validator that their object had then.
    private var proven: [OriginID: String] = [:]
    private var position: Int64 = 0
    private let head: SourceHead
    /// A source is open and stands at `position`.
    private var isOpen = true
    private var lastRead: Instant
    /// The connection was idle, and since then no read had to wait.
    private var mayHaveIdled = false
    private var waited = false
    private var readBegan: Instant
    /// Made once: it is handed over with every read.
    private var waitBegins: (() -> Instant)?
    /// The order that ended the input, for the session to carry out.
    private(set) var pendingOrder: HandoffController.Order?
    /// Why the input failed before it could be played.
    private(set) var openingFailure: ChangeEvent?
    /// While the demuxer is being opened a failure is not healed here: another origin is opened instead.
    var isOpening = true
    /// Bytes handed to the demuxer.
    private(set) var byteCount: Int64 = 0

    /// Connects and asks for the object from its start.
    ///
    /// - Parameters:
    ///   - prefetches: receive bytes on another thread while the demuxer works on those before them.
    ///   - watch: gets to see the bytes.
    init(
        origin: OriginID, supervisor: any SourceSupervisor, abort: AbortSwitch, silence: SilenceWatcher,
        prefetches: Bool = false, watch: ChangeWatch? = nil
    ) throws(TransportError) {
        self.supervisor = supervisor
        self.abort = abort
        self.prefetches = prefetches
        self.watch = watch
        self.silence = silence
        originID = origin
        lastRead = .now
        readBegan = lastRead
        source = try makeSource(for: supervisor.origin(origin), abort: abort, prefetches: prefetches)
        head = try source.open(at: 0, until: nil, deadline: .now + supervisor.openBound(for: origin))
        if let validator = head.validator { proven[origin] = validator }
        waitBegins = { [unowned self] in
            if !waited {
                waited = true
                supervisor.aboutToWait()
                // That may have waited for room in the buffer: only from here on is it the origin that is waited for.
                self.silence.waitEnded()
                self.silence.waitBegan(at: .now, level: supervisor.level)
            }
            return deadline(since: readBegan)
        }
    }

    deinit { source.close() }

    var length: Int64? { head.length }
    var isSeekable: Bool { head.isSeekable }
    var contentType: String? { head.contentType }
    /// Offset of the next byte that the demuxer will read.
    var offset: Int64 { position }

    func seek(to offset: Int64) -> Bool {
        guard head.isSeekable, offset >= 0, pendingOrder == nil else { return false }
        if offset == position { return true }
        if let length = head.length, offset > length { return false }
        position = offset
        isOpen = false
        return true
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) -> ByteInputResult {
        if pendingOrder != nil { return .failed }
        if let length = head.length, position >= length { return .end }
        var began = Instant.now
        readBegan = began
        waited = false
        if began - lastRead >= Self.idleBound { mayHaveIdled = true }
        while true {
            do throws(TransportError) {
                if !isOpen {
                    let head = try source.open(
                        at: position, until: nil, deadline: .now + supervisor.openBound(for: originID))
                    guard head.length == self.head.length else {
                        throw TransportError(.other, "the object's length changed while it was read")
                    }
                    isOpen = true
                }
                silence.waitBegan(at: began, level: supervisor.level)
                let count = try source.read(
                    into: buffer, deadline: deadline(since: began), beforeBlocking: waitBegins)
                silence.bytesArrived(at: .now)
                if count == 0 {
                    guard let length = head.length, position < length else { return .end }
                    throw TransportError(.closedEarly, "the object ended at byte \(position) of \(length)")
                }
                if waited { mayHaveIdled = false }
                let bytes = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[..<count])
                proof.read(bytes, at: position)
                watch?.read(bytes, at: position)
                position += Int64(count)
                byteCount += Int64(count)
                lastRead = waited ? .now : began
                return .bytes(count)
            } catch {
                let now = Instant.now
                let silent = silence.silence(at: now)
                if error.code == .timedOut, !isOpening, isOpen, now < silence.deadline { continue }
                // Nobody else to ask: as long as the buffer lasts, and a while longer, the origin may come back.
                if error.code == .timedOut, !isOpening, isOpen, !supervisor.hasAlternative,
                    silence.mayGoOn(at: now)
                {
                    continue
                }
                silence.waitEnded()
                if error.code == .aborted { return .failed }
                guard recover(from: error, silent: silent) else { return .failed }
                // Another source is waited for from now on: the silence of the one before is not its fault.
                began = .now
                readBegan = began
                waited = false
            }
        }
    }

    private func deadline(since began: Instant) -> Instant {
        isOpening ? began + supervisor.openBound(for: originID) : silence.deadline
    }

    /// Finds another way to the bytes at `position`. False when the demuxer must end.
    private func recover(from error: TransportError, silent: Duration) -> Bool {
        var event = ChangeEvent(error)
        if isOpening {
            openingFailure = event
            return false
        }
        if event.cause == .silence {
            event = ChangeEvent(
                cause: .silence,
                detail: "\(error.message) (no byte for \(silent.wholeNanoseconds / 1_000_000) ms)")
        }
        if mayHaveIdled, event.cause.isBrokenConnection || event.cause == .refused, reopenQuietly() { return true }
        mayHaveIdled = false
        isOpen = false
        var order = supervisor.sourceFailed(event, canResume: head.isSeekable)
        while true {
            switch order {
            case .resume(let next):
                do throws(ResumeError) {
                    try resume(on: next)
                    return true
                } catch {
                    switch error {
                    case .undelivered(let error):
                        if error.code == .aborted { return false }
                        order = supervisor.resumeFailed(.undelivered(ChangeEvent(error)))
                    case .different(let reason):
                        order = supervisor.resumeFailed(.differentObject(reason))
                    }
                }
            case .wait(let moment):
                guard supervisor.sleep(until: moment) else { return false }
                order = supervisor.waitEnded()
            case .replace(let next):
                guard let following = supervisor.replace(on: next) else { return false }
                if abort.isAborted { return false }
                order = following
            case .open, .giveUp, .stay:
                pendingOrder = order
                return false
            }
        }
    }

    /// The origin closed a connection that nobody read from: that is no failure of the origin.
    private func reopenQuietly() -> Bool {
        mayHaveIdled = false
        do throws(TransportError) {
            let head = try source.open(at: position, until: nil, deadline: .now + supervisor.openBound(for: originID))
            guard head.length == self.head.length else { return false }
            isOpen = true
            supervisor.reopened(at: position)
            return true
        } catch {
            return false
        }
    }

    private enum ResumeError: Error {
        case undelivered(TransportError)
        case different(String)
    }

    /// Puts an origin's bytes under the demuxer, once they are proven to be the same.
    private func resume(on next: OriginID) throws(ResumeError) {
        let bound = supervisor.openBound(for: next)
        let candidate = try connect(next, prefetches: prefetches)
        let (adjacent, others) = proof.evidence(before: position)
        let other: SourceHead
        var compared = 0
        // Bytes of this origin are known to be right, and by its own word its object is still the same: enough to see
        // that it goes on where it should.
        let known = proven[next]
        if known != nil {
            let piece = adjacent.suffix(Self.shortProof)
            other = try open(candidate, at: piece.offset, until: nil, within: bound)
            if other.validator != known { throw .different("its ETag has changed") }
            compared = try compare(piece, with: candidate, within: bound, patience: bound)
            if compared < piece.bytes.count { throw .undelivered(Self.tooSlow) }
        } else {
            // Beside each other: the connection that goes on keeps the burst of an origin that paces its connections for
            // the media. Where the proof does not come at once, what is left of it is asked for over several more, and
            // comes in the first burst of each.
            let first = (others + [adjacent]).filter { !$0.bytes.isEmpty }.map {
                ProofReader($0, origin: next, input: self, bound: bound, patience: Self.proofPatience)
            }
            var failure: ResumeError?
            var opened: SourceHead?
            do throws(ResumeError) {
                opened = try open(candidate, at: position, until: nil, within: bound)
            } catch { failure = error }
            var left: [ByteProof.Piece] = []
            for proof in first {
                do throws(ResumeError) {
                    let count = try proof.result()
                    compared += count
                    left += proof.piece.dropFirst(count).split(into: Self.proofConnections)
                } catch { failure = failure ?? error }
            }
            if let failure { throw failure }
            let rest = left.map { ProofReader($0, origin: next, input: self, bound: bound, patience: bound) }
            for proof in rest {
                do throws(ResumeError) {
                    let count = try proof.result()
                    compared += count
                    if count < proof.piece.bytes.count { throw .undelivered(Self.tooSlow) }
                } catch { failure = failure ?? error }
            }
            if let failure { throw failure }
            guard let opened else { return }
            other = opened
        }
        if let validator = other.validator { proven[next] = validator }
        source.close()
        source = candidate
        if next != originID { silence.originChanged() }
        originID = next
        isOpen = true
        let length = "same length (\(head.length ?? 0) bytes)"
        supervisor.resumed(
            on: next, at: position,
            evidence: known != nil
                ? "the same ETag at an origin whose bytes are known, \(length), and \(compared) bytes read before are the same"
                : "\(length), and \(compared) bytes read before are the same")
    }

    /// Bytes that are compared where the origin itself says that its object is the same.
    static let shortProof = 4 * 1024
    private static let tooSlow = TransportError(.timedOut, "too slow to prove that it holds the same bytes")
    /// How long a proof may take to come over one connection, once the origin has answered.
    static let proofPatience: Duration = .milliseconds(30)
    /// Connections over which a proof that did not come at once is asked for.
    static let proofConnections = 4

    private func connect(_ origin: OriginID, prefetches: Bool) throws(ResumeError) -> any ByteSource {
        if RTSPAddress.isRTSP(supervisor.origin(origin).url) {
            throw .different("RTSP carries no bytes of a container")
        }
        do throws(TransportError) {
            return try makeSource(for: supervisor.origin(origin), abort: abort, prefetches: prefetches)
        } catch { throw .undelivered(error) }
    }

    /// Opens a candidate, and looks at what it says of its object.
    private func open(
        _ candidate: any ByteSource, at offset: Int64, until end: Int64?, within bound: Duration
    ) throws(ResumeError) -> SourceHead {
        let other: SourceHead
        do throws(TransportError) {
            other = try candidate.open(at: offset, until: end, deadline: .now + bound)
        } catch { throw .undelivered(error) }
        guard other.isSeekable else { throw .different("it does not serve ranges") }
        guard other.length == head.length else {
            throw .different("its length is \(other.length ?? 0) bytes, not \(head.length ?? 0)")
        }
        return other
    }

    /// Reads a piece again from a candidate that stands at its start.
    ///
    /// - Parameters:
    ///   - bound: how long to wait for bytes.
    ///   - patience: how long it may take in all.
    /// - Returns: how many bytes were the same: all of them, unless patience ended.
    private func compare(
        _ piece: ByteProof.Piece, with candidate: any ByteSource, within bound: Duration, patience: Duration
    ) throws(ResumeError) -> Int {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 32 * 1024, alignment: 16)
        defer { buffer.deallocate() }
        let deadline = Instant.now + min(bound, patience)
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
    private final class ProofReader {
        private let outcome = Guarded<Result<Int, ResumeError>?>(nil)
        private let thread: WorkerThread
        let piece: ByteProof.Piece

        init(_ piece: ByteProof.Piece, origin: OriginID, input: SourceInput, bound: Duration, patience: Duration) {
            self.piece = piece
            // Handed over: the input waits for the thread and does nothing of what the thread does meanwhile.
            nonisolated(unsafe) let input = input
            thread = WorkerThread(name: "tl-proof", stackSize: 256 << 10) { [outcome] in
                let result: Result<Int, ResumeError>
                do throws(ResumeError) {
                    let candidate = try input.connect(origin, prefetches: false)
                    _ = try input.open(candidate, at: piece.offset, until: piece.end, within: bound)
                    result = .success(
                        try input.compare(piece, with: candidate, within: bound, patience: patience))
                } catch { result = .failure(error) }
                outcome.withLock { $0 = result }
            }
        }

        /// Waits for the thread, and tells how many bytes were the same. Once.
        func result() throws(ResumeError) -> Int {
            thread.join()
            return try outcome.withLock { $0 ?? .success(0) }.get()
        }
    }
}
