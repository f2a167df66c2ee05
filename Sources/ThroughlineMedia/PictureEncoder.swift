internal import CFFmpeg
internal import ThroughlineCore

/// libavcodec's encoder for a short run of pictures, in the codec of a flow: each run begins with a key picture that
/// carries its parameter sets in band, and has no reordering. Used on one thread at a time.
package final class PictureEncoder {
    private let context: UnsafeMutablePointer<AVCodecContext>
    private let flow: FlowFormat
    private var isFirst = true

    /// - Parameters:
    ///   - flow: the flow whose codec and time base to use.
    ///   - frame: a picture of the run, for its size, pixel format and colours.
    /// - Throws: `MediaError` when no encoder for the codec is at hand.
    package init(flow: FlowFormat, like frame: borrowing DecodedFrame) throws(MediaError) {
        self.flow = flow
        let name: String
        switch flow.codecName {
        case "h264": name = "libx264"
        case "hevc": name = "libx265"
        default: throw MediaError(code: tl_averror(ENOSYS), operation: "encode \(flow.codecName)")
        }
        guard let codec = avcodec_find_encoder_by_name(name), let context = avcodec_alloc_context3(codec) else {
            throw MediaError(code: tl_averror(ENOSYS), operation: "find the encoder \(name)")
        }
        self.context = context
        LiveHandles.made()
        let picture = frame.frame.pointee
        context.pointee.width = picture.width
        context.pointee.height = picture.height
        context.pointee.pix_fmt = AVPixelFormat(rawValue: picture.format)
        context.pointee.sample_aspect_ratio = picture.sample_aspect_ratio
        context.pointee.color_range = picture.color_range
        context.pointee.color_primaries = picture.color_primaries
        context.pointee.color_trc = picture.color_trc
        context.pointee.colorspace = picture.colorspace
        context.pointee.time_base = AVRational(num: flow.timeBase.numerator, den: flow.timeBase.denominator)
        if let rate = flow.frameRate {
            context.pointee.framerate = AVRational(num: rate.numerator, den: rate.denominator)
        }
        context.pointee.max_b_frames = 0
        context.pointee.gop_size = 1 << 20
        context.pointee.thread_count = 1
        var options: OpaquePointer?
        av_dict_set(&options, "preset", "veryfast", 0)
        av_dict_set(&options, "tune", "zerolatency", 0)
        av_dict_set(&options, "crf", "14", 0)
        av_dict_set(&options, "x264-params", "repeat-headers=1:scenecut=0:sliced-threads=0", 0)
        av_dict_set(&options, "x265-params", "repeat-headers=1:scenecut=0:log-level=none:info=0", 0)
        let result = avcodec_open2(context, codec, &options)
        av_dict_free(&options)
        try check(result, "open the encoder \(name)")
    }

    deinit {
        var handle: UnsafeMutablePointer<AVCodecContext>? = context
        avcodec_free_context(&handle)
        LiveHandles.freed()
    }

    /// Encodes a picture.
    ///
    /// - Parameter body: gets each packet that is ready, its times those of its picture.
    package func encode(
        _ frame: borrowing DecodedFrame, _ body: (consuming Packet) -> Void
    ) throws(MediaError) {
        let copy = try allocated(av_frame_clone(frame.frame), "reference a picture")
        defer {
            var handle: UnsafeMutablePointer<AVFrame>? = copy
            av_frame_free(&handle)
        }
        copy.pointee.pts = frame.pts?.value(in: flow.timeBase) ?? tl_no_timestamp
        copy.pointee.pict_type = isFirst ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE
        isFirst = false
        try check(avcodec_send_frame(context, copy), "encode a picture")
        try receive(body)
    }

    /// Hands out what the encoder still holds. Nothing can be encoded after it.
    package func drain(_ body: (consuming Packet) -> Void) throws(MediaError) {
        try check(avcodec_send_frame(context, nil), "finish encoding")
        try receive(body)
    }

    private func receive(_ body: (consuming Packet) -> Void) throws(MediaError) {
        while true {
            let packet = try Packet()
            let result = avcodec_receive_packet(context, packet.av)
            if result == tl_averror(EAGAIN) || result == tl_averror_eof { return }
            try check(result, "encode a picture")
            body(timed(packet))
        }
    }

    // Apart from the loop: a packet that is bound there with `var`, and left unchanged, is never freed (Swift 6.3).
    private func timed(_ packet: consuming Packet) -> Packet {
        packet.flow = flow.index
        packet.pts = MediaTime(value: packet.av.pointee.pts, timeBase: flow.timeBase)
        packet.dts = packet.pts
        return packet
    }
}
