import Glibc
internal import Synchronization
internal import ThroughlineCore
internal import ThroughlineTransport

/// A file, or what is piped into the process or comes out of a named pipe, a device or a socket: an origin that is always
/// there, or one that a mount takes away.
///
/// A pipe, a device or a socket has no length: it is read once, from where it stands. A request for any other place is
/// refused before the path is opened.
final class FileSource: ByteSource {
    private enum Reader {
        case file(FileReader, length: Int64)
        case stream(StreamReader)
    }

    private let address: LocalAddress
    private let abort: AbortSwitch
    private var reader: Reader?

    /// Standard input was begun to be read: what is gone comes to nobody else.
    private static let inputIsTaken = Atomic<Bool>(false)

    /// Nothing is opened yet.
    ///
    /// - Parameter abort: ends every call.
    init(_ address: LocalAddress, abort: AbortSwitch) {
        self.address = address
        self.abort = AbortSwitch(parent: abort)
    }

    private var name: String {
        switch address {
        case .standardInput: "standard input"
        case .path(let path): path
        }
    }

    func open(at offset: Int64, until end: Int64?, deadline: Instant) throws(TransportError) -> SourceHead {
        switch try opened(onlyFrom: offset == 0 && end == nil, deadline: deadline) {
        case .file(let reader, let length):
            guard offset <= length else {
                throw TransportError(.rangeNotHonoured, "\(name) has \(length) bytes, and no byte \(offset)")
            }
            reader.seek(to: offset, until: min(length, end ?? length))
            return SourceHead(length: length, isSeekable: true, contentType: nil)
        case .stream: return SourceHead(length: nil, isSeekable: false, contentType: nil)
        }
    }

    /// - Parameter isStart: all of it is asked for, from its start.
    private func opened(onlyFrom isStart: Bool, deadline: Instant) throws(TransportError) -> Reader {
        if let reader {
            if case .stream = reader { throw refusal }
            return reader
        }
        let opened: Reader
        switch address {
        case .standardInput:
            guard isStart else { throw refusal }
            if Self.inputIsTaken.exchange(true, ordering: .relaxed) {
                throw TransportError(.other, "standard input can be read once, and was")
            }
            opened = .stream(try StreamReader(STDIN_FILENO, named: name, isOwned: false, abort: abort))
        case .path(let path):
            let reader = FileReader(path: path, abort: abort)
            switch try reader.open(takesStreams: isStart, deadline: deadline) {
            case .file(let length): opened = .file(reader, length: length)
            case .stream(let descriptor):
                opened = .stream(try StreamReader(descriptor, named: name, isOwned: true, abort: abort))
            }
        }
        reader = opened
        return opened
    }

    private var refusal: TransportError {
        TransportError(.rangeNotHonoured, "\(name) can be read once, from its start")
    }

    func read(
        into buffer: UnsafeMutableRawBufferPointer, deadline: Instant, beforeBlocking: (() -> Instant)?
    ) throws(TransportError) -> Int {
        switch reader {
        case .file(let reader, _):
            return try reader.read(into: buffer, deadline: deadline, beforeBlocking: beforeBlocking)
        case .stream(let reader):
            return try reader.read(into: buffer, deadline: deadline, beforeBlocking: beforeBlocking)
        case nil: throw TransportError(.aborted, "\(name) is not open")
        }
    }

    func close() {
        abort.abort()
        reader = nil
    }
}
