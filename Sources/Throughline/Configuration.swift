public import ThroughlineCore
internal import ThroughlineMedia

/// A server that can deliver the stream.
public struct Origin: Sendable, Hashable {
    /// `http:`, `https:`, `rtsp:`, `rtsps:`, `rtspt:` (RTSP over TCP), `rtspu:` (over UDP) or `file:` URL, or a path; `-` is
    /// standard input. A pipe, a device or a socket is read once, from where it stands, and not sought in.
    public var url: String
    /// Lower is asked first.
    public var priority: Int
    /// Among origins of the same priority, the greater is asked first.
    public var weight: Int
    /// Further header fields of requests, sent to the origin's own host only.
    public var headers: [Header]
    /// Sent as `Authorization: Bearer`. A user and a password are part of the URL.
    public var bearerToken: String?
    /// Certificate authorities to trust in place of the system's: path of a PEM file.
    public var certificateAuthorities: String?
    /// Lets redirects lead to other hosts.
    public var redirectsMayLeaveHost: Bool
    /// Connections, and cookies that this origin has set since the stream was opened; sent to it alone.
    var connections = OriginConnections()

    /// A header field.
    public struct Header: Sendable, Hashable {
        public var name: String
        public var value: String
        public init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    public init(
        url: String, priority: Int = 0, weight: Int = 1, headers: [Header] = [], bearerToken: String? = nil,
        certificateAuthorities: String? = nil, redirectsMayLeaveHost: Bool = false
    ) {
        self.url = url
        self.priority = priority
        self.weight = weight
        self.headers = headers
        self.bearerToken = bearerToken
        self.certificateAuthorities = certificateAuthorities
        self.redirectsMayLeaveHost = redirectsMayLeaveHost
    }
}

/// What to play, from where, and how patiently.
public struct Configuration: Sendable {
    /// How fast packets are handed to the outputs.
    public enum Pacing: Sendable {
        /// When they are due.
        case realtime
        /// As fast as the origin delivers and the outputs take them.
        case fast
    }

    /// At least one. The first of the lowest priority is asked first.
    public var origins: [Origin]
    /// NPT to begin at, not negative: the last key frame at or before it.
    public var from: NPT = .zero
    /// NPT to end at, behind `from`; nil plays to the end.
    public var to: NPT?
    public var pacing = Pacing.realtime
    public var flows = FlowSelection.all
    /// Media that is received ahead of what is due. 0.1 to 60 s.
    public var buffer: Duration = .seconds(2)
    /// Bytes that the buffer holds at the most, whatever their duration; one batch of packets more. At least 64 KiB.
    public var bufferByteLimit = 64 << 20
    /// Silence of an origin that is borne where no buffer hides it; with media in the buffer, silence is borne until
    /// what is left is needed for a handoff. 50 ms to an hour.
    public var silenceBound: Duration = .seconds(1)
    /// How long one origin may take to answer; at the start, the next is asked beside one that has not within half a second.
    /// 50 ms to an hour.
    public var openBound: Duration = .seconds(5)
    /// How long to go on trying without receiving anything new. 0 to 365 days.
    public var giveUpAfter: Duration = .seconds(30)
    /// How RTSP origins are to carry the media.
    public var rtspTransport = RTSPTransportChoice.auto

    /// What is made of changes that the stream announces inside itself.
    public var indicators = IndicatorPolicy()

    /// Whether to go back to the preferred origin, the first of the lowest priority, once it is well again.
    public var failback = Failback.next
    /// How ready the next origin is kept.
    public var standby = Standby.cold

    public init(origins: [Origin]) { self.origins = origins }
}
