internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols
internal import ThroughlineTransport

/// Tells the stream machine what is met and seen, and carries out what it orders beside reading. On the session's loop.
final class Watcher {
    /// What the machine has ordered that whoever told the fact carries out.
    struct Decision {
        fileprivate(set) var given: HandoffController.Order?
        fileprivate(set) var made: (move: HandoffController.Move, record: DeadlineRecord?)?
        fileprivate(set) var leaves: (event: ChangeEvent, isForSilence: Bool)?
        fileprivate(set) var notAsked: String?

        /// What a fact leads to that is always answered by an order.
        var order: HandoffController.Order {
            guard let given else { preconditionFailure("a fact that is answered by an order was not") }
            return given
        }
    }

    private let stream: StreamContext
    private let intake: Intake
    private let standbys: Standbys
    private let changes: PlannedChanges
    /// What is read.
    private var runner: Runner?
    /// Bytes that the ingest had received by the last batch.
    private var lastBytes: Int64 = 0
    /// The machine was told what the buffer held when the first picture was presented.
    private var isFillKnown = false
    /// Asks the preferred origin whether it is well again.
    private var probe: ReturnProbe?

    /// From so much of the buffer on, three quarters, the origin keeps up.
    private static let full = 3

    init(_ stream: StreamContext, _ intake: Intake, _ standbys: Standbys, _ changes: PlannedChanges) {
        (self.stream, self.intake, self.standbys, self.changes) = (stream, intake, standbys, changes)
    }

    // MARK: - The machine

    /// Tells the machine a fact that is answered by an order.
    func handoff(_ fact: StreamMachine.Fact) -> HandoffController.Order { decide(fact).order }

    /// Tells the machine a fact, and carries out what it orders.
    ///
    /// - Parameter sight: what is seen at this moment, where the fact concerns it.
    @discardableResult
    func decide(_ fact: StreamMachine.Fact, _ sight: Sight = Sight()) -> Decision {
        let now = Instant.now
        let (orders, isTooSlow) = stream.machine.withLock { ($0.handle(fact, sight, at: now), $0.watch.isTooSlow) }
        var decision = Decision()
        for order in orders { carryOut(order, &decision) }
        runner?.isTooSlow(isTooSlow)
        return decision
    }

    private func carryOut(_ order: StreamMachine.Order, _ decision: inout Decision) {
        switch order {
        case .handoff(let order): decision.given = order
        case .made(let move, let record): decision.made = (move, record)
        case .leave(let event, let isForSilence): decision.leaves = (event, isForSilence)
        case .notAsked(let url): decision.notAsked = url
        case .prepare(let origin): runner?.prepare(.begin(origin))
        case .letGo: runner?.prepare(.letGo)
        case .wantsSession(let isWanted): standbys.wantsSession(isWanted)
        case .probe(let origin):
            probe?.end()
            probe = ReturnProbe(
                stream.origins[origin], transport: stream.configuration.rtspTransport,
                at: stream.buffer.playhead ?? .zero, abort: stream.abort)
        case .goBack(let origin): changes.goBack(to: origin)
        case .recovered(let record):
            guard let origin = runner?.origin else { return }
            stream.record.send(
                .recovered(
                    origin: origin, url: stream.record.url(origin),
                    HandoffReport.Decision(record, since: stream.record.began)))
        case .remark(let origin, let text): stream.record.warn("\(stream.record.url(origin)) \(text)")
        }
    }

    /// What is seen at this moment.
    var sight: Sight {
        var sight = Sight()
        sight.level = stream.level
        sight.isBackward = intake.isBackward
        sight.mayPrepareBytes = runner?.mayPrepareBytes ?? false
        sight.ready = standbys.ready
        return sight
    }

    // MARK: - What is read

    /// - Parameter now: what is read; nil for nothing.
    func reads(_ now: Runner?) {
        runner = now
        decide(.isRead(now != nil))
    }

    /// An ingest begins to be played.
    func begins(_ runner: Runner) {
        lastBytes = runner.lastBytesReceived ?? 0
        flowsBegin()
    }

    /// Only what is sent as it is played comes flow by flow; in a file one flow may be longer than another, and backwards
    /// only one comes.
    func flowsBegin() {
        let isRealtime = runner?.isRealtime ?? false
        let comesFlowByFlow = isRealtime && !intake.isBackward
        decide(
            .reads(
                isRealtime: isRealtime,
                flows: intake.flows.map { ("\($0)", !comesFlowByFlow || $0.isSparse || !intake.isSelected($0)) }))
    }

    func flowEnded(_ flow: Int) {
        if let output = intake.line?.output(of: flow) { decide(.flowEnded(output)) }
    }

    // MARK: - Waiting

    func mediaIsAwaited() { decide(.awaits, sight) }

    /// - Parameters:
    ///   - isInBuffer: what came before is in the buffer, or about to be.
    ///   - bytes: that the ingest had received by then; nil where that is not counted.
    ///   - isPending: a handoff is not complete.
    func mediaArrived(isInBuffer: Bool, bytes: Int64?, isPending: Bool) {
        decide(.arrived(isInBuffer: isInBuffer, isInBuffer ? nil : trickle(bytes, isPending)), sight)
    }

    /// Bytes came that make no packet yet: where delivery is slow, those are long in coming.
    private func trickle(_ all: Int64?, _ isPending: Bool) -> Delivery? {
        guard let runner, let all, all > lastBytes, isTelling(isPending) else { return nil }
        let received = Int(all - lastBytes)
        lastBytes = all
        return delivery(received: received, unpacked: received, of: runner)
    }

    func nothingIsAwaited() { decide(.awaitsNothing, sight) }

    /// While media is awaited: when to look for a reason to leave.
    var nextLook: Instant {
        let level = stream.level
        return stream.machine.withLock { $0.nextLook(level, at: .now) }
    }

    /// Why the origin is to be left for what did not come; and whether nothing came at all, which ends with the next media.
    func reasonToLeave() -> (event: ChangeEvent, isForSilence: Bool)? { decide(.looked, sight).leaves }

    // MARK: - Media

    /// What comes tells something of how fast the origin delivers.
    private func isTelling(_ isPending: Bool) -> Bool {
        stream.isPaced && stream.viewer.playedRate == .normal && !intake.isBackward && !isPending
            && stream.buffer.isBeingPlayed
    }

    /// A batch is in the buffer.
    ///
    /// - Parameters:
    ///   - bytes: of the batch.
    ///   - flows: of which something came, a bit for each.
    ///   - isPending: a handoff is not complete.
    func delivered(bytes: Int, flows: UInt64, isPending: Bool) {
        guard stream.isPaced, let runner else { return }
        var received = bytes
        if let all = runner.lastBytesReceived {
            // What came since was counted already.
            received = Int(max(0, all - lastBytes))
            lastBytes = max(lastBytes, all)
        }
        guard isTelling(isPending) else { return }
        lookAtProbe()
        decide(.delivered(delivery(received: received, unpacked: received - bytes, of: runner), flows: flows), sight)
    }

    private func delivery(received: Int, unpacked: Int, of runner: Runner) -> Delivery {
        let contents = stream.buffer.level
        let level = contents.duration.duration
        // MP4 may hold the flows of a fragment one behind another.
        let inOrder = !runner.container.hasPrefix("mov")
        var delivery = Delivery(
            origin: runner.origin, received: received, unpacked: unpacked, inOrder: inOrder, level: level,
            reached: contents.reached.duration, isFull: level * 4 >= stream.configuration.buffer * Self.full)
        if !inOrder, !isFillKnown, let playhead = stream.buffer.playhead {
            isFillKnown = true
            // What was received before the first picture was presented tells how many bytes a second of the stream takes.
            delivery.learned = (contents.bytes, (contents.reached - playhead).duration)
        }
        return delivery
    }

    // MARK: - The preferred origin

    /// What came of asking it; one at a time, whatever became of the stream meanwhile.
    private func lookAtProbe() {
        guard let probe, let isWell = probe.result(at: .now) else { return }
        probe.end()
        self.probe = nil
        decide(.probed(isWell: isWell))
    }

    func end() {
        probe?.end()
        probe = nil
    }
}

extension Preparation {
    init(_ result: Result<Void, ByteTrial.Failure>) {
        switch result {
        case .success: self = .ready
        case .failure(.different): self = .differs
        case .failure(.undelivered(let error)): self = .undelivered(ChangeEvent(error))
        }
    }
}
