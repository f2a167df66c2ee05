/// The header of one packet of a transport stream, and where its payload lies (ISO/IEC 13818-1 section 2.4.3).
///
/// Read in place: no copy, no allocation. The bytes are not kept.
package struct TransportPacket: Hashable, Sendable {
    /// Bytes of a packet, without what some carriers put around it.
    package static let size = 188
    package static let syncByte: UInt8 = 0x47
    /// Number of the packets that mean nothing.
    package static let nullPID: UInt16 = 0x1FFF

    /// 13 bits.
    package let pid: UInt16
    /// transport_error_indicator: someone on the way found the packet damaged.
    package let isDamaged: Bool
    /// payload_unit_start_indicator.
    package let startsUnit: Bool
    package let isScrambled: Bool
    /// continuity_counter: 4 bits.
    package let counter: UInt8
    /// discontinuity_indicator: the counter, and with the clock's packets the clock, begin anew.
    package let isDiscontinuous: Bool
    /// In ticks of 27 MHz: base times 300, and the extension.
    package let clockReference: UInt64?
    /// The bytes of the payload, counted from the start of the packet; may be empty.
    package let payload: Range<Int>

    /// Whether there is a payload by the header, which is what makes the counter count.
    package let hasPayload: Bool

    /// Nil for less than a packet, without sync byte, and when the adaptation field does not fit in.
    package init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= Self.size, bytes[0] == Self.syncByte else { return nil }
        let word = bytes.bigEndian16(at: 1)
        isDamaged = word & 0x8000 != 0
        startsUnit = word & 0x4000 != 0
        pid = word & 0x1FFF
        isScrambled = bytes[3] & 0xC0 != 0
        hasPayload = bytes[3] & 0x10 != 0
        counter = bytes[3] & 0x0F
        var start = 4
        var isDiscontinuous = false
        var clockReference: UInt64?
        if bytes[3] & 0x20 != 0 {
            let length = Int(bytes[4])
            start = 5 + length
            guard start <= Self.size else { return nil }
            if length > 0 {
                isDiscontinuous = bytes[5] & 0x80 != 0
                if bytes[5] & 0x10 != 0, length >= 7 {
                    let base = UInt64(bytes.bigEndian32(at: 6)) << 1 | UInt64(bytes[10] >> 7)
                    let fraction = UInt64(bytes[10] & 0x01) << 8 | UInt64(bytes[11])
                    clockReference = base * 300 + fraction
                }
            }
        }
        self.isDiscontinuous = isDiscontinuous
        self.clockReference = clockReference
        payload = hasPayload ? start..<Self.size : Self.size..<Self.size
    }
}
