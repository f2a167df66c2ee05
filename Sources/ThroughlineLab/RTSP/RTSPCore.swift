internal import NIOCore
internal import ThroughlineCore
internal import ThroughlineProtocols

/// The part of an RTSP origin that lives on its thread: the port, connections and sessions, and the schedule of faults.
final class RTSPCore: @unchecked Sendable {
    // Unchecked: everything but `programmes` and `log` is touched on `loop` only.
    let loop: any EventLoop
    let programmes: [String: Programme]
    /// Further encodes of a path.
    let encodes: [String: [Programme]]
    let log: Guarded<RequestLog>
    let options: RTSPOrigin.Options
    var schedule: FaultSchedule
    var random: SeededGenerator
    /// Changes never, as the lab has nothing to lose.
    let nonce: String
    var sessions: [String: ServedSession] = [:]

    private(set) var portNumber = 0
    private var connections: [Int: RTSPConnection] = [:]
    private var connectionCount = 0
    private var isKilled = false
    private var isStopped = false
    private lazy var port = ListeningPort(
        host: options.host, loop: loop, isWanted: { [unowned self] in wantsToListen },
        accepted: { [unowned self] in try accepted($0) }, tell: { [unowned self] in tell($0) })
    private var timer: (at: Instant, task: Scheduled<Void>)?

    init(
        programmes: [String: Programme], encodes: [String: [Programme]], faults: [Fault], options: RTSPOrigin.Options,
        loop: any EventLoop
    ) {
        self.programmes = programmes
        self.encodes = encodes
        self.log = Guarded(RequestLog(capacity: max(1, options.logCapacity)))
        self.options = options
        self.loop = loop
        schedule = FaultSchedule(faults, at: .now)
        random = SeededGenerator(seed: options.seed ?? .random(in: .min ... .max))
        nonce = String(random.next(), radix: 16)
    }

    /// Runs `body` on the loop and returns when it has.
    func synchronously(_ body: @escaping @Sendable (RTSPCore) -> Void) {
        if loop.inEventLoop { return body(self) }
        let done = Guarded(false)
        loop.execute {
            body(self)
            done.withLockAndWake { $0 = true }
        }
        _ = done.wait(until: .never) { $0 ? true : nil }
    }

    // MARK: The port

    private var wantsToListen: Bool { !isStopped && !isKilled && !schedule.refuses }

    func start() -> EventLoopFuture<Int> {
        do throws(OriginError) {
            let number = try port.reserve(options.port)
            portNumber = number
            return port.open().map {
                self.settle()
                return number
            }.flatMapErrorThrowing { error in
                self.shutDown()
                throw error
            }
        } catch {
            return loop.makeFailedFuture(error)
        }
    }

    func revive() -> EventLoopFuture<Void> {
        if isStopped { return loop.makeFailedFuture(OriginError(description: "the origin was stopped")) }
        isKilled = false
        schedule.end { $0.kind == .refuse }
        return port.open().map { self.settle(always: true) }
    }

    func kill() {
        isKilled = true
        port.closeIfUnwanted()
        for session in sessions.values { session.end() }
        for connection in connections.values { connection.reset(.killed) }
    }

    func shutDown() {
        isStopped = true
        kill()
        timer?.task.cancel()
        timer = nil
        port.release()
    }

    // MARK: Connections and sessions

    private func accepted(_ channel: any Channel) throws {
        connectionCount += 1
        let connection = RTSPConnection(number: connectionCount, core: self, channel: channel)
        try channel.pipeline.syncOperations.addHandler(connection)
        connections[connectionCount] = connection
        tell(.connected(connection: connectionCount))
        // Accepted by the kernel just before the port was closed.
        if isKilled || isStopped { connection.reset(.killed) }
    }

    func left(_ connection: RTSPConnection) {
        connections[connection.number] = nil
        // What goes over UDP does not depend on the connection (RFC 2326 section 1.6).
        for session in Array(sessions.values) where session.travels(on: connection) { session.end() }
    }

    func forget(_ session: ServedSession) { sessions[session.id] = nil }

    /// A frame of the client came on a channel.
    func reported(on connection: RTSPConnection, channel: UInt8) {
        for session in sessions.values where session.travels(on: connection) { session.touch() }
    }

    func tookMore(_ connection: RTSPConnection) {
        for session in Array(sessions.values) where session.travels(on: connection) { session.lookAgain() }
    }

    func url(of path: String) -> String { url(of: path, port: portNumber) }

    func url(of path: String, port: Int) -> String {
        let host = options.host.contains(":") ? "[\(options.host)]" : options.host
        return "rtsp://\(host):\(port)\(path)"
    }

    // MARK: Faults

    /// Carries out what the schedule has decided: reports it, opens or closes the port, sets the timer, and has every
    /// connection and session look again if anything changed.
    ///
    /// - Parameter always: they look again in any case.
    func settle(always: Bool = false) {
        loop.preconditionInEventLoop()
        let changes = schedule.takeChanges()
        for change in changes {
            switch change {
            case .struck(let fault): tell(.struck(fault))
            case .recovered(let fault): tell(.recovered(fault))
            }
        }
        port.closeIfUnwanted()
        if port.isClosed, wantsToListen {
            port.open().whenFailure { self.tell(.failedToListen(String(describing: $0))) }
        }
        setTimer()
        guard always || !changes.isEmpty else { return }
        if always {
            lookAgain()
        } else {
            // Called from within a step of one of them: the others look when that is done.
            loop.execute { self.lookAgain() }
        }
    }

    private func lookAgain() {
        for number in connections.keys.sorted() { connections[number]?.lookAgain() }
        for id in sessions.keys.sorted() { sessions[id]?.lookAgain() }
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
