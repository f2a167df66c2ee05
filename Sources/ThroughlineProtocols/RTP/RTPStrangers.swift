/// Keeps the first packets of another source until it is seen whether that has taken over (RFC 3550 appendix A.1), so that
/// the flow goes on with the first of them.
package struct RTPStrangers: Hashable, Sendable {
    /// Packets that are kept; the oldest goes first.
    package static let limit = 16

    private var ssrc: UInt32 = 0
    private var packets: [[UInt8]] = []

    package init() {}

    /// A packet has come that is not of the source that is read. Of several others only the last is remembered.
    package mutating func keep(_ packet: UnsafeRawBufferPointer, ssrc: UInt32) {
        if ssrc != self.ssrc { packets = [] }
        self.ssrc = ssrc
        if packets.count == Self.limit { packets.removeFirst() }
        packets.append(Array(packet))
    }

    /// That source has taken over: its packets so far.
    package mutating func take(of ssrc: UInt32) -> [[UInt8]] {
        defer { packets = [] }
        return ssrc == self.ssrc ? packets : []
    }
}
