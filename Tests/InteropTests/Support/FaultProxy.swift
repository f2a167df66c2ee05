internal import Glibc
internal import ThroughlineCore

/// A server in front of a server: passes HTTP on, at a pace of its own, and fails at an exact byte of the object.
///
/// It counts bytes before it sends them, and sends none beyond the place of the fault: when it has struck, everything
/// from that place on is still wanted by the client. A small send buffer and its own pace keep the place near to what
/// is played, whatever nginx and the kernel hold ready. A response that begins at or behind the place does not set the
/// fault off: an MP4 file whose index is last is read from there first.
final class FaultProxy: Sendable {
    enum Strike: Sendable {
        /// RST.
        case reset
        /// FIN, short of the promised length.
        case close
        /// The response promises less than was asked for, and keeps its promise (206 with a shorter range).
        case shorten
        /// No more bytes; the connection stays.
        case stall
    }

    /// What it does once it has struck.
    enum Aftermath: Sendable {
        case healthy
        /// Nobody listens any longer.
        case refuse
        /// Requests are read and not answered.
        case silent
        case status(Int)
    }

    struct Plan: Sendable {
        var strike: Strike
        /// The byte of the object; never sent.
        var at = Int.max
        /// Instead: so many bytes after the beginning of each response.
        var after: Int?
        var aftermath = Aftermath.healthy
        /// How often it strikes.
        var times = 1
    }

    private struct State {
        var listener: Int32
        var strikes: [Int] = []
        var requests: [(path: String, offset: Int)] = []
        var connections: Set<Int32> = []
        var threads: [WorkerThread] = []
        var isStopped = false
    }

    let port: Int
    private let upstream: Int
    private let plan: Plan?
    private let pace: (rate: Int, burst: Int)
    private let state: Guarded<State>
    private let acceptor: WorkerThread

    /// Listens.
    ///
    /// - Parameters:
    ///   - upstream: port of the server behind.
    ///   - pace: bytes per second of a response, and bytes at once before.
    init(upstream: Int, pace: (rate: Int, burst: Int), plan: Plan?) {
        let (descriptor, port) = Sockets.listen()
        let state = Guarded(State(listener: descriptor))
        self.port = port
        self.upstream = upstream
        self.plan = plan
        self.pace = pace
        self.state = state
        let server = Server(upstream: upstream, pace: pace, plan: plan, state: state)
        acceptor = WorkerThread(name: "proxy-accept") { server.accept(descriptor) }
    }

    func url(_ file: String) -> String { "http://127.0.0.1:\(port)/\(file)" }

    /// The bytes at which it has struck.
    var strikes: [Int] { state.withLock { $0.strikes } }

    deinit {
        let threads = state.withLock { state in
            state.isStopped = true
            for connection in state.connections { shutdown(connection, Int32(SHUT_RDWR)) }
            if state.listener >= 0 { shutdown(state.listener, Int32(SHUT_RDWR)) }
            return state.threads
        }
        acceptor.join()
        for thread in threads { thread.join() }
        // Those that were accepted in the meantime.
        let (late, listener) = state.withLock { (Array($0.threads.dropFirst(threads.count)), $0.listener) }
        for thread in late { thread.join() }
        if listener >= 0 { close(listener) }
    }

    /// What the threads share; they do not hold the proxy.
    private struct Server: Sendable {
        let upstream: Int
        let pace: (rate: Int, burst: Int)
        let plan: Plan?
        let state: Guarded<State>

        func accept(_ listener: Int32) {
            while true {
                let client = Glibc.accept(listener, nil, nil)
                guard client >= 0 else { return }
                _ = fcntl(client, F_SETFD, FD_CLOEXEC)
                var size: Int32 = 4096
                setsockopt(client, SOL_SOCKET, SO_SNDBUF, &size, socklen_t(MemoryLayout<Int32>.size))
                var yes: Int32 = 1
                setsockopt(client, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
                state.withLock { state in
                    if state.isStopped {
                        close(client)
                        return
                    }
                    state.connections.insert(client)
                    state.threads.append(WorkerThread(name: "proxy") { serve(client) })
                }
            }
        }

        /// Takes a descriptor from those that are shut down at the end, before it is closed.
        private func forget(_ descriptor: Int32) { state.withLock { _ = $0.connections.remove(descriptor) } }

        private func serve(_ client: Int32) {
            var reader = HeadReader(descriptor: client)
            while let request = reader.next() {
                switch hasStruckForGood ? plan?.aftermath ?? .healthy : .healthy {
                case .healthy:
                    guard pass(request, to: client) else { return }
                    continue
                case .refuse: break
                case .silent: Sockets.awaitEnd(client)
                case .status(let code):
                    if Sockets.send(client, "HTTP/1.1 \(code) No\r\nContent-Length: 0\r\n\r\n".utf8) { continue }
                }
                break
            }
            forget(client)
            close(client)
        }

        private var hasStruckForGood: Bool {
            guard let plan else { return false }
            return state.withLock { $0.strikes.count >= plan.times }
        }

        /// Passes a request and its response on. False when the connection is closed.
        private func pass(_ request: String, to client: Int32) -> Bool {
            guard let server = Sockets.connect(port: upstream) else {
                forget(client)
                Sockets.reset(client)
                return false
            }
            defer { close(server) }
            state.withLock { _ = $0.connections.insert(server) }
            defer { forget(server) }
            var reader = HeadReader(descriptor: server)
            guard Sockets.send(server, request.utf8), let head = reader.next() else {
                forget(client)
                Sockets.reset(client)
                return false
            }
            var answer = Answer(head)
            let offset = answer.offset
            state.withLock {
                $0.requests.append((request.split(separator: " ").dropFirst().first.map(String.init) ?? "", offset))
            }
            var place: Int?
            if let plan, !hasStruckForGood {
                let candidate = plan.after.map { offset + $0 } ?? plan.at
                if offset < candidate, candidate < offset + answer.length { place = candidate }
            }
            var end = offset + answer.length
            if let cut = place, case .shorten = plan?.strike {
                guard answer.shorten(to: cut) else { preconditionFailure("cannot shorten \(head)") }
                end = cut
            }
            guard Sockets.send(client, answer.text.utf8) else {
                forget(client)
                close(client)
                return false
            }
            let began = Instant.now
            var position = offset
            while position < end {
                if let place, position == place { return strike(client, at: place) }
                let sent = position - offset
                let count = min(2048, (place ?? end) - position, end - position)
                if let moment = due(sent + count, since: began) { sleep(until: moment) }
                guard let bytes = reader.read(count) else {
                    forget(client)
                    Sockets.reset(client)
                    return false
                }
                guard Sockets.send(client, bytes) else {
                    forget(client)
                    close(client)
                    return false
                }
                position += bytes.count
            }
            // The place is where a shortened response ends.
            if let place, position == place { return strike(client, at: place) }
            return true
        }

        /// When so many bytes may have been sent.
        private func due(_ sent: Int, since began: Instant) -> Instant? {
            let excess = sent - pace.burst
            guard pace.rate > 0, excess > 0 else { return nil }
            return began + .nanoseconds(Int64(excess) * 1_000_000_000 / Int64(pace.rate))
        }

        private func sleep(until moment: Instant) {
            let left = (moment - Instant.now).wholeNanoseconds
            guard left > 0 else { return }
            var time = timespec(tv_sec: Int(left / 1_000_000_000), tv_nsec: Int(left % 1_000_000_000))
            nanosleep(&time, nil)
        }

        /// Does what is planned. False when the connection is closed.
        private func strike(_ client: Int32, at place: Int) -> Bool {
            guard let plan else { return true }
            let listener: Int32 = state.withLock { state in
                state.strikes.append(place)
                guard case .refuse = plan.aftermath, state.strikes.count >= plan.times else { return -1 }
                defer { state.listener = -1 }
                return state.listener
            }
            // Nobody must get in between the end of the connection and the end of the listener.
            if listener >= 0 {
                shutdown(listener, Int32(SHUT_RDWR))
                close(listener)
            }
            switch plan.strike {
            case .shorten: return true
            case .reset:
                forget(client)
                Sockets.reset(client)
            case .close:
                forget(client)
                close(client)
            case .stall:
                Sockets.awaitEnd(client)
                forget(client)
                close(client)
            }
            return false
        }
    }
}

/// Reads heads of HTTP messages, and the bytes that follow.
private struct HeadReader {
    let descriptor: Int32
    private var buffered: [UInt8] = []

    init(descriptor: Int32) { self.descriptor = descriptor }

    /// The next head with its blank line; nil when the peer is gone.
    mutating func next() -> String? {
        while true {
            if let end = buffered.indices.dropLast(3).first(where: { buffered[$0...].starts(with: [13, 10, 13, 10]) }) {
                defer { buffered.removeFirst(end + 4) }
                return String(decoding: buffered[..<(end + 4)], as: UTF8.self)
            }
            guard fill() else { return nil }
        }
    }

    /// At most `count` bytes; nil when the peer is gone.
    mutating func read(_ count: Int) -> [UInt8]? {
        if buffered.isEmpty, !fill() { return nil }
        let some = Array(buffered.prefix(count))
        buffered.removeFirst(some.count)
        return some
    }

    private mutating func fill() -> Bool {
        var bytes = [UInt8](repeating: 0, count: 16384)
        let count = recv(descriptor, &bytes, bytes.count, 0)
        guard count > 0 else { return false }
        buffered += bytes[..<count]
        return true
    }
}

/// The head of a response.
private struct Answer {
    private var lines: [String]

    init(_ head: String) { lines = head.split(separator: "\r\n").map(String.init) }

    var text: String { lines.joined(separator: "\r\n") + "\r\n\r\n" }

    private func index(of name: String) -> Int? { lines.firstIndex { $0.lowercased().hasPrefix(name + ":") } }

    private func value(of name: String) -> String? {
        index(of: name).map { String(lines[$0].dropFirst(name.count + 1).drop { $0 == " " }) }
    }

    var length: Int { value(of: "content-length").flatMap { Int($0) } ?? 0 }

    /// Where in the object the body begins.
    var offset: Int {
        let range = value(of: "content-range")?.dropFirst("bytes ".count)
        return range?.split(separator: "-").first.flatMap { Int($0) } ?? 0
    }

    /// Makes a 206 promise less. False for anything else.
    mutating func shorten(to end: Int) -> Bool {
        guard let range = index(of: "content-range"), let length = index(of: "content-length"),
            let total = lines[range].split(separator: "/").last
        else { return false }
        lines[length] = "Content-Length: \(end - offset)"
        lines[range] = "Content-Range: bytes \(offset)-\(end - 1)/\(total)"
        return true
    }
}
