/// Where one flow stands, and what each of the two accounts that are kept of it says.
public struct FlowPosition: Hashable, Sendable {
    /// The position that counts, and what it rests on.
    public let position: Position
    /// By the timestamps, as far as they were believed; nil where none were.
    public let byTimestamps: NPT?
    /// By adjustments, counted payload and bandwidth; nil where no bandwidth is known that does not come from the
    /// timestamps themselves.
    public let byLedger: NPT?

    public init(position: Position, byTimestamps: NPT? = nil, byLedger: NPT? = nil) {
        self.position = position
        self.byTimestamps = byTimestamps
        self.byLedger = byLedger
    }

    /// How far the timestamps are ahead of the ledger; nil where one of them says nothing.
    public var drift: MediaTime? {
        guard let byTimestamps, let byLedger else { return nil }
        return byTimestamps - byLedger
    }

    /// The same on a timeline that is so much ahead.
    package func shifted(by shift: MediaTime) -> FlowPosition {
        FlowPosition(
            position: Position(npt: position.npt + shift, basis: position.basis, uncertainty: position.uncertainty),
            byTimestamps: byTimestamps.map { $0 + shift }, byLedger: byLedger.map { $0 + shift })
    }
}
