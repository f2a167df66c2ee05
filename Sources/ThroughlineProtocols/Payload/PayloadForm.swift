/// How the packets of a flow carry their payload. The same encode looks different in an MPEG transport stream, in MP4
/// and over RTP; the form says how to see through that.
package enum PayloadForm: Hashable, Sendable {
    /// NAL units behind start codes, parameter sets in band (H.264 and H.265 annex B): TS, RTP, raw files.
    case annexB(VideoCodec)
    /// NAL units behind lengths of 1 to 4 bytes, parameter sets in avcC or hvcC (ISO/IEC 14496-15): MP4, Matroska, FLV.
    case lengthPrefixed(VideoCodec, lengthSize: Int)
    /// AAC frames with ADTS headers.
    case adts
    /// AAC frames as they are, configured out of band.
    case rawAAC(AudioSpecificConfig)
    /// Anything else: taken as it is.
    case opaque

    /// The codecs whose packets have more than one form.
    package enum Codec: Hashable, Sendable {
        case h264, hevc, aac, other

        package var video: VideoCodec? {
            switch self {
            case .h264: .h264
            case .hevc: .hevc
            case .aac, .other: nil
            }
        }
    }

    /// Finds the form of a flow from what the demuxer says about it and, where given, from its first packet. The packet
    /// is believed more than the extradata, which some containers copy from elsewhere.
    package static func detect(
        codec: Codec, extradata: UnsafeRawBufferPointer, firstPacket: UnsafeRawBufferPointer?
    ) -> PayloadForm {
        if let video = codec.video {
            return detect(video, extradata: extradata, firstPacket: firstPacket)
        }
        guard codec == .aac else { return .opaque }
        if let firstPacket, ADTSHeader.fills(firstPacket) { return .adts }
        if let configuration = try? AudioSpecificConfig(parsing: extradata) { return .rawAAC(configuration) }
        return .opaque
    }

    private static func detect(
        _ codec: VideoCodec, extradata: UnsafeRawBufferPointer, firstPacket: UnsafeRawBufferPointer?
    ) -> PayloadForm {
        let recorded = lengthSize(codec, extradata: extradata)
        guard let firstPacket, !firstPacket.isEmpty else {
            return recorded.map { .lengthPrefixed(codec, lengthSize: $0) } ?? .annexB(codec)
        }
        // `00 00 00 01` can also be the length of a unit of one byte; a whole packet cannot be both.
        let hasStartCodes = isWellFormed(firstPacket, codec: codec, framing: .startCodes)
        if let recorded {
            let hasLengths = isWellFormed(firstPacket, codec: codec, framing: .lengthPrefixes(size: recorded))
            return hasStartCodes && !hasLengths ? .annexB(codec) : .lengthPrefixed(codec, lengthSize: recorded)
        }
        if !hasStartCodes, isWellFormed(firstPacket, codec: codec, framing: .lengthPrefixes(size: 4)) {
            return .lengthPrefixed(codec, lengthSize: 4)
        }
        return .annexB(codec)
    }

    /// `lengthSizeMinusOne` of avcC or hvcC; nil when the extradata is neither.
    static func lengthSize(_ codec: VideoCodec, extradata: UnsafeRawBufferPointer) -> Int? {
        switch codec {
        case .h264:
            guard extradata.count >= 7, extradata[0] == 1 else { return nil }
            return Int(extradata[4] & 0x03) + 1
        case .hevc:
            // Early writers left configurationVersion at 0; what follows still tells it from a start code.
            guard extradata.count >= 23,
                extradata[0] == 1 || (extradata[0] == 0 && (extradata[1] != 0 || extradata[2] > 1))
            else { return nil }
            return Int(extradata[21] & 0x03) + 1
        }
    }

    private static func isWellFormed(
        _ packet: UnsafeRawBufferPointer, codec: VideoCodec, framing: NALUnitIterator.Framing
    ) -> Bool {
        var units = NALUnitIterator(packet, framing: framing)
        var found = false
        while let range = units.next() {
            guard NALUnitHeader(packet.part(range), codec: codec) != nil else { return false }
            found = true
        }
        return found && !units.isMalformed
    }

    /// Codec and framing of the forms made of NAL units; nil for the others.
    package var nalUnits: (codec: VideoCodec, framing: NALUnitIterator.Framing)? {
        switch self {
        case .annexB(let codec): (codec, .startCodes)
        case .lengthPrefixed(let codec, let size): (codec, .lengthPrefixes(size: size))
        case .adts, .rawAAC, .opaque: nil
        }
    }
}
