import Glibc
internal import ThroughlineMedia

/// What an output is to be written to, looked at without touching it.
enum OutputTarget {
    /// Finds out, before anything is played, whether an output can be written.
    static func check(_ output: Output) throws(OutputError) {
        switch output {
        case .file(let path, let format, _, let overwrites):
            try check(path: path, overwrites: overwrites)
            guard !Muxer.writesText(format: format, name: path), isCharacterDevice(path) else { return }
            let descriptor = open(path, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)
            guard descriptor >= 0 else { throw failure(path, errno) }
            defer { close(descriptor) }
            if isatty(descriptor) == 1 { throw terminal(path) }
        case .descriptor(let descriptor, let format, _):
            guard fcntl(descriptor, F_GETFL) & O_ACCMODE != O_RDONLY else { throw failure(name(descriptor), EBADF) }
            if isatty(descriptor) == 1, !Muxer.writesText(format: format, name: nil) {
                throw terminal(name(descriptor))
            }
        }
    }

    private static func check(path: String, overwrites: Bool) throws(OutputError) {
        var status = stat()
        guard stat(path, &status) == 0 else {
            guard errno == ENOENT else { throw failure(path, errno) }
            let directory = directory(of: path)
            guard stat(directory, &status) == 0 else { throw failure(path, errno, "the directory \(directory)") }
            guard access(directory, W_OK | X_OK) == 0 else { throw failure(path, errno, "the directory \(directory)") }
            return
        }
        if status.st_mode & S_IFMT == S_IFDIR { throw failure(path, EISDIR) }
        if status.st_mode & S_IFMT == S_IFREG, !overwrites { throw exists(path) }
        guard access(path, W_OK) == 0 else { throw failure(path, errno) }
    }

    /// The directory that a path stands in.
    static func directory(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    static func exists(_ path: String) -> OutputError {
        OutputError(message: "\(path) exists; add -y to overwrite it, or name another file", isUsage: true)
    }

    static func failure(_ path: String, _ code: Int32, _ subject: String? = nil) -> OutputError {
        let reason = String(cString: strerror(code))
        return OutputError(message: "cannot write \(path): " + (subject.map { "\($0): \(reason)" } ?? reason))
    }

    private static func terminal(_ name: String) -> OutputError {
        OutputError(
            message: "\(name) is a terminal, and the output is binary: name a file, or a program to read it, as in "
                + "throughline play ORIGIN --output - | ffplay -", isUsage: true)
    }

    static func name(_ descriptor: Int32) -> String {
        descriptor == STDOUT_FILENO ? "standard output" : "descriptor \(descriptor)"
    }

    private static func isCharacterDevice(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFCHR
    }
}
