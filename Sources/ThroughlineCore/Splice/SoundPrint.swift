internal import Glibc

/// What a run of sound is like: its loudness in each of some bands of frequency, block by block.
///
/// Encodes of one programme agree in it, whatever their bit rate, sample rate or codec; other programmes do not.
package struct SoundPrint: Sendable {
    /// Length of a block.
    package static let hop: Duration = .milliseconds(10)
    /// Centre of the lowest band in Hz; each further one is a third of an octave higher.
    private static let lowest: Float = 100
    private static let mostBands = 17
    /// Sound is taken at about this rate in Hz: more would tell no more.
    private static let workingRate = 12_000
    /// Blocks that two prints must have in common for a judgement.
    package static let fewestBlocks = 30
    /// Sound that is softer than this everywhere tells nothing (-80 dB of full scale).
    private static let silence: Float = 1e-8
    /// What lies this far under the loudest block is noise of the encoder (30 dB).
    private static let range: Float = 1e-3
    /// A print that changes less than this over time (variance of log2) is steady: its spectrum counts, not its changes.
    private static let steady: Float = 0.25

    private struct Band {
        private let b0: Float
        private let a1: Float
        private let a2: Float
        private var x1: Float = 0
        private var x2: Float = 0
        private var y1: Float = 0
        private var y2: Float = 0
        private var z1: Float = 0
        private var z2: Float = 0

        /// Two band-pass filters of the second order in a row, with a quality of 4 each.
        init(centre: Float, sampleRate: Float) {
            let omega = 2 * Float.pi * centre / sampleRate
            let alpha = sin(omega) / 8
            b0 = alpha / (1 + alpha)
            a1 = -2 * cos(omega) / (1 + alpha)
            a2 = (1 - alpha) / (1 + alpha)
        }

        mutating func pass(_ x: Float) -> Float {
            let y = b0 * (x - x2) - a1 * y1 - a2 * y2
            let z = b0 * (y - y2) - a1 * z1 - a2 * z2
            (x2, x1, y2, y1, z2, z1) = (x1, x, y1, y, z1, z)
            return z
        }
    }

    private var bands: [Band]
    private let blockLength: Int
    private var filled = 0
    /// Samples that become one.
    private let step: Int
    private var pending: (sum: Float, count: Int) = (0, 0)
    private var sums: [Float]
    /// Energy of each band, block by block.
    private var energies: [[Float]] = []

    /// - Parameter sampleRate: in Hz, from 1000 on.
    package init?(sampleRate: Int) {
        guard (1000...768_000).contains(sampleRate) else { return nil }
        step = max(1, (sampleRate + Self.workingRate / 2) / Self.workingRate)
        let rate = Float(sampleRate) / Float(step)
        bands = (0..<Self.mostBands).map { Self.lowest * pow(2, Float($0) / 3) }.filter { $0 < rate * 0.4 }
            .map { Band(centre: $0, sampleRate: rate) }
        blockLength = sampleRate / 100
        sums = Array(repeating: 0, count: bands.count)
    }

    /// Blocks so far.
    package var count: Int { energies.count }

    /// Takes the samples that follow: one channel, full scale is 1.
    package mutating func add(_ samples: some Sequence<Float>) {
        for sample in samples {
            pending.sum += sample.isFinite ? sample : 0
            pending.count += 1
            if pending.count == step {
                let mean = pending.sum / Float(step)
                for band in bands.indices {
                    let y = bands[band].pass(mean)
                    sums[band] += y * y
                }
                pending = (0, 0)
            }
            // Blocks are counted in samples of the original, so that they last as long at every rate.
            filled += 1
            if filled == blockLength {
                energies.append(sums.map { $0 * Float(step) / Float(blockLength) })
                for band in sums.indices { sums[band] = 0 }
                filled = 0
            }
        }
    }

    /// Where a print stands in another one.
    package enum Placement: Hashable, Sendable {
        /// It fits where the timelines say, and nowhere else so well.
        case here(likeness: Float)
        /// It fits so many blocks later in the other one, or earlier, and nowhere else so well.
        case elsewhere(blocks: Int, likeness: Float)
        /// It is alike, and nothing tells the place: the sound is steady, or repeats itself.
        case untold(likeness: Float)
        case different(likeness: Float)
    }

    /// Likeness from which on two sounds count as the same.
    package static let same: Float = 0.6
    /// So much worse it must fit elsewhere,
    private static let margin: Float = 0.05
    /// or, where the sound changes slowly, so much worse, and so many times as far from a perfect fit.
    private static let (leastMargin, contrast): (Float, Float) = (0.003, 8)

    private static func isClearlyWorse(_ rival: Float, than likeness: Float) -> Bool {
        let lead = likeness - rival
        return lead >= margin || lead >= leastMargin && 1 - rival >= contrast * (1 - likeness)
    }

    /// Looks for this print in another one, at every shift at which enough of both is there.
    ///
    /// - Parameters:
    ///   - offset: blocks by which this print begins after the other, by the timelines.
    ///   - slack: blocks by which that may be wrong.
    ///   - reach: blocks by which it is looked for beyond that, either way.
    ///   - skipped: blocks at the start of the sound of each that do not count: decoders begin with an incomplete sound.
    ///     Silence before it does not count either: in mid-stream, MP3 decodes to nothing until its bit reservoir is there.
    /// - Returns: nil where one of them is silent, or they have too little in common.
    package func placement(
        in other: SoundPrint, offset: Int, slack: Int, reach: Int, skipped: Int
    ) -> Placement? {
        let height = min(bands.count, other.bands.count)
        let (begin, otherBegin) = (firstSounding + skipped, other.firstSounding + skipped)
        guard count > begin, other.count > otherBegin, let mine = Self.levels(energies[...], bands: height),
            let others = Self.levels(other.energies[...], bands: height)
        else { return nil }
        let fewest = max(Self.fewestBlocks, (count - begin) / 2)
        var fits: [(shift: Int, likeness: Float, isSteady: Bool)] = []
        for shift in (offset - slack - reach)...(offset + slack + reach) {
            let distance = abs(shift - offset)
            // Away from where it should be, every third block is near enough.
            guard distance <= slack || distance % 3 == 0 else { continue }
            let first = max(begin, otherBegin - shift)
            let end = min(count, other.count - shift)
            guard end - first >= fewest else { continue }
            let a = Array(mine[(first * height)..<(end * height)])
            let b = Array(others[((first + shift) * height)..<((end + shift) * height)])
            let (changesA, changesB) = (Self.changes(a, bands: height), Self.changes(b, bands: height))
            let isSteady = Self.meanSquare(changesA) < Self.steady && Self.meanSquare(changesB) < Self.steady
            fits.append((shift, isSteady ? Self.correlation(a, b) : Self.correlation(changesA, changesB), isSteady))
        }
        guard let best = fits.max(by: { $0.likeness < $1.likeness }) else { return nil }
        let near = fits.filter { abs($0.shift - offset) <= slack }.max { $0.likeness < $1.likeness }
        guard best.likeness >= Self.same else { return .different(likeness: near?.likeness ?? best.likeness) }
        func isAlone(_ fit: (shift: Int, likeness: Float, isSteady: Bool)) -> Bool {
            let rivals = fits.filter { abs($0.shift - fit.shift) > slack }
            return !fit.isSteady && !rivals.isEmpty
                && rivals.allSatisfy { Self.isClearlyWorse($0.likeness, than: fit.likeness) }
        }
        if let near, near.likeness >= Self.same, isAlone(near) { return .here(likeness: near.likeness) }
        if abs(best.shift - offset) > slack, isAlone(best) {
            return .elsewhere(blocks: best.shift - offset, likeness: best.likeness)
        }
        guard let near, near.likeness >= Self.same else { return .different(likeness: near?.likeness ?? 0) }
        return .untold(likeness: near.likeness)
    }

    /// The first block that is more than silence.
    private var firstSounding: Int {
        energies.firstIndex { $0.contains { $0 > Self.silence } } ?? count
    }

    /// Levels in log2, block by block and band by band; nil for silence.
    private static func levels(_ blocks: ArraySlice<[Float]>, bands: Int) -> [Float]? {
        let loudest = blocks.reduce(Float(0)) { max($0, $1[..<bands].max() ?? 0) }
        guard loudest > silence else { return nil }
        return blocks.flatMap { $0[..<bands].map { log2($0 + loudest * range) } }
    }

    /// The levels less the mean of their band.
    private static func changes(_ levels: [Float], bands: Int) -> [Float] {
        var means = [Float](repeating: 0, count: bands)
        for (index, level) in levels.enumerated() { means[index % bands] += level }
        let blocks = Float(levels.count / bands)
        return levels.enumerated().map { $1 - means[$0 % bands] / blocks }
    }

    private static func meanSquare(_ values: [Float]) -> Float {
        values.reduce(0) { $0 + $1 * $1 } / Float(max(1, values.count))
    }

    private static func correlation(_ a: [Float], _ b: [Float]) -> Float {
        let count = Float(a.count)
        let (meanA, meanB) = (a.reduce(0, +) / count, b.reduce(0, +) / count)
        var (varianceA, varianceB, covariance): (Float, Float, Float) = (0, 0, 0)
        for (x, y) in zip(a, b) {
            varianceA += (x - meanA) * (x - meanA)
            varianceB += (y - meanB) * (y - meanB)
            covariance += (x - meanA) * (y - meanB)
        }
        guard varianceA > 0, varianceB > 0 else { return 0 }
        return covariance / (varianceA * varianceB).squareRoot()
    }
}
