internal import DequeModule
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols

/// What a runner gives whoever owns it, in the order in which it came about.
enum RunnerItem: ~Copyable {
    case packets(PacketRun)
    case fact(RunnerFact)
    /// The runner waits for an answer.
    case question(RunnerQuestion)
    /// The runner stands still until it is told to go on.
    case still(RunnerStop)
    /// Nothing before the deadline, or somebody has woken the owner.
    case nothing

    /// What it changes for whoever passes it on.
    var mark: Mark {
        switch self {
        case .packets: .packets
        case .still: .still
        case .fact(let fact): Mark(fact)
        case .question: .none
        case .nothing: .none
        }
    }

    /// Whether it tells that media has come which was waited for.
    var isArrival: Bool {
        switch self {
        case .fact(.arrived): true
        default: false
        }
    }

    /// Of packets, what is known behind them.
    var status: IngestStatus? {
        switch self {
        case .packets(let run): run.status
        default: nil
        }
    }

    /// Whose bytes go on from here.
    var newOrigin: OriginID? {
        switch self {
        case .fact(.resumed(let origin, _, _, _)): origin
        default: nil
        }
    }

    enum Mark {
        case packets, still, waits, waitsNoMore, none

        init(_ fact: RunnerFact) {
            switch fact {
            case .awaits: self = .waits
            case .arrived, .awaitsNothing: self = .waitsNoMore
            default: self = .none
            }
        }
    }
}

/// Packets in a row, and what is known of their ingest behind the last.
struct PacketRun: ~Copyable {
    var packets: UniqueDeque<Packet>
    let status: IngestStatus
}

enum RunnerFact {
    /// Media is waited for, since a moment.
    case awaits(Instant)
    /// Some came.
    case arrived(Instant, isInBuffer: Bool, bytesReceived: Int64?)
    /// None is wanted for now.
    case awaitsNothing(Instant)
    /// The end of an object that may grow is waited at.
    case awaitsGrowth
    /// It was to be left for a silence that has ended.
    case stays(Instant)
    case flowEnded(Int)
    case flowsRestarted
    case playing(Rate)
    case resumed(OriginID, byte: Int64, Standby, evidence: String)
    case reopened(OriginID, byte: Int64)
    case hedged(OriginID)
    case hedgeFailed(HandoffController.AttemptFailure, OriginID)
    case prepared(OriginID, Result<Void, ByteTrial.Failure>)
    case preparationIsStale
    /// What the packets and bytes before have announced of changes.
    case announced([ChangeWatch.Notice], [ChangeWatch.Finding])
    /// What was noticed of the ingest since the last time.
    case noticed([(flow: Int?, text: String)], [Int: FlowLosses])
}

enum RunnerQuestion {
    /// Its bytes broke.
    case broke(ChangeEvent, canResume: Bool)
    /// It was told to go on with an origin, and that came to nothing.
    case resumeFailed(HandoffController.AttemptFailure, OriginID)
    /// It is to be left, and stands between two packets.
    ///
    /// - Parameter atOnce: it was to be left in the middle of one, too.
    case leaves(ChangeEvent, atOnce: Bool, canResume: Bool)
    /// Its object has come to its end.
    case ended
}

/// Why a runner stands still.
enum RunnerStop {
    /// It was asked to.
    case parked
    /// It was to be left, and its bytes go on nowhere else.
    case left
    /// There are no more packets: that is the end, or it has failed.
    case ended
    case failed(IngestReadError)
}

/// What is known of an ingest while its runner reads it.
struct IngestStatus {
    var origin: OriginID
    var flows: [FlowFormat]
    /// By flow, how its packets carry their payload.
    var forms: [PayloadForm]
    /// By flow; empty where the packets' own times are all there is.
    var positions: [FlowPosition?]
    var bytesReceived: Int64?
    var duration: MediaTime?
    var timeline: Timeline
    var deliversStill: Bool
    var canPrepare: Bool
    var mayHurry: Bool

    /// - Parameter previous: what was known of the same ingest before; lists that are the same are not made again.
    init(_ ingest: any Ingest, after previous: IngestStatus? = nil) {
        let flows = ingest.flows
        origin = ingest.origin
        self.flows = flows
        let known = previous?.forms ?? []
        let isKnown = known.count == flows.count && known.indices.allSatisfy { known[$0] == ingest.form(of: $0) }
        forms = isKnown ? known : flows.indices.map { ingest.form(of: $0) }
        positions = ingest.accounts.map { accounts in flows.indices.map { accounts.position(of: $0) } } ?? []
        bytesReceived = ingest.bytesReceived
        duration = ingest.duration
        timeline = ingest.timeline
        deliversStill = ingest.deliversStill
        canPrepare = ingest.resumable?.canPrepare ?? false
        mayHurry = ingest.controls?.mayHurry ?? false
    }
}
