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
        /// Media time of it that was presented; nil for flows that come now and then.
        public let presented: MediaTime?
        /// Media time of it that was due and never presented.
        public let missing: MediaTime
        /// Media time of it that was presented damaged, and the packets.
        public let damaged: MediaTime
        public let damagedPackets: Int
        /// Media time of it that splices delivered twice.
        public let duplicate: MediaTime
    }

    public struct OriginRecord: Sendable {
        /// Without credentials.
        public let url: String
        public let failures: Int
        /// Why it was not asked again.
        public let ruledOut: String?
        /// Media time that was missing inside what it delivered.
        public let missing: MediaTime
        /// Media time and packets that it delivered damaged.
        public let damaged: MediaTime
        public let damagedPackets: Int
    }

    /// Nil when the stream played to its end.
    public let error: StreamError?
    public let elapsed: Duration
    /// From the start to the first picture presented, or the first sound where there are no pictures.
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
    /// How many such waits there were.
    public let gapCount: Int
    /// Wall-clock time in which media went by; nothing where it was played as fast as possible.
    public let playingTime: Duration
    /// Seeks that led to a picture, and how long that took: all of them, and the longest.
    public let seekCount: Int
    public let seekTotal: Duration
    public let longestSeek: Duration
    /// Media time that was presented, for one viewer.
    public let played: MediaTime
    /// Media time that was due and never presented, whatever caused it: united over the flows, since several flows that lack
    /// something at the same place are one hole to a viewer.
    public let missing: MediaTime
    /// Media time that was presented although it is known to be damaged, united over the flows.
    public let damaged: MediaTime
    /// Packets of all flows that were presented damaged.
    public let damagedPackets: Int
    /// What was missing or damaged, one by one; at most the first 1000.
    public let defects: [MediaDefect]
    /// Presentation time that splices covered twice: of each that of the flow that had most.
    public let duplicate: MediaTime
    /// What keeping a standby ready has cost; nothing where none was asked for.
    public let standby: StandbyCost
    public let warnings: [String]
    public let origins: [OriginRecord]

    /// It ended before anything was presented, and nobody had asked it to.
    public var isStartFailure: Bool { startup == nil && error.map { $0.code != .stopped } ?? false }

    /// The share of waiting in the time of waiting and playing; nil where no time went by.
    public var rebufferingRatio: Double? {
        let (waited, played) = (gapTotal.wholeNanoseconds, playingTime.wholeNanoseconds)
        return waited + played > 0 ? Double(waited) / Double(waited + played) : nil
    }

    /// Waits in a minute of playing; nil where no time went by.
    public var rebufferingFrequency: Double? {
        let played = playingTime.wholeNanoseconds
        return played > 0 ? Double(gapCount) * 60e9 / Double(played) : nil
    }

    /// The gaps in the output and before it: time that a viewer waited, and presentation time that is missing.
    public var visibleGap: Duration { gapTotal + missing.duration }
}

extension Summary {
    /// Of a stream that could not be started.
    ///
    /// - Parameter elapsed: from the request to start it.
    public init(notStarted error: StreamError, elapsed: Duration) {
        self.init(
            error: error, elapsed: elapsed, startup: nil, container: nil, duration: nil, end: nil, flows: [],
            handoffs: [], handoffCount: 0, reopenCount: 0, gaps: [], gapCount: 0, gapTotal: .zero, playingTime: .zero,
            seeks: SeekTimes(), presentation: PresentationFigures(), duplicate: .zero,
            standby: StandbyCost(
                standby: .cold, preparations: 0, failures: 0, held: .zero, packets: 0, bytes: 0),
            warnings: [], origins: [])
    }

    init(
        error: StreamError?, elapsed: Duration, startup: Duration?, container: String?, duration: MediaTime?, end: NPT?,
        flows: [Flow], handoffs: [HandoffReport], handoffCount: Int, reopenCount: Int, gaps: [VisibleGap],
        gapCount: Int, gapTotal: Duration, playingTime: Duration, seeks: SeekTimes, presentation: PresentationFigures,
        duplicate: MediaTime, standby: StandbyCost, warnings: [String], origins: [OriginRecord]
    ) {
        self.error = error
        self.elapsed = elapsed
        self.startup = startup
        self.container = container
        self.duration = duration
        self.end = end
        self.flows = flows
        self.handoffs = handoffs
        self.handoffCount = handoffCount
        self.reopenCount = reopenCount
        self.gaps = gaps
        self.gapCount = gapCount
        self.gapTotal = gapTotal
        self.playingTime = playingTime
        (seekCount, seekTotal, longestSeek) = (seeks.count, seeks.total, seeks.longest)
        played = presentation.played
        missing = presentation.missing + presentation.unseen
        damaged = presentation.damaged
        damagedPackets = presentation.damagedPackets
        defects = presentation.defects
        self.duplicate = duplicate
        self.standby = standby
        self.warnings = warnings
        self.origins = origins
    }
}

extension Summary.Flow {
    init(
        description: FlowDescription, packets: Int, bytes: Int64, end: NPT?, losses: FlowLosses,
        position: FlowPosition?,
        tally: PresentationAccount.Tally, duplicate: MediaTime
    ) {
        self.description = description
        self.packets = packets
        self.bytes = bytes
        self.end = end
        self.losses = losses
        self.position = position
        presented = tally.presented
        missing = tally.missing
        damaged = tally.damaged
        damagedPackets = tally.damagedPackets
        self.duplicate = duplicate
    }
}

extension Summary.OriginRecord {
    init(url: String, failures: Int, ruledOut: String?, tally: PresentationAccount.Tally) {
        self.url = url
        self.failures = failures
        self.ruledOut = ruledOut
        missing = tally.missing
        damaged = tally.damaged
        damagedPackets = tally.damagedPackets
    }
}
