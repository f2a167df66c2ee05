internal import CFFmpeg

/// Takes RTP packets apart: libavformat's `sdp` demuxer, fed with one packet at a time.
///
/// What comes out are the pieces of the payload that was just fed, and nothing waits inside for a parser: of H.264 and
/// HEVC a piece begins with a start code, but for the later fragments of a unit, which are to be appended as they are; of
/// AAC each frame is a piece; the frames of MPEG audio stay together as the packet has them. Key flags and times are
/// those of nobody. Used on one thread.
package final class RTPDepacketizer {
    /// The flows, by media section of the description; nil where libavformat cannot read one, but for data, whose
    /// codec is then `none`. Pictures have no size and
    /// MPEG audio no layer yet: see `FlowFormat.completed`.
    package let flows: [FlowFormat?]
    /// What libavformat reads of a description at most, in bytes.
    package static let descriptionLimit = 16_383

    private let context: UnsafeMutablePointer<AVFormatContext>
    private let io: UnsafeMutablePointer<AVIOContext>
    /// What libavformat's callbacks see; lives as long as the contexts that point to it.
    private let bridge: Bridge
    private let scratch: UnsafeMutablePointer<AVPacket>
    /// Media section by stream index.
    private let flowOfStream: [Int]

    /// Bytes that are handed out once: the whole description bit by bit, or an RTP packet in one go.
    private final class Bridge {
        var bytes: UnsafeRawBufferPointer?
    }

    /// - Parameter description: SDP (RFC 8866) whose media have a payload type of their own each.
    /// - Throws: `MediaError` when the description is too long, or libavformat finds nothing in it.
    package init(description: String) throws(MediaError) {
        FFmpegLibrary.prepare()
        let text = Array(description.utf8)
        guard text.count <= Self.descriptionLimit else {
            throw MediaError(code: tl_averror(EMSGSIZE), operation: "read a session description of \(text.count) bytes")
        }
        let bridge = Bridge()
        self.bridge = bridge
        let io = try Self.context(bridge, isForPackets: true)
        let opened: Result<UnsafeMutablePointer<AVFormatContext>, MediaError> = text.withUnsafeBytes { bytes in
            Result { () throws(MediaError) in try Self.open(bytes) }
        }
        let context: UnsafeMutablePointer<AVFormatContext>
        do throws(MediaError) {
            context = try opened.get()
        } catch {
            Self.free(io)
            throw error
        }
        guard let scratch = av_packet_alloc() else {
            Self.close(context)
            Self.free(io)
            throw MediaError(code: tl_averror(ENOMEM), operation: "allocate a packet")
        }
        context.pointee.pb = io
        self.io = io
        self.context = context
        self.scratch = scratch
        var flows: [FlowFormat?] = []
        var places: [Int] = []
        for index in 0..<Int(context.pointee.nb_streams) {
            // libavformat numbers the media sections, and has no stream for some.
            guard let stream = context.pointee.streams[index], (0..<256).contains(stream.pointee.id) else {
                places.append(-1)
                continue
            }
            let place = Int(stream.pointee.id)
            places.append(place)
            while flows.count <= place { flows.append(nil) }
            // Of data it knows no codec; somebody else may.
            let parameters = stream.pointee.codecpar.pointee
            if parameters.codec_id != AV_CODEC_ID_NONE || parameters.codec_type == AVMEDIA_TYPE_DATA {
                flows[place] = try? FlowFormat(index: place, stream: stream)
            }
        }
        self.flows = flows
        flowOfStream = places
        LiveHandles.made()
    }

    deinit {
        var packet: UnsafeMutablePointer<AVPacket>? = scratch
        av_packet_free(&packet)
        Self.close(context)
        Self.free(io)
        LiveHandles.freed()
    }

    private static func open(
        _ description: UnsafeRawBufferPointer
    ) throws(MediaError) -> UnsafeMutablePointer<AVFormatContext> {
        let bridge = Bridge()
        bridge.bytes = description
        let io = try context(bridge, isForPackets: false)
        defer { free(io) }
        var context = avformat_alloc_context()
        guard context != nil else {
            throw MediaError(code: tl_averror(ENOMEM), operation: "allocate a demuxer")
        }
        context?.pointee.pb = io
        context?.pointee.flags |= AVFMT_FLAG_CUSTOM_IO | AVFMT_FLAG_NOPARSE | AVFMT_FLAG_NOFILLIN
        var options: OpaquePointer?
        av_dict_set(&options, "sdp_flags", "custom_io", 0)
        av_dict_set(&options, "reorder_queue_size", "0", 0)
        // A failed open frees the context, but not the I/O context.
        let result = withExtendedLifetime(bridge) {
            avformat_open_input(&context, "", av_find_input_format("sdp"), &options)
        }
        av_dict_free(&options)
        guard result >= 0, let context else {
            throw MediaError(code: result, operation: "read the session description")
        }
        context.pointee.pb = nil
        return context
    }

    private static func close(_ context: UnsafeMutablePointer<AVFormatContext>) {
        var handle: UnsafeMutablePointer<AVFormatContext>? = context
        context.pointee.pb = nil
        avformat_close_input(&handle)
    }

    /// - Parameter isForPackets: then libavformat reads past the buffer, packet by packet, and writes its receiver
    ///   reports, which go nowhere. It does so only with a context that can be written to.
    private static func context(
        _ bridge: Bridge, isForPackets: Bool
    ) throws(MediaError) -> UnsafeMutablePointer<AVIOContext> {
        let size = 4096
        let buffer = try allocated(av_malloc(size), "allocate a read buffer")
        let io = avio_alloc_context(
            buffer.assumingMemoryBound(to: UInt8.self), Int32(size), isForPackets ? 1 : 0,
            Unmanaged.passUnretained(bridge).toOpaque(), isForPackets ? packetCallback : textCallback,
            isForPackets ? writeCallback : nil, nil)
        guard let io else {
            av_free(buffer)
            throw MediaError(code: tl_averror(ENOMEM), operation: "allocate an I/O context")
        }
        return io
    }

    private static func free(_ io: UnsafeMutablePointer<AVIOContext>) {
        av_freep(&io.pointee.buffer)
        var handle: UnsafeMutablePointer<AVIOContext>? = io
        avio_context_free(&handle)
    }

    /// Takes one packet apart. Packets of each medium are to come in the order of their sequence numbers.
    ///
    /// - Parameters:
    ///   - rtp: a whole RTP packet with the payload type that the description gives to its medium. No RTCP.
    ///   - body: is given each piece; `flow` is the media section.
    /// - Throws: `MediaError` where libavformat gives up on the packet; the next can be fed nevertheless.
    package func feed(
        _ rtp: UnsafeRawBufferPointer, _ body: (consuming Packet) -> Void
    ) throws(MediaError) {
        bridge.bytes = rtp
        // Whatever happens, the bytes are the caller's again.
        defer { bridge.bytes = nil }
        while true {
            let result = av_read_frame(context, scratch)
            // A packet of which nothing came is passed over for the next one, of which there is none.
            if result == tl_averror(EAGAIN) { return }
            try check(result, "take an RTP packet apart")
            defer { av_packet_unref(scratch) }
            let stream = Int(scratch.pointee.stream_index)
            guard stream < flowOfStream.count, flowOfStream[stream] >= 0 else { continue }
            var piece = try Packet()
            av_packet_move_ref(piece.av, scratch)
            piece.flow = flowOfStream[stream]
            body(piece)
        }
    }

    private static let textCallback:
        @convention(c) (UnsafeMutableRawPointer?, UnsafeMutablePointer<UInt8>?, Int32) -> Int32 = {
            opaque, buffer, size in
            guard let opaque, let buffer, size > 0 else { return tl_averror(EINVAL) }
            let bridge = Unmanaged<Bridge>.fromOpaque(opaque).takeUnretainedValue()
            guard let left = bridge.bytes, let base = left.baseAddress, !left.isEmpty else { return tl_averror_eof }
            let count = min(Int(size), left.count)
            UnsafeMutableRawPointer(buffer).copyMemory(from: base, byteCount: count)
            bridge.bytes = UnsafeRawBufferPointer(rebasing: left[count...])
            return Int32(count)
        }

    // One packet for each call; EAGAIN ends a reading without flushing anything.
    private static let packetCallback:
        @convention(c) (UnsafeMutableRawPointer?, UnsafeMutablePointer<UInt8>?, Int32) -> Int32 = {
            opaque, buffer, size in
            guard let opaque, let buffer, size > 0 else { return tl_averror(EINVAL) }
            let bridge = Unmanaged<Bridge>.fromOpaque(opaque).takeUnretainedValue()
            guard let packet = bridge.bytes, let base = packet.baseAddress, !packet.isEmpty,
                packet.count <= Int(size)
            else { return tl_averror(EAGAIN) }
            bridge.bytes = nil
            UnsafeMutableRawPointer(buffer).copyMemory(from: base, byteCount: packet.count)
            return Int32(packet.count)
        }

    private static let writeCallback:
        @convention(c) (UnsafeMutableRawPointer?, UnsafeMutablePointer<UInt8>?, Int32) -> Int32 = { _, _, size in size }
}
