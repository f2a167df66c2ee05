/// The clock of a transport stream laid beside NPT: 33 bits of 90 kHz, which begin again from zero every 26.5 hours.
///
/// A discontinuity ends it: after one, the pair has to be taken anew.
package struct StreamClock: Hashable, Sendable {
    /// One full turn.
    package static let turn: UInt64 = 1 << 33

    private let ticks: UInt64
    private let npt: NPT

    /// - Parameters:
    ///   - ticks: what the clock showed; all but its low 33 bits is dropped.
    ///   - npt: the same moment.
    package init(ticks: UInt64, at npt: NPT) {
        self.ticks = ticks % Self.turn
        self.npt = npt
    }

    /// The NPT of a moment that is less than half a turn, 13.2 hours, away from the pair. Exact. Saturates.
    package func npt(of ticks: UInt64) -> NPT {
        let ahead = Int64((ticks % Self.turn + Self.turn - self.ticks) % Self.turn)
        let turn = Int64(Self.turn)
        let distance = ahead < turn / 2 ? ahead : ahead - turn
        return npt + (MediaTime(value: distance, timeBase: TimeBase(1, 90_000)) ?? .zero)
    }
}

extension Indicator.Position {
    /// The NPT at which it takes effect; nil for at once, and for a place on a clock that nobody has read yet.
    package func npt(on clock: StreamClock?) -> NPT? {
        switch self {
        case .atOnce: nil
        case .npt(let npt): npt
        case .clock(let ticks): clock?.npt(of: ticks)
        }
    }
}
