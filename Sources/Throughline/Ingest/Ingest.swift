internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols

/// The packets of one origin, from its opening to its end or its failure. One-shot, and used on one thread.
///
/// What only some can do is a role: `resumable`, `controls`, `accounts`.
protocol Ingest: AnyObject {
    var origin: OriginID { get }
    /// By index; more may appear while it is read.
    var flows: [FlowFormat] { get }
    /// What does not change while it is read.
    var traits: IngestTraits { get }
    /// How far it is usable.
    var condition: IngestCondition { get }
    /// Length of the presentation, where it is known.
    var duration: MediaTime? { get }
    /// The NPT at which it ends, where that is known; `duration` may count from another place than NPT zero.
    var statedEnd: NPT? { get }
    /// The NPT at which a flow ends, where that is known of the flow itself.
    func statedEnd(of flow: Int) -> NPT?
    /// How the times of its packets lead to NPT.
    var timeline: Timeline { get }
    /// How a flow carries its payload, once a packet of it was read.
    func form(of flow: Int) -> PayloadForm
    /// Bytes that were received, whether packets were made of them already or not; nil where that is not counted.
    var bytesReceived: Int64? { get }
    /// What the origin announces of changes, as it is found; nil where nobody looks for it.
    var watch: ChangeWatch? { get }

    /// Begins to be played: from here on a failure is one of the stream, and no longer one of the opening.
    func opened()
    /// Only these flows are wanted.
    func select(_ isWanted: (FlowFormat) -> Bool)
    /// Goes on reading at a key frame at or before an NPT, or, with `anyPacket`, as near before it as can be.
    func seek(to time: NPT, anyPacket: Bool) throws(MediaError)
    /// Where to begin to read so as to meet packets that were received up to a time: the first of them, then others for
    /// when that was too late. All on its own timeline.
    ///
    /// - Parameter overlap: where to begin at the latest, if what is read begins exactly there.
    func searchStarts(for position: MediaTime, overlap: MediaTime) -> [MediaTime]
    /// The next packet; nil at the end, or when it has failed.
    func read() throws(IngestReadError) -> Packet?
    /// Ends a `read` that waits with `.interrupted`, now or the next time; may be kept, and called from any thread.
    var interrupter: (@Sendable () -> Void)? { get }

    /// How the bytes of the ingest go on elsewhere; nil where it is made of none.
    var resumable: (any ByteResumable)? { get }
    /// How the origin is asked to deliver; nil where bytes are read as fast as they are wanted.
    var controls: (any RealtimeControls)? { get }
    /// What is known of its packets as they came over the wire; nil where that is not RTP.
    var accounts: (any WireAccounts)? { get }
}

/// What does not change of an ingest.
struct IngestTraits {
    /// What carries the flows, in a word.
    var container: String
    /// The origin delivers no faster than the media is played: what is not buffered ahead is never caught up with.
    var isRealtime = false
    /// The decode times of its packets are made here.
    var makesDecodeTimes = false
    /// Whether `seek` leads anywhere.
    var isSeekable = true
    /// Where it leads nowhere: whether it reads up to a place that lies ahead.
    var readsUpToPlaces = false
    /// Whether `seek` finds the key frame before a time; otherwise it may find a later one.
    var findsKeyFrames = true
    /// How long the origin took to be set up; nil where that was done ahead.
    var openingTime: Duration?
    /// How ready its session was when it was wanted.
    var standby = Standby.cold
}

/// How far an ingest is usable.
struct IngestCondition {
    /// Why it failed before it was played.
    var openingFailure: ChangeEvent?
    /// The packets ended because something failed.
    var hasFailed: Bool
    /// Whether it can be read on after it has asked to be left.
    var deliversStill: Bool
}

/// An ingest over bytes, which another origin may hold too.
protocol ByteResumable: AnyObject {
    /// Whether it can go on with the same bytes from another origin.
    var canResume: Bool { get }
    /// Goes on with the bytes of another origin where it is told to, while it delivers still.
    ///
    /// - Returns: false when it is told not to: it stays as it is.
    func follow(_ answer: SourceAnswer) -> Bool
    /// Whether an origin that carries bytes could be made ready to go on under this ingest.
    var canPrepare: Bool { get }
    /// Makes another origin ready to go on from where this ingest stands, or lets it go; what comes of it is told to the
    /// supervisor.
    func carryOut(_ preparations: [SourcePreparation])
    /// Keeps another origin ready to go on under this ingest, whatever becomes of the one that it reads; called again and
    /// again.
    func keepWarm(_ origin: OriginID)
    /// Whether that one stands ready; nil where none is kept.
    ///
    /// - Throws: why it could not be made ready, or is lost.
    func warmth() throws(ByteTrial.Failure) -> Bool?
    /// It is kept no more.
    func coolDown()
    /// What other origins hold by comparison with what was read, byte by byte; nil where that cannot be told.
    func compareEnds() -> EndInquiry.Verdict?
    /// Packets that the demuxer still holds after its origin has failed, one at a time; nil when there are no more. Asked
    /// for only when no other origin goes on.
    func rest() -> Packet?
}

/// An ingest whose origin delivers as it is asked to.
protocol RealtimeControls: AnyObject {
    /// Asks the origin to stop delivering. `mustRejoin` tells whether it must be asked to go on.
    func pause()
    /// Whether the origin must be asked to go on, with another rate, for another bandwidth or after a pause, and its packets
    /// be joined anew.
    ///
    /// - Parameter bandwidth: bits per second that the origin is to keep to; nil for whatever it likes.
    func mustRejoin(at rate: Rate, bandwidth: Int64?) -> Bool
    /// Asks for delivery at another speed when the origin is asked to play next, which `mustRejoin` tells to do; the times of
    /// the media stay what they are.
    func deliver(at speed: Rate)
    /// The origin was asked to go on elsewhere, answered, and something else came: what it is asked for from now on goes to a
    /// connection of its own, where that helps.
    func distrustsAnswers()
    /// Whether the origin may be able to deliver faster than the media is played.
    var mayHurry: Bool { get }
    /// The speed at which the origin says that it delivers.
    var speed: Rate { get }
    /// Whether it can be asked to play backwards.
    var mayPlayBackwards: Bool { get }
    /// What the origin plays at, where it was asked to play backwards and does not.
    var scaleInstead: Rate? { get }
    /// Goes on from an NPT at another rate: backwards, at a negative one, with the key frames at and before it.
    func turn(to time: NPT, at rate: Rate) throws(MediaError)
    /// Where the origin says that it began to play, if it says so.
    var playedFrom: NPT? { get }
    /// Where it was asked to begin.
    var askedFrom: NPT? { get }
}

/// An ingest whose packets came over the wire one by one.
protocol WireAccounts: AnyObject {
    /// What of each flow never came, since the last time; flows without losses are left out.
    func takeLosses() -> [Int: FlowLosses]
    /// Where a flow stands, by the accounts that are kept of it.
    func position(of flow: Int) -> FlowPosition?
    /// Findings in words since the last call, each told once; `flow` is nil where a finding is about the whole origin.
    func takeFindings() -> [(flow: Int?, text: String)]
    /// Where its packets can be had, and its losses filled, as they come.
    var twinEnd: RTSPTwinEnd? { get }
}

extension Ingest {
    var statedEnd: NPT? { duration }
    func statedEnd(of flow: Int) -> NPT? { nil }
    var bytesReceived: Int64? { nil }
    var watch: ChangeWatch? { nil }
    var interrupter: (@Sendable () -> Void)? { nil }
    var resumable: (any ByteResumable)? { nil }
    var controls: (any RealtimeControls)? { nil }
    var accounts: (any WireAccounts)? { nil }

    var container: String { traits.container }
    var isRealtime: Bool { traits.isRealtime }
    var makesDecodeTimes: Bool { traits.makesDecodeTimes }
    var isSeekable: Bool { traits.isSeekable }
    var openingFailure: ChangeEvent? { condition.openingFailure }
    var hasFailed: Bool { condition.hasFailed }
    var deliversStill: Bool { condition.deliversStill }
    func seek(to time: NPT) throws(MediaError) { try seek(to: time, anyPacket: false) }

    /// Goes on from an NPT at another rate; bytes are read as fast as ever.
    func turn(to time: NPT, at rate: Rate) throws(MediaError) {
        if let controls { try controls.turn(to: time, at: rate) } else { try seek(to: time) }
    }
}

/// Why an origin cannot be played, as the handoff controller takes it.
struct IngestOpenError: Error {
    let failure: HandoffController.AttemptFailure
    let isAborted: Bool

    init(_ failure: HandoffController.AttemptFailure, isAborted: Bool = false) {
        self.failure = failure
        self.isAborted = isAborted
    }
}

enum IngestReadError: Error {
    /// The container is broken beyond what can be read over.
    case broken(MediaError)
    /// The origin must be left.
    case changed(ChangeEvent)
    /// The origin was asked to play backwards, and does not.
    case playsForwards
    /// Somebody has something to say to the reader.
    case interrupted
}
