internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols
internal import ThroughlineTransport

/// What all parts of a session work on. From any thread.
final class StreamContext: Sendable {
    let configuration: Configuration
    /// The origins of the configuration, and those that were named and allowed since.
    let origins: OriginList
    /// Ends everything.
    let abort = AbortSwitch()
    let buffer: PlayoutBuffer
    let record: StreamRecord
    let viewer: ViewerDesk
    let machine: Guarded<StreamMachine>
    /// Has what the network loses of one of two RTSP sessions filled from the other.
    let twins: RTSPTwinLink

    init(_ configuration: Configuration, _ events: EventQueue, began: Instant) {
        self.configuration = configuration
        let isPaced = configuration.pacing == .realtime
        origins = OriginList(configuration.origins)
        buffer = PlayoutBuffer(
            limits: PlayoutBuffer.Limits(
                duration: MediaTime(configuration.buffer), bytes: isPaced ? configuration.bufferByteLimit : 1 << 20,
                packets: isPaced ? 1 << 20 : 512, isPaced: isPaced))
        record = StreamRecord(origins, events, since: began)
        viewer = ViewerDesk(buffer, record)
        machine = Guarded(StreamMachine(configuration) { Chance.fraction })
        twins = RTSPTwinLink(buffer: configuration.buffer)
    }

    var isPaced: Bool { configuration.pacing == .realtime }
    var currentOrigin: OriginID? { machine.withLock { $0.handoff.current } }
    /// The URL of the origin that is played, for people.
    var currentURL: String? { currentOrigin.map { record.url($0) } }

    /// Media in the buffer; nil where nothing is due at any time.
    var level: Duration? {
        // Before the clock runs nothing is due, and what little there is runs out for nobody.
        guard isPaced, buffer.isBeingPlayed else { return nil }
        let (level, rate) = (buffer.level.duration, viewer.playedRate)
        return (rate == .normal ? level : level * (rate.magnitude.inverse ?? .normal)).duration
    }

    /// How long an origin may take to answer.
    func openBound(for origin: OriginID) -> Duration {
        let level = level
        return machine.withLock { $0.bound(for: origin, level) }
    }

    /// A request to open an origin with the settings of this stream, to be completed by the caller.
    func request(_ origin: OriginID) -> IngestRequest {
        var request = IngestRequest(origin: origin)
        request.transport = configuration.rtspTransport
        request.bandwidth = viewer.bandwidth
        request.isPaced = isPaced
        request.watch = ChangeWatch(policy: configuration.indicators)
        request.reserve = buffer.reserve
        return request
    }

    // MARK: - Origins by their URL

    /// The origin that a server means with a URL.
    func originID(of url: String) -> OriginID? { origins.first { Self.isSame($0.url, url) } }

    private static func isSame(_ a: String, _ b: String) -> Bool {
        if let a = RTSPAddress(a), let b = RTSPAddress(b) {
            return a.host == b.host && a.port == b.port && a.path == b.path
        }
        return isSameHTTPResource(a, b) ?? (a == b)
    }

    /// One more origin, which was named while the stream plays; nil when there are too many.
    func addOrigin(_ url: String) -> OriginID? {
        if let known = originID(of: url) { return known }
        // Under one lock, so that both count alike.
        let origin = Origin(url: url)
        return machine.withLock { origins.add(origin) ? $0.add(StreamMachine.Origin(origin)) : nil }
    }
}

extension StreamMachine {
    init(_ configuration: Configuration, chance: @escaping @Sendable () -> Double) {
        var settings = Settings()
        settings.giveUpAfter = configuration.giveUpAfter
        settings.silenceBound = configuration.silenceBound
        settings.openBound = configuration.openBound
        // Whoever feeds a pipe may take a while to begin, as long as nobody else is kept waiting.
        let isPipeAlone =
            configuration.origins.count == 1 && LocalAddress(configuration.origins[0].url) == .standardInput
        settings.firstBound =
            isPipeAlone ? max(configuration.openBound, configuration.giveUpAfter) : configuration.openBound
        settings.failback = configuration.failback
        settings.keepsStandby = configuration.standby != .cold
        settings.mostAdded = OriginList.mostAdded
        self.init(configuration.origins.map { Origin($0) }, settings, chance: chance)
    }
}

extension StreamMachine.Origin {
    init(_ origin: Origin) {
        self.init(
            name: redacted(origin.url), priority: origin.priority, weight: origin.weight, endpoint: origin.endpoint,
            preparesSession: origin.kind.preparation == .session)
    }
}
