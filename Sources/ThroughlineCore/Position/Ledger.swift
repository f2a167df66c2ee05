/// The account of one flow that turns adjustments and byte counts into a position, for when timestamps are missing or
/// lie.
///
/// Since the last adjustment, `payload bits / bandwidth x scale` is the current NPT. An adjustment closes the interval:
/// what it gained is added to the cumulative NPT, and the new terms count from there. A message that carries a position
/// sets the cumulative NPT. Overhead and repeated bytes are counted apart and gain nothing; neither does what comes
/// while paused.
///
/// | payload | bandwidth | scale | gained |
/// | --- | --- | --- | --- |
/// | 1 000 000 bytes | 2 000 000 bit/s | 1 | 4 s |
/// | 1 000 000 bytes | 2 000 000 bit/s | 2 | 8 s |
/// | 1 000 000 bytes | 1 000 000 bit/s | -1/2 | -4 s |
///
/// The arithmetic is exact to 2^-32 flick for each interval, however long, and saturates where numbers from the network
/// are absurd. Counting costs a few additions; the division is made when the position is asked for.
package struct Ledger: Sendable {
    /// What happened between two adjustments.
    package struct Interval: Hashable, Sendable {
        package let isPlaying: Bool
        package let scale: Rate
        package let speed: Rate
        /// Payload bits for a second of media at scale 1; nil where it was not known, and nothing was gained.
        package let bitsPerSecond: Int64?
        package let payloadBytes: Int64
        package let start: NPT
        package let end: NPT

        package var gained: MediaTime { end - start }
    }

    /// A fixed part of the uncertainty: what is on its way when an adjustment is made.
    package static let slack: MediaTime = .milliseconds(100)

    /// More than any flow has: half an exabyte. The product of its bits with a rate fits into 128 bits.
    private static let mostBytes: Int64 = 1 << 59
    private static let fractionBits: UInt128 = 32
    private static let mostNPT = Int128(Int64.max) << 32

    package private(set) var isPlaying = false
    package private(set) var scale = Rate.normal
    package private(set) var speed = Rate.normal
    private var bandwidth = Adjustment.Bandwidth.unknown
    /// What stands in while no bandwidth was declared; for media, at scale 1.
    private var learntBitsPerSecond: Int64?

    /// Payload of the interval that is open.
    private var intervalBytes: Int64 = 0
    /// NPT at its start, in 2^-32 flicks; never negative.
    private var start: Int128 = 0
    /// What was counted since a position was set, forwards or backwards.
    private var countedBefore: MediaTime = .zero
    /// Whether payload came that could not be turned into time since a position was set.
    private var hasGap = false
    /// Whether a position was ever set.
    package private(set) var isAnchored = false

    /// All that came, paused or playing.
    package private(set) var payloadBytes: Int64 = 0
    package private(set) var overheadBytes: Int64 = 0
    package private(set) var repeatedBytes: Int64 = 0
    /// Intervals that were closed.
    package private(set) var intervalCount = 0

    /// Stands at zero, paused.
    package init() {}

    /// Data has come.
    ///
    /// - Parameters:
    ///   - payload: bytes of media.
    ///   - overhead: bytes of headers, stuffing, tables and framing.
    ///   - repeated: bytes that were sent again, whatever they are.
    package mutating func received(payload: Int, overhead: Int = 0, repeated: Int = 0) {
        payloadBytes = Self.sum(payloadBytes, payload)
        overheadBytes = Self.sum(overheadBytes, overhead)
        repeatedBytes = Self.sum(repeatedBytes, repeated)
        if isPlaying { intervalBytes = Self.sum(intervalBytes, payload) }
    }

    private static func sum(_ total: Int64, _ bytes: Int) -> Int64 {
        min(mostBytes, total + min(mostBytes, max(0, Int64(bytes))))
    }

    /// Closes the interval, and opens one under the new terms.
    ///
    /// A speed that is not positive, a bandwidth that is not, a position before zero come from a sick server: the speed
    /// stays, the bandwidth is unknown, the position is zero.
    @discardableResult
    package mutating func adjusted(_ adjustment: Adjustment) -> Interval {
        let interval = close()
        if let isPlaying = adjustment.isPlaying { self.isPlaying = isPlaying }
        if let scale = adjustment.scale { self.scale = scale }
        if let speed = adjustment.speed, speed > Rate(0) { self.speed = speed }
        switch adjustment.bandwidth {
        case .none: break
        case .media(let bits) where bits <= 0, .delivery(let bits) where bits <= 0: bandwidth = .unknown
        case .some(let other): bandwidth = other
        }
        if let position = adjustment.position { anchor(at: position) }
        return interval
    }

    /// What the bandwidth was found to be where none was declared, and where the flow stands by its timestamps.
    ///
    /// - Parameter bitsPerSecond: payload of a second of media at scale 1.
    package mutating func learnt(bitsPerSecond: Int64, at position: NPT) {
        guard bitsPerSecond > 0 else { return }
        _ = close()
        learntBitsPerSecond = bitsPerSecond
        anchor(at: position)
    }

    /// The same terms, counted from another position.
    package func continued(from position: NPT) -> Ledger {
        var ledger = self
        _ = ledger.close()
        ledger.anchor(at: position)
        return ledger
    }

    private mutating func anchor(at position: NPT) {
        start = Int128(max(0, position.flicks)) << 32
        countedBefore = .zero
        hasGap = false
        isAnchored = true
    }

    private mutating func close() -> Interval {
        let end = self.end
        let interval = Interval(
            isPlaying: isPlaying, scale: scale, speed: speed, bitsPerSecond: bitsPerSecond,
            payloadBytes: intervalBytes, start: Self.npt(start), end: Self.npt(end))
        countedBefore = counted
        hasGap = hasGap || hasOpenGap
        start = end
        intervalBytes = 0
        intervalCount += 1
        return interval
    }

    /// NPT at the end of the open interval, in 2^-32 flicks.
    private var end: Int128 {
        guard let bits = bitsPerSecond, intervalBytes > 0, scale.numerator != 0 else { return start }
        let media =
            UInt128(intervalBytes.magnitude) * 8 * UInt128(MediaTime.flicksPerSecond.magnitude)
            * UInt128(scale.numerator.magnitude)
        let perSecond = UInt128(bits.magnitude) * UInt128(scale.denominator.magnitude)
        let (flicks, rest) = media.quotientAndRemainder(dividingBy: perSecond)
        guard flicks < UInt128(Int64.max) else { return scale.isNegative ? 0 : Self.mostNPT }
        let gained = Int128(flicks << Self.fractionBits | (rest << Self.fractionBits) / perSecond)
        return scale.isNegative ? max(0, start - gained) : min(Self.mostNPT, start + gained)
    }

    private static func npt(_ value: Int128) -> NPT { NPT(flicks: Int64(value >> 32)) }

    private var hasOpenGap: Bool { intervalBytes > 0 && bitsPerSecond == nil }

    /// Whether the bandwidth was declared, and not learnt.
    package var isDeclared: Bool { bandwidth != .unknown }

    /// Payload of a second of media at scale 1; nil where nobody knows.
    package var bitsPerSecond: Int64? {
        switch bandwidth {
        case .media(let bits): bits
        case .delivery(let bits):
            // At a speed of 2, a second of delivery carries two seconds of media.
            max(1, bits.scaled(by: Int64(speed.denominator), over: Int64(speed.numerator)) ?? .max)
        case .unknown: learntBitsPerSecond
        }
    }

    /// The cumulative NPT with what the open interval has gained so far. Never negative.
    package var npt: NPT { Self.npt(end) }

    /// What was counted since a position was set, forwards or backwards.
    package var counted: MediaTime { countedBefore + (npt - Self.npt(start)).magnitude }

    /// Nil while payload has come since a position was set whose bandwidth nobody knew.
    ///
    /// The uncertainty is 100 ms and a hundredth of what was counted; a twentieth where the bandwidth was learnt.
    package var position: Position? {
        guard !hasGap, !hasOpenGap else { return nil }
        let counted = self.counted
        if counted == .zero { return Position(npt: npt, basis: .control, uncertainty: Self.slack) }
        return Position(
            npt: npt, basis: .ledger, uncertainty: Self.slack + counted * (isDeclared ? Rate(1, 100) : Rate(1, 20)))
    }
}
