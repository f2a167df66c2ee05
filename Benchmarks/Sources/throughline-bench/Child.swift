import Dispatch
import Glibc

struct BenchFailure: Error, CustomStringConvertible {
    let description: String
}

/// What a process of ours used up.
struct Usage: Sendable {
    var status: Int32
    var wall: Double
    /// User and system time.
    var cpu: Double
    /// Greatest resident set, in MiB.
    var memory: Double
}

/// A process of ours.
final class Child: Sendable {
    let pid: pid_t
    private let began: ContinuousClock.Instant

    init(
        _ arguments: [String], environment: [String: String] = [:], output: Int32? = nil,
        outputPath: String = "/dev/null", errors: String = "/dev/null"
    ) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        if let output {
            posix_spawn_file_actions_adddup2(&actions, output, 1)
        } else {
            posix_spawn_file_actions_addopen(&actions, 1, outputPath, O_WRONLY | O_CREAT | O_TRUNC, 0o666)
        }
        posix_spawn_file_actions_addopen(&actions, 2, errors, O_WRONLY | O_CREAT | O_TRUNC, 0o666)
        for (name, value) in environment { setenv(name, value, 1) }
        defer { for name in environment.keys { unsetenv(name) } }
        let argv = arguments.map { strdup($0) } + [nil]
        defer { for pointer in argv { free(pointer) } }
        var pid: pid_t = 0
        began = .now
        let result = posix_spawnp(&pid, arguments[0], &actions, nil, argv, environ)
        guard result == 0 else {
            throw BenchFailure(description: "cannot run \(arguments[0]): \(String(cString: strerror(result)))")
        }
        self.pid = pid
    }

    /// Waits for its end; blocks. Once.
    func wait() -> Usage {
        var status: Int32 = 0
        var usage = rusage()
        while wait4(pid, &status, 0, &usage) < 0, errno == EINTR {}
        return self.usage(status, usage)
    }

    /// What it used up, when it has ended; not asked again then.
    func ended() -> Usage? {
        var status: Int32 = 0
        var usage = rusage()
        return wait4(pid, &status, WNOHANG, &usage) == pid ? self.usage(status, usage) : nil
    }

    private func usage(_ status: Int32, _ usage: rusage) -> Usage {
        let code = status & 0x7f == 0 ? status >> 8 & 0xff : 128 + status & 0x7f
        return Usage(
            status: code, wall: (ContinuousClock.now - began).inSeconds,
            cpu: seconds(usage.ru_utime) + seconds(usage.ru_stime), memory: Double(usage.ru_maxrss) / 1024)
    }

    /// Runs a program to its end; it must succeed.
    static func run(_ arguments: [String], errors: String = "/dev/null") async throws -> Usage {
        let usage = try await blocking { try Child(arguments, errors: errors).wait() }
        guard usage.status == 0 else {
            throw BenchFailure(description: "\(arguments.joined(separator: " ")) ended with \(usage.status)")
        }
        return usage
    }

    /// Runs a program and returns what it writes.
    static func output(_ arguments: [String], in place: TemporaryDirectory) async throws -> String {
        try await blocking {
            let path = place.path("output")
            let status = try Child(arguments, outputPath: path).wait().status
            guard status == 0 else {
                throw BenchFailure(description: "\(arguments.joined(separator: " ")) ended with \(status)")
            }
            return try text(of: path)
        }
    }
}

func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }

/// Runs what blocks on a thread where blocking harms nobody.
func blocking<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
        DispatchQueue.global().async { continuation.resume(with: Swift.Result { try body() }) }
    }
}

func text(of path: String) throws -> String {
    guard let file = fopen(path, "re") else {
        throw BenchFailure(description: "cannot read \(path): \(String(cString: strerror(errno)))")
    }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var some = [UInt8](repeating: 0, count: 65536)
    while true {
        let count = fread(&some, 1, some.count, file)
        if count == 0 { break }
        bytes += some[..<count]
    }
    return String(decoding: bytes, as: UTF8.self)
}

func size(of path: String) -> Int {
    var status = stat()
    return stat(path, &status) == 0 ? Int(status.st_size) : 0
}

/// A directory that goes away with the object, and the files in it.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/throughline-bench-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw BenchFailure(description: "no temporary directory: \(String(cString: strerror(errno)))")
        }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    func path(_ name: String) -> String { "\(path)/\(name)" }

    deinit {
        if let directory = opendir(path) {
            while let entry = readdir(directory) {
                unlink(path(withUnsafePointer(to: &entry.pointee.d_name.0) { String(cString: $0) }))
            }
            closedir(directory)
        }
        rmdir(path)
    }
}

enum Fixtures {
    static let directory: String = {
        if let given = getenv("THROUGHLINE_FIXTURES") { return String(cString: given) }
        return #filePath.split(separator: "/").dropLast(4).map { "/\($0)" }.joined() + "/Fixtures"
    }()

    static var root: String { directory.split(separator: "/").dropLast().map { "/\($0)" }.joined() }

    static func path(_ name: String) -> String { "\(directory)/\(name)" }

    /// Bytes per second of a fixture.
    static func rate(_ name: String) -> Int { size(of: path(name)) / 12 }

    /// The command that users run, built for release beside this program.
    static let throughline: String = {
        if let given = getenv("THROUGHLINE_BINARY") { return String(cString: given) }
        var path = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &path, path.count - 1)
        let own = String(decoding: path[..<max(0, count)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return own.split(separator: "/").dropLast().map { "/\($0)" }.joined() + "/throughline"
    }()
}

/// A real nginx, gone with the object.
final class Nginx: Sendable {
    let port: Int
    private let child: Child

    static func start(_ directory: String = Fixtures.directory, rate: Int = 0, burst: Int = 0) async throws -> Nginx {
        try await blocking {
            let port = freePort()
            let child = try Child(["\(Fixtures.directory)/nginx", "\(port)", directory, "\(rate)", "\(burst)"])
            let nginx = Nginx(port: port, child: child)
            for _ in 0..<1000 {
                if isListening(port) { return nginx }
                usleep(5000)
            }
            throw BenchFailure(description: "nginx does not listen")
        }
    }

    private init(port: Int, child: Child) {
        self.port = port
        self.child = child
    }

    deinit {
        kill(child.pid, SIGKILL)
        _ = child.wait()
    }

    func url(_ file: String) -> String { "http://127.0.0.1:\(port)/\(file)" }

    private static func address(_ port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return address
    }

    private static func freePort() -> Int {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = address(0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = bind(descriptor, $0, length)
                getsockname(descriptor, $0, &length)
            }
        }
        return Int(UInt16(bigEndian: address.sin_port))
    }

    private static func isListening(_ port: Int) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = address(port)
        return withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}

/// Big inputs, made once and kept: `Fixtures/make --large`.
enum Large {
    static func directory(seconds: Int) async throws -> String {
        let path = "/tmp/throughline-large-\(seconds)"
        if size(of: "\(path)/large.ts") == 0 || size(of: "\(path)/large.mp4") == 0 {
            say("making \(seconds) s of large media in \(path)")
            mkdir(path, 0o777)
            _ = try await Child.run(["\(Fixtures.directory)/make", "--large", path, "\(seconds)"])
        }
        return path
    }
}
