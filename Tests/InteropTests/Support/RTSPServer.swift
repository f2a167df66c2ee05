internal import Glibc
internal import ThroughlineCore

/// GStreamer's RTSP server over a directory, by `Fixtures/rtsp-server`; gone with the object, or with this process.
final class RTSPServer: Sendable {
    let port: Int
    private let process: ServerProcess
    private let place: TemporaryDirectory

    /// Transports that a client may have.
    enum Transports: String, Sendable {
        case tcp, both
    }

    private init(port: Int, process: ServerProcess, place: TemporaryDirectory) {
        self.port = port
        self.process = process
        self.place = place
    }

    /// Starts a server, and waits until it listens.
    ///
    /// - Parameters:
    ///   - directory: the fixtures by default.
    ///   - port: the port that it must have; any by default.
    ///   - arguments: further options, as `Fixtures/rtsp-server --help` has them.
    static func start(
        _ directory: String = Fixtures.directory, port: Int? = nil, transports: Transports = .both,
        arguments: [String] = []
    ) async throws -> RTSPServer {
        try await blocking {
            let place = try TemporaryDirectory()
            let output = place.path("out")
            // GStreamer looks at all of its plugins when it is used for the first time on a machine.
            let (process, number) = try ServerProcess.start(port: port, patience: .seconds(30)) { port in
                try Tool(
                    ["\(Fixtures.directory)/rtsp-server", "\(port)", directory, "--protocols", transports.rawValue]
                        + arguments, output: output)
            } isReady: { _ in
                (try? text(of: output))?.hasPrefix("ready\n") == true
            }
            return RTSPServer(port: number, process: process, place: place)
        }
    }

    func url(_ file: String) -> String { "rtsp://127.0.0.1:\(port)/\(file)" }

    /// It vanishes; the system closes its connections.
    func vanish() { process.vanish() }

    /// It accepts connections and says nothing more.
    func freeze() { process.send(SIGSTOP) }
    func thaw() { process.send(SIGCONT) }

    /// It sends every client that plays to the address given with `--redirect`.
    func redirect() { process.send(SIGUSR1) }

    /// It sends every client that plays an ANNOUNCE with the notice given with `--notice`.
    func announce() { process.send(SIGUSR2) }

    /// It closes every connection, and takes new ones.
    func closeConnections() { process.send(SIGHUP) }
}
