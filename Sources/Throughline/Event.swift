public import ThroughlineCore

/// Something that happened while a stream was played.
public struct Event: Sendable {
    /// Time since the stream was started.
    public let time: Duration
    public let kind: Kind

    /// For programs that add events of their own to those of a stream.
    public init(time: Duration, kind: Kind) {
        self.time = time
        self.kind = kind
    }

    public enum Kind: Sendable {
        /// The first origin is open and its flows are known.
        case opened(origin: OriginID, url: String, container: String, duration: MediaTime?, flows: [FlowDescription])
        /// The first packet went to the outputs.
        case playing(npt: NPT)
        /// A reason to leave the origin.
        case changeObserved(ChangeEvent, origin: OriginID, url: String)
        /// The stream announces a change inside itself. Said once, however often it is repeated.
        case indicated(IndicatedChange, origin: OriginID, url: String)
        /// An attempt to go on came to nothing.
        case attemptFailed(origin: OriginID, url: String, reason: String)
        /// Nobody can be asked before some time has passed.
        case waiting(Duration)
        /// The stream goes on from another origin, or from the same one again.
        case handoff(HandoffReport)
        /// The origin looked as if it would have to be left, and then delivered again.
        case recovered(origin: OriginID, url: String, HandoffReport.Decision)
        /// The next origin stands ready, so long after it was asked.
        case standbyReady(origin: OriginID, url: String, duration: Duration)
        /// The next origin could not be made ready, or does not stand ready any more. No handoff.
        case standbyLost(origin: OriginID, url: String, reason: String)
        /// The origin delivered faster for so long that the buffer holds again what it is to hold.
        case refilled(
            origin: OriginID, url: String, duration: Duration, bufferBefore: MediaTime, bufferAfter: MediaTime)
        /// A connection that the origin closed while none of its bytes were wanted was opened again.
        case reopened(origin: OriginID, url: String, byte: Int64)
        /// The viewer stopped the stream, or let it go on.
        case paused(Bool, npt: NPT)
        /// The viewer went elsewhere in the presentation.
        case sought(to: NPT)
        /// The presentation goes by at another rate.
        case rateChanged(Rate)
        /// A line that was to be obeyed was answered.
        case answered(ControlAnswer)
        /// Media was due and was not there.
        case gap(VisibleGap)
        /// Media is missing from what is presented, or was presented damaged.
        case defect(MediaDefect, url: String)
        /// Something that the viewer should know and that does not stop the stream.
        case warning(String)
        /// The last event of every stream: it has ended, at the furthest presentation end (nil where nothing was
        /// presented), and why (nil where it was played to its end).
        case ended(npt: NPT?, StreamError?)
    }
}

/// A flow, for people and reports.
public struct FlowDescription: Sendable, Hashable {
    public let index: Int
    public let kind: FlowKind
    public let codec: String
    public let language: String?
    /// All of it in words: `video h264 320x180`.
    public let text: String
}

/// Where one flow of the output stood.
public struct FlowStanding: Sendable, Hashable {
    public let flow: Int
    /// Up to where it was received.
    public let position: FlowPosition
}

/// One handoff, from the sign that caused it to the first new media.
public struct HandoffReport: Sendable {
    public struct Attempt: Sendable {
        public let origin: OriginID
        public let url: String
        /// Why it was this origin, for people.
        public let why: String
        /// `resume` (same bytes), `replace` (new ingest).
        public let method: String
        public let duration: Duration
        /// Nil when it succeeded.
        public let failure: String?
    }

    public let event: ChangeEvent
    public let from: OriginID
    public let fromURL: String
    public let to: OriginID
    public let toURL: String
    public let grade: SpliceGrade
    /// How ready the origin was that goes on.
    public let standby: Standby
    /// Why this grade: what was compared, with its numbers.
    public let evidence: String
    /// NPT at which the event was seen: the least position of the flows.
    public let npt: NPT
    /// Byte offset in the object; for byte-exact only.
    public let byteOffset: Int64?
    /// From the event to the first new media.
    public let duration: Duration
    /// Media in the buffer when the event was seen, and when the first new media came.
    public let bufferBefore: MediaTime
    public let bufferAfter: MediaTime
    public let attempts: [Attempt]
    /// Flow by flow; empty for byte-exact, where no flow notices.
    public let flows: [FlowSplice]
    /// Where each flow stood when the event was seen, and how that was known.
    public let positions: [FlowStanding]
    /// How the origin was watched, and when it was decided to leave it; nil where it broke without a sign.
    public let decision: Decision?
}
