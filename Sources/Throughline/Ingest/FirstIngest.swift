internal import ThroughlineCore
internal import ThroughlineTransport

/// An ingest that the stream may begin with.
///
/// It is opened on a thread of its own, so that another origin can be asked beside one that is slow.
struct FirstIngest {
    let runner: Runner
    private let supervisor: StandbySupervisor

    /// Begins to open an origin.
    ///
    /// - Parameters:
    ///   - session: whose the ingest will be.
    ///   - abort: ends the ingest, and whatever was begun with it.
    static func open(
        _ request: IngestRequest, _ kind: IngestKind, of session: Session, abort: AbortSwitch
    ) -> Trial<FirstIngest, IngestOpenError> {
        let relay = RunnerRelay(session)
        let supervisor = StandbySupervisor(relay, bound: session.openBound(for: request.origin))
        let isPaced = request.isPaced
        let abort = AbortSwitch(parent: abort)
        let trial = Trial<FirstIngest, IngestOpenError>(abort: abort)
        trial.begin(name: "tl-open") { () throws(IngestOpenError) in
            let ingest = try kind.open(request, supervisor: supervisor, abort: abort)
            return FirstIngest(
                runner: Runner(ingest, relay: relay, abort: abort, isPaced: isPaced), supervisor: supervisor)
        }
        return trial
    }

    /// The stream begins with it.
    func play() {
        supervisor.handOver()
        runner.still.opened()
    }
}
