import Glibc
internal import Synchronization
internal import ThroughlineMedia

/// Whether a FIFO may go on waiting for its first reader. From any thread.
final class ReaderGate: Sendable {
    private let flag = Atomic<Bool>(false)
    func shut() { flag.store(true, ordering: .releasing) }
    var isShut: Bool { flag.load(ordering: .acquiring) }
}

/// Bytes into a file or a pipe. A pipe whose reader is slow is waited for, until `stop`.
///
/// A file is opened with the first byte: what stands there is not touched before the muxer has taken the flows.
final class DescriptorOutput: ByteOutput {
    /// Negative until the file is opened.
    private var descriptor: Int32
    private let ownsDescriptor: Bool
    /// The file to open, and whether it may be replaced.
    private let file: (path: String, overwrites: Bool)?
    private let name: String
    private let stop: StopFlag
    private let gate: ReaderGate?
    let isSeekable: Bool
    /// Why bytes were not taken.
    private(set) var failure: OutputError?

    /// Tells outputs that nobody waits for them any longer; from any thread.
    final class StopFlag: Sendable {
        private let flag = Atomic<Bool>(false)
        func set() { flag.store(true, ordering: .releasing) }
        var isSet: Bool { flag.load(ordering: .acquiring) }
    }

    init(_ output: Output, stop: StopFlag, gate: ReaderGate? = nil) throws(OutputError) {
        (self.stop, self.gate) = (stop, gate)
        try OutputTarget.check(output)
        var status = stat()
        switch output {
        case .file(let path, _, _, let overwrites):
            name = path
            file = (path, overwrites)
            (descriptor, ownsDescriptor) = (-1, true)
            isSeekable = stat(path, &status) != 0 || status.st_mode & S_IFMT == S_IFREG
        case .descriptor(let given, _, _):
            name = OutputTarget.name(given)
            file = nil
            // A pipe is opened once more, so that waiting for its reader can be broken off without changing the
            // descriptor that others share.
            let isPipe = fstat(given, &status) == 0 && status.st_mode & S_IFMT == S_IFIFO
            let again = isPipe ? Glibc.open("/proc/self/fd/\(given)", O_WRONLY | O_NONBLOCK | O_CLOEXEC) : -1
            descriptor = again >= 0 ? again : given
            ownsDescriptor = again >= 0
            isSeekable = fstat(given, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
        }
    }

    deinit { if ownsDescriptor, descriptor >= 0 { close(descriptor) } }

    /// False when it cannot be opened.
    private func open() -> Bool {
        guard descriptor < 0, let file else { return failure == nil }
        var status = stat()
        let isThere = stat(file.path, &status) == 0
        let isSpecial = isThere && status.st_mode & S_IFMT != S_IFREG
        let isFIFO = isThere && status.st_mode & S_IFMT == S_IFIFO
        let flags = isSpecial ? 0 : O_CREAT | (file.overwrites ? O_TRUNC : O_EXCL)
        while true {
            // Without O_NONBLOCK, opening a FIFO would wait for its reader, whatever happens.
            descriptor = Glibc.open(file.path, O_WRONLY | O_CLOEXEC | flags | (isFIFO ? O_NONBLOCK : 0), 0o666)
            if descriptor >= 0 { return true }
            switch errno {
            case EINTR: continue
            case ENXIO where isFIFO:
                if stop.isSet {
                    failure = OutputError(message: "\(name): stopped while nobody read it", isAborted: true)
                    return false
                }
                if gate?.isShut ?? false {
                    failure = OutputError(message: "\(name): nobody reads it; it is left out")
                    return false
                }
                poll(nil, 0, 20)
            case EEXIST:
                failure = OutputTarget.exists(file.path)
                return false
            case let error:
                failure = OutputTarget.failure(file.path, error)
                return false
            }
        }
    }

    func write(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard open() else { return false }
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
            case EPIPE:
                failure = OutputError(message: "the reader of \(name) has left", isClosedPipe: true)
                return false
            case let error:
                failure = OutputError(message: "cannot write to \(name): \(String(cString: strerror(error)))")
                return false
            }
        }
        return true
    }

    func seek(to offset: Int64) -> Bool { open() && lseek(descriptor, Int(offset), SEEK_SET) >= 0 }
}
