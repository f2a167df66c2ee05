/// Takes the bytes of an RTSP connection apart into messages and interleaved frames (RFC 2326 section 10.12), however
/// they were cut on the way.
///
/// Feed it what was read; it calls back for each element in order. A frame that lies whole in the bytes fed is handed
/// out where it lies. Only what is incomplete at the end is kept, so that the framer holds at most one message with its
/// limits, or one frame of 64 KiB.
///
/// A server that loses count (frames cut short under load are common) or sends a body it did not announce is not the
/// end: bytes are skipped until a message or a frame begins that can be believed. `skippedBytes` counts them.
package struct RTSPFramer: Sendable {
    package struct Limits: Hashable, Sendable {
        /// Bytes of the start line and the header fields.
        package var head = 64 << 10
        /// Bytes of the body that `Content-Length` may announce. A message beyond it is skipped.
        package var body = 1 << 20

        package init() {}
    }

    package enum Element {
        case message(RTSPMessage)
        /// One RTP or RTCP packet; the bytes are valid during the call only.
        case frame(channel: UInt8, payload: UnsafeRawBufferPointer)
    }

    /// Channels agreed in a `Transport` header. Frames on others are believed only when something believable follows
    /// them; while none is known all are believed.
    package var channels: InterleavedChannels {
        get { scanner.channels }
        set { scanner.channels = newValue }
    }

    /// Bytes that belonged to no message and no frame.
    package var skippedBytes: Int { scanner.skippedBytes }
    /// How often the framer had to begin to skip.
    package var losses: Int { scanner.losses }
    /// Bytes held back because what they belong to is not complete.
    package var pendingBytes: Int { pending.count }

    private var scanner: RTSPScanner
    private var pending: [UInt8] = []

    package init(limits: Limits = Limits()) { scanner = RTSPScanner(limits: limits) }

    /// Takes the next bytes and calls `body` for each element that is complete now.
    ///
    /// - Throws: what `body` throws. The element it was called for counts as taken; what follows it is kept, however
    ///   long, and is looked at in the next call.
    package mutating func feed<Failure: Error>(
        _ bytes: UnsafeRawBufferPointer, _ body: (Element) throws(Failure) -> Void
    ) throws(Failure) {
        var rest = bytes[...]
        while !pending.isEmpty, !rest.isEmpty {
            // Of a frame that has begun only the end is copied. How long a head will be cannot be known.
            let missing = scanner.neededBytes - pending.count
            let part = rest.prefix(missing > 0 ? missing : 64 << 10)
            pending.append(contentsOf: part)
            rest = rest[part.endIndex...]
            guard pending.count >= scanner.neededBytes else { return }
            do throws(Failure) {
                try scanPending(isEnd: false, body)
            } catch {
                pending.append(contentsOf: rest)
                throw error
            }
        }
        guard !rest.isEmpty else { return }
        let fresh = UnsafeRawBufferPointer(rebasing: rest)
        var taken = 0
        defer { pending.append(contentsOf: fresh[taken...]) }
        try scanner.scan(fresh, from: &taken, isEnd: false, body)
    }

    /// Gives out a message whose body is not complete, with what there is of it, or whose head lacks only the empty line
    /// at its end: to be called at the end of the connection, or when an answer is overdue. What else is pending is
    /// skipped.
    package mutating func finish<Failure: Error>(_ body: (Element) throws(Failure) -> Void) throws(Failure) {
        try scanPending(isEnd: true, body)
    }

    private mutating func scanPending<Failure: Error>(
        isEnd: Bool, _ body: (Element) throws(Failure) -> Void
    ) throws(Failure) {
        // Taken out, so that the scanner can change while the bytes are borrowed.
        var bytes: [UInt8] = []
        swap(&bytes, &pending)
        var taken = 0
        defer {
            if taken == bytes.count {
                bytes.removeAll(keepingCapacity: bytes.capacity <= 128 << 10)
            } else {
                bytes.removeFirst(taken)
            }
            swap(&bytes, &pending)
        }
        try bytes.withUnsafeBufferPointer { (bytes) throws(Failure) in
            try scanner.scan(UnsafeRawBufferPointer(bytes), from: &taken, isEnd: isEnd, body)
        }
    }
}
