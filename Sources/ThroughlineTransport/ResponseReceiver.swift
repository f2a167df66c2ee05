internal import CCurl
internal import Glibc

/// Where libcurl's callbacks put what arrives: header lines into `header`, the body straight into the reader's memory
/// while one waits, and otherwise into a bounded ring.
///
/// Confined to the thread that drives libcurl. libcurl's callbacks run inside `curl_multi_perform` and
/// `curl_easy_pause`, on that thread.
final class ResponseReceiver {
    /// Bytes that may wait here for their reader. One `recv` of libcurl's fits, so that only TLS and HTTP/2, which
    /// loop over theirs, ever pause.
    static let capacity = 256 << 10

    enum Mode {
        /// Header lines of the final response are awaited; body bytes end the wait.
        case head
        /// The body is handed out.
        case body
        /// The rest is taken only to keep the connection usable.
        case discard
    }

    enum Violation { case headersBeyondBounds, notHTTP }

    private(set) var header = HeaderFields()
    private var ring = ByteRing(capacity: capacity)
    var mode = Mode.head
    /// The memory of the reader that waits, as far as it is not filled yet.
    private var destination = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    private var delivered = 0
    /// Body bytes that are wanted; what comes beyond is dropped.
    private(set) var limit = Int64.max
    /// Body bytes that arrived since the head, dropped ones included.
    private(set) var received: Int64 = 0
    /// Body bytes that come before those that are wanted.
    private var toSkip: Int64 = 0
    private(set) var violation: Violation?
    /// Set when the ring is full; libcurl holds on to what it could not deliver.
    var isPaused = false
    /// A body byte was offered: whatever head stands there is the final one.
    private(set) var sawBody = false

    var bufferedCount: Int { ring.count }
    var limitReached: Bool { received >= limit }
    var wantsResume: Bool { isPaused && ring.count <= Self.capacity / 2 }

    /// Makes ready for another response.
    func reset() {
        header = HeaderFields()
        ring.truncate(to: 0)
        mode = .head
        destination = UnsafeMutableRawBufferPointer(start: nil, count: 0)
        limit = .max
        received = 0
        toSkip = 0
        violation = nil
        isPaused = false
        sawBody = false
    }

    /// The final head has come: libcurl itself answers 401 and 407, so those are final only when their body begins.
    var headIsFinal: Bool {
        header.isComplete && header.status >= 200
            && (sawBody || (header.status != 401 && header.status != 407))
    }

    /// Drops what is here and all that comes.
    func discard() {
        mode = .discard
        ring.truncate(to: 0)
    }

    /// Hands the body out from here on, at most `limit` bytes of it.
    ///
    /// - Parameter skipping: bytes before those; they are dropped, and count as not received.
    func beginBody(limit: Int64, skipping: Int64 = 0) {
        mode = .body
        self.limit = limit
        // What was received so far lies in the ring.
        let dropped = min(skipping, Int64(ring.count))
        ring.drop(Int(dropped))
        received -= dropped
        toSkip = skipping - dropped
        if received > limit { ring.truncate(to: Int(clamping: limit)) }
    }

    func take(into destination: UnsafeMutableRawBufferPointer) -> Int { ring.take(into: destination) }

    /// How many of so many bytes still belong to the body.
    func wanted(of count: Int) -> Int { Int(min(Int64(count), max(0, limit - received))) }

    /// Body bytes that did not come through libcurl.
    func tookFromSocket(_ count: Int) { received += Int64(count) }

    /// Lets body bytes go into `destination` while `body` runs, and returns how many did.
    func receiving<Failure: Error>(
        into destination: UnsafeMutableRawBufferPointer, _ body: () throws(Failure) -> Void
    ) throws(Failure) -> Int {
        self.destination = destination
        delivered = 0
        defer { self.destination = UnsafeMutableRawBufferPointer(start: nil, count: 0) }
        try body()
        return delivered
    }

    /// Returns how many bytes were taken; fewer than given make libcurl give up.
    func headerLine(_ line: UnsafeRawBufferPointer) -> Int {
        // After the head, these are the trailers of a chunked body.
        guard mode == .head, !headIsFinal else { return line.count }
        switch header.take(line) {
        case .accepted: return line.count
        case .beyondBounds: violation = .headersBeyondBounds
        case .notHTTP: violation = .notHTTP
        }
        return 0
    }

    func bodyBytes(_ all: UnsafeRawBufferPointer) -> Int {
        sawBody = true
        let skipped = Int(min(toSkip, Int64(all.count)))
        let bytes = UnsafeRawBufferPointer(rebasing: all[skipped...])
        // The head stays what it was until the client has looked at it; the bytes wait in the ring.
        let wanted = wanted(of: bytes.count)
        guard mode != .discard, wanted > 0 else { return took(bytes.count, skipped: skipped) }
        let direct = min(destination.count, wanted)
        guard wanted - direct <= ring.free else {
            isPaused = true
            return Int(CURL_WRITEFUNC_PAUSE)
        }
        if direct > 0, let target = destination.baseAddress, let source = bytes.baseAddress {
            // The ring is empty: a reader comes here only after it has emptied it, and is served before it.
            memcpy(target, source, direct)
            destination = UnsafeMutableRawBufferPointer(rebasing: destination[direct...])
            delivered += direct
        }
        ring.append(UnsafeRawBufferPointer(rebasing: bytes[direct..<wanted]))
        return took(bytes.count, skipped: skipped)
    }

    private func took(_ count: Int, skipped: Int) -> Int {
        received += Int64(count)
        toSkip -= Int64(skipped)
        return count + skipped
    }
}

/// `CURLOPT_HEADERFUNCTION`.
func receiveHeaderLine(
    _ bytes: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ context: UnsafeMutableRawPointer?
) -> Int {
    guard let context, let bytes else { return 0 }
    return Unmanaged<ResponseReceiver>.fromOpaque(context).takeUnretainedValue()
        .headerLine(UnsafeRawBufferPointer(start: bytes, count: size * count))
}

/// `CURLOPT_WRITEFUNCTION`.
func receiveBodyBytes(
    _ bytes: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ context: UnsafeMutableRawPointer?
) -> Int {
    guard let context, let bytes else { return 0 }
    return Unmanaged<ResponseReceiver>.fromOpaque(context).takeUnretainedValue()
        .bodyBytes(UnsafeRawBufferPointer(start: bytes, count: size * count))
}
