internal import ThroughlineCore
internal import ThroughlineProtocols
internal import ThroughlineTransport

/// Tries whether another origin goes on with the same bytes: asks for them from a place on, and compares again what was
/// read before it.
///
/// One-shot. `begin` tries the origin on a thread of its own (`Trial`), beside the source that is read.
final class ByteTrial {

    /// What the origin has to show.
    struct Question {
        let origin: OriginID
        let target: Origin
        /// Where reading is to go on.
        let offset: Int64
        /// The length of the object.
        let length: Int64?
        /// What proves it: bytes that were read right before that place, and pieces from elsewhere.
        let adjacent: ByteProof.Piece
        let others: [ByteProof.Piece]
        /// The strong validator of an object whose bytes are known to be right.
        let known: String?
        /// How long the origin may take to answer, and may then send nothing.
        let bound: Duration
        let prefetches: Bool
        /// The source is not to go on: its connection is to be kept for later.
        var isKept = false
    }

    /// An origin that goes on.
    struct Outcome {
        /// Stands at the offset, unless it is kept for later.
        let source: any ByteSource
        let offset: Int64
        let validator: String?
        /// Bytes that were compared.
        let compared: Int
    }

    enum Failure: Error {
        case undelivered(TransportError)
        case different(String)
    }

    /// How long a proof may take that comes little by little.
    private static let mostPatience: Duration = .seconds(10)
    private static let tooSlow = TransportError(.timedOut, "too slow to prove that it holds the same bytes")

    let question: Question
    private let abort: AbortSwitch
    /// The thread on which the origin is tried: for whoever waits for the first of several trials to end.
    let trial: Trial<Outcome, Failure>
    /// A connection to work over.
    private var given: (any ByteSource)?

    /// - Parameters:
    ///   - abort: ends it; with `source` it is that of the source, which `cancel` ends too.
    ///   - source: an idle connection with the origin.
    init(_ question: Question, abort: AbortSwitch, over source: (any ByteSource)? = nil) {
        self.question = question
        self.abort = source == nil ? AbortSwitch(parent: abort) : abort
        trial = Trial(abort: self.abort)
        given = source
    }

    func begin() {
        trial.begin(name: "tl-trial", stackSize: 256 << 10) { [self] () throws(Failure) in try run() }
    }

    /// What came of it, if that is known.
    var state: Result<Void, Failure>? { trial.state }

    func cancel() { trial.cancel() }

    func takeOutcome() throws(Failure) -> Outcome { try trial.takeOutcome() }

    // MARK: - On the thread that runs it

    /// Over one connection: what proves the object comes first, and what follows it is the stream.
    private func run() throws(Failure) -> Outcome {
        let candidate = try connect()
        var compared = 0
        for piece in question.others {
            _ = try open(candidate, at: piece.offset, until: piece.end)
            compared += try compare(piece, with: candidate)
        }
        let head =
            question.isKept
            ? try rest(candidate) : try open(candidate, at: question.adjacent.offset, until: nil)
        // Bytes of this origin are known to be right, and it says itself whether its object is still the same.
        if let known = question.known, head.validator != known { throw .different("its ETag has changed") }
        compared += question.isKept ? question.adjacent.bytes.count : try compare(question.adjacent, with: candidate)
        return Outcome(source: candidate, offset: question.offset, validator: head.validator, compared: compared)
    }

    /// Asks for a few bytes that are known and reads them all: a connection that has answered to the end is kept.
    private func rest(_ source: any ByteSource) throws(Failure) -> SourceHead {
        let piece = question.adjacent
        let head = try open(source, at: piece.offset, until: piece.end)
        _ = try compare(piece, with: source)
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
        guard question.target.kind.carriesBytes else { throw .different("RTSP carries no bytes of a container") }
        do throws(TransportError) {
            return try makeSource(for: question.target, abort: abort, prefetches: question.prefetches)
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

    /// Reads a piece again from a candidate that stands at its start. As long as something comes it is waited for.
    ///
    /// - Returns: how many bytes were the same: all of them.
    private func compare(_ piece: ByteProof.Piece, with candidate: any ByteSource) throws(Failure) -> Int {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 32 * 1024, alignment: 16)
        defer { buffer.deallocate() }
        let end = Instant.now + Self.mostPatience
        var done = 0
        while done < piece.bytes.count {
            let wanted = min(buffer.count, piece.bytes.count - done)
            let count: Int
            do throws(TransportError) {
                count = try candidate.read(
                    into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]),
                    deadline: min(.now + question.bound, end), beforeBlocking: nil)
                if count == 0 { throw TransportError(.closedEarly, "the object ended before its length") }
            } catch { throw .undelivered(error.code == .timedOut ? Self.tooSlow : error) }
            guard buffer[..<count].elementsEqual(piece.bytes[done..<(done + count)]) else {
                throw .different("its bytes differ in the \(count) from byte \(piece.offset + Int64(done)) on")
            }
            done += count
        }
        return done
    }
}
