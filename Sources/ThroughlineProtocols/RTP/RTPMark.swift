internal import ThroughlineCore

/// What is kept of an RTP packet to recognise it in what another sender sends.
struct RTPMark: Sendable {
    let sequence: UInt16
    let timestamp: UInt32
    let payloadType: UInt8
    /// Of its payload and its marker. Equal packets have equal ones.
    let identity: UInt64
    let arrival: Instant
    /// Whether there is enough in its payload for two packets to be no accident.
    let isTelling: Bool
    /// The packet of the same place that the other sender sent is the same.
    var isProven = false

    /// Bytes of payload that say something.
    private static let tellingCount = 16

    init(_ header: RTPHeader, of packet: UnsafeRawBufferPointer, at arrival: Instant) {
        sequence = header.sequence
        timestamp = header.timestamp
        payloadType = header.payloadType
        var hash = PayloadHash()
        hash.add(packet.part(header.payload))
        identity = header.marker ? ~hash.value : hash.value
        self.arrival = arrival
        isTelling = header.payload.count >= Self.tellingCount
    }
}

/// The last packets of one sender, by sequence number: each stays until another of the same place in the table comes.
struct RTPMarkTable: Sendable {
    /// A power of two.
    static let count = 4096

    private var slots = [RTPMark?](repeating: nil, count: count)

    subscript(_ sequence: UInt16) -> RTPMark? {
        get {
            guard let mark = slots[Int(sequence) & (Self.count - 1)], mark.sequence == sequence else { return nil }
            return mark
        }
        set { slots[Int(sequence) & (Self.count - 1)] = newValue }
    }

    /// From the lowest place in the table on.
    var all: some Sequence<RTPMark> { slots.lazy.compactMap { $0 } }

    mutating func removeAll() {
        for index in slots.indices { slots[index] = nil }
    }
}
