public import ThroughlineCore

/// Why a stream did not play to its end.
public struct StreamError: Error, Sendable, CustomStringConvertible {
    /// The class of the error. More may be added.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Value: String {
            case usage, notMedia, noOriginUsable, internalError, outputFailed, gaveUp, stopped, readerLeft
        }
        private let value: Value
        private init(_ value: Value) { self.value = value }

        /// The configuration cannot work.
        public static let usage = Code(.usage)
        /// The origins answered, and what they hold is not media.
        public static let notMedia = Code(.notMedia)
        /// No origin could be opened.
        public static let noOriginUsable = Code(.noOriginUsable)
        /// A defect of Throughline.
        public static let internalError = Code(.internalError)
        /// An output did not take what it was given.
        public static let outputFailed = Code(.outputFailed)
        /// Playing began, and no origin could go on.
        public static let gaveUp = Code(.gaveUp)
        /// `stop()` was called.
        public static let stopped = Code(.stopped)

        /// The reader of an output had enough, and closed its pipe: nothing has failed.
        public static let readerLeft = Code(.readerLeft)

        public var description: String { value.rawValue }

        /// The exit status of a command that ends with this error.
        public var exitStatus: Int32 {
            switch value {
            case .usage: 64
            case .notMedia: 65
            case .noOriginUsable: 69
            case .internalError: 70
            case .outputFailed: 74
            case .gaveUp: 75
            case .stopped: 130
            // 128 and the number of SIGPIPE, as of every program of a pipe.
            case .readerLeft: 141
            }
        }
    }

    /// One origin that was asked, and why it was of no use.
    public struct Attempt: Sendable, Hashable, CustomStringConvertible {
        public let origin: OriginID
        /// Without credentials.
        public let url: String
        /// For people.
        public let reason: String
        /// The kind of failure; nil where the origin delivered, and something else than was wanted.
        public let cause: ChangeEvent.Cause?

        public var description: String { "\(url): \(reason)" }
    }

    public let code: Code
    /// For people: what happened, and what to do.
    public let message: String
    /// The origin that was played last; nil where nothing was played, or no origin is to blame.
    public let origin: OriginID?
    /// Where in the presentation it ended.
    public let npt: NPT?
    /// What was tried, in order.
    public let attempts: [Attempt]
    /// What went wrong beneath, where there is more to it than the message; of no documented type, for logs.
    public let underlying: (any Error)?

    public init(
        code: Code, message: String, origin: OriginID? = nil, npt: NPT? = nil, attempts: [Attempt] = [],
        underlying: (any Error)? = nil
    ) {
        self.code = code
        self.message = message
        self.origin = origin
        self.npt = npt
        self.attempts = attempts
        self.underlying = underlying
    }

    public var description: String {
        attempts.isEmpty ? message : message + "\n" + attempts.map { "  - \($0)" }.joined(separator: "\n")
    }
}
