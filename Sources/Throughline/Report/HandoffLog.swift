internal import ThroughlineCore

/// Writes down one handoff from the event that led to it until every flow has gone over, for its report.
struct HandoffLog {
    private struct Pending {
        let move: HandoffController.Move
        let to: OriginID
        let join: Join
        /// How the origin was watched that was left.
        let decision: DeadlineRecord?
        /// When the first new packet was accepted, and how full the buffer was.
        var accepted: (at: Instant, level: MediaTime)?
    }

    /// How another origin goes on.
    struct Join {
        let grade: SpliceGrade
        let evidence: String
        /// Where its bytes go on.
        var byteOffset: Int64?
        /// How ready it was.
        var standby = Standby.cold
    }

    /// Where the stream stood when the event was seen, how full the buffer was, and where each flow stood.
    private var npt: NPT = .zero
    private var level: MediaTime = .zero
    private var standings: [FlowStanding] = []
    private var pending: Pending?

    /// A handoff was made, and is not reported yet.
    var isPending: Bool { pending != nil }

    /// An event was seen that may lead to a handoff.
    mutating func observed(at npt: NPT, level: MediaTime, standings: [FlowStanding]) {
        (self.npt, self.level, self.standings) = (npt, level, standings)
    }

    /// An event is answered anew, since its origin was played on meanwhile.
    mutating func resumed(at npt: NPT, level: MediaTime) { (self.npt, self.level) = (npt, level) }

    mutating func made(_ move: HandoffController.Move, to origin: OriginID, _ join: Join, _ decision: DeadlineRecord?) {
        pending = Pending(move: move, to: origin, join: join, decision: decision)
    }

    /// New media is about to be accepted: the handoff is complete with the first packet.
    mutating func accepts(_ level: MediaTime) {
        if pending != nil, pending?.accepted == nil { pending?.accepted = (.now, level) }
    }

    /// The report, once every flow is through.
    ///
    /// - Returns: nil where nothing was left.
    mutating func report(_ flows: [FlowSplice], _ record: StreamRecord) -> HandoffReport? {
        guard let pending = pending.take(), let from = pending.move.from, let accepted = pending.accepted else {
            return nil
        }
        // The whole is as good as the worst flow.
        let join = pending.join
        let grade = join.grade == .byteExact ? .byteExact : flows.map(\.grade).reduce(join.grade, max)
        return HandoffReport(
            event: pending.move.event, from: from, fromURL: record.url(from), to: pending.to,
            toURL: record.url(pending.to), grade: grade, standby: join.standby, evidence: join.evidence, npt: npt,
            byteOffset: join.byteOffset, duration: accepted.at - pending.move.began, bufferBefore: level,
            bufferAfter: accepted.level,
            attempts: pending.move.attempts.map { attempt in
                HandoffReport.Attempt(
                    origin: attempt.origin, url: record.url(attempt.origin), why: attempt.choice.text(record.url),
                    method: attempt.order.method,
                    duration: (attempt.ended ?? accepted.at) - attempt.began, failure: attempt.failure?.text)
            }, flows: join.grade == .byteExact ? [] : flows, positions: standings,
            decision: pending.decision.map { HandoffReport.Decision($0, since: record.began) })
    }
}

extension HandoffController.AttemptFailure {
    /// Nil where the origin did deliver.
    var cause: ChangeEvent.Cause? {
        switch self {
        case .undelivered(let event): event.cause
        case .refused(let cause, _): cause
        case .differentObject, .outrun, .calledOff: nil
        }
    }

    /// For people.
    var text: String {
        switch self {
        case .undelivered(let event): event.detail
        case .differentObject(let reason): "not the same bytes: \(reason)"
        case .refused(_, let reason): reason
        case .outrun: "another was faster"
        case .calledOff: "called off before it was there"
        }
    }
}

extension HandoffController.Order {
    fileprivate var method: String {
        switch self {
        case .open: "open"
        case .resume: "resume"
        case .replace: "replace"
        case .wait: "wait"
        case .stay: "stay"
        case .giveUp: "give-up"
        }
    }
}
