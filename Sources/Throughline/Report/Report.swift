internal import FoundationEssentials
internal import ThroughlineCore

/// What became of a stream, for programs: the JSON that `--report` writes, as `Documentation/report.md` describes it.
///
/// Positions and lengths are seconds. What is not known is absent.
public struct Report: Codable, Sendable {
    /// The name of this form of report. It changes when a field changes its meaning or goes; not when one is added.
    public static let schemaName = "throughline-report/2"

    public struct Result: Codable, Sendable {
        /// `played`, or the class of the error.
        public var outcome: String
        public var exitStatus: Int
        public var message: String?
        public var npt: Double?
        public var attempts: [String]?
    }

    public struct Flow: Codable, Sendable {
        public var index: Int
        public var kind: String
        public var codec: String
        public var language: String?
        public var text: String
        public var packets: Int
        public var bytes: Int64
        public var end: Double?
        public var lostPackets: Int?
        public var droppedUnits: Int?
        /// RTP packets that were lost and filled from a second session.
        public var filledPackets: Int?
        public var position: Position?
        public var played: Double?
        /// Bits per second of what was presented.
        public var bitrate: Double?
        public var missing: Double
        public var duplicate: Double
        public var damaged: Double
        public var damagedPackets: Int
    }

    public struct Position: Codable, Sendable {
        /// Index of the flow; absent where it stands in the flow itself.
        public var flow: Int?
        public var npt: Double
        public var basis: String
        public var uncertainty: Double
        public var timestamps: Double?
        public var ledger: Double?
        public var drift: Double?
    }

    public struct OriginRecord: Codable, Sendable {
        public var url: String
        public var failures: Int
        public var ruledOut: String?
        public var missing: Double
        public var damaged: Double
        public var damagedPackets: Int
    }

    public struct Handoff: Codable, Sendable {
        public var event: Change
        public var from: Int
        public var fromURL: String
        public var to: Int
        public var toURL: String
        public var grade: String
        public var standby: String
        public var evidence: String
        public var npt: Double
        public var byteOffset: Int64?
        public var duration: Double
        public var bufferBefore: Double
        public var bufferAfter: Double
        public var attempts: [Attempt]
        public var flows: [Splice]
        public var positions: [Position]
        public var decision: Decision?
    }

    public struct Decision: Codable, Sendable {
        public struct Moment: Codable, Sendable {
            public var time: Double
            public var buffer: Double?
        }

        public var sign: String
        public var since: Double
        public var usualPause: Double?
        public var threshold: Double
        public var suspicion: Moment
        public var suspicions: Int
        public var preparation: Moment?
        public var ready: Moment?
        public var commitment: Moment?
        public var expected: Double?
        public var reserve: Double?
        public var withdrawal: Moment?
        public var end: Moment?
        public var text: String
    }

    public struct Change: Codable, Sendable {
        public var kind: String
        public var cause: String
        public var detail: String
        public var retryAfter: Double?
        /// What carried the indicator inside the stream.
        public var indicator: String?
        public var target: String?
        /// Where it was to take effect.
        public var npt: Double?
    }

    public struct Attempt: Codable, Sendable {
        public var origin: Int
        public var url: String
        public var why: String
        public var method: String
        public var duration: Double
        public var failure: String?
    }

    public struct Splice: Codable, Sendable {
        public var flow: Int
        public var grade: String
        public var lastBefore: Double?
        public var firstAfter: Double?
        public var matched: Int
        public var missing: Double
        public var duplicate: Double
    }

    public struct StandbyCost: Codable, Sendable {
        public var kind: String
        public var preparations: Int
        public var failures: Int
        public var held: Double
        public var packets: Int
        public var bytes: Int64
    }

    public struct Gap: Codable, Sendable {
        public var npt: Double
        public var duration: Double
    }

    /// What was missing or damaged at one place.
    public struct Defect: Codable, Sendable {
        /// `missing` or `damaged`.
        public var kind: String
        public var npt: Double
        public var duration: Double
        public var flows: [Int]
        /// Damaged packets; absent of what is missing.
        public var packets: Int?
        public var origin: Int
        /// Of what is missing: `join` or `media`.
        public var place: String?
    }

    public var schema = Report.schemaName
    /// The release of Throughline that wrote it.
    public var version: String
    /// What the command was called with, without what may be secret; absent where there was no command.
    public var arguments: [String]?
    public var startedAt: String?
    public var endedAt: String?
    public var result: Result
    public var elapsed: Double
    public var startup: Double?
    public var container: String?
    public var duration: Double?
    public var end: Double?
    public var startFailure: Bool
    /// Media time that was presented.
    public var played: Double
    public var visibleGap: Double
    public var waited: Double
    public var waitCount: Int
    public var playingTime: Double
    public var rebufferingRatio: Double?
    public var rebufferingFrequency: Double?
    public var seekCount: Int
    public var seekLatency: Double?
    public var longestSeekLatency: Double?
    public var missing: Double
    public var duplicate: Double
    public var damaged: Double
    public var damagedPackets: Int
    public var flows: [Flow]
    public var origins: [OriginRecord]
    public var handoffCount: Int
    public var handoffs: [Handoff]
    public var reopenCount: Int
    public var standby: StandbyCost
    public var gaps: [Gap]
    public var defects: [Defect]
    public var warnings: [String]

    /// - Parameters:
    ///   - summary: of the stream.
    ///   - startedAt: when the stream was started, by the clock on the wall; in ISO 8601.
    ///   - endedAt: when it was over, likewise.
    ///   - arguments: of the command, if there was one. What may be secret in them is left out.
    public init(_ summary: Summary, startedAt: String? = nil, endedAt: String? = nil, arguments: [String]? = nil) {
        version = Release.version
        self.arguments = arguments.map { redactedArguments($0) }
        self.startedAt = startedAt
        self.endedAt = endedAt
        result = Result(summary.error)
        elapsed = summary.elapsed.reported
        startup = summary.startup?.reported
        container = summary.container
        duration = summary.duration?.reported
        end = summary.end?.reported
        startFailure = summary.isStartFailure
        played = summary.played.reported
        visibleGap = summary.visibleGap.reported
        waited = summary.gapTotal.reported
        waitCount = summary.gapCount
        playingTime = summary.playingTime.reported
        rebufferingRatio = summary.rebufferingRatio
        rebufferingFrequency = summary.rebufferingFrequency
        seekCount = summary.seekCount
        seekLatency = summary.seekCount > 0 ? summary.seekTotal.reported / Double(summary.seekCount) : nil
        longestSeekLatency = summary.seekCount > 0 ? summary.longestSeek.reported : nil
        missing = summary.missing.reported
        duplicate = summary.duplicate.reported
        damaged = summary.damaged.reported
        damagedPackets = summary.damagedPackets
        flows = summary.flows.map { Flow($0) }
        origins = summary.origins.map {
            OriginRecord(
                url: $0.url, failures: $0.failures, ruledOut: $0.ruledOut, missing: $0.missing.reported,
                damaged: $0.damaged.reported, damagedPackets: $0.damagedPackets)
        }
        handoffCount = summary.handoffCount
        handoffs = summary.handoffs.map { Handoff($0) }
        reopenCount = summary.reopenCount
        standby = StandbyCost(summary.standby)
        gaps = summary.gaps.map { Gap(npt: $0.npt.reported, duration: $0.duration.reported) }
        defects = summary.defects.map { Defect($0) }
        warnings = summary.warnings
    }

    /// Indented JSON with sorted keys and a line break at its end.
    public var json: String { encoded(self, isPretty: true) + "\n" }
}

extension Report.Result {
    init(_ error: StreamError?) {
        outcome = error?.code.reportName ?? "played"
        exitStatus = Int(error?.code.exitStatus ?? 0)
        message = error?.message
        npt = error?.npt?.reported
        attempts = error.flatMap { $0.attempts.isEmpty ? nil : $0.attempts.map(\.description) }
    }
}

extension Report.StandbyCost {
    init(_ cost: StandbyCost) {
        kind = cost.standby.rawValue
        preparations = cost.preparations
        failures = cost.failures
        held = cost.held.reported
        packets = cost.packets
        bytes = cost.bytes
    }
}

extension Report.Flow {
    init(_ flow: Summary.Flow) {
        index = flow.description.index
        kind = flow.description.kind.rawValue
        codec = flow.description.codec
        language = flow.description.language
        text = flow.description.text
        packets = flow.packets
        bytes = flow.bytes
        end = flow.end?.reported
        lostPackets = flow.losses.packets > 0 ? flow.losses.packets : nil
        position = flow.position.map { Report.Position($0) }
        droppedUnits = flow.losses.units > 0 ? flow.losses.units : nil
        filledPackets = flow.losses.filled > 0 ? flow.losses.filled : nil
        played = flow.presented?.reported
        bitrate = flow.presented.flatMap { $0 > .zero ? Double(flow.bytes) * 8 / $0.reported : nil }
        missing = flow.missing.reported
        duplicate = flow.duplicate.reported
        damaged = flow.damaged.reported
        damagedPackets = flow.damagedPackets
    }
}

extension Report.Defect {
    init(_ defect: MediaDefect) {
        kind = defect.kind.rawValue
        npt = defect.npt.reported
        duration = defect.duration.reported
        flows = defect.flows
        packets = defect.kind == .damaged ? defect.packets : nil
        origin = defect.origin.index
        place = defect.kind == .missing ? defect.isAtJoin ? "join" : "media" : nil
    }
}

extension Report.Handoff {
    init(_ report: HandoffReport) {
        event = Report.Change(report.event)
        from = report.from.index
        fromURL = report.fromURL
        to = report.to.index
        toURL = report.toURL
        grade = report.grade.rawValue
        standby = report.standby.rawValue
        evidence = report.evidence
        npt = report.npt.reported
        byteOffset = report.byteOffset
        duration = report.duration.reported
        bufferBefore = report.bufferBefore.reported
        bufferAfter = report.bufferAfter.reported
        attempts = report.attempts.map {
            Report.Attempt(
                origin: $0.origin.index, url: $0.url, why: $0.why, method: $0.method, duration: $0.duration.reported,
                failure: $0.failure)
        }
        flows = report.flows.map { Report.Splice($0) }
        positions = report.positions.map { Report.Position($0.position, flow: $0.flow) }
        decision = report.decision.map { Report.Decision($0) }
    }
}

extension Report.Decision {
    init(_ decision: HandoffReport.Decision) {
        func moment(_ moment: HandoffReport.Decision.Moment) -> Moment {
            Moment(time: moment.time.reported, buffer: moment.buffer?.reported)
        }
        sign = decision.sign
        since = decision.since.reported
        usualPause = decision.usualPause?.reported
        threshold = decision.threshold.reported
        suspicion = moment(decision.suspicion)
        suspicions = decision.suspicions
        preparation = decision.preparation.map(moment)
        ready = decision.ready.map(moment)
        commitment = decision.commitment.map(moment)
        expected = decision.expected?.reported
        reserve = decision.reserve?.reported
        withdrawal = decision.withdrawal.map(moment)
        end = decision.end.map(moment)
        text = decision.text
    }
}

extension Report.Position {
    init(_ position: FlowPosition, flow: Int? = nil) {
        self.flow = flow
        npt = position.position.npt.reported
        basis = position.position.basis.rawValue
        uncertainty = position.position.uncertainty.reported
        timestamps = position.byTimestamps?.reported
        ledger = position.byLedger?.reported
        drift = position.drift?.reported
    }
}

extension Report.Splice {
    init(_ splice: FlowSplice) {
        flow = splice.flow
        grade = splice.grade.rawValue
        lastBefore = splice.lastBefore?.reported
        firstAfter = splice.firstAfter?.reported
        matched = splice.matched
        missing = splice.missing.reported
        duplicate = splice.duplicate.reported
    }
}

extension Report.Change {
    init(_ event: ChangeEvent) {
        kind = event.kind.rawValue
        cause = event.cause.rawValue
        detail = event.detail
        retryAfter = event.retryAfter?.reported
        indicator = event.carrier?.rawValue
        target = event.target.map { redacted($0) }
        npt = event.position?.reported
    }
}

extension StreamError.Code {
    /// As reports name it.
    var reportName: String {
        switch self {
        case .usage: "usage"
        case .notMedia: "not-media"
        case .noOriginUsable: "no-origin-usable"
        case .outputFailed: "output-failed"
        case .gaveUp: "gave-up"
        case .stopped: "stopped"
        case .readerLeft: "reader-left"
        default: "internal-error"
        }
    }
}

extension MediaTime {
    /// Seconds, to the nanosecond.
    var reported: Double { Double(nanoseconds) / 1e9 }
}

extension Duration {
    /// Seconds, to the nanosecond.
    var reported: Double { Double(wholeNanoseconds) / 1e9 }
}

/// JSON of a value whose numbers are all finite.
func encoded(_ value: some Encodable, isPretty: Bool) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting =
        isPretty ? [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes] : [.sortedKeys, .withoutEscapingSlashes]
    guard let data = try? encoder.encode(value) else { preconditionFailure("a report that is no JSON: \(value)") }
    return String(decoding: data, as: UTF8.self)
}

extension WallClock {
    /// Now, in ISO 8601 and UTC: `2026-03-04T05:06:07Z`.
    public static var now: String { Date(timeIntervalSince1970: TimeInterval(seconds)).ISO8601Format() }
}
