internal import NIOCore
internal import ThroughlineCore

/// The part of an origin that lives on its thread, whatever it speaks: the port, the schedule of faults, and the log.
class OriginCore: @unchecked Sendable {
    // Unchecked: everything but `log` is touched on `loop` only, which `synchronously` and `settle` assert.
    let whereabouts: Whereabouts
    var loop: any EventLoop { whereabouts.loop }
    let log: Guarded<RequestLog>
    let host: String
    var schedule: FaultSchedule

    private let onEvent: (@Sendable (OriginEvent) -> Void)?
    private(set) var portNumber: Int
    private var connectionCount = 0
    private var isKilled = false
    private var isStopped = false
    private lazy var port = ListeningPort(
        host: host, whereabouts: whereabouts, isWanted: { [unowned self] in wantsToListen },
        accepted: { [unowned self] in try accepted($0, $1) }, tell: { [unowned self] in tell($0) })
    private var timer: (at: Instant, task: Scheduled<Void>)?

    /// - Parameter port: 0 lets the system choose.
    init(
        host: String, port: Int, faults: [Fault], logCapacity: Int, onEvent: (@Sendable (OriginEvent) -> Void)?,
        whereabouts: Whereabouts
    ) {
        self.host = host
        self.whereabouts = whereabouts
        self.onEvent = onEvent
        portNumber = port
        log = Guarded(RequestLog(capacity: max(1, logCapacity)))
        schedule = FaultSchedule(faults, at: .now)
    }

    // MARK: What the protocol adds

    /// A connection was made; it is to be reset at once if `isDead`.
    func accept(_ channel: any Channel, _ wire: any Wire, number: Int) throws {
        fatalError("an origin that speaks nothing")
    }

    /// Faults have struck or passed: everything under way looks at the schedule again.
    func lookAgain() { fatalError("an origin that speaks nothing") }

    /// Ends everything under way as a process does that is killed.
    func resetAll() { fatalError("an origin that speaks nothing") }

    /// Connections that the kernel accepted just before the port was closed are reset.
    var isDead: Bool { isKilled || isStopped }

    // MARK: The thread

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
            let number = try port.reserve(portNumber)
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

    /// The same from another thread, in a world.
    func startSynchronously() throws -> Int {
        let result = Guarded<Result<Int, any Error>?>(nil)
        loop.execute { self.start().whenComplete { port in result.withLockAndWake { $0 = port } } }
        return try result.wait { result, _ in result }.get()
    }

    private var wantsToListen: Bool { !isStopped && !isKilled && !schedule.refuses }

    func revive() -> EventLoopFuture<Void> {
        if isStopped { return loop.makeFailedFuture(OriginError(description: "the origin was stopped")) }
        isKilled = false
        schedule.end { $0.kind == .refuse }
        return port.open().map { self.settle(always: true) }
    }

    /// Well again, whatever was wrong with it, without waiting for the port.
    func restore() {
        synchronously { core in
            core.schedule.end()
            core.settle(always: true)
            _ = core.revive()
        }
    }

    func kill() {
        isKilled = true
        port.closeIfUnwanted()
        resetAll()
    }

    func shutDown() {
        isStopped = true
        kill()
        timer?.task.cancel()
        timer = nil
        port.release()
    }

    private func accepted(_ channel: any Channel, _ wire: any Wire) throws {
        connectionCount += 1
        try accept(channel, wire, number: connectionCount)
    }

    // MARK: Faults

    /// Carries out what the schedule has decided: reports it, opens or closes the port, sets the timer, and has
    /// everything under way look again if anything changed.
    ///
    /// - Parameter always: it looks again in any case.
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

    func tell(_ event: OriginEvent) { onEvent?(event) }

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
