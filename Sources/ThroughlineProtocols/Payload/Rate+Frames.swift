package import ThroughlineCore

/// Frames per second as an exact fraction in lowest terms: 30 000 / 1001.
///
/// What parameter sets state is a promise of the encoder. Some state nonsense, others the rate of the finest clock tick:
/// presentation times decide, and this is for where they do not reach.
package struct FrameRate: Hashable, Sendable {
    package let numerator: Int64
    package let denominator: Int64

    /// Nil when either is not positive.
    package init?(_ numerator: Int64, _ denominator: Int64) {
        guard numerator > 0, denominator > 0 else { return nil }
        var (a, b) = (numerator, denominator)
        while b != 0 { (a, b) = (b, a % b) }
        self.numerator = numerator / a
        self.denominator = denominator / a
    }

    /// Reads `num_units_in_tick` and `time_scale`: H.264 section E.1.1, H.265 sections 7.3.2.1 and E.2.1.
    init?(timing reader: inout BitReader, unitsPerFrame: Int64) throws(BitstreamError) {
        let units = Int64(try reader.bits(32))
        let scale = Int64(try reader.bits(32))
        self.init(scale, units * unitsPerFrame)
    }

    /// How long a frame lasts, rounded to the nearest flick. Nil for rates that no programme has: beyond 1000 frames a
    /// second, or less than one in ten seconds.
    package var frameDuration: MediaTime? {
        guard let flicks = denominator.scaled(by: MediaTime.flicksPerSecond, over: numerator) else { return nil }
        let duration = MediaTime(flicks: flicks)
        return duration >= .milliseconds(1) && duration <= .seconds(10) ? duration : nil
    }
}
