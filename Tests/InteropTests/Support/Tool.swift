internal import Glibc
internal import ThroughlineCore

/// What went wrong with the surroundings of a test, and not with what it tests.
struct SupportFailure: Error, CustomStringConvertible {
    let description: String
}

/// A process of ours: other people's programs, run as a user would.
final class Tool: Sendable {
    struct Output: Sendable {
        let status: Int32
        let output: String
        let errors: String
    }

    let pid: pid_t

    /// Starts a program found on the path. It inherits no descriptor but its three.
    ///
    /// - Parameters:
    ///   - input: a descriptor to read; nothing by default.
    ///   - output, errors: paths of files; nowhere by default.
    init(
        _ arguments: [String], environment: [String: String] = [:], input: Int32? = nil, output: String = "/dev/null",
        errors: String = "/dev/null"
    ) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        if let input {
            posix_spawn_file_actions_adddup2(&actions, input, 0)
        } else {
            posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        }
        posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0o666)
        posix_spawn_file_actions_addopen(&actions, 2, errors, O_WRONLY | O_CREAT | O_TRUNC, 0o666)
        _ = closeFrom(&actions, 3)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // Signals that this process blocks or ignores are none of the child's business.
        var none = sigset_t()
        var all = sigset_t()
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        let argv = arguments.map { strdup($0) } + [nil]
        defer { for pointer in argv { free(pointer) } }
        var variables: [UnsafeMutablePointer<CChar>?] = environment.map { strdup("\($0)=\($1)") }
        let own = variables.count
        var inherited = environ
        while let variable = inherited.pointee {
            variables.append(variable)
            inherited += 1
        }
        variables.append(nil)
        defer { for pointer in variables[..<own] { free(pointer) } }
        var pid: pid_t = 0
        let result = posix_spawnp(&pid, arguments[0], &actions, &attributes, argv, variables)
        guard result == 0 else {
            throw SupportFailure(description: "cannot run \(arguments[0]): \(String(cString: strerror(result)))")
        }
        self.pid = pid
    }

    func send(_ signal: Int32) { kill(pid, signal) }

    /// Waits for the end; blocks. Once.
    ///
    /// - Returns: the exit status, or 128 and the signal.
    func wait() -> Int32 {
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        return status & 0x7f == 0 ? status >> 8 & 0xff : 128 + status & 0x7f
    }

    /// Runs a program to its end.
    static func run(_ arguments: [String], environment: [String: String] = [:]) async throws -> Output {
        try await blocking {
            let place = try TemporaryDirectory()
            let tool = try Tool(
                arguments, environment: environment, output: place.path("out"), errors: place.path("err"))
            let status = tool.wait()
            return Output(
                status: status, output: try text(of: place.path("out")), errors: try text(of: place.path("err")))
        }
    }
}

/// `posix_spawn_file_actions_addclosefrom_np`, which Glibc's module hides: servers must not inherit our connections, or
/// nobody would see them end.
private let closeFrom: @convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, Int32) -> Int32 = {
    guard let symbol = dlsym(nil, "posix_spawn_file_actions_addclosefrom_np") else { return { _, _ in 0 } }
    return unsafeBitCast(
        symbol, to: (@convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, Int32) -> Int32).self)
}()

/// Runs what blocks on a thread where blocking harms nobody.
func blocking<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
    try await WorkerThread.run(name: "blocking", body)
}

/// The bytes of a file.
func bytes(of path: String) throws -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
        throw SupportFailure(description: "cannot read \(path): \(String(cString: strerror(errno)))")
    }
    defer { close(descriptor) }
    var status = stat()
    fstat(descriptor, &status)
    return [UInt8](unsafeUninitializedCapacity: Int(status.st_size)) { buffer, count in
        while count < buffer.count {
            let some = read(descriptor, buffer.baseAddress! + count, buffer.count - count)
            if some <= 0 { break }
            count += some
        }
    }
}

func text(of path: String) throws -> String { String(decoding: try bytes(of: path), as: UTF8.self) }

func size(of path: String) throws -> Int {
    var status = stat()
    guard stat(path, &status) == 0 else { throw SupportFailure(description: "there is no \(path)") }
    return Int(status.st_size)
}

/// A directory that goes away with the object, and the files in it.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/throughline-interop-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw SupportFailure(description: "no temporary directory: \(String(cString: strerror(errno)))")
        }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    func path(_ name: String) -> String { "\(path)/\(name)" }

    deinit {
        if let directory = opendir(path) {
            while let entry = readdir(directory) {
                let name = withUnsafePointer(to: &entry.pointee.d_name.0) { String(cString: $0) }
                unlink("\(path)/\(name)")
            }
            closedir(directory)
        }
        rmdir(path)
    }
}
