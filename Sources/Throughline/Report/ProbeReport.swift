internal import ThroughlineCore

/// What a probe found, for programs: the JSON that `probe --json` writes, as `Documentation/report.md` describes it.
public struct ProbeReport: Codable, Sendable {
    /// The name of this form. It changes when a field changes its meaning or goes; not when one is added.
    public static let schemaName = "throughline-probe/1"

    public struct OriginRecord: Codable, Sendable {
        public var url: String
        public var error: Failure?
        public var opening: Double
        public var container: String?
        public var duration: Double?
        public var byteCount: Int64?
        public var contentType: String?
        public var transport: String?
        public var isSeekable: Bool
        public var flows: [Flow]
    }

    public struct Failure: Codable, Sendable {
        public var outcome: String
        public var exitStatus: Int
        public var message: String
    }

    public struct Flow: Codable, Sendable {
        public var index: Int
        public var kind: String
        public var codec: String
        public var language: String?
        public var text: String
    }

    public struct Splice: Codable, Sendable {
        public var from: Int
        public var to: Int
        /// `none` where the other origin cannot go on.
        public var grade: String
        public var evidence: String
        public var obstacle: String?
        public var npt: Double?
        public var warnings: [String]
        public var flows: [Report.Splice]
    }

    public var schema = ProbeReport.schemaName
    public var elapsed: Double
    public var origins: [OriginRecord]
    public var splices: [Splice]

    public init(_ findings: Probe.Findings) {
        elapsed = findings.elapsed.reported
        origins = findings.origins.map { origin in
            OriginRecord(
                url: origin.url,
                error: origin.error.map {
                    Failure(
                        outcome: $0.code.reportName, exitStatus: Int($0.code.exitStatus), message: $0.message)
                }, opening: origin.opening.reported, container: origin.container,
                duration: origin.duration?.reported, byteCount: origin.byteCount, contentType: origin.contentType,
                transport: origin.transport, isSeekable: origin.isSeekable,
                flows: origin.flows.map {
                    Flow(
                        index: $0.index, kind: $0.kind.rawValue, codec: $0.codec, language: $0.language, text: $0.text)
                })
        }
        splices = findings.splices.map { splice in
            Splice(
                from: 0, to: splice.origin, grade: splice.grade?.rawValue ?? "none", evidence: splice.evidence,
                obstacle: splice.obstacle, npt: splice.npt?.reported, warnings: splice.warnings,
                flows: splice.flows.map { Report.Splice($0) })
        }
    }

    /// Indented JSON with sorted keys and a line break at its end.
    public var json: String { encoded(self, isPretty: true) + "\n" }
}
