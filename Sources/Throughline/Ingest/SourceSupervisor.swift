internal import ThroughlineCore

/// Whom an ingest tells what it meets while it is read, and asks what to do.
///
/// Called on the thread that reads the ingest; `origin`, `openBound`, `hasAlternative`, `awaitGrowth` and `prepared` from any.
protocol SourceSupervisor: AnyObject {
    // MARK: Asked

    /// A source under a running demuxer failed: where do its bytes go on?
    func broke(_ event: ChangeEvent, canResume: Bool) -> SourceAnswer
    /// An attempt to go on came to nothing: where else?
    func resumeFailed(_ failure: HandoffController.AttemptFailure, on origin: OriginID) -> SourceAnswer
    /// The origin that delivers has no more: who could say whether that is the end, and until when; nil for nobody.
    func endCame() -> EndInquiry?
    /// Waits for an object to grow; false when the session is to stop.
    func awaitGrowth(until moment: Instant) -> Bool
    /// Whether anyone but the current origin could be asked now.
    var hasAlternative: Bool { get }
    func origin(_ id: OriginID) -> Origin
    /// How long an origin may take to answer.
    func openBound(for origin: OriginID) -> Duration
    /// The origin that delivers brings too little, and may be left while it does.
    var isTooSlow: Bool { get }

    // MARK: Waiting

    /// The reader is about to wait for bytes: everything read so far should be on its way.
    func aboutToWait()
    /// Bytes or packets of the origin that delivers are wanted, and waited for from now on.
    func mediaIsAwaited()
    /// Some came.
    ///
    /// - Parameter isInBuffer: what came before them is in the playout buffer, or about to be.
    func mediaArrived(isInBuffer: Bool)
    /// None are wanted for now.
    func nothingIsAwaited()
    /// While waiting: when to ask for what is to be done, and for a reason to leave.
    var nextLook: Instant { get }
    /// Why the origin is to be left for what did not come; nil to go on waiting. What is to be made ready beside it has been
    /// begun then.
    func reasonToLeave() -> ChangeEvent?
    /// What was waited for was here already: it is no reason to leave.
    func wasOverlooked()

    // MARK: Told

    /// Bytes flow again, from this origin.
    func resumed(on origin: OriginID, at byte: Int64, standby: Standby, evidence: String)
    /// A source that was closed while nobody read was opened again.
    func reopened(_ origin: OriginID, at byte: Int64)
    /// The other is asked too.
    func hedged(with origin: OriginID)
    /// One of the two has failed, and the other is still asked.
    func hedgeFailed(_ failure: HandoffController.AttemptFailure, on origin: OriginID)
    /// What came of making another origin ready.
    func prepared(_ origin: OriginID, _ result: Result<Void, ByteTrial.Failure>)
    /// What was prepared with another origin is of no use any more.
    func preparationIsStale()
    /// Nothing more is expected of a flow of the origin that delivers.
    func flowEnded(_ flow: Int)
    /// Another range begins: what was heard of the flows before says nothing of when they are heard next.
    func flowsRestarted()
    /// The origin plays at this rate, whatever it was asked for.
    func playing(at rate: Rate)
}

/// Where the bytes of a source that broke go on.
enum SourceAnswer: Sendable {
    /// With this origin, and who may be asked beside it.
    case resume(OriginID, HedgedOpening)
    /// Nowhere: the input ends.
    case close
}

/// What is to be done beside reading.
enum SourcePreparation: Sendable {
    /// Another origin is made ready to go on.
    case begin(OriginID)
    case letGo
}

extension SourceSupervisor {
    // Where nothing is watched, nothing is left, prepared or healed.
    func endCame() -> EndInquiry? { nil }
    func awaitGrowth(until moment: Instant) -> Bool { false }
    var isTooSlow: Bool { false }
    func wasOverlooked() {}
    func hedged(with origin: OriginID) {}
    func hedgeFailed(_ failure: HandoffController.AttemptFailure, on origin: OriginID) {}
    func prepared(_ origin: OriginID, _ result: Result<Void, ByteTrial.Failure>) {}
    func preparationIsStale() {}
}
