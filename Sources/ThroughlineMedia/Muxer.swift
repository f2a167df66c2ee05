internal import CFFmpeg
package import ThroughlineCore

/// Where a muxer puts its bytes. Called on the thread that writes to the muxer; calls may block.
package protocol ByteOutput: AnyObject {
    /// Takes all of the bytes. False when it cannot, for a reason that the output keeps.
    func write(_ bytes: UnsafeRawBufferPointer) -> Bool
    /// Moves to an absolute byte offset. False where that cannot be done.
    func seek(to offset: Int64) -> Bool
    /// Whether `seek` can succeed.
    var isSeekable: Bool { get }
}

/// libavformat's muxer over our own bytes: packets in, a container out. Used on one thread at a time.
///
/// A flow that the container cannot carry is left out, and named in `leftOut`.
package final class Muxer: @unchecked Sendable {
    // Unchecked: handed from the thread that opens it to the one that writes, never used by two at once.
    /// Flows that this container cannot carry.
    package private(set) var leftOut: [FlowFormat] = []
    /// FFmpeg's name of the container.
    package let container: String

    private let context: UnsafeMutablePointer<AVFormatContext>
    private let io: UnsafeMutablePointer<AVIOContext>
    private let output: any ByteOutput
    /// Stream index by flow index, -1 for flows that are left out.
    private var streamOfFlow: [Int32]
    private var timeBases: [TimeBase]
    private let scratch: UnsafeMutablePointer<AVPacket>
    /// By stream, the last decode time that was written, in the stream's time base.
    private var lastDecode: [Int64]
    private var isFinished = false
    private var offset: Int64 = 0

    /// Opens a container and writes its header.
    ///
    /// - Parameters:
    ///   - format: libavformat's name of the muxer; nil to take it from the extension of `name`.
    ///   - name: file name, for the choice of the format only.
    ///   - flows: the flows, whose indices the packets will carry.
    ///   - start: the time of the packets that is zero in the container.
    ///   - packetSize: for formats that write packets, such as `rtp`: bytes of one at most. Each is a write of its own.
    /// - Throws: `MediaError` when there is no such muxer or it refuses the flows.
    package init(
        format: String?, name: String?, flows: [FlowFormat], start: MediaTime = .zero, packetSize: Int32 = 0,
        output: any ByteOutput
    ) throws(MediaError) {
        FFmpegLibrary.prepare()
        var context: UnsafeMutablePointer<AVFormatContext>?
        try check(
            avformat_alloc_output_context2(&context, nil, format, name),
            "find a muxer \(format.map { "named '\($0)'" } ?? "for '\(name ?? "")'")")
        guard let context else { throw .invalidData }
        self.context = context
        self.output = output
        container = String(cString: context.pointee.oformat.pointee.name)
        streamOfFlow = [Int32](repeating: -1, count: (flows.map(\.index).max() ?? -1) + 1)
        lastDecode = [Int64](repeating: .min, count: streamOfFlow.count)
        timeBases = [TimeBase](repeating: TimeBase(1, 1), count: streamOfFlow.count)
        let ioSize = 64 * 1024
        guard let buffer = av_malloc(ioSize),
            let io = avio_alloc_context(
                buffer.assumingMemoryBound(to: UInt8.self), Int32(ioSize), 1, nil, nil, Muxer.writeCallback,
                output.isSeekable ? Muxer.seekCallback : nil),
            let scratch = av_packet_alloc()
        else {
            avformat_free_context(context)
            throw MediaError(code: tl_averror(ENOMEM), operation: "open a muxer")
        }
        self.io = io
        self.scratch = scratch
        io.pointee.seekable = output.isSeekable ? AVIO_SEEKABLE_NORMAL : 0
        io.pointee.max_packet_size = packetSize
        context.pointee.packet_size = UInt32(max(0, packetSize))
        context.pointee.pb = io
        // `flush` says when: once for each batch, not for each packet.
        context.pointee.flush_packets = 0
        context.pointee.output_ts_offset = -start.nanoseconds / 1000
        LiveHandles.made()
        // Everything is set: from here on a thrown error frees it all in `deinit`.
        for flow in flows {
            if !canCarry(flow) {
                leftOut.append(flow)
                continue
            }
            let stream = try allocated(avformat_new_stream(context, nil), "add a flow")
            try flow.apply(to: stream)
            streamOfFlow[flow.index] = stream.pointee.index
            timeBases[flow.index] = flow.timeBase
        }
        if context.pointee.nb_streams == 0 {
            throw MediaError(code: tl_averror(EINVAL), operation: "put any of the flows into \(container)")
        }
        var options: OpaquePointer?
        if !output.isSeekable, ["mp4", "mov", "ipod", "3gp", "3g2"].contains(container) {
            av_dict_set(&options, "movflags", "frag_keyframe+empty_moov+default_base_moof", 0)
        }
        io.pointee.opaque = Unmanaged.passUnretained(self).toOpaque()
        let result = avformat_write_header(context, &options)
        av_dict_free(&options)
        try check(result, "start \(container)")
    }

    /// Whether there is a muxer of this name, or one for the extension of this file name.
    package static func exists(format: String?, name: String?) -> Bool {
        av_guess_format(format, name, nil) != nil
    }

    /// libavformat's name of the muxer.
    package static func containerName(format: String?, name: String?) -> String? {
        av_guess_format(format, name, nil).map { String(cString: $0.pointee.name) }
    }

    /// Whether what it writes can be read by people, on a terminal.
    package static func writesText(format: String?, name: String?) -> Bool {
        containerName(format: format, name: name).map { textFormats.contains($0) } ?? false
    }

    private static let textFormats: Set<String> = [
        "ass", "crc", "ffmetadata", "framecrc", "framehash", "framemd5", "hash", "jacosub", "lrc", "md5", "microdvd",
        "null", "scc", "srt", "streamhash", "ttml", "uncodedframecrc", "webvtt",
    ]

    private func canCarry(_ flow: FlowFormat) -> Bool {
        // The transport stream muxer takes any subtitle codec as private data that no player reads.
        if container == "mpegts", flow.kind == .subtitle {
            return ["dvb_subtitle", "dvb_teletext"].contains(flow.codecName)
        }
        let codec = AVCodecID(rawValue: flow.codecID)
        return avformat_query_codec(context.pointee.oformat, codec, FF_COMPLIANCE_NORMAL) != 0
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

    /// Writes one packet. Where its decode time is not behind the last one of its flow, as with packets that are closer than
    /// the container's time base can tell, or frames that a decoder hands out in the wrong order, it is put behind it by the
    /// least step: muxers give up otherwise.
    package func write(_ packet: borrowing Packet) throws(MediaError) {
        guard packet.flow < streamOfFlow.count, streamOfFlow[packet.flow] >= 0 else { return }
        try check(av_packet_ref(scratch, packet.av), "reference a packet")
        defer { av_packet_unref(scratch) }
        let base = timeBases[packet.flow]
        let index = streamOfFlow[packet.flow]
        scratch.pointee.stream_index = index
        scratch.pointee.pts = packet.pts?.value(in: base) ?? tl_no_timestamp
        scratch.pointee.dts = packet.dts?.value(in: base) ?? tl_no_timestamp
        scratch.pointee.duration = packet.duration.value(in: base)
        scratch.pointee.pos = -1
        av_packet_rescale_ts(
            scratch, AVRational(num: base.numerator, den: base.denominator),
            context.pointee.streams[Int(index)]!.pointee.time_base)
        keepOrder(of: Int(index))
        try check(av_write_frame(context, scratch), "write to \(container)")
        if io.pointee.error < 0 { throw MediaError(code: io.pointee.error, operation: "write to \(container)") }
    }

    /// The times of the packet in `scratch`.
    private func keepOrder(of stream: Int) {
        guard scratch.pointee.dts != tl_no_timestamp else { return }
        scratch.pointee.dts = max(scratch.pointee.dts, lastDecode[stream] &+ 1)
        lastDecode[stream] = scratch.pointee.dts
        guard scratch.pointee.pts != tl_no_timestamp else { return }
        scratch.pointee.pts = max(scratch.pointee.pts, scratch.pointee.dts)
    }

    /// Writes out what is pending, so that a reader has all that was written so far.
    package func flush() throws(MediaError) {
        avio_flush(io)
        if io.pointee.error < 0 { throw MediaError(code: io.pointee.error, operation: "write to \(container)") }
    }

    /// Writes the end of the container. Once.
    package func finish() throws(MediaError) {
        guard !isFinished else { return }
        isFinished = true
        let result = av_write_trailer(context)
        avio_flush(io)
        try check(result, "finish \(container)")
        if io.pointee.error < 0 { throw MediaError(code: io.pointee.error, operation: "finish \(container)") }
    }

    private static let writeCallback:
        @convention(c) (UnsafeMutableRawPointer?, UnsafeMutablePointer<UInt8>?, Int32) ->
            Int32 = { opaque, buffer, size in
                guard let opaque, let buffer, size >= 0 else { return tl_averror(EINVAL) }
                let muxer = Unmanaged<Muxer>.fromOpaque(opaque).takeUnretainedValue()
                guard muxer.output.write(UnsafeRawBufferPointer(start: buffer, count: Int(size))) else {
                    return tl_averror(EIO)
                }
                muxer.offset += Int64(size)
                return size
            }

    private static let seekCallback: @convention(c) (UnsafeMutableRawPointer?, Int64, Int32) -> Int64 = {
        opaque, offset, whence in
        guard let opaque else { return Int64(tl_averror(EINVAL)) }
        let muxer = Unmanaged<Muxer>.fromOpaque(opaque).takeUnretainedValue()
        let target: Int64
        switch whence & ~AVSEEK_FORCE {
        case SEEK_SET: target = offset
        case SEEK_CUR: target = muxer.offset &+ offset
        default: return Int64(tl_averror(ENOSYS))
        }
        guard target >= 0, muxer.output.seek(to: target) else { return Int64(tl_averror(EIO)) }
        muxer.offset = target
        return target
    }
}
