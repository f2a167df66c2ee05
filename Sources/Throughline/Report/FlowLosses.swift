/// What never came of one flow over RTP, as its sequence numbers tell.
public struct FlowLosses: Hashable, Sendable, CustomStringConvertible {
    /// RTP packets that are missing, at the most 65 536 for each hole.
    public var packets: Int
    /// Pictures that were dropped since something of them was missing.
    public var units: Int

    public init(packets: Int = 0, units: Int = 0) {
        self.packets = packets
        self.units = units
    }

    static func += (a: inout FlowLosses, b: FlowLosses) {
        a.packets += b.packets
        a.units += b.units
    }

    static func - (a: FlowLosses, b: FlowLosses) -> FlowLosses {
        FlowLosses(packets: a.packets - b.packets, units: a.units - b.units)
    }

    public var description: String {
        let lost = packets == 1 ? "1 RTP packet never came" : "\(packets) RTP packets never came"
        return units == 0 ? lost : lost + (units == 1 ? ", 1 picture was dropped" : ", \(units) pictures were dropped")
    }
}
