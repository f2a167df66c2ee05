import Glibc
internal import ThroughlineCore

/// Files for events and reports, which a run may replace with those of the next: what another run has left there, and nothing
/// else. A film whose name stands behind the wrong option stays.
enum LogFile {
    /// Whether a path leads to no file, to an empty one, to what is no file of its own (a pipe, a terminal), or to one that
    /// begins as events and reports do.
    static func isReplaceable(_ path: String) -> Bool {
        if FileIdentity.isStandardOutput(path) { return true }
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size > 0 else { return true }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        // What cannot be read can hardly be an old list of events; whether it can be written turns out later.
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var first: UInt8 = 0
        return read(descriptor, &first, 1) == 1 && first == UInt8(ascii: "{")
    }
}
