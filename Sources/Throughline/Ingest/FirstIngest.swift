internal import ThroughlineCore
internal import ThroughlineTransport

/// An ingest that the stream may begin with.
///
/// It is opened on a thread of its own, so that another origin can be asked beside one that is slow.
struct FirstIngest {
    let ingest: any Ingest
    private let supervisor: StandbySupervisor

    /// Begins to open an origin.
    ///
    /// - Parameters:
    ///   - session: whose the ingest will be.
    ///   - abort: ends the ingest, and whatever was begun with it.
    static func open(
        _ request: IngestRequest, _ kind: IngestKind, of session: Session, abort: AbortSwitch
    ) -> Trial<FirstIngest, IngestOpenError> {
        let supervisor = StandbySupervisor(session, bound: session.openBound(for: request.origin))
        let abort = AbortSwitch(parent: abort)
        let trial = Trial<FirstIngest, IngestOpenError>(abort: abort)
        trial.begin(name: "tl-open") { () throws(IngestOpenError) in
            FirstIngest(ingest: try kind.open(request, supervisor: supervisor, abort: abort), supervisor: supervisor)
        }
        return trial
    }

    /// The stream begins with it.
    func play() {
        supervisor.handOver()
        ingest.opened()
    }
}
