internal import ThroughlineMedia

/// Where the packets of a stream go. Several can be used at once; one that fails, or whose reader leaves, does not harm the
/// others.
public enum Output: Sendable, Hashable {
    /// A file, a FIFO or a device. A file is created, or emptied, once the container has taken the flows, and not before.
    ///
    /// - Parameters:
    ///   - format: libavformat's name of a muxer; nil to take it from the extension of the path.
    ///   - decoded: decode video and audio first (for `framehash`, `rawvideo`, `wav`); other flows are left out then.
    ///   - overwrites: replace a file that exists. Otherwise it is refused: `StreamError.Code.usage`.
    case file(path: String, format: String? = nil, decoded: Bool = false, overwrites: Bool = true)
    /// An open descriptor, such as a pipe; it is not closed. A terminal takes text formats only.
    case descriptor(Int32, format: String, decoded: Bool = false)
}

extension Output {
    /// The container that was asked for, and the path that tells it otherwise.
    var container: (format: String?, path: String?) {
        switch self {
        case .file(let path, let format, _, _): (format, path)
        case .descriptor(_, let format, _): (format, nil)
        }
    }

    /// For people.
    var name: String {
        switch self {
        case .file(let path, _, _, _): path
        case .descriptor(let descriptor, _, _): OutputTarget.name(descriptor)
        }
    }

    var isDecoded: Bool {
        switch self {
        case .file(_, _, let decoded, _), .descriptor(_, _, let decoded): decoded
        }
    }
}

/// An output at work. Used on one thread at a time: once it has begun, on that of its writer.
protocol PacketOutput: AnyObject {
    /// Takes a packet that others have too.
    func write(_ packet: borrowing Packet) throws(OutputError)
    /// All packets of a batch were written: hand them on.
    func flush() throws(OutputError)
    /// Nothing more will come.
    func finish() throws(OutputError)
    /// What of the stream this output cannot carry.
    var warnings: [String] { get }
}

/// An output that did not take what it was given.
struct OutputError: Error {
    let message: String
    /// The reader of a pipe is gone: it has had enough, and nothing is wrong.
    var isClosedPipe = false
    /// The output was told to stop waiting.
    var isAborted = false
    /// What was asked for cannot be done, whatever the disk.
    var isUsage = false

    /// As the reason why the stream did not play to its end.
    var streamError: StreamError {
        StreamError(
            code: isClosedPipe ? .readerLeft : isUsage ? .usage : .outputFailed, message: message, underlying: self)
    }
}
