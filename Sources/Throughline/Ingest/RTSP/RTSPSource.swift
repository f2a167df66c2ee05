internal import ThroughlineCore
internal import ThroughlineProtocols
internal import ThroughlineTransport

/// One RTSP session with one origin, on a thread of its own: a reader that does not read loses neither the session nor a
/// message of the server.
///
/// Commands may be given from any thread; what comes of them, and every packet, is taken from `queue`.
final class RTSPSource: Sendable {
    struct Options: Sendable {
        var address: RTSPAddress
        var headers: [Origin.Header] = []
        var bearerToken: String?
        var certificateAuthorities: String?
        var usesUDP = false
        /// How long the connection, and then each answer, may take.
        var bound: Duration = .seconds(5)
        /// Bytes that may wait for the reader.
        var byteLimit = RTSPQueue.byteLimit
    }

    enum Command: Sendable {
        case setUp([Int])
        case play(RTSPPlayRequest)
        case pause
        case setBandwidth(Int64)
        case close
    }

    let queue: RTSPQueue
    private let commands: Guarded<[Command]>
    private let waiter: SocketWaiter
    private let thread: WorkerThread

    /// Starts to connect, and asks for the description.
    init(options: Options, abort: AbortSwitch) throws(TransportError) {
        let waiter = try SocketWaiter(abort: abort)
        // Where the queue was full the connection is not read: it is when there is room again.
        let queue = RTSPQueue(byteLimit: options.byteLimit, drained: { waiter.wake() })
        let commands = Guarded<[Command]>([])
        self.queue = queue
        self.commands = commands
        self.waiter = waiter
        thread = WorkerThread(name: "tl-rtsp") {
            do throws(TransportError) {
                let loop = try RTSPLoop(options: options, queue: queue, waiter: waiter, abort: abort)
                loop.run {
                    commands.withLock { waiting in
                        defer { waiting = [] }
                        return waiting
                    }
                }
            } catch { queue.put([.failed(ChangeEvent(error))]) }
            queue.close()
        }
    }

    deinit {
        give(.close)
        thread.join()
    }

    func give(_ command: Command) {
        commands.withLock { $0.append(command) }
        waiter.wake()
    }
}
