internal import Glibc
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import ThroughlineCore

/// The part of an origin that lives on its thread: the port, the connections, and the schedule of faults.
final class OriginCore: @unchecked Sendable {
    // Unchecked: everything but `files` and `log` is touched on `loop` only, which `synchronously` and `settle` assert.
    let loop: any EventLoop
    let files: Guarded<[String: ServedFile]>
    let log: Guarded<RequestLog>
    let options: HTTPOrigin.Options
    var schedule: FaultSchedule

    private var connections: [Int: HTTPConnection] = [:]
    private var connectionCount = 0
    private var listener: (any Channel)?
    private var isBinding = false
    private var isKilled = false
    private var isStopped = false
    private var address: SocketAddress?
    /// A bound socket that never listens. It keeps the port ours while it is closed: nobody else is given it, and no
    /// client that calls in vain can be connected with itself because the system chose this very port for its end.
    private var reservation: CInt = -1
    private var timer: (at: Instant, task: Scheduled<Void>)?

    init(files: [String: ServedFile], faults: [Fault], options: HTTPOrigin.Options, loop: any EventLoop) {
        self.files = Guarded(files)
        self.log = Guarded(RequestLog(capacity: max(1, options.logCapacity)))
        self.options = options
        self.loop = loop
        schedule = FaultSchedule(faults, at: .now)
    }

    /// Runs `body` on the loop and returns when it has.
    func synchronously(_ body: @escaping @Sendable (OriginCore) -> Void) {
        if loop.inEventLoop { return body(self) }
        let done = Guarded(false)
        loop.execute {
            body(self)
            done.withLockAndWake { $0 = true }
        }
        _ = done.wait(until: .never) { $0 ? true : nil }
    }

    // MARK: The port

    func start() -> EventLoopFuture<Int> {
        do {
            let wanted = try SocketAddress(ipAddress: options.host, port: options.port)
            let port = try reserve(wanted)
            address = try SocketAddress(ipAddress: options.host, port: port)
            return listenIfWanted().map {
                self.settle()
                return port
            }.flatMapErrorThrowing { error in
                self.shutDown()
                throw error
            }
        } catch let error as OriginError {
            return loop.makeFailedFuture(error)
        } catch {
            return loop.makeFailedFuture(
                OriginError(description: "cannot listen on \"\(options.host)\": not a numeric address (try 127.0.0.1)"))
        }
    }

    private func reserve(_ wanted: SocketAddress) throws -> Int {
        let domain = wanted.protocol == .inet6 ? AF_INET6 : AF_INET
        let descriptor = socket(domain, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var one: CInt = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<CInt>.size))
        let bound = wanted.withSockAddr { address, size in bind(descriptor, address, socklen_t(size)) }
        var storage = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let named = withUnsafeMutableBytes(of: &storage) {
            getsockname(descriptor, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self), &size)
        }
        guard descriptor >= 0, bound == 0, named == 0 else {
            let reason = String(cString: strerror(errno))
            if descriptor >= 0 { close(descriptor) }
            throw OriginError(description: "cannot listen on \(options.host) port \(options.port): \(reason)")
        }
        reservation = descriptor
        // The port is at the same place in the addresses of both families.
        return withUnsafeBytes(of: &storage) {
            Int(UInt16(bigEndian: $0.loadUnaligned(fromByteOffset: 2, as: UInt16.self)))
        }
    }

    private var wantsToListen: Bool { !isStopped && !isKilled && !schedule.refuses }

    private func listenIfWanted() -> EventLoopFuture<Void> {
        guard let address, wantsToListen, listener == nil, !isBinding else { return loop.makeSucceededVoidFuture() }
        isBinding = true
        return ServerBootstrap(group: loop)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.maxMessagesPerRead, value: 4)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try self.accepted(channel) }
            }
            .bind(to: address)
            .map { channel in
                self.isBinding = false
                self.listener = channel
                self.tell(.listening(port: address.port ?? 0))
                self.closePortIfWanted()
            }
            .flatMapErrorThrowing { error in
                self.isBinding = false
                throw OriginError(
                    description: "cannot listen on \(self.options.host) port \(address.port ?? 0): \(error)")
            }
    }

    private func closePortIfWanted() {
        guard !wantsToListen, let listener else { return }
        self.listener = nil
        // On the loop this closes the descriptor before it returns.
        listener.close(promise: nil)
        tell(.closedPort)
    }

    func revive() -> EventLoopFuture<Void> {
        if isStopped { return loop.makeFailedFuture(OriginError(description: "the origin was stopped")) }
        isKilled = false
        schedule.end { $0.kind == .refuse }
        return listenIfWanted().map { self.settle(always: true) }
    }

    func kill() {
        isKilled = true
        closePortIfWanted()
        for connection in connections.values { connection.reset(.killed) }
    }

    func shutDown() {
        isStopped = true
        kill()
        timer?.task.cancel()
        timer = nil
        if reservation >= 0 { close(reservation) }
        reservation = -1
    }

    // MARK: Connections

    private func accepted(_ channel: any Channel) throws {
        connectionCount += 1
        let number = connectionCount
        let connection = HTTPConnection(number: number, core: self, channel: channel)
        try channel.pipeline.syncOperations.configureHTTPServerPipeline(
            withPipeliningAssistance: false, withErrorHandling: true)
        try channel.pipeline.syncOperations.addHandler(connection)
        connections[number] = connection
        tell(.connected(connection: number))
        // Accepted by the kernel just before the port was closed.
        if isKilled || isStopped { connection.reset(.killed) }
    }

    func left(_ connection: HTTPConnection) { connections[connection.number] = nil }

    // MARK: Faults

    /// Carries out what the schedule has decided: reports it, opens or closes the port, sets the timer, and has every
    /// connection look again if anything changed.
    ///
    /// - Parameter always: every connection looks again in any case.
    func settle(always: Bool = false) {
        loop.preconditionInEventLoop()
        let changes = schedule.takeChanges()
        for change in changes {
            switch change {
            case .struck(let fault): tell(.struck(fault))
            case .recovered(let fault): tell(.recovered(fault))
            }
        }
        closePortIfWanted()
        if listener == nil, wantsToListen, !isBinding {
            listenIfWanted().whenFailure { self.tell(.failedToListen(String(describing: $0))) }
        }
        setTimer()
        guard always || !changes.isEmpty else { return }
        if always {
            lookAgain()
        } else {
            // Called from within a connection's own step: the others look when that is done.
            loop.execute { self.lookAgain() }
        }
    }

    private func lookAgain() {
        for number in connections.keys.sorted() { connections[number]?.lookAgain() }
    }

    private func setTimer() {
        let deadline = schedule.nextDeadline
        if timer?.at == deadline { return }
        timer?.task.cancel()
        timer = nil
        guard deadline != .never, !isStopped else { return }
        let delay = max(0, (deadline - .now).wholeNanoseconds)
        let task = loop.scheduleTask(in: .nanoseconds(delay)) {
            self.timer = nil
            self.schedule.advance(to: .now)
            self.settle()
        }
        timer = (deadline, task)
    }

    // MARK: Reports

    func tell(_ event: OriginEvent) { options.onEvent?(event) }

    func began(_ connection: Int, method: String, path: String, range: String?) -> Int {
        let record = log.withLock { log in
            log.count += 1
            let record = RequestRecord(
                number: log.count, connection: connection, method: method, path: path, range: range, receivedAt: .now)
            log.append(record)
            return record
        }
        tell(.requested(record))
        return record.number
    }

    func update(_ number: Int, _ change: (inout RequestRecord) -> Void) { log.withLock { $0.update(number, change) } }

    func ended(_ number: Int, _ outcome: RequestRecord.Outcome) {
        let record = log.withLock { log in
            log.update(number) {
                $0.outcome = outcome
                $0.endedAt = .now
            }
        }
        if let record { tell(.ended(record)) }
    }
}

/// The latest requests of an origin.
struct RequestLog {
    let capacity: Int
    /// How many requests there were.
    var count = 0
    private var stored: [RequestRecord] = []

    init(capacity: Int) { self.capacity = capacity }

    /// Those remembered, numbered without gaps.
    var records: [RequestRecord] { Array(stored.suffix(capacity)) }

    mutating func append(_ record: RequestRecord) {
        stored.append(record)
        // Dropped in bulk, so that each request costs the same.
        if stored.count >= 2 * capacity { stored.removeFirst(stored.count - capacity) }
    }

    @discardableResult
    mutating func update(_ number: Int, _ change: (inout RequestRecord) -> Void) -> RequestRecord? {
        guard let first = stored.first?.number, stored.indices.contains(number - first) else { return nil }
        change(&stored[number - first])
        return stored[number - first]
    }
}
