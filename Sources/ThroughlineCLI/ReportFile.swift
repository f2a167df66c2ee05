internal import ArgumentParser
import Glibc

/// A file that appears whole or not at all: written beside its place and moved there.
struct ReportFile {
    let path: String

    /// Whether the extension names a kind of report that can be written.
    static func check(extensionOf path: String) throws(ValidationError) {
        // What is no file has no extension: standard output, the pipe of a shell.
        var status = stat()
        if FileIdentity.isStandardOutput(path) { return }
        if stat(path, &status) == 0, ![S_IFREG, S_IFDIR].contains(status.st_mode & S_IFMT) { return }
        let name = path.split(separator: "/").last ?? ""
        let kind = name.lastIndex(of: ".").map { name[$0...].lowercased() } ?? ""
        guard kind == ".json" else {
            throw ValidationError(
                "--report \(path): a report is written as .json; \(kind.isEmpty ? "add" : "use") that extension")
        }
    }

    struct Failure: Error {
        let message: String
        let isClosedPipe: Bool
        init(_ path: String, _ code: Int32) {
            isClosedPipe = code == EPIPE
            message =
                code == EPIPE
                ? "the reader of the report \(path) has left"
                : "cannot write the report \(path): \(String(cString: strerror(code))); choose another place"
        }
    }

    /// Finds out, before anything is played, whether the report can be written.
    init(path: String) throws(Failure) {
        self.path = path
        if FileIdentity.isStandardOutput(path) { return }
        if isSpecial {
            guard access(path, W_OK) == 0 else { throw Failure(path, errno) }
            return
        }
        var status = stat()
        if stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR { throw Failure(path, EISDIR) }
        let (descriptor, temporary) = try beside()
        close(descriptor)
        unlink(temporary)
    }

    /// A device or a pipe, in whose place nothing can be moved.
    private var isSpecial: Bool {
        var status = stat()
        guard stat(path, &status) == 0 else { return false }
        return status.st_mode & S_IFMT != S_IFREG && status.st_mode & S_IFMT != S_IFDIR
    }

    private func beside() throws(Failure) -> (descriptor: Int32, path: String) {
        let temporary = "\(path).\(getpid()).part"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw Failure(path, errno) }
        return (descriptor, temporary)
    }

    func write(_ text: String) throws(Failure) {
        if FileIdentity.isStandardOutput(path) {
            let error = put(text)
            if error != 0 { throw Failure("on standard output", error) }
            return
        }
        let (descriptor, temporary): (Int32, String)
        if isSpecial {
            descriptor = open(path, O_WRONLY | O_CLOEXEC)
            temporary = ""
            guard descriptor >= 0 else { throw Failure(path, errno) }
        } else {
            (descriptor, temporary) = try beside()
        }
        var failure: Int32?
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty, failure == nil {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 { rest = rest.dropFirst(count) } else if errno != EINTR { failure = errno }
        }
        if close(descriptor) != 0, failure == nil { failure = errno }
        if failure == nil, !temporary.isEmpty, rename(temporary, path) != 0 { failure = errno }
        if let failure {
            if !temporary.isEmpty { unlink(temporary) }
            throw Failure(path, failure)
        }
    }
}
