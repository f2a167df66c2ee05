internal import CFFmpeg
package import ThroughlineCore

/// libavcodec's decoder of one video or audio flow. Used on one thread at a time.
package final class Decoder: @unchecked Sendable {
    // Unchecked: handed from the thread that opens it to the one that decodes, never used by two at once.
    package let flow: FlowFormat
    /// Packets that the decoder refused, and pictures that it marked as damaged.
    package private(set) var errorCount = 0

    private let context: UnsafeMutablePointer<AVCodecContext>
    private let frame: UnsafeMutablePointer<AVFrame>
    private let scratch: UnsafeMutablePointer<AVPacket>

    /// - Parameter threads: 1 for the least delay and memory.
    package init(flow: FlowFormat, threads: Int = 1) throws(MediaError) {
        FFmpegLibrary.prepare()
        self.flow = flow
        guard let codec = avcodec_find_decoder(AVCodecID(rawValue: flow.codecID)) else {
            throw MediaError(code: tl_averror(ENOSYS), operation: "find a decoder for \(flow.codecName)")
        }
        guard let context = avcodec_alloc_context3(codec), let frame = av_frame_alloc(), let scratch = av_packet_alloc()
        else { throw MediaError(code: tl_averror(ENOMEM), operation: "open a decoder") }
        self.context = context
        self.frame = frame
        self.scratch = scratch
        LiveHandles.made()
        try check(avcodec_parameters_to_context(context, flow.parameters), "configure the decoder")
        context.pointee.pkt_timebase = AVRational(num: flow.timeBase.numerator, den: flow.timeBase.denominator)
        context.pointee.thread_count = Int32(threads)
        try check(avcodec_open2(context, codec, nil), "open the decoder of \(flow.codecName)")
    }

    deinit {
        var context: UnsafeMutablePointer<AVCodecContext>? = context
        avcodec_free_context(&context)
        var frame: UnsafeMutablePointer<AVFrame>? = frame
        av_frame_free(&frame)
        var packet: UnsafeMutablePointer<AVPacket>? = scratch
        av_packet_free(&packet)
        LiveHandles.freed()
    }

    /// Decodes a packet. Damage is counted, not thrown: the viewer would see it.
    ///
    /// - Parameter body: called for each frame, which is valid during the call only.
    package func decode<Failure: Error>(
        _ packet: borrowing Packet, _ body: (borrowing DecodedFrame) throws(Failure) -> Void
    ) throws(Failure) {
        guard av_packet_ref(scratch, packet.av) >= 0 else { return }
        scratch.pointee.pts = packet.pts?.value(in: flow.timeBase) ?? tl_no_timestamp
        scratch.pointee.dts = packet.dts?.value(in: flow.timeBase) ?? tl_no_timestamp
        scratch.pointee.duration = packet.duration.value(in: flow.timeBase)
        let result = avcodec_send_packet(context, scratch)
        av_packet_unref(scratch)
        try receive(after: result, body)
    }

    /// Hands out the frames that the decoder still holds. Nothing can be decoded after it.
    package func drain<Failure: Error>(
        _ body: (borrowing DecodedFrame) throws(Failure) -> Void
    ) throws(Failure) {
        try receive(after: avcodec_send_packet(context, nil), body)
    }

    private func receive<Failure: Error>(
        after sent: Int32, _ body: (borrowing DecodedFrame) throws(Failure) -> Void
    ) throws(Failure) {
        if sent < 0, sent != tl_averror_eof { errorCount += 1 }
        var result: Int32
        while true {
            result = avcodec_receive_frame(context, frame)
            if result < 0 { break }
            if frame.pointee.decode_error_flags != 0 || frame.pointee.flags & AV_FRAME_FLAG_CORRUPT != 0 {
                errorCount += 1
            }
            let decoded = DecodedFrame(frame: frame, flow: flow)
            try body(decoded)
            av_frame_unref(frame)
        }
        if result != tl_averror(EAGAIN), result != tl_averror_eof { errorCount += 1 }
    }
}

/// One decoded picture, or one decoded run of audio samples. Valid during the call that hands it out.
package struct DecodedFrame: ~Copyable {
    let frame: UnsafeMutablePointer<AVFrame>
    package let flow: FlowFormat

    /// Presentation time on the timeline of the packets.
    package var pts: MediaTime? {
        let best = frame.pointee.best_effort_timestamp
        return best == tl_no_timestamp ? nil : MediaTime(value: best, timeBase: flow.timeBase)
    }

    package var duration: MediaTime {
        if flow.kind == .audio, frame.pointee.sample_rate > 0 {
            return MediaTime(
                value: Int64(frame.pointee.nb_samples), timeBase: TimeBase(1, frame.pointee.sample_rate)) ?? .zero
        }
        return MediaTime(value: frame.pointee.pkt_duration, timeBase: flow.timeBase) ?? .zero
    }

    /// A packet of the samples without padding: planes of a picture one after the other, audio interleaved. Nil for
    /// formats that have no such form (those of hardware decoders).
    package func rawPacket() throws(MediaError) -> Packet? {
        let size = flow.kind == .video ? pictureSize : soundSize
        guard size > 0 else { return nil }
        var packet = try Packet()
        try check(av_new_packet(packet.av, Int32(clamping: size)), "allocate a payload")
        guard let target = packet.av.pointee.data else { return nil }
        if flow.kind == .video { try copyPicture(to: target, size: size) } else { copySound(to: target) }
        packet.av.pointee.flags |= AV_PKT_FLAG_KEY
        packet.flow = flow.index
        packet.pts = pts
        packet.dts = pts
        packet.duration = duration
        return packet
    }

    private var pictureSize: Int {
        let format = AVPixelFormat(rawValue: frame.pointee.format)
        return Int(av_image_get_buffer_size(format, frame.pointee.width, frame.pointee.height, 1))
    }

    private func copyPicture(to target: UnsafeMutablePointer<UInt8>, size: Int) throws(MediaError) {
        let (frame, format) = (frame, AVPixelFormat(rawValue: frame.pointee.format))
        let result = withUnsafePointer(to: &frame.pointee.data) { data in
            withUnsafePointer(to: &frame.pointee.linesize) { lines in
                data.withMemoryRebound(to: UnsafePointer<UInt8>?.self, capacity: 8) { data in
                    lines.withMemoryRebound(to: Int32.self, capacity: 8) { lines in
                        av_image_copy_to_buffer(
                            target, Int32(clamping: size), data, lines, format, frame.pointee.width,
                            frame.pointee.height, 1)
                    }
                }
            }
        }
        try check(result, "copy a picture")
    }

    private var sampleWidth: Int { Int(av_get_bytes_per_sample(AVSampleFormat(rawValue: frame.pointee.format))) }
    private var channels: Int { Int(frame.pointee.ch_layout.nb_channels) }
    private var soundSize: Int { sampleWidth * channels * Int(frame.pointee.nb_samples) }

    private func copySound(to target: UnsafeMutablePointer<UInt8>) {
        guard let planes = frame.pointee.extended_data else { return }
        if av_sample_fmt_is_planar(AVSampleFormat(rawValue: frame.pointee.format)) == 0 || channels == 1 {
            if let first = planes[0] { memcpy(target, first, soundSize) }
            return
        }
        let (width, step, count) = (sampleWidth, sampleWidth * channels, Int(frame.pointee.nb_samples))
        if width == 4 { return copyWords(planes, channels: channels, count: count, to: target) }
        for channel in 0..<channels {
            guard var source = planes[channel] else { continue }
            var place = target + channel * width
            for _ in 0..<count {
                memcpy(place, source, width)
                source += width
                place += step
            }
        }
    }

    /// Samples of four bytes, as nearly all decoders give them. There are millions: the loops are what is cheap even in a
    /// build that is not optimised.
    private func copyWords(
        _ planes: UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>, channels: Int, count: Int,
        to target: UnsafeMutablePointer<UInt8>
    ) {
        let words = UnsafeMutableRawPointer(target).assumingMemoryBound(to: UInt32.self)
        for channel in 0..<channels {
            guard let plane = planes[channel] else { continue }
            let samples = UnsafeRawPointer(plane).assumingMemoryBound(to: UInt32.self)
            var (index, place) = (0, channel)
            while index < count {
                words[place] = samples[index]
                index &+= 1
                place &+= channels
            }
        }
    }

    /// The samples of the first channel, full scale is 1, with their rate in Hz; nil for what is no sound.
    package func monoSamples() -> (values: [Float], rate: Int)? {
        guard flow.kind == .audio, let data = frame.pointee.extended_data?[0], frame.pointee.sample_rate > 0 else {
            return nil
        }
        let format = AVSampleFormat(rawValue: frame.pointee.format)
        let step = av_sample_fmt_is_planar(format) == 0 ? channels : 1
        let places = stride(from: 0, to: Int(frame.pointee.nb_samples) * step, by: step)
        let raw = UnsafeRawPointer(data)
        let values: [Float]
        switch av_get_packed_sample_fmt(format) {
        case AV_SAMPLE_FMT_FLT: values = places.map { raw.loadUnaligned(fromByteOffset: $0 * 4, as: Float.self) }
        case AV_SAMPLE_FMT_DBL:
            values = places.map { Float(raw.loadUnaligned(fromByteOffset: $0 * 8, as: Double.self)) }
        case AV_SAMPLE_FMT_S16:
            values = places.map { Float(raw.loadUnaligned(fromByteOffset: $0 * 2, as: Int16.self)) / 0x1p15 }
        case AV_SAMPLE_FMT_S32:
            values = places.map { Float(raw.loadUnaligned(fromByteOffset: $0 * 4, as: Int32.self)) / 0x1p31 }
        default: return nil
        }
        return (values, Int(frame.pointee.sample_rate))
    }

    /// Brightness averaged over a grid of `columns` by `rows` cells, row by row; nil for what is not planar video. Of a large
    /// cell some samples are taken, evenly spread.
    package func lumaGrid(columns: Int, rows: Int) -> [Float]? {
        guard flow.kind == .video, let data = frame.pointee.data.0 else { return nil }
        guard let description = av_pix_fmt_desc_get(AVPixelFormat(rawValue: frame.pointee.format)) else { return nil }
        let component = description.pointee.comp.0
        let (width, height) = (Int(frame.pointee.width), Int(frame.pointee.height))
        let stride = Int(frame.pointee.linesize.0)
        let step = Int(component.step)
        guard columns > 0, rows > 0, width >= columns, height >= rows, step == 1 || step == 2, stride > 0 else {
            return nil
        }
        var grid = [Float](repeating: 0, count: columns * rows)
        for row in 0..<rows {
            let (top, bottom) = (row * height / rows, (row + 1) * height / rows)
            for column in 0..<columns {
                let (left, right) = (column * width / columns, (column + 1) * width / columns)
                let (down, across) = (max(1, (bottom - top) / 6), max(1, (right - left) / 6))
                var (sum, count): (UInt64, UInt64) = (0, 0)
                var y = top
                while y < bottom {
                    let line = data + y * stride + Int(component.offset)
                    var x = left
                    while x < right {
                        sum += step == 1 ? UInt64(line[x]) : UInt64(line[x * 2]) | UInt64(line[x * 2 + 1]) << 8
                        count += 1
                        x += across
                    }
                    y += down
                }
                grid[row * columns + column] = Float(sum) / Float(count)
            }
        }
        return grid
    }
}

extension Decoder {
    /// The flow that comes out of this decoder: raw pictures or interleaved samples. Nil where that is not known
    /// before decoding.
    package func rawFlow() throws(MediaError) -> FlowFormat? {
        var holder: UnsafeMutablePointer<AVFormatContext>? = avformat_alloc_context()
        guard let context = holder, let stream = avformat_new_stream(context, nil) else {
            avformat_free_context(holder)
            return nil
        }
        defer {
            avformat_free_context(context)
            holder = nil
        }
        try flow.apply(to: stream)
        guard let parameters = stream.pointee.codecpar else { return nil }
        av_freep(&parameters.pointee.extradata)
        parameters.pointee.extradata_size = 0
        if flow.kind == .video {
            parameters.pointee.codec_id = AV_CODEC_ID_RAWVIDEO
        } else {
            let format = av_get_packed_sample_fmt(AVSampleFormat(rawValue: parameters.pointee.format))
            parameters.pointee.codec_id = av_get_pcm_codec(format, -1)
            parameters.pointee.format = format.rawValue
            guard parameters.pointee.sample_rate > 0 else { return nil }
            stream.pointee.time_base = AVRational(num: 1, den: parameters.pointee.sample_rate)
        }
        return try FlowFormat(index: flow.index, stream: stream)
    }
}
