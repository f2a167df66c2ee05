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

    public let code: Code
    /// For people: what happened, and what to do.
    public let message: String
    /// Where in the presentation it ended.
    public let npt: NPT?
    /// What was tried, in order, one line each.
    public let attempts: [String]

    public init(code: Code, message: String, npt: NPT? = nil, attempts: [String] = []) {
        self.code = code
        self.message = message
        self.npt = npt
        self.attempts = attempts
    }

    public var description: String {
        attempts.isEmpty ? message : message + "\n" + attempts.map { "  - \($0)" }.joined(separator: "\n")
    }
}
