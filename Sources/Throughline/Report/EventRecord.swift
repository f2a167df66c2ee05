internal import ThroughlineCore

extension Event {
    /// One line of JSON, without its line break, as `Documentation/report.md` describes it.
    public var json: String { encoded(EventRecord(self), isPretty: false) }
}

/// An event as `--events` writes it: the fields of its kind, and no others.
struct EventRecord: Encodable {
    var schema = "throughline-event/1"
    var time: Double
    var event: String
    var origin: Int?
    var url: String?
    var container: String?
    var duration: Double?
    var flows: [Flow]?
    var npt: Double?
    var change: Report.Change?
    var reason: String?
    var handoff: Report.Handoff?
    var byte: Int64?
    var bufferBefore: Double?
    var bufferAfter: Double?
    var text: String?
    var indicator: Indicated?
    var decision: Report.Decision?
    var defect: Report.Defect?
    var line: String?
    var accepted: Bool?
    var outcome: String?
    var exitStatus: Int?
    var message: String?
    var attempts: [String]?

    /// A change that the stream announced.
    struct Indicated: Encodable {
        var kind: String
        var action: String
        var event: UInt32?
        var target: String?
        var npt: Double?
        var detail: String
        var response: String
    }

    struct Flow: Encodable {
        var index: Int
        var kind: String
        var codec: String
        var language: String?
        var text: String
    }

    init(_ source: Event) {
        time = source.time.reported
        switch source.kind {
        case .opened(let origin, let url, let container, let duration, let flows):
            event = "opened"
            self.origin = origin.index
            self.url = url
            self.container = container
            self.duration = duration?.reported
            self.flows = flows.map {
                Flow(
                    index: $0.index, kind: $0.kind.rawValue, codec: $0.codec, language: $0.language, text: $0.text)
            }
        case .playing(let npt):
            event = "playing"
            self.npt = npt.reported
        case .changeObserved(let change, let origin, let url):
            event = "change-observed"
            self.change = Report.Change(change)
            self.origin = origin.index
            self.url = url
        case .indicated(let change, let origin, let url):
            event = "indicated"
            indicator = Indicated(
                kind: change.kind.rawValue, action: change.action.rawValue, event: change.event, target: change.target,
                npt: change.position?.reported, detail: change.detail, response: change.response.rawValue)
            self.origin = origin.index
            self.url = url
        case .attemptFailed(let origin, let url, let reason):
            event = "attempt-failed"
            self.origin = origin.index
            self.url = url
            self.reason = reason
        case .waiting(let duration):
            event = "waiting"
            self.duration = duration.reported
        case .handoff(let report):
            event = "handoff"
            handoff = Report.Handoff(report)
        case .recovered(let origin, let url, let decision):
            event = "recovered"
            self.origin = origin.index
            self.url = url
            self.decision = Report.Decision(decision)
        case .standbyReady(let origin, let url, let duration):
            event = "standby-ready"
            self.origin = origin.index
            self.url = url
            self.duration = duration.reported
        case .standbyLost(let origin, let url, let reason):
            event = "standby-lost"
            self.origin = origin.index
            self.url = url
            self.reason = reason
        case .refilled(let origin, let url, let duration, let before, let after):
            event = "refilled"
            self.origin = origin.index
            self.url = url
            self.duration = duration.reported
            bufferBefore = before.reported
            bufferAfter = after.reported
        case .reopened(let origin, let url, let byte):
            event = "reopened"
            self.origin = origin.index
            self.url = url
            self.byte = byte
        case .paused(let isPaused, let npt):
            event = isPaused ? "paused" : "resumed"
            self.npt = npt.reported
        case .sought(let npt):
            event = "sought"
            self.npt = npt.reported
        case .rateChanged(let rate):
            event = "rate-changed"
            self.text = rate.description
        case .answered(let answer):
            event = "control"
            (line, accepted, text) = (answer.line, answer.isAccepted, answer.text)
        case .gap(let gap):
            event = "gap"
            npt = gap.npt.reported
            duration = gap.duration.reported
        case .defect(let found, let url):
            event = found.kind.rawValue
            defect = Report.Defect(found)
            self.url = url
        case .warning(let text):
            event = "warning"
            self.text = text
        case .ended(let npt, let error):
            event = "ended"
            self.npt = npt?.reported
            let result = Report.Result(error)
            (outcome, exitStatus, message) = (result.outcome, result.exitStatus, result.message)
            attempts = result.attempts
        }
    }
}
