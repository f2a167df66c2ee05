internal import ThroughlineCore

/// Speaks HTTP/1.1 in the memory of a world, in libcurl's place: keeps connections alive, knows lengths and chunks, and
/// sends a password by the scheme Basic. Neither TLS nor cookies, proxies or codings.
///
/// Not `Sendable`; used by one thread at a time.
final class MemoryTransfer: HTTPTransfer {
    let receiver = ResponseReceiver()
    private(set) var end: HTTPTransferEnd?
    private(set) var timings = TransportTimings(connect: nil, firstByte: nil, reusedConnection: false)
    private(set) var offers: HTTPAuthentication = []
    let readsSocket = false

    private static let mostKept = 4

    private let network: MemoryNetwork
    private let options: HTTPRequestOptions
    private var abort: AbortSwitch?
    /// Connections that are kept, and where they lead.
    private var kept: [(place: String, end: MemoryConnection.End)] = []
    private var exchange: Exchange?
    private let piece: UnsafeMutableRawBufferPointer

    /// A request and its answer on a connection.
    private struct Exchange {
        let place: String
        var connection: MemoryConnection.End
        let text: [UInt8]
        var unsent: ArraySlice<UInt8>
        let began: Instant
        let isReused: Bool
        var isConnected = false
        var body = HTTPBody.none
        var isInBody = false
        /// Bytes that came, and were not taken yet.
        var input: [UInt8] = []
        /// The connection can serve another request.
        var isKept = false
    }

    init(network: MemoryNetwork, options: HTTPRequestOptions, abort: AbortSwitch) {
        self.network = network
        self.options = options
        self.abort = abort
        piece = .allocate(byteCount: 64 << 10, alignment: 16)
        abort.register(network)
    }

    deinit {
        remove()
        for connection in kept { connection.end.finish() }
        piece.deallocate()
    }

    var isConnected: Bool { exchange?.isConnected ?? false }

    func belongs(to abort: AbortSwitch?) {
        self.abort = abort
        abort?.register(network)
    }

    func setDecoding(_ decodes: Bool) {}
    func expectLongBody() {}

    func start(_ request: HTTPTransferRequest) throws(TransportError) {
        remove()
        receiver.reset()
        end = nil
        timings = TransportTimings(connect: nil, firstByte: nil, reusedConnection: false)
        let address = try HTTPAddress(request.url)
        let place = "\(address.host):\(address.port)"
        var lines = ["GET \(address.target) HTTP/1.1", "Host: \(place)"]
        if let range = request.range { lines.append("Range: bytes=\(range)") }
        lines += ["User-Agent: \(options.userAgent)", "Accept: */*"] + request.headerLines
        if let user = request.user, let password = request.password, request.schemes.contains(.basic) {
            lines.append("Authorization: Basic \(base64(Array("\(user):\(password)".utf8)))")
        }
        let text = Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
        // One that the other end has closed meanwhile is of no use.
        while let index = kept.lastIndex(where: { $0.place == place }) {
            let connection = kept.remove(at: index).end
            guard connection.receive(into: piece) == .nothing else {
                connection.finish()
                continue
            }
            exchange = Exchange(
                place: place, connection: connection, text: text, unsent: text[...], began: .now, isReused: true,
                isConnected: true)
            timings.reusedConnection = true
            return
        }
        connect(to: address, place, text)
    }

    private func connect(to address: HTTPAddress, _ place: String, _ text: [UInt8]) {
        exchange = Exchange(
            place: place, connection: network.connect(host: address.host, port: address.port), text: text,
            unsent: text[...], began: .now, isReused: false)
    }

    func remove() {
        guard let exchange else { return }
        self.exchange = nil
        guard exchange.isKept, kept.count < Self.mostKept else { return exchange.connection.finish() }
        kept.append((exchange.place, exchange.connection))
    }

    // MARK: - Without waiting

    func perform() {
        while step() {}
    }

    func receive(into destination: UnsafeMutableRawBufferPointer) -> Int {
        receiver.receiving(into: destination) {
            if receiver.isPaused { resume() }
            perform()
        }
    }

    func resume() { receiver.isPaused = false }

    /// Takes one thing after another; false when there is nothing to do but wait.
    private func step() -> Bool {
        guard end == nil, var exchange else { return false }
        if !exchange.isConnected {
            if exchange.connection.isRefused {
                return finish(.failed(.refused, message: "Failed to connect to \(exchange.place)"))
            }
            guard exchange.connection.isConnected else {
                if Instant.now - exchange.began >= options.connectTimeout {
                    return finish(.failed(.connectTimedOut, message: "no connection in time"))
                }
                return false
            }
            exchange.connection.noteConnected()
            exchange.isConnected = true
            timings.connect = max(.microseconds(1), Instant.now - exchange.began)
        }
        if !exchange.unsent.isEmpty {
            exchange.unsent = exchange.unsent.dropFirst(exchange.connection.send(exchange.unsent))
        }
        self.exchange = exchange
        guard takes(), !receiver.isPaused else { return false }
        switch exchange.connection.receive(into: piece) {
        case .bytes(let count):
            if timings.firstByte == nil { timings.firstByte = max(.microseconds(1), Instant.now - exchange.began) }
            self.exchange?.input.append(contentsOf: piece[..<count])
            return true
        case .nothing: return false
        case .refused: return finish(.failed(.refused, message: "Failed to connect to \(exchange.place)"))
        case .reset:
            return finish(.failed(.reset, message: "Recv failure: Connection reset by peer"))
        case .end:
            if exchange.isReused, !exchange.isInBody, receiver.header.status == 0,
                let address = try? HTTPAddress("http://\(exchange.place)/")
            {
                // It was closed while the request was on its way: another one takes it.
                connect(to: address, exchange.place, exchange.text)
                timings.reusedConnection = false
                return true
            }
            guard exchange.isInBody else { return finish(.failed(.closedEarly, message: "Empty reply from server")) }
            guard exchange.body.mayEndWithConnection else {
                return finish(.failed(.closedEarly, message: "transfer closed with outstanding read data remaining"))
            }
            return finish(.complete)
        }
    }

    private func finish(_ end: HTTPTransferEnd) -> Bool {
        self.end = end
        return false
    }

    /// Takes what has come; true when more is needed, false when the receiver is full or the answer has ended.
    private func takes() -> Bool {
        guard var exchange else { return false }
        defer { if self.exchange != nil { self.exchange = exchange } }
        while !exchange.isInBody {
            guard let newline = exchange.input.firstIndex(of: 0x0a) else { return true }
            let line = Array(exchange.input[...newline])
            exchange.input.removeSubrange(...newline)
            guard line.withUnsafeBytes({ receiver.headerLine($0) }) == line.count else {
                return finish(.refused(message: "Failed writing header"))
            }
            guard line == [0x0d, 0x0a] || line == [0x0a] else { continue }
            let header = receiver.header
            guard header.status >= 200 else { continue }
            exchange.isInBody = true
            exchange.body = HTTPBody(of: header)
            offers =
                header.value(of: "www-authenticate").map { $0.lowercased().contains("digest") ? .digest : .basic } ?? []
            exchange.isKept = false
        }
        while true {
            switch exchange.body.next(of: &exchange.input) {
            case .bytes(let bytes):
                let count = bytes.withUnsafeBytes { receiver.bodyBytes($0) }
                guard count == bytes.count else {
                    // The receiver is full, and has said so.
                    exchange.body.putBack(bytes, to: &exchange.input)
                    return false
                }
            case .more: return true
            case .malformed:
                return finish(.failed(.protocolError, message: "Malformed encoding found in chunked-encoding"))
            case .end:
                exchange.isKept =
                    exchange.input.isEmpty && receiver.header.value(of: "connection")?.lowercased() != "close"
                return finish(.complete)
            }
        }
    }

    // MARK: - Waiting

    func sleep(atMost duration: Duration) {
        guard let exchange, end == nil else {
            // Nothing to wait for but time.
            _ = network.wait(for: [], until: .now + duration) { abort?.isAborted ?? false ? true : nil }
            return
        }
        var deadline = Instant.now + duration
        if !exchange.isConnected { deadline = min(deadline, exchange.began + options.connectTimeout) }
        // While the receiver is full there is nothing to wait for there.
        _ = network.wait(for: receiver.isPaused ? [] : [exchange.connection], until: deadline) {
            abort.map { $0.isAborted || $0.isNudged } ?? false ? true : nil
        }
        abort?.nudged()
    }
}

/// Where the body of an answer ends (RFC 9112 section 6.3).
private enum HTTPBody {
    case none
    case length(Int64)
    case untilClose
    case chunks(remaining: Int64, HTTPChunkPlace)

    enum HTTPChunkPlace { case size, data, afterData, trailer }

    enum Piece {
        case bytes([UInt8])
        /// More must come.
        case more
        case end
        case malformed
    }

    init(of header: HeaderFields) {
        if header.status == 204 || header.status == 304 {
            self = .none
        } else if header.value(of: "transfer-encoding")?.lowercased().contains("chunked") ?? false {
            self = .chunks(remaining: 0, .size)
        } else if let length = header.contentLength {
            self = .length(length)
        } else {
            self = .untilClose
        }
    }

    var mayEndWithConnection: Bool {
        if case .untilClose = self { true } else { false }
    }

    mutating func next(of input: inout [UInt8]) -> Piece {
        switch self {
        case .none: return .end
        case .length(0): return .end
        case .length(let length):
            guard !input.isEmpty else { return .more }
            let count = Int(min(Int64(input.count), length))
            self = .length(length - Int64(count))
            return .bytes(Self.taking(count, of: &input))
        case .untilClose:
            guard !input.isEmpty else { return .more }
            return .bytes(Self.taking(input.count, of: &input))
        case .chunks(let remaining, .data):
            guard !input.isEmpty else { return .more }
            let count = Int(min(Int64(input.count), remaining))
            self = .chunks(remaining: remaining - Int64(count), remaining == Int64(count) ? .afterData : .data)
            return .bytes(Self.taking(count, of: &input))
        case .chunks(_, let place):
            guard let newline = input.firstIndex(of: 0x0a) else { return .more }
            let line = String(decoding: input[..<newline], as: UTF8.self).filter { $0 != "\r" && $0 != "\r\n" }
            input.removeSubrange(...newline)
            switch place {
            case .afterData: self = .chunks(remaining: 0, .size)
            case .trailer: if line.isEmpty { self = .none }
            default:
                guard let size = Int64(line.prefix { $0 != ";" }, radix: 16), size >= 0 else { return .malformed }
                self = .chunks(remaining: size, size == 0 ? .trailer : .data)
            }
            return next(of: &input)
        }
    }

    /// What was handed out could not be taken.
    mutating func putBack(_ bytes: [UInt8], to input: inout [UInt8]) {
        input.insert(contentsOf: bytes, at: 0)
        switch self {
        case .length(let length): self = .length(length + Int64(bytes.count))
        case .chunks(let remaining, _): self = .chunks(remaining: remaining + Int64(bytes.count), .data)
        case .none, .untilClose: break
        }
    }

    private static func taking(_ count: Int, of input: inout [UInt8]) -> [UInt8] {
        if count == input.count {
            defer { input = [] }
            return input
        }
        let taken = Array(input[..<count])
        input.removeSubrange(..<count)
        return taken
    }
}
