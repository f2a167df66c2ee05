internal import NIOCore
internal import NIOPosix
public import ThroughlineCore

/// An origin that serves files over RTSP 1.0 on loopback, and fails on command.
///
///     let origin = try await RTSPOrigin.start(
///         serving: ["/film.mp4": "/tmp/film.mp4"], faults: [Fault(parsing: "stall@npt=4")])
///     play(origin.url(for: "/film.mp4"))
///     origin.inject(Fault(.rtsp(.bye)))
///     try await origin.stop()
///
/// It answers OPTIONS, DESCRIBE, SETUP (interleaved, or UDP to one client), PLAY, PAUSE, TEARDOWN, GET_PARAMETER and
/// SET_PARAMETER (RFC 2326), for the whole presentation and for single flows. H.264, HEVC, AAC, Opus and MPEG audio go
/// over RTP; other flows are left out. What goes wrong with it is said by ``Fault`` and ``RTSPFault``.
///
/// PLAY begins with the key frame at or before the NPT asked for, or with `Seek-Style: RAP` at that very NPT, where the
/// pictures from the key frame on come at once; the other flows begin with what is sounding then. `Range` and `RTP-Info` of the answer are exact. Timestamps are presentation
/// times, and go on over seeks and pauses (appendix B). `Scale` plays everything faster or slower, and backwards the key
/// frames alone; `Speed` delivers faster. Each flow has sender reports, and a BYE at its end.
///
/// **Places.** A byte counts the RTP packets of the whole presentation in the order of delivery, headers included, from
/// the first; a percentage is one of all those bytes; an NPT is the first packet in that order that stands there or
/// behind. A connection that is reset or closed at a byte within a packet breaks off within the interleaved frame.
///
/// **Faults here.** `stall` stops the media, and requests are answered still; with `silent` behind it nothing comes
/// at all. `short` is a presentation that ends at the place, with BYE. `throttle` counts bytes of RTP.
///
/// Files are read to memory at the start (at most 1 GiB each). All origins of a process share one thread. An origin
/// lives until `stop()`, or until nobody refers to it any more. `inject`, `heal`, `kill` and `revive` may be called from
/// any thread; what they do has been done when they return. `onEvent` runs on the origin's thread and must not call back.
public final class RTSPOrigin: Sendable {
    /// A way of delivery.
    public enum Transport: String, Sendable, Hashable, CaseIterable { case tcp, udp }

    /// How an origin serves, apart from its faults.
    public struct Options: Sendable {
        /// The numeric address to listen on. Nothing but loopback unless said here.
        public var host = "127.0.0.1"
        /// The port to listen on; 0 lets the system choose.
        public var port = 0
        /// What a client may have; others are answered 461.
        public var transports = Set(Transport.allCases)
        /// How long a session lives without a request or RTCP of its client; whole seconds are told to it.
        public var timeout: Duration = .seconds(60)
        /// How much faster than it is shown everything is delivered; positive.
        public var pace = Rate.normal
        /// Further encodes of a path, by paths in the file system: with the same flows, at other rates. A PLAY with
        /// `Bandwidth` (RFC 2326 section 12.6) gets the richest that it has room for, else the poorest, and the answer
        /// says what that has, in bits of payload a second of media. Without `Bandwidth` it is the first file.
        public var encodes: [String: [String]] = [:]
        /// What is written into the pictures of the files: `sei` alone goes over RTSP.
        public var indicators: [InsertedIndicator] = []
        /// How far the delivery is ahead of its time; that much comes at once.
        public var lead: Duration = .milliseconds(50)
        /// From one sender report of a flow to the next; the first comes with the first packets.
        public var reportInterval: Duration = .seconds(5)
        /// Whether the description has the parameter sets of pictures; where it has not, they come in band if the file has
        /// them there, as transport streams do.
        public var describesParameterSets = true
        /// Who may watch; nil for everyone.
        public var credentials: RTSPCredentials?
        /// For numbers that a server makes up, and for faults of chance; nil for others each time.
        public var seed: UInt64?
        /// How many requests ``RTSPOrigin/log`` remembers, the latest; at least 1.
        public var logCapacity = 1000
        /// Told of everything that happens, on the origin's thread: it must be quick, and must not call the origin.
        public var onEvent: (@Sendable (OriginEvent) -> Void)?

        public init() {}
    }

    /// The port it listens on, also while it does not.
    public let port: Int
    private let core: RTSPCore

    private init(core: RTSPCore, port: Int) {
        self.core = core
        self.port = port
    }

    deinit {
        let core = core
        core.loop.execute { core.shutDown() }
    }

    /// Starts an origin, which listens when this returns.
    ///
    /// - Parameters:
    ///   - files: from path in the URL, with its leading slash, to path in the file system.
    ///   - faults: what goes wrong, and when.
    ///   - options: how it serves.
    /// - Throws: ``OriginError`` when a file cannot be served, the host is no numeric address, or the port cannot be had.
    public static func start(
        serving files: [String: String], faults: [Fault] = [], options: Options = Options()
    ) async throws -> RTSPOrigin {
        let core = try await WorkerThread.run(name: "tl-lab-read") {
            try makeCore(files, faults, options, SharedThread.whereabouts)
        }
        let port = try await core.loop.flatSubmit { core.start() }.get()
        return RTSPOrigin(core: core, port: port)
    }

    /// Starts one in a world; called on a thread of it.
    static func start(
        serving files: [String: String], faults: [Fault], options: Options, whereabouts: Whereabouts
    ) throws -> RTSPOrigin {
        let core = try makeCore(files, faults, options, whereabouts)
        return RTSPOrigin(core: core, port: try core.startSynchronously())
    }

    /// Reads the files.
    private static func makeCore(
        _ files: [String: String], _ faults: [Fault], _ options: Options, _ whereabouts: Whereabouts
    ) throws -> RTSPCore {
        let first = try files.mapValues { try Programme(path: $0, inserting: options.indicators) }
        let others = try options.encodes.mapValues {
            try $0.map { try Programme(path: $0, inserting: options.indicators) }
        }
        for (path, encodes) in others {
            guard let flows = first[path]?.flows else { continue }
            for encode in encodes where encode.flows.map(\.clock) != flows.map(\.clock) {
                throw OriginError(description: "the encodes of \(path) differ in their flows")
            }
        }
        return RTSPCore(
            programmes: first, encodes: others, faults: faults, options: options, whereabouts: whereabouts)
    }

    /// The URL of a path.
    public func url(for path: String) -> String { core.url(of: (path.hasPrefix("/") ? "" : "/") + path, port: port) }

    /// How long a presentation lasts.
    public func duration(of path: String) -> MediaTime? { core.programmes[path]?.duration }

    /// Adds a fault. Its trigger counts from now for requests, and as ever for times and places; `immediately` is now.
    public func inject(_ fault: Fault) {
        core.synchronously { core in
            core.schedule.inject(fault, at: .now)
            core.settle(always: true)
        }
    }

    /// Ends every fault, whether or not it has struck. An origin that was killed stays so.
    public func heal() {
        core.synchronously { core in
            core.schedule.end()
            core.settle(always: true)
        }
    }

    /// Dies as a process does that is killed, with a reset for every connection; the port is closed, and stays reserved.
    public func kill() { core.synchronously { $0.kill() } }

    /// Listens again at the same port, after `kill` or a `refuse` fault, which ends. Does nothing when it listens.
    ///
    /// - Throws: ``OriginError`` when the port cannot be had, or the origin was stopped.
    public func revive() async throws {
        let core = core
        try await core.loop.flatSubmit { core.revive() }.get()
    }

    /// Well again, whatever was wrong with it: as `heal`, and as `revive` without waiting for the port.
    package func restore() { core.restore() }

    /// Resets every connection, closes the port and gives it back. The log can still be read. May be called twice.
    public func stop() async throws {
        let core = core
        try await core.loop.submit { core.shutDown() }.get()
    }

    /// The latest requests in the order of their arrival, those in progress included.
    public var log: [RequestRecord] { core.log.withLock { $0.records } }
}
