internal import Glibc
internal import Testing
internal import ThroughlineCore
internal import ThroughlineTransport

/// An origin on loopback that does what its script says, with plain blocking sockets on one thread.
///
/// Nothing it does lasts longer than ten seconds, so that a test which fails also ends.
final class ScriptedServer: Sendable {
    /// One request, as it came over the wire.
    struct Request: Sendable {
        var text: String
        /// The connection it came over, counted from 0.
        var connection: Int

        /// The value of a header field, its name in lower case.
        func header(_ name: String) -> String? {
            for line in text.split(separator: "\r\n") where line.lowercased().hasPrefix(name + ":") {
                return String(line.dropFirst(name.count + 1).drop { $0 == " " })
            }
            return nil
        }

        var path: String { text.split(separator: " ").dropFirst().first.map(String.init) ?? "" }
    }

    /// What the script listens with.
    struct Listener: Sendable {
        fileprivate let descriptor: Int32
        fileprivate let requests: Guarded<[Request]>
        fileprivate let accepted: Guarded<Int>

        /// The next connection; every call on one that failed does nothing.
        func accept() -> Connection {
            let peer = Glibc.accept(descriptor, nil, nil)
            var timeout = timeval(tv_sec: 10, tv_usec: 0)
            setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
            setsockopt(peer, SOL_SOCKET, SO_SNDTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
            let number = accepted.withLock { count in
                defer { count += 1 }
                return count
            }
            return Connection(descriptor: peer, number: number, requests: requests)
        }
    }

    struct Connection: Sendable {
        let descriptor: Int32
        let number: Int
        fileprivate let requests: Guarded<[Request]>

        /// Reads one request, to its blank line.
        @discardableResult
        func request() -> Request {
            var bytes: [UInt8] = []
            var byte: UInt8 = 0
            while !bytes.suffix(4).elementsEqual("\r\n\r\n".utf8), recv(descriptor, &byte, 1, 0) == 1 {
                bytes.append(byte)
            }
            let request = Request(text: String(decoding: bytes, as: UTF8.self), connection: number)
            if !bytes.isEmpty { requests.withLockAndWake { $0.append(request) } }
            return request
        }

        /// Sends all of it, or as much as goes; returns how much did.
        @discardableResult
        func send(_ bytes: some Collection<UInt8>) -> Int {
            let all = Array(bytes)
            var sent = 0
            while sent < all.count {
                let count = all[sent...].withUnsafeBytes {
                    Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
                if count <= 0 { break }
                sent += count
            }
            return sent
        }

        @discardableResult
        func send(_ text: String) -> Int { send(Array(text.utf8)) }

        /// A response with a `Content-Length`, and further header lines if any.
        func respond(_ status: String, _ lines: [String] = [], body: [UInt8] = []) {
            let head = ["HTTP/1.1 \(status)"] + lines + ["Content-Length: \(body.count)", "", ""]
            send(Array(head.joined(separator: "\r\n").utf8) + body)
        }

        /// Answers the range of `request` out of `object`, as RFC 9110 says.
        func serve(_ object: [UInt8], to request: Request) {
            let range = request.header("range")?.dropFirst("bytes=".count).split(
                separator: "-", omittingEmptySubsequences: false)
            guard let range, let first = Int(range[0]) else {
                return respond("200 OK", ["Accept-Ranges: bytes"], body: object)
            }
            guard first < object.count else {
                return respond("416 Range Not Satisfiable", ["Content-Range: bytes */\(object.count)"])
            }
            let last = min(Int(range[1]) ?? .max, object.count - 1)
            respond(
                "206 Partial Content", ["Content-Range: bytes \(first)-\(last)/\(object.count)", "ETag: \"one\""],
                body: Array(object[first...last]))
        }

        /// Ends the connection with RST.
        func reset() {
            var option = linger(l_onoff: 1, l_linger: 0)
            setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
            Glibc.close(descriptor)
        }

        /// Ends the connection with FIN. Everything sent to it must have been read, lest it become RST.
        func close() { Glibc.close(descriptor) }

        /// Sends FIN and goes on listening.
        func endSending() { shutdown(descriptor, Int32(SHUT_WR)) }

        /// Waits until the client has closed the connection; false when it sent something instead.
        @discardableResult
        func awaitClose() -> Bool {
            var byte: UInt8 = 0
            let count = recv(descriptor, &byte, 1, 0)
            Glibc.close(descriptor)
            return count <= 0
        }
    }

    let port: Int
    private let listener: Listener
    private let thread: WorkerThread

    /// Listens, and runs `script` on a thread of its own.
    init(onIPv6: Bool = false, _ script: @escaping @Sendable (Listener) -> Void) {
        let (descriptor, port) = Self.listen(backlog: 16, onIPv6: onIPv6)
        let listener = Listener(descriptor: descriptor, requests: Guarded([]), accepted: Guarded(0))
        self.port = port
        self.listener = listener
        thread = WorkerThread(name: "scripted-server") { script(listener) }
    }

    /// Serves `object` over any number of connections, one after the other.
    convenience init(serving object: [UInt8]) {
        self.init { listener in
            while true {
                let connection = listener.accept()
                guard connection.descriptor >= 0 else { return }
                while true {
                    let request = connection.request()
                    guard !request.text.isEmpty else { break }
                    connection.serve(object, to: request)
                }
                connection.close()
            }
        }
    }

    deinit {
        shutdown(listener.descriptor, Int32(SHUT_RDWR))
        thread.join()
        close(listener.descriptor)
    }

    static func listen(backlog: Int32, onIPv6: Bool = false) -> (descriptor: Int32, port: Int) {
        let (descriptor, port) = boundSocket(SOCK_STREAM, onIPv6: onIPv6)
        #expect(Glibc.listen(descriptor, backlog) == 0)
        return (descriptor, port)
    }

    /// All requests so far.
    var requests: [Request] { listener.requests.withLock { $0 } }

    func awaitRequests(_ count: Int) {
        _ = listener.requests.wait(until: .now + .seconds(10)) { $0.count >= count ? true : nil }
    }

    func url(_ path: String = "/object") -> String { "http://127.0.0.1:\(port)\(path)" }
}

/// A socket on loopback, at a port that the system chose.
func boundSocket(_ kind: __socket_type, onIPv6: Bool) -> (descriptor: Int32, port: Int) {
    let descriptor = socket(onIPv6 ? AF_INET6 : AF_INET, Int32(kind.rawValue), 0)
    var address = sockaddr_in6()
    var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
    withUnsafeMutablePointer(to: &address) { address in
        if onIPv6 {
            address.pointee.sin6_family = sa_family_t(AF_INET6)
            address.pointee.sin6_addr = in6addr_loopback
        } else {
            length = socklen_t(MemoryLayout<sockaddr_in>.size)
            address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                $0.pointee.sin_family = sa_family_t(AF_INET)
                $0.pointee.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
            }
        }
        address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
            #expect(bind(descriptor, address, length) == 0)
            getsockname(descriptor, address, &length)
        }
    }
    // The port lies at the same place in both families.
    return (descriptor, Int(UInt16(bigEndian: address.sin6_port)))
}

/// Something one thread waits for and another makes true.
final class Gate: Sendable {
    private let isOpen = Guarded(false)

    func open() { isOpen.withLockAndWake { $0 = true } }

    /// Returns when open, or after ten seconds.
    func pass() { _ = isOpen.wait(until: .now + .seconds(10)) { $0 ? true : nil } }
}

/// Bytes that tell their own offset, so that a mistake by any number of bytes shows (but for multiples of the block's
/// length, a prime near 256 KiB).
func pattern(_ count: Int, seed: Int = 0) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count)
    var index = seed % patternBlock.count
    while bytes.count < count {
        let some = patternBlock[index...].prefix(count - bytes.count)
        bytes += some
        index = 0
    }
    return bytes
}

private let patternBlock: [UInt8] = (0..<262_139).map { (index: UInt64) in
    UInt8(truncatingIfNeeded: ((index &+ 1) &* 0x9e37_79b9_7f4a_7c15) >> 32)
}

extension HTTPClient {
    /// Within five seconds, so that no test hangs.
    @discardableResult
    func open(at offset: Int64 = 0, until end: Int64? = nil) throws(TransportError) -> HTTPResponseHead {
        try open(at: offset, until: end, deadline: .now + .seconds(5))
    }

    /// At most `count` bytes.
    func read(_ count: Int, deadline: Instant = .now + .seconds(5)) throws(TransportError) -> [UInt8] {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 1)
        defer { memory.deallocate() }
        return Array(memory[..<(try read(into: memory, deadline: deadline))])
    }

    /// Everything that can be read, and what it ended with: `nil` for a true end.
    func drain(by step: Int = 10_000) -> (bytes: [UInt8], error: TransportError?) {
        var bytes: [UInt8] = []
        do throws(TransportError) {
            while true {
                let some = try read(step)
                if some.isEmpty { return (bytes, nil) }
                bytes += some
            }
        } catch {
            return (bytes, error)
        }
    }
}

/// A client of `server`, with options set by `configure`.
func client(
    _ server: ScriptedServer, _ path: String = "/object", abort: AbortSwitch = AbortSwitch(),
    _ configure: (inout HTTPRequestOptions) -> Void = { _ in }
) throws -> HTTPClient {
    var options = HTTPRequestOptions()
    configure(&options)
    return try HTTPClient(url: server.url(path), options: options, abort: abort)
}

/// The error that `body` must throw.
func failure(_ body: () throws(TransportError) -> some Any) -> TransportError? {
    do throws(TransportError) {
        _ = try body()
        return nil
    } catch {
        return error
    }
}

/// A listener whose queue is full lets SYN packets fall: connecting to it takes for ever.
func withFullListener(_ body: (_ port: Int) throws -> Void) rethrows {
    let (descriptor, port) = ScriptedServer.listen(backlog: 0)
    var waiting: [Int32] = []
    for _ in 0..<8 {
        let peer = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = connect(peer, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        waiting.append(peer)
    }
    defer {
        for peer in waiting { close(peer) }
        close(descriptor)
    }
    try body(port)
}

/// Aborts from another thread once `gate` is open and returns how long after that `body` ended.
func timeToEnd(
    _ abort: AbortSwitch, after gate: Gate, _ body: () throws(TransportError) -> some Any
) -> Duration {
    let when = Guarded<Instant?>(nil)
    let thread = WorkerThread(name: "aborter") {
        gate.pass()
        // The blocking call is about to sleep; whether it does already makes no difference to it.
        when.withLock { $0 = .now }
        abort.abort()
    }
    let error = failure(body)
    let end = Instant.now
    thread.join()
    #expect(error?.code == .aborted)
    return end - (when.withLock { $0 } ?? end)
}

/// Of several, the least: a busy machine makes any of them later, and what waits for a turn of its own is never so prompt.
func expectPrompt(_ times: [Duration]) {
    #expect(times.min() ?? .seconds(1) < .milliseconds(10), "\(times)")
}

/// Compares without printing either when they differ.
func same(_ a: [UInt8], _ b: [UInt8]) -> Bool { a == b }
