internal import Glibc
internal import ThroughlineCore

/// A real nginx over a directory, by `Fixtures/nginx`; gone with the object, or with this process.
final class NginxServer: Sendable {
    let port: Int
    private let process: ServerProcess

    private init(port: Int, process: ServerProcess) {
        self.port = port
        self.process = process
    }

    /// Starts a server, and waits until it listens.
    ///
    /// - Parameters:
    ///   - directory: the fixtures by default.
    ///   - rate: bytes per second of a response; 0 for as fast as it goes.
    ///   - burst: bytes that come before the rate counts.
    static func start(
        _ directory: String = Fixtures.directory, rate: Int = 0, burst: Int = 0, port: Int? = nil
    ) async throws -> NginxServer {
        try await blocking {
            let (process, number) = try ServerProcess.start(port: port) { port in
                try Tool(["\(Fixtures.directory)/nginx", "\(port)", directory, "\(rate)", "\(burst)"])
            } isReady: { port in
                guard let descriptor = Sockets.connect(port: port) else { return false }
                close(descriptor)
                return true
            }
            return NginxServer(port: number, process: process)
        }
    }

    func url(_ file: String) -> String { "http://127.0.0.1:\(port)/\(file)" }

    /// It vanishes.
    func vanish() { process.vanish() }

    /// It accepts connections and says nothing more.
    func freeze() { process.send(SIGSTOP) }
    func thaw() { process.send(SIGCONT) }
}

enum Fixtures {
    /// Where the media are.
    static let directory: String = {
        if let given = getenv("THROUGHLINE_FIXTURES") { return String(cString: given) }
        return #filePath.split(separator: "/").dropLast(4).map { "/\($0)" }.joined() + "/Fixtures"
    }()

    static func path(_ name: String) -> String { "\(directory)/\(name)" }
    static func size(_ name: String) throws -> Int { try InteropTests.size(of: path(name)) }

    /// All last 12 s.
    static let seconds = 12

    /// A pace as streaming servers have it: a quarter faster than the media, after a second at once.
    static func pace(_ name: String) throws -> (rate: Int, burst: Int) {
        let perSecond = try size(name) / seconds
        return (perSecond * 5 / 4, perSecond)
    }
}

/// TCP on loopback, blocking; descriptors are not inherited.
enum Sockets {
    static func address(port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return address
    }

    static func listen(port: Int = 0, backlog: Int32 = 64) -> (descriptor: Int32, port: Int) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var yes: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        var address = address(port: port)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                precondition(bind(descriptor, address, length) == 0, "bind: \(String(cString: strerror(errno)))")
                Glibc.listen(descriptor, backlog)
                getsockname(descriptor, address, &length)
            }
        }
        return (descriptor, Int(UInt16(bigEndian: address.sin_port)))
    }

    static func connect(port: Int) -> Int32? {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = address(port: port)
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else {
            close(descriptor)
            return nil
        }
        return descriptor
    }

    /// All of it, or false.
    static func send(_ descriptor: Int32, _ bytes: some Sequence<UInt8>) -> Bool {
        let all = Array(bytes)
        var sent = 0
        while sent < all.count {
            let count = all[sent...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count <= 0 { return false }
            sent += count
        }
        return true
    }

    /// Ends a connection with RST.
    static func reset(_ descriptor: Int32) {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        close(descriptor)
    }

    /// Reads and forgets, until the peer is gone.
    static func awaitEnd(_ descriptor: Int32) {
        var bytes = [UInt8](repeating: 0, count: 512)
        while recv(descriptor, &bytes, bytes.count, 0) > 0 {}
    }
}
