internal import DequeModule
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols
internal import ThroughlineTransport

/// A demuxer over the bytes of one origin. One-shot: opened, read to its end or its failure, thrown away. Used on one
/// thread.
final class ByteIngest: Ingest, ByteResumable {
    let input: SourceInput
    private(set) var demuxer: Demuxer
    let watch: ChangeWatch?
    /// Between frames of raw MPEG audio there may be tags.
    private let hasTags: Bool
    /// Packets that were read to find where to begin.
    private var staged = UniqueDeque<Packet>()
    /// Where reading began after a seek, and the flow whose key frame that is; of the others nothing before it is wanted.
    private var beginning: (time: NPT, flow: Int)?
    /// Of the last packet that was read.
    private var lastRead: NPT?
    /// The last packets of flows that may be cut off, since the bytes ended there: kept until nobody goes on with them.
    private var tail = UniqueDeque<Packet>()
    /// Flows that are not wanted.
    private var unwanted: Set<Int> = []
    /// How long reading up to a place may take where nothing else leads there.
    private static let patience: Duration = .seconds(30)
    /// Bytes that are kept at most while the place is sought.
    private static let stagedByteLimit = 96 << 20
    /// How each flow carries its payload, known from its first packet on.
    private var forms: [PayloadForm?]
    /// Errors of the container in a row.
    private var errorsInARow = 0
    /// So many are read over: demuxers find their way again after damaged bytes.
    private static let errorLimit = 64

    /// Connects, and finds the flows.
    ///
    /// - Throws: the reason why the origin cannot be played, as the handoff controller takes it.
    init(
        _ request: IngestRequest, supervisor: any SourceSupervisor, abort: AbortSwitch
    ) throws(IngestOpenError) {
        watch = request.watch
        (input, demuxer) = try Self.open(request, supervisor, abort)
        input.isEndUnknown = !demuxer.statesDuration
        hasTags = demuxer.container == "mp3"
        watch?.recognised(demuxer.container)
        forms = Array(repeating: nil, count: demuxer.flows.count)
    }

    /// - Parameter mayMove: the bytes are read in another order than they stand in, where the container wants it.
    private static func open(
        _ request: IngestRequest, _ supervisor: any SourceSupervisor, _ abort: AbortSwitch, mayMove: Bool = true
    ) throws(IngestOpenError) -> (SourceInput, Demuxer) {
        let url = redacted(supervisor.origin(request.origin).url)
        let input: SourceInput
        do throws(TransportError) {
            input = try SourceInput(
                origin: request.origin, supervisor: supervisor, abort: abort, prefetches: !request.isPaced,
                watch: request.watch, mayMove: mayMove)
        } catch { throw IngestOpenError(.undelivered(ChangeEvent(error)), isAborted: error.code == .aborted) }
        if input.length == 0 { throw IngestOpenError(.refused(.notMedia, "\(url): the object is empty (0 bytes)")) }
        var options = Demuxer.Options()
        options.seeksAtOnce = !request.expected.isEmpty
        options.expected = request.expected
        options.indexesFragments = request.beginsElsewhere
        var transport = TransportStart()
        options.gauge = { transport.feed($0, at: .now) }
        if !request.isPaced { options.readSize = 32 * 1024 }
        var demuxer: Demuxer?
        var problem: MediaError?
        do throws(MediaError) { demuxer = try Demuxer(input: input, options: options) } catch { problem = error }
        if abort.isAborted {
            throw IngestOpenError(.undelivered(ChangeEvent(cause: .other, detail: "")), isAborted: true)
        }
        // Some demuxers open with what had come before the bytes broke off; there is nothing to be read after that.
        if let event = input.openingFailure {
            // A server that promises ranges and answers one with the whole object can still be read from start to end.
            guard mayMove, event.cause == .rangeNotHonoured else { throw IngestOpenError(.undelivered(event)) }
            return try open(request, supervisor, abort, mayMove: false)
        }
        if let demuxer { return (input, demuxer) }
        if problem == .indexTooFar {
            throw IngestOpenError(
                .refused(
                    .contentRefused,
                    "\(url): its index lies behind the media, the server serves no ranges, and it is longer than "
                        + "the 64 MiB that can be kept; put the index first (ffmpeg -movflags +faststart), or "
                        + "serve ranges"))
        }
        let type = input.contentType.map { " (the server calls it \($0))" } ?? ""
        throw IngestOpenError(.refused(.notMedia, "\(url)\(type): \(problem ?? .invalidData)"))
    }

    /// The next packet; nil at the end of the bytes or when the input has failed.
    func read() throws(IngestReadError) -> Packet? {
        while true {
            guard let packet = try staged.isEmpty ? readOn() : staged.removeFirst() else { return nil }
            lastRead = packet.due ?? lastRead
            if belongs(packet) { return packet }
        }
    }

    /// Whether a packet is wanted, going by where reading began.
    private func belongs(_ packet: borrowing Packet) -> Bool {
        guard let beginning, packet.flow < demuxer.flows.count, let time = packet.pts ?? packet.dts else { return true }
        if let due = packet.due, due > beginning.time + .seconds(10) { self.beginning = nil }
        // Leading pictures refer to what comes before the key frame.
        return packet.flow == beginning.flow
            ? time >= beginning.time : time + max(packet.duration, MediaTime(flicks: 1)) > beginning.time
    }

    private func readOn() throws(IngestReadError) -> Packet? {
        while true {
            do throws(MediaError) {
                guard var packet = try demuxer.read() else { return nil }
                if hasTags { try dropTags(of: &packet) }
                errorsInARow = 0
                while forms.count < demuxer.flows.count { forms.append(nil) }
                if forms[packet.flow] == nil {
                    forms[packet.flow] = demuxer.flows[packet.flow].payloadForm(firstPacket: packet)
                }
                if let watch, let form = forms[packet.flow] { watch.look(at: packet, form: form) }
                guard demuxer.hasMetEnd || reachesEnd(packet) else { return packet }
                if !mayBeCutOff(&packet) { return packet }
                if let whole = keepTail(packet) { return whole }
            } catch {
                errorsInARow += 1
                if errorsInARow > Self.errorLimit { throw .broken(error) }
            }
        }
    }

    /// Whether a packet stands last among the bytes; libavformat may read none behind it.
    private func reachesEnd(_ packet: borrowing Packet) -> Bool {
        guard let length = input.length, packet.bytePosition >= 0 else { return false }
        return packet.bytePosition + Int64(packet.byteCount) >= length
    }

    /// Whether a packet that came once the end of the bytes was met may be cut off; where that is known it is marked.
    private func mayBeCutOff(_ packet: inout Packet) -> Bool {
        if isCutOff(packet) {
            packet.markCorrupt(true)
        } else if demuxer.isDrained, forms[packet.flow] == .adts {
            // What carried several frames is broken; those before the last are not.
            packet.markCorrupt(false)
        }
        // A transport stream tells where a picture ends only by the next one.
        let isLast = demuxer.container == "mpegts" && demuxer.isDrained && demuxer.flows[packet.flow].kind == .video
        return packet.isCorrupt || isLast
    }

    /// Keeps the last packet of its flow.
    ///
    /// - Returns: the one of the flow before it, which is whole.
    private func keepTail(_ packet: consuming Packet) -> Packet? {
        let flow = packet.flow
        tail.append(packet)
        for _ in 1..<tail.count {
            let next = tail.removeFirst()
            if next.flow == flow { return next }
            tail.append(next)
        }
        return nil
    }

    /// Whether a packet is shorter than it says itself: libavformat does not always tell.
    private func isCutOff(_ packet: borrowing Packet) -> Bool {
        let form = form(of: packet.flow)
        return packet.withPayload { payload in
            switch form {
            case .lengthPrefixed, .adts: !payload.isEmpty && Fingerprint.of(payload: payload, form: form) == nil
            case .annexB, .rawAAC: false
            case .opaque: hasTags && MPEGAudioHeader(payload).map { $0.frameLength > payload.count } ?? false
            }
        }
    }

    func rest() -> Packet? {
        if !tail.isEmpty {
            var packet = tail.removeFirst()
            let cut = demuxer.container == "mpegts" ? input.endInTransportPacket : nil
            if let cut, cut.pid == nil || cut.pid == demuxer.streamID(of: packet.flow) { packet.markCorrupt(true) }
            return packet
        }
        guard var packet = demuxer.rest() else { return nil }
        while forms.count < demuxer.flows.count { forms.append(nil) }
        if forms[packet.flow] == nil {
            forms[packet.flow] = demuxer.flows[packet.flow].payloadForm(firstPacket: packet)
        }
        if isCutOff(packet) { packet.markCorrupt(true) }
        return packet
    }

    /// Takes the ID3 tags off the front of a frame of MPEG audio: libavformat leaves them there, and no decoder takes both.
    private func dropTags(of packet: inout Packet) throws(MediaError) {
        let rest: [UInt8]? = packet.withPayload { payload in
            var start = 0
            while let header = ID3Tag.Header(UnsafeRawBufferPointer(rebasing: payload[start...])),
                header.tagSize < payload.count - start
            { start += header.tagSize }
            return start > 0 ? Array(payload[start...]) : nil
        }
        guard let rest else { return }
        let result: Result<Void, MediaError> = rest.withUnsafeBytes { bytes in
            Result { () throws(MediaError) in try packet.replacePayload(with: bytes) }
        }
        try result.get()
    }

    /// How a flow carries its payload, once a packet of it was read.
    func form(of flow: Int) -> PayloadForm { forms[flow] ?? .opaque }

    /// Whose bytes it reads: another's after it has gone on with them.
    var origin: OriginID { input.originID }
    var flows: [FlowFormat] { demuxer.flows }
    var resumable: (any ByteResumable)? { self }
    var traits: IngestTraits {
        IngestTraits(
            container: demuxer.container, isSeekable: demuxer.isSeekable, readsUpToPlaces: true,
            openingTime: input.openingTime)
    }
    var condition: IngestCondition {
        IngestCondition(
            openingFailure: input.openingFailure, hasFailed: demuxer.inputFailed,
            deliversStill: !demuxer.inputFailed && !input.isBroken)
    }
    var duration: MediaTime? { demuxer.duration }
    var statedEnd: NPT? { demuxer.statedEnd }
    func statedEnd(of flow: Int) -> NPT? { demuxer.statedEnd(of: flow) }
    func compareEnds() -> EndInquiry.Verdict? { input.compareEnds() }
    /// Where an index leads too far, or there is none, the bytes are read from their start in the end.
    func searchStarts(for position: MediaTime, overlap: MediaTime) -> [MediaTime] {
        [position - .milliseconds(300), position - .seconds(2), .zero]
    }
    /// Objects that can be read from anywhere, or have a known length, begin with the presentation; live ones wherever they
    /// begin.
    var timeline: Timeline {
        Timeline(input.length != nil || input.isSeekable ? .fromStart : .live, anchor: demuxer.start)
    }
    func opened() {
        input.isOpening = false
    }
    var canResume: Bool { input.isSeekable }
    func follow(_ answer: SourceAnswer) -> Bool { input.follow(answer) }
    var bytesReceived: Int64? { input.byteCount }
    var canPrepare: Bool { input.canPrepare }
    func carryOut(_ preparations: [SourcePreparation]) { input.carryOut(preparations) }
    func keepWarm(_ origin: OriginID) { input.keepWarm(origin) }
    func warmth() throws(ByteTrial.Failure) -> Bool? { try input.warmth() }
    func coolDown() { input.coolDown() }
    func select(_ isWanted: (FlowFormat) -> Bool) {
        unwanted = Set(demuxer.flows.filter { !isWanted($0) }.map(\.index))
        demuxer.select(isWanted)
    }

    // MARK: - Seeking

    func seek(to time: NPT, anyPacket: Bool) throws(MediaError) {
        forgetPlace()
        guard demuxer.isSeekable else {
            guard lastRead.map({ $0 <= time }) ?? true else { throw .cannotGoBack }
            guard time > .zero else { return }
            _ = try findPlace(time, takesFirst: false, isLast: true, deadline: .now + Self.patience)
            return
        }
        if demuxer.lacksIndex, time > .zero { try openWithIndex() }
        guard !anyPacket, time > .zero else { return try go(to: time, anyPacket: anyPacket) }
        // libavformat finds some place in a transport stream, and the key frame where there is an index of them. From
        // further and further back a key frame is met before the place in the end.
        let isIndexed = demuxer.container != "mpegts" && !demuxer.isFragmented
        for distance: Int64 in isIndexed ? [0, 2, 5, 11, 30] : [2, 5, 11, 30] {
            let place = max(.zero, time - .seconds(distance))
            try go(to: place, anyPacket: false)
            if try findPlace(time, takesFirst: isIndexed && distance == 0, isLast: place == .zero) { return }
            forgetPlace()
        }
        try go(to: .zero, anyPacket: false)
        _ = try findPlace(time, takesFirst: false, isLast: true)
    }

    private func go(to time: NPT, anyPacket: Bool) throws(MediaError) {
        try demuxer.seek(to: time, anyPacket: anyPacket)
        watch?.sought(to: demuxer.byteOffset)
    }

    private func forgetPlace() {
        staged = UniqueDeque()
        tail = UniqueDeque()
        beginning = nil
    }

    /// A fragmented file was opened to be read from its start: somewhere else leads only what knows its fragments.
    private func openWithIndex() throws(MediaError) {
        demuxer.inputMoves()
        guard input.seek(to: 0) else { throw .cannotGoBack }
        var options = Demuxer.Options()
        options.indexesFragments = true
        let indexed = try Demuxer(input: input, options: options)
        guard indexed.flows.count >= demuxer.flows.count else { throw .invalidData }
        indexed.select { !unwanted.contains($0.index) }
        demuxer = indexed
    }

    /// Reads until it is known where to begin so as to show a place, and stages what is read from there on.
    ///
    /// - Parameters:
    ///   - isLast: there is nowhere earlier to read from.
    ///   - deadline: when to be there at the latest.
    /// - Returns: false where what is read begins too late.
    private func findPlace(
        _ time: NPT, takesFirst: Bool, isLast: Bool, deadline: Instant? = nil
    ) throws(MediaError) -> Bool {
        let wanted = demuxer.flows.filter { !unwanted.contains($0.index) && !$0.isSparse }
        guard let leader = wanted.first(where: { $0.kind == .video }) ?? wanted.first else { return true }
        var search = KeyFrameStart(target: time, takesFirst: takesFirst)
        var finding = KeyFrameStart.Finding.searching
        var byteCount = 0
        while finding == .searching {
            let packet: Packet?
            do throws(IngestReadError) { packet = try readOn() } catch { throw .invalidData }
            guard let packet else {
                if demuxer.inputFailed { throw .invalidData }
                finding = search.ended
                break
            }
            let isLeader = packet.flow == leader.index
            let isKey = packet.isKey || leader.kind != .video
            let former = search.best?.index
            finding = search.arrived(
                .init(isPicture: isLeader, isKey: isKey, pts: packet.pts, dts: packet.dts))
            if let best = search.best, best.index != former {
                prune(before: best.time, leader.index)
                byteCount = 0
            }
            byteCount += packet.byteCount
            lastRead = packet.due ?? lastRead
            staged.append(packet)
            if let deadline, Instant.now > deadline { throw .takesTooLong }
            if byteCount > Self.stagedByteLimit { finding = search.ended }
        }
        if let best = search.best { beginning = (best.time, leader.index) }
        return search.best != nil || isLast
    }

    /// Drops what was staged and does not belong to what begins with a key frame at a time.
    private func prune(before time: NPT, _ leader: Int) {
        var kept = UniqueDeque<Packet>()
        while !staged.isEmpty {
            let packet = staged.removeFirst()
            guard packet.flow != leader, let begin = packet.pts ?? packet.dts,
                begin + max(packet.duration, MediaTime(flicks: 1)) > time
            else { continue }
            kept.append(packet)
        }
        staged = kept
    }
}
