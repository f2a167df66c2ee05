import Glibc
internal import Synchronization
internal import ThroughlineMedia

/// Bytes into a file or a pipe. A pipe whose reader is slow is waited for, until `stop`.
final class DescriptorOutput: ByteOutput {
    private let descriptor: Int32
    private let ownsDescriptor: Bool
    private let name: String
    private let stop: StopFlag
    let isSeekable: Bool
    /// Why bytes were not taken.
    private(set) var failure: OutputError?

    /// Tells outputs that nobody waits for them any longer; from any thread.
    final class StopFlag: Sendable {
        private let flag = Atomic<Bool>(false)
        func set() { flag.store(true, ordering: .releasing) }
        var isSet: Bool { flag.load(ordering: .acquiring) }
    }

    init(_ output: Output, stop: StopFlag) throws(OutputError) {
        self.stop = stop
        switch output {
        case .file(let path, _, _):
            name = path
            descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
            guard descriptor >= 0 else {
                throw OutputError(message: "cannot write \(path): \(String(cString: strerror(errno)))")
            }
            ownsDescriptor = true
        case .descriptor(let given, _, _):
            name = given == STDOUT_FILENO ? "standard output" : "descriptor \(given)"
            // A pipe is opened once more, so that waiting for its reader can be broken off without changing the
            // descriptor that others share.
            var status = stat()
            let isPipe = fstat(given, &status) == 0 && status.st_mode & S_IFMT == S_IFIFO
            let again = isPipe ? open("/proc/self/fd/\(given)", O_WRONLY | O_NONBLOCK | O_CLOEXEC) : -1
            descriptor = again >= 0 ? again : given
            ownsDescriptor = again >= 0
        }
        var status = stat()
        isSeekable = fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }

    deinit { if ownsDescriptor { close(descriptor) } }

    func write(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var rest = bytes
        while !rest.isEmpty {
            let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
            if count >= 0 {
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
                continue
            }
            switch errno {
            case EINTR: continue
            case EAGAIN:
                if stop.isSet {
                    failure = OutputError(message: "\(name): stopped while its reader was busy", isAborted: true)
                    return false
                }
                var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                poll(&waiting, 1, 50)
            case let error:
                failure = OutputError(
                    message: "cannot write to \(name): \(String(cString: strerror(error)))",
                    isClosedPipe: error == EPIPE)
                return false
            }
        }
        return true
    }

    func seek(to offset: Int64) -> Bool { lseek(descriptor, Int(offset), SEEK_SET) >= 0 }
}
