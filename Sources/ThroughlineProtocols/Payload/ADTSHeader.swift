/// The header of one ADTS frame (ISO/IEC 14496-3 section 1.A.2.2): 7 bytes, or 9 with a checksum.
package struct ADTSHeader: Hashable, Sendable {
    package let objectType: UInt8
    package let frequencyIndex: UInt8
    package let channelConfiguration: UInt8
    /// Bytes of the frame, its header included; never less than `size`.
    package let frameLength: Int
    /// Bytes before the payload: 7 or 9.
    package let size: Int
    /// Raw data blocks in the frame, 1 to 4. All but 1 interleave their own positions and checksums.
    package let blockCount: Int

    package static let maximumFrameLength = 0x1FFF

    /// Nil when the bytes do not begin with a header, or name a frequency or length that cannot be.
    package init?(_ bytes: UnsafeRawBufferPointer) {
        // Sync word 0xFFF, layer 0.
        guard bytes.count >= 7, bytes[0] == 0xFF, bytes[1] & 0xF6 == 0xF0 else { return nil }
        objectType = (bytes[2] >> 6) + 1
        frequencyIndex = (bytes[2] >> 2) & 0x0F
        channelConfiguration = (bytes[2] & 0x01) << 2 | bytes[3] >> 6
        frameLength = Int(bytes[3] & 0x03) << 11 | Int(bytes[4]) << 3 | Int(bytes[5] >> 5)
        size = bytes[1] & 0x01 == 1 ? 7 : 9
        blockCount = Int(bytes[6] & 0x03) + 1
        guard Int(frequencyIndex) < AudioSpecificConfig.frequencies.count, frameLength >= size else { return nil }
    }

    /// Nil when an ADTS header cannot say what the configuration says: object types beyond 4, a frequency outside the
    /// table, a layout that needs a program config element, frames of 960 samples.
    package init?(_ configuration: AudioSpecificConfig, payloadSize: Int) {
        guard (1...4).contains(configuration.objectType),
            let index = AudioSpecificConfig.frequencies.firstIndex(of: configuration.samplingFrequencyHz),
            (1...7).contains(configuration.channelConfiguration), configuration.samplesPerFrame == 1024,
            (0...Self.maximumFrameLength - 7).contains(payloadSize)
        else { return nil }
        objectType = configuration.objectType
        frequencyIndex = UInt8(index)
        channelConfiguration = configuration.channelConfiguration
        frameLength = payloadSize + 7
        size = 7
        blockCount = 1
    }

    /// The header without checksum, as MPEG-4, for a buffer of variable rate (`adts_buffer_fullness` 0x7FF).
    package func append(to output: inout [UInt8]) {
        output.append(0xFF)
        output.append(0xF1)
        output.append((objectType - 1) << 6 | frequencyIndex << 2 | channelConfiguration >> 2)
        output.append((channelConfiguration & 0x03) << 6 | UInt8(truncatingIfNeeded: frameLength >> 11))
        output.append(UInt8(truncatingIfNeeded: frameLength >> 3))
        output.append(UInt8(truncatingIfNeeded: frameLength << 5) | 0x1F)
        output.append(0xFC)
    }

    /// The configuration of the frame's payload.
    package var configuration: AudioSpecificConfig {
        AudioSpecificConfig(
            objectType: objectType, samplingFrequencyHz: AudioSpecificConfig.frequencies[Int(frequencyIndex)],
            channelConfiguration: channelConfiguration)
    }

    /// Whether the packet is made of whole ADTS frames and nothing else.
    package static func fills(_ packet: UnsafeRawBufferPointer) -> Bool {
        var offset = 0
        while offset < packet.count {
            guard let header = ADTSHeader(packet.part(offset..<packet.count)),
                header.frameLength <= packet.count - offset
            else { return false }
            offset += header.frameLength
        }
        return offset > 0
    }
}
