internal import DequeModule
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols
internal import ThroughlineTransport

/// Opens what is to deliver beside the origin that is played, a little ahead of it. On the standby's thread, but for
/// `outlook`.
final class HotOpening: @unchecked Sendable {
    // Unchecked: `supervisor` is one whose answers may be asked for from any thread until the ingest is played.
    private let stream: StreamContext
    /// The flows of the output that are played.
    private let played: [FlowFormat]
    /// By flow of the output, how its packets carry their payload.
    private let forms: Guarded<[PayloadForm?]>
    private let supervisor: any SourceSupervisor

    init(
        _ stream: StreamContext, played: [FlowFormat], _ forms: Guarded<[PayloadForm?]>,
        _ supervisor: any SourceSupervisor
    ) {
        (self.stream, self.played, self.forms, self.supervisor) = (stream, played, forms, supervisor)
    }

    /// How far the origin is that is played; nil where nothing was received. From any thread.
    var outlook: StandbyWindow.Primary? {
        let accounts = stream.buffer.accounts
        let ends = played.filter { !$0.isSparse }.compactMap {
            $0.index < accounts.count ? accounts[$0.index].end : nil
        }
        guard let received = ends.min() else { return nil }
        let playhead = min(stream.buffer.playhead ?? received, received)
        return StandbyWindow.Primary(
            received: received, overlap: stream.buffer.overlapStart(of: played) ?? received,
            picture: picture(at: playhead) ?? playhead, level: received - playhead)
    }

    /// The key frame that another encode would be compared with.
    private func picture(at playhead: NPT) -> NPT? {
        guard let flow = played.first(where: { $0.kind == .video && !$0.isAttachedPicture }) else { return nil }
        let keys = stream.buffer.keyPackets(flow: flow.index)
        var last: NPT?
        for index in 0..<keys.count {
            guard let time = keys[index].pts, time <= playhead else { continue }
            last = max(last ?? time, time)
        }
        return last
    }

    func open(_ request: HotStandby.Request) throws(IngestOpenError) -> HotIngest {
        let origin = request.origin
        let url = stream.record.url(origin)
        let relay = RunnerRelay(supervisor)
        let supervisor = StandbySupervisor(relay, bound: stream.configuration.openBound)
        let kind = stream.origins[origin].kind
        let limits = StandbyWindow.Limits()
        var begin = NPT.zero
        var asked = stream.request(origin)
        asked.start = request.primary.received + request.lead
        asked.isExact = true
        asked.expected = played
        let ingest = try kind.open(asked, supervisor: supervisor, abort: request.abort)
        if !kind.beginsWhereOpened {
            guard ingest.isSeekable, ingest.timeline.agrees else {
                // An origin that cannot be read from the middle may still be played.
                throw IngestOpenError(.differentObject("\(url): it cannot be read from where the stream is"))
            }
            // The stream has gone on meanwhile. One so young is read from its start.
            let received = (outlook ?? request.primary).received
            if received > .seconds(1) { begin = received + limits.ahead }
            do throws(MediaError) {
                if begin > .zero { try ingest.seek(to: begin, anyPacket: true) }
            } catch {
                throw IngestOpenError(
                    ingest.openingFailure.map { .undelivered($0) } ?? .differentObject("\(url): \(error)"))
            }
        }
        let match = ProgrammeMatch(ingest, outputs: played, duration: stream.record.duration)
        if let lacking = match.lacksEssential {
            throw IngestOpenError(.undelivered(ChangeEvent(cause: .other, detail: "\(url): it lacks \(lacking)")))
        }
        if let reason = match.otherLength { throw IngestOpenError(.refused(.contentRefused, "\(url): \(reason)")) }
        let mapping = match.mapping
        ingest.select { mapping[$0.index] != nil }
        stream.twins.standsBy(ingest.accounts?.twinEnd)
        let pictures = ingest.flows.first { $0.kind == .video && !$0.isAttachedPicture && mapping[$0.index] != nil }
        let window = StandbyWindow(
            isSparse: ingest.flows.map { $0.isSparse || mapping[$0.index] == nil }, pictures: pictures?.index,
            isRealtime: ingest.isRealtime, lead: request.lead, isFromStart: !ingest.isRealtime && begin == .zero,
            shift: ingest.timeline.shift, limits: limits, at: .now)
        return HotIngest(
            ingest, supervisor: supervisor, relay: relay, abort: request.abort, window: window,
            proof: StandbyProof(buffer: stream.buffer, played: played) { [forms] in forms.withLock { $0 } }, url: url,
            outlook: { [self] in outlook }, changed: request.changed)
    }
}
