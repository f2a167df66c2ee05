internal import Glibc
internal import ThroughlineCore

/// Other people's server as one process of ours; gone with the object, or with this process.
final class ServerProcess: Sendable {
    private let tool: Tool
    /// Ends the server when its input ends: also when this process is killed.
    private let watcher: Tool
    private let lifeline: Int32
    private let ended = Guarded(false)

    private init(_ tool: Tool) throws {
        self.tool = tool
        var ends: [Int32] = [0, 0]
        socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends)
        watcher = try Tool(["setsid", "sh", "-c", "read _; kill -9 \(tool.pid)"], input: ends[0])
        close(ends[0])
        lifeline = ends[1]
    }

    /// Starts a server on a free port, and waits until it is ready; on another port when somebody took this one.
    ///
    /// - Parameters:
    ///   - port: the port that it must have; any by default.
    ///   - patience: how long it may take.
    ///   - launch: runs it on a port.
    ///   - isReady: whether it listens.
    static func start(
        port: Int?, patience: Duration = .seconds(10), launch: (_ port: Int) throws -> Tool,
        isReady: (_ port: Int) -> Bool
    ) throws -> (process: ServerProcess, port: Int) {
        for _ in 0..<5 {
            let number = port ?? freePort()
            let process = try ServerProcess(launch(number))
            let deadline = Instant.now + patience
            while Instant.now < deadline {
                if isReady(number) { return (process, number) }
                if process.hasEnded { break }
                usleep(5000)
            }
        }
        throw SupportFailure(description: "the server does not listen")
    }

    private var hasEnded: Bool {
        var info = siginfo_t()
        return waitid(P_PID, id_t(tool.pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_signo == SIGCHLD
    }

    func send(_ signal: Int32) { tool.send(signal) }

    /// It vanishes.
    func vanish() {
        tool.send(SIGKILL)
        let isFirst = ended.withLock { ended in
            defer { ended = true }
            return !ended
        }
        guard isFirst else { return }
        watcher.send(SIGKILL)
        _ = watcher.wait()
        close(lifeline)
        _ = tool.wait()
    }

    deinit { vanish() }

    private static func freePort() -> Int {
        let (descriptor, port) = Sockets.listen(backlog: 1)
        close(descriptor)
        return port
    }
}
