internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols
internal import ThroughlineTransport

/// The bytes of one object for a demuxer, whichever origin they come from.
///
/// When a source fails in mid-object, the next origin is asked for the same bytes, from a place before the break: when
/// its object is as long and those bytes are the same, reading goes on there and the demuxer never notices. Otherwise
/// the input fails.
final class SourceInput: ByteInput {
    /// What is kept of the bytes for a demuxer that goes back: a container may hold its flows one after another.
    static let windowCapacity = 2 << 20
    /// Most containers lie in the order in which they are read, so that a demuxer hardly goes back: so much is kept until
    /// one goes back further.
    static let usualCapacity = 512 << 10
    /// What came while another origin was being proven it brings again, up to so much.
    static let catchesUp: Int64 = 64 << 10
    /// So far ahead it is quicker to read on than to ask anew.
    static let readsThrough: Int64 = 32 << 10

    private typealias ByteTrials = HedgedTrials<ByteTrial.Outcome, ByteTrial.Failure>

    private let supervisor: any SourceSupervisor
    private let abort: AbortSwitch
    private let prefetches: Bool
    private let watch: ChangeWatch?
    private var source: any ByteSource
    /// Whose bytes are read.
    private(set) var originID: OriginID
    private var proof = ByteProof()
    /// Origins whose bytes are known to be the same, with the strong validator that their object had then.
    private var proven: [OriginID: String] = [:]
    /// Of the next byte that the demuxer reads.
    private(set) var position: Int64 = 0
    /// Of the next byte of the source: the same, unless there is a window and the demuxer reads in it or beyond.
    private var end: Int64 = 0
    /// While it is played; at full speed from when the demuxer has gone back once, since most never do.
    private var window: ByteWindow?
    private var head: SourceHead
    /// The container does not say how long it is: once the end of the object is reached, it may have grown, or be longer
    /// elsewhere.
    var isEndUnknown = false
    /// What other origins hold by comparison at the end of the object, once they were asked.
    private(set) var endVerdict: EndInquiry.Verdict?
    /// Where the object ended that another's goes on from.
    private var shortEnd: Int64?
    private var growth = Growth()
    /// A source is open and stands at `end`.
    private var isOpen = true
    /// Another origin that was asked since the one that is read is suspected.
    private var trial: ByteTrial?
    /// Another origin that is kept ready.
    private var warm: WarmBytes?
    /// When bytes of the source were read last; what is kept is read without it.
    private var lastRead: Instant
    private var idle = IdleConnection()
    private var waited = false
    /// Since when this read waits.
    private var waitBegan: Instant
    private var readBegan: Instant
    /// Made once: it is handed over with every read.
    private var waitBegins: (() -> Instant)?
    /// How long the origin took to answer.
    private(set) var openingTime: Duration = .zero
    /// Why the input failed before it could be played.
    private(set) var openingFailure: ChangeEvent?
    /// While the demuxer is being opened a failure is not healed here: another origin is opened instead.
    var isOpening = true {
        didSet { if !isOpening, !prefetches, window == nil { keep(Self.usualCapacity, from: end) } }
    }
    /// Bytes received, those that were received again not counted again.
    private(set) var byteCount: Int64 = 0
    private var received = ReceivedExtents()

    /// Connects and asks for the object from its start.
    ///
    /// - Parameters:
    ///   - prefetches: receive bytes on another thread while the demuxer works on those before them.
    ///   - watch: gets to see the bytes.
    ///   - mayMove: false reads in order only, whatever the origin promises.
    init(
        origin: OriginID, supervisor: any SourceSupervisor, abort: AbortSwitch, prefetches: Bool = false,
        watch: ChangeWatch? = nil, mayMove: Bool = true
    ) throws(TransportError) {
        self.supervisor = supervisor
        self.abort = abort
        self.prefetches = prefetches
        self.watch = watch
        originID = origin
        lastRead = .now
        readBegan = lastRead
        waitBegan = lastRead
        source = try makeSource(for: supervisor.origin(origin), abort: abort, prefetches: prefetches)
        head = try source.open(at: 0, until: nil, deadline: .now + supervisor.openBound(for: origin))
        openingTime = .now - lastRead
        head.isSeekable = head.isSeekable && mayMove
        if let validator = head.validator { proven[origin] = validator }
        waitBegins = { [unowned self] in
            if !waited {
                waited = true
                supervisor.aboutToWait()
                // That may have waited for room in the buffer: only from here on is it the origin that is waited for.
                waitBegan = .now
                idle.left(alone: waitBegan - lastRead)
                if !isOpening { supervisor.mediaIsAwaited() }
            }
            return deadline(since: readBegan)
        }
    }

    deinit {
        letGo()
        source.close()
    }

    var length: Int64? { head.length }
    var isSeekable: Bool { head.isSeekable }
    var contentType: String? { head.contentType }

    func seek(to offset: Int64) -> Bool {
        guard head.isSeekable, offset >= 0, !isBroken else { return false }
        if offset == position { return true }
        if let length = head.length, offset > length { return false }
        if window?.contains(offset, orUpTo: Self.readsThrough) ?? false {
            position = offset
            return true
        }
        let goesBack = offset < position && position - offset <= Self.windowCapacity
        if goesBack, !isOpening, window?.capacity ?? 0 < Self.windowCapacity {
            // What goes back once does it again and again.
            keep(Self.windowCapacity, from: offset)
        } else {
            window?.restart(at: offset)
        }
        (position, end) = (offset, offset)
        isOpen = false
        return true
    }

    private func keep(_ capacity: Int, from offset: Int64) { window = ByteWindow(capacity: capacity, at: offset) }

    func read(into buffer: UnsafeMutableRawBufferPointer) -> ByteInputResult {
        if isBroken { return .failed }
        if let length = head.length, position >= length {
            guard isEndUnknown, !isOpening, hasGrown(beyond: length) || goesOnElsewhere() else { return ending }
        }
        var began = Instant.now
        readBegan = began
        waited = false
        idle.left(alone: began - lastRead)
        while true {
            do throws(TransportError) {
                if let count = window?.copy(from: position, into: buffer), count > 0 {
                    return .bytes(handOut(count, of: buffer))
                }
                if !isOpen {
                    let head = try source.open(
                        at: end, until: nil, deadline: .now + supervisor.openBound(for: originID))
                    guard head.length == self.head.length || isLonger(head) else {
                        throw TransportError(.objectChanged, "the object's length changed while it was read")
                    }
                    isOpen = true
                }
                // What lies before the place that is wanted is read for what is wanted later.
                let isWanted = position == end
                let room = isWanted ? buffer : .init(rebasing: buffer[..<min(buffer.count, Int(position - end))])
                let count = try source.read(
                    into: room, deadline: deadline(since: began), beforeBlocking: waitBegins)
                if count == 0 {
                    arrived()
                    guard let length = head.length, end < length else {
                        guard isEndUnknown, !isOpening, goesOnElsewhere() else { return ending }
                        continue
                    }
                    throw TransportError(.closedEarly, "the object ended at byte \(end) of \(length)")
                }
                let bytes = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[..<count])
                proof.read(bytes, at: end)
                byteCount += received.insert(end..<end + Int64(count))
                end += Int64(count)
                lastRead = waited ? .now : began
                if waited { idle.came(after: lastRead - waitBegan) }
                window?.append(bytes)
                arrived()
                if isWanted { return .bytes(handOut(count, of: buffer)) }
                // What is still to come before what is wanted is waited for anew.
                began = .now
                readBegan = began
                waited = false
            } catch {
                var event: ChangeEvent?
                if error.code == .timedOut, !isOpening, isOpen {
                    event = supervisor.reasonToLeave()
                    if event == nil { continue }
                }
                if !isOpening { supervisor.nothingIsAwaited() }
                if error.code == .aborted { return .failed }
                guard recover(from: error, event ?? ChangeEvent(error)) else { return .failed }
                // Another source is waited for from now on: the silence of the one before is not its fault.
                began = .now
                readBegan = began
                waited = false
            }
        }
    }

    /// Whether the object has only grown.
    private func isLonger(_ now: SourceHead) -> Bool {
        guard isEndUnknown, let length = head.length, let longer = now.length else { return false }
        return longer > length
    }

    /// What was seen of an object that grows while it is read.
    private struct Growth {
        /// It was longer when it was asked for again.
        var isSeen = false
        /// Its end, where it was found to grow no more: that is asked once.
        var settled: Int64?
        var asked = Instant(nanoseconds: 0)
        /// It is asked for no more often, since whoever writes it does so bit by bit.
        static let interval: Duration = .milliseconds(500)
        /// Once it has grown, it grows no more when it has not for so long.
        static let patience: Duration = .seconds(2)
    }

    /// Asks for the object once more at its end, from a place before it, so that it is seen to be the same. An object that
    /// grows is waited for as long as it does.
    private func hasGrown(beyond length: Int64) -> Bool {
        guard head.isSeekable, position == end, end == length, growth.settled != length else { return false }
        growth.settled = length
        let known = proof.evidence(before: end).adjacent.suffix(ByteProof.short)
        guard !known.bytes.isEmpty else { return false }
        let giveUp = Instant.now + (growth.isSeen ? Growth.patience : .zero)
        while true {
            if growth.isSeen {
                supervisor.nothingIsAwaited()
                guard supervisor.awaitGrowth(until: growth.asked + Growth.interval) else { return false }
            }
            growth.asked = .now
            do throws(TransportError) {
                let bound = supervisor.openBound(for: originID)
                isOpen = false
                let now = try source.open(at: known.offset, until: nil, deadline: .now + bound)
                guard let longer = now.length, longer > length else {
                    if Instant.now >= giveUp { return false }
                    continue
                }
                guard try known.isNext(of: source, until: .now + bound) else { return false }
                head.length = longer
                growth.isSeen = true
                isOpen = true
                return true
            } catch {
                // What was there has been read.
                return false
            }
        }
    }

    /// Nothing more comes: because that is the end, or because going on elsewhere failed.
    private var ending: ByteInputResult { isBroken ? .failed : .end }
    /// Its bytes go on nowhere.
    private(set) var isBroken = false

    /// Asks other origins at the end of the object, once, and goes on with the one whose object does.
    private func goesOnElsewhere() -> Bool {
        guard endVerdict == nil, case .goesOn(let origin) = compareEnds(mayGoOn: true), let length = longerLength else {
            return false
        }
        let here = end
        (head.length, shortEnd) = (length, here)
        isOpen = false
        supervisor.nothingIsAwaited()
        let target = supervisor.origin(origin).url
        let event = ChangeEvent(
            cause: .endedShort,
            detail:
                "\(redacted(supervisor.origin(originID).url)): its object ends at byte \(here), and goes on to byte "
                + "\(length) at \(redacted(target))", target: target)
        return goOn(supervisor.broke(event, canResume: true))
    }

    /// The length of the object that goes on elsewhere.
    private var longerLength: Int64?

    /// Compares the object with those of other origins; asked for once more, it tells the same.
    ///
    /// - Parameter mayGoOn: it ended at `end`, and may go on there.
    @discardableResult
    func compareEnds(mayGoOn: Bool = false) -> EndInquiry.Verdict? {
        if let endVerdict { return endVerdict }
        let (adjacent, others) = proof.evidence(before: end)
        // A container may be read elsewhere last, such as in its index.
        let piece = (mayGoOn || !adjacent.bytes.isEmpty ? adjacent : others.first ?? adjacent).suffix(
            ByteProof.short)
        guard !piece.bytes.isEmpty, let length = head.length ?? (mayGoOn ? end : nil) else { return nil }
        supervisor.aboutToWait()
        guard let inquiry = supervisor.endCame() else { return nil }
        if !isOpening { supervisor.nothingIsAwaited() }
        let object = ObjectEnd(length: length, piece: piece, mayGoOn: mayGoOn)
        let targets = Dictionary(uniqueKeysWithValues: inquiry.asked.map { ($0, supervisor.origin($0)) })
        let lengths = Guarded<[OriginID: Int64]>([:])
        let deadline = inquiry.deadline
        let verdict = EndSurvey.run(inquiry, abort: abort) { origin, abort in
            guard let target = targets[origin] else { return .silent }
            guard target.kind.carriesBytes else { return .differs }
            let (answer, length) = object.compare(with: target, until: deadline, abort: abort)
            lengths.withLock { $0[origin] = length }
            return answer
        }
        if case .goesOn(let origin) = verdict { longerLength = lengths.withLock { $0[origin] } }
        endVerdict = verdict
        return verdict
    }

    struct TransportCut { let pid: Int? }

    /// Where the object has ended within a packet of a transport stream, its PID, as far as that came.
    var endInTransportPacket: TransportCut? {
        let bytes = proof.evidence(before: end).adjacent.bytes.suffix(188 * 6)
        guard bytes.count == 188 * 6 else { return nil }
        let last = bytes.endIndex
        // Packets begin with a sync byte (ISO/IEC 13818-1 section 2.4.3.2).
        let cut = (0..<188).first { cut in
            (cut == 0 || bytes[last - cut] == 0x47) && (1...5).allSatisfy { bytes[last - cut - $0 * 188] == 0x47 }
        }
        guard let cut, cut > 0 else { return nil }
        return TransportCut(pid: cut < 3 ? nil : Int(bytes[last - cut + 1] & 0x1F) << 8 | Int(bytes[last - cut + 2]))
    }

    /// The demuxer gets what lies in its buffer.
    private func handOut(_ count: Int, of buffer: UnsafeMutableRawBufferPointer) -> Int {
        watch?.read(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[..<count]), at: position)
        position += Int64(count)
        return count
    }

    private func deadline(since began: Instant) -> Instant {
        isOpening ? began + supervisor.openBound(for: originID) : supervisor.nextLook
    }

    /// Bytes came.
    private func arrived() {
        guard waited, !isOpening else { return }
        supervisor.mediaArrived(isInBuffer: false)
        if let trial, !supervisor.isTooSlow || end - trial.question.offset > Self.catchesUp {
            letGo()
            supervisor.preparationIsStale()
        }
    }

    /// Finds another way to the bytes at `end`. False when the demuxer must end.
    private func recover(from error: TransportError, _ event: ChangeEvent) -> Bool {
        if isOpening {
            openingFailure = event
            return false
        }
        if idle.mayHaveIdled, event.cause.isBrokenConnection || event.cause == .refused, reopenQuietly() { return true }
        idle.settled()
        isOpen = false
        return goOn(supervisor.broke(event, canResume: head.isSeekable))
    }

    /// Goes on where it is told to. False when the demuxer must end.
    private func goOn(_ answer: SourceAnswer) -> Bool {
        isBroken = !follow(answer)
        return !isBroken
    }

    /// Goes on with the bytes of another origin where it is told to, and as long as that fails.
    ///
    /// - Returns: false when it is told not to; until then the source is kept.
    func follow(_ answer: SourceAnswer) -> Bool {
        var answer = answer
        while case .resume(let next, let opening) = answer {
            do throws(ByteTrials.Failure) {
                try resume(on: next, opening)
                return true
            } catch {
                if abort.isAborted { return false }
                answer = supervisor.resumeFailed(HandoffController.AttemptFailure(error.reason), on: error.origin)
            }
        }
        return false
    }

    /// The origin closed a connection that nobody read from: that is no failure of the origin.
    private func reopenQuietly() -> Bool {
        idle.settled()
        do throws(TransportError) {
            let head = try source.open(at: end, until: nil, deadline: .now + supervisor.openBound(for: originID))
            guard head.length == self.head.length || isLonger(head) else { return false }
            isOpen = true
            supervisor.reopened(originID, at: end)
            return true
        } catch {
            return false
        }
    }

    /// Puts an origin's bytes under the demuxer, once they are proven to be the same; those of another, where the pick is
    /// slow.
    private func resume(on pick: OriginID, _ opening: HedgedOpening) throws(ByteTrials.Failure) {
        var prepared: OriginID?
        var trials = ByteTrials(
            opening,
            ByteTrials.Surroundings(
                trial: { [self] origin in
                    if let trial, trial.question.origin == origin,
                        trial.question.offset == end || window?.contains(trial.question.offset) ?? false
                    {
                        self.trial = nil
                        prepared = origin
                        return trial.trial
                    }
                    let (trial, isWarm) = begin(origin)
                    if isWarm { prepared = origin }
                    return trial.trial
                },
                hedged: { [supervisor] in supervisor.hedged(with: $0) },
                oneFailed: { [supervisor] in supervisor.hedgeFailed(HandoffController.AttemptFailure($1), on: $0) }))
        let (next, outcome) = try trials.run()
        do throws(ByteTrial.Failure) { try catchUp(outcome.source, from: outcome.offset, of: next) } catch {
            outcome.source.close()
            throw ByteTrials.Failure(origin: next, reason: error)
        }
        let known = proven[next]
        let standby: Standby = next == prepared ? .warm : .cold
        if let validator = outcome.validator { proven[next] = validator }
        source.close()
        source = outcome.source
        originID = next
        isOpen = true
        let length =
            shortEnd == end
            ? "its object goes on where the other one ended (\(head.length ?? 0) bytes)"
            : "same length (\(head.length ?? 0) bytes)"
        endVerdict = nil
        supervisor.resumed(
            on: next, at: end, standby: standby,
            evidence: known != nil
                ? "the same ETag at an origin whose bytes are known, \(length), and \(outcome.compared) bytes read before are the same"
                : "\(length), and \(outcome.compared) bytes read before are the same")
    }

    /// Reads again from another origin what came while it was being proven.
    private func catchUp(
        _ source: any ByteSource, from offset: Int64, of origin: OriginID
    ) throws(ByteTrial.Failure) {
        guard offset < end else { return }
        var known = ByteProof.Piece(offset: offset, bytes: Array(repeating: 0, count: Int(end - offset)))
        let kept = known.bytes.withUnsafeMutableBytes { window?.copy(from: offset, into: $0) ?? 0 }
        guard kept == known.bytes.count else { throw .undelivered(TransportError(.other, "its proof is out of date")) }
        do throws(TransportError) {
            // All of it together, since the viewer may be waiting.
            let deadline = Instant.now + max(supervisor.openBound(for: origin), .seconds(1))
            guard try known.isNext(of: source, until: deadline) else {
                throw TransportError(.objectChanged, "its bytes differ in the \(kept) from byte \(offset) on")
            }
        } catch { throw error.code == .objectChanged ? .different(error.message) : .undelivered(error) }
    }

    private func question(to next: OriginID) -> ByteTrial.Question {
        let (adjacent, others) = proof.proof(before: end)
        return ByteTrial.Question(
            origin: next, target: supervisor.origin(next), offset: end, length: head.length, adjacent: adjacent,
            others: others, known: proven[next], bound: supervisor.openBound(for: next), prefetches: prefetches)
    }

    // MARK: - Ahead of need

    /// Whether another origin could go on under the demuxer.
    var canPrepare: Bool { head.isSeekable && !isOpening }

    /// Tries another origin at the present place, beside the source that is waited for; what comes of it is told.
    private func prepare(_ next: OriginID) {
        letGo()
        let (trial, _) = begin(next)
        self.trial = trial
        nonisolated(unsafe) let supervisor = supervisor  // It takes this from any thread.
        trial.trial.whenEnded { [trial = trial.trial] in
            if let result = trial.state { supervisor.prepared(next, result) }
        }
    }

    func carryOut(_ preparations: [SourcePreparation]) {
        for preparation in preparations {
            switch preparation {
            case .begin(let origin): prepare(origin)
            case .letGo: letGo()
            }
        }
    }

    /// Begins to try another origin, over the connection that is kept with it if there is one.
    private func begin(_ next: OriginID) -> (trial: ByteTrial, isWarm: Bool) {
        let question = question(to: next)
        if let warm, warm.origin == next, let trial = warm.goOn(question) {
            self.warm = nil
            trial.begin()
            return (trial, true)
        }
        let trial = ByteTrial(question, abort: abort)
        trial.begin()
        return (trial, false)
    }

    /// The other origin is not needed any more, or not from there.
    private func letGo() { trial.take()?.cancel() }

    /// Makes another origin ready ahead of need, and keeps it so.
    func keepWarm(_ next: OriginID) {
        let isHeld = warm?.origin == next
        if let warm, isHeld, !warm.isDue { return }
        let question = question(to: next)
        // Right after a jump there is little to compare.
        guard question.adjacent.bytes.count >= ByteProof.short * 3 / 4 else { return }
        if let warm, isHeld { warm.refresh(question) } else { warm = WarmBytes(question, abort: abort) }
    }

    /// Whether that origin stands ready; nil where none is kept.
    ///
    /// - Throws: why it does not, and is kept no more.
    func warmth() throws(ByteTrial.Failure) -> Bool? {
        guard let warm else { return nil }
        do throws(ByteTrial.Failure) {
            guard try warm.look() else { return false }
            if let validator = warm.validator { proven[warm.origin] = validator }
            return true
        } catch {
            self.warm = nil
            throw error
        }
    }

    /// It is kept no more.
    func coolDown() { warm = nil }
}

extension HandoffController.AttemptFailure {
    init(_ failure: ByteTrial.Failure) {
        switch failure {
        case .undelivered(let error): self = .undelivered(ChangeEvent(error))
        case .different(let reason): self = .differentObject(reason)
        }
    }
}
