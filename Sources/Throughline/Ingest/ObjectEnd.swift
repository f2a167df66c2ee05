internal import ThroughlineCore
internal import ThroughlineTransport

/// An object as it was read, to be compared with that of another origin: where it ended, and a few bytes of it.
struct ObjectEnd: Sendable {
    /// The length of the object where that was said, else the place of its end.
    let length: Int64
    /// Bytes of it that were read; where the object may go on behind its end, those right before.
    let piece: ByteProof.Piece
    /// Another's object that is longer, and the same up to here, goes on where this one ended.
    let mayGoOn: Bool

    /// What another origin holds by comparison. At most the piece and one more byte are asked for.
    func compare(
        with target: Origin, until deadline: Instant, abort: AbortSwitch
    ) -> (answer: EndInquiry.Answer, length: Int64?) {
        do throws(TransportError) {
            let source = try makeSource(for: target, abort: abort)
            defer { source.close() }
            let head = try source.open(
                at: piece.offset, until: mayGoOn ? piece.end + 1 : piece.end, deadline: deadline)
            guard head.isSeekable, let other = head.length, other == length || mayGoOn && other > length,
                try piece.isNext(of: source, until: deadline)
            else { return (.differs, nil) }
            return (other == length ? .endsThere : .goesOn, other)
        } catch {
            switch error.code {
            // What answers may be asked in another way.
            case .httpStatus(416), .rangeNotHonoured: return (.differs, nil)
            default: return (.silent, nil)
            }
        }
    }
}

extension ByteProof.Piece {
    /// Whether a source brings these bytes next.
    func isNext(of source: any ByteSource, until deadline: Instant) throws(TransportError) -> Bool {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 16)
        defer { buffer.deallocate() }
        var done = 0
        while done < bytes.count {
            let count = try source.read(
                into: UnsafeMutableRawBufferPointer(rebasing: buffer[done...]), deadline: deadline,
                beforeBlocking: nil)
            if count == 0 { return false }
            done += count
        }
        return buffer.elementsEqual(bytes)
    }
}
