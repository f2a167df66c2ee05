internal import NIOCore
internal import ThroughlineCore
internal import ThroughlineProtocols

/// The part of an RTSP origin that lives on its thread: its programmes, its connections and its sessions.
final class RTSPCore: OriginCore, @unchecked Sendable {
    // Unchecked: everything but `programmes` is touched on `loop` only.
    let programmes: [String: Programme]
    /// Further encodes of a path.
    let encodes: [String: [Programme]]
    let options: RTSPOrigin.Options
    var random: SeededGenerator
    /// What the clock on the wall said at some moment: read once, so that the clocks of reports never drift apart.
    let wall: (at: Instant, nanoseconds: Int64) = (.now, WallClock.nanoseconds)
    /// Changes never, as the lab has nothing to lose.
    let nonce: String
    var sessions: [String: ServedSession] = [:]

    private var connections: [Int: RTSPConnection] = [:]

    init(
        programmes: [String: Programme], encodes: [String: [Programme]], faults: [Fault], options: RTSPOrigin.Options,
        whereabouts: Whereabouts
    ) {
        self.programmes = programmes
        self.encodes = encodes
        self.options = options
        random = SeededGenerator(seed: options.seed ?? Chance.number(in: .min ... .max))
        nonce = String(random.next(), radix: 16)
        super.init(
            host: options.host, port: options.port, faults: faults, logCapacity: options.logCapacity,
            onEvent: options.onEvent, whereabouts: whereabouts)
    }

    override func accept(_ channel: any Channel, _ wire: any Wire, number: Int) throws {
        let connection = RTSPConnection(number: number, core: self, channel: channel, wire: wire)
        try channel.pipeline.syncOperations.addHandler(connection)
        connections[number] = connection
        tell(.connected(connection: number))
        if isDead { connection.reset(.killed) }
    }

    func left(_ connection: RTSPConnection) {
        connections[connection.number] = nil
        // What goes over UDP does not depend on the connection (RFC 2326 section 1.6).
        for session in inOrder where session.travels(on: connection) { session.end() }
    }

    /// The sessions in an order that does not depend on the process.
    private var inOrder: [ServedSession] { sessions.sorted { $0.key < $1.key }.map(\.value) }

    func forget(_ session: ServedSession) { sessions[session.id] = nil }

    /// A frame of the client came on a channel.
    func reported(on connection: RTSPConnection, channel: UInt8) {
        for session in sessions.values where session.travels(on: connection) { session.touch() }
    }

    func tookMore(_ connection: RTSPConnection) {
        for session in inOrder where session.travels(on: connection) { session.lookAgain() }
    }

    func url(of path: String) -> String { url(of: path, port: portNumber) }

    func url(of path: String, port: Int) -> String {
        let host = options.host.contains(":") ? "[\(options.host)]" : options.host
        return "rtsp://\(host):\(port)\(path)"
    }

    override func lookAgain() {
        for number in connections.keys.sorted() { connections[number]?.lookAgain() }
        for session in inOrder { session.lookAgain() }
    }

    override func resetAll() {
        for session in inOrder { session.end() }
        for number in connections.keys.sorted() { connections[number]?.reset(.killed) }
    }
}
