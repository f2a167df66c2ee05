/// What never came of one flow over RTP, as its sequence numbers tell.
public struct FlowLosses: Hashable, Sendable, CustomStringConvertible {
    /// RTP packets that are missing, at the most 65 536 for each hole.
    public var packets: Int
    /// Pictures that were dropped since something of them was missing.
    public var units: Int
    /// RTP packets that were lost on the way and filled from a second session, with another origin; they are not among the
    /// missing ones.
    public var filled: Int

    public init(packets: Int = 0, units: Int = 0, filled: Int = 0) {
        self.packets = packets
        self.units = units
        self.filled = filled
    }

    static func += (a: inout FlowLosses, b: FlowLosses) {
        a.packets += b.packets
        a.units += b.units
        a.filled += b.filled
    }

    static func - (a: FlowLosses, b: FlowLosses) -> FlowLosses {
        FlowLosses(packets: a.packets - b.packets, units: a.units - b.units, filled: a.filled - b.filled)
    }

    public var description: String {
        var parts: [String] = []
        if packets != 0 || filled == 0 {
            parts.append(packets == 1 ? "1 RTP packet never came" : "\(packets) RTP packets never came")
        }
        if filled != 0 { parts.append("\(filled) \(filled == 1 ? "was" : "were") filled from the other session") }
        if units != 0 { parts.append(units == 1 ? "1 picture was dropped" : "\(units) pictures were dropped") }
        return parts.joined(separator: ", ")
    }
}
