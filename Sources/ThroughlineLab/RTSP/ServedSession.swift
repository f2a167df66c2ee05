internal import Glibc
internal import NIOCore
internal import ThroughlineCore
internal import ThroughlineProtocols

/// One session of an RTSP origin: the flows that are set up, and the delivery of their packets.
///
/// Packets are sent when they are due, a little ahead, one unit after the other; before each the schedule of faults is
/// asked. A connection that does not take them holds the delivery up, and what was due meanwhile then comes at once.
final class ServedSession: @unchecked Sendable {
    // Unchecked: touched on the origin's event loop only.

    /// How the packets of a flow travel.
    enum Path {
        case interleaved(RTSPConnection, channels: ClosedRange<UInt8>)
        case datagrams(any DatagramPorts)
    }

    final class Flow {
        let index: Int
        let path: Path
        var sender: RTPSender
        /// A packet that is to come after the next one.
        var held: [UInt8]?

        init(index: Int, path: Path, sender: RTPSender) {
            self.index = index
            self.path = path
            self.sender = sender
        }
    }

    enum Phase {
        /// Set up, or played to the end.
        case ready
        case playing
        /// Broken off, to be resumed.
        case paused
    }

    let id: String
    let path: String
    /// The encode that is played; all of a path have the same flows.
    private(set) var programme: Programme
    /// The connection that its last request came on.
    var connection: RTSPConnection
    private(set) var phase = Phase.ready
    private(set) var flows: [Flow] = []
    private(set) var plan: PlayPlan?
    private(set) var speed = Rate.normal

    private let core: RTSPCore
    private var random: SeededGenerator
    private var faultDice: SeededGenerator
    /// Place in the order of the plan.
    private var place = 0
    /// The packet within the unit.
    private var packetIndex = 0
    private var began = Instant.now
    /// The session's clock at the start of the plan, and the furthest that it has been used.
    private var clock = MediaTime.zero
    private var extent = MediaTime.zero
    private var passage: FaultSchedule.Passage?
    private var lastPlaces: [Int: Int] = [:]
    private var throttle: TokenBucket?
    private var pausedUntil: Instant?
    private var ticket = 0
    private var nextReport = Instant.never
    /// Flows of which everything was sent, and when they say goodbye.
    private var goodbyes: [(flow: Flow, at: Instant)] = []
    private var lastSign = Instant.now
    private var expiry: Scheduled<Void>?
    private var done: Set<Int> = []
    private var requestCount: Int64 = 0
    private var isOver = false
    /// The timestamp of the unit that is being sent, where a fault makes them up.
    private var madeUp: UInt32?

    init(id: String, path: String, programme: Programme, seed: UInt64, connection: RTSPConnection, core: RTSPCore) {
        self.id = id
        self.path = path
        self.programme = programme
        self.connection = connection
        self.core = core
        random = SeededGenerator(seed: seed)
        // Apart, so that faults do not change what a healthy session would have sent.
        faultDice = SeededGenerator(seed: ~seed)
        watch()
    }

    // MARK: Life

    /// The client has shown that it is there.
    func touch() { lastSign = .now }

    private func watch() {
        let deadline = lastSign + core.options.timeout
        expiry = core.loop.scheduleTask(in: .nanoseconds(max(1_000_000, (deadline - .now).wholeNanoseconds))) {
            guard !self.isOver else { return }
            self.drain()
            if Instant.now >= self.lastSign + self.core.options.timeout {
                self.end()
            } else {
                self.watch()
            }
        }
    }

    private func drain() {
        for flow in flows {
            if case .datagrams(let ports) = flow.path, ports.drain() { touch() }
        }
    }

    /// Ends the session without a word.
    func end() {
        guard !isOver else { return }
        isOver = true
        stop()
        expiry?.cancel()
        for flow in flows {
            if case .datagrams(let ports) = flow.path { ports.close() }
        }
        core.forget(self)
    }

    /// Whether its media go over this connection.
    func travels(on connection: RTSPConnection) -> Bool {
        flows.contains {
            if case .interleaved(let own, _) = $0.path { own === connection } else { false }
        }
    }

    // MARK: Flows

    /// Adds a flow; its SSRC is that of the answer.
    func add(_ index: Int, path: Path) -> Flow {
        let sender = RTPSender(clock: programme.flows[index].clock, using: &random)
        let flow = Flow(index: index, path: path, sender: sender)
        flows.append(flow)
        flows.sort { $0.index < $1.index }
        return flow
    }

    func remove(_ index: Int) {
        for flow in flows where flow.index == index {
            if case .datagrams(let ports) = flow.path { ports.close() }
        }
        flows.removeAll { $0.index == index }
        if flows.isEmpty { end() }
    }

    // MARK: Playing

    /// Where a PLAY without a range goes on: the first NPT of which something was not sent. Nil for the beginning.
    var position: NPT? {
        guard let plan, phase != .ready else { return nil }
        let left = plan.order[min(place, plan.order.count)...].lazy.map { self.programme.units[$0].start }
        return max(.zero, (plan.scale.isNegative ? left.max() : left.min()) ?? plan.end)
    }

    /// Begins a PLAY; the packets come after `start`.
    ///
    /// - Parameter encode: what the plan is of, where it is another than before.
    func prepare(_ plan: PlayPlan, of encode: Programme? = nil, speed: Rate) {
        finishPassage()
        if let encode { programme = encode }
        clock += extent
        extent = .zero
        self.plan = plan
        self.speed = speed
        place = 0
        packetIndex = 0
        lastPlaces = [:]
        for (place, index) in plan.order.enumerated() { lastPlaces[programme.units[index].flow] = place }
        for flow in flows { flow.held = nil }
        goodbyes = []
        let size = programme.size
        let first = plan.order.first.map { programme.units[$0].offset } ?? size
        // Backwards there is no such thing as a place that is passed.
        passage = FaultSchedule.Passage(
            path: path, size: size, promised: plan.scale.isNegative ? 0..<0 : first..<size
        ) { [programme] in programme.offset(of: $0) }
        phase = .paused
    }

    /// `RTP-Info` of what comes next, and the range.
    func answer(base: String) -> (info: RTPInfo, range: RTSPRange)? {
        guard let plan else { return nil }
        let start = place == 0 && packetIndex == 0 ? plan.start : position ?? plan.end
        let moment = clock + (start - plan.start) * (plan.timestampRate.inverse ?? .normal)
        let info = RTPInfo(
            flows.map {
                RTPInfo.Entry(
                    url: "\(base)/stream=\($0.index)", sequence: $0.sender.sequence,
                    timestamp: $0.sender.timestamp(at: moment))
            })
        return (info, .npt(from: start, to: plan.end))
    }

    /// Starts, or goes on with, the delivery.
    func start() {
        guard let plan else { return }
        phase = .playing
        let now = Instant.now
        let delay = place < plan.order.count ? plan.delay(of: programme.units[plan.order[place]]) : .zero
        // What comes next is due now.
        began = now + (.zero - delay)
        pausedUntil = nil
        nextReport = now
        proceed()
    }

    func pause() {
        guard phase == .playing else { return }
        ticket += 1
        phase = .paused
    }

    /// Stops for good: what is left of the plan is forgotten.
    func stop() {
        ticket += 1
        phase = .ready
        finishPassage()
    }

    private func finishPassage() {
        if let passage { core.schedule.finished(passage) }
        passage = nil
    }

    /// Something may have changed at the origin.
    func lookAgain() {
        guard !isOver else { return }
        if phase == .playing {
            proceed()
        } else {
            for effect in core.schedule.sessionEffects(path, known: done, at: .now) { carryOut(effect) }
        }
    }

    private func later(_ delay: Duration) {
        ticket += 1
        let ticket = ticket
        core.loop.scheduleTask(in: .nanoseconds(max(0, delay.wholeNanoseconds))) {
            if self.ticket == ticket { self.proceed() }
        }
    }

    /// The connections that do not take any more just now.
    private var isHeldUp: Bool {
        flows.contains {
            if case .interleaved(let connection, _) = $0.path { !connection.isWritable } else { false }
        }
    }

    /// Sends what is due.
    private func proceed() {
        guard phase == .playing, let plan, !isOver else { return }
        ticket += 1
        drain()
        while phase == .playing, !isOver {
            let now = Instant.now
            sayGoodbye(at: now)
            guard place < plan.order.count else {
                guard let next = goodbyes.map(\.at).min() else { return finish() }
                guard ask() else { return }
                return later(next - now)
            }
            let unit = programme.units[plan.order[place]]
            let due = began + plan.delay(of: unit) + (.zero - core.options.lead)
            if let pausedUntil, pausedUntil > now { return later(pausedUntil - now) }
            if due > now {
                guard ask() else { return }
                if phase != .playing || isOver { return }
                report(at: now)
                return later(min(due, nextReport, goodbyes.map(\.at).min() ?? .never) - .now)
            }
            // It calls again when it can take more.
            if isHeldUp { return }
            guard let flow = flows.first(where: { $0.index == unit.flow }) else {
                // Torn down meanwhile.
                (place, packetIndex) = (place + 1, 0)
                continue
            }
            guard deliver(unit, flow, plan) else { return }
        }
    }

    /// Asks the schedule what is wrong now, without sending anything. False when the delivery does not go on.
    private func ask() -> Bool {
        guard passage != nil else { return true }
        let step = core.schedule.next(for: &passage!, at: .now)
        return obey(step)
    }

    private func obey(_ step: FaultSchedule.Step) -> Bool {
        let effects = passage?.effects ?? []
        core.settle()
        for effect in effects { carryOut(effect) }
        guard phase == .playing, !isOver else { return false }
        switch step {
        case .send: return true
        case .pause(let delay):
            pausedUntil = .now + delay
            began = began + delay
            later(delay)
            return false
        case .stall: return false
        case .reset(let afterDelivery):
            stop()
            connection.reset(afterDelivery: afterDelivery)
            return false
        case .close:
            // A truncated copy is played to its end.
            if passage?.suffered.contains(where: { $0.kind == .short }) ?? false {
                finish()
            } else {
                stop()
                connection.finish()
            }
            return false
        }
    }

    /// Sends the rest of a unit. False when the delivery waits, or is over.
    private func deliver(_ unit: Programme.Unit, _ flow: Flow, _ plan: PlayPlan) -> Bool {
        var offset = unit.offset + unit.packets[..<packetIndex].reduce(0) { $0 + Int64($1.count) }
        while packetIndex < unit.packets.count {
            let size = Int64(unit.packets[packetIndex].count)
            let now = Instant.now
            var corruption: [Int64] = []
            if passage != nil {
                if !plan.scale.isNegative { passage!.cursor = max(passage!.cursor, offset) }
                let step = core.schedule.next(for: &passage!, at: now)
                let cut = passage!.cursor - offset
                if cut > 0, size > cut { sendPart(unit.packets[packetIndex], Int(cut), flow, before: step) }
                guard obey(step) else { return false }
                if case .send(let limit, let rate, let corrupted) = step {
                    corruption = corrupted
                    if !plan.scale.isNegative, limit < offset + size, limit > passage!.cursor {
                        // A place within the packet: nothing is sent of it until it is known what happens there.
                        passage!.cursor = limit
                        continue
                    }
                    guard tokens(rate, size, at: now) else { return false }
                }
            }
            send(unit, packetIndex, flow, plan, corruption: corruption, offset: offset)
            packetIndex += 1
            offset += size
            passage?.cursor = plan.scale.isNegative ? 0 : offset
            core.schedule.firstByteSent(at: now)
            core.settle()
            if phase != .playing || isOver { return false }
        }
        extent = max(extent, plan.extent(of: unit))
        if lastPlaces[unit.flow] == place {
            release(flow)
            // When what was sent is over. Over UDP a BYE that comes with the last packet is read before it by some.
            let end = began + plan.delay(of: unit) + plan.length(of: unit)
            goodbyes.append((flow, max(end, .now + .milliseconds(20))))
        }
        (place, packetIndex) = (place + 1, 0)
        return true
    }

    private func tokens(_ rate: Int?, _ size: Int64, at now: Instant) -> Bool {
        guard let rate else {
            throttle = nil
            return true
        }
        if throttle?.rate != Int64(rate) { throttle = TokenBucket(rate: rate, burst: 0, full: false, at: now) }
        guard let available = throttle?.available(at: now), available <= 0 else {
            // A packet goes whole, and is paid back later.
            throttle?.take(size, at: now)
            return true
        }
        later(throttle?.wait(at: now) ?? .zero)
        return false
    }

    // MARK: Packets

    private func isActive(_ match: (RTSPFault) -> Bool) -> Bool {
        passage?.effects.contains { match($0.fault) } ?? false
    }

    private func percent(_ match: (RTSPFault) -> Double?) -> Double {
        passage?.effects.compactMap { match($0.fault) }.max() ?? 0
    }

    private func send(
        _ unit: Programme.Unit, _ index: Int, _ flow: Flow, _ plan: PlayPlan, corruption: [Int64], offset: Int64
    ) {
        var packet = unit.packets[index]
        for base in corruption {
            // The header stays as it is, else it would be another fault.
            var byte = base
            let first = offset + Int64(RTPHeader.size)
            if byte < first { byte += (first - base + 999) / 1000 * 1000 }
            while byte < offset + Int64(packet.count) {
                packet[Int(byte - offset)] ^= 0xFF
                byte += 1000
            }
        }
        if isActive({ $0 == .silentFlow(flow.index) }) { return }
        let isFrozen = isActive { $0 == .frozenTimestamps }
        // One for all packets of a unit, as a sender has it whose clock is broken.
        if index == 0, isActive({ $0 == .randomTimestamps }) {
            madeUp = UInt32(truncatingIfNeeded: faultDice.next())
        } else if index == 0 {
            madeUp = nil
        }
        flow.sender.stamp(
            &packet, at: clock, plus: plan.ticks(of: unit, clock: flow.sender.clock), isFrozen: isFrozen,
            other: madeUp)
        if faultDice.happens(percent: percent { if case .loss(let value) = $0 { value } else { nil } }) { return }
        if flow.held == nil,
            faultDice.happens(percent: percent { if case .reorder(let value) = $0 { value } else { nil } })
        {
            flow.held = packet
            return
        }
        put(packet, flow)
        if faultDice.happens(percent: percent { if case .duplicate(let value) = $0 { value } else { nil } }) {
            put(packet, flow)
        }
        release(flow)
    }

    private func release(_ flow: Flow) {
        if let held = flow.held { put(held, flow) }
        flow.held = nil
    }

    private func put(_ packet: [UInt8], _ flow: Flow, isControl: Bool = false) {
        switch flow.path {
        case .interleaved(let connection, let channels):
            connection.send(frame: packet, channel: isControl ? channels.upperBound : channels.lowerBound)
        case .datagrams(let ports): ports.send(packet, isControl: isControl)
        }
    }

    /// The connection breaks off within a packet: what of it stands before the break is sent.
    private func sendPart(_ packet: [UInt8], _ count: Int, _ flow: Flow, before step: FaultSchedule.Step) {
        guard case .interleaved(let connection, let channels) = flow.path, let plan, place < plan.order.count else {
            return
        }
        switch step {
        case .reset, .close: break
        default: return
        }
        if passage?.suffered.contains(where: { $0.kind == .short }) ?? false { return }
        var sender = flow.sender
        var packet = packet
        sender.stamp(
            &packet, at: clock, plus: plan.ticks(of: programme.units[plan.order[place]], clock: flow.sender.clock))
        connection.send(frame: packet, channel: channels.lowerBound, upTo: count)
    }

    // MARK: Reports and the end

    private func report(at now: Instant) {
        guard now >= nextReport else { return }
        nextReport = now + core.options.reportInterval
        for flow in flows where lastPlaces[flow.index].map({ $0 >= place }) ?? false {
            control(flow, at: now, bye: false)
        }
    }

    private func control(_ flow: Flow, at now: Instant, bye: Bool) {
        let moment = clock + (plan?.progress(after: now - began) ?? .zero)
        let isSilent = isActive { $0 == .withoutReports }
        if isSilent, !bye { return }
        put(
            flow.sender.report(at: moment, wallClock: wallClock(at: now), bye: bye, isSilent: isSilent), flow,
            isControl: true)
    }

    /// Seconds since 1900 as 32.32 fixed point.
    private func wallClock(at now: Instant) -> UInt64 {
        let since1970 = core.wall.nanoseconds + (now - core.wall.at).wholeNanoseconds
        let (seconds, rest) = UInt64(clamping: since1970).quotientAndRemainder(dividingBy: 1_000_000_000)
        return (seconds + 2_208_988_800) << 32 | (rest << 32) / 1_000_000_000
    }

    private func sayGoodbye(at now: Instant) {
        for (flow, at) in goodbyes where at <= now { control(flow, at: .now, bye: true) }
        goodbyes.removeAll { $0.at <= now }
    }

    /// Everything was sent, or will never be: each flow that has not said goodbye does.
    private func finish() {
        sayGoodbye(at: .never)
        for flow in flows {
            release(flow)
            if let last = lastPlaces[flow.index], last >= place { control(flow, at: .now, bye: true) }
        }
        stop()
    }

    // MARK: Faults

    private func carryOut(_ effect: FaultSchedule.Effect) {
        let isNew = done.insert(effect.id).inserted
        switch effect.fault {
        case .loss, .reorder, .duplicate, .frozenTimestamps, .randomTimestamps, .withoutReports, .silentFlow, .moved,
            .withoutRTPInfo, .wrongRTPInfo, .withoutRange, .withoutScale,
            .lateStart, .withoutSpeed, .speedInTimestamps:
            return
        case .bye:
            // It lasts: each PLAY ends as soon as it begins.
            finish()
            return
        default: break
        }
        guard isNew else { return }
        switch effect.fault {
        case .sessionLost: end()
        case .redirect(let url, let npt):
            var headers = RTSPHeaders([(.location, url)])
            if let npt { headers.add(.range, RTSPRange.npt(from: npt).description) }
            request(.redirect, headers)
        case .announce(let code):
            request(.announce, RTSPHeaders([(.xNotice, "\(code) \"\(Self.words(of: code))\"")]))
        case .playNotify(let reason):
            var headers = RTSPHeaders([(.notifyReason, reason)])
            if let position { headers.add(.range, RTSPRange.npt(from: position).description) }
            request(.playNotify, headers)
        case .teardown:
            request(.teardown, RTSPHeaders())
            end()
        case .closePorts:
            for flow in flows {
                if case .datagrams(let ports) = flow.path { ports.close() }
            }
        case .newSource:
            for flow in flows { flow.sender.begin(using: &faultDice) }
        case .garbage(let count):
            let bytes = (0..<count).map { _ in
                // Nothing in it looks like the beginning of a frame, or like the blank line that may stand before a message.
                0x80 | UInt8(truncatingIfNeeded: faultDice.next() >> 32)
            }
            connection.send(bytes)
        case .sequenceJump(let count):
            for flow in flows { flow.sender.skip(count) }
        case .timestampJump(let time):
            for flow in flows { flow.sender.jump(MediaTime(time)) }
        default: break
        }
    }

    private func request(_ method: RTSPMethod, _ headers: RTSPHeaders) {
        requestCount += 1
        var all = RTSPHeaders([(.cseq, "\(requestCount)"), (.session, id)])
        for field in headers.fields { all.add(field.name, field.value) }
        connection.send(
            RTSPRequest(method: method, uri: core.url(of: path), headers: all).serialized())
    }

    private static func words(of code: Int) -> String {
        switch RTSPNotice.Code(rawValue: code) {
        case .streamStalled: "Stream Stalled"
        case .streamResumed: "Stream Resumed"
        case .endOfStream: "End-of-Stream Reached"
        case .beginningOfStream: "Beginning-of-Stream Reached"
        case .startOfStream: "Start-of-Stream Reached"
        case .outOfResources: "Server Resources Unavailable"
        case .downstreamFailure: "Downstream Failure"
        case .sessionTerminated: "Client Session Terminated"
        case .serverShuttingDown: "Server Shutting Down"
        case .internalError: "Internal Server Error"
        default: "Notice"
        }
    }
}
