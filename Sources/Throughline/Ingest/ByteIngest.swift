internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols
internal import ThroughlineTransport

/// A demuxer over the bytes of one origin. One-shot: opened, read to its end or its failure, thrown away. Used on one
/// thread.
final class ByteIngest: Ingest {
    let origin: OriginID
    let input: SourceInput
    let demuxer: Demuxer
    let watch: ChangeWatch?
    /// Between frames of raw MPEG audio there may be tags.
    private let hasTags: Bool
    /// How each flow carries its payload, known from its first packet on.
    private var forms: [PayloadForm?]
    /// Errors of the container in a row.
    private var errorsInARow = 0
    /// So many are read over: demuxers find their way again after damaged bytes.
    private static let errorLimit = 64

    /// Connects, and finds the flows.
    ///
    /// - Parameters:
    ///   - expected: the flows as they are known from another ingest; reading then begins somewhere else than at the
    ///     start.
    ///   - watch: gets to see bytes and packets.
    /// - Throws: the reason why the origin cannot be played, as the handoff controller takes it.
    init(
        origin: OriginID, supervisor: any SourceSupervisor, abort: AbortSwitch, isPaced: Bool,
        expected: [FlowFormat] = [], watch: ChangeWatch? = nil
    ) throws(IngestOpenError) {
        self.origin = origin
        self.watch = watch
        let url = redacted(supervisor.origin(origin).url)
        do throws(TransportError) {
            input = try SourceInput(
                origin: origin, supervisor: supervisor, abort: abort, prefetches: !isPaced, watch: watch)
        } catch { throw IngestOpenError(.undelivered(ChangeEvent(error)), isAborted: error.code == .aborted) }
        if input.length == 0 { throw IngestOpenError(.refused(.notMedia, "\(url): the object is empty (0 bytes)")) }
        var options = Demuxer.Options()
        options.seeksAtOnce = !expected.isEmpty
        options.expected = expected
        if !isPaced { options.readSize = 32 * 1024 }
        do throws(MediaError) {
            demuxer = try Demuxer(input: input, options: options)
        } catch {
            if abort.isAborted {
                throw IngestOpenError(.undelivered(ChangeEvent(cause: .other, detail: "")), isAborted: true)
            }
            if let event = input.openingFailure { throw IngestOpenError(.undelivered(event)) }
            let type = input.contentType.map { " (the server calls it \($0))" } ?? ""
            throw IngestOpenError(.refused(.notMedia, "\(url)\(type): \(error)"))
        }
        // Some demuxers open with what had come before the bytes broke off; there is nothing to be read after that.
        if let event = input.openingFailure { throw IngestOpenError(.undelivered(event)) }
        hasTags = demuxer.container == "mp3"
        watch?.recognised(demuxer.container)
        forms = Array(repeating: nil, count: demuxer.flows.count)
    }

    /// The next packet; nil at the end of the bytes or when the input has failed.
    func read() throws(IngestReadError) -> Packet? {
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
                return packet
            } catch {
                errorsInARow += 1
                if errorsInARow > Self.errorLimit { throw .broken(error) }
            }
        }
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

    var flows: [FlowFormat] { demuxer.flows }
    var container: String { demuxer.container }
    var duration: MediaTime? { demuxer.duration }
    let isRealtime = false
    let makesDecodeTimes = false
    let interrupter: (@Sendable () -> Void)? = nil
    func pause() {}
    func mustRejoin(at rate: Rate, bandwidth: Int64?) -> Bool { false }
    var isSeekable: Bool { input.isSeekable }
    /// Where an index leads too far, or there is none, the bytes are read from their start in the end.
    func searchStarts(for position: NPT, overlap: NPT) -> [NPT] {
        [position - .milliseconds(300), position - .seconds(2), .zero]
    }
    /// Objects of a known length begin with the presentation; live ones wherever they begin.
    var timelineAgrees: Bool { input.length != nil }
    var openingFailure: ChangeEvent? { input.openingFailure }
    var pendingOrder: HandoffController.Order? { input.pendingOrder }
    var hasFailed: Bool { demuxer.inputFailed }
    func opened() { input.isOpening = false }
    var canResume: Bool { input.isSeekable }
    func follow(_ order: HandoffController.Order) -> HandoffController.Order? { input.follow(order) }
    var bytesReceived: Int64? { input.byteCount }
    var openingTime: Duration? { input.openingTime }
    func canPrepare(_ origin: Origin) -> Bool { input.canPrepare && !RTSPAddress.isRTSP(origin.url) }
    func prepare(_ origin: OriginID) { input.prepare(origin) }
    var preparation: Result<Void, ByteTrial.Failure>? { input.preparation }
    func letGo() { input.letGo() }
    func keepWarm(_ origin: OriginID) { input.keepWarm(origin) }
    func warmth() throws(ByteTrial.Failure) -> Bool? { try input.warmth() }
    func coolDown() { input.coolDown() }
    func select(_ isWanted: (FlowFormat) -> Bool) { demuxer.select(isWanted) }
    var deliversStill: Bool { !hasFailed && pendingOrder == nil }
    var clockStart: MediaTime? { demuxer.start }
    func seek(to time: NPT, anyPacket: Bool) throws(MediaError) {
        try demuxer.seek(to: time, anyPacket: anyPacket)
        watch?.sought(to: demuxer.byteOffset)
    }
}
