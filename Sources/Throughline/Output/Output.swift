internal import ThroughlineMedia

/// Where the packets of a stream go. Several can be used at once.
public enum Output: Sendable, Hashable {
    /// A file, replaced if it exists.
    ///
    /// - Parameters:
    ///   - format: libavformat's name of a muxer; nil to take it from the extension of the path.
    ///   - decoded: decode video and audio first (for `framehash`, `rawvideo`, `wav`); other flows are left out then.
    case file(path: String, format: String? = nil, decoded: Bool = false)
    /// An open descriptor, such as a pipe; it is not closed.
    case descriptor(Int32, format: String, decoded: Bool = false)
}

/// An output at work. Used on one thread at a time.
protocol PacketOutput: AnyObject {
    /// Takes a packet; valid during the call.
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
    /// The reader of a pipe is gone.
    var isClosedPipe = false
    /// The output was told to stop waiting.
    var isAborted = false
}
