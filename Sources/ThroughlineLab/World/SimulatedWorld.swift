internal import NIOCore
public import Throughline
public import ThroughlineCore

/// A world in which whole plays run in virtual time: origins, faults, the network between, and the player itself, on threads
/// that run one at a time in an order that a seed chooses.
///
///     let world = SimulatedWorld(seed: 7)
///     let summary = try world.run { world in
///         let one = try world.serve(["/film.mp4": "film.mp4"], faults: [Fault(parsing: "stall@33%")])
///         let two = try world.serve(["/film.mp4": "film.mp4"])
///         world.at(.seconds(4)) { two.kill() }
///         let origins = [one, two].map { Origin(url: $0.url(for: "/film.mp4")) }
///         return world.play(try ResilientStream(configuration: Configuration(origins: origins)))
///     }
///
/// In one process the same seed gives the same events at the same virtual times; another seed is another order of all that
/// may happen in more than one (in another process the order of what is hashed may differ as well). An hour
/// passes in as long as it takes to compute what happens in it. Demuxers, HTTP and RTSP clients, splices, buffers and reports
/// are the real ones; sockets, libcurl and the clocks are not. There is no TLS in it.
///
/// It is entered by `run`, on the calling thread, which must not be one that tasks run on for long: nothing in it may wait
/// for a task. Everything else is called inside of `run`, on threads of the world.
public final class SimulatedWorld: Sendable {
    public let seed: UInt64
    private let world: World
    private let loop: Guarded<WorldLoop?>
    /// They live as long as the world does.
    private let origins = Guarded<[any Sendable]>([])

    /// - Parameter seed: of the order of threads and of all random draws.
    public init(seed: UInt64) {
        self.seed = seed
        world = World(seed: seed)
        loop = Guarded(nil)
    }

    /// Enters the world, and leaves it when `body` returns. Once.
    public func run<Result>(_ body: (SimulatedWorld) throws -> Result) rethrows -> Result {
        try world.run {
            let loop = WorldLoop(network: world.network)
            loop.start()
            self.loop.withLock { $0 = loop }
            defer {
                self.loop.withLock { $0 = nil }
                origins.withLock { $0 = [] }
                loop.stop()
            }
            return try body(self)
        }
    }

    /// Virtual time since the world began.
    public var now: Duration { Instant.now - World.beginning }

    /// Starts an origin that speaks HTTP, which listens when this returns, and ends with the world.
    ///
    /// - Throws: ``OriginError`` for faults that are none of HTTP's, or a port that is taken.
    public func serve(
        _ files: [String: ServedFile], faults: [Fault] = [], options: HTTPOrigin.Options = HTTPOrigin.Options(),
        link: NetworkLink = NetworkLink()
    ) throws -> HTTPOrigin {
        let origin = try HTTPOrigin.start(
            serving: files, faults: faults, options: options, whereabouts: whereabouts(link))
        origins.withLock { $0.append(origin) }
        return origin
    }

    /// Starts an origin that speaks RTSP, which listens when this returns, and ends with the world.
    ///
    /// - Parameters:
    ///   - files: from path in the URL, with its leading slash, to path in the file system.
    ///   - faults: what goes wrong, and when.
    ///   - options: as outside of a world.
    ///   - link: what the way to it is like, for the connection and for datagrams both ways.
    /// - Throws: ``OriginError`` when a file cannot be served, or for a port that is taken.
    public func serveRTSP(
        _ files: [String: String], faults: [Fault] = [], options: RTSPOrigin.Options = RTSPOrigin.Options(),
        link: NetworkLink = NetworkLink()
    ) throws -> RTSPOrigin {
        let origin = try RTSPOrigin.start(
            serving: files, faults: faults, options: options, whereabouts: whereabouts(link))
        origins.withLock { $0.append(origin) }
        return origin
    }

    private func whereabouts(_ link: NetworkLink) -> Whereabouts {
        guard let loop = loop.withLock({ $0 }) else { preconditionFailure("outside of the world") }
        let network = world.network
        return Whereabouts(loop: loop) { MemoryBinding(network: network, loop: loop, link: link) }
    }

    /// Does something at a time of the world, on the origins' thread: it must be quick, and must not wait.
    public func at(_ time: Duration, _ action: @escaping @Sendable () -> Void) {
        guard let loop = loop.withLock({ $0 }) else { preconditionFailure("outside of the world") }
        loop.scheduleTask(in: .nanoseconds(max(0, (time - now).wholeNanoseconds)), action)
    }

    /// Plays a stream to its end.
    public func play(_ stream: ResilientStream) -> Summary { stream.runHere() }
}
