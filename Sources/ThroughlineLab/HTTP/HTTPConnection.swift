internal import Glibc
internal import NIOCore
internal import NIOHTTP1
internal import ThroughlineCore
internal import ThroughlineProtocols

/// One connection of an origin: requests in order, each response step by step as the schedule of faults decides.
///
/// At most one piece of a body is under way; the next is made when the kernel has taken it, which is all the
/// back-pressure and all the precision there is. The connection reads on meanwhile, so that it notices a client that
/// leaves, and so that a close is a FIN (closing with unread requests would make it a reset).
final class HTTPConnection: ChannelInboundHandler, @unchecked Sendable {
    // Unchecked: confined to the event loop, as every channel handler.
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    /// The most that is under way at once.
    static let pieceSize: Int64 = 256 << 10
    /// Requests that may wait behind the one being answered.
    static let waitingLimit = 100
    /// After this many pieces in a row the event loop gets to look at its sockets. (It runs the tasks that tasks add
    /// before it does, so a fast client would have it to itself.)
    static let piecesInARow = 16

    let number: Int
    private let core: HTTPCore
    private let channel: any Channel
    private let wire: any Wire
    private var waiting: [HTTPRequestHead] = []
    private var current: Exchange?
    private let pacing: Meter?
    private var throttle: Meter?
    private var isOpen = true
    private var piecesWithoutPause = 0

    /// A request and its response.
    private final class Exchange: @unchecked Sendable {
        // Unchecked: confined to the event loop, as its connection.
        enum Phase {
            /// Met with silence; `forGood` whatever changes.
            case silenced(forGood: Bool)
            /// The head is held back, or being made.
            case beforeHead
            /// The head was written, and the body is under way.
            case body
            /// Waiting for the last bytes to be delivered, or for the end to be written.
            case ending
        }

        let number: Int
        let head: HTTPRequestHead
        let path: String
        var phase = Phase.beforeHead
        var passage: FaultSchedule.Passage?
        var source: BodySource?
        /// Bytes handed to the channel and not yet taken by the kernel.
        var isWriting = false
        /// The head was written but not flushed.
        var holdsUnflushed = false
        /// Counts the tasks that are to go on, of which only the latest does.
        var ticket = 0
        /// Nothing before this moment.
        var pausedUntil: Instant?

        init(number: Int, head: HTTPRequestHead, path: String) {
            self.number = number
            self.head = head
            self.path = path
        }

        deinit { source?.close() }
    }

    init(number: Int, core: HTTPCore, channel: any Channel, wire: any Wire) {
        self.number = number
        self.core = core
        self.channel = channel
        self.wire = wire
        pacing = core.sharedPacing ?? core.options.pacing.map { Meter($0, at: .now) }
    }

    // MARK: Inbound

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .head(let head) = unwrapInboundIn(data), isOpen else { return }
        guard waiting.count < Self.waitingLimit else { return finish(.abandoned) }
        waiting.append(head)
        startNext()
    }

    func channelInactive(context: ChannelHandlerContext) {
        ended(.abandoned)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { finish(.abandoned) }

    private func startNext() {
        guard isOpen, current == nil, !waiting.isEmpty else { return }
        let head = waiting.removeFirst()
        let path = String(head.uri.prefix { $0 != "?" && $0 != "#" })
        let number = core.began(
            self.number, method: head.method.rawValue, path: path, range: head.headers.first(name: "range"))
        let exchange = Exchange(number: number, head: head, path: path)
        current = exchange
        receive(exchange, again: false)
    }

    private func receive(_ exchange: Exchange, again: Bool) {
        let reception = core.schedule.requestArrived(exchange.path, again: again, at: .now)
        core.settle()
        switch reception {
        case .silence: exchange.phase = .silenced(forGood: false)
        case .silenceForGood: exchange.phase = .silenced(forGood: true)
        case .reset: reset(.reset)
        case .close: finish(.closed)
        case .answer, .refuse:
            exchange.phase = .beforeHead
            let held = core.schedule.headDelay(exchange.path, at: .now)
            core.settle()
            guard let (delay, faults) = held else {
                return answer(exchange, reception, delayedBy: [])
            }
            loop.scheduleTask(in: .nanoseconds(delay.wholeNanoseconds)) {
                guard self.current === exchange else { return }
                self.answer(exchange, reception, delayedBy: faults)
            }
        }
    }

    private var loop: any EventLoop { core.loop }

    // MARK: Heads

    /// A response is under way.
    var isAnswering: Bool { current != nil }

    private func answer(_ exchange: Exchange, _ reception: FaultSchedule.Reception, delayedBy faults: Set<Int>) {
        if let limit = core.options.requestLimit, core.answering > limit { return answer(exchange, status: 503, [:]) }
        if case .refuse(let status, let retryAfter) = reception {
            var headers = HTTPHeaders()
            if let retryAfter {
                headers.add(name: "Retry-After", value: String(retryAfter.wholeSecondsUp))
            }
            return answer(exchange, status: status, headers)
        }
        guard exchange.head.method == .GET || exchange.head.method == .HEAD else {
            return answer(exchange, status: 405, ["Allow": "GET, HEAD"])
        }
        let files = core.files.withLock { files in
            files[exchange.path] ?? files[String(decoding: exchange.path.percentDecoded, as: UTF8.self)]
        }
        guard let file = files, let source = BodySource(file.content) else {
            return answer(exchange, status: 404, [:])
        }
        exchange.source = source
        deliver(file, source, exchange, delayedBy: faults)
    }

    private func deliver(
        _ file: ServedFile, _ source: BodySource, _ exchange: Exchange, delayedBy faults: Set<Int>
    ) {
        var headers = HTTPHeaders()
        let entityTag = file.entityTag.value(or: source.entityTag)
        let lastModified = file.lastModified.value(or: source.modified.map(httpDate))
        var range = core.options.servesRanges ? exchange.head.headers.first(name: "range") : nil
        if let condition = exchange.head.headers.first(name: "if-range"), condition != entityTag,
            condition != lastModified
        {
            range = nil
        }

        let size = source.size
        let byteOffset: (NPT) -> Int64? = { file.byteOffset(of: $0, size: size) }
        var length = size
        var wanted = ByteRange(range, size: size)
        if exchange.head.method == .GET,
            let truncated = core.schedule.truncation(
                exchange.path, size: size, wanted: wanted.bytes(of: size), byteOffset: byteOffset, at: .now)
        {
            core.settle()
            length = min(size, max(0, truncated))
            wanted = ByteRange(range, size: length)
        }

        headers.add(
            name: "Accept-Ranges", value: core.options.servesRanges || core.options.promisesRanges ? "bytes" : "none")
        if let entityTag { headers.add(name: "ETag", value: entityTag) }
        if let lastModified { headers.add(name: "Last-Modified", value: lastModified) }
        let status: Int
        switch wanted {
        case .unsatisfiable:
            exchange.source = nil
            source.close()
            headers.add(name: "Content-Range", value: "bytes */\(length)")
            return answer(exchange, status: 416, headers)
        case .part(let bytes):
            status = 206
            headers.add(
                name: "Content-Range", value: "bytes \(bytes.lowerBound)-\(bytes.upperBound - 1)/\(length)")
        case .whole: status = 200
        }
        let promised = wanted.bytes(of: length)
        headers.add(name: "Content-Type", value: file.contentType ?? contentType(forPath: exchange.path))
        headers.add(name: "Content-Length", value: String(promised.count))

        core.update(exchange.number) {
            $0.status = status
            $0.promised = promised
            $0.answeredAt = .now
        }
        writeHead(exchange, status: status, headers)
        exchange.phase = .body
        var passage = FaultSchedule.Passage(
            path: exchange.path, size: size, promised: promised, byteOffset: byteOffset)
        if exchange.head.method == .HEAD { passage.cursor = promised.upperBound }
        passage.markDelayed(by: faults)
        exchange.passage = passage
        proceed(exchange)
    }

    private func answer(_ exchange: Exchange, status: Int, _ headers: HTTPHeaders) {
        let status = HTTPResponseStatus(statusCode: status)
        let text = ByteBuffer(string: "\(status.code) \(status.reasonPhrase)\n")
        var headers = headers
        headers.add(name: "Content-Type", value: "text/plain; charset=utf-8")
        headers.add(name: "Content-Length", value: String(text.readableBytes))
        core.update(exchange.number) {
            $0.status = Int(status.code)
            $0.answeredAt = .now
        }
        writeHead(exchange, status: Int(status.code), headers)
        if exchange.head.method != .HEAD { channel.write(OutboundOut.body(.byteBuffer(text)), promise: nil) }
        complete(exchange)
    }

    private func writeHead(_ exchange: Exchange, status: Int, _ headers: HTTPHeaders) {
        var headers = headers
        headers.add(name: "Date", value: httpDate(WallClock.seconds))
        headers.add(name: "Connection", value: exchange.head.isKeepAlive ? "keep-alive" : "close")
        let head = HTTPResponseHead(
            version: .http1_1, status: HTTPResponseStatus(statusCode: status), headers: headers)
        channel.write(OutboundOut.head(head), promise: nil)
        exchange.holdsUnflushed = true
    }

    // MARK: Bodies

    /// Something may have changed at the origin.
    func lookAgain() {
        guard isOpen, let exchange = current else { return }
        switch exchange.phase {
        case .silenced(false): receive(exchange, again: true)
        case .body:
            guard exchange.isWriting else { return proceed(exchange) }
            let step = core.schedule.next(for: &exchange.passage!, midWrite: true, at: .now)
            noteFaults(exchange)
            core.settle()
            switch step {
            case .reset(false): reset(.reset)
            case .close(false): finish(.closed)
            default: break
            }
        case .silenced, .beforeHead, .ending: break
        }
    }

    /// Takes the next step of a body, if none is under way.
    private func proceed(_ exchange: Exchange) {
        guard isOpen, current === exchange, case .body = exchange.phase, !exchange.isWriting,
            let passage = exchange.passage
        else { return }
        if passage.cursor >= passage.promised.upperBound { return complete(exchange) }
        let now = Instant.now
        var step = core.schedule.next(for: &exchange.passage!, at: now)
        noteFaults(exchange)
        // First, so that a port that is to close with this step is closed before the client can know.
        core.settle()
        if case .pause(let pause) = step { exchange.pausedUntil = max(exchange.pausedUntil ?? now, now) + pause }
        if let pausedUntil = exchange.pausedUntil {
            if pausedUntil > now {
                if case .send = step { step = .pause(pausedUntil - now) }
            } else {
                exchange.pausedUntil = nil
            }
        }
        switch step {
        case .send(let limit, let rate, let corruption):
            send(exchange, limit: limit, rate: rate, corruption: corruption, at: now)
        case .pause(let pause):
            flush(exchange)
            schedule(exchange, in: pause)
        case .stall: flush(exchange)
        case .reset(let afterDelivery):
            guard afterDelivery else { return reset(.reset) }
            exchange.phase = .ending
            flush(exchange)
            resetWhenDelivered(exchange)
        case .close: finish(.closed, flushing: true)
        }
    }

    private func send(_ exchange: Exchange, limit: Int64, rate: Int?, corruption: [Int64], at now: Instant) {
        let cursor = exchange.passage!.cursor
        var allowed = min(limit - cursor, Self.pieceSize)
        var wait = Duration.zero
        if let rate {
            if core.sharedPacing != nil {
                throttle = core.sharedThrottle(to: rate, at: now)
            } else if throttle?.bucket.rate != Int64(rate) {
                throttle = Meter(TokenBucket(rate: rate, burst: 0, full: false, at: now))
            }
        } else {
            throttle = nil
        }
        for bucket in [pacing?.bucket, throttle?.bucket] {
            guard let bucket else { continue }
            let available = bucket.available(at: now)
            allowed = min(allowed, available)
            if available == 0 { wait = max(wait, bucket.wait(at: now)) }
        }
        let count = allowed
        guard count > 0 else {
            flush(exchange)
            return schedule(exchange, in: wait)
        }
        pacing?.take(count, at: now)
        throttle?.take(count, at: now)

        guard let source = exchange.source,
            let piece = source.read(
                cursor..<cursor + count, corruption: corruption, asRegion: wire.takesFileRegions, for: channel)
        else {
            // The file was made shorter, or cannot be read any more.
            return finish(.abandoned)
        }
        exchange.passage!.cursor = cursor + count
        exchange.isWriting = true
        exchange.holdsUnflushed = false
        channel.writeAndFlush(OutboundOut.body(piece)).whenComplete { result in
            exchange.isWriting = false
            guard self.current === exchange else { return }
            // The connection broke, or the file became shorter.
            guard case .success = result else { return self.finish(.abandoned) }
            self.core.update(exchange.number) { $0.bytesSent += count }
            if rate != nil || self.pacing != nil {
                // Paced: nothing is gained by looking before the next tick, unless a burst is there.
                self.wroteFirst()
                return self.schedule(exchange, in: count == Self.pieceSize ? .zero : TokenBucket.tick)
            }
            self.wroteFirst()
            self.piecesWithoutPause += 1
            if self.piecesWithoutPause < Self.piecesInARow {
                self.schedule(exchange, in: .zero)
            } else {
                self.piecesWithoutPause = 0
                self.schedule(exchange, in: .microseconds(20))
            }
        }
    }

    private func wroteFirst() {
        core.schedule.firstByteSent(at: .now)
        core.settle()
    }

    private func schedule(_ exchange: Exchange, in delay: Duration) {
        exchange.ticket += 1
        let ticket = exchange.ticket
        let proceed: @Sendable () -> Void = {
            if exchange.ticket == ticket { self.proceed(exchange) }
        }
        if delay <= .zero {
            loop.execute(proceed)
        } else {
            loop.scheduleTask(in: .nanoseconds(delay.wholeNanoseconds), proceed)
        }
    }

    private func flush(_ exchange: Exchange) {
        guard exchange.holdsUnflushed else { return }
        exchange.holdsUnflushed = false
        channel.flush()
    }

    private func noteFaults(_ exchange: Exchange) {
        guard let suffered = exchange.passage?.suffered, !suffered.isEmpty else { return }
        core.update(exchange.number) { $0.faults = suffered }
    }

    // MARK: Ends

    private func complete(_ exchange: Exchange) {
        exchange.phase = .ending
        channel.writeAndFlush(OutboundOut.end(nil)).whenSuccess {
            guard self.current === exchange, self.isOpen else { return }
            let keepAlive = exchange.head.isKeepAlive
            self.endExchange(.completed)
            guard keepAlive else { return self.finish(.completed) }
            // Not from within the write: a long row of waiting requests must not be a deep stack.
            self.loop.execute { self.startNext() }
        }
    }

    /// Resets once the peer's kernel has acknowledged everything: what it has not, a reset would throw away.
    private func resetWhenDelivered(_ exchange: Exchange) {
        guard isOpen, current === exchange else { return }
        if wire.undeliveredByteCount == 0 { return reset(.reset) }
        loop.scheduleTask(in: .milliseconds(1)) { self.resetWhenDelivered(exchange) }
    }

    /// Sends a reset, now.
    func reset(_ outcome: RequestRecord.Outcome) {
        guard isOpen else { return }
        wire.resetOnClose()
        finish(outcome)
    }

    /// Closes the connection, with what ended the request in progress.
    private func finish(_ outcome: RequestRecord.Outcome, flushing: Bool = false) {
        guard isOpen else { return }
        if flushing, let current { flush(current) }
        ended(outcome)
        channel.close(promise: nil)
    }

    private func ended(_ outcome: RequestRecord.Outcome) {
        guard isOpen else { return }
        isOpen = false
        endExchange(outcome)
        waiting.removeAll()
        core.left(self)
    }

    private func endExchange(_ outcome: RequestRecord.Outcome) {
        guard let exchange = current else { return }
        current = nil
        exchange.source?.close()
        exchange.source = nil
        if let passage = exchange.passage { core.schedule.finished(passage) }
        core.ended(exchange.number, outcome)
    }
}

extension ServedFile.Validator {
    fileprivate func value(or automatic: String?) -> String? {
        switch self {
        case .automatic: automatic
        case .none: nil
        case .value(let value): value
        }
    }
}

extension ByteRange {
    fileprivate func bytes(of size: Int64) -> Range<Int64> {
        switch self {
        case .whole: 0..<size
        case .part(let bytes): bytes
        case .unsatisfiable: size..<size
        }
    }
}
