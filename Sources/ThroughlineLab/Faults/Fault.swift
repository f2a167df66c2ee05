public import ThroughlineCore

/// What goes wrong at a lab origin, when, and for how long.
///
///     Fault(.reset, .atByte(100_000))                                      // dies there, for good
///     Fault(.stall, .at(.seconds(2)), recovery: .after(.seconds(5)))       // five seconds of silence
///     Fault(.status(503, retryAfter: .seconds(3)), .atNPT(.seconds(4)))    // overloaded from there on
///     try Fault(parsing: "reset@50%,once")                                 // the same as text
///
/// **Several faults at one origin** wait for their triggers independently of each other. A fault without a trigger
/// follows the one before it in the list: once that one has struck (recovery `never`), has had its one victim
/// (`once`), or is over (`after`). `[reset@50%, refuse]` is an origin that resets and then refuses; `[reset@50%,once,
/// status=404]` one that resets and then has lost the file.
///
/// An ``RTSPOrigin`` understands them of its sessions: a PLAY is what a response is here, and it says itself what its
/// bytes are.
///
/// **Which responses a place hits.** A byte, a percentage and an NPT are places in the file. Such a fault strikes when
/// its byte is due to be sent: every byte before it has been handed to the kernel, and itself is not sent. A response
/// that begins behind the place does not set it off (a player that first reads the index at the end of an MP4 file is
/// spared), but once it has struck, and while it lasts, everything from the place on is affected in every response.
/// Places count what the origin sends, not what a player has consumed; with ``Pacing`` the two stay close.
public struct Fault: Sendable, Hashable {
    /// What goes wrong.
    public enum Kind: Sendable, Hashable {
        /// The connection is reset (RST) in the middle of the body.
        ///
        /// At a place, the reset waits until the peer's kernel has acknowledged every byte before it, so that exactly
        /// those can be read before the error. At a time, it is sent at once and takes unsent bytes with it. Later
        /// responses, while the fault lasts, get their head and no byte from the place on.
        case reset
        /// The connection is closed properly (FIN) in the middle of the body, short of the promised length.
        case close
        /// The listening socket is closed: the kernel refuses connections. Open connections are left alone. The port
        /// stays reserved. `once` counts as `never`: nobody sees whom the kernel refuses.
        case refuse
        /// The connection stays open, and no more bytes come. Up to 256 KiB that were already under way when a time
        /// came still arrive; at a place, nothing after it.
        case stall
        /// Connections are accepted and requests read, and never answered. Responses in progress go on.
        case silent
        /// No more than this many body bytes per second, in steps of about 10 ms: for each connection, or for all of them
        /// together where the pace of the origin is shared (``Pacing/isShared``).
        case throttle(bytesPerSecond: Int)
        /// Every byte is late by this much: the head of each response is held back that long after its request, the
        /// body follows the head at once (as a longer way there and back would do). A response in progress pauses once.
        case delay(Duration)
        /// The file is a truncated copy: heads announce a length that ends at the place, and HTTP is satisfied.
        ///
        /// Requests behind the end are answered 416. Where the head has already promised more (the fault came at a
        /// time, or was injected in mid-response), the connection is closed as with ``close``, and later heads announce
        /// the furthest byte sent until then as the length.
        case short
        /// One byte in each 1000 has all its bits flipped: the byte at the place and each thousandth after it; without
        /// a place, each byte whose offset is a multiple of 1000.
        case corrupt
        /// New requests are answered with this HTTP status (400...599), with `Retry-After` in whole seconds if given.
        /// Responses in progress go on.
        case status(Int, retryAfter: Duration? = nil)
        /// What only an ``RTSPOrigin`` can do.
        case rtsp(RTSPFault)
    }

    /// When it goes wrong.
    public enum Trigger: Sendable, Hashable {
        /// At once; in a list of faults, after the one before.
        case immediately
        /// With the request that follows this many others.
        case afterRequests(Int)
        /// This long after the origin sent its first byte of any body.
        case at(Duration)
        /// When this byte of the file is due, counted from 0.
        case atByte(Int64)
        /// When the byte at this percentage of the file's length (rounded down) is due.
        case atPercent(Double)
        /// When the byte for this NPT is due, as ``ServedFile/byteOffset(of:size:)`` tells.
        case atNPT(NPT)
    }

    /// How it ends.
    public enum Recovery: Sendable, Hashable {
        /// It does not.
        case never
        /// It hits a single response or request; the origin is healthy for all others.
        case once
        /// This long after it has struck. Stalled responses go on, silent ones are answered, the port listens again.
        case after(Duration)
    }

    /// What goes wrong.
    public var kind: Kind
    /// When it goes wrong.
    public var trigger: Trigger
    /// How it ends.
    public var recovery: Recovery
    /// The only path affected; `nil` for all. Of no meaning for ``Kind/refuse``.
    public var path: String?
    /// The only method of RTSP affected, in upper case, such as `PLAY`; `nil` for all. It is for faults that meet
    /// requests; ``Kind/reset`` and ``Kind/close`` meet them when they have a method.
    public var method: String?

    /// - Parameters:
    ///   - kind: what goes wrong.
    ///   - trigger: when; at once by default.
    ///   - recovery: how it ends; never by default.
    ///   - path: the only URL path affected, such as `/film.mp4`; all by default.
    ///   - method: the only method affected, such as `PLAY`; all by default.
    public init(
        _ kind: Kind, _ trigger: Trigger = .immediately, recovery: Recovery = .never, path: String? = nil,
        method: String? = nil
    ) {
        self.kind = kind
        self.trigger = trigger
        self.recovery = recovery
        self.path = path
        self.method = method
    }
}

extension Fault {
    /// Whether an origin for HTTP can do it.
    package var isForHTTP: Bool {
        if case .rtsp = kind { return false }
        return method == nil
    }

    /// Whether it acts when a request arrives: by its nature, or because it is bound to a method.
    var meetsRequests: Bool { kind.meetsRequests || method != nil }
}

extension Fault.Kind {
    /// Whether it acts when a request arrives rather than on the bytes of a response.
    var meetsRequests: Bool {
        switch self {
        case .silent, .status: true
        case .rtsp(let fault): fault.concern == .requests
        default: false
        }
    }

    /// Whether a response that it hits is over.
    var endsResponses: Bool {
        switch self {
        case .reset, .close, .short: true
        default: false
        }
    }
}

extension Fault.Trigger {
    /// Whether it is a place in the file.
    var isPlace: Bool {
        switch self {
        case .atByte, .atPercent, .atNPT: true
        case .immediately, .afterRequests, .at: false
        }
    }
}
