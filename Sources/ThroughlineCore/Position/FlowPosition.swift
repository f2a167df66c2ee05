/// How far a flow has been received, how that is known, and how certain it is.
public struct Position: Hashable, Sendable {
    public enum Basis: String, Sendable {
        /// From the timestamps of packets.
        case timestamps
        /// From a control message that carried a position.
        case control
        /// From counted payload and bandwidth.
        case ledger
        /// From the wall clock alone.
        case clock
    }

    public let npt: NPT
    public let basis: Basis
    /// The true position lies within this distance.
    public let uncertainty: MediaTime

    public init(npt: NPT, basis: Basis, uncertainty: MediaTime = .zero) {
        self.npt = npt
        self.basis = basis
        self.uncertainty = uncertainty
    }
}

/// The account by timestamps of one flow: what was received of it, in decode order and on the presentation timeline.
package struct FlowAccount: Sendable {
    /// Decode time of the last packet in decode order.
    package private(set) var lastDecode: MediaTime?
    /// The furthest presentation end.
    package private(set) var end: MediaTime?
    package private(set) var packets = 0
    package private(set) var bytes: Int64 = 0

    package init() {}

    package mutating func received(pts: MediaTime?, dts: MediaTime?, duration: MediaTime, byteCount: Int) {
        packets += 1
        bytes += Int64(byteCount)
        if let dts = dts ?? pts { lastDecode = dts }
        if let pts = pts ?? dts { end = max(end ?? pts, pts + duration) }
    }

    /// What lies after this time was replaced.
    package mutating func cut(to time: MediaTime) { end = end.map { min($0, time) } }

    package var position: Position? { end.map { Position(npt: $0, basis: .timestamps) } }
}
