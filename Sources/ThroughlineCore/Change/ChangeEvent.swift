/// A reason to leave an origin: what was seen, in a word for programs and a sentence for people.
public struct ChangeEvent: Hashable, Sendable {
    public enum Kind: String, Sendable {
        /// The origin can no longer deliver.
        case failure
        /// The origin is there and delivers nothing.
        case stall
        /// The origin says, or shows, that it has too much to do.
        case overload
        /// The stream or its control protocol announces a change.
        case indicator
        /// A person or the embedding program asked for it.
        case operatorRequest = "operator"
    }

    public let kind: Kind
    public let cause: Cause
    /// What was seen, for people: names the origin without its credentials.
    public let detail: String
    /// How long the origin asked to be left alone.
    public let retryAfter: Duration?
    /// Where the origin, or the operator, sends its clients: a URL.
    public let target: String?
    /// Where in the stream it takes effect; nil for at once.
    public let position: NPT?
    /// What carried it inside the stream.
    public let carrier: Indicator.Kind?

    public init(
        cause: Cause, detail: String, retryAfter: Duration? = nil, target: String? = nil, position: NPT? = nil,
        carrier: Indicator.Kind? = nil
    ) {
        self.kind = cause.kind
        self.cause = cause
        self.detail = detail
        self.retryAfter = retryAfter
        self.target = target
        self.position = position
        self.carrier = carrier
    }

    /// The sign that was seen. Raw values are stable: they appear in reports.
    public enum Cause: String, Sendable, CaseIterable {
        case refused, unreachable, dns, tls
        case connectTimedOut = "connect-timed-out"
        case reset
        case closedEarly = "closed-early"
        case httpStatus = "http-status"
        case rtspStatus = "rtsp-status"
        /// The server knows the session no longer (RTSP 454): it is to be set up again.
        case sessionLost = "session-lost"
        /// The UDP port of the server is closed.
        case portUnreachable = "port-unreachable"
        /// An RTSP server ended the session, or said goodbye in RTCP, before the end.
        case endedByServer = "ended-by-server"
        /// An RTSP server sends its clients elsewhere.
        case redirected
        /// An RTSP server tells of a fault of its own.
        case announced
        /// The stream itself says that it is to be left.
        case indicated
        case protocolError = "protocol-error"
        case redirectRefused = "redirect-refused"
        case rangeNotHonoured = "range-not-honoured"
        case silence
        case overloaded
        /// The same URL now holds other bytes than before.
        case objectChanged = "object-changed"
        /// The container broke: libavformat could not go on.
        case contentBroken = "content-broken"
        /// The bytes ended as promised, and the presentation had not.
        case endedShort = "ended-short"
        case notMedia = "not-media"
        case contentRefused = "content-refused"
        case operatorRequest = "operator"
        /// The preferred origin is well again.
        case failback
        case other

        /// What kind of event this is a sign of.
        public var kind: Kind {
            switch self {
            case .silence: .stall
            case .overloaded: .overload
            case .operatorRequest, .failback: .operatorRequest
            case .redirected, .announced, .endedByServer, .indicated: .indicator
            default: .failure
            }
        }

        /// A connection broke under an origin that may be well: it is worth asking the same origin at once.
        package var isBrokenConnection: Bool { self == .reset || self == .closedEarly || self == .sessionLost }

        /// The origin's content, not its delivery, is at fault: asking again gives the same.
        package var isContentFault: Bool {
            switch self {
            case .contentBroken, .endedShort, .notMedia, .contentRefused: true
            default: false
            }
        }
    }
}
