internal import CFFmpeg
internal import ThroughlineCore

/// One flow as RTP packets: libavformat's `rtp` muxer, with timestamps that the caller can count from.
///
/// Sequence numbers, SSRC and the offset of the timestamps are the muxer's own, to be replaced by who sends the packets.
/// No RTCP is made. Used on one thread at a time.
package final class RTPPacketizer {
    /// One RTP packet.
    package struct Output: Sendable {
        /// The whole packet, header included.
        package var bytes: [UInt8]
        /// Its time in units of the clock, counted from NPT 0: that of the first frame in it.
        package var ticks: Int64

        package init(bytes: [UInt8], ticks: Int64) {
            self.bytes = bytes
            self.ticks = ticks
        }
    }

    /// Units of the timestamp in a second.
    package private(set) var clockRateHz: Int32 = 90_000
    /// The lines of the session description from `m=` on, without `a=control`, ended by CR LF.
    package private(set) var description = ""

    private let context: UnsafeMutablePointer<AVFormatContext>
    private let io: UnsafeMutablePointer<AVIOContext>
    private let scratch: UnsafeMutablePointer<AVPacket>
    /// Whether a frame comes out with the next one only.
    private let gathers: Bool
    private let packetSize: Int32
    private let sink = Sink()
    private var offset: UInt32?
    private var first: Int64?
    /// The time of the packet that was written last: what comes out is near it.
    private var latest: Int64 = 0
    private var decodeTime: Int64 = -1 << 40

    private final class Sink {
        var packets: [[UInt8]] = []
    }

    /// - Parameters:
    ///   - payloadType: 96 to 127, but for formats that have a number of their own (MPEG audio: 14).
    ///   - extradata: the codec's global headers, where the container has none (AAC from ADTS).
    ///   - packetSize: bytes of an RTP packet at most.
    /// - Throws: `MediaError` when the muxer does not know the format, or cannot describe it.
    package init(
        flow: FlowFormat, payloadType: UInt8, extradata: [UInt8]? = nil, packetSize: Int32 = 1400
    ) throws(MediaError) {
        FFmpegLibrary.prepare()
        var made: UnsafeMutablePointer<AVFormatContext>?
        try check(avformat_alloc_output_context2(&made, nil, "rtp", nil), "find the RTP muxer")
        guard let context = made else { throw .invalidData }
        let ioSize = 64 * 1024
        guard let buffer = av_malloc(ioSize),
            let io = avio_alloc_context(
                buffer.assumingMemoryBound(to: UInt8.self), Int32(ioSize), 1, Unmanaged.passUnretained(sink).toOpaque(),
                nil, RTPPacketizer.writeCallback, nil),
            let scratch = av_packet_alloc()
        else {
            avformat_free_context(context)
            throw MediaError(code: tl_averror(ENOMEM), operation: "open the RTP muxer")
        }
        self.context = context
        self.io = io
        self.scratch = scratch
        self.packetSize = packetSize
        gathers = ["aac", "mp2", "mp3"].contains(flow.codecName)
        io.pointee.max_packet_size = packetSize
        context.pointee.pb = io
        context.pointee.packet_size = UInt32(packetSize)
        context.pointee.avoid_negative_ts = 0
        // Each frame of sound in a packet of its own, where the format leaves the choice.
        context.pointee.max_delay = 0
        LiveHandles.made()
        // Everything is set: from here on a thrown error frees it all in `deinit`.
        let stream = try allocated(avformat_new_stream(context, nil), "add a flow")
        try flow.apply(to: stream)
        if let extradata, !extradata.isEmpty {
            let parameters = stream.pointee.codecpar!
            av_freep(&parameters.pointee.extradata)
            let size = extradata.count
            let copy = try allocated(
                av_mallocz(size + Int(AV_INPUT_BUFFER_PADDING_SIZE)), "allocate codec parameters")
            extradata.withUnsafeBytes { copy.copyMemory(from: $0.baseAddress!, byteCount: size) }
            parameters.pointee.extradata = copy.assumingMemoryBound(to: UInt8.self)
            parameters.pointee.extradata_size = Int32(size)
        }
        var options: OpaquePointer?
        av_dict_set(&options, "rtpflags", "skip_rtcp", 0)
        let isMPEGAudio = ["mp2", "mp3"].contains(flow.codecName)
        av_dict_set(&options, "payload_type", isMPEGAudio ? "14" : "\(payloadType)", 0)
        let result = avformat_write_header(context, &options)
        av_dict_free(&options)
        try check(result, "send \(flow.codecName) over RTP")
        clockRateHz = stream.pointee.time_base.den
        var text = [CChar](repeating: 0, count: 32 << 10)
        var contexts: [UnsafeMutablePointer<AVFormatContext>?] = [context]
        try check(
            av_sdp_create(&contexts, 1, &text, Int32(text.count)), "describe \(flow.codecName)")
        let lines = text.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
            .split(whereSeparator: \.isNewline).drop { !$0.hasPrefix("m=") }
            .filter { !$0.hasPrefix("a=control") }
        if lines.isEmpty { throw .invalidData }
        description = lines.map { "\($0)\r\n" }.joined()
    }

    deinit {
        av_freep(&io.pointee.buffer)
        var handle: UnsafeMutablePointer<AVIOContext>? = io
        avio_context_free(&handle)
        avformat_free_context(context)
        var packet: UnsafeMutablePointer<AVPacket>? = scratch
        av_packet_free(&packet)
        LiveHandles.freed()
    }

    /// Takes one packet, which needs a presentation time, and gives the RTP packets that are complete now: its own, or
    /// where frames are gathered those of frames before it.
    package func write(_ packet: borrowing Packet) throws(MediaError) -> [Output] {
        guard let pts = packet.pts else { throw .invalidData }
        try check(av_packet_ref(scratch, packet.av), "reference a packet")
        return try writeScratch(ticks: pts.value(in: TimeBase(1, clockRateHz)))
    }

    /// The packets of the frames that were still being gathered. Nothing may be written after it.
    package func finish() throws(MediaError) -> [Output] {
        guard gathers, first != nil else { return [] }
        // The muxer has no way to say that nothing more comes: a frame that does not fit drives out those before it, and
        // what comes of itself is thrown away.
        let before = latest
        try check(av_new_packet(scratch, 2 * packetSize), "allocate a packet")
        memset(scratch.pointee.data, 0, Int(scratch.pointee.size))
        return try writeScratch(ticks: before + Int64(clockRateHz) * 10).filter { $0.ticks <= before }
    }

    private func writeScratch(ticks: Int64) throws(MediaError) -> [Output] {
        defer { av_packet_unref(scratch) }
        first = first ?? ticks
        scratch.pointee.stream_index = 0
        scratch.pointee.pts = ticks
        // The muxer needs none, but libavformat wants them to rise, and never to lie behind the picture.
        decodeTime += 1
        scratch.pointee.dts = decodeTime
        scratch.pointee.duration = 0
        scratch.pointee.pos = -1
        try check(av_write_frame(context, scratch), "make RTP packets")
        latest = ticks
        defer { sink.packets.removeAll() }
        return sink.packets.compactMap { bytes in
            guard bytes.count > 12 else { return nil }
            let stamp = bytes[4..<8].reduce(0 as UInt32) { $0 << 8 | UInt32($1) }
            // The first packet is of the first frame, which may have been written a while ago.
            let offset = self.offset ?? stamp &- UInt32(truncatingIfNeeded: first ?? ticks)
            self.offset = offset
            // Unwrapped to what is nearest to the packet just written.
            let low = Int32(bitPattern: stamp &- offset &- UInt32(truncatingIfNeeded: ticks))
            return Output(bytes: bytes, ticks: ticks + Int64(low))
        }
    }

    private static let writeCallback:
        @convention(c) (UnsafeMutableRawPointer?, UnsafeMutablePointer<UInt8>?, Int32) ->
            Int32 = { opaque, buffer, size in
                guard let opaque, let buffer, size >= 0 else { return tl_averror(EINVAL) }
                let sink = Unmanaged<Sink>.fromOpaque(opaque).takeUnretainedValue()
                sink.packets.append(Array(UnsafeBufferPointer(start: buffer, count: Int(size))))
                return size
            }
}
