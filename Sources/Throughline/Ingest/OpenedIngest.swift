internal import ThroughlineCore
internal import ThroughlineTransport

/// An ingest that was opened on a thread of its own, and is not played yet: so that another origin can be asked beside one
/// that is slow, and what is to be left plays on meanwhile.
struct OpenedIngest {
    let runner: Runner
    /// How long the origin took to be opened; zero for a hot standby.
    let opening: Duration
    private let supervisor: StandbySupervisor?

    /// Opens an origin, on the calling thread.
    ///
    /// - Parameters:
    ///   - session: stands behind it once it is played.
    ///   - bound: how long the origin may be silent; nil for what is left of the buffer.
    ///   - abort: ends the ingest, and nothing else.
    init(
        _ request: IngestRequest, _ kind: IngestKind, _ session: any SourceSupervisor, bound: Duration?,
        abort: AbortSwitch
    ) throws(IngestOpenError) {
        let asked = Instant.now
        let relay = RunnerRelay(session)
        let supervisor = StandbySupervisor(relay, bound: bound)
        let ingest = try kind.open(request, supervisor: supervisor, abort: abort)
        runner = Runner(ingest, relay: relay, abort: abort, isPaced: request.isPaced)
        self.supervisor = supervisor
        opening = .now - asked
    }

    /// A hot standby, which was opened before and delivers.
    init(_ hot: HotIngest, isPaced: Bool) {
        runner = Runner(hot, relay: hot.relay, abort: hot.abort, isPaced: isPaced)
        supervisor = nil
        opening = .zero
    }

    /// The stream goes on with this ingest. On the session's thread, which has it from here on.
    func play() {
        supervisor?.handOver()
        runner.still.opened()
    }
}

/// An ingest that is to go on from what was received, and where it does so: both are found on a thread of its own.
struct JoiningIngest {
    enum Failure: Error {
        case opening(IngestOpenError)
        case search(SpliceSearch.Failure)
    }

    let opened: OpenedIngest
    /// How long the place was looked for.
    let searching: Duration
    let plan: SplicePlan
    private let search: SpliceSearch

    /// Begins to open an ingest, and to look for its place.
    ///
    /// - Parameters:
    ///   - open: called on the thread.
    ///   - buffer: holds what was received.
    ///   - abort: ends the ingest.
    static func begin(
        _ open: @escaping () throws(IngestOpenError) -> OpenedIngest, _ reference: SpliceReference,
        in buffer: PlayoutBuffer, _ terms: SpliceSearch.Terms, abort: AbortSwitch
    ) -> Trial<JoiningIngest, Failure> {
        let trial = Trial<JoiningIngest, Failure>(abort: abort)
        trial.begin(name: "tl-join") { () throws(Failure) in
            let opened: OpenedIngest
            do throws(IngestOpenError) { opened = try open() } catch { throw .opening(error) }
            let search = SpliceSearch(opened.runner.still, reference, in: buffer, terms)
            return try JoiningIngest(opened, search) { () throws(SpliceSearch.Failure) in
                try search.run()
            }
        }
        return trial
    }

    /// Begins to look for the place once more: so much was received during the search that the plan is stale.
    func again(_ reference: SpliceReference) -> Trial<JoiningIngest, Failure> {
        let trial = Trial<JoiningIngest, Failure>(abort: opened.runner.abort)
        trial.begin(name: "tl-join") { [self] () throws(Failure) in
            try JoiningIngest(opened, search, before: searching) { () throws(SpliceSearch.Failure) in
                try search.again(reference)
            }
        }
        return trial
    }

    private init(
        _ opened: OpenedIngest, _ search: SpliceSearch, before: Duration = .zero,
        _ find: () throws(SpliceSearch.Failure) -> SplicePlan
    ) throws(Failure) {
        self.opened = opened
        self.search = search
        let began = Instant.now
        do throws(SpliceSearch.Failure) { plan = try find() } catch { throw .search(error) }
        searching = before + (Instant.now - began)
    }
}
