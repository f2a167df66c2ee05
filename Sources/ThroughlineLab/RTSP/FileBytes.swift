internal import Glibc
internal import ThroughlineMedia

/// A file as a demuxer reads it.
final class FileBytes: ByteInput {
    private let descriptor: CInt
    private var offset: Int64 = 0
    let length: Int64?
    let isSeekable = true

    init(path: String) throws(OriginError) {
        descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        var status = stat()
        guard descriptor >= 0, fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            let reason = descriptor < 0 ? String(cString: strerror(errno)) : "it is not a regular file"
            if descriptor >= 0 { close(descriptor) }
            throw OriginError(description: "cannot serve \(path): \(reason)")
        }
        length = Int64(status.st_size)
    }

    deinit { close(descriptor) }

    func read(into buffer: UnsafeMutableRawBufferPointer) -> ByteInputResult {
        let count = pread(descriptor, buffer.baseAddress, buffer.count, off_t(offset))
        if count < 0 { return .failed }
        offset += Int64(count)
        return count == 0 ? .end : .bytes(count)
    }

    func seek(to offset: Int64) -> Bool {
        self.offset = offset
        return true
    }
}
