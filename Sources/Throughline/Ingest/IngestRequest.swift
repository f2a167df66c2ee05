internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineTransport

/// What an ingest is opened with. What does not concern the kind of its origin is not looked at.
struct IngestRequest {
    var origin: OriginID
    /// Where it begins, of a kind that begins where it is opened.
    var start: NPT = .zero
    /// Begin there, and not at the key frame before.
    var isExact = false
    var rate = Rate.normal
    /// Bits per second that the origin is to keep to; nil for whatever it likes.
    var bandwidth: Int64?
    var transport = RTSPTransportChoice.auto
    /// A session with the origin that was set up ahead.
    var prepared: RTSPOpening.Opened?
    /// It is played as it comes due, and not as fast as can be.
    var isPaced = false
    /// The flows as they are known from another ingest: reading begins somewhere else than at the start.
    var expected: [FlowFormat] = []
    /// Reading may begin somewhere else, though nothing is known yet.
    var beginsElsewhere = false
    /// Gets to see what is announced.
    var watch: ChangeWatch?

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
