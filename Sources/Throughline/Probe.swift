internal import DequeModule
public import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols
internal import ThroughlineTransport

/// Finds out what origins hold, and how exactly a stream from the first could go on from each of the others.
///
/// Nothing is inferred from names or types: bytes are compared with bytes, packets with packets, pictures with pictures,
/// by the same code that a handoff uses.
public final class Probe: Sendable {
    /// What one origin holds.
    public struct OriginFinding: Sendable {
        /// Without credentials.
        public let url: String
        /// Why it cannot be played; everything below is empty then.
        public let error: StreamError?
        /// From the request to the known flows.
        public let opening: Duration
        public let container: String?
        /// As the container states it, or as measured at its end.
        public let duration: MediaTime?
        public let byteCount: Int64?
        /// What the server says it is.
        public let contentType: String?
        /// How an RTSP origin carries the media, of the ways that were allowed: `udp` or `tcp`.
        public let transport: String?
        /// Reading can begin anywhere: over HTTP, the server honours ranges; over RTSP, it played from the middle when it
        /// was asked to.
        public let isSeekable: Bool
        public let flows: [FlowDescription]
    }

    /// How a stream from the first origin could go on from another.
    public struct SpliceFinding: Sendable {
        /// Index of the other origin.
        public let origin: Int
        /// Nil when it cannot.
        public let grade: SpliceGrade?
        /// What was compared, or why it cannot.
        public let evidence: String
        /// What keeps the splice from a higher grade.
        public let obstacle: String?
        /// Where in the presentation the join was tried; nil for byte-exact.
        public let npt: NPT?
        public let warnings: [String]
        /// Flow by flow; empty for byte-exact.
        public let flows: [FlowSplice]
    }

    public struct Findings: Sendable {
        /// In the order in which they were given.
        public let origins: [OriginFinding]
        /// One for each origin but the first.
        public let splices: [SpliceFinding]
        public let elapsed: Duration
    }

    /// Bytes that are compared at each place.
    static let windowLength = 64 * 1024
    /// Media that is read of the first origin to join the others to, and bytes at the most.
    static let span: MediaTime = .seconds(10)
    static let spanByteLimit = 48 << 20
    /// The same where an origin delivers in real time, and so every second costs one.
    static let realtimeSpan: MediaTime = .seconds(4)
    /// Packets that may come from elsewhere after a seek: datagrams that were on their way, pictures without a time.
    static let packetsAfterSeek = 64

    private let origins: [Origin]
    private let bound: Duration
    private let rtspTransport: RTSPTransportChoice
    private let abort = AbortSwitch()

    /// - Parameters:
    ///   - origins: at least one.
    ///   - bound: how long an origin may be silent.
    ///   - rtspTransport: how RTSP origins are to carry the media.
    /// - Throws: `StreamError.Code.usage`.
    public init(
        _ origins: [Origin], bound: Duration = .seconds(5), rtspTransport: RTSPTransportChoice = .auto
    ) throws(StreamError) {
        try Configuration(origins: origins).validate()
        self.origins = origins
        self.bound = bound
        self.rtspTransport = rtspTransport
    }

    /// Ends `run` soon.
    public func stop() { abort.abort() }

    /// Asks the origins, one after the other, on a thread of its own.
    public func run() async -> Findings {
        await withTaskCancellationHandler {
            await WorkerThread.run(name: "tl-probe") { [self] in find() }
        } onCancel: {
            abort.abort()
        }
    }

    private func find() -> Findings {
        let began = Instant.now
        let found = origins.map { describe($0) }
        var splices: [SpliceFinding] = []
        for index in origins.indices.dropFirst() { splices.append(splice(to: index, found)) }
        return Findings(origins: found, splices: splices, elapsed: Instant.now - began)
    }

    // MARK: - One origin

    private func describe(_ origin: Origin) -> OriginFinding {
        let began = Instant.now
        do throws(StreamError) {
            if origin.kind == .rtsp { return try describeSession(origin, began: began) }
            let ingest = try ByteIngest.forProbing(origin, bound: bound, abort: abort)
            let opening = Instant.now - began
            var duration = ingest.demuxer.duration
            if duration == nil, ingest.input.isSeekable { duration = try measure(origin) }
            return OriginFinding(
                url: redacted(origin.url), error: nil, opening: opening, container: ingest.demuxer.container,
                duration: duration, byteCount: ingest.input.length, contentType: ingest.input.contentType,
                transport: nil, isSeekable: ingest.input.isSeekable, flows: ingest.demuxer.flows.map(\.flowDescription))
        } catch {
            return OriginFinding(
                url: redacted(origin.url), error: error, opening: Instant.now - began, container: nil, duration: nil,
                byteCount: nil, contentType: nil, transport: nil, isSeekable: false, flows: [])
        }
    }

    /// Opens an RTSP session, and has it play from the middle, to see whether it does.
    private func describeSession(_ origin: Origin, began: Instant) throws(StreamError) -> OriginFinding {
        let ingest = try RTSPIngest.forProbing(
            origin, bound: bound, abort: abort, transport: rtspTransport, start: .zero, isExact: false)
        let opening = Instant.now - began
        // Read at once: the answer to PLAY can say how long the presentation is, and a later one no longer.
        let (duration, flows) = (ingest.duration, ingest.flows.map(\.flowDescription))
        var isSeekable = false
        if let duration, duration > .zero {
            let middle = MediaTime(flicks: duration.flicks / 2)
            var left = (try? ingest.seek(to: middle, anyPacket: false)) == nil ? 0 : Self.packetsAfterSeek
            while !isSeekable, left > 0, let packet = try? ingest.read() {
                // What takes no notice of `Range` begins at the start again.
                isSeekable = (packet.pts ?? packet.dts).map { $0 >= MediaTime(flicks: middle.flicks / 2) } ?? false
                left -= 1
            }
        }
        return OriginFinding(
            url: redacted(origin.url), error: nil, opening: opening, container: ingest.container, duration: duration,
            byteCount: nil, contentType: nil, transport: ingest.usesUDP ? "udp" : "tcp", isSeekable: isSeekable,
            flows: flows)
    }

    /// The duration of a container that does not state it, from the timestamps at its end.
    private func measure(_ origin: Origin) throws(StreamError) -> MediaTime? {
        var options = Demuxer.Options()
        options.measuresDuration = true
        do throws(TransportError) {
            let input = try SourceInput(
                origin: OriginID(0), supervisor: ProbeSupervisor([origin], bound: bound), abort: abort)
            return (try? Demuxer(input: input, options: options))?.duration
        } catch { throw StreamError(code: .noOriginUsable, message: error.message) }
    }

    // MARK: - Two origins

    private func splice(to other: Int, _ found: [OriginFinding]) -> SpliceFinding {
        func none(_ reason: String, obstacle: String? = nil, at npt: NPT? = nil) -> SpliceFinding {
            SpliceFinding(
                origin: other, grade: nil, evidence: reason, obstacle: obstacle, npt: npt, warnings: [], flows: [])
        }
        if let error = found[0].error { return none("the first origin cannot be played: \(error.message)") }
        if let error = found[other].error { return none(error.message) }
        for (index, origin) in [(0, origins[0]), (other, origins[other])]
        where origin.kind.isRealtime && found[index].duration == nil {
            return none("\(found[index].url) states no end, and live streams are not compared yet")
        }
        let obstacle: String
        do throws(Difference) {
            let evidence = try compareBytes(other, found)
            return SpliceFinding(
                origin: other, grade: .byteExact, evidence: evidence, obstacle: nil, npt: nil, warnings: [], flows: [])
        } catch { obstacle = "not the same bytes: \(error.reason)" }

        let duration = found[0].duration
        let middle = MediaTime(flicks: (duration?.flicks ?? 0) / 2)
        let span = isRealtime(0) ? Self.realtimeSpan : Self.span
        let start = max(.zero, middle - MediaTime(flicks: span.flicks / 2))
        do throws(StreamError) {
            return try join(other, from: start, until: start + span, found, obstacle: obstacle)
        } catch { return none(error.message, obstacle: obstacle) }
    }

    /// Whether an origin delivers no faster than the media is played.
    private func isRealtime(_ index: Int) -> Bool { origins[index].kind.isRealtime }

    private struct Difference: Error { let reason: String }

    /// Reads the same places of both objects: start, middle and end.
    private func compareBytes(_ other: Int, _ found: [OriginFinding]) throws(Difference) -> String {
        for index in [0, other] where isRealtime(index) {
            throw Difference(reason: "\(found[index].url) delivers packets")
        }
        for finding in [found[0], found[other]] where !finding.isSeekable {
            throw Difference(reason: "\(finding.url) does not serve ranges")
        }
        guard let length = found[0].byteCount, length == found[other].byteCount else {
            throw Difference(
                reason: "lengths are \(found[0].byteCount ?? 0) and \(found[other].byteCount ?? 0) bytes")
        }
        let window = Int64(Self.windowLength)
        var compared = 0
        var next: Int64 = 0
        do throws(TransportError) {
            let (a, b) = (
                try makeSource(for: origins[0], abort: abort), try makeSource(for: origins[other], abort: abort)
            )
            defer {
                a.close()
                b.close()
            }
            for place in [0, length / 2 - window / 2, length - window] {
                let start = max(next, min(max(0, place), length))
                let end = min(length, max(0, place) + window)
                guard end > start else { continue }
                let (ours, theirs) = (try read(a, start..<end), try read(b, start..<end))
                if let at = zip(ours, theirs).enumerated().first(where: { $0.element.0 != $0.element.1 })?.offset {
                    throw TransportError(.rangeNotHonoured, "byte \(start + Int64(at)) differs")
                }
                compared += ours.count
                next = end
            }
        } catch { throw Difference(reason: error.message) }
        return Int64(compared) == length
            ? "all \(length) bytes are the same"
            : "same length (\(length) bytes), and \(compared) bytes at the start, in the middle and at the end are the same"
    }

    private func read(_ source: any ByteSource, _ range: Range<Int64>) throws(TransportError) -> [UInt8] {
        let head = try source.open(at: range.lowerBound, until: range.upperBound, deadline: .now + bound)
        guard head.isSeekable else { throw TransportError(.rangeNotHonoured, "ranges are not honoured") }
        let wanted = Int(range.upperBound - range.lowerBound)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: wanted, alignment: 16)
        defer { buffer.deallocate() }
        var done = 0
        while done < wanted {
            let count = try source.read(
                into: UnsafeMutableRawBufferPointer(rebasing: buffer[done...]), deadline: .now + bound,
                beforeBlocking: nil)
            guard count > 0 else { throw TransportError(.closedEarly, "the object ended before its length") }
            done += count
        }
        return Array(buffer)
    }

    /// Fills a playout buffer from the first origin, and joins the other to it as a handoff would.
    private func join(
        _ other: Int, from start: NPT, until end: NPT, _ found: [OriginFinding], obstacle: String
    ) throws(StreamError) -> SpliceFinding {
        let first = try open(0, at: start)
        let flows = first.flows
        let line = SpliceLine(flows: flows)
        let buffer = PlayoutBuffer(
            limits: PlayoutBuffer.Limits(
                duration: .seconds(3600), bytes: 2 * Self.spanByteLimit, packets: 1 << 20, isPaced: false))
        buffer.begin(flows.map { ($0.isSparse, $0.kind == .video && !$0.isAttachedPicture) })
        if start > .zero, found[0].isSeekable { try? first.seek(to: start) }
        fill(buffer, from: first, line, until: end)
        let npt = zip(buffer.accounts, flows).filter { !$1.isSparse }.compactMap { $0.0.end }.min()

        let overlap = max(.zero, buffer.overlapStart(of: flows) ?? start)
        let next = try open(other, at: overlap, expected: flows, isExact: true)
        var terms = SpliceSearch.Terms(url: found[other].url)
        terms.duration = found[0].duration
        let reference = SpliceReference(line, buffer, outputs: flows, flowCount: flows.count)
        var batch = UniqueDeque<Packet>()
        do throws(SpliceSearch.Failure) {
            let result = try SpliceSearch(next, reference, in: buffer, terms).join(
                line, buffer, reference, into: &batch)
            // Each flow passes its gate with its first new packet.
            var count = 0
            let deadline = Instant.now + bound
            while !line.isSettled, count < 10_000, Instant.now < deadline, var packet = try? next.read() {
                count += 1
                _ = line.pass(&packet, form: next.form(of: packet.flow))
            }
            return SpliceFinding(
                origin: other, grade: line.splices.map(\.grade).reduce(result.grade, max), evidence: result.evidence,
                obstacle: obstacle, npt: npt,
                warnings: result.warnings + line.takeWarnings(), flows: line.splices.sorted { $0.flow < $1.flow })
        } catch {
            switch error {
            case .aborted, .otherPace, .unproven: throw StreamError(code: .stopped, message: "stopped")
            case .attempt(let failure):
                return SpliceFinding(
                    origin: other, grade: nil, evidence: failure.text, obstacle: obstacle, npt: npt, warnings: [],
                    flows: [])
            }
        }
    }

    /// - Parameters:
    ///   - start: NPT to begin at; used where opening and playing are one.
    ///   - expected: the flows as they are known from another ingest.
    ///   - isExact: begin there, and not at the key frame before.
    private func open(
        _ index: Int, at start: NPT, expected: [FlowFormat] = [], isExact: Bool = false
    ) throws(StreamError) -> any Ingest {
        try origins[index].kind.openForProbing(
            origins[index], bound: bound, abort: abort, transport: rtspTransport, start: start, isExact: isExact,
            expected: expected)
    }

    private func fill(_ buffer: PlayoutBuffer, from ingest: any Ingest, _ line: SpliceLine, until end: NPT) {
        var batch = UniqueDeque<Packet>()
        let flows = ingest.flows
        var bytes = 0
        var waitedFor = Set(flows.filter { !$0.isSparse }.map(\.index))
        while bytes < Self.spanByteLimit, !waitedFor.isEmpty, var packet = try? ingest.read() {
            if let due = packet.due, due >= end {
                waitedFor.remove(packet.flow)
                continue
            }
            bytes += packet.byteCount
            if line.pass(&packet, form: ingest.form(of: packet.flow)) { batch.append(packet) }
        }
        _ = buffer.push(&batch)
        // Playing has begun with the first packet: what is behind it can be replaced.
        buffer.end()
        var out = UniqueDeque<Packet>()
        _ = buffer.take(into: &out, limit: 1)
    }
}
