package import ThroughlineCore

extension RTSPHeaders {
    /// `Scale` (RFC 2326 section 12.34): 2 is twice as fast, negative is backwards.
    package var scale: Rate? { self[.scale].flatMap { Rate(decimal: $0) } }

    /// `Speed` (section 12.35); of a range as RTSP 2.0 has it, its lower end.
    package var speed: Rate? { self[.speed].flatMap { Rate(decimal: $0.cut(at: UInt8(ascii: "-")).head) } }

    /// `Bandwidth` (section 12.6), bits per second.
    package var bandwidth: Int64? { self[.bandwidth].flatMap { $0.trimmed.decimal } }

    /// Whether the server is known to answer requests that come together, or says so: by `Pipelined-Requests`, or as one
    /// that speaks RTSP 2.0 (RFC 7826 sections 11.1 and 12).
    package var bearPipelining: Bool {
        if self[.pipelinedRequests] != nil || self[.supported]?.asciiLowercased.contains("play.basic") ?? false {
            return true
        }
        guard let server = self[.server]?.asciiLowercased else { return false }
        return ["gstreamer", "live555", "throughline"].contains { server.contains($0) }
    }

    package var location: String? { self[.location].map { $0.unquoted }.flatMap { $0.isEmpty ? nil : $0 } }

    /// Seconds or a date, which counts from the server's own `Date` so that its clock need not agree with ours; a date
    /// without a `Date` is `nil`. Never negative, and at most a day.
    package var retryAfter: Duration? {
        guard let text = self[.retryAfter]?.trimmed, !text.isEmpty else { return nil }
        if let seconds = text.leadingDecimal { return .seconds(min(seconds, 86_400)) }
        guard let then = UTCTime.parseHTTPDate(text), let date = self[.date],
            let now = UTCTime.parseHTTPDate(date[...])
        else { return nil }
        return min(max(.zero, then - now), .seconds(86_400)).duration
    }
}
