internal import CFFmpeg
package import ThroughlineCore

extension FlowFormat {
    /// What a flow turned out to be like, where its container or its description left that open. What is nil stays as it
    /// was.
    package struct Details: Sendable {
        /// FFmpeg's name of the codec, such as `mp3`.
        package var codecName: String?
        /// Of the pictures as presented, in pixels.
        package var size: (width: Int, height: Int)?
        package var frameRate: Rate?
        /// How many pictures the decoder holds back for reordering.
        package var reorderDepth: Int?
        /// The codec's global headers.
        package var extradata: [UInt8]?
        package var sampleRate: Int?
        package var channels: Int?
        /// Samples of each channel in a frame of sound.
        package var frameSize: Int?
        package var language: String?
        package var timeBase: TimeBase?
        package init() {}
    }

    /// The same flow, with what has become known of it.
    ///
    /// - Throws: `MediaError` when there is no memory, or no such codec.
    package func completed(_ details: Details, index: Int? = nil) throws(MediaError) -> FlowFormat {
        var copy: UnsafeMutablePointer<AVCodecParameters>? = try allocated(
            avcodec_parameters_alloc(), "allocate codec parameters")
        defer { avcodec_parameters_free(&copy) }
        guard let made = copy else { throw .invalidData }
        try check(avcodec_parameters_copy(made, parameters), "copy codec parameters")
        if let name = details.codecName {
            guard let known = avcodec_descriptor_get_by_name(name) else {
                throw MediaError(code: tl_averror(EINVAL), operation: "find the codec \(name)")
            }
            made.pointee.codec_id = known.pointee.id
        }
        if let size = details.size {
            made.pointee.width = Int32(clamping: size.width)
            made.pointee.height = Int32(clamping: size.height)
        }
        if let depth = details.reorderDepth { made.pointee.video_delay = Int32(clamping: depth) }
        if let rate = details.sampleRate { made.pointee.sample_rate = Int32(clamping: rate) }
        if let size = details.frameSize { made.pointee.frame_size = Int32(clamping: size) }
        if let channels = details.channels {
            av_channel_layout_uninit(&made.pointee.ch_layout)
            av_channel_layout_default(&made.pointee.ch_layout, Int32(clamping: channels))
        }
        if let extradata = details.extradata { try Self.set(extradata, in: made) }
        var entries: OpaquePointer?
        av_dict_copy(&entries, metadata, 0)
        defer { av_dict_free(&entries) }
        if let language = details.language { av_dict_set(&entries, "language", language, 0) }
        let rate = details.frameRate ?? frameRate ?? Rate(0)
        let base = details.timeBase ?? timeBase
        let completed = try FlowFormat(
            index: index ?? self.index, parameters: made, metadata: entries, disposition: dispositionFlags,
            timeBase: AVRational(num: base.numerator, den: base.denominator),
            frameRate: AVRational(num: rate.numerator, den: rate.denominator))
        guard let completed else { throw .invalidData }
        return completed
    }

    private static func set(
        _ extradata: [UInt8], in parameters: UnsafeMutablePointer<AVCodecParameters>
    ) throws(MediaError) {
        guard extradata.count <= 1 << 24 else { throw .invalidData }
        av_freep(&parameters.pointee.extradata)
        parameters.pointee.extradata_size = 0
        guard !extradata.isEmpty else { return }
        let padded = extradata.count + Int(AV_INPUT_BUFFER_PADDING_SIZE)
        let bytes = try allocated(av_mallocz(padded), "allocate codec parameters")
        extradata.withUnsafeBytes { source in
            if let base = source.baseAddress { bytes.copyMemory(from: base, byteCount: source.count) }
        }
        parameters.pointee.extradata = bytes.assumingMemoryBound(to: UInt8.self)
        parameters.pointee.extradata_size = Int32(extradata.count)
    }

    /// How long the sound of a packet of so many bytes lasts, where the codec alone or its packet's size tells it: AAC,
    /// AC-3, G.711 and many others. Nil where it takes a look into the packet.
    package func duration(ofPacketOf byteCount: Int) -> MediaTime? {
        guard kind == .audio, sampleRate > 0 else { return nil }
        let samples = av_get_audio_frame_duration2(parameters, Int32(clamping: byteCount))
        guard samples > 0 else { return nil }
        return MediaTime(value: Int64(samples), timeBase: TimeBase(1, Int32(clamping: sampleRate)))
    }
}
