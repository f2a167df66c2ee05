/// Why bytes could not be had, for programs (`code`) and for people (`message`).
package struct TransportError: Error, Sendable {
    package enum Code: Hashable, Sendable {
        /// Not a URL, too long, or with control characters in it.
        case invalidURL
        /// Neither `http` nor `https`.
        case unsupportedScheme
        /// A header, a user name or another option that cannot be sent.
        case invalidOptions
        /// The name did not resolve.
        case dns
        /// Nobody listens there.
        case refused
        /// No route to the host.
        case unreachable
        /// No connection in time, TLS included.
        case connectTimedOut
        /// The handshake failed, or the certificate is not to be trusted.
        case tls
        /// Silence: no byte before the deadline.
        case timedOut
        /// The connection broke.
        case reset
        /// The body, or the response, ended before its end.
        case closedEarly
        /// A status that brings no body for us.
        case httpStatus(Int)
        /// A redirect to where it must not lead.
        case redirectRefused
        case tooManyRedirects
        /// The origin answered with other bytes than were asked for.
        case rangeNotHonoured
        /// What goes on is no longer what began.
        case objectChanged
        /// The body is longer than its reader allows.
        case tooLong
        /// The `AbortSwitch` was tripped, or the client closed.
        case aborted
        /// What came was not HTTP, or beyond all bounds.
        case protocolError
        case other
    }

    package var code: Code
    /// What was tried, where (credentials redacted), and what happened.
    package var message: String
    /// How long the origin wants to be left alone, when it said so.
    package var retryAfter: Duration?

    package init(_ code: Code, _ message: String, retryAfter: Duration? = nil) {
        self.code = code
        self.message = message
        self.retryAfter = retryAfter
    }

    /// The status that was answered, when that is the error.
    package var status: Int? {
        if case .httpStatus(let status) = code { status } else { nil }
    }

    /// One of few words: a label for metrics.
    package var shortDescription: String {
        switch code {
        case .invalidURL: "invalid-url"
        case .unsupportedScheme: "unsupported-scheme"
        case .invalidOptions: "invalid-options"
        case .dns: "dns"
        case .refused: "refused"
        case .unreachable: "unreachable"
        case .connectTimedOut: "connect-timed-out"
        case .tls: "tls"
        case .timedOut: "timed-out"
        case .reset: "reset"
        case .closedEarly: "closed-early"
        case .httpStatus(let status): "http-\(status)"
        case .redirectRefused: "redirect-refused"
        case .tooManyRedirects: "too-many-redirects"
        case .rangeNotHonoured: "range-not-honoured"
        case .objectChanged: "object-changed"
        case .tooLong: "too-long"
        case .aborted: "aborted"
        case .protocolError: "protocol-error"
        case .other: "other"
        }
    }
}

extension TransportError: CustomStringConvertible {
    package var description: String { "\(message) [\(shortDescription)]" }
}
