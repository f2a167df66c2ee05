internal import Glibc
internal import ThroughlineCore

/// A pipe whose reader takes nothing for a while, as a player on pause, and then everything.
final class LazyReader: Sendable {
    /// The end to write into.
    let descriptor: Int32
    private let thread: WorkerThread

    init(sleeping duration: Duration) throws {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw SupportFailure(description: "pipe: \(String(cString: strerror(errno)))") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let source = ends[0]
        descriptor = ends[1]
        thread = WorkerThread(name: "lazy-reader") {
            // This is what is tested, and not a wait for something.
            usleep(UInt32(duration.wholeNanoseconds / 1000))
            var bytes = [UInt8](repeating: 0, count: 65536)
            while read(source, &bytes, bytes.count) > 0 {}
            close(source)
        }
    }

    /// Closes the pipe, and waits for the reader.
    func finish() {
        close(descriptor)
        thread.join()
    }
}
