internal import Glibc
internal import NIOCore

/// The bytes of one response: an open file, or memory.
final class BodySource {
    private enum Storage {
        case file(NIOFileHandle, CInt)
        case bytes(ByteBuffer)
    }

    private let storage: Storage
    private var isClosed = false
    /// The length when it was opened.
    let size: Int64
    /// Seconds since 1970, for a file.
    let modified: Int?
    /// A strong entity tag from length and time of modification, or from the bytes.
    let entityTag: String

    /// `nil` when there is no regular file that can be read.
    init?(_ content: ServedFile.Content) {
        switch content {
        case .bytes(let bytes):
            storage = .bytes(ByteBuffer(bytes: bytes))
            size = Int64(bytes.count)
            modified = nil
            // FNV-1a: the same bytes have the same tag at every origin.
            let hash = bytes.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
            entityTag = "\"\(String(size, radix: 16))-\(String(hash, radix: 16))\""
        case .file(let path):
            let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
            guard descriptor >= 0 else { return nil }
            var status = stat()
            guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
                Glibc.close(descriptor)
                return nil
            }
            storage = .file(NIOFileHandle(_deprecatedTakingOwnershipOfDescriptor: descriptor), descriptor)
            size = Int64(status.st_size)
            modified = status.st_mtim.tv_sec
            let time = UInt64(bitPattern: Int64(status.st_mtim.tv_sec)) &* 1_000_000_000
            entityTag =
                "\"\(String(size, radix: 16))-\(String(time &+ UInt64(status.st_mtim.tv_nsec), radix: 16))\""
        }
    }

    /// The bytes of a range; `nil` when the file does not have them any more.
    ///
    /// - Parameter corruption: each byte whose distance behind one of these is a multiple of 1000 has its bits flipped.
    ///   Without any, a file is not read: the kernel sends it (`sendfile`), where that can be (`asRegion`).
    func read(
        _ range: Range<Int64>, corruption: [Int64], asRegion: Bool, for channel: any Channel
    ) -> IOData? {
        guard !isClosed else { return nil }
        var buffer: ByteBuffer
        switch storage {
        case .bytes(let bytes):
            guard let slice = bytes.getSlice(at: Int(range.lowerBound), length: range.count) else { return nil }
            buffer = slice
        case .file(let handle, let descriptor):
            if corruption.isEmpty, asRegion {
                // Asked to send what is not there, the event loop would try for ever.
                var status = stat()
                guard fstat(descriptor, &status) == 0, range.upperBound <= Int64(status.st_size) else { return nil }
                return .fileRegion(
                    FileRegion(
                        fileHandle: handle, readerIndex: Int(range.lowerBound), endIndex: Int(range.upperBound)))
            }
            buffer = channel.allocator.buffer(capacity: range.count)
            while buffer.readableBytes < range.count {
                let offset = range.lowerBound + Int64(buffer.readableBytes)
                let missing = range.count - buffer.readableBytes
                let count = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: missing) {
                    max(0, pread(descriptor, $0.baseAddress, missing, off_t(offset)))
                }
                if count == 0 { return nil }
            }
        }
        for base in corruption {
            var offset = base
            if offset < range.lowerBound { offset += (range.lowerBound - base + 999) / 1000 * 1000 }
            while offset < range.upperBound {
                let index = buffer.readerIndex + Int(offset - range.lowerBound)
                if let byte = buffer.getInteger(at: index, as: UInt8.self) { buffer.setInteger(~byte, at: index) }
                offset += 1000
            }
        }
        return .byteBuffer(buffer)
    }

    /// Closes the file. A piece of it that is under way fails; its connection is being closed then.
    func close() {
        guard !isClosed else { return }
        isClosed = true
        if case .file(let handle, _) = storage { try? handle.close() }
    }
}
