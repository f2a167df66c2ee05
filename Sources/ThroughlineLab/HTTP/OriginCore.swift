internal import NIOCore
internal import NIOHTTP1
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
    private var isKilled = false
    private var isStopped = false
    private lazy var port = ListeningPort(
        host: options.host, loop: loop, isWanted: { [unowned self] in wantsToListen },
        accepted: { [unowned self] in try accepted($0) }, tell: { [unowned self] in tell($0) })
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
        do throws(OriginError) {
            let number = try port.reserve(options.port)
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

    private var wantsToListen: Bool { !isStopped && !isKilled && !schedule.refuses }

    func revive() -> EventLoopFuture<Void> {
        if isStopped { return loop.makeFailedFuture(OriginError(description: "the origin was stopped")) }
        isKilled = false
        schedule.end { $0.kind == .refuse }
        return port.open().map { self.settle(always: true) }
    }

    func kill() {
        isKilled = true
        port.closeIfUnwanted()
        for connection in connections.values { connection.reset(.killed) }
    }

    func shutDown() {
        isStopped = true
        kill()
        timer?.task.cancel()
        timer = nil
        port.release()
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
        port.closeIfUnwanted()
        if port.isClosed, wantsToListen {
            port.open().whenFailure { self.tell(.failedToListen(String(describing: $0))) }
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
