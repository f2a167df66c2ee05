/// The header fields of a message, in the order in which they came; names are compared without regard to case, and a
/// name may stand more than once.
package struct RTSPHeaders: Hashable, Sendable {
    /// At most this many fields are kept; what is added beyond them is dropped.
    package static let maximumCount = 256

    /// The name of a field, as it was written; equal to any other spelling of its case.
    package struct Name: Hashable, Sendable, ExpressibleByStringLiteral, CustomStringConvertible {
        package let description: String

        package init(_ text: String) { description = text }
        package init(stringLiteral text: String) { description = text }

        package static func == (a: Name, b: Name) -> Bool { a.description.equalsIgnoringCase(b.description) }
        package func hash(into hasher: inout Hasher) {
            for byte in description.utf8 { hasher.combine(byte.lowercased) }
        }
    }

    package struct Field: Hashable, Sendable {
        package var name: Name
        package var value: String
    }

    package private(set) var fields: [Field] = []

    package init() {}

    package init(_ fields: [(Name, String)]) {
        for (name, value) in fields { add(name, value) }
    }

    /// The first value of a name.
    package subscript(name: Name) -> String? { fields.first { $0.name == name }?.value }

    /// All values of a name, in order.
    package func all(_ name: Name) -> [String] { fields.lazy.filter { $0.name == name }.map(\.value) }

    /// Adds a field after the others; the value is kept as it is, and made harmless when it is written.
    package mutating func add(_ name: Name, _ value: String) {
        guard fields.count < Self.maximumCount else { return }
        fields.append(Field(name: name, value: value))
    }

    /// One field of this name, and no other; where the first stood, if there was one. `nil` removes them all.
    package mutating func set(_ name: Name, _ value: String?) {
        let place = fields.firstIndex { $0.name == name }
        fields.removeAll { $0.name == name }
        guard let value else { return }
        if let place {
            fields.insert(Field(name: name, value: value), at: min(place, fields.count))
        } else {
            add(name, value)
        }
    }

    /// A further line of the field that was added last (RFC 2326 section 4.2 folds lines as HTTP did).
    mutating func continueLast(with text: Substring) {
        guard let last = fields.indices.last, !text.isEmpty else { return }
        fields[last].value += fields[last].value.isEmpty ? String(text) : " " + text
    }
}

extension RTSPHeaders.Name {
    package static let accept: Self = "Accept"
    package static let acceptRanges: Self = "Accept-Ranges"
    package static let allow: Self = "Allow"
    package static let authorization: Self = "Authorization"
    package static let bandwidth: Self = "Bandwidth"
    package static let blocksize: Self = "Blocksize"
    package static let cseq: Self = "CSeq"
    package static let connection: Self = "Connection"
    package static let contentBase: Self = "Content-Base"
    package static let contentLength: Self = "Content-Length"
    package static let contentLocation: Self = "Content-Location"
    package static let contentType: Self = "Content-Type"
    package static let date: Self = "Date"
    package static let eventType: Self = "Event-Type"
    package static let location: Self = "Location"
    package static let mediaRange: Self = "Media-Range"
    package static let notice: Self = "Notice"
    package static let notifyReason: Self = "Notify-Reason"
    package static let pipelinedRequests: Self = "Pipelined-Requests"
    package static let proxyAuthenticate: Self = "Proxy-Authenticate"
    package static let proxyAuthorization: Self = "Proxy-Authorization"
    package static let `public`: Self = "Public"
    package static let range: Self = "Range"
    package static let require: Self = "Require"
    package static let retryAfter: Self = "Retry-After"
    package static let rtpInfo: Self = "RTP-Info"
    package static let scale: Self = "Scale"
    package static let seekStyle: Self = "Seek-Style"
    package static let server: Self = "Server"
    package static let session: Self = "Session"
    package static let speed: Self = "Speed"
    package static let supported: Self = "Supported"
    package static let terminateReason: Self = "Terminate-Reason"
    package static let transport: Self = "Transport"
    package static let unsupported: Self = "Unsupported"
    package static let userAgent: Self = "User-Agent"
    package static let wwwAuthenticate: Self = "WWW-Authenticate"
    package static let xNotice: Self = "X-Notice"
}

extension RTSPHeaders {
    /// The number that pairs a response with its request (RFC 2326 section 12.17): the first that can be read, where a
    /// server repeats the field; `nil` where it left it out.
    package var cseq: Int64? {
        for field in fields where field.name == .cseq {
            if let value = field.value.trimmed.leadingDecimal { return value }
        }
        return nil
    }

    /// The length of the body in bytes, where the field is a number.
    package var contentLength: Int64? { self[.contentLength]?.unquoted.trimmed.leadingDecimal }

    /// The type of the body, in lower case and without its parameters.
    package var contentType: String? {
        self[.contentType].map { $0.cut(at: UInt8(ascii: ";")).head.trimmed.asciiLowercased }
    }

    /// What the other side can do, from `Public` and `Allow` (RFC 2326 sections 12.28 and 12.4); empty when it does not say.
    ///
    /// Separated by commas, but by spaces from some; at most 64.
    package var methods: Set<RTSPMethod> {
        var methods: Set<RTSPMethod> = []
        for field in fields where field.name == .public || field.name == .allow {
            for part in field.value.parts(separatedBy: UInt8(ascii: ","), limit: 64) {
                for word in part.parts(separatedBy: 0x20, limit: 64) where methods.count < 64 {
                    methods.insert(RTSPMethod(rawValue: word.unquoted))
                }
            }
        }
        return methods
    }
}
