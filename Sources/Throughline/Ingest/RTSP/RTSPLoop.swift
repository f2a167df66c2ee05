internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols
internal import ThroughlineTransport

/// The work of an RTSP source, on its thread: moves bytes between the sockets, the session's state machine and the queue.
///
///     control connection --> framer --messages--> RTSPSession --orders--> control connection, queue
///                               '----RTP, RTCP--.
///     datagrams --> reorder buffer -------------'--> flows --> queue
///                    ^                                 '-----> feed of a session that plays the same
///                    '--- feed from a session that plays the same
final class RTSPLoop {
    private let options: RTSPSource.Options
    private let queue: RTSPQueue
    private let waiter: SocketWaiter
    private let connection: ControlConnection
    private var session: RTSPSession
    private var framer = RTSPFramer()
    /// By medium of the description, ticks of its RTP timestamps in a second.
    private var clockRates: [Int64?] = []
    private var flows: [RTSPFlow] = []
    private var refused: [Int] = []
    /// Flow by channel of interleaved frames; RTCP has the odd place of each pair.
    private var channels: [UInt8: (flow: Int, isControl: Bool)] = [:] {
        didSet { haveChannelsChanged = true }
    }
    /// The framer is to be told of the channels.
    private var haveChannelsChanged = false
    private var outgoing: [UInt8] = []
    private var items: [RTSPItem] = []
    private var block: RTPBlock
    /// Packets that came between a PLAY and its answer: what they mean is known only then.
    private var held: [RTPBlock] = []
    private var heldBytes = 0
    private var awaitsAnswer = false
    /// From where losses are filled.
    private var twin: RTSPTwinFeed?
    /// Where every packet goes as it came, and those of this turn.
    private var tap: RTSPTwinFeed?
    private var tapped: RTPBlock
    /// Bytes of datagrams that may still be kept; what comes beyond is dropped.
    private var room = 0
    private var isOver = false
    private var rest = RTSPRest()
    /// The reader wants to know that all was looked at.
    private var isLookAsked = false
    private var readsControl = true
    private var random = Chance()
    private let canonicalName: String
    /// Bytes that may wait to be sent: a server that reads nothing, and asks on, is left.
    private static let outgoingLimit = 1 << 20
    /// Batches of datagrams that a socket can hold.
    private static let fullestSocket = 128
    private let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)

    init(
        options: RTSPSource.Options, queue: RTSPQueue, waiter: SocketWaiter, abort: AbortSwitch
    ) throws(TransportError) {
        self.options = options
        self.queue = queue
        self.waiter = waiter
        let address = options.address
        connection = try ControlConnection(
            host: address.host, port: UInt16(clamping: address.port), usesTLS: address.usesTLS,
            caFile: options.certificateAuthorities, abort: abort)
        var settings = RTSPSession.Settings(url: address.url)
        settings.user = address.user
        settings.password = address.password
        settings.bearerToken = options.bearerToken
        settings.headers = options.headers.map { ($0.name, $0.value) }
        settings.answerBound = options.bound
        settings.algorithms = Set(RTSPChallenge.Algorithm.allCases)
        settings.hash = { MessageDigest.hex(of: $1, algorithm: $0.rawValue) }
        settings.clientNonce = { String(Chance.number(in: 0...UInt64.max), radix: 16) }
        session = RTSPSession(settings: settings)
        block = RTPBlock(arrival: .now)
        tapped = RTPBlock(arrival: .now)
        canonicalName = "tl-" + String(Chance.number(in: 0...UInt64.max), radix: 16)
    }

    deinit { memory.deallocate() }

    /// Runs until the session has ended or failed.
    ///
    /// - Parameter takeCommands: gives what was asked for since the last call.
    func run(takeCommands: () -> [RTSPSource.Command]) {
        do throws(TransportError) {
            try connection.connect(deadline: .now + options.bound)
            waiter.watch(connection.descriptor, for: .input)
            carryOut(session.start(at: .now))
            while !isOver {
                for command in takeCommands() { try obey(command) }
                try sendPending()
                deliver()
                if isOver { break }
                // What TLS holds already the socket does not show.
                let isAtHand = readsControl && connection.usesTLS && connection.hasBufferedInput
                var isCalled = isAtHand || isLookAsked || !twinMayRest
                if let moment = rest.end, !isCalled, outgoing.isEmpty {
                    isCalled = try waiter.rest(until: min(moment, deadline))
                }
                _ = try waiter.wait(until: isCalled ? .now : deadline)
                room = max(0, queue.room - heldBytes)
                try receiveControl()
                try receiveDatagrams()
                receiveTwin()
                planRest()
                keepTime()
                if isLookAsked { noteLook() }
            }
            try sendPending()
        } catch {
            if error.code != .aborted, !isOver {
                // What came in datagrams before the connection broke is not lost with it.
                try? receiveDatagrams()
                fail(ChangeEvent(error))
            }
        }
        deliver()
        tap?.ended()
        twin?.close()
        for flow in flows { flow.datagrams?.close() }
        connection.close()
    }

    private func fail(_ event: ChangeEvent) {
        guard !isOver else { return }
        isOver = true
        flushBlock()
        items.append(.failed(event))
    }

    private func broken(_ what: String) -> ChangeEvent {
        ChangeEvent(cause: .protocolError, detail: "\(options.address.url): \(what)")
    }

    // MARK: - Commands and orders

    private func obey(_ command: RTSPSource.Command) throws(TransportError) {
        let now = Instant.now
        switch command {
        case .setUp(let media): carryOut(try setUp(media, at: now))
        case .play(let request):
            if session.state != .playing { beginAnew() }
            if session.state == .ready { openWays() }
            carryOut(session.play(request, at: now))
        case .pause: carryOut(session.pause(at: now))
        case .setBandwidth(let rate): carryOut(session.setBandwidth(rate, at: now))
        case .merge(let feed): merge(feed)
        case .tap(let feed):
            handOverTapped()
            tap?.ended()
            tap = feed
        case .gather(let reserve): rest.reserve = reserve
        case .look: isLookAsked = true
        case .close:
            carryOut(session.tearDown(at: now))
            isOver = true
        }
    }

    /// While the viewer has enough to see, what comes is left in the sockets for some milliseconds, and taken together.
    private func planRest() {
        var room = RTSPRest.mostOverConnection
        // The system counts about twice the bytes, and the next burst may be larger than any so far.
        for index in flows.indices {
            if let pair = flows[index].datagrams { room = min(room, pair.receiveBufferSize / 8) }
        }
        // Another session that plays the same waits for what this one has, or the other way round.
        let mayRest = session.state == .playing && !awaitsAnswer && tap == nil && twin == nil
        rest.turnEnded(at: block.arrival, mayRest: mayRest, room: room)
    }

    private func noteLook() {
        isLookAsked = false
        flushBlock()
        items.append(.looked)
    }

    private func setUp(_ media: [Int], at now: Instant) throws(TransportError) -> [RTSPSession.Order] {
        var offers: [RTSPTransport] = []
        for (index, medium) in media.enumerated() {
            var datagrams: DatagramPair?
            if options.usesUDP {
                let pair = try DatagramPair(localAddress: connection.localAddress ?? "0.0.0.0")
                datagrams = pair
                offers.append(.udp(clientPorts: pair.port(of: .rtp)...pair.port(of: .rtcp)))
            } else {
                let offered = Self.offeredChannels(index)
                offers.append(.interleaved(offered))
                // Known before they are agreed: media may come with the answer that agrees to them.
                adopt(offered, for: index)
            }
            let clockRate = clockRates.indices.contains(medium) ? clockRates[medium] : nil
            flows.append(RTSPFlow(datagrams: datagrams, clockRateHz: clockRate ?? 90_000, at: now, using: &random))
        }
        tellFramer()
        return session.setUp(media, offers: offers, at: now)
    }

    private func adopt(_ pair: ClosedRange<UInt8>, for flow: Int) {
        channels = channels.filter { $0.value.flow != flow }
        channels[pair.lowerBound] = (flow, false)
        if pair.upperBound != pair.lowerBound { channels[pair.upperBound] = (flow, true) }
    }

    private func carryOut(_ orders: [RTSPSession.Order]) {
        for order in orders {
            switch order {
            case .send(let bytes): outgoing += bytes
            case .described(let description):
                clockRates = description.media.map { $0.preferredMap.map { Int64($0.clockRateHz) } }
                items.append(.described(description))
            case .agreed(let flow, let transport): agreed(flow, transport)
            case .flowRefused(let flow, _): refused.append(flow)
            case .ready: items.append(.ready(refused: refused))
            case .playing(let answer): playing(answer)
            case .paused:
                // What was sent before the answer is of before, though the answer was read first.
                drainDatagrams()
                flushBlock()
                items.append(.paused)
            case .pauseRefused:
                flushBlock()
                items.append(.pauseRefused)
            case .transportRefused:
                items.append(.transportRefused)
                isOver = true
            case .moved(let url):
                items.append(.moved(to: url))
                isOver = true
            case .notice(let notice):
                flushBlock()
                items.append(.notice(notice))
            case .remark(let text): items.append(.remark(text))
            case .replayUnanswered(let request):
                // What was held back until the answer is of a range that nobody reads.
                items.append(.replayUnanswered(request))
                isOver = true
            case .failed(let event): fail(event)
            }
        }
    }

    private func agreed(_ flow: Int, _ transport: RTSPTransport) {
        guard flows.indices.contains(flow) else { return }
        if let pair = flows[flow].datagrams, transport.interleaved == nil {
            let host = transport.source ?? connection.peerAddress ?? options.address.host
            if let ports = transport.serverPorts {
                // What the server's own port sends counts; a port that it does not tell cannot be told apart.
                try? pair.connect(to: host, rtpPort: ports.lowerBound, rtcpPort: ports.upperBound)
            }
            waiter.watch(pair.descriptor(of: .rtp), for: .input)
            waiter.watch(pair.descriptor(of: .rtcp), for: .input)
            flows[flow].reorder = RTPReorderBuffer()
            if let twin, twin.flows.contains(flow) { flows[flow].reorder?.join(twin.policy) }
        } else if let interleaved = transport.interleaved ?? (options.usesUDP ? nil : Self.offeredChannels(flow)) {
            flows[flow].datagrams?.close()
            flows[flow].datagrams = nil
            adopt(interleaved, for: flow)
            flows[flow].controlChannel = interleaved.upperBound
        }
        flows[flow].ssrc = transport.ssrc
        openWay(flow)
    }

    /// Opens the way back through a firewall or an address translation.
    private func openWay(_ flow: Int) {
        guard let pair = flows[flow].datagrams else { return }
        _ = try? Self.opening.withUnsafeBytes { try pair.send($0, on: .rtp) }
    }

    /// What has stood still for long may be closed again.
    private func openWays() { for flow in flows.indices { openWay(flow) } }

    /// An empty RTP packet of version 2, which every receiver passes over.
    private static let opening: [UInt8] = [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]

    private static func offeredChannels(_ flow: Int) -> ClosedRange<UInt8> {
        let first = UInt8(clamping: min(flow, 127) * 2)
        return first...(first + 1)
    }

    private func playing(_ answer: RTSPPlayAnswer) {
        flushBlock()
        items.append(.playing(answer))
        items += held.map { .packets($0) }
        held = []
        heldBytes = 0
        awaitsAnswer = false
        rest.played(at: .now)
        for index in flows.indices {
            flows[index].saidGoodbye = false
            let first = index < answer.flows.count ? answer.flows[index]?.sequence : nil
            guard let first, var reorder = flows[index].reorder.take() else { continue }
            reorder.promises(first) { take($0, flow: index) }
            flows[index].reorder = reorder
        }
    }

    /// What comes from here on is of another PLAY, which may begin another count.
    private func beginAnew() {
        for index in flows.indices {
            flushReorder(index)
            flows[index].reorder?.reset()
        }
        flushBlock()
        awaitsAnswer = true
        handOverTapped()
        tap?.restarted()
    }

    // MARK: - The control connection

    private func sendPending() throws(TransportError) {
        while !outgoing.isEmpty {
            let count = try outgoing.withUnsafeBufferPointer { (bytes) throws(TransportError) in
                try connection.send(UnsafeRawBufferPointer(bytes))
            }
            if count == 0 { break }
            outgoing.removeFirst(count)
        }
        if outgoing.count > Self.outgoingLimit { fail(broken("it does not read what is sent to it")) }
        watchControl()
    }

    private func watchControl() {
        // With datagrams the messages of the server are read although the queue is full of media.
        let reads = channels.isEmpty ? queue.takesMessages : !queue.isFull
        if reads != readsControl { session.listens(reads, at: .now) }
        readsControl = reads
        var interest: SocketWaiter.Interest = []
        if readsControl { interest.insert(.input) }
        if !outgoing.isEmpty { interest.insert(.output) }
        waiter.watch(connection.descriptor, for: interest)
    }

    private func receiveControl() throws(TransportError) {
        guard readsControl, connection.hasBufferedInput || waiter.isReady(connection.descriptor, for: .input) else {
            return
        }
        // So much at once and no more: timers, datagrams and the reader have their turn too.
        for _ in 0..<8 {
            let count: Int
            do throws(TransportError) {
                guard let received = try connection.receive(into: memory) else { return }
                count = received
            } catch {
                // Servers that are done close in the middle of their last words; what they meant is worth more than that.
                finishMessage()
                throw error
            }
            block.arrival = .now
            rest.received(count)
            let bytes = UnsafeRawBufferPointer(rebasing: memory[..<count])
            withFramer { framer in framer.feed(bytes) { take($0) } }
            if isOver || items.count >= 256 || (count < memory.count && !connection.usesTLS) { return }
        }
    }

    /// A message that will not be completed is taken as it is.
    private func finishMessage() { withFramer { framer in framer.finish { take($0) } } }

    private func withFramer(_ body: (inout RTSPFramer) -> Void) {
        // Taken out meanwhile: what a message leads to may change it.
        var framer = RTSPFramer()
        swap(&framer, &self.framer)
        body(&framer)
        swap(&framer, &self.framer)
        tellFramer()
    }

    private func tellFramer() {
        guard haveChannelsChanged else { return }
        haveChannelsChanged = false
        framer.channels = InterleavedChannels(channels.keys)
    }

    private func take(_ element: RTSPFramer.Element) {
        switch element {
        case .message(let message):
            flushBlock()
            carryOut(session.received(message, at: block.arrival))
        case .frame(let channel, let payload):
            guard let (flow, isControl) = channels[channel] else { return }
            isControl ? takeControl(payload, flow: flow) : take(payload, flow: flow)
        }
    }

    // MARK: - Media

    private func take(_ packet: UnsafeRawBufferPointer, flow: Int) {
        guard let header = RTPHeader(packet) else { return }
        tapPacket(packet, flow: flow)
        let verdict = flows[flow].statistics.received(header, at: block.arrival)
        if case .duplicate = verdict { return }
        var lost = 0
        if case .afterGap(let missing) = verdict { lost = missing }
        block.append(packet, flow: flow, lostBefore: lost)
    }

    private func takeControl(_ packet: UnsafeRawBufferPointer, flow: Int) {
        guard let compound = RTCPPacket.parse(packet, reduced: true) else { return }
        flows[flow].schedule.compoundPassed(byteCount: packet.count + 28)
        for part in compound {
            switch part {
            case .senderReport(let report, _):
                flows[flow].statistics.senderReported(report, at: .now)
                if flows[flow].datagrams != nil, !takesRoom(256) { continue }
                flushBlock()
                items.append(.senderReport(flow: flow, report, at: .now))
            case .bye:
                guard !flows[flow].saidGoodbye else { continue }
                flows[flow].saidGoodbye = true
                flushReorder(flow)
                flushBlock()
                items.append(.goodbye(flow: flow))
            default: break
            }
        }
    }

    private func receiveDatagrams() throws(TransportError) {
        for index in flows.indices {
            guard let pair = flows[index].datagrams else { continue }
            do throws(TransportError) {
                if waiter.isReady(pair.descriptor(of: .rtp), for: .input) {
                    block.arrival = .now
                    if try pair.receive(from: .rtp, { takeDatagram($0, flow: index) }) > 0 {
                        flows[index].lastArrival = block.arrival
                    }
                }
            } catch {
                // Not every server listens where it sends from.
                guard error.code == .refused || error.code == .unreachable else { throw error }
            }
            do throws(TransportError) {
                if waiter.isReady(pair.descriptor(of: .rtcp), for: .input) {
                    _ = try pair.receive(from: .rtcp) { takeControl($0, flow: index) }
                }
            } catch {
                guard error.code == .refused else { throw error }
                refused(index, error)
            }
        }
    }

    /// Takes what lies in the sockets, and no more than they hold.
    private func drainDatagrams() {
        for index in flows.indices {
            guard let pair = flows[index].datagrams else { continue }
            block.arrival = .now
            for _ in 0..<Self.fullestSocket {
                let count = try? pair.receive(from: .rtp) { takeDatagram($0, flow: index) }
                guard let count, count > 0 else { break }
                flows[index].lastArrival = block.arrival
                if count < DatagramPair.batchCount { break }
            }
        }
    }

    /// The port for reports is closed. Some servers never listen to them; one that has fallen silent, too, is gone.
    private func refused(_ index: Int, _ error: TransportError) {
        guard error.code == .refused, !isOver, flows[index].isSilent(at: .now) else { return }
        fail(ChangeEvent(cause: .portUnreachable, detail: error.message))
    }

    private func takeDatagram(_ datagram: UnsafeRawBufferPointer, flow: Int) {
        if MuxedPacketKind(datagram) == .rtcp {
            takeControl(datagram, flow: flow)
            return
        }
        guard let header = RTPHeader(datagram), flows[flow].reorder != nil else { return }
        rest.received(datagram.count)
        tapPacket(datagram, flow: flow)
        let source = flows[flow].statistics.ssrc
        let verdict = flows[flow].statistics.received(header, at: block.arrival)
        if let source, source != header.ssrc {
            guard case .sourceChanged = verdict else { return flows[flow].strangers.keep(datagram, ssrc: header.ssrc) }
            // All of the old source first, and nothing of the new one is lost.
            flushReorder(flow)
            flows[flow].reorder?.reset()
            for packet in flows[flow].strangers.take(of: header.ssrc) {
                packet.withUnsafeBytes { bytes in
                    guard let header = RTPHeader(bytes) else { return }
                    arrange(bytes, sequence: header.sequence, flow: flow)
                }
            }
        }
        arrange(datagram, sequence: header.sequence, flow: flow)
    }

    private func arrange(_ datagram: UnsafeRawBufferPointer, sequence: UInt16, flow: Int) {
        // Taken out meanwhile, so that what it hands out can be kept.
        guard var reorder = flows[flow].reorder.take() else { return }
        reorder.arrived(datagram, sequence: sequence, at: block.arrival) { take($0, flow: flow) }
        flows[flow].reorder = reorder
    }

    private func take(_ output: RTPReorderBuffer.Output, flow: Int) {
        switch output {
        case .packet(let packet): take(ordered: packet, flow: flow, isFilled: false)
        case .filled(let packet): take(ordered: packet, flow: flow, isFilled: true)
        case .lost(let count): flows[flow].lostBefore += count
        case .restarted: break
        }
    }

    private func take(ordered packet: UnsafeRawBufferPointer, flow: Int, isFilled: Bool) {
        // Nobody reads, and nobody can be told to send no more.
        guard takesRoom(packet.count + MemoryLayout<RTPBlock.Entry>.stride) else {
            flows[flow].lostBefore += 1
            return
        }
        block.append(packet, flow: flow, lostBefore: flows[flow].lostBefore, isFilled: isFilled)
        flows[flow].lostBefore = 0
    }

    private func takesRoom(_ byteCount: Int) -> Bool {
        guard byteCount <= room else {
            room = 0
            return false
        }
        room -= byteCount
        return true
    }

    private func send(_ compound: [UInt8], over pair: DatagramPair) throws(TransportError) {
        let result: Result<Void, TransportError> = compound.withUnsafeBytes { bytes in
            Result { () throws(TransportError) in _ = try pair.send(bytes, on: .rtcp) }
        }
        try result.get()
    }

    private func flushReorder(_ flow: Int) {
        guard var reorder = flows[flow].reorder.take() else { return }
        reorder.flush { take($0, flow: flow) }
        flows[flow].reorder = reorder
    }

    /// Packets so far go before what comes now.
    private func flushBlock() {
        guard !block.entries.isEmpty else { return }
        session.mediaArrived(at: block.arrival)
        if awaitsAnswer {
            heldBytes += block.byteCount
            if heldBytes > options.byteLimit {
                awaitsAnswer = false
                fail(broken("it sends media and does not answer PLAY"))
            } else {
                held.append(block)
            }
        } else {
            items.append(.packets(block))
        }
        block = RTPBlock(arrival: block.arrival, after: block)
    }

    // MARK: - Another session that plays the same

    private func merge(_ feed: RTSPTwinFeed?) {
        twin?.close()
        twin = feed
        for flow in flows.indices {
            if let feed, feed.flows.contains(flow) {
                flows[flow].reorder?.join(feed.policy)
            } else {
                flows[flow].reorder?.leaveTwin()
            }
        }
        feed?.watch { [waiter] in waiter.wake() }
    }

    /// False when a packet of the other session is there that is waited for.
    private var twinMayRest: Bool {
        guard let twin else { return true }
        return twin.mayRest(isAwaiting: flows.contains { $0.reorder?.awaitsTwin ?? false })
    }

    private func receiveTwin() {
        guard let twin else { return }
        let now = Instant.now
        for item in twin.take() {
            switch item {
            case .packets(let packets):
                block.arrival = now
                packets.bytes.withUnsafeBytes { bytes in
                    for entry in packets.entries where flows.indices.contains(entry.flow) {
                        let packet = UnsafeRawBufferPointer(rebasing: bytes[entry.start..<entry.start + entry.count])
                        guard var reorder = flows[entry.flow].reorder.take() else { continue }
                        reorder.twinReceived(packet, arrival: packets.arrival, at: now) { take($0, flow: entry.flow) }
                        flows[entry.flow].reorder = reorder
                    }
                }
            case .restarted: for flow in flows.indices { flows[flow].reorder?.twinRestarted() }
            case .ended: return merge(nil)
            }
        }
        for flow in flows.indices {
            for finding in flows[flow].reorder?.takeTwinFindings() ?? [] {
                items.append(.twin(flow: flow, finding))
            }
        }
    }

    /// A packet as it came: also those that came twice, or too early.
    private func tapPacket(_ packet: UnsafeRawBufferPointer, flow: Int) {
        guard let tap, let other = tap.flow(of: flow) else { return }
        if tapped.entries.isEmpty { tapped.arrival = block.arrival }
        tapped.append(packet, flow: other)
    }

    private func handOverTapped() {
        guard !tapped.entries.isEmpty else { return }
        if tap?.put(tapped) == false { tap = nil }
        tapped = RTPBlock(arrival: tapped.arrival)
    }

    private func deliver() {
        handOverTapped()
        flushBlock()
        queue.put(items)
        items = []
    }

    // MARK: - Time

    private var deadline: Instant {
        var deadline = session.deadline
        for index in flows.indices {
            deadline = min(deadline, flows[index].schedule.deadline)
            if let moment = flows[index].reorder?.deadline { deadline = min(deadline, moment) }
            if session.state == .playing { deadline = min(deadline, flows[index].probeAt) }
        }
        return deadline
    }

    private func keepTime() {
        let now = Instant.now
        if now >= session.deadline {
            // A length that was announced and is never reached holds an answer back that is whole.
            if session.hasLateAnswer(at: now) { finishMessage() }
            carryOut(session.timePassed(at: now))
        }
        for index in flows.indices {
            if var reorder = flows[index].reorder.take() {
                reorder.expire(at: now) { take($0, flow: index) }
                flows[index].reorder = reorder
            }
            let isProbe = session.state == .playing && now >= flows[index].probeAt
            if isProbe { flows[index].probedAt = now }
            if flows[index].schedule.expired(at: now, using: &random) || isProbe { sendReport(of: index, at: now) }
        }
    }

    /// A receiver report and our name (RFC 3550 section 6.4.2).
    private func sendReport(of index: Int, at now: Instant) {
        guard session.state == .playing, let block = flows[index].statistics.reportBlock(at: now) else { return }
        let compound = RTCPPacket.compound([
            .receiverReport(ssrc: flows[index].ownSSRC, [block]),
            .sourceDescription([.init(ssrc: flows[index].ownSSRC, canonicalName: canonicalName)]),
        ])
        flows[index].schedule.compoundPassed(byteCount: compound.count + 28)
        if let pair = flows[index].datagrams {
            // A port that is closed answers. The next receive tells, or the next thing that is sent: then that was not sent.
            do throws(TransportError) {
                try send(compound, over: pair)
            } catch { refused(index, error) }
        } else if let channel = flows[index].controlChannel, compound.count <= 0xFFFF {
            outgoing += [0x24, channel, UInt8(compound.count >> 8), UInt8(compound.count & 0xFF)] + compound
        }
    }
}

/// What the source keeps of one flow.
struct RTSPFlow {
    var datagrams: DatagramPair?
    /// Nil where the connection keeps the order.
    var reorder: RTPReorderBuffer?
    var statistics: RTPReceptionStatistics
    var schedule: RTCPSchedule
    var controlChannel: UInt8?
    var ssrc: UInt32?
    let ownSSRC = Chance.number(in: 1...UInt32.max)
    var lostBefore = 0
    var saidGoodbye = false
    var strangers = RTPStrangers()
    /// When a datagram came last.
    var lastArrival: Instant?
    var probedAt: Instant?

    /// A flow that is silent for longer may have lost its sender.
    static let rhythm: Duration = .milliseconds(200)
    static let probeInterval: Duration = .seconds(1)

    func isSilent(at now: Instant) -> Bool { lastArrival.map { now - $0 >= Self.rhythm / 2 } ?? true }

    /// When to send a report out of turn: if the port it goes to is closed by now, the answer tells.
    var probeAt: Instant {
        guard datagrams != nil, !saidGoodbye, let lastArrival else { return .never }
        return max(lastArrival + Self.rhythm, probedAt.map { $0 + Self.probeInterval } ?? lastArrival)
    }

    init(
        datagrams: DatagramPair?, clockRateHz: Int64, at now: Instant, using random: inout some RandomNumberGenerator
    ) {
        self.datagrams = datagrams
        statistics = RTPReceptionStatistics(clockRateHz: clockRateHz, probation: datagrams == nil ? 0 : 2)
        schedule = RTCPSchedule(bytesPerSecond: nil, at: now, using: &random)
    }
}
