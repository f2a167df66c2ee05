internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols

/// What the media of one ingest announce of changes, and what its control protocol announces for later: read where bytes and
/// packets pass, and kept until the session asks. Used on the ingest's thread.
///
/// User data of pictures is looked for in packets, whatever carried them. What only the container has is looked for in
/// its bytes: a transport stream's tables, cue messages and timed metadata, and the tags between frames of raw audio.
final class ChangeWatch {
    struct Finding {
        let indicator: Indicator
        /// Where it stood, on the timeline of the ingest; nil where only the bytes know.
        let time: MediaTime?
        /// Bytes of the container up to its end, or a little more; nil where it was found in a packet.
        let offset: Int64?
    }

    /// What an RTSP server announces for a place in the stream.
    struct Notice {
        let event: ChangeEvent
        let time: NPT
    }

    /// More are not kept until they are asked for.
    static let limit = 128

    private enum Container {
        case unknown
        case transport(TransportScanner)
        case audio(PackedAudioScanner, base: Int64)
        /// Nothing in the bytes that the packets do not have.
        case other
    }

    private let policy: IndicatorPolicy
    private var container = Container.unknown
    /// Where the next bytes are expected.
    private var next: Int64 = 0
    private var findings: [Finding] = []
    private var notices: [Notice] = []

    init(policy: IndicatorPolicy) { self.policy = policy }

    /// Whether there is something to be asked for.
    var hasNews: Bool { !findings.isEmpty || !notices.isEmpty }

    func takeFindings() -> [Finding] {
        defer { findings = [] }
        return findings
    }

    func takeNotices() -> [Notice] {
        defer { notices = [] }
        return notices
    }

    /// The server wants to be left at a place.
    func announced(_ event: ChangeEvent, at time: NPT) {
        if notices.count < Self.limit { notices.append(Notice(event: event, time: time)) }
    }

    private func found(_ indicators: [Indicator], time: MediaTime?, offset: Int64? = nil) {
        for indicator in indicators where policy[indicator.kind] != .ignore && findings.count < Self.limit {
            findings.append(Finding(indicator: indicator, time: time, offset: offset))
        }
    }

    // MARK: Packets

    /// Looks at a packet of pictures; costs a look at the headers before the first slice.
    func look(at packet: borrowing Packet, form: PayloadForm) {
        guard let (codec, framing) = form.nalUnits, policy[.userData] != .ignore else { return }
        let indicators = packet.withPayload { UserDataMessage.indicators(in: $0, codec: codec, framing: framing) }
        if !indicators.isEmpty { found(indicators, time: packet.pts ?? packet.dts) }
    }

    // MARK: Bytes

    /// The kinds that only bytes have.
    private static let kindsOfBytes: [Indicator.Kind] = [.timedMetadata, .splice, .discontinuity, .programChange]

    /// Bytes of the container, as they are read: in order, or from elsewhere after a seek.
    func read(_ bytes: UnsafeRawBufferPointer, at offset: Int64) {
        if case .unknown = container { recognise(bytes, at: offset) }
        defer { next = offset + Int64(bytes.count) }
        switch container {
        case .unknown, .other: return
        case .transport(var scanner):
            // Taken out, so that it is not copied.
            container = .other
            if offset != next { scanner.restart() }
            scanner.feed(bytes) { event in
                let indicators = event.indicators
                if !indicators.isEmpty { found(indicators, time: nil, offset: offset + Int64(bytes.count)) }
            }
            container = .transport(scanner)
        case .audio(var scanner, var base):
            container = .other
            if offset != next { (scanner, base) = (PackedAudioScanner(), offset) }
            for finding in scanner.feed(bytes) {
                found(
                    finding.tag.indicators, time: base == 0 ? finding.time : nil,
                    offset: offset + Int64(bytes.count))
            }
            container = .audio(scanner, base: base)
        }
    }

    /// By the first bytes; whoever knows better says so later.
    private func recognise(_ bytes: UnsafeRawBufferPointer, at offset: Int64) {
        guard offset == 0, bytes.count >= 8, Self.kindsOfBytes.contains(where: { policy[$0] != .ignore }) else {
            container = .other
            return
        }
        if bytes[0] == TransportPacket.syncByte || bytes[4] == TransportPacket.syncByte {
            container = .transport(TransportScanner())
        } else if bytes.starts(with: "ID3".utf8) || bytes[0] == 0xFF && bytes[1] & 0xE0 == 0xE0 {
            container = .audio(PackedAudioScanner(), base: 0)
        } else {
            container = .other
        }
    }

    /// What the bytes are, by whoever takes them apart.
    func recognised(_ name: String) {
        switch (container, name) {
        case (.transport, "mpegts"), (.audio, "aac"), (.audio, "mp3"): return
        default:
            container = .other
            findings.removeAll { $0.offset != nil }
        }
    }

    /// What was found before a place is nobody's business any more.
    func forget(before time: MediaTime, offset: Int64) {
        findings.removeAll { finding in
            if let found = finding.time { return found < time }
            return finding.offset.map { $0 <= offset } ?? false
        }
        notices.removeAll { $0.time < time }
    }

    /// Reading goes on at this byte: what was seen of others on the way there is none of its business.
    func sought(to offset: Int64) { findings.removeAll { $0.offset.map { $0 <= offset } ?? true } }
}
