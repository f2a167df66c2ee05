internal import NIOCore
internal import NIOPosix
public import ThroughlineCore

/// An origin that serves files over HTTP/1.1 on loopback, and fails on command.
///
///     let origin = try await HTTPOrigin.start(
///         serving: ["/film.mp4": "/tmp/film.mp4"], faults: [Fault(parsing: "reset@50%"), Fault(parsing: "refuse")])
///     play(origin.url(for: "/film.mp4"))
///     origin.inject(Fault(.stall))
///     try await origin.stop()
///
/// It answers `GET` and `HEAD`, single ranges (416 behind the end), `If-Range`, keeps connections alive, and sends the
/// right `Content-Type`, `ETag`, `Last-Modified` and `Accept-Ranges`. What goes wrong with it is said by ``Fault``.
///
/// All origins of a process share one thread, which never waits for a client: each connection holds at most one piece
/// (256 KiB) that its kernel has not taken. An origin lives until `stop()`, or until nobody refers to it any more.
///
/// `inject`, `heal`, `kill` and `revive` may be called from any thread; what they do has been done when they return.
/// `onEvent` and `nptIndex` run on the origin's thread and must not call back.
public final class HTTPOrigin: Sendable {
    /// How an origin serves, apart from its faults.
    public struct Options: Sendable {
        /// The numeric address to listen on. Nothing but loopback unless said here.
        public var host = "127.0.0.1"
        /// The port to listen on; 0 lets the system choose.
        public var port = 0
        /// How fast each connection is served at most; `nil` for as fast as it takes.
        public var pacing: Pacing?
        /// How many requests are answered at once; more get 503. `nil` for any number.
        public var requestLimit: Int?
        /// Whether ranges are honoured. If not, every answer is 200 and everything, with `Accept-Ranges: none`.
        public var servesRanges = true
        /// Says that it serves ranges though it does not, and answers with the whole object.
        public var promisesRanges = false
        /// How many requests ``HTTPOrigin/log`` remembers, the latest; at least 1.
        public var logCapacity = 1000
        /// Told of everything that happens, on the origin's thread: it must be quick, and must not call the origin.
        public var onEvent: (@Sendable (OriginEvent) -> Void)?

        public init() {}
    }

    /// The port it listens on, also while it does not.
    public let port: Int
    private let host: String
    private let core: HTTPCore

    private init(core: HTTPCore, host: String, port: Int) {
        self.core = core
        self.host = host
        self.port = port
    }

    deinit {
        let core = core
        core.loop.execute { core.shutDown() }
    }

    /// Starts an origin, which listens when this returns.
    ///
    /// - Parameters:
    ///   - files: what is served, by path (with its leading slash, without a query).
    ///   - faults: what goes wrong, and when.
    ///   - options: how it serves.
    /// - Throws: ``OriginError`` when the host is no numeric address, the port cannot be had, or a fault is for RTSP.
    public static func start(
        serving files: [String: ServedFile], faults: [Fault] = [], options: Options = Options()
    ) async throws -> HTTPOrigin {
        let core = try makeCore(files, faults, options, SharedThread.whereabouts)
        let port = try await core.loop.flatSubmit { core.start() }.get()
        return HTTPOrigin(core: core, host: options.host, port: port)
    }

    /// Starts one in a world; called on a thread of it.
    static func start(
        serving files: [String: ServedFile], faults: [Fault], options: Options, whereabouts: Whereabouts
    ) throws -> HTTPOrigin {
        let core = try makeCore(files, faults, options, whereabouts)
        return HTTPOrigin(core: core, host: options.host, port: try core.startSynchronously())
    }

    private static func makeCore(
        _ files: [String: ServedFile], _ faults: [Fault], _ options: Options, _ whereabouts: Whereabouts
    ) throws(OriginError) -> HTTPCore {
        if let fault = faults.first(where: { !$0.isForHTTP }) {
            throw OriginError(description: "\(fault) is for an origin that speaks RTSP")
        }
        return HTTPCore(files: files, faults: faults, options: options, whereabouts: whereabouts)
    }

    /// Starts an origin that serves files of the file system.
    ///
    /// - Parameters:
    ///   - files: from path in the URL to path in the file system.
    ///   - host: the numeric address to listen on.
    ///   - port: the port to listen on; 0 lets the system choose.
    ///   - faults: what goes wrong, and when.
    ///   - pace: how fast each connection is served at most.
    ///   - duration: the length of the presentation, for triggers at an NPT where there is no `nptIndex`.
    ///   - nptIndex: the byte at which the media for an NPT begins, in each of the files.
    /// - Throws: ``OriginError`` when the host is no numeric address or the port cannot be had.
    public static func start(
        serving files: [String: String], host: String = "127.0.0.1", port: Int = 0, faults: [Fault] = [],
        pace: Pacing? = nil, duration: MediaTime? = nil, nptIndex: (@Sendable (NPT) -> Int64?)? = nil
    ) async throws -> HTTPOrigin {
        var options = Options()
        options.host = host
        options.port = port
        options.pacing = pace
        let served = files.mapValues { path in
            var file = ServedFile(path: path)
            file.duration = duration
            file.nptIndex = nptIndex
            return file
        }
        return try await start(serving: served, faults: faults, options: options)
    }

    /// The URL of a path.
    public func url(for path: String) -> String {
        let host = host.contains(":") ? "[\(host)]" : host
        return "http://\(host):\(port)\(path.hasPrefix("/") ? "" : "/")\(path)"
    }

    /// Adds a fault. Its trigger counts from now for requests, and as ever for times and places; `immediately` is now.
    ///
    /// A fault that is for RTSP does nothing here. A place that a response has passed, or that is in the piece (256 KiB) under way, is too late for that response.
    public func inject(_ fault: Fault) {
        guard fault.isForHTTP else { return }
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

    /// Serves a file under a path from the next request on, instead of the one there.
    public func serve(_ file: ServedFile, at path: String) { core.files.withLock { $0[path] = file } }

    /// Serves nothing (404) under a path from the next request on.
    public func withdraw(_ path: String) { core.files.withLock { $0[path] = nil } }

    /// The latest requests in the order of their arrival, those in progress included.
    public var log: [RequestRecord] { core.log.withLock { $0.records } }
}
