/// The bytes of an object that were read last, kept to prove that another origin holds the same object.
///
/// At least `required` bytes are kept once that many were read, in as many pieces as the reader's seeks made of them,
/// but not in more than the last sixteen.
package struct ByteProof: Sendable {
    /// Bytes that are kept, and compared where they repeat each other.
    package static let required = 64 * 1024
    /// Bytes that prove an object, where they are as good as random, as media is.
    package static let short = 4 * 1024
    /// Different words of eight bytes that prove it.
    private static let tellingWords = short / 8 * 7 / 8
    private static let most = 2 * required

    /// A run of bytes at its offset in the object.
    package struct Piece: Sendable {
        package var offset: Int64
        package var bytes: [UInt8]
        package init(offset: Int64, bytes: [UInt8]) {
            self.offset = offset
            self.bytes = bytes
        }

        package var end: Int64 { offset + Int64(bytes.count) }

        /// The last bytes of the piece, at most so many.
        package func suffix(_ count: Int) -> Piece { dropFirst(max(0, bytes.count - count)) }

        /// The piece without its first bytes.
        package func dropFirst(_ count: Int) -> Piece {
            Piece(offset: offset + Int64(min(count, bytes.count)), bytes: Array(bytes.dropFirst(count)))
        }

        /// As much of its end as holds enough words that are not among those seen; all of it where that is not enough.
        fileprivate func telling(_ seen: inout Set<UInt64>) -> Piece {
            bytes.withUnsafeBytes { bytes in
                var place = bytes.count
                while place > 0, seen.count < ByteProof.tellingWords {
                    // Eight bytes, and at the start of the piece what is left.
                    let start = max(0, place - 8)
                    seen.insert(bytes[start..<place].reduce(0) { $0 << 8 | UInt64($1) })
                    place = start
                }
                return dropFirst(place)
            }
        }
    }

    private var pieces: [Piece] = []
    private var total = 0

    package init() {}

    /// Bytes that were read at `offset`.
    package mutating func read(_ bytes: UnsafeRawBufferPointer, at offset: Int64) {
        guard !bytes.isEmpty else { return }
        // Of a long read only the end is of use.
        let kept = bytes.count > Self.required ? UnsafeRawBufferPointer(rebasing: bytes.suffix(Self.required)) : bytes
        let start = offset + Int64(bytes.count - kept.count)
        if kept.count == Self.required, var last = pieces.popLast() {
            // One read brought all that is kept: what was there is of no more use, but its memory is.
            pieces.removeAll(keepingCapacity: true)
            total = 0
            last.offset = start
            last.bytes.removeAll(keepingCapacity: true)
            last.bytes.append(contentsOf: kept)
            pieces.append(last)
        } else if var last = pieces.last, last.end == start {
            pieces[pieces.count - 1].bytes = []
            if last.bytes.count + kept.count > Self.most {
                let excess = last.bytes.count + kept.count - Self.required
                let dropped = min(excess, last.bytes.count)
                last.bytes.removeFirst(dropped)
                last.offset += Int64(dropped)
                total -= dropped
            }
            if last.bytes.capacity < Self.most { last.bytes.reserveCapacity(Self.most) }
            last.bytes.append(contentsOf: kept)
            pieces[pieces.count - 1] = last
        } else {
            pieces.append(Piece(offset: start, bytes: Array(kept)))
        }
        total += kept.count
        while pieces.count > 1, total - pieces[0].bytes.count >= Self.required || pieces.count > 16 {
            total -= pieces.removeFirst().bytes.count
        }
    }

    /// What proves the object when going on at `offset`, and no more: of the bytes right before it as many as tell, and,
    /// where all of them are too few, of earlier pieces. Bytes that repeat each other, such as padding, tell nothing.
    package func proof(before offset: Int64) -> (adjacent: Piece, others: [Piece]) {
        let (adjacent, others) = evidence(before: offset)
        var seen: Set<UInt64> = []
        let first = adjacent.telling(&seen)
        var rest: [Piece] = []
        for piece in others where seen.count < Self.tellingWords { rest.append(piece.telling(&seen)) }
        return (first, rest)
    }

    /// What could be read again when going on at `offset`: first the bytes right before it, then, if those are too few,
    /// earlier pieces.
    package func evidence(before offset: Int64) -> (adjacent: Piece, others: [Piece]) {
        var adjacent = Piece(offset: offset, bytes: [])
        var others: [Piece] = []
        var sum = 0
        for piece in pieces.reversed() {
            if sum >= Self.required { break }
            if piece.end == offset, adjacent.bytes.isEmpty {
                let count = min(piece.bytes.count, Self.required)
                adjacent = Piece(offset: offset - Int64(count), bytes: Array(piece.bytes.suffix(count)))
                sum += count
            } else {
                let count = min(piece.bytes.count, Self.required - sum)
                others.append(Piece(offset: piece.end - Int64(count), bytes: Array(piece.bytes.suffix(count))))
                sum += count
            }
        }
        return (adjacent, others)
    }
}
