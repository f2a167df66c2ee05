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
        /// Fill what is lost from this feed; nil ends that.
        case merge(RTSPTwinFeed?)
        /// Put every packet that comes into this feed, too.
        case tap(RTSPTwinFeed)
        /// Gather what comes while the viewer has enough to see.
        case gather(PlayoutReserve)
        /// Tell when all was looked at that has come by now.
        case look
        case close
    }

    /// A way to give commands that does not keep the session alive.
    struct Commands: Sendable {
        /// Nil when the session is over.
        fileprivate let waiting = Guarded<[Command]?>([])
        fileprivate let waiter: SocketWaiter

        func give(_ command: Command) {
            let isOver = waiting.withLock { waiting in
                waiting?.append(command)
                return waiting == nil
            }
            if isOver { Self.refuse(command) } else { waiter.wake() }
        }

        func isSame(as other: Commands) -> Bool { waiter === other.waiter }

        fileprivate func take() -> [Command] {
            waiting.withLock { waiting in
                defer { waiting = [] }
                return waiting ?? []
            }
        }

        /// Nobody obeys from here on.
        fileprivate func end() {
            let left = waiting.withLock { waiting in
                defer { waiting = nil }
                return waiting ?? []
            }
            for command in left { Self.refuse(command) }
        }

        /// Whoever is at the other end of a feed is not to wait for one that is over, nor to fill it for nobody.
        private static func refuse(_ command: Command) {
            switch command {
            case .merge(let feed): feed?.close()
            case .tap(let feed): feed.ended()
            case .setUp, .play, .pause, .setBandwidth, .gather, .look, .close: break
            }
        }
    }

    let queue: RTSPQueue
    let commands: Commands
    private let thread: WorkerThread

    /// Starts to connect, and asks for the description.
    init(options: Options, abort: AbortSwitch) throws(TransportError) {
        let waiter = try SocketWaiter(abort: abort)
        // Where the queue was full the connection is not read: it is when there is room again.
        let queue = RTSPQueue(byteLimit: options.byteLimit, drained: { waiter.wake() })
        let commands = Commands(waiter: waiter)
        self.queue = queue
        self.commands = commands
        thread = WorkerThread(name: "tl-rtsp") {
            do throws(TransportError) {
                let loop = try RTSPLoop(options: options, queue: queue, waiter: waiter, abort: abort)
                loop.run { commands.take() }
            } catch { queue.put([.failed(ChangeEvent(error))]) }
            commands.end()
            queue.close()
        }
    }

    deinit {
        give(.close)
        thread.join()
    }

    func give(_ command: Command) { commands.give(command) }
}
