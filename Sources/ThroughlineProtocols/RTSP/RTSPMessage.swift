/// A request, from the client or from the server (RFC 2326 section 6).
package struct RTSPRequest: Hashable, Sendable {
    package var method: RTSPMethod
    /// An absolute URL, or `*`.
    package var uri: String
    package var version: RTSPVersion
    package var headers: RTSPHeaders
    package var body: [UInt8]

    package init(
        method: RTSPMethod, uri: String, version: RTSPVersion = .rtsp1, headers: RTSPHeaders = RTSPHeaders(),
        body: [UInt8] = []
    ) {
        self.method = method
        self.uri = uri
        self.version = version
        self.headers = headers
        self.body = body
    }

    /// The bytes to send; `Content-Length` is that of the body, whatever the headers say.
    package func serialized() -> [UInt8] {
        var writer = RTSPMessageWriter()
        writer.word(method.rawValue)
        writer.bytes.append(0x20)
        writer.word(uri)
        writer.bytes.append(0x20)
        writer.word(version.description)
        return writer.finish(headers: headers, body: body)
    }
}

/// The answer to a request (RFC 2326 section 7).
package struct RTSPResponse: Hashable, Sendable {
    package var status: RTSPStatus
    /// The server's own words; empty where it has none.
    package var reason: String
    package var version: RTSPVersion
    package var headers: RTSPHeaders
    package var body: [UInt8]

    package init(
        status: RTSPStatus, reason: String? = nil, version: RTSPVersion = .rtsp1, headers: RTSPHeaders = RTSPHeaders(),
        body: [UInt8] = []
    ) {
        self.status = status
        self.reason = reason ?? status.reason
        self.version = version
        self.headers = headers
        self.body = body
    }

    /// The bytes to send; `Content-Length` is that of the body, whatever the headers say.
    package func serialized() -> [UInt8] {
        var writer = RTSPMessageWriter()
        writer.line("\(version) \(status.code) \(reason)")
        return writer.finish(headers: headers, body: body, afterLine: true)
    }
}

package enum RTSPMessage: Hashable, Sendable {
    case request(RTSPRequest)
    case response(RTSPResponse)

    package var headers: RTSPHeaders {
        switch self {
        case .request(let request): request.headers
        case .response(let response): response.headers
        }
    }

    package var body: [UInt8] {
        get {
            switch self {
            case .request(let request): request.body
            case .response(let response): response.body
            }
        }
        set {
            switch self {
            case .request(var request):
                request.body = newValue
                self = .request(request)
            case .response(var response):
                response.body = newValue
                self = .response(response)
            }
        }
    }

    package func serialized() -> [UInt8] {
        switch self {
        case .request(let request): request.serialized()
        case .response(let response): response.serialized()
        }
    }
}

/// Writes the parts of a message; nothing in them can end a line or a word early.
private struct RTSPMessageWriter {
    var bytes: [UInt8] = []

    /// A word of the start line: spaces and control characters are percent-encoded.
    mutating func word(_ text: String) {
        for byte in text.utf8 {
            if byte <= 0x20 || byte == 0x7F {
                bytes.append(UInt8(ascii: "%"))
                for digit in [byte >> 4, byte & 15] {
                    bytes.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "A") + digit - 10)
                }
            } else {
                bytes.append(byte)
            }
        }
    }

    /// A line and its end: control characters become spaces.
    mutating func line(_ text: String) {
        bytes.append(contentsOf: text.utf8.lazy.map { $0.isControl ? 0x20 : $0 })
        bytes.append(contentsOf: [0x0D, 0x0A])
    }

    mutating func finish(headers: RTSPHeaders, body: [UInt8], afterLine: Bool = false) -> [UInt8] {
        if !afterLine { bytes.append(contentsOf: [0x0D, 0x0A]) }
        for field in headers.fields where field.name != .contentLength { line("\(field.name): \(field.value)") }
        if !body.isEmpty || headers[.contentLength] != nil { line("Content-Length: \(body.count)") }
        bytes.append(contentsOf: [0x0D, 0x0A])
        bytes.append(contentsOf: body)
        return bytes
    }
}
