internal import DequeModule
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols

/// Makes packets of one flow out of the pieces that its RTP packets carry, with times. Used on one thread.
final class RTPFlowReader {
    private(set) var described: RTPFlowFormat
    private let kind: FlowKind
    /// Its packets are taken apart here, since libavformat leaves the frames of MPEG audio together.
    let isMPEGAudio: Bool
    private let isOpus: Bool
    /// Bits of the media in a second, as the description says.
    private let bitsPerSecond: Int64?
    private let timeBase: TimeBase
    private let otherTypes: Set<UInt8>
    /// Packets that were missing before one that was passed over.
    private var lostBefore = 0

    private var timeline: RTPTimeline
    private var keeper = PositionKeeper()
    private var assembler: AccessUnitAssembler
    private let inspector: AccessUnitInspector?
    private var decodeTimes: DecodeTimes
    private var frameLength: FrameLength
    private var grid: AudioGrid
    /// The part of a frame of MPEG audio that has come so far.
    private var cutFrame: [UInt8] = []
    private var scratch: [UInt8] = []
    /// Of the open access unit, or of the last packet of sound.
    private var reading = RTPTimeline.Reading(npt: .zero)

    /// The packets of the last unit since the flow began to play, until it is seen whether the next one has the same
    /// timestamp: those that do stand before the start of the range, and nobody knows where.
    private var held = UniqueDeque<Packet>()
    private var heldTimestamp: UInt32 = 0
    private var heldTime: NPT = .zero
    private var isHeldRefresh = false
    private var isBeginning = true
    private var isClamped = false
    /// That of the first unit: pictures that come later in decoding may stand before the start of the range, too.
    private var firstTimestamp: UInt32?

    /// Bytes of media that made no packet: the position counts them with the next one.
    private var lostPayload = 0
    private(set) var losses = RTPReader.Losses()
    private(set) var findings: [RTPReader.Finding] = []
    private static let findingLimit = 64

    /// - Throws: `MediaError` when there is no memory, or the clock rate is none.
    init(_ flow: FlowFormat, medium: MediaDescription, map: RTPMap, index: Int) throws(MediaError) {
        let described = try RTPFlowFormat(flow, medium: medium, index: index)
        guard let timeline = RTPTimeline(clockRateHz: Int64(map.clockRateHz), start: .init(range: .zero)),
            let clock = Int32(exactly: map.clockRateHz)
        else { throw MediaError.noSuchClock }
        self.described = described
        self.timeline = timeline
        timeBase = TimeBase(1, clock)
        kind = flow.kind
        isMPEGAudio = map.encoding.lowercased() == "mpa"
        isOpus = flow.codecName == "opus"
        bitsPerSecond = medium.bitsPerSecond
        // A server that sends what it did not announce is believed to mean what it did.
        otherTypes = Set(medium.payloadTypes).union([13]).subtracting([map.payloadType])
        assembler = AccessUnitAssembler(codec: described.video)
        inspector = described.video.flatMap { AccessUnitInspector(form: .annexB($0)) }
        decodeTimes = DecodeTimes(
            timeBase: timeBase, reordering: described.reordering,
            frameDuration: described.frameRate?.frameDuration)
        frameLength = FrameLength(stated: described.frameRate?.frameDuration)
        grid = AudioGrid(timeBase: timeBase)
    }

    /// A response to PLAY says what comes from here on.
    func played(at start: RTPTimeline.Start, speed: Rate, at now: Instant) {
        timeline.played(start)
        assembler.restart()
        decodeTimes.restart(after: nil)
        frameLength.restart()
        grid.restart()
        cutFrame.removeAll(keepingCapacity: true)
        held.removeAll()
        isBeginning = true
        isClamped = false
        firstTimestamp = nil
        lostPayload = 0
        lostBefore = 0
        keeper.adjusted(
            .play(
                from: start.range, scale: start.scale, speed: speed,
                bandwidth: bitsPerSecond.map { .media(bitsPerSecond: $0) }), at: now)
    }

    func adjusted(_ adjustment: Adjustment, at now: Instant) { keeper.adjusted(adjustment, at: now) }

    func senderReported(ntpTime: UInt64, timestamp: UInt32, at now: Instant) {
        timeline.senderReported(ntpTime: ntpTime, timestamp: timestamp, at: now)
    }

    /// Whether packets of this payload type are the flow's.
    func carries(_ payloadType: UInt8) -> Bool { !otherTypes.contains(payloadType) }

    /// A packet that is not of the flow has come in its place.
    func received(overhead: Int, lost: Int) {
        keeper.received(overhead: overhead)
        lostBefore = min(lostBefore + min(lost, 1 << 16), 1 << 16)
    }

    func repeated(byteCount: Int) { keeper.received(repeated: byteCount) }

    /// The timestamps of pictures that are reordered have leapt: which picture comes next, they do not tell.
    var isAdrift: Bool {
        guard kind == .video, described.reordering != .none else { return false }
        switch reading.finding {
        case .timestampDoubted, .timestampsRestarted: return true
        default: return false
        }
    }

    /// Whether the flow's NPT rests on nothing but that its first packet stands at the start of the range.
    var isAssumed: Bool { timeline.isAssumed }

    func lead(over other: RTPFlowReader) -> MediaTime? { timeline.lead(over: other.timeline) }

    func position(at now: Instant) -> Position? {
        guard let position = keeper.position(at: now) else { return nil }
        guard timeline.isAssumed, position.basis == .timestamps else { return position }
        return Position(
            npt: position.npt, basis: position.basis, uncertainty: max(position.uncertainty, RTPTimeline.belief))
    }

    func takeFindings() -> [RTPReader.Finding] {
        defer { findings.removeAll(keepingCapacity: true) }
        return findings
    }

    private func note(_ finding: RTPReader.Finding?) {
        if let finding, findings.count < Self.findingLimit { findings.append(finding) }
    }

    // MARK: Packets

    /// The next RTP packet of the flow has come.
    ///
    /// - Parameter lost: packets that are missing before it.
    func began(_ header: RTPHeader, lost: Int, at now: Instant, into packets: inout UniqueDeque<Packet>) {
        keeper.received(overhead: header.overhead)
        let lost = lost + lostBefore
        lostBefore = 0
        if lost > 0 {
            losses.packets += lost
            cutFrame.removeAll(keepingCapacity: true)
            assembler.lost()
        }
        if kind == .video, assembler.isEnded(by: header.timestamp) { close(byMarker: false, at: now, into: &packets) }
        let reading = timeline.arrived(
            timestamp: header.timestamp, ssrc: header.ssrc, endsUnit: kind != .video || header.marker, at: now)
        note(reading.finding.map { .timeline($0) })
        if kind == .audio, lost > 0 {
            losses.last = reading.npt
            note(.lost(packets: lost, before: reading.npt))
        }
        self.reading = reading
        if kind != .video || !assembler.isOpen {
            settle(next: header.timestamp, npt: reading.npt, at: now, into: &packets)
        }
    }

    /// A piece of that packet.
    func add(
        _ piece: consuming Packet, of header: RTPHeader, at now: Instant, into packets: inout UniqueDeque<Packet>
    ) {
        switch kind {
        case .video:
            if piece.withPayload({ assembler.isEnded(by: $0) }) {
                close(byMarker: false, at: now, into: &packets)
                settle(next: header.timestamp, npt: reading.npt, at: now, into: &packets)
            }
            piece.withPayload { assembler.add($0, timestamp: header.timestamp) }
        case .audio:
            piece.duration = duration(of: piece)
            piece.markKey(true)
            held.append(piece)
        case .subtitle, .data:
            held.append(piece)
        }
    }

    /// All pieces of that packet have come.
    func ended(_ header: RTPHeader, at now: Instant, into packets: inout UniqueDeque<Packet>) {
        guard kind == .video else {
            guard !held.isEmpty else { return }
            heldTimestamp = header.timestamp
            heldTime = reading.npt
            if !isBeginning { handOut(at: now, into: &packets) }
            return
        }
        if header.marker { close(byMarker: true, at: now, into: &packets) }
    }

    /// libavformat could not take a packet apart.
    func failed(_ error: MediaError, at now: Instant) {
        assembler.lost()
        note(.unreadable(error))
    }

    /// Nothing more comes: what is complete is handed out.
    func end(at now: Instant, into packets: inout UniqueDeque<Packet>) {
        if kind == .video, assembler.isOpen {
            // Where the sender ends its pictures with a marker, one without has not come to its end.
            if assembler.usesMarkers, !assembler.markersLie { assembler.lost() }
            close(byMarker: false, at: now, into: &packets)
        }
        guard !held.isEmpty else { return }
        if isClamped { handOutWithoutTimes(at: now, into: &packets) } else { handOut(at: now, into: &packets) }
    }

    // MARK: Pictures

    private func close(byMarker: Bool, at now: Instant, into packets: inout UniqueDeque<Packet>) {
        switch assembler.close(byMarker: byMarker) {
        case .nothing: return
        case .damaged: damaged()
        case .whole:
            do throws(MediaError) {
                guard try take(at: now, into: &packets) else { return damaged() }
            } catch { note(.unreadable(error)) }
        }
    }

    private func damaged() {
        lostPayload += assembler.bytes.count
        losses.units += 1
        losses.last = reading.npt
        note(.damaged(at: reading.npt))
    }

    /// Makes a packet of the access unit that the assembler holds. False when it is none.
    private func take(at now: Instant, into packets: inout UniqueDeque<Packet>) throws(MediaError) -> Bool {
        var isKey = false
        var isRefresh = false
        var inserts = false
        if let video = described.video, let inspector {
            guard let found = assembler.bytes.withUnsafeBytes({ inspector.inspect($0) }), found.containsPicture else {
                return false
            }
            if !found.parameterSets.isEmpty {
                let sets = assembler.bytes.withUnsafeBytes { try? ParameterSets(payload: $0, form: .annexB(video)) }
                if let sets { try learn(sets) }
            }
            // Without parameter sets nobody can decode it.
            guard described.isKnown else { return true }
            isKey = found.entry >= .recoveryPoint
            isRefresh = found.entry == .idr
            inserts = isKey && !found.parameterSets.isSuperset(of: .needed(by: video))
        }
        var packet = try repacked(inserts: inserts)
        packet.flow = described.format.index
        packet.markKey(isKey)
        held.append(packet)
        heldTimestamp = assembler.timestamp
        heldTime = reading.npt
        isHeldRefresh = isRefresh
        if isBeginning {
            firstTimestamp = heldTimestamp
        } else if heldTimestamp == firstTimestamp, isClamped || described.order?.isFrameOnly ?? true {
            handOutWithoutTimes(at: now, into: &packets)
        } else {
            handOut(at: now, into: &packets)
        }
        return true
    }

    private func learn(_ sets: ParameterSets) throws(MediaError) {
        let wasKnown = described.isKnown
        try described.learn(sets)
        if wasKnown {
            decodeTimes.reordering = described.reordering
        } else if described.isKnown {
            let frame = described.frameRate?.frameDuration
            decodeTimes = DecodeTimes(timeBase: timeBase, reordering: described.reordering, frameDuration: frame)
            frameLength = FrameLength(stated: frame)
        }
    }

    /// A copy of the access unit; key frames get the parameter sets that the description has and they lack, as in a
    /// transport stream, where every key frame can be begun at.
    private func repacked(inserts: Bool) throws(MediaError) -> Packet {
        if inserts, let repacker = described.repacker {
            let isDone = assembler.bytes.withUnsafeBytes { unit in
                do throws(RepackError) {
                    try repacker.repack(unit, isKey: true, insertParameterSets: true, into: &scratch)
                    return true
                } catch { return false }
            }
            if isDone { return try Packet.copying(scratch) }
        }
        return try Packet.copying(assembler.bytes)
    }

    // MARK: Sound

    private func duration(of packet: borrowing Packet) -> MediaTime {
        if let fixed = described.frameDuration { return fixed }
        if isOpus {
            let samples = packet.withPayload { OpusPacket.samples(in: $0) }
            return samples.flatMap { MediaTime(value: Int64($0), timeBase: TimeBase(1, OpusPacket.clockRateHz)) }
                ?? .zero
        }
        return described.format.duration(ofPacketOf: packet.byteCount) ?? .zero
    }

    /// The payload of that packet: parts the frames of MPEG audio, of which one may also be spread over several packets
    /// (RFC 2250 section 3.5).
    func add(mpegAudio payload: UnsafeRawBufferPointer) {
        // Two bytes that mean nothing, then where in its frame the payload begins.
        guard payload.count > 4 else { return }
        let offset = Int(payload[2]) << 8 | Int(payload[3])
        let bytes = UnsafeRawBufferPointer(rebasing: payload[4...])
        guard offset > 0 else {
            cutFrame.removeAll(keepingCapacity: true)
            return part(bytes)
        }
        // A fragment continues what there is, or it is the end of something lost.
        guard offset == cutFrame.count else { return cutFrame.removeAll(keepingCapacity: true) }
        cutFrame.append(contentsOf: bytes)
        let whole = cutFrame
        cutFrame.removeAll(keepingCapacity: true)
        whole.withUnsafeBytes { part($0) }
    }

    private func part(_ bytes: UnsafeRawBufferPointer) {
        var offset = 0
        while let header = MPEGAudioHeader(UnsafeRawBufferPointer(rebasing: bytes[offset...])) {
            guard header.frameLength <= bytes.count - offset else {
                // More of it comes in the next packet.
                cutFrame.append(contentsOf: bytes[offset...])
                return
            }
            let frame = UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + header.frameLength])
            offset += header.frameLength
            do throws(MediaError) {
                try described.learn(header)
                var packet = try Packet.copying(frame)
                packet.flow = described.format.index
                packet.markKey(true)
                packet.duration =
                    MediaTime(
                        value: Int64(header.samples), timeBase: TimeBase(1, Int32(header.samplingFrequencyHz))) ?? .zero
                held.append(packet)
            } catch { note(.unreadable(error)) }
        }
    }

    // MARK: Times

    /// The next unit begins: what was held back since the flow began to play can go.
    private func settle(next timestamp: UInt32, npt: NPT, at now: Instant, into packets: inout UniqueDeque<Packet>) {
        guard isBeginning, !held.isEmpty else { return }
        if timestamp == heldTimestamp {
            isClamped = true
            handOutWithoutTimes(at: now, into: &packets)
            return
        }
        isBeginning = false
        if isClamped { return handOutWithoutTimes(at: now, into: &packets) }
        if kind == .audio, timeline.start.scale == .normal {
            var length = MediaTime.zero
            for index in held.indices { length += held[index].duration }
            if grid.overlaps(heldTime, lasting: length, next: npt) { heldTime = npt - length }
        }
        handOut(at: now, into: &packets)
    }

    private func handOutWithoutTimes(at now: Instant, into packets: inout UniqueDeque<Packet>) {
        while var packet = held.popFirst() {
            packet.pts = nil
            packet.dts = nil
            // They move nothing forward.
            keeper.received(overhead: packet.byteCount)
            packets.append(packet)
        }
    }

    private func handOut(at now: Instant, into packets: inout UniqueDeque<Packet>) {
        var time = heldTime
        if kind == .audio, timeline.start.scale == .normal { time = grid.place(time) }
        while var packet = held.popFirst() {
            packet.flow = described.format.index
            packet.pts = time
            if kind == .video {
                packet.dts = decodeTimes.next(pts: time, isRefresh: isHeldRefresh)
                packet.duration = frameLength.next(decode: packet.dts)
            } else {
                packet.dts = time
                time += packet.duration
            }
            let finding = keeper.received(
                pts: packet.pts, dts: packet.dts, duration: packet.duration,
                payload: packet.byteCount + lostPayload, at: now)
            lostPayload = 0
            note(finding.map { .position($0) })
            packets.append(packet)
        }
        if kind == .audio { grid.ended(at: time) }
    }
}
