internal import NIOCore
internal import NIOHTTP1
internal import ThroughlineCore

/// The part of an HTTP origin that lives on its thread: its files and its connections.
final class HTTPCore: OriginCore, @unchecked Sendable {
    // Unchecked: everything but `files` is touched on `loop` only.
    let files: Guarded<[String: ServedFile]>
    let options: HTTPOrigin.Options
    /// What all connections share the rate of the origin by, where they do.
    private(set) lazy var sharedPacing = options.pacing.flatMap { $0.isShared ? Meter($0, at: .now) : nil }
    private var throttle: Meter?
    private var connections: [Int: HTTPConnection] = [:]

    init(files: [String: ServedFile], faults: [Fault], options: HTTPOrigin.Options, whereabouts: Whereabouts) {
        self.files = Guarded(files)
        self.options = options
        super.init(
            host: options.host, port: options.port, faults: faults, logCapacity: options.logCapacity,
            onEvent: options.onEvent, whereabouts: whereabouts)
    }

    override func accept(_ channel: any Channel, _ wire: any Wire, number: Int) throws {
        let connection = HTTPConnection(number: number, core: self, channel: channel, wire: wire)
        try channel.pipeline.syncOperations.configureHTTPServerPipeline(
            withPipeliningAssistance: false, withErrorHandling: true)
        try channel.pipeline.syncOperations.addHandler(connection)
        connections[number] = connection
        tell(.connected(connection: number))
        if isDead { connection.reset(.killed) }
    }

    /// The rate that a fault leaves to all connections together.
    func sharedThrottle(to rate: Int, at now: Instant) -> Meter {
        if let throttle, throttle.bucket.rate == Int64(rate) { return throttle }
        let meter = Meter(TokenBucket(rate: rate, burst: 0, full: false, at: now))
        throttle = meter
        return meter
    }

    /// Requests that are being answered.
    var answering: Int { connections.values.count { $0.isAnswering } }

    func left(_ connection: HTTPConnection) { connections[connection.number] = nil }

    override func lookAgain() {
        for number in connections.keys.sorted() { connections[number]?.lookAgain() }
    }

    override func resetAll() {
        for number in connections.keys.sorted() { connections[number]?.reset(.killed) }
    }
}
