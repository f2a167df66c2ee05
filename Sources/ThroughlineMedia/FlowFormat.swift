internal import CFFmpeg
package import ThroughlineCore

/// What is known of one flow before its packets: codec, parameters, time base, language. Immutable.
package final class FlowFormat: @unchecked Sendable {
    // Unchecked: `parameters` and `metadata` are written in `init` only.
    let parameters: UnsafeMutablePointer<AVCodecParameters>
    let metadata: OpaquePointer?
    let dispositionFlags: Int32

    /// Index in the list of flows of the ingest.
    package let index: Int
    package let kind: FlowKind
    /// FFmpeg's name of the codec: `h264`, `aac`, `mov_text`.
    package let codecName: String
    package let timeBase: TimeBase
    /// ISO 639 code as the container gives it.
    package let language: String?
    package let title: String?
    /// Frames per second as the container or the codec tells them.
    package let frameRate: Rate?
    /// A single still picture (cover art), not a flow in time.
    package let isAttachedPicture: Bool

    convenience init?(index: Int, stream: UnsafeMutablePointer<AVStream>) throws(MediaError) {
        guard let source = stream.pointee.codecpar else { return nil }
        let rate = stream.pointee.avg_frame_rate.num > 0 ? stream.pointee.avg_frame_rate : stream.pointee.r_frame_rate
        try self.init(
            index: index, parameters: source, metadata: stream.pointee.metadata,
            disposition: stream.pointee.disposition, timeBase: stream.pointee.time_base, frameRate: rate)
    }

    /// Copies what it is given.
    init?(
        index: Int, parameters source: UnsafePointer<AVCodecParameters>, metadata entries: OpaquePointer?,
        disposition: Int32, timeBase base: AVRational, frameRate rate: AVRational
    ) throws(MediaError) {
        switch source.pointee.codec_type {
        case AVMEDIA_TYPE_VIDEO: kind = .video
        case AVMEDIA_TYPE_AUDIO: kind = .audio
        case AVMEDIA_TYPE_SUBTITLE: kind = .subtitle
        case AVMEDIA_TYPE_DATA: kind = .data
        default: return nil
        }
        guard base.num > 0, base.den > 0 else { return nil }
        timeBase = TimeBase(base.num, base.den)
        parameters = try allocated(avcodec_parameters_alloc(), "allocate codec parameters")
        guard avcodec_parameters_copy(parameters, source) >= 0 else {
            var handle: UnsafeMutablePointer<AVCodecParameters>? = parameters
            avcodec_parameters_free(&handle)
            throw MediaError(code: tl_averror(ENOMEM), operation: "copy codec parameters")
        }
        var copied: OpaquePointer?
        av_dict_copy(&copied, entries, 0)
        metadata = copied
        self.index = index
        dispositionFlags = disposition
        isAttachedPicture = disposition & AV_DISPOSITION_ATTACHED_PIC != 0
        codecName = String(cString: avcodec_get_name(source.pointee.codec_id))
        func entry(_ key: String) -> String? {
            av_dict_get(copied, key, nil, 0).map { String(cString: $0.pointee.value) }
        }
        language = entry("language")
        title = entry("title")
        frameRate = rate.num > 0 ? Rate(numerator: Int64(rate.num), denominator: Int64(rate.den)) : nil
        LiveHandles.made()
    }

    deinit {
        var handle: UnsafeMutablePointer<AVCodecParameters>? = parameters
        avcodec_parameters_free(&handle)
        var copied = metadata
        av_dict_free(&copied)
        LiveHandles.freed()
    }

    /// FFmpeg's identifier of the codec.
    package var codecID: UInt32 { parameters.pointee.codec_id.rawValue }
    /// Picture size in pixels, zero for what is not video.
    package var width: Int { Int(parameters.pointee.width) }
    package var height: Int { Int(parameters.pointee.height) }
    package var sampleRate: Int { Int(parameters.pointee.sample_rate) }
    package var channels: Int { Int(parameters.pointee.ch_layout.nb_channels) }
    /// Bits per second as the container or the codec tells them, zero where neither does.
    package var bitRate: Int64 { parameters.pointee.bit_rate }
    /// How many pictures the decoder holds back for reordering.
    package var reorderDepth: Int { max(0, Int(parameters.pointee.video_delay)) }
    /// Whether silence of this flow says nothing about its origin.
    package var isSparse: Bool { kind.isSparse || isAttachedPicture }

    /// How long a picture, or a packet of sound, lasts; nil where that is not known or differs.
    package var frameLength: MediaTime? {
        if let frameRate { return MediaTime(value: 1, timeBase: TimeBase(frameRate.denominator, frameRate.numerator)) }
        let (size, rate) = (parameters.pointee.frame_size, parameters.pointee.sample_rate)
        guard kind == .audio, size > 0, rate > 0 else { return nil }
        return MediaTime(value: Int64(size), timeBase: TimeBase(1, rate))
    }

    package var disposition: [String] {
        var names: [String] = []
        var bit: Int32 = 1
        while bit > 0, bit <= dispositionFlags {
            if dispositionFlags & bit != 0, let name = av_disposition_to_string(bit) {
                names.append(String(cString: name))
            }
            bit = bit << 1
        }
        return names
    }

    /// The codec's global headers; valid inside `body` only.
    package func withExtradata<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        body(
            UnsafeRawBufferPointer(
                start: parameters.pointee.extradata,
                count: parameters.pointee.extradata == nil ? 0 : max(0, Int(parameters.pointee.extradata_size))))
    }

    func apply(to stream: UnsafeMutablePointer<AVStream>) throws(MediaError) {
        try check(avcodec_parameters_copy(stream.pointee.codecpar, parameters), "copy codec parameters")
        stream.pointee.codecpar.pointee.codec_tag = 0
        stream.pointee.time_base = AVRational(num: timeBase.numerator, den: timeBase.denominator)
        stream.pointee.disposition = dispositionFlags
        if let frameRate {
            stream.pointee.avg_frame_rate = AVRational(num: frameRate.numerator, den: frameRate.denominator)
        }
        av_dict_copy(&stream.pointee.metadata, metadata, 0)
    }
}

extension FlowFormat: CustomStringConvertible {
    /// `video h264 320x180`, `audio aac 48000 Hz 2 channels (eng)`.
    package var description: String {
        var text = "\(kind.rawValue) \(codecName)"
        if kind == .video { text += " \(width)x\(height)" }
        if kind == .audio { text += " \(sampleRate) Hz \(channels) channel\(channels == 1 ? "" : "s")" }
        if let language, language != "und" { text += " (\(language))" }
        return text
    }
}
