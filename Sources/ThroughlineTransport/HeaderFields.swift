internal import CCurl
internal import Glibc
internal import ThroughlineCore

/// The header lines of one response, as they come in: bounded, and understood as far as we need them.
struct HeaderFields {
    static let maximumCount = 256
    static let maximumBytes = 64 << 10

    private(set) var status = 0
    private(set) var fields: [HTTPResponseHead.Field] = []
    private var bytes = 0
    /// The blank line after the fields was seen.
    private(set) var isComplete = false

    enum Line { case accepted, beyondBounds, notHTTP }

    /// Takes one line, with its line break. A status line after a complete head begins a new one (after 1xx, or after
    /// a 401 that libcurl answers by itself).
    mutating func take(_ line: UnsafeRawBufferPointer) -> Line {
        bytes += line.count
        guard bytes <= Self.maximumBytes else { return .beyondBounds }
        let text = line.trimmed
        if status == 0 || isComplete {
            guard let status = Self.status(of: text) else { return .notHTTP }
            self.status = status
            fields.removeAll(keepingCapacity: true)
            bytes = line.count
            isComplete = false
            return .accepted
        }
        if text.isEmpty {
            isComplete = true
            return .accepted
        }
        // A folded line (RFC 9112 section 5.2) continues a field; none that we read is ever folded.
        guard let first = line.first, first != 0x20, first != 0x09 else { return .accepted }
        guard let colon = text.firstIndex(of: UInt8(ascii: ":")) else { return .accepted }
        guard fields.count < Self.maximumCount else { return .beyondBounds }
        let name = UnsafeRawBufferPointer(rebasing: text[..<colon]).trimmed
        let value = UnsafeRawBufferPointer(rebasing: text[text.index(after: colon)...]).trimmed
        fields.append(
            .init(
                name: String(decoding: name, as: UTF8.self).lowercased(), value: String(decoding: value, as: UTF8.self))
        )
        return .accepted
    }

    func value(of name: String) -> String? { fields.first { $0.name == name }?.value }

    /// `HTTP/1.1 206 Partial Content`, or Shoutcast's `ICY 200 OK`.
    private static func status(of line: UnsafeRawBufferPointer) -> Int? {
        guard line.starts(with: "HTTP/".utf8) || line.starts(with: "ICY ".utf8) else { return nil }
        guard let space = line.firstIndex(of: 0x20) else { return nil }
        let digits = line[space...].drop { $0 == 0x20 }.prefix { $0 != 0x20 }
        guard digits.count == 3, let status = decimal(digits) else { return nil }
        return Int(status)
    }

    /// A number of at most 18 digits and nothing else: it fits into an `Int64`, and so does the sum of two.
    static func decimal(_ digits: some Sequence<UInt8>) -> Int64? {
        var value: Int64 = 0
        var count = 0
        for digit in digits {
            guard digit >= 0x30, digit <= 0x39, count < 18 else { return nil }
            value = value * 10 + Int64(digit - 0x30)
            count += 1
        }
        return count > 0 ? value : nil
    }
}

/// `Content-Range` (RFC 9110 section 14.4).
struct ContentRange: Equatable {
    /// First and last offset of the bytes sent; `nil` for `bytes */1234`, the range that cannot be satisfied.
    var bounds: ClosedRange<Int64>?
    /// Length of the whole object; `nil` when the origin does not know it.
    var total: Int64?

    init?(_ text: String) {
        let words = text.utf8.split(separator: UInt8(ascii: " "))
        guard words.count == 2, words[0].elementsEqual("bytes".utf8, by: { $0 | 0x20 == $1 }) else { return nil }
        let parts = words[1].split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        guard parts.count == 2 else { return nil }
        if !parts[1].elementsEqual("*".utf8) {
            guard let total = HeaderFields.decimal(parts[1]) else { return nil }
            self.total = total
        }
        if parts[0].elementsEqual("*".utf8) { return }
        let ends = parts[0].split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
        guard ends.count == 2, let first = HeaderFields.decimal(ends[0]), let last = HeaderFields.decimal(ends[1]),
            first <= last, last < total ?? .max
        else { return nil }
        bounds = first...last
    }
}

extension HeaderFields {
    /// The codings that libcurl undoes, where it was built with them (RFC 9110 section 8.4.1, RFC 7932, RFC 8878).
    static let decodable: Set<String> = ["gzip", "x-gzip", "deflate", "br", "zstd"]

    /// How the body is coded, in lower case; nil where it is sent as it is.
    var codings: [String]? {
        let names = fields.filter { $0.name == "content-encoding" }.flatMap { $0.value.split(separator: ",") }.map {
            $0.lowercased().filter { $0 != " " && $0 != "\t" }
        }.filter { !$0.isEmpty && $0 != "identity" }
        return names.isEmpty ? nil : names
    }

    /// What a 206 says of the bytes that it brings, for people.
    var rangeInWords: String {
        if let text = value(of: "content-range") { return "\"\(text.printable(limit: 60))\"" }
        let isMultipart = value(of: "content-type")?.lowercased().hasPrefix("multipart/byteranges") ?? false
        return isMultipart ? "multipart/byteranges, though one range was asked for" : "no Content-Range"
    }

    var contentRange: ContentRange? { value(of: "content-range").flatMap { ContentRange($0) } }

    /// Only where it frames the body (RFC 9112 section 6.3).
    var contentLength: Int64? {
        guard value(of: "transfer-encoding") == nil else { return nil }
        return value(of: "content-length").flatMap { Self.decimal($0.utf8) }
    }

    /// `Retry-After` in either form (RFC 9110 section 10.2.3); a date counts from the origin's own `Date`, where it
    /// sends one, so that its clock need not agree with ours. Never negative.
    var retryAfter: Duration? {
        guard let text = value(of: "retry-after") else { return nil }
        if let seconds = Self.decimal(text.utf8) { return .seconds(seconds) }
        let then = curl_getdate(text, nil)
        guard then != -1 else { return nil }
        var now = value(of: "date").map { curl_getdate($0, nil) } ?? -1
        if now == -1 { now = WallClock.seconds }
        let (seconds, overflow) = then.subtractingReportingOverflow(now)
        return overflow ? nil : .seconds(max(0, seconds))
    }
}

extension UnsafeRawBufferPointer {
    /// Without white space at either end.
    fileprivate var trimmed: UnsafeRawBufferPointer {
        var bytes = self[...]
        while let last = bytes.last, last <= 0x20 { bytes.removeLast() }
        while let first = bytes.first, first <= 0x20 { bytes.removeFirst() }
        return UnsafeRawBufferPointer(rebasing: bytes)
    }
}
