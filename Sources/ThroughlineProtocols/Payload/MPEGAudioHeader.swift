/// The header of a frame of MPEG audio: ISO/IEC 11172-3 section 2.4.2.3, ISO/IEC 13818-3 section 2.4.2.3, and the half
/// rates that are called MPEG-2.5.
package struct MPEGAudioHeader: Hashable, Sendable {
    /// Bytes of the header.
    package static let size = 4

    /// 1, 2 or 3.
    package let layer: Int
    package let samplingFrequencyHz: Int
    package let channels: Int
    /// Samples of each channel in the frame.
    package let samples: Int
    /// Bytes of the whole frame, header included: 24 to 6914.
    package let frameLength: Int

    /// Nil for what is no header, and for the free format, which does not tell how long a frame is.
    package init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= Self.size, bytes[0] == 0xFF, bytes[1] & 0xE0 == 0xE0 else { return nil }
        let version = Int(bytes[1] >> 3 & 0x03)
        let layerCode = Int(bytes[1] >> 1 & 0x03)
        let rateIndex = Int(bytes[2] >> 4)
        let frequencyIndex = Int(bytes[2] >> 2 & 0x03)
        guard version != 1, layerCode != 0, (1...14).contains(rateIndex), frequencyIndex < 3 else { return nil }
        let isFirstVersion = version == 3
        layer = 4 - layerCode
        let halvings = isFirstVersion ? 0 : (version == 2 ? 1 : 2)
        samplingFrequencyHz = [44_100, 48_000, 32_000][frequencyIndex] >> halvings
        channels = bytes[3] >> 6 == 3 ? 1 : 2
        let padding = Int(bytes[2] >> 1 & 0x01)
        let rates = Self.kilobits[isFirstVersion ? layer - 1 : (layer == 1 ? 3 : 4)]
        let bitsPerSecond = rates[rateIndex - 1] * 1000
        switch layer {
        case 1:
            samples = 384
            frameLength = (12 * bitsPerSecond / samplingFrequencyHz + padding) * 4
        case 3 where !isFirstVersion:
            samples = 576
            frameLength = 72 * bitsPerSecond / samplingFrequencyHz + padding
        default:
            samples = 1152
            frameLength = 144 * bitsPerSecond / samplingFrequencyHz + padding
        }
    }

    /// Thousands of bits per second, by `bitrate_index` from 1 on: the layers of MPEG-1, then layer 1 and the others of
    /// MPEG-2.
    private static let kilobits = [
        [32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
        [32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
        [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
        [32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
        [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
    ]
}
