internal import NIOCore
internal import NIOHTTP1
internal import ThroughlineCore

/// The part of an HTTP origin that lives on its thread: its files and its connections.
final class HTTPCore: OriginCore, @unchecked Sendable {
    // Unchecked: everything but `files` is touched on `loop` only.
    let files: Guarded<[String: ServedFile]>
    let options: HTTPOrigin.Options
    private var connections: [Int: HTTPConnection] = [:]

    init(files: [String: ServedFile], faults: [Fault], options: HTTPOrigin.Options, loop: any EventLoop) {
        self.files = Guarded(files)
        self.options = options
        super.init(
            host: options.host, port: options.port, faults: faults, logCapacity: options.logCapacity,
            onEvent: options.onEvent, loop: loop)
    }

    override func accept(_ channel: any Channel, number: Int) throws {
        let connection = HTTPConnection(number: number, core: self, channel: channel)
        try channel.pipeline.syncOperations.configureHTTPServerPipeline(
            withPipeliningAssistance: false, withErrorHandling: true)
        try channel.pipeline.syncOperations.addHandler(connection)
        connections[number] = connection
        tell(.connected(connection: number))
        if isDead { connection.reset(.killed) }
    }

    func left(_ connection: HTTPConnection) { connections[connection.number] = nil }

    override func lookAgain() {
        for number in connections.keys.sorted() { connections[number]?.lookAgain() }
    }

    override func resetAll() {
        for connection in connections.values { connection.reset(.killed) }
    }
}
