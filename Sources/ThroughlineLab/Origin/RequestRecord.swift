public import ThroughlineCore

/// One request that an origin received, and what became of it.
public struct RequestRecord: Sendable, Hashable {
    /// How a request ended.
    public enum Outcome: String, Sendable, Hashable {
        /// Not yet: being answered, stalled or met with silence.
        case inProgress
        /// The whole response was handed to the kernel.
        case completed
        /// A fault reset the connection.
        case reset
        /// A fault closed the connection short of the promised length.
        case closed
        /// The client left, or the connection broke by itself.
        case abandoned
        /// The origin was killed or stopped.
        case killed
    }

    /// Counts the origin's requests from 1.
    public var number: Int
    /// Counts the origin's connections from 1.
    public var connection: Int
    public var method: String
    /// The path without its query.
    public var path: String
    /// The `Range` header as it came.
    public var range: String?
    /// The status of the response; `nil` before there is one.
    public var status: Int?
    /// The bytes of the file that the head promised.
    public var promised: Range<Int64>?
    /// Body bytes handed to the kernel.
    public var bytesSent: Int64 = 0
    public var outcome = Outcome.inProgress
    /// The faults that had an effect on the response, in order.
    public var faults: [Fault] = []
    public var receivedAt: Instant
    /// When the head was sent.
    public var answeredAt: Instant?
    public var endedAt: Instant?
}

/// Something that happened at an origin.
public enum OriginEvent: Sendable, Hashable {
    /// It listens at this port.
    case listening(port: Int)
    /// It does not listen any more.
    case closedPort
    /// It could not listen again after a fault; the text says why.
    case failedToListen(String)
    /// A connection was accepted.
    case connected(connection: Int)
    /// A request arrived.
    case requested(RequestRecord)
    /// A request has ended, one way or another.
    case ended(RequestRecord)
    /// A fault has struck.
    case struck(Fault)
    /// A fault is over.
    case recovered(Fault)
}
