/// Cuts a stream of bytes, in pieces of any size, into the packets of a transport stream: 188 bytes each, alone, behind
/// a time stamp of 4 bytes (192, as on discs and in IPTV), or before 16 bytes of error correction (204).
///
/// Which of them is found out from where the sync bytes stand, and again when one is missing. In step, a packet inside
/// of a piece is given in place; only one that is cut by its end is copied.
package struct TransportFramer: Sendable {
    /// The distances from packet to packet that exist.
    package static let strides = [188, 192, 204]
    /// So many packets in a row have to have their sync byte.
    static let proof = 4

    /// From packet to packet; nil while out of step.
    package private(set) var stride: Int?
    /// Bytes that belonged to no packet.
    package private(set) var strayBytes: Int64 = 0

    /// In step: the beginning of a packet. Out of step: what is searched. Never more than `searched` bytes.
    private var kept: [UInt8] = []
    /// Bytes between packets that are passed over.
    private var skipping = 0

    private static let searched = 8 * 204

    package init() { kept.reserveCapacity(Self.searched) }

    /// Holds the place of another for a moment: nothing is allocated.
    static var none: TransportFramer { TransportFramer(placeholder: ()) }

    private init(placeholder: Void) {}

    /// - Parameter body: sees every packet, 188 bytes with their sync byte, for as long as it runs.
    package mutating func feed(_ piece: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Void) {
        var rest = piece
        while !rest.isEmpty {
            guard let stride else {
                let taken = min(rest.count, Self.searched - kept.count)
                kept.append(contentsOf: rest.prefix(taken))
                rest = rest.part(taken..<rest.count)
                // Only a full stretch is searched, so that what is found does not hang on how the pieces are cut.
                if kept.count == Self.searched { search(isEnd: false, body) }
                continue
            }
            if skipping > 0 {
                let step = min(skipping, rest.count)
                skipping -= step
                rest = rest.part(step..<rest.count)
                continue
            }
            if kept.isEmpty, rest.count >= TransportPacket.size {
                guard rest[0] == TransportPacket.syncByte else {
                    self.stride = nil
                    continue
                }
                body(rest.part(0..<TransportPacket.size))
                rest = rest.part(TransportPacket.size..<rest.count)
                skipping = stride - TransportPacket.size
                continue
            }
            let taken = min(rest.count, TransportPacket.size - kept.count)
            kept.append(contentsOf: rest.prefix(taken))
            rest = rest.part(taken..<rest.count)
            if kept[0] != TransportPacket.syncByte {
                self.stride = nil
            } else if kept.count == TransportPacket.size {
                kept.withUnsafeBytes(body)
                kept.removeAll(keepingCapacity: true)
                skipping = stride - TransportPacket.size
            }
        }
    }

    /// Nothing more comes: fewer packets than `proof` are believed now, when all that is there agrees.
    package mutating func finish(_ body: (UnsafeRawBufferPointer) -> Void) {
        while stride == nil, search(isEnd: true, body) {}
        drop(kept.count)
        skipping = 0
        stride = nil
    }

    /// Looks for the step in what was kept, and gives the packets that are whole.
    ///
    /// - Returns: whether there were any. If not, and this is not the end, some of what was kept has been dropped.
    @discardableResult
    private mutating func search(isEnd: Bool, _ body: (UnsafeRawBufferPointer) -> Void) -> Bool {
        guard let (place, found) = kept.withUnsafeBytes({ Self.step(in: $0, isEnd: isEnd) }) else {
            // A step could have been proven from every byte but those of the last stretch.
            if !isEnd { drop(kept.count - (Self.proof - 1) * 204) }
            return false
        }
        drop(place)
        stride = found
        let count = kept.count
        var at = 0
        kept.withUnsafeBytes { bytes in
            while count - at >= TransportPacket.size, bytes[at] == TransportPacket.syncByte {
                body(bytes.part(at..<at + TransportPacket.size))
                at += found
            }
        }
        skipping = max(0, at - count)
        kept.removeFirst(min(at, count))
        // A byte that should be a sync byte and is not: out of step again.
        if let first = kept.first, first != TransportPacket.syncByte { stride = nil }
        return true
    }

    private mutating func drop(_ count: Int) {
        kept.removeFirst(count)
        strayBytes += Int64(count)
    }

    /// Whether a packet may begin here. A time stamp may begin with the value of a sync byte for as long as a second;
    /// that what follows is a header as well (adaptation_field_control is never 0) is less likely.
    private static func isPlausible(_ bytes: UnsafeRawBufferPointer, _ at: Int) -> Bool {
        bytes[at] == TransportPacket.syncByte && (at + 3 >= bytes.count || bytes[at + 3] & 0x30 != 0)
    }

    /// The first place from which packets follow each other at one of the distances, and that distance.
    private static func step(in bytes: UnsafeRawBufferPointer, isEnd: Bool) -> (place: Int, stride: Int)? {
        for place in 0..<bytes.count where bytes[place] == TransportPacket.syncByte {
            for stride in strides {
                var at = place
                var seen = 0
                while at < bytes.count, seen < proof, isPlausible(bytes, at) {
                    seen += 1
                    at += stride
                }
                let isProven =
                    seen == proof || isEnd && at >= bytes.count && place + TransportPacket.size <= bytes.count
                if isProven { return (place, stride) }
            }
        }
        return nil
    }
}
