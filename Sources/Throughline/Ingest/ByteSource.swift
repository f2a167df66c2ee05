internal import ThroughlineCore
internal import ThroughlineTransport

/// What an origin says of the object that is about to be read.
struct SourceHead {
    /// Length of the whole object in bytes, where it is known.
    var length: Int64?
    /// Whether reading can begin anywhere.
    var isSeekable: Bool
    var contentType: String?
    /// A strong validator: the same object has the same one at the same origin (RFC 9110 section 8.8.1).
    var validator: String?
}

/// One connection with one origin: bytes in order, from where it was opened. Used on one thread at a time.
protocol ByteSource: AnyObject {
    /// Begins to read at an offset; replaces what was being read.
    ///
    /// - Parameter end: where to stop; nil reads to the end of the object.
    func open(at offset: Int64, until end: Int64?, deadline: Instant) throws(TransportError) -> SourceHead
    /// At least one byte; 0 at the true end. Before it sleeps, `beforeBlocking` gives the deadline that holds from then
    /// on.
    func read(
        into buffer: UnsafeMutableRawBufferPointer, deadline: Instant, beforeBlocking: (() -> Instant)?
    ) throws(TransportError) -> Int
    func close()
}

/// A source that can tell what is there already from what must be waited for.
protocol PollableSource: ByteSource {
    /// Reads as `read` does, but returns nil where that would wait.
    func readAvailable(into buffer: UnsafeMutableRawBufferPointer) throws(TransportError) -> Int?
}

/// Opens the source that a URL asks for.
///
/// - Parameter prefetches: receive bytes on another thread while those before them are worked on.
func makeSource(
    for origin: Origin, abort: AbortSwitch, prefetches: Bool = false
) throws(TransportError) -> any ByteSource {
    if let address = LocalAddress(origin.url) { return FileSource(address, abort: abort) }
    let source = try HTTPSource(origin: origin, abort: abort)
    return prefetches ? PrefetchingSource(source, abort: abort) : source
}

/// An object over HTTP or HTTPS.
final class HTTPSource: PollableSource {
    private let client: HTTPClient

    init(origin: Origin, abort: AbortSwitch) throws(TransportError) {
        var options = HTTPRequestOptions()
        options.headers = origin.headers.map { HTTPRequestOptions.Header(name: $0.name, value: $0.value) }
        if let token = origin.bearerToken { options.credentials = .bearer(token: token) }
        options.caFile = origin.certificateAuthorities
        options.redirectsMayLeaveHost = origin.redirectsMayLeaveHost
        options.pool = origin.connections.pool
        client = try HTTPClient(url: origin.url, options: options, abort: abort)
    }

    func open(at offset: Int64, until end: Int64?, deadline: Instant) throws(TransportError) -> SourceHead {
        let head = try client.open(at: offset, until: end, deadline: deadline)
        return SourceHead(
            length: head.totalLength, isSeekable: head.status == 206 || (head.acceptsRanges && head.totalLength != nil),
            contentType: head.contentType, validator: head.etag.flatMap { $0.hasPrefix("W/") ? nil : $0 })
    }

    func read(
        into buffer: UnsafeMutableRawBufferPointer, deadline: Instant, beforeBlocking: (() -> Instant)?
    ) throws(TransportError) -> Int {
        try client.read(into: buffer, deadline: deadline, beforeBlocking: beforeBlocking)
    }

    func readAvailable(into buffer: UnsafeMutableRawBufferPointer) throws(TransportError) -> Int? {
        try client.readAvailable(into: buffer)
    }

    func close() { client.close() }
}

extension ChangeEvent {
    /// The change event that a failure of the transport is.
    init(_ error: TransportError) {
        let cause: Cause =
            switch error.code {
            case .refused: .refused
            case .unreachable: .unreachable
            case .dns: .dns
            case .tls: .tls
            case .connectTimedOut: .connectTimedOut
            case .timedOut: .silence
            case .reset: .reset
            case .closedEarly: .closedEarly
            case .httpStatus(429), .httpStatus(503): .overloaded
            case .httpStatus: .httpStatus
            case .redirectRefused, .tooManyRedirects: .redirectRefused
            case .rangeNotHonoured: .rangeNotHonoured
            case .objectChanged: .objectChanged
            case .protocolError: .protocolError
            default: .other
            }
        self.init(cause: cause, detail: error.message, retryAfter: error.retryAfter)
    }
}
