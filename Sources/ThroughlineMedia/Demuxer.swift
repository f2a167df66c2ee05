internal import CFFmpeg
internal import DequeModule
package import ThroughlineCore

/// libavformat's demuxer over our own bytes: packets out, on one thread.
///
/// Opening ends as soon as every flow is known, which is what makes a start fast: the duration of a container that does
/// not state it is not searched for, and frame rates are not measured. Confined to the thread of its ingest.
package final class Demuxer {
    package struct Options {
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
        /// Reading may go elsewhere soon: get at the index of a fragmented file, too.
        package var indexesFragments = false
        /// Sees the first bytes of a transport stream, and says when they tell enough of its flows: libavformat alone would
        /// wait for more than the first frame of each, and long for a flow that never comes.
        package var gauge: ((UnsafeRawBufferPointer) -> Bool)?
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
    private let bytes: DemuxerInput
    /// Packets that were read to find where the timeline begins, and not handed out yet.
    private var ahead = UniqueDeque<Packet>()
    /// What was read when the input failed.
    private var heldBack: Packet?
    /// Leads to places in MPEG audio, as long as nothing shows that its rate varies; nil for all other media.
    private var byteClock: ByteClock?
    /// When the next packet is heard, where bytes led to it: libavformat does not know.
    private var timeByBytes: MediaTime?
    /// Decode time of the last packet of each flow, in its own units.
    private var lastDecode: [Int64?] = []
    /// Flow index by stream index, nil for streams that are not flows.
    private var flowOfStream: [Int?] = []
    /// Streams of a transport stream that have brought nothing yet: they are flows once they do.
    private var silentStreams: Set<Int> = []
    /// The container is a fragmented file of which libavformat knows the fragments that were read, and no others.
    package let lacksIndex: Bool
    /// A file of fragments.
    package let isFragmented: Bool

    /// Raw audio and streams that libavformat would look at the end of before they begin: for tags that nobody wants, and
    /// for durations.
    private static let streams = ["mpegts", "mpeg", "mp3", "aac", "ac3", "eac3", "loas"]

    /// Opens the container and finds its flows.
    ///
    /// - Throws: `MediaError`; `isNotMedia` where the bytes are not media that libavformat knows.
    package init(input: any ByteInput, options: Options = Options()) throws(MediaError) {
        FFmpegLibrary.prepare()
        let bytes = DemuxerInput(input, probeByteLimit: options.probeByteLimit)
        self.bytes = bytes
        let io = try Demuxer.makeIO(bytes, size: max(4096, options.readSize))
        self.io = io
        var format = options.format.flatMap { av_find_input_format($0) }
        let context: UnsafeMutablePointer<AVFormatContext>
        // Of a fragmented file libavformat would tell the length of the fragments that it has seen so far.
        let isGrowing: Bool
        let isAnalysed: Bool
        do throws(MediaError) {
            if format == nil {
                let probed = av_probe_input_buffer2(io, &format, nil, nil, 0, UInt32(clamping: options.probeByteLimit))
                try check(probed, "recognise the content as media")
            }
            (context, isGrowing, isAnalysed) = try Demuxer.open(format, io, bytes, options)
        } catch {
            Demuxer.free(io)
            throw bytes.isTooLong ? .indexTooFar : error
        }
        self.context = context
        container = String(cString: context.pointee.iformat.pointee.name)
        LiveHandles.made()

        isFragmented = isGrowing
        lacksIndex = isGrowing && context.pointee.flags & AVFMT_FLAG_IGNIDX != 0
        io.pointee.seekable = bytes.isSeekable ? AVIO_SEEKABLE_NORMAL : 0
        bytes.opened()
        if isAnalysed { noteSilentStreams() }
        try adoptStreams()
        if flows.isEmpty { throw MediaError(code: tl_averror_invalid_data, operation: "find a flow in the content") }
        if context.pointee.start_time != tl_no_timestamp {
            start = MediaTime(value: context.pointee.start_time, timeBase: TimeBase(1, AV_TIME_BASE)) ?? .zero
        }
        if let exact = exactStart() { start = exact } else { findStart() }
        let isGuess = context.pointee.duration_estimation_method == AVFMT_DURATION_FROM_BITRATE
        if context.pointee.duration > 0, !isGuess, !isGrowing {
            duration = MediaTime(value: context.pointee.duration, timeBase: TimeBase(1, AV_TIME_BASE))
        }
        if container == "mp3", bytes.isSeekable { startByteClock() }
    }

    /// Reads the first packet, which tells where the sound begins: tags may stand before it.
    private func startByteClock() {
        if ahead.isEmpty, let packet = try? next() { ahead.append(packet) }
        guard flows.count == 1, !ahead.isEmpty,
            let begin = MediaTime(value: ahead[0].av.pointee.pts, timeBase: flows[0].timeBase)
        else { return }
        byteClock = ByteClock(
            first: (ahead[0].bytePosition, begin - start), bitRate: flows[0].bitRate, sampleRate: flows[0].sampleRate,
            frameSize: Int(flows[0].parameters.pointee.frame_size))
    }

    private static func makeIO(_ bytes: DemuxerInput, size: Int) throws(MediaError) -> UnsafeMutablePointer<AVIOContext>
    {
        let opaque = Unmanaged.passUnretained(bytes).toOpaque()
        let buffer = try allocated(av_malloc(size), "allocate a read buffer")
        guard
            let io = avio_alloc_context(
                buffer.assumingMemoryBound(to: UInt8.self), Int32(size), 0, opaque, DemuxerInput.readCallback, nil,
                DemuxerInput.seekCallback)
        else {
            av_free(buffer)
            throw MediaError(code: tl_averror(ENOMEM), operation: "allocate an I/O context")
        }
        io.pointee.seekable = bytes.isSeekable ? AVIO_SEEKABLE_NORMAL : 0
        return io
    }

    /// Reads the header of the container, and what it takes to know the flows.
    ///
    /// - Returns: with it, whether it is a file of fragments, whose header states no duration, and whether packets were read
    ///   to know the flows.
    private static func open(
        _ format: UnsafePointer<AVInputFormat>?, _ io: UnsafeMutablePointer<AVIOContext>, _ bytes: DemuxerInput,
        _ options: Options
    ) throws(MediaError) -> (UnsafeMutablePointer<AVFormatContext>, isGrowing: Bool, isAnalysed: Bool) {
        let begin = avio_seek(io, 0, SEEK_CUR)
        let context = try readHeader(format, io, bytes, options)
        let name = String(cString: context.pointee.iformat.pointee.name)
        let isGrowing = name.hasPrefix("mov") && context.pointee.duration <= 0
        let readsLittle =
            options.seeksAtOnce && !isGrowing && ["mov", "mpegts", "matroska"].contains { name.hasPrefix($0) }
        if readsLittle, fillIn(context, from: options.expected) { return (context, isGrowing, false) }
        if name == "mpegts" { bytes.gauge = options.gauge }
        let found = findFlows(context, io, bytes, options)
        if name.hasPrefix("mov") { findFrameSizes(context) }
        let isCutShort = bytes.isEnough
        bytes.gauge = nil
        if found >= 0, !isCutShort || knowsAll(context) { return (context, isGrowing, true) }
        var handle: UnsafeMutablePointer<AVFormatContext>? = context
        avformat_close_input(&handle)
        guard isCutShort, avio_seek(io, begin, SEEK_SET) >= 0 else {
            throw MediaError(code: found, operation: "find the flows")
        }
        // The first frames do not say what the flows are: that takes as many as libavformat wants.
        var patient = options
        patient.gauge = nil
        return try open(format, io, bytes, patient)
    }

    /// Whether it is known of each flow that has come what it is.
    private static func knowsAll(_ context: UnsafeMutablePointer<AVFormatContext>) -> Bool {
        (0..<Int(context.pointee.nb_streams)).allSatisfy { index in
            context.pointee.streams[index].map { $0.pointee.start_time == tl_no_timestamp || isKnown($0) } ?? true
        }
    }

    private static func isKnown(_ stream: UnsafeMutablePointer<AVStream>) -> Bool {
        guard let parameters = stream.pointee.codecpar else { return true }
        return switch parameters.pointee.codec_type {
        case AVMEDIA_TYPE_AUDIO: parameters.pointee.sample_rate > 0
        case AVMEDIA_TYPE_VIDEO: parameters.pointee.width > 0
        default: true
        }
    }

    private static func readHeader(
        _ format: UnsafePointer<AVInputFormat>?, _ io: UnsafeMutablePointer<AVIOContext>, _ bytes: DemuxerInput,
        _ options: Options
    ) throws(MediaError) -> UnsafeMutablePointer<AVFormatContext> {
        var context = avformat_alloc_context()
        guard context != nil else { throw MediaError(code: tl_averror(ENOMEM), operation: "allocate a demuxer") }
        context!.pointee.pb = io
        context!.pointee.fps_probe_size = 0
        context!.pointee.skip_estimate_duration_from_pts = options.measuresDuration ? 0 : 1
        context!.pointee.probesize = options.probeByteLimit
        context!.pointee.flags |= AVFMT_FLAG_CUSTOM_IO
        var settings: OpaquePointer?
        defer { av_dict_free(&settings) }
        let name = format.map { String(cString: $0.pointee.name) } ?? ""
        if name.hasPrefix("mov") {
            if !bytes.isSeekable, bytes.hasMediaFirst() {
                guard bytes.holdAll() else {
                    avformat_free_context(context)
                    throw .indexTooFar
                }
                io.pointee.seekable = AVIO_SEEKABLE_NORMAL
            }
            // libavformat looks at every fragment of a fragmented file before it hands out the first packet, for an index
            // to seek by. Read from the start there is no need to.
            if !bytes.isSeekable || !(options.seeksAtOnce || options.indexesFragments) {
                context!.pointee.flags |= AVFMT_FLAG_IGNIDX
            }
            // The header says what the flows are: a frame of each need not be waited for.
            context!.pointee.max_ts_probe = 0
        } else if streams.contains(name), !options.measuresDuration {
            io.pointee.seekable = 0
        }
        // Where a transport stream goes on under other PIDs, so do its flows.
        av_dict_set(&settings, "merge_pmt_versions", "1", 0)
        // A failed open frees the context, but neither the I/O context nor its buffer.
        try check(avformat_open_input(&context, nil, format, &settings), "recognise the content as media")
        guard let context else { throw .invalidData }
        // A transport stream has named its flows by now, and others may appear at any time: waiting for those would
        // make every start last as long as the probe is allowed to.
        if context.pointee.nb_streams > 0 { context.pointee.ctx_flags &= ~AVFMTCTX_NOHEADER }
        return context
    }

    /// Has libavformat read packets until it knows the flows. Those of a stream are read again from the start: the first
    /// were given their times before it was known what a frame is.
    private static func findFlows(
        _ context: UnsafeMutablePointer<AVFormatContext>, _ io: UnsafeMutablePointer<AVIOContext>,
        _ bytes: DemuxerInput, _ options: Options
    ) -> Int32 {
        let name = String(cString: context.pointee.iformat.pointee.name)
        let begin = avio_seek(io, 0, SEEK_CUR)
        let found = avformat_find_stream_info(context, nil)
        guard found >= 0, name == "mpegts" || name == "mpeg", !options.measuresDuration else { return found }
        avformat_flush(context)
        let place = avio_seek(io, begin, SEEK_SET)
        return place < 0 ? Int32(clamping: place) : found
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

    /// Streams that a transport stream names, and of which nothing came while the flows were sought.
    private func noteSilentStreams() {
        guard container == "mpegts" else { return }
        for index in 0..<Int(context.pointee.nb_streams) {
            guard let stream = context.pointee.streams[index] else { continue }
            if stream.pointee.start_time == tl_no_timestamp, !Demuxer.isKnown(stream) { silentStreams.insert(index) }
        }
    }

    /// Takes up the streams that libavformat knows and we do not.
    private func adoptStreams() throws(MediaError) {
        while flowOfStream.count < Int(context.pointee.nb_streams) {
            guard let stream = context.pointee.streams[flowOfStream.count] else { break }
            if silentStreams.contains(flowOfStream.count) {
                flowOfStream.append(nil)
            } else if let flow = try FlowFormat(index: flows.count, stream: stream) {
                flowOfStream.append(flows.count)
                flows.append(flow)
            } else {
                flowOfStream.append(nil)
                stream.pointee.discard = AVDISCARD_ALL
            }
        }
    }

    /// Where the presentation starts by what libavformat found of each flow; nil where it looked at none.
    private func exactStart() -> MediaTime? {
        var starts: [(kind: FlowKind, time: MediaTime)] = []
        for index in 0..<Int(context.pointee.nb_streams) {
            guard let stream = context.pointee.streams[index], let flow = flowOfStream[index], !flows[flow].isSparse,
                stream.pointee.start_time != tl_no_timestamp,
                let time = MediaTime(value: stream.pointee.start_time, timeBase: flows[flow].timeBase)
            else { continue }
            starts.append((flows[flow].kind, time))
        }
        return Self.start(of: starts)
    }

    /// Sound that begins no further before the first picture is what an audio encoder puts there.
    private static let priming: MediaTime = .milliseconds(250)

    /// Where a presentation starts: with its first picture, unless sound begins long before.
    ///
    /// Not with the least start of all flows: whether a container counts the priming samples of an audio encoder differs
    /// from one to the next, and the pictures of the same encode stand at the same NPT in all of them.
    private static func start(of flows: [(kind: FlowKind, time: MediaTime)]) -> MediaTime? {
        let least = flows.map(\.time).min()
        guard let least, let picture = flows.filter({ $0.kind == .video }).map(\.time).min() else { return least }
        return picture - least > priming ? least : picture
    }

    /// Tells libavformat what its analysis would have found, so that it can give every packet its times. It takes the
    /// parameters up with the first packet that it reads.
    ///
    /// - Returns: false where it must find out by itself, because of sound about which nothing is known.
    private static func fillIn(
        _ context: UnsafeMutablePointer<AVFormatContext>, from expected: [FlowFormat]
    ) -> Bool {
        var left = expected
        var isKnown = true
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
            else {
                if parameters.pointee.codec_type == AVMEDIA_TYPE_AUDIO, parameters.pointee.sample_rate == 0 {
                    isKnown = false
                }
                continue
            }
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
                // Without the length of a frame those that share a time would have none.
                if known.parameters.pointee.frame_size == 0 { isKnown = false }
                parameters.pointee.sample_rate = known.parameters.pointee.sample_rate
                parameters.pointee.frame_size = known.parameters.pointee.frame_size
                av_channel_layout_copy(&parameters.pointee.ch_layout, &known.parameters.pointee.ch_layout)
            }
        }
        return isKnown
    }

    /// An MP4 file does not say how many samples a frame of sound has, and libavformat asks the decoder only where it reads
    /// frames to know the flows. Its index tells it, too; another container can then be read with what is known here.
    private static func findFrameSizes(_ context: UnsafeMutablePointer<AVFormatContext>) {
        for index in 0..<Int(context.pointee.nb_streams) {
            guard let stream = context.pointee.streams[index], let parameters = stream.pointee.codecpar,
                parameters.pointee.codec_type == AVMEDIA_TYPE_AUDIO, parameters.pointee.frame_size == 0,
                parameters.pointee.sample_rate > 0, av_get_bits_per_sample(parameters.pointee.codec_id) == 0
            else { continue }
            // The first frame may stand alone, further before the others than it lasts.
            let times = (0..<8).compactMap { avformat_index_get_entry(stream, $0)?.pointee.timestamp }
            guard let step = zip(times, times.dropFirst()).map({ $1 - $0 }).filter({ $0 > 0 }).min() else { continue }
            let samples = av_rescale_q(
                step, stream.pointee.time_base, AVRational(num: 1, den: parameters.pointee.sample_rate))
            if (1...65_536).contains(samples) { parameters.pointee.frame_size = Int32(samples) }
        }
    }

    /// Reads until the first picture is seen (the first sample where there are none), to know where the presentation starts.
    /// What was read is handed out later.
    private func findStart() {
        let wanted: FlowKind = flows.contains { $0.kind == .video && !$0.isSparse } ? .video : .audio
        var starts: [(kind: FlowKind, time: MediaTime)] = []
        for _ in 0..<2_000 {
            guard let packet = try? next() else { break }
            let flow = flows[packet.flow]
            let time = MediaTime(value: packet.av.pointee.pts, timeBase: flow.timeBase)
            let isTimed = packet.av.pointee.pts != tl_no_timestamp && !flow.isSparse
            ahead.append(packet)
            guard isTimed, let time else { continue }
            starts.append((flow.kind, time))
            if flow.kind == wanted { break }
        }
        start = Self.start(of: starts) ?? start
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
    ///   be whole, and is for `rest`.
    /// - Throws: `MediaError` when the container is broken.
    package func read() throws(MediaError) -> Packet? {
        while true {
            guard let packet = try ahead.isEmpty ? next() : ahead.removeFirst() else { return nil }
            let flow = packet.flow
            // Those that were read to find the flows are there whether they were wanted or not.
            let stream = context.pointee.streams[Int(packet.av.pointee.stream_index)]!
            if stream.pointee.discard == AVDISCARD_ALL { continue }
            if isStale(packet, of: flow) { continue }
            return timed(packet, of: flow)
        }
    }

    /// The next packet of a flow, without times.
    private func next() throws(MediaError) -> Packet? {
        while true {
            var packet = try Packet()
            let result = av_read_frame(context, packet.av)
            if bytes.failed {
                if result >= 0 { heldBack = consume packet }
                return nil
            }
            if result == tl_averror_eof { return nil }
            if result == tl_averror(EAGAIN) { continue }
            if bytes.isSearching { endSearch() }
            try check(result, "read a packet")
            let index = Int(packet.av.pointee.stream_index)
            if index >= flowOfStream.count { try adoptStreams() }
            if silentStreams.contains(index) { try adopt(index) }
            guard index < flowOfStream.count, let flow = flowOfStream[index] else { continue }
            packet.flow = flow
            return packet
        }
    }

    /// A stream that was silent has brought something.
    private func adopt(_ index: Int) throws(MediaError) {
        silentStreams.remove(index)
        guard index < flowOfStream.count, let stream = context.pointee.streams[index],
            let flow = try FlowFormat(index: flows.count, stream: stream)
        else { return }
        flowOfStream[index] = flows.count
        flows.append(flow)
    }

    /// What is left in the demuxer after its input has failed, for when nobody goes on with it. The last packet of a flow may
    /// be cut off; those that are known to be so are marked.
    package func rest() -> Packet? {
        guard bytes.failed else { return nil }
        while true {
            let next: Packet
            if let held = heldBack.take() {
                next = held
            } else {
                guard let packet = try? Packet(), av_read_frame(context, packet.av) >= 0 else { return nil }
                next = packet
            }
            let index = Int(next.av.pointee.stream_index)
            guard index < flowOfStream.count, let flow = flowOfStream[index],
                context.pointee.streams[index]!.pointee.discard != AVDISCARD_ALL
            else { continue }
            return timed(next, of: flow)
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
        if let time = timeByBytes {
            (packet.pts, packet.dts) = (time, time)
            packet.duration = flows[flow].frameLength ?? .zero
            timeByBytes = time + packet.duration
        }
        return packet
    }

    /// All bytes were read: what comes now is what the demuxer still holds.
    package var isDrained: Bool { io.pointee.eof_reached != 0 && io.pointee.buf_ptr >= io.pointee.buf_end }

    /// The end of the bytes was met since the last seek: what comes now may be cut off.
    package var hasMetEnd: Bool { bytes.hasMetEnd }

    /// What the container calls the stream of a flow: in a transport stream its PID.
    package func streamID(of flow: Int) -> Int? {
        flowOfStream.firstIndex(of: flow).map { Int(context.pointee.streams[$0]!.pointee.id) }
    }

    /// Where a transport stream went on under other PIDs, libavformat keeps the last unit of each former one until the end.
    /// By then its place has long been passed.
    private func isStale(_ packet: borrowing Packet, of flow: Int) -> Bool {
        let time = packet.av.pointee.dts
        guard container == "mpegts", time != tl_no_timestamp else { return false }
        while lastDecode.count <= flow { lastDecode.append(nil) }
        let base = flows[flow].timeBase
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
        ahead = UniqueDeque()
        bytes.hasMetEnd = false
        timeByBytes = nil
        context.pointee.flags &= ~AVFMT_FLAG_NOFILLIN
        beginSearch()
        if try seekByBytes(to: npt) { return }
        let flags = AVSEEK_FLAG_BACKWARD | (anyPacket ? AVSEEK_FLAG_ANY : 0)
        func go(to place: MediaTime) -> Int32 {
            av_seek_frame(context, -1, (place + start).value(in: TimeBase(1, AV_TIME_BASE)), flags)
        }
        // In a transport stream the first place with a decode time that libavformat finds lies behind the first pictures.
        if npt <= .zero, container == "mpegts", av_seek_frame(context, -1, 0, AVSEEK_FLAG_BYTE) >= 0 { return }
        // libavformat seeks by decode times, which run ahead of the pictures: the first lie before zero. Formats without
        // an index want a place that exists.
        if npt <= .zero, go(to: .zero - .seconds(10)) >= 0 { return }
        try check(go(to: npt - (anyPacket ? .zero : decodeLead)), "seek to \(npt)")
    }

    /// Sound that has no index: seeks go to the input, which keeps what libavformat looks at. It would read through what lies
    /// ahead itself, which at the pace of a live origin can take longer than what is sought is to be played.
    private func beginSearch() {
        guard bytes.isSeekable, container == "mp3" else { return }
        bytes.searchBegins()
        io.pointee.direct = 1
    }

    private func endSearch() {
        bytes.searchEnds()
        io.pointee.direct = 0
    }

    /// Goes to a place by its bytes, where that is proven to lead there.
    private func seekByBytes(to npt: NPT) throws(MediaError) -> Bool {
        guard let clock = byteClock, let position = clock.position(before: npt),
            av_seek_frame(context, -1, position, AVSEEK_FLAG_BYTE) >= 0
        else { return false }
        // libavformat would count the times from here, and remember these places by them.
        context.pointee.flags |= AVFMT_FLAG_NOFILLIN
        // The first packet is the frame before with what was read in front of it.
        var begin: MediaTime?
        for _ in 0..<2 where begin == nil {
            guard let packet = try next() else { break }
            begin = clock.time(at: packet.bytePosition)
            if begin != nil { ahead.append(packet) }
        }
        while begin != nil, ahead.count < 4, let packet = try next() {
            if clock.time(at: packet.bytePosition) == nil { begin = nil }
            ahead.append(packet)
        }
        if let begin, begin <= npt {
            timeByBytes = begin
            return true
        }
        byteClock = nil
        context.pointee.flags &= ~AVFMT_FLAG_NOFILLIN
        ahead = UniqueDeque()
        bytes.hasMetEnd = false
        beginSearch()
        return false
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

    /// The NPT at which a flow ends, where the container tells that of the flow itself: in its index, or its tags, or by what
    /// was measured.
    package func statedEnd(of flow: Int) -> NPT? {
        guard let index = flowOfStream.firstIndex(of: flow), let stream = context.pointee.streams[index] else {
            return nil
        }
        let base = flows[flow].timeBase
        // Matroska: by whoever wrote it, counted from the start of the segment.
        if let text = av_dict_get(stream.pointee.metadata, "DURATION", nil, 0) {
            return MediaTime(clock: String(cString: text.pointee.value)).map { $0 - start }
        }
        let tells = container.hasPrefix("mov") || container == "mpegts"
        guard tells, stream.pointee.duration > 0, duration != nil else { return nil }
        let first = stream.pointee.start_time == tl_no_timestamp ? 0 : stream.pointee.start_time
        return MediaTime(value: first + stream.pointee.duration, timeBase: base).map { $0 - start }
    }

    /// Whether the container itself says how long it is; a transport stream does not, though it can be measured.
    package var statesDuration: Bool { duration != nil && container != "mpegts" }

    /// The NPT at which the presentation ends, where that is stated or was measured.
    package var statedEnd: NPT? {
        guard let duration else { return nil }
        let first =
            context.pointee.start_time == tl_no_timestamp
            ? .zero : MediaTime(value: context.pointee.start_time, timeBase: TimeBase(1, AV_TIME_BASE)) ?? .zero
        return first + duration - start
    }

    /// The byte of the container that is taken apart next.
    package var byteOffset: Int64 { avio_seek(io, 0, SEEK_CUR) }

    /// Somebody else reads from the input: it is not where it was.
    package func inputMoves() { bytes.inputMoves() }

    /// True once the input has reported a failure.
    package var inputFailed: Bool { bytes.failed }

    /// Whether `seek` can lead anywhere.
    package var isSeekable: Bool { bytes.isSeekable }
}

extension MediaTime {
    /// `00:00:20.021000000`, as Matroska's tags have it.
    fileprivate init?(clock text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        let seconds = (parts.last ?? "").split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 3, let hours = Int64(parts[0]), let minutes = Int64(parts[1]),
            let whole = Int64(seconds[0]),
            (0..<1000).contains(hours), (0..<60).contains(minutes), (0..<60).contains(whole)
        else { return nil }
        let fraction = seconds.count > 1 ? seconds[1].prefix(9) : ""
        guard let nanoseconds = Int64(fraction + String(repeating: "0", count: 9 - fraction.count)) else { return nil }
        self = MediaTime(.seconds(hours * 3600 + minutes * 60 + whole) + .nanoseconds(nanoseconds))
    }
}
