import Glibc
import Testing
import ThroughlineCore

/// The `throughline` that was built beside these tests, run as a user runs it.
enum CommandLineTool {
    static let fixtures = String(#filePath.dropLast("/Tests/InteropTests/CommandLineTool.swift".count)) + "/Fixtures"
    static let documentation = String(fixtures.dropLast("Fixtures".count)) + "Documentation"

    static var path: String {
        get throws {
            var buffer = [CChar](repeating: 0, count: 4096)
            let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
            let own = String(decoding: buffer.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
            let path = own.split(separator: "/").dropLast().reduce("") { "\($0)/\($1)" } + "/throughline"
            try #require(access(path, X_OK) == 0, "no \(path); run bin/test, or swift build first")
            return path
        }
    }

    struct Outcome: Sendable {
        /// The exit status, or the negative number of the signal that ended it.
        var status: Int32
        var output: [UInt8]
        var errors: String
    }

    /// Runs it to its end.
    ///
    /// - Parameters:
    ///   - input: a file to read as standard input; nothing if not given.
    ///   - isPipeClosed: standard output is a pipe that nobody reads any more.
    ///   - onOutput: called with all of the output so far, whenever there is more, and with the process's number.
    static func run(
        _ arguments: [String], input: String = "/dev/null", isPipeClosed: Bool = false,
        onOutput: (@Sendable ([UInt8], pid_t) -> Void)? = nil
    ) async throws -> Outcome {
        let path = try path
        // Waiting blocks: not on the threads of the test runner.
        return await WorkerThread.run(name: "tool") { spawn(path, arguments, input, isPipeClosed, onOutput) }
    }

    private static func spawn(
        _ path: String, _ arguments: [String], _ input: String, _ isPipeClosed: Bool,
        _ onOutput: (@Sendable ([UInt8], pid_t) -> Void)?
    ) -> Outcome {
        var output: [Int32] = [-1, -1]
        var errors: [Int32] = [-1, -1]
        precondition(pipe(&output) == 0 && pipe(&errors) == 0)
        // Other tests spawn too: their children should not hold the writing ends open.
        for end in output + errors { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        if isPipeClosed { close(output[0]) }

        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, input, O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, output[1], STDOUT_FILENO)
        posix_spawn_file_actions_adddup2(&actions, errors[1], STDERR_FILENO)
        // SwiftNIO's sockets are inherited, and origins of other tests live in this process: a child that holds a
        // listening socket keeps its port open.
        for descriptor in (STDERR_FILENO + 1)..<1024 { posix_spawn_file_actions_addclose(&actions, descriptor) }
        // The test runner's threads block signals, and a child would inherit that.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        var none = sigset_t()
        sigemptyset(&none)
        var usual = sigset_t()
        sigemptyset(&usual)
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGPIPE] { sigaddset(&usual, signal) }
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &usual)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        var words: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) } + [nil]
        var process = pid_t()
        let result = posix_spawn(&process, path, &actions, &attributes, &words, environ)
        for word in words { free(word) }
        posix_spawn_file_actions_destroy(&actions)
        posix_spawnattr_destroy(&attributes)
        close(output[1])
        close(errors[1])
        guard result == 0 else {
            return Outcome(status: -127, output: [], errors: "cannot run \(path): error \(result)")
        }

        var outcome = Outcome(status: 0, output: [], errors: "")
        var errorBytes: [UInt8] = []
        var open = [isPipeClosed ? -1 : output[0], errors[0]]
        var piece = [UInt8](repeating: 0, count: 64 << 10)
        while open.contains(where: { $0 >= 0 }) {
            var waiting = open.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            poll(&waiting, nfds_t(waiting.count), -1)
            for index in 0..<2 where waiting[index].revents != 0 {
                let count = read(open[index], &piece, piece.count)
                if count <= 0 {
                    close(open[index])
                    open[index] = -1
                } else if index == 0 {
                    outcome.output += piece[..<count]
                    onOutput?(outcome.output, process)
                } else {
                    errorBytes += piece[..<count]
                }
            }
        }
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
        outcome.status = status & 0x7f == 0 ? (status >> 8) & 0xff : -(status & 0x7f)
        outcome.errors = String(decoding: errorBytes, as: UTF8.self)
        return outcome
    }
}

/// A directory for one test, removed with all that is in it.
final class Scratch: Sendable {
    let path: String

    init() {
        var template = Array("/tmp/throughline-tests-XXXXXX".utf8CString)
        precondition(mkdtemp(&template) != nil)
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        if let directory = opendir(path) {
            while let entry = readdir(directory) {
                let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                    String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
                }
                if name != ".", name != ".." { unlink("\(path)/\(name)") }
            }
            closedir(directory)
        }
        rmdir(path)
    }

    func file(_ name: String) -> String { "\(path)/\(name)" }

    static func bytes(of path: String) -> [UInt8] {
        guard let file = fopen(path, "r") else { return [] }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 64 << 10)
        while case let count = fread(&piece, 1, piece.count, file), count > 0 { bytes += piece[..<count] }
        return bytes
    }
}
