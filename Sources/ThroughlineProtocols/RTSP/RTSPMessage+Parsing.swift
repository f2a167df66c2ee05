extension RTSPMessage {
    /// A whole message: all that follows its head is its body, whatever its `Content-Length`. `nil` when the first line
    /// that is not empty is neither a request line nor a status line.
    package init?(parsing bytes: [UInt8]) {
        let message = bytes.withUnsafeBytes { bytes -> RTSPMessage? in
            var lines = RTSPLines(bytes)
            guard var message = RTSPMessage(readingHead: &lines) else { return nil }
            message.body = [UInt8](lines.rest)
            return message
        }
        guard let message else { return nil }
        self = message
    }

    /// A head, with or without the empty line that ends it; the body is left empty.
    init?(head: UnsafeRawBufferPointer) {
        var lines = RTSPLines(head)
        self.init(readingHead: &lines)
    }

    private init?(readingHead lines: inout RTSPLines) {
        var line = lines.next()
        while let empty = line, empty.allSatisfy(\.isBlank) { line = lines.next() }
        guard let line, let start = RTSPMessage(startLine: line) else { return nil }
        var headers = RTSPHeaders()
        while let line = lines.next(), !line.isEmpty { headers.take(line: line) }
        switch start {
        case .request(var request):
            request.headers = headers
            self = .request(request)
        case .response(var response):
            response.headers = headers
            self = .response(response)
        }
    }

    /// `PLAY rtsp://host/ RTSP/1.0` or `RTSP/1.0 200 OK`, with any number of spaces between the words and with or
    /// without a reason phrase. A URL with spaces in it is taken whole.
    init?(startLine line: UnsafeRawBufferPointer) {
        guard !line.contains(where: { $0.isControl && $0 != 0x0D }) else { return nil }
        let text = String(decoding: line, as: UTF8.self).trimmed
        guard let firstEnd = text.utf8.firstIndex(where: \.isBlank) else { return nil }
        let first = text[..<firstEnd]
        let rest = text[firstEnd...].trimmed
        if let version = RTSPVersion(first) {
            let digits = Substring(rest.utf8.prefix { !$0.isBlank })
            guard digits.utf8.count == 3, let status = digits.decimal.flatMap({ RTSPStatus(code: Int($0)) }) else {
                return nil
            }
            let reason = String(rest[digits.endIndex...].trimmed)
            self = .response(RTSPResponse(status: status, reason: reason, version: version))
            return
        }
        guard first.utf8.allSatisfy({ $0.isLetter || $0.isDigit || $0 == 0x5F || $0 == 0x2D }),
            let lastStart = rest.utf8.lastIndex(where: \.isBlank),
            let version = RTSPVersion(rest[rest.utf8.index(after: lastStart)...]), version.name == .rtsp
        else { return nil }
        let uri = rest[..<lastStart].trimmed
        guard !uri.isEmpty else { return nil }
        self = .request(RTSPRequest(method: RTSPMethod(rawValue: String(first)), uri: String(uri), version: version))
    }
}

extension RTSPHeaders {
    /// One line of a head. A line without a colon means nothing and is passed over.
    fileprivate mutating func take(line: UnsafeRawBufferPointer) {
        let text = String(decoding: line, as: UTF8.self)
        // Without a field to continue it is a field that someone indented.
        if let first = line.first, first.isBlank, !fields.isEmpty {
            continueLast(with: text.trimmed)
            return
        }
        let (name, value) = text.cut(at: UInt8(ascii: ":"))
        let word = name.trimmed
        guard let value, !word.isEmpty else { return }
        add(Name(String(word)), String(value.trimmed))
    }
}

/// The lines of a message, ended by LF with or without a CR before it.
private struct RTSPLines {
    private var bytes: Slice<UnsafeRawBufferPointer>

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes[...] }

    /// What has not been given out.
    var rest: Slice<UnsafeRawBufferPointer> { bytes }

    /// The next line without its end; the last one may have none.
    mutating func next() -> UnsafeRawBufferPointer? {
        guard !bytes.isEmpty else { return nil }
        let end = bytes.firstIndex(of: 0x0A) ?? bytes.endIndex
        var line = bytes[..<end]
        bytes = bytes[min(end + 1, bytes.endIndex)...]
        if line.last == 0x0D { line.removeLast() }
        return UnsafeRawBufferPointer(rebasing: line)
    }
}
