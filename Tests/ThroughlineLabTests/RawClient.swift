internal import Glibc
internal import ThroughlineCore
internal import ThroughlineLab

/// A blocking HTTP client that hides nothing: bytes as they come, and how they end.
final class RawClient {
    /// How a body, or a wait for one, ended.
    enum Ending: Equatable {
        /// Everything that was asked for has come.
        case complete
        /// FIN.
        case closed
        /// RST.
        case reset
        /// Nothing for as long as the client was willing to wait.
        case silence
    }

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    struct Head {
        let status: Int
        private let fields: [String: String]

        init(_ text: String) throws {
            let lines = text.split(separator: "\r\n")
            let words = lines.first?.split(separator: " ") ?? []
            guard words.count > 1, let status = Int(words[1]) else { throw Failure(description: "no head: \(text)") }
            self.status = status
            var fields: [String: String] = [:]
            for line in lines.dropFirst() {
                let parts = line.split(separator: ":", maxSplits: 1)
                if parts.count == 2 { fields[parts[0].lowercased()] = String(parts[1].drop { $0 == " " }) }
            }
            self.fields = fields
        }

        subscript(_ name: String) -> String? { fields[name.lowercased()] }
        var length: Int { Int(self["Content-Length"] ?? "") ?? -1 }
    }

    private let descriptor: CInt
    private var buffered: [UInt8] = []

    /// - Parameters:
    ///   - patience: how long a read waits for anything at all.
    ///   - receiveBuffer: `SO_RCVBUF`, to be a client that holds little.
    init(port: Int, patience: Duration = .seconds(20), receiveBuffer: CInt? = nil) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        if var size = receiveBuffer {
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<CInt>.size))
        }
        setPatience(patience)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        if result != 0 {
            throw Failure(description: errno == ECONNREFUSED ? "refused" : String(cString: strerror(errno)))
        }
    }

    deinit { close(descriptor) }

    func setPatience(_ patience: Duration) {
        let ns = patience.wholeNanoseconds
        var time = timeval(tv_sec: Int(ns / 1_000_000_000), tv_usec: Int(ns % 1_000_000_000 / 1000))
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
    }

    static func isRefused(port: Int) -> Bool {
        do {
            _ = try RawClient(port: port)
            return false
        } catch { return "\(error)" == "refused" }
    }

    func send(_ text: String) {
        let bytes = Array(text.utf8)
        _ = Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    }

    func request(_ path: String, method: String = "GET", range: String? = nil, headers: [String] = []) {
        var lines = ["\(method) \(path) HTTP/1.1", "Host: lab"] + headers
        if let range { lines.append("Range: \(range)") }
        send(lines.joined(separator: "\r\n") + "\r\n\r\n")
    }

    /// Asks, and reads the head.
    func get(_ path: String, method: String = "GET", range: String? = nil, headers: [String] = []) throws -> Head {
        request(path, method: method, range: range, headers: headers)
        return try head()
    }

    /// Asks, and forgets the body; returns how much of it came.
    func getAndSkip(_ path: String) throws -> Int { skip(try get(path).length) }

    func head() throws -> Head {
        var end: Int?
        var ending = Ending.complete
        while end == nil, ending == .complete {
            end = buffered.indices.dropLast(3).first { buffered[$0...].starts(with: [13, 10, 13, 10]) }
            if end == nil { ending = receive() }
        }
        guard let end else { throw Failure(description: "no head: \(ending)") }
        let text = String(decoding: buffered[..<end], as: UTF8.self)
        buffered.removeFirst(end + 4)
        return try Head(text)
    }

    private func receive(_ limit: Int = 1 << 16) -> Ending {
        var more = [UInt8](repeating: 0, count: limit)
        let count = recv(descriptor, &more, limit, 0)
        if count == 0 { return .closed }
        if count < 0 { return errno == ECONNRESET ? .reset : .silence }
        buffered += more[..<count]
        return .complete
    }

    /// Whatever comes next, and how the connection stands then.
    func read() -> (bytes: [UInt8], ending: Ending) {
        let ending = receive()
        defer { buffered = [] }
        return (buffered, ending)
    }

    func send(_ bytes: [UInt8]) { _ = Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }

    /// Reads `count` bytes of body, or as many as come.
    func body(_ count: Int) -> (bytes: [UInt8], ending: Ending) {
        var ending = Ending.complete
        while buffered.count < count, ending == .complete { ending = receive() }
        let bytes = Array(buffered.prefix(count))
        buffered.removeFirst(bytes.count)
        return (bytes, ending)
    }

    /// Reads and forgets `count` bytes; returns how many came.
    func skip(_ count: Int) -> Int {
        var (done, scratch) = (buffered.count, [UInt8](repeating: 0, count: 1 << 20))
        buffered = []
        while done < count {
            let got = recv(descriptor, &scratch, min(scratch.count, count - done), 0)
            if got <= 0 { break }
            done += got
        }
        return done
    }

    /// A whole exchange on a connection of its own.
    static func fetch(
        _ origin: HTTPOrigin, _ path: String = "/film.ts", range: String? = nil
    ) throws -> (head: Head, bytes: [UInt8], ending: Ending) {
        let client = try RawClient(port: origin.port)
        let head = try client.get(path, range: range)
        let (bytes, ending) = client.body(head.length)
        return (head, bytes, ending)
    }
}

/// Runs what blocks on a thread where blocking harms nobody; a few at once, since they measure time.
func blocking<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
    try await WorkerThread.run(name: "blocking") {
        places.wait { free, _ -> Void? in
            guard free > 0 else { return nil }
            free -= 1
            return ()
        }
        defer { places.withLockAndWake { $0 += 1 } }
        return try body()
    }
}

private let places = Guarded(4)

/// Remembers what happened at an origin, and waits for it.
final class Witness: Sendable {
    private let events = Guarded<[OriginEvent]>([])

    var options: HTTPOrigin.Options {
        var options = HTTPOrigin.Options()
        options.onEvent = { [events] event in events.withLockAndWake { $0.append(event) } }
        return options
    }

    var all: [OriginEvent] { events.withLock { $0 } }

    /// Waits until `condition` holds of everything that has happened; false after twenty seconds.
    func saw(_ condition: ([OriginEvent]) -> Bool) -> Bool {
        events.wait(until: .now + .seconds(20)) { condition($0) ? true : nil } ?? false
    }

    func sawEnd(_ outcome: RequestRecord.Outcome) -> RequestRecord? {
        var found: RequestRecord?
        _ = saw { events in
            for case .ended(let record) in events where record.outcome == outcome { found = record }
            return found != nil
        }
        return found
    }
}

/// A file with bytes that tell their place, removed with the object.
final class TemporaryFile: Sendable {
    /// A megabyte and three bytes, made once.
    static let film = Result { try TemporaryFile(size: 1_000_003) }

    let path: String
    let bytes: [UInt8]

    init(size: Int, suffix: String = ".ts") throws {
        bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 ^ ($0 >> 8) ^ ($0 >> 16) &* 7) }
        var template = Array("/tmp/throughline-lab-XXXXXX\(suffix)".utf8CString)
        let descriptor = mkstemps(&template, CInt(suffix.utf8.count))
        guard descriptor >= 0 else { throw RawClient.Failure(description: "mkstemps: \(errno)") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        var written = 0
        while written < size {
            let count = bytes[written...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { break }
            written += count
        }
        close(descriptor)
    }

    /// Makes the file shorter, or longer with zeros that take no room.
    func resize(to size: Int) -> Bool { truncate(path, size) == 0 }

    deinit { unlink(path) }
}
