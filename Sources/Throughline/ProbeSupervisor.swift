internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineTransport

/// What stands behind an input when nothing is played: no failure is healed, each is the end of that input.
///
/// An `Ingest` made with it keeps `isOpening`, so that its input tells its failure and asks for nothing.
final class ProbeSupervisor: SourceSupervisor {
    private let origins: [Origin]
    private let bound: Duration

    /// - Parameter bound: how long an origin may be silent.
    init(_ origins: [Origin], bound: Duration) {
        self.origins = origins
        self.bound = bound
    }

    func broke(_ event: ChangeEvent, canResume: Bool) -> SourceAnswer { .close }
    func resumeFailed(_ failure: HandoffController.AttemptFailure, on origin: OriginID) -> SourceAnswer { .close }
    var hasAlternative: Bool { true }
    func resumed(on origin: OriginID, at byte: Int64, standby: Standby, evidence: String) {}
    func reopened(_ origin: OriginID, at byte: Int64) {}
    func aboutToWait() {}
    func origin(_ id: OriginID) -> Origin { origins[id.index] }
    // Their ingests are opened, and never played: nothing is watched.
    func mediaIsAwaited() {}
    func mediaArrived(isInBuffer: Bool) {}
    func nothingIsAwaited() {}
    var nextLook: Instant { .now + bound }
    func reasonToLeave() -> ChangeEvent? { nil }
    func flowEnded(_ flow: Int) {}
    func flowsRestarted() {}
    func playing(at rate: Rate) {}
    func openBound(for origin: OriginID) -> Duration { bound }
}

extension ByteIngest {
    /// An ingest that nothing stands behind: a failure is an error.
    ///
    /// - Parameter expected: the flows as they are known from another ingest; reading then begins somewhere else than at
    ///   the start.
    static func forProbing(
        _ origin: Origin, bound: Duration, abort: AbortSwitch, expected: [FlowFormat] = []
    ) throws(StreamError) -> ByteIngest {
        let supervisor = ProbeSupervisor([origin], bound: bound)
        do throws(IngestOpenError) {
            // The input refers to its supervisor strongly.
            var request = IngestRequest(origin: OriginID(0))
            request.expected = expected
            return try ByteIngest(request, supervisor: supervisor, abort: abort)
        } catch { throw StreamError(error, of: origin) }
    }
}

extension RTSPIngest {
    /// An ingest that nothing stands behind: a failure is an error.
    ///
    /// - Parameters:
    ///   - start: NPT to begin at.
    ///   - isExact: begin there, and not at the key frame before.
    static func forProbing(
        _ origin: Origin, bound: Duration, abort: AbortSwitch, transport: RTSPTransportChoice, start: NPT,
        isExact: Bool
    ) throws(StreamError) -> RTSPIngest {
        let supervisor = ProbeSupervisor([origin], bound: bound)
        do throws(IngestOpenError) {
            var request = IngestRequest(origin: OriginID(0))
            request.transport = transport
            request.start = start
            request.isExact = isExact
            return try RTSPIngest(request, supervisor: supervisor, abort: abort)
        } catch { throw StreamError(error, of: origin) }
    }
}

extension IngestKind {
    /// An ingest that nothing stands behind: a failure is an error.
    ///
    /// - Parameters:
    ///   - start: where it begins, of a kind that begins where it is opened.
    ///   - expected: the flows as they are known from another ingest.
    func openForProbing(
        _ origin: Origin, bound: Duration, abort: AbortSwitch, transport: RTSPTransportChoice, start: NPT,
        isExact: Bool = false, expected: [FlowFormat] = []
    ) throws(StreamError) -> any Ingest {
        switch self {
        case .bytes: try ByteIngest.forProbing(origin, bound: bound, abort: abort, expected: expected)
        case .rtsp:
            try RTSPIngest.forProbing(
                origin, bound: bound, abort: abort, transport: transport, start: start, isExact: isExact)
        }
    }
}

extension StreamError {
    /// Why an origin could not be opened, where there is no other to ask.
    fileprivate init(_ error: IngestOpenError, of origin: Origin) {
        let text = error.failure.text
        let url = redacted(origin.url)
        let message = text.contains(url) ? text : "\(url): \(text)"
        if case .refused(.notMedia, _) = error.failure {
            self.init(code: .notMedia, message: message)
        } else {
            self.init(code: error.isAborted ? .stopped : .noOriginUsable, message: message)
        }
    }
}
