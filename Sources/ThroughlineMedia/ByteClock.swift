internal import ThroughlineCore

/// Tells where MPEG audio of a constant rate stands by the bytes before it, and the other way round: for files without an
/// index, in which a place is found otherwise only by reading all that comes before it.
///
/// At a constant rate a frame begins where the bits of all frames before it end, rounded to a byte. Frames of another rate
/// than the first ones lead away from these places: what is met at a place that was gone to proves that the rate is
/// constant, or disproves it.
struct ByteClock {
    /// Rates of layer III, bits per second (ISO/IEC 11172-3 section 2.4.2.3, 13818-3 section 2.4.2.3).
    private static let rates: [Int64] = [
        8000, 16_000, 24_000, 32_000, 40_000, 48_000, 56_000, 64_000, 80_000, 96_000, 112_000, 128_000, 144_000,
        160_000, 192_000, 224_000, 256_000, 320_000,
    ]

    /// Where the first frame begins, in bytes, and when it is heard.
    private let first: (position: Int64, time: MediaTime)
    private let bitRate: Int64
    private let sampleRate: Int64
    /// Samples.
    private let frameSize: Int64

    /// - Parameters:
    ///   - first: where the first frame begins, in bytes, and when it is heard.
    ///   - bitRate: on the average of what is known, bits per second.
    ///   - sampleRate: Hz.
    ///   - frameSize: samples.
    /// - Returns: nil where the average is that of no constant rate.
    init?(first: (position: Int64, time: MediaTime), bitRate: Int64, sampleRate: Int, frameSize: Int) {
        // A frame of tags at the start is often counted with the sound.
        let constant = Self.rates.first { abs($0 - bitRate) <= $0 / 100 }
        guard let constant, first.position >= 0, sampleRate > 0, frameSize > 0 else { return nil }
        self.first = first
        (self.bitRate, self.sampleRate, self.frameSize) = (constant, Int64(sampleRate), Int64(frameSize))
    }

    /// Where to begin to read so as to get the frame that is heard at a time: just before the one that precedes it.
    /// libavformat hands what stands before a frame out as one with it; further before one it takes sound for a frame.
    ///
    /// - Returns: nil where the sound has hardly begun.
    func position(before time: MediaTime) -> Int64? {
        let frame = (time - first.time).value(in: TimeBase(1, Int32(clamping: sampleRate))) / frameSize
        guard frame > 1, let bytes = start(of: frame - 1) else { return nil }
        return first.position + bytes - 2
    }

    /// When the frame is heard that begins at a byte, give or take one: encoders differ in which of the frames are a byte
    /// longer.
    ///
    /// - Returns: nil where none begins there at a constant rate.
    func time(at position: Int64) -> MediaTime? {
        let bytes = position - first.position
        guard bytes >= 0, let frame = bytes.scaled(by: sampleRate * 8, over: bitRate * frameSize),
            let start = start(of: frame), start - 1...start + 1 ~= bytes
        else { return nil }
        return first.time + length(of: frame)
    }

    /// How long so many frames are heard.
    private func length(of frames: Int64) -> MediaTime {
        MediaTime(value: frames * frameSize, timeBase: TimeBase(1, Int32(clamping: sampleRate))) ?? .zero
    }

    /// How many bytes come before a frame.
    private func start(of frame: Int64) -> Int64? { (frame * frameSize).scaled(by: bitRate, over: sampleRate * 8) }
}
