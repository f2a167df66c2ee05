internal import ThroughlineCore

/// The recent packets of one RTP sender, by sequence number, in memory that is bounded by bytes and by time.
///
/// The bytes go round in a ring: it begins small, and grows as long as it comes round in less than the time for which
/// packets are to be kept. Nothing is allocated for a packet. Not thread-safe; the time is passed in.
struct RTPPacketStore: Sendable {
    private struct Place {
        /// Where its bytes begin, counted from the first byte that was ever kept.
        var start = 0
        var count = 0
    }

    private let memory: Duration
    private let byteLimit: Int
    private var marks = RTPMarkTable()
    /// By the place of its mark.
    private var places = [Place](repeating: Place(), count: RTPMarkTable.count)
    private var ring: [UInt8]
    /// Bytes that were ever kept, and passed over at the end of the ring.
    private var written = 0
    /// What was kept before is not there any more.
    private var floor = 0
    /// When the ring came round last.
    private var roundBegan: Instant?

    private static let firstBytes = 1 << 16

    /// - Parameters:
    ///   - memory: how long packets are kept, unless there is no room.
    ///   - byteLimit: bytes of packets, at least 65 536.
    init(memory: Duration, byteLimit: Int) {
        self.memory = memory
        self.byteLimit = max(Self.firstBytes, byteLimit)
        ring = Array(repeating: 0, count: Self.firstBytes)
    }

    /// Bytes of memory for packets.
    var capacity: Int { ring.count }

    /// Keeps a packet; one that is larger than all there is room for is passed over.
    mutating func keep(_ packet: UnsafeRawBufferPointer, _ mark: RTPMark) {
        guard packet.count <= ring.count else { return }
        var offset = written % ring.count
        if packet.count > ring.count - offset {
            // It is to lie in one piece.
            written += ring.count - offset
            offset = 0
        }
        if offset == 0 {
            if let roundBegan, mark.arrival - roundBegan < memory, ring.count <= byteLimit / 2 { grow() }
            offset = written % ring.count
            roundBegan = mark.arrival
        }
        ring.withUnsafeMutableBytes { $0.baseAddress?.advanced(by: offset).copy(packet) }
        marks[mark.sequence] = mark
        places[Int(mark.sequence) & (RTPMarkTable.count - 1)] = Place(start: written, count: packet.count)
        written += packet.count
    }

    /// What is known of a packet that is still there.
    func mark(of sequence: UInt16, at now: Instant) -> RTPMark? {
        guard let mark = marks[sequence], now - mark.arrival <= memory else { return nil }
        let start = places[Int(sequence) & (RTPMarkTable.count - 1)].start
        return start >= max(floor, written - ring.count) ? mark : nil
    }

    /// The bytes of a packet that is still there.
    func withBytes<Result>(
        of sequence: UInt16, at now: Instant, _ body: (UnsafeRawBufferPointer) -> Result
    ) -> Result? {
        guard mark(of: sequence, at: now) != nil else { return nil }
        let place = places[Int(sequence) & (RTPMarkTable.count - 1)]
        let offset = place.start % ring.count
        return ring.withUnsafeBytes { body($0.part(offset..<offset + place.count)) }
    }

    mutating func removeAll() {
        marks.removeAll()
        floor = written
        roundBegan = nil
    }

    /// Twice the room. What was kept since the ring came round before lies where it is looked for in the larger one, too.
    private mutating func grow() {
        let old = ring
        floor = max(floor, written - old.count)
        ring = Array(repeating: 0, count: 2 * old.count)
        let offset = (written - old.count) % ring.count
        ring.replaceSubrange(offset..<offset + old.count, with: old)
    }
}

extension UnsafeMutableRawPointer {
    fileprivate func copy(_ bytes: UnsafeRawBufferPointer) {
        if let base = bytes.baseAddress { copyMemory(from: base, byteCount: bytes.count) }
    }
}
