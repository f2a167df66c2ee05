internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineTransport

/// What the input of a demuxer asks of its session when a source fails.
protocol SourceSupervisor: AnyObject {
    /// A source under a running demuxer failed: what to do?
    func sourceFailed(_ event: ChangeEvent, canResume: Bool) -> HandoffController.Order
    /// An attempt to resume came to nothing: what next?
    func resumeFailed(_ failure: HandoffController.AttemptFailure) -> HandoffController.Order
    /// The moment that was waited for has come: what next?
    func waitEnded() -> HandoffController.Order
    /// Bytes flow again, from this origin.
    func resumed(on origin: OriginID, at byte: Int64, evidence: String)
    /// A source that was closed while nobody read was opened again.
    func reopened(at byte: Int64)
    /// Sleeps; false when the session is to stop.
    func sleep(until: Instant) -> Bool
    /// The reader is about to wait for bytes: everything read so far should be on its way.
    func aboutToWait()
    func origin(_ id: OriginID) -> Origin
    /// How long an origin may take to answer.
    func openBound(for origin: OriginID) -> Duration
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
    private var silence: SilenceWatcher
    private var source: any ByteSource
    private var originID: OriginID
    private var proof = ByteProof()
    private var position: Int64 = 0
    private let head: SourceHead
    /// A source is open and stands at `position`.
    private var isOpen = true
    private var lastRead: Instant
    /// The connection was idle, and since then no read had to wait.
    private var mayHaveIdled = false
    private var waited = false
    /// Made once: it is handed over with every read.
    private var waitBegins: (() -> Void)?
    /// The order that ended the input, for the session to carry out.
    private(set) var pendingOrder: HandoffController.Order?
    /// Why the input failed before it could be played.
    private(set) var openingFailure: ChangeEvent?
    /// While the demuxer is being opened a failure is not healed here: another origin is opened instead.
    var isOpening = true
    /// Bytes handed to the demuxer.
    private(set) var byteCount: Int64 = 0

    /// Connects and asks for the object from its start.
    init(
        origin: OriginID, supervisor: any SourceSupervisor, abort: AbortSwitch, silence: SilenceWatcher
    ) throws(TransportError) {
        self.supervisor = supervisor
        self.abort = abort
        self.silence = silence
        originID = origin
        lastRead = .now
        source = try makeSource(for: supervisor.origin(origin), abort: abort)
        head = try source.open(at: 0, deadline: .now + supervisor.openBound(for: origin))
        waitBegins = { [unowned self] in
            waited = true
            supervisor.aboutToWait()
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
        let began = Instant.now
        if began - lastRead >= Self.idleBound { mayHaveIdled = true }
        while true {
            do throws(TransportError) {
                if !isOpen {
                    let head = try source.open(at: position, deadline: .now + supervisor.openBound(for: originID))
                    guard head.length == self.head.length else {
                        throw TransportError(.other, "the object's length changed while it was read")
                    }
                    isOpen = true
                }
                silence.waitBegan(at: .now)
                waited = false
                let bound = isOpening ? began + supervisor.openBound(for: originID) : silence.deadline
                let count = try source.read(into: buffer, deadline: bound, beforeBlocking: waitBegins)
                silence.waitEnded()
                if count == 0 {
                    guard let length = head.length, position < length else { return .end }
                    throw TransportError(.closedEarly, "the object ended at byte \(position) of \(length)")
                }
                if waited { mayHaveIdled = false }
                proof.read(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[..<count]), at: position)
                position += Int64(count)
                byteCount += Int64(count)
                lastRead = waited ? .now : began
                return .bytes(count)
            } catch {
                silence.waitEnded()
                if error.code == .aborted { return .failed }
                guard recover(from: error) else { return .failed }
            }
        }
    }

    /// Finds another way to the bytes at `position`. False when the demuxer must end.
    private func recover(from error: TransportError) -> Bool {
        var event = ChangeEvent(error)
        if isOpening {
            openingFailure = event
            return false
        }
        if event.cause == .silence {
            event = ChangeEvent(
                cause: .silence,
                detail: "\(error.message) (no byte for \(silence.bound.wholeNanoseconds / 1_000_000) ms)")
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
            case .open, .replace, .giveUp:
                pendingOrder = order
                return false
            }
        }
    }

    /// The origin closed a connection that nobody read from: that is no failure of the origin.
    private func reopenQuietly() -> Bool {
        mayHaveIdled = false
        do throws(TransportError) {
            let head = try source.open(at: position, deadline: .now + supervisor.openBound(for: originID))
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

    /// Puts another origin's bytes under the demuxer, once they are proven to be the same.
    private func resume(on next: OriginID) throws(ResumeError) {
        let (adjacent, others) = proof.evidence(before: position)
        let candidate: any ByteSource
        do throws(TransportError) {
            candidate = try makeSource(for: supervisor.origin(next), abort: abort)
        } catch { throw .undelivered(error) }
        let bound = supervisor.openBound(for: next)
        var compared = 0
        for piece in others + [adjacent] { compared += try compare(piece, with: candidate, within: bound) }
        source.close()
        source = candidate
        originID = next
        isOpen = true
        supervisor.resumed(
            on: next, at: position,
            evidence: "same length (\(head.length ?? 0) bytes), and \(compared) bytes read before are the same")
    }

    /// Reads a piece again from a candidate, which then stands right after it.
    private func compare(
        _ piece: ByteProof.Piece, with candidate: any ByteSource, within bound: Duration
    ) throws(ResumeError) -> Int {
        let other: SourceHead
        do throws(TransportError) {
            other = try candidate.open(at: piece.offset, deadline: .now + bound)
        } catch { throw .undelivered(error) }
        guard other.isSeekable else { throw .different("it does not serve ranges") }
        guard other.length == head.length else {
            throw .different("its length is \(other.length ?? 0) bytes, not \(head.length ?? 0)")
        }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 32 * 1024, alignment: 16)
        defer { buffer.deallocate() }
        var done = 0
        while done < piece.bytes.count {
            let wanted = min(buffer.count, piece.bytes.count - done)
            let deadline = Instant.now + bound
            let count: Int
            do throws(TransportError) {
                count = try candidate.read(
                    into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]), deadline: deadline,
                    beforeBlocking: nil)
                if count == 0 { throw TransportError(.closedEarly, "the object ended before its length") }
            } catch { throw .undelivered(error) }
            guard buffer[..<count].elementsEqual(piece.bytes[done..<(done + count)]) else {
                throw .different("its bytes differ in the \(count) from byte \(piece.offset + Int64(done)) on")
            }
            done += count
        }
        return done
    }
}
