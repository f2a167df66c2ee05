public import ThroughlineCore

/// What a stream came to: the source of every report.
public struct Summary: Sendable {
    public struct Flow: Sendable {
        public let description: FlowDescription
        /// Packets that were presented.
        public let packets: Int
        /// Their payload in bytes.
        public let bytes: Int64
        /// Where the presentation of the flow ended.
        public let end: NPT?
        /// What the network lost of it.
        public let losses: FlowLosses
        /// Up to where it was received from the last origin, and how that is known; nil where nothing was.
        public let position: FlowPosition?
    }

    public struct OriginRecord: Sendable {
        /// Without credentials.
        public let url: String
        public let failures: Int
        /// Why it was not asked again.
        public let ruledOut: String?
    }

    /// Nil when the stream played to its end.
    public let error: StreamError?
    public let elapsed: Duration
    /// From the start to the first packet presented.
    public let startup: Duration?
    public let container: String?
    public let duration: MediaTime?
    /// The furthest presentation end.
    public let end: NPT?
    public let flows: [Flow]
    /// At most the first 1000.
    public let handoffs: [HandoffReport]
    public let handoffCount: Int
    /// Idle connections that were opened again.
    public let reopenCount: Int
    /// Wall-clock time in which media was due and was not there, one by one; at most the first 1000.
    public let gaps: [VisibleGap]
    public let gapTotal: Duration
    /// What keeping a standby ready has cost; nothing where none was asked for.
    public let standby: StandbyCost
    public let warnings: [String]
    public let origins: [OriginRecord]

    /// Presentation time that splices left uncovered, summed over the flows.
    public var missing: MediaTime { sum(\.missing) }
    /// Presentation time that splices covered twice, summed over the flows.
    public var duplicate: MediaTime { sum(\.duplicate) }

    private func sum(_ part: KeyPath<FlowSplice, MediaTime>) -> MediaTime {
        handoffs.flatMap(\.flows).reduce(.zero) { $0 + $1[keyPath: part] }
    }

    /// The gaps in the output and before it: time that a viewer waited, and presentation time that is missing.
    public var visibleGap: Duration { gapTotal + missing.duration }
}
