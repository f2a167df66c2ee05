package import ThroughlineCore

/// Frames per second: 30 000 / 1001.
///
/// What parameter sets state is a promise of the encoder. Some state nonsense, others the rate of the finest clock tick:
/// presentation times decide, and this is for where they do not reach.
extension Rate {
    /// Reads `num_units_in_tick` and `time_scale`: H.264 section E.1.1, H.265 sections 7.3.2.1 and E.2.1. Nil when it is
    /// no positive number, or does not fit.
    init?(timing reader: inout BitReader, unitsPerFrame: Int64) throws(BitstreamError) {
        let units = Int64(try reader.bits(32))
        let scale = Int64(try reader.bits(32))
        guard scale > 0 else { return nil }
        self.init(numerator: scale, denominator: units * unitsPerFrame)
    }

    /// How long a frame lasts, rounded to the nearest flick. Nil for rates that no programme has: beyond 1000 frames a
    /// second, or less than one in ten seconds.
    package var frameDuration: MediaTime? {
        guard let inverse else { return nil }
        let duration = MediaTime.seconds(1) * inverse
        return duration >= .milliseconds(1) && duration <= .seconds(10) ? duration : nil
    }
}
