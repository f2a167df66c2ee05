internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineTransport

/// How an ingest is to be opened. Each kind of origin reads the fields that concern it, and no others.
struct IngestRequest {
    var origin: OriginID
    /// NPT at which the ingest begins; read by kinds with `beginsWhereOpened`.
    var start: NPT = .zero
    /// Begin exactly at `start`, and not at the key frame before it.
    var isExact = false
    var rate = Rate.normal
    /// Bits per second that the origin is to keep to; nil for whatever it likes.
    var bandwidth: Int64?
    var transport = RTSPTransportChoice.auto
    /// A session with the origin that was set up ahead.
    var prepared: RTSPOpening.Opened?
    /// Media is presented when it is due; otherwise as fast as it can be had, which is worth reading ahead for.
    var isPaced = false
    /// The flows as they are known from another ingest: reading begins somewhere else than at the start.
    var expected: [FlowFormat] = []
    /// The first read may come after a seek: an index is fetched when the ingest is opened.
    var beginsElsewhere = false
    /// Looks at bytes, packets and messages for changes that are announced; nil for nobody.
    var watch: ChangeWatch?
    /// How long the viewer has something to see; nil where nobody watches.
    var reserve: PlayoutReserve?

    init(origin: OriginID) { self.origin = origin }
}

extension IngestKind {
    /// Opens an origin of this kind.
    ///
    /// - Throws: the reason why it cannot be played, as the handoff controller takes it.
    func open(
        _ request: IngestRequest, supervisor: any SourceSupervisor, abort: AbortSwitch
    ) throws(IngestOpenError) -> any Ingest {
        switch self {
        case .bytes: try ByteIngest(request, supervisor: supervisor, abort: abort)
        case .rtsp: try RTSPIngest(request, supervisor: supervisor, abort: abort)
        }
    }
}
