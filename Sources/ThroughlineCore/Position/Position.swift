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
