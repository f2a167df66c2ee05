/// The part of `RTSPFramer` that decides what the bytes are. It owns none of them.
struct RTSPScanner: Sendable {
    let limits: RTSPFramer.Limits
    var channels = InterleavedChannels()
    private(set) var skippedBytes = 0
    private(set) var losses = 0

    /// Bytes, counted from the first that was not taken, without which there is no point in looking again; 0 when any
    /// further byte may help.
    private(set) var neededBytes = 0

    /// The last element ended where the next one was expected to begin.
    private var isInStep = true
    /// How much of an incomplete head or body was searched for its end, so that it is not searched again.
    private var searched = 0
    /// The same within the line that begins there.
    private var searchedLine = 0

    init(limits: RTSPFramer.Limits) { self.limits = limits }

    private enum Step {
        case frame(channel: UInt8, end: Int)
        case message(RTSPMessage, end: Int)
        /// Bytes that mean nothing and do no harm: empty lines between messages (RFC 2326 section 4.1 allows them).
        case blank(end: Int)
        case garbage(end: Int)
        /// So many bytes from the start of the element are needed.
        case incomplete(needed: Int)
    }

    /// Takes elements from `start` on until the rest is incomplete; `start` is then its first byte. At the end of the
    /// connection nothing is left.
    mutating func scan<Failure: Error>(
        _ bytes: UnsafeRawBufferPointer, from start: inout Int, isEnd: Bool,
        _ body: (RTSPFramer.Element) throws(Failure) -> Void
    ) throws(Failure) {
        neededBytes = 0
        while start < bytes.count {
            // The way of nearly all bytes: frames in a row, on the channels agreed.
            while isInStep, bytes.count - start >= 4, bytes[start] == UInt8(ascii: "$"),
                channels.contains(bytes[start + 1])
            {
                let end = start + 4 + (Int(bytes[start + 2]) << 8 | Int(bytes[start + 3]))
                guard end <= bytes.count else { break }
                let frame = RTSPFramer.Element.frame(
                    channel: bytes[start + 1], payload: UnsafeRawBufferPointer(rebasing: bytes[start + 4..<end]))
                advance(&start, to: end)
                try body(frame)
            }
            guard start < bytes.count else { return }
            switch step(bytes, at: start, isEnd: isEnd) {
            case .frame(let channel, let end):
                let payload = UnsafeRawBufferPointer(rebasing: bytes[start + 4..<end])
                advance(&start, to: end)
                isInStep = true
                try body(.frame(channel: channel, payload: payload))
            case .message(let message, let end):
                advance(&start, to: end)
                isInStep = true
                try body(.message(message))
            case .blank(let end):
                advance(&start, to: end)
            case .garbage(let end):
                skippedBytes += end - start
                if isInStep { losses += 1 }
                isInStep = false
                advance(&start, to: end)
            case .incomplete(let needed):
                guard isEnd else {
                    neededBytes = needed
                    return
                }
                // Out of step it was only a guess that something began here, and behind it there may be better ones.
                let end = isInStep ? bytes.count : start + 1
                skippedBytes += end - start
                advance(&start, to: end)
            }
        }
    }

    private mutating func advance(_ start: inout Int, to end: Int) {
        start = end
        searched = 0
        searchedLine = 0
    }

    private mutating func step(_ bytes: UnsafeRawBufferPointer, at start: Int, isEnd: Bool) -> Step {
        let first = bytes[start]
        if first == UInt8(ascii: "$") { return frame(bytes, at: start, isEnd: isEnd) }
        if first == 0x0D || first == 0x0A {
            let rest = bytes[start...]
            return .blank(end: rest.firstIndex { $0 != 0x0D && $0 != 0x0A } ?? rest.endIndex)
        }
        if first.isLetter || (first == 0x20 && isInStep) { return message(bytes, at: start, isEnd: isEnd) }
        // The next byte with which something may begin.
        let rest = bytes[(start + 1)...]
        return .garbage(
            end: rest.firstIndex { $0 == UInt8(ascii: "$") || $0.isLetter || $0 == 0x0D || $0 == 0x0A } ?? rest.endIndex
        )
    }

    // MARK: Frames

    private func frame(_ bytes: UnsafeRawBufferPointer, at start: Int, isEnd: Bool) -> Step {
        let available = bytes.count - start
        guard available >= 4 else { return .incomplete(needed: 4) }
        let channel = bytes[start + 1]
        let length = Int(bytes[start + 2]) << 8 | Int(bytes[start + 3])
        let size = 4 + length
        if isInStep, channels.contains(channel) || channels.isEmpty {
            return available >= size ? .frame(channel: channel, end: start + size) : .incomplete(needed: size)
        }
        // In doubt, what follows decides. RTCP packets have 8 bytes at least (RFC 3550 section 6.4), RTP packets 12.
        guard length >= 8, isInStep || channels.contains(channel) || channels.isEmpty else {
            return .garbage(end: start + 1)
        }
        guard available >= size else { return .incomplete(needed: size) }
        switch beginning(bytes, at: start + size) {
        case .believable: return .frame(channel: channel, end: start + size)
        case .tooShort: return isEnd ? .frame(channel: channel, end: start + size) : .incomplete(needed: size + 4)
        case .unlikely: return .garbage(end: start + 1)
        }
    }

    private enum Beginning { case believable, tooShort, unlikely }

    /// Whether an element could begin here, judged by four bytes at most.
    private func beginning(_ bytes: UnsafeRawBufferPointer, at start: Int) -> Beginning {
        let head = bytes[start...].prefix(4)
        guard let first = head.first else { return .tooShort }
        if first == 0x0D || first == 0x0A { return .believable }
        if first == UInt8(ascii: "$") {
            guard head.count >= 2 else { return .tooShort }
            return channels.isEmpty || channels.contains(head[start + 1]) ? .believable : .unlikely
        }
        let isWord = head.allSatisfy { $0.isUppercaseLetter || $0 == UInt8(ascii: "_") }
        guard isWord || head.lazy.map(\.lowercased).elementsEqual("rtsp".utf8.prefix(head.count)) else {
            return .unlikely
        }
        return head.count == 4 ? .believable : .tooShort
    }

    // MARK: Messages

    private mutating func message(_ bytes: UnsafeRawBufferPointer, at start: Int, isEnd: Bool) -> Step {
        let window = UnsafeRawBufferPointer(rebasing: bytes[start...].prefix(limits.head))
        switch word(window) {
        case .unlikely: return .garbage(end: start + 1)
        case .tooShort: return .incomplete(needed: 0)
        case .believable: break
        }
        // The start line is judged before anything is waited for.
        var line = searched
        if line == 0 {
            let end = window[min(searchedLine, window.count)...].firstIndex { $0.isControl && $0 != 0x0D }
            guard let end, window[end] == 0x0A else {
                if end == nil, window.count < limits.head {
                    searchedLine = window.count
                    return .incomplete(needed: 0)
                }
                // Text without an end, or something binary: a frame may begin with the byte before.
                let stop = end ?? window.count
                return .garbage(
                    end: start + (stop > 1 && window[stop - 1] == UInt8(ascii: "$") ? stop - 1 : max(stop, 1)))
            }
            guard RTSPMessage(startLine: UnsafeRawBufferPointer(rebasing: window[..<end])) != nil else {
                return .garbage(end: start + end)
            }
            line = end + 1
        }
        guard let headEnd = endOfHead(window, from: line) else {
            if window.count >= limits.head { return .garbage(end: start + max(searched, 1)) }
            // Without its empty line a head is taken at the end, but not with a line that may be cut short.
            guard isEnd, window.last == 0x0A else { return .incomplete(needed: 0) }
            return messageWithBody(bytes, at: start, bodyAt: bytes.count, isEnd: true)
        }
        return messageWithBody(bytes, at: start, bodyAt: start + headEnd, isEnd: isEnd)
    }

    /// Whether the first word is that of a message. Out of step only the words are believed that are known.
    private func word(_ window: UnsafeRawBufferPointer) -> Beginning {
        let text = window.drop { $0 == 0x20 }
        if text.isEmpty { return .tooShort }
        // The longest known word is GET_PARAMETER.
        let word = text.prefix(24).prefix { $0.isLetter || $0.isDigit || $0 == 0x5F || $0 == 0x2D }
        guard word.count < 24, word.count > 0 else { return .unlikely }
        guard word.endIndex < window.endIndex else {
            return isInStep || Self.knownWords.contains { Self.starts($0.utf8, with: word) } ? .tooShort : .unlikely
        }
        let next = window[word.endIndex]
        if Self.starts("RTSP".utf8, with: word), word.count == 4 {
            return next == UInt8(ascii: "/") || next.isBlank ? .believable : .unlikely
        }
        if Self.starts("HTTP".utf8, with: word), word.count == 4 {
            return next == UInt8(ascii: "/") ? .believable : .unlikely
        }
        guard next.isBlank else { return .unlikely }
        if isInStep { return .believable }
        return Self.knownWords.contains { $0.utf8.count == word.count && Self.starts($0.utf8, with: word) }
            ? .believable : .unlikely
    }

    private static let knownWords = RTSPMethod.known.map(\.rawValue) + ["RTSP", "HTTP"]

    /// `word` is in upper case.
    private static func starts(_ word: String.UTF8View, with beginning: Slice<UnsafeRawBufferPointer>) -> Bool {
        word.count >= beginning.count && zip(word, beginning).allSatisfy { $0.lowercased == $1.lowercased }
    }

    /// Where the head ends, looking at the lines from `line` on: after the first that is empty, or before one that
    /// begins an interleaved frame, since there are servers that forget the empty line.
    private mutating func endOfHead(_ window: UnsafeRawBufferPointer, from line: Int) -> Int? {
        var line = line
        while line < window.count {
            searched = line
            let first = window[line]
            if first == 0x0A { return line + 1 }
            guard line + 1 < window.count else { return nil }
            if first == 0x0D, window[line + 1] == 0x0A { return line + 2 }
            if first == UInt8(ascii: "$"), channels.contains(window[line + 1]), !window[line + 1].isLetter {
                return line
            }
            guard let end = window[max(line, min(searchedLine, window.count))...].firstIndex(of: 0x0A) else {
                searchedLine = window.count
                return nil
            }
            line = end + 1
        }
        searched = line
        return nil
    }

    private func messageWithBody(
        _ bytes: UnsafeRawBufferPointer, at start: Int, bodyAt: Int, isEnd: Bool
    ) -> Step {
        guard var message = RTSPMessage(head: UnsafeRawBufferPointer(rebasing: bytes[start..<bodyAt])) else {
            return .garbage(end: start + 1)
        }
        let rest = bytes[bodyAt...]
        let length: Int
        if let announced = message.headers.contentLength {
            guard announced <= limits.body else { return .garbage(end: bodyAt) }
            // Some announce a body and send none; then the next element is here. No more is looked at than the body
            // itself is long, so that it does not matter how the bytes were cut.
            let probe = min(Int(announced), 5)
            if !isEnd, rest.count < probe { return .incomplete(needed: bodyAt - start + probe) }
            length = beginsAnotherElement(rest.prefix(probe)) ? 0 : Int(announced)
        } else if message.hasUnmeasuredDescription {
            guard let end = endOfDescription(rest, isEnd: isEnd) else { return .incomplete(needed: 0) }
            length = end
        } else {
            length = 0
        }
        guard rest.count >= length || isEnd else { return .incomplete(needed: bodyAt - start + length) }
        let body = rest.prefix(length)
        message.body = [UInt8](body)
        return .message(message, end: body.endIndex)
    }

    private func beginsAnotherElement(_ rest: Slice<UnsafeRawBufferPointer>) -> Bool {
        guard rest.count >= 2 else { return false }
        if rest[rest.startIndex] == UInt8(ascii: "$") { return channels.contains(rest[rest.startIndex + 1]) }
        return rest.count >= 5 && Self.starts("RTSP/".utf8, with: rest.prefix(5))
    }

    /// The length of a session description that came without `Content-Length`: all lines of the form `x=`. It is known
    /// only when something else follows, or at the end.
    private func endOfDescription(_ rest: Slice<UnsafeRawBufferPointer>, isEnd: Bool) -> Int? {
        var line = rest.startIndex
        while line < rest.endIndex, line - rest.startIndex < limits.body {
            let isField = rest[line].isLetter && line + 1 < rest.endIndex && rest[line + 1] == UInt8(ascii: "=")
            guard isField else {
                return line + 1 < rest.endIndex || !rest[line].isLetter || isEnd ? line - rest.startIndex : nil
            }
            guard let end = rest[line...].firstIndex(of: 0x0A) else {
                return isEnd ? rest.count : (rest.count > limits.body ? line - rest.startIndex : nil)
            }
            line = end + 1
        }
        return line < rest.endIndex || isEnd ? line - rest.startIndex : nil
    }
}

extension RTSPMessage {
    /// An answer with a description whose length it does not tell.
    fileprivate var hasUnmeasuredDescription: Bool {
        guard case .response(let response) = self, response.status == .ok else { return false }
        return response.headers.contentType == "application/sdp"
    }
}
