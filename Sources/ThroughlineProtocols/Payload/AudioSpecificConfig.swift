/// The part of an AAC `AudioSpecificConfig` (ISO/IEC 14496-3 section 1.6.2.1) that decides whether two carriages of a
/// flow can be fed to one decoder, and what an ADTS header says about it.
package struct AudioSpecificConfig: Hashable, Sendable {
    /// The object type of the core coder: 2 is AAC LC. HE-AAC signals 5 or 29 around it; here stands what is inside.
    package let objectType: UInt8
    /// The core coder's sampling frequency in Hz.
    package let samplingFrequencyHz: Int
    /// 1 to 7 and 11 to 14 name a layout; 0 means that a program config element describes it.
    package let channelConfiguration: UInt8
    /// 1024, or 960 when `frameLengthFlag` is set; nil for object types whose configuration is not read.
    package let samplesPerFrame: Int?
    /// Explicitly signalled spectral band replication: the output rate in Hz.
    package let extensionFrequencyHz: Int?

    package init(
        objectType: UInt8, samplingFrequencyHz: Int, channelConfiguration: UInt8, samplesPerFrame: Int? = 1024,
        extensionFrequencyHz: Int? = nil
    ) {
        self.objectType = objectType
        self.samplingFrequencyHz = samplingFrequencyHz
        self.channelConfiguration = channelConfiguration
        self.samplesPerFrame = samplesPerFrame
        self.extensionFrequencyHz = extensionFrequencyHz
    }

    package init(parsing bytes: UnsafeRawBufferPointer) throws(BitstreamError) {
        var reader = BitReader(bytes)
        var type = try Self.readObjectType(&reader)
        let frequency = try Self.readFrequency(&reader)
        let channels = UInt8(try reader.bits(4))
        var extensionFrequency: Int?
        if type == 5 || type == 29 {
            extensionFrequency = try Self.readFrequency(&reader)
            type = try Self.readObjectType(&reader)
            // ER BSAC carries one more channel configuration.
            if type == 22 { try reader.skip(4) }
        }
        guard type != 0, frequency > 0 else { throw .outOfRange }
        var samples: Int?
        switch type {
        case 1...4, 6, 7, 17, 19, 20, 21, 22:
            samples = try reader.flag() ? 960 : 1024
        case 23:
            samples = try reader.flag() ? 480 : 512
        default:
            break
        }
        self.init(
            objectType: type, samplingFrequencyHz: frequency, channelConfiguration: channels,
            samplesPerFrame: samples, extensionFrequencyHz: extensionFrequency)
    }

    private static func readObjectType(_ reader: inout BitReader) throws(BitstreamError) -> UInt8 {
        let short = UInt8(try reader.bits(5))
        return short == 31 ? 32 + UInt8(try reader.bits(6)) : short
    }

    private static func readFrequency(_ reader: inout BitReader) throws(BitstreamError) -> Int {
        let index = Int(try reader.bits(4))
        if index == 15 { return Int(try reader.bits(24)) }
        guard index < frequencies.count else { throw .outOfRange }
        return frequencies[index]
    }

    /// `samplingFrequencyIndex` 0 to 12.
    static let frequencies = [
        96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350,
    ]

    /// Whether packets made for `other` decode the same under this configuration: signalling of an extension that the
    /// decoder would find by itself does not matter, the core does.
    package func sharesCore(with other: AudioSpecificConfig) -> Bool {
        objectType == other.objectType && samplingFrequencyHz == other.samplingFrequencyHz
            && channelConfiguration == other.channelConfiguration && samplesPerFrame == other.samplesPerFrame
    }
}
