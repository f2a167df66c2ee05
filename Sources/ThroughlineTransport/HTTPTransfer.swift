internal import ThroughlineCore

/// What carries one request at a time and its answer, and keeps connections for the next: libcurl, or a stand-in that
/// speaks HTTP/1.1 in the memory of a world.
///
/// Redirects, ranges, retries and deadlines are the client's. Not `Sendable`; used by one thread at a time.
protocol HTTPTransfer: AnyObject {
    /// Where what arrives goes.
    var receiver: ResponseReceiver { get }
    /// How the transfer ended; nil while it lasts.
    var end: HTTPTransferEnd? { get }
    /// Whether the body is read from the socket itself, so that the connection cannot be used again.
    var readsSocket: Bool { get }
    /// A connection stands, and the request can go.
    var isConnected: Bool { get }
    var timings: TransportTimings { get }
    /// How the answer wants to be authenticated.
    var offers: HTTPAuthentication { get }

    /// Ends the transfer under way, and begins a request.
    func start(_ request: HTTPTransferRequest) throws(TransportError)
    /// Does what can be done without waiting.
    func perform()
    /// Takes what there is of the body without waiting.
    ///
    /// - Returns: the bytes that went into `destination`; more may be in the receiver's ring.
    func receive(into destination: UnsafeMutableRawBufferPointer) -> Int
    /// Sleeps until something arrives, the abort switch is tripped, there is work, or time is up.
    func sleep(atMost duration: Duration)
    /// Goes on receiving after the receiver's ring was full.
    func resume()
    /// The body is long, plain, and all that there is: it may be received in a way that costs the connection.
    func expectLongBody()
    /// Another switch ends its waits from now on; nil while nobody uses it.
    func belongs(to abort: AbortSwitch?)
    /// Ends the transfer. Its connection is kept only when the response has been received to its end.
    func remove()
    /// From the next request on, bodies that come coded are decoded.
    func setDecoding(_ decodes: Bool)
}

/// One request.
struct HTTPTransferRequest {
    /// Without user and password.
    var url: String
    /// Whom it is for.
    var host: (name: String, port: Int)
    /// What follows `bytes=` in `Range`.
    var range: String?
    /// Further header lines.
    var headerLines: [String]
    var user: String? = nil
    var password: String? = nil
    /// Schemes that may be used with them.
    var schemes: HTTPAuthentication
}

/// Schemes of HTTP authentication.
struct HTTPAuthentication: OptionSet, Hashable {
    let rawValue: UInt8

    static let basic = HTTPAuthentication(rawValue: 1)
    static let digest = HTTPAuthentication(rawValue: 2)
}

enum HTTPTransferEnd {
    case complete
    /// The body is coded in a way that could not be decoded.
    case undecodable(message: String)
    /// The receiver or a decoder took no more.
    case refused(message: String)
    /// - Parameter message: in plain words.
    case failed(TransportError.Code, message: String)
}

extension HTTPTransferEnd {
    var isComplete: Bool {
        if case .complete = self { true } else { false }
    }

    func isOfCoding(whileDecoding: Bool) -> Bool {
        switch self {
        case .undecodable: true
        case .refused: whileDecoding
        case .complete, .failed: false
        }
    }
}
