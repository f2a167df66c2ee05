/// What one PES packet carries: the payload and its presentation time (ISO/IEC 13818-1 section 2.4.3.6).
package struct ElementaryUnit: Hashable, Sendable {
    /// stream_id.
    package let streamID: UInt8
    /// PTS: 33 bits of 90 kHz.
    package let ticks: UInt64?
    package let payload: [UInt8]

    /// Nil for what is no PES packet, and for the kinds of stream that have no header, such as padding.
    init?(_ packet: UnsafeRawBufferPointer) {
        guard packet.count >= 9, packet[0] == 0, packet[1] == 0, packet[2] == 1 else { return nil }
        streamID = packet[3]
        guard packet[6] & 0xC0 == 0x80 else { return nil }
        let start = 9 + Int(packet[8])
        guard start <= packet.count else { return nil }
        var ticks: UInt64?
        if packet[7] & 0x80 != 0, packet[8] >= 5 {
            ticks =
                UInt64(packet[9] & 0x0E) << 29 | UInt64(packet.bigEndian16(at: 10) >> 1) << 15
                | UInt64(packet.bigEndian16(at: 12) >> 1)
        }
        self.ticks = ticks
        payload = Array(packet[start...])
    }
}

/// Puts the PES packets of one PID together from the payloads of its packets.
struct ElementaryAssembler: Sendable {
    /// Header and the longest length. Packets of unknown length, as video has them, are dropped when they are longer.
    static let largest = 6 + 0xFFFF

    private var kept: [UInt8] = []
    private var isInStep = false

    init() {}

    /// Something is missing: what was begun is dropped.
    mutating func interrupted() {
        kept.removeAll(keepingCapacity: true)
        isInStep = false
    }

    /// Takes the payload of the next packet.
    ///
    /// - Parameter body: takes every unit that is complete with it. One of unknown length is so when the next one starts.
    mutating func add(_ payload: UnsafeRawBufferPointer, startsUnit: Bool, _ body: (ElementaryUnit) -> Void) {
        if startsUnit {
            // What has a length and is not complete was cut.
            if isInStep, kept.count >= 6, length == 0 { emit(kept.count, body) }
            kept.removeAll(keepingCapacity: true)
            isInStep = true
        }
        guard isInStep else { return }
        guard payload.count <= Self.largest - kept.count else { return interrupted() }
        kept.append(contentsOf: payload)
        guard kept.count >= 6, length > 0, kept.count >= 6 + length else { return }
        emit(6 + length, body)
        interrupted()
    }

    private func emit(_ count: Int, _ body: (ElementaryUnit) -> Void) {
        kept.withUnsafeBytes { bytes in
            if let unit = ElementaryUnit(bytes.part(0..<count)) { body(unit) }
        }
    }

    /// PES_packet_length; 0 when it is not known.
    private var length: Int { Int(kept[4]) << 8 | Int(kept[5]) }
}
