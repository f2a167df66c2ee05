internal import CFFmpeg
package import ThroughlineCore

/// Where a demuxer gets its bytes. Called on the demuxer's thread only; calls may block.
package protocol ByteInput: AnyObject {
    /// Fills at most the whole buffer with at least one byte.
    func read(into buffer: UnsafeMutableRawBufferPointer) -> ByteInputResult
    /// Moves to an absolute byte offset. False where that cannot be done.
    func seek(to offset: Int64) -> Bool
    /// Length in bytes, where it is known.
    var length: Int64? { get }
    /// Whether `seek` can succeed.
    var isSeekable: Bool { get }
}

/// What a read gave.
package enum ByteInputResult: Sendable {
    case bytes(Int)
    case end
    case failed
}

/// libavformat's demuxer over our own bytes: packets out, on one thread.
///
/// Opening ends as soon as every flow is known, which is what makes a start fast: the duration of a container that does
/// not state it is not searched for, and frame rates are not measured. Confined to the thread of its ingest.
package final class Demuxer {
    package struct Options: Sendable {
        /// Name of an input format that is tried alone, when the content is known.
        package var format: String?
        /// Search the end of the bytes for the duration when no header states it. Costs reads at the end.
        package var measuresDuration = false
        /// Reading will begin somewhere else, and the flows are known already: get at the index, and read no more of the
        /// start than it takes to know where the timeline begins.
        package var seeksAtOnce = false
        /// For `seeksAtOnce`: what the flows are like as far as is known from elsewhere. It stands in for the analysis
        /// of flows that the header leaves open, and what the packets say overrides it.
        package var expected: [FlowFormat] = []
        /// Bytes that are read from the input at once: small for many streams at real time, large for speed.
        package var readSize = 32 * 1024
        /// Bytes read at most to find out what the flows are.
        package var probeByteLimit: Int64 = 5_000_000
        package init() {}
    }

    /// The flows, by index. A flow keeps its place for the life of the demuxer.
    package private(set) var flows: [FlowFormat] = []
    /// FFmpeg's name of the container.
    package let container: String
    /// The first presentation time of the container's own timeline; NPT is counted from here.
    package private(set) var start: MediaTime = .zero
    /// Length of the presentation, where it is stated or was measured.
    package private(set) var duration: MediaTime?

    private let context: UnsafeMutablePointer<AVFormatContext>
    private let io: UnsafeMutablePointer<AVIOContext>
    /// What libavformat's callbacks see; lives as long as the contexts that point to it.
    private let bridge: Bridge
    /// Decode time of the last packet of each flow, in its own units.
    private var lastDecode: [Int64?] = []
    /// Flow index by stream index, nil for streams that are not flows.
    private var flowOfStream: [Int?] = []

    private final class Bridge {
        let input: any ByteInput
        /// Set once the input has failed: what libavformat still hands out may be cut in half.
        var failed = false
        var offset: Int64 = 0
        init(input: any ByteInput) { self.input = input }
    }

    /// Opens the container and finds its flows.
    ///
    /// - Throws: `MediaError`; `isNotMedia` where the bytes are not media that libavformat knows.
    package init(input: any ByteInput, options: Options = Options()) throws(MediaError) {
        FFmpegLibrary.prepare()
        let bridge = Bridge(input: input)
        self.bridge = bridge
        let size = max(4096, options.readSize)
        let opaque = Unmanaged.passUnretained(bridge).toOpaque()
        guard let buffer = av_malloc(size) else {
            throw MediaError(code: tl_averror(ENOMEM), operation: "allocate a read buffer")
        }
        guard
            let io = avio_alloc_context(
                buffer.assumingMemoryBound(to: UInt8.self), Int32(size), 0, opaque,
                Demuxer.readCallback, nil, input.isSeekable ? Demuxer.seekCallback : nil)
        else {
            av_free(buffer)
            throw MediaError(code: tl_averror(ENOMEM), operation: "allocate an I/O context")
        }
        self.io = io
        io.pointee.seekable = input.isSeekable ? AVIO_SEEKABLE_NORMAL : 0

        var context = avformat_alloc_context()
        guard context != nil else {
            Demuxer.free(io)
            throw MediaError(code: tl_averror(ENOMEM), operation: "allocate a demuxer")
        }
        context!.pointee.pb = io
        context!.pointee.fps_probe_size = 0
        context!.pointee.skip_estimate_duration_from_pts = options.measuresDuration ? 0 : 1
        context!.pointee.probesize = options.probeByteLimit
        context!.pointee.flags |= AVFMT_FLAG_CUSTOM_IO
        var format = options.format.flatMap { av_find_input_format($0) }
        var probed: Int32 = 0
        if format == nil {
            probed = av_probe_input_buffer2(io, &format, nil, nil, 0, UInt32(clamping: options.probeByteLimit))
        }
        if let format, String(cString: format.pointee.name).hasPrefix("mov") {
            // libavformat looks at every fragment of a fragmented file before it hands out the first packet, for an index
            // to seek by. Read from the start there is no need to.
            if !options.seeksAtOnce { context!.pointee.flags |= AVFMT_FLAG_IGNIDX }
        }
        // A failed open frees the context, but neither the I/O context nor its buffer.
        let opened: Int32
        if probed < 0 {
            opened = probed
            avformat_free_context(context)
            context = nil
        } else {
            // Where a transport stream goes on under other PIDs, so do its flows.
            var settings: OpaquePointer?
            av_dict_set(&settings, "merge_pmt_versions", "1", 0)
            opened = avformat_open_input(&context, nil, format, &settings)
            av_dict_free(&settings)
        }
        guard opened >= 0, let context else {
            Demuxer.free(io)
            throw MediaError(code: opened, operation: "recognise the content as media")
        }
        self.context = context
        container = String(cString: context.pointee.iformat.pointee.name)
        LiveHandles.made()

        // A transport stream has named its flows by now, and others may appear at any time: waiting for those would
        // make every start last as long as the probe is allowed to.
        if context.pointee.nb_streams > 0 { context.pointee.ctx_flags &= ~AVFMTCTX_NOHEADER }
        // Of a fragmented file libavformat would tell the length of the fragments that it has seen so far.
        let isGrowing = container.hasPrefix("mov") && context.pointee.duration <= 0
        let readsLittle =
            options.seeksAtOnce && !isGrowing && ["mov", "mpegts", "matroska"].contains { container.hasPrefix($0) }
        if !readsLittle {
            let found = avformat_find_stream_info(context, nil)
            guard found >= 0 else { throw MediaError(code: found, operation: "find the flows") }
        }
        if readsLittle { fillIn(from: options.expected) }
        try adoptStreams()
        if flows.isEmpty { throw MediaError(code: tl_averror_invalid_data, operation: "find a flow in the content") }
        if context.pointee.start_time != tl_no_timestamp {
            start = MediaTime(value: context.pointee.start_time, timeBase: TimeBase(1, AV_TIME_BASE)) ?? .zero
        }
        start = exactStart() ?? start
        if readsLittle, exactStart() == nil { findStart() }
        let isGuess = context.pointee.duration_estimation_method == AVFMT_DURATION_FROM_BITRATE
        if context.pointee.duration > 0, !isGuess, !isGrowing {
            duration = MediaTime(value: context.pointee.duration, timeBase: TimeBase(1, AV_TIME_BASE))
        }
    }

    deinit {
        var handle: UnsafeMutablePointer<AVFormatContext>? = context
        avformat_close_input(&handle)
        Demuxer.free(io)
        LiveHandles.freed()
    }

    private static func free(_ io: UnsafeMutablePointer<AVIOContext>) {
        av_freep(&io.pointee.buffer)
        var handle: UnsafeMutablePointer<AVIOContext>? = io
        avio_context_free(&handle)
    }

    /// Takes up the streams that libavformat knows and we do not.
    private func adoptStreams() throws(MediaError) {
        while flowOfStream.count < Int(context.pointee.nb_streams) {
            guard let stream = context.pointee.streams[flowOfStream.count] else { break }
            if let flow = try FlowFormat(index: flows.count, stream: stream) {
                flowOfStream.append(flows.count)
                flows.append(flow)
            } else {
                flowOfStream.append(nil)
                stream.pointee.discard = AVDISCARD_ALL
            }
        }
    }

    /// The first picture, or where there are none the first sample.
    ///
    /// Not the least start of all flows: whether a container counts the priming samples of an audio encoder differs
    /// from one to the next, and the pictures of the same encode stand at the same NPT in all of them.
    private func exactStart() -> MediaTime? {
        var starts: [(kind: FlowKind, time: MediaTime)] = []
        for index in 0..<Int(context.pointee.nb_streams) {
            guard let stream = context.pointee.streams[index], let flow = flowOfStream[index], !flows[flow].isSparse,
                stream.pointee.start_time != tl_no_timestamp,
                let time = MediaTime(value: stream.pointee.start_time, timeBase: flows[flow].timeBase)
            else { continue }
            starts.append((flows[flow].kind, time))
        }
        let pictures = starts.filter { $0.kind == .video }
        return (pictures.isEmpty ? starts : pictures).map(\.time).min()
    }

    /// Tells libavformat what its analysis would have found, so that it can give every packet its times. It takes the
    /// parameters up with the first packet that it reads.
    private func fillIn(from expected: [FlowFormat]) {
        var left = expected
        for index in 0..<Int(context.pointee.nb_streams) {
            guard let stream = context.pointee.streams[index], let parameters = stream.pointee.codecpar else {
                continue
            }
            let language = av_dict_get(stream.pointee.metadata, "language", nil, 0).map {
                String(cString: $0.pointee.value)
            }
            let fitting = left.indices.filter {
                left[$0].parameters.pointee.codec_type == parameters.pointee.codec_type
                    && left[$0].parameters.pointee.codec_id == parameters.pointee.codec_id
            }
            // Where several could be meant and none is named, libavformat had better find out by itself.
            guard let place = fitting.first(where: { left[$0].language == language }) ?? fitting.first,
                left[place].language == language || fitting.count == 1
            else { continue }
            let known = left.remove(at: place)
            if parameters.pointee.codec_type == AVMEDIA_TYPE_VIDEO {
                if parameters.pointee.video_delay == 0 {
                    parameters.pointee.video_delay = known.parameters.pointee.video_delay
                }
                if let rate = known.frameRate, stream.pointee.avg_frame_rate.num == 0 {
                    stream.pointee.avg_frame_rate = AVRational(num: rate.numerator, den: rate.denominator)
                    stream.pointee.r_frame_rate = stream.pointee.avg_frame_rate
                }
            } else if parameters.pointee.codec_type == AVMEDIA_TYPE_AUDIO, parameters.pointee.sample_rate == 0 {
                parameters.pointee.sample_rate = known.parameters.pointee.sample_rate
                parameters.pointee.frame_size = known.parameters.pointee.frame_size
                av_channel_layout_copy(&parameters.pointee.ch_layout, &known.parameters.pointee.ch_layout)
            }
        }
    }

    /// Reads until the first picture is seen (the first sample where there are none), and counts NPT from there.
    private func findStart() {
        let wanted: FlowKind = flows.contains { $0.kind == .video && !$0.isSparse } ? .video : .audio
        start = .zero
        for _ in 0..<2_000 {
            guard let packet = try? read() else { return }
            if flows[packet.flow].kind == wanted, let pts = packet.pts {
                start = pts
                return
            }
        }
    }

    /// Reads only these flows from now on; the packets of others are skipped where they lie.
    package func select(_ selected: (FlowFormat) -> Bool) {
        for (index, flow) in flowOfStream.enumerated() {
            guard let flow, let stream = context.pointee.streams[index] else { continue }
            stream.pointee.discard = selected(flows[flow]) ? AVDISCARD_DEFAULT : AVDISCARD_ALL
        }
    }

    /// The next packet in the order of the container, its times counted from `start`.
    ///
    /// - Returns: nil at the end, and after the input has failed: what the demuxer may still hold then is not known to
    ///   be whole and is not handed out.
    /// - Throws: `MediaError` when the container is broken.
    package func read() throws(MediaError) -> Packet? {
        while true {
            let packet = try Packet()
            let result = av_read_frame(context, packet.av)
            if bridge.failed || result == tl_averror_eof { return nil }
            if result == tl_averror(EAGAIN) { continue }
            try check(result, "read a packet")
            let index = Int(packet.av.pointee.stream_index)
            if index >= flowOfStream.count { try adoptStreams() }
            guard index < flowOfStream.count, let flow = flowOfStream[index] else { continue }
            // Those that were read to find the flows are there whether they were wanted or not.
            if context.pointee.streams[index]!.pointee.discard == AVDISCARD_ALL { continue }
            if isStale(packet, of: flow) { continue }
            return timed(packet, of: flow)
        }
    }

    // Apart from the loop: a packet that is bound there with `var`, and passed over unchanged, is never freed (Swift 6.3).
    private func timed(_ packet: consuming Packet, of flow: Int) -> Packet {
        let base = flows[flow].timeBase
        packet.flow = flow
        if packet.av.pointee.pts != tl_no_timestamp {
            packet.pts = MediaTime(value: packet.av.pointee.pts, timeBase: base).map { $0 - start }
        }
        if packet.av.pointee.dts != tl_no_timestamp {
            packet.dts = MediaTime(value: packet.av.pointee.dts, timeBase: base).map { $0 - start }
        }
        if packet.av.pointee.duration > 0 {
            packet.duration = MediaTime(value: packet.av.pointee.duration, timeBase: base) ?? .zero
        }
        return packet
    }

    /// Where a transport stream went on under other PIDs, libavformat keeps the last unit of each former one until the end.
    /// By then its place has long been passed.
    private func isStale(_ packet: borrowing Packet, of flow: Int) -> Bool {
        let time = packet.av.pointee.dts
        guard container == "mpegts", time != tl_no_timestamp else { return false }
        while lastDecode.count <= flow { lastDecode.append(nil) }
        let base = flows[flow].timeBase
        let isDrained = io.pointee.eof_reached != 0 && io.pointee.buf_ptr >= io.pointee.buf_end
        if isDrained, let last = lastDecode[flow], let behind = MediaTime(value: last - time, timeBase: base),
            behind > .milliseconds(500)
        {
            return true
        }
        lastDecode[flow] = time
        return false
    }

    /// Goes to the last place at or before an NPT from which reading can start.
    ///
    /// - Parameter anyPacket: any packet will do; otherwise a key frame is sought, where the container has an index.
    package func seek(to npt: NPT, anyPacket: Bool = false) throws(MediaError) {
        lastDecode = []
        let flags = AVSEEK_FLAG_BACKWARD | (anyPacket ? AVSEEK_FLAG_ANY : 0)
        func go(to place: MediaTime) -> Int32 {
            av_seek_frame(context, -1, (place + start).value(in: TimeBase(1, AV_TIME_BASE)), flags)
        }
        // libavformat seeks by decode times, which run ahead of the pictures: the first lie before zero. Formats without
        // an index want a place that exists.
        if npt <= .zero, go(to: .zero - .seconds(10)) >= 0 { return }
        try check(go(to: npt - (anyPacket ? .zero : decodeLead)), "seek to \(npt)")
    }

    /// How far the decode time of a key frame lies before its picture, where libavformat does not see to that itself: in
    /// fragmented MP4, which has no edit list to tell it.
    private var decodeLead: MediaTime {
        guard container.hasPrefix("mov"), start > .zero, let video = flows.first(where: { $0.kind == .video }),
            let rate = video.frameRate,
            let frame = MediaTime(value: 1, timeBase: TimeBase(rate.denominator, rate.numerator))
        else { return .zero }
        return MediaTime(flicks: frame.flicks * Int64(min(video.reorderDepth, 16)))
    }

    /// The byte of the container that is taken apart next.
    package var byteOffset: Int64 { avio_seek(io, 0, SEEK_CUR) }

    /// True once the input has reported a failure.
    package var inputFailed: Bool { bridge.failed }

    // libavformat calls these on the thread that called it.
    private static let readCallback:
        @convention(c) (UnsafeMutableRawPointer?, UnsafeMutablePointer<UInt8>?, Int32) ->
            Int32 = { opaque, buffer, size in
                guard let opaque, let buffer, size > 0 else { return tl_averror(EINVAL) }
                let bridge = Unmanaged<Bridge>.fromOpaque(opaque).takeUnretainedValue()
                if bridge.failed { return tl_averror(EIO) }
                switch bridge.input.read(into: UnsafeMutableRawBufferPointer(start: buffer, count: Int(size))) {
                case .bytes(let count):
                    bridge.offset += Int64(count)
                    return Int32(count)
                case .end:
                    return tl_averror_eof
                case .failed:
                    bridge.failed = true
                    return tl_averror(EIO)
                }
            }

    private static let seekCallback: @convention(c) (UnsafeMutableRawPointer?, Int64, Int32) -> Int64 = {
        opaque, offset, whence in
        guard let opaque else { return Int64(tl_averror(EINVAL)) }
        let bridge = Unmanaged<Bridge>.fromOpaque(opaque).takeUnretainedValue()
        if whence & AVSEEK_SIZE != 0 { return bridge.input.length ?? Int64(tl_averror(ENOSYS)) }
        var target = offset
        switch whence & ~AVSEEK_FORCE {
        case SEEK_SET: break
        case SEEK_CUR: target = bridge.offset &+ offset
        case SEEK_END:
            guard let length = bridge.input.length else { return Int64(tl_averror(ENOSYS)) }
            target = length &+ offset
        default: return Int64(tl_averror(EINVAL))
        }
        guard target >= 0 else { return Int64(tl_averror(EINVAL)) }
        if bridge.failed { return Int64(tl_averror(EIO)) }
        guard bridge.input.seek(to: target) else { return Int64(tl_averror(EIO)) }
        bridge.offset = target
        return target
    }
}
