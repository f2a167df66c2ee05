import Glibc
internal import ThroughlineCore

extension Configuration {
    /// How many origins there may be.
    static let mostOrigins = 256
    /// How large the header fields of an origin's requests may be together, in bytes.
    static let mostHeaderBytes = 32 << 10
    static let leastBufferBytes = 64 << 10
    /// RFC 9110 section 5.6.2.
    fileprivate static let tokenBytes = Set(
        "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ".utf8)

    /// Looks at every field, before anything is opened or written.
    ///
    /// - Throws: `StreamError.Code.usage`, with the name of the first field that cannot be, its limits and its value.
    public func validate() throws(StreamError) {
        if origins.isEmpty { throw Self.refusal("origins", "must name at least one origin") }
        if origins.count > Self.mostOrigins {
            throw Self.refusal("origins", "must be no more than \(Self.mostOrigins), not \(origins.count)")
        }
        for (index, origin) in origins.enumerated() { try origin.validate("origins[\(index)]") }
        if origins.filter({ LocalAddress($0.url) == .standardInput }).count > 1 {
            throw Self.refusal("origins", "name standard input twice; it can be read once")
        }
        if from < .zero { throw Self.refusal("from (--from)", "must not be negative, as \(from) is") }
        if let to, to <= from {
            throw Self.refusal("to (--to)", "must lie behind the start: \(to) is not behind \(from)")
        }
        if flows.selectors?.isEmpty ?? false { throw Self.refusal("flows (--flows)", "must name at least one") }
        try Self.check(buffer, .milliseconds(100)...(.seconds(60)), "buffer (--buffer)")
        if bufferByteLimit < Self.leastBufferBytes {
            throw Self.refusal(
                "bufferByteLimit", "must be at least \(Self.leastBufferBytes) bytes, not \(bufferByteLimit)")
        }
        try Self.check(silenceBound, .milliseconds(50)...(.seconds(3600)), "silenceBound (--silence)")
        try Self.check(openBound, .milliseconds(50)...(.seconds(3600)), "openBound (--open-timeout)")
        try Self.check(giveUpAfter, .zero...(.seconds(365 * 86_400)), "giveUpAfter (--give-up-after)")
    }

    private static func check(
        _ value: Duration, _ range: ClosedRange<Duration>, _ field: String
    ) throws(StreamError) {
        guard !range.contains(value) else { return }
        throw refusal(
            field, "must be from \(range.lowerBound.plainText) to \(range.upperBound.plainText), not \(value.plainText)"
        )
    }

    fileprivate static func refusal(_ field: String, _ problem: String) -> StreamError {
        StreamError(code: .usage, message: "\(field) \(problem)")
    }
}

extension Origin {
    /// - Parameter name: what the origin is called in messages.
    fileprivate func validate(_ name: String) throws(StreamError) {
        func refusal(_ field: String, _ problem: String) -> StreamError {
            Configuration.refusal("\(name).\(field)", problem)
        }
        if let mistake = addressMistake { throw refusal("url", mistake) }
        for header in headers {
            guard !header.name.isEmpty, header.name.utf8.allSatisfy(Configuration.tokenBytes.contains) else {
                throw refusal(
                    "headers (--header)", "have a field with an impossible name: \(header.name.debugDescription)")
            }
            guard header.value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 }) else {
                throw refusal("headers (--header)", "have control characters in the value of '\(header.name)'")
            }
        }
        if headers.reduce(0, { $0 + $1.name.utf8.count + $1.value.utf8.count + 4 }) > Configuration.mostHeaderBytes {
            throw refusal("headers (--header)", "are longer than \(Configuration.mostHeaderBytes) bytes")
        }
        if let bearerToken, bearerToken.isEmpty || !bearerToken.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) {
            throw refusal("bearerToken", "must be printable characters without spaces")
        }
        if let path = certificateAuthorities, path.isEmpty || access(path, R_OK) != 0 {
            throw refusal(
                "certificateAuthorities (--ca-file)",
                path.isEmpty ? "is empty" : "cannot be read: \(path): \(String(cString: strerror(errno)))")
        }
    }
}

extension Duration {
    /// For people, exact to the millisecond: `2 s`, `50 ms`, `-1.5 s`.
    fileprivate var plainText: String {
        let milliseconds = wholeNanoseconds / 1_000_000
        if milliseconds % 1000 == 0 { return "\(milliseconds / 1000) s" }
        if milliseconds.magnitude < 1000 { return "\(milliseconds) ms" }
        return "\(milliseconds / 1000).\(String(milliseconds.magnitude % 1000 + 1000).dropFirst()) s"
    }
}
