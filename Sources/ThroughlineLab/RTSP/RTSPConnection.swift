internal import Glibc
internal import NIOCore
internal import ThroughlineCore
internal import ThroughlineProtocols

/// One control connection of an RTSP origin: requests answered in order, and interleaved frames both ways.
///
/// It reads on while a request is met with silence or held back, so that it notices a client that leaves; what comes
/// meanwhile waits its turn.
final class RTSPConnection: ChannelInboundHandler, @unchecked Sendable {
    // Unchecked: confined to the event loop, as every channel handler.
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Requests that may wait behind the one being answered.
    static let waitingLimit = 100

    let number: Int
    private let core: RTSPCore
    private let channel: any Channel
    private let wire: any Wire
    private var framer = RTSPFramer()
    private var waiting: [RTSPRequest] = []
    private var current: Exchange?
    private var isOpen = true

    private final class Exchange: @unchecked Sendable {
        // Unchecked: confined to the event loop, as its connection.
        let number: Int
        let request: RTSPRequest
        let path: String
        /// Met with silence; true where nothing changes that.
        var silencedForGood: Bool?

        init(number: Int, request: RTSPRequest, path: String) {
            self.number = number
            self.request = request
            self.path = path
        }
    }

    init(number: Int, core: RTSPCore, channel: any Channel, wire: any Wire) {
        self.number = number
        self.core = core
        self.channel = channel
        self.wire = wire
    }

    // MARK: Inbound

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard isOpen else { return }
        let buffer = unwrapInboundIn(data)
        var requests: [RTSPRequest] = []
        var channels: Set<UInt8> = []
        buffer.withUnsafeReadableBytes { bytes in
            framer.feed(bytes) { element in
                switch element {
                case .message(.request(let request)): requests.append(request)
                // The answers to our own requests change nothing.
                case .message(.response): break
                case .frame(let channel, _): channels.insert(channel)
                }
            }
        }
        for channel in channels { core.reported(on: self, channel: channel) }
        guard waiting.count + requests.count <= Self.waitingLimit else { return finish(.abandoned) }
        waiting += requests
        startNext()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if channel.isWritable { core.tookMore(self) }
        context.fireChannelWritabilityChanged()
    }

    func channelInactive(context: ChannelHandlerContext) {
        ended(.abandoned)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { finish(.abandoned) }

    private func startNext() {
        while isOpen, current == nil, !waiting.isEmpty {
            let request = waiting.removeFirst()
            let path = core.resource(request.uri).path
            let number = core.began(
                self.number, method: request.method.rawValue, path: path, range: request.headers[.range])
            let exchange = Exchange(number: number, request: request, path: path)
            current = exchange
            receive(exchange, again: false)
        }
    }

    private func receive(_ exchange: Exchange, again: Bool) {
        let method = exchange.request.method.rawValue
        let reception = core.schedule.requestArrived(exchange.path, method: method, again: again, at: .now)
        core.settle()
        guard isOpen, current === exchange else { return }
        exchange.silencedForGood = nil
        switch reception {
        case .silence: exchange.silencedForGood = false
        case .silenceForGood: exchange.silencedForGood = true
        case .reset: reset()
        case .close: finish(.closed)
        case .answer, .refuse:
            let held = core.schedule.headDelay(exchange.path, method: method, at: .now)
            core.settle()
            guard let held else { return answer(exchange, reception) }
            core.loop.scheduleTask(in: .nanoseconds(held.delay.wholeNanoseconds)) {
                guard self.current === exchange else { return }
                self.answer(exchange, reception)
                self.startNext()
            }
        }
    }

    private func answer(_ exchange: Exchange, _ reception: FaultSchedule.Reception) {
        var response: RTSPResponse
        var after: (() -> Void)?
        if case .refuse(let status, let retryAfter) = reception {
            response = RTSPResponse(status: RTSPStatus(code: status) ?? .internalServerError)
            if let retryAfter { response.headers.add(.retryAfter, "\(retryAfter.wholeSecondsUp)") }
        } else {
            (response, after) = core.answer(exchange.request, on: self)
        }
        var headers = RTSPHeaders()
        if let cseq = exchange.request.headers[.cseq] { headers.add(.cseq, cseq) }
        headers.add(.server, "Throughline Lab")
        headers.add(.date, httpDate(WallClock.seconds))
        for field in response.headers.fields { headers.add(field.name, field.value) }
        response.headers = headers
        core.update(exchange.number) {
            $0.status = response.status.code
            $0.answeredAt = .now
        }
        send(response.serialized())
        current = nil
        core.ended(exchange.number, .completed)
        after?()
    }

    /// Something may have changed at the origin.
    func lookAgain() {
        guard isOpen, let exchange = current, exchange.silencedForGood == false else { return }
        receive(exchange, again: true)
        startNext()
    }

    // MARK: Outbound

    /// Whether the client takes what is sent to it; at least 64 KiB may be on their way.
    var isWritable: Bool { channel.isWritable }

    func openDatagramPorts(to clientPorts: ClosedRange<UInt16>) -> (any DatagramPorts)? {
        wire.openDatagramPorts(to: clientPorts)
    }

    func send(_ bytes: [UInt8]) {
        guard isOpen else { return }
        channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil)
    }

    /// RFC 2326 section 10.12.
    ///
    /// - Parameter count: bytes of the packet that are sent, all by default.
    func send(frame packet: [UInt8], channel number: UInt8, upTo count: Int? = nil) {
        guard isOpen, packet.count <= 0xFFFF else { return }
        var buffer = channel.allocator.buffer(capacity: packet.count + 4)
        buffer.writeBytes([UInt8(ascii: "$"), number])
        buffer.writeInteger(UInt16(packet.count))
        buffer.writeBytes(packet.prefix(count ?? packet.count))
        channel.writeAndFlush(buffer, promise: nil)
    }

    // MARK: Ends

    /// Resets; after everything sent has been acknowledged, or at once.
    func reset(afterDelivery: Bool = false, _ outcome: RequestRecord.Outcome = .reset) {
        guard isOpen else { return }
        if afterDelivery, wire.undeliveredByteCount > 0 || !channel.isWritable {
            core.loop.scheduleTask(in: .milliseconds(1)) { self.reset(afterDelivery: true, outcome) }
            return
        }
        wire.resetOnClose()
        finish(outcome)
    }

    /// Closes the connection, with what ended the request in progress.
    func finish(_ outcome: RequestRecord.Outcome = .closed) {
        guard isOpen else { return }
        ended(outcome)
        channel.close(promise: nil)
    }

    private func ended(_ outcome: RequestRecord.Outcome) {
        guard isOpen else { return }
        isOpen = false
        waiting.removeAll()
        if let exchange = current { core.ended(exchange.number, outcome) }
        current = nil
        core.left(self)
    }
}
