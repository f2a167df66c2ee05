internal import DequeModule
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols

/// Makes packets of one flow out of the pieces that its RTP packets carry, with times. Used on one thread.
final class RTPFlowReader {
    private(set) var described: RTPFlowFormat
    private let kind: FlowKind
    /// Its packets are taken apart here, since libavformat leaves the frames of MPEG audio together.
    private let isMPEGAudio: Bool
    /// So are those of KLV, which libavformat does not know over RTP.
    private let isKLV: Bool
    /// A packet of the unit of KLV that comes was lost.
    private var isKLVDamaged = false
    /// More than any unit of KLV has.
    private static let klvLimit = 1 << 20
    /// The access units of H.264 and HEVC, and the frames of AAC, are put together straight from the payload.
    private let units: NALUnpacker?
    private var frames3640: MPEG4Unpacker?
    private let isOpus: Bool
    /// Several of these frames may come in one packet.
    private let frames: SoundFrames?
    /// The last packet of sound, and how often it came again.
    private var lastSound: (timestamp: UInt32, payload: Fingerprint?, repeats: Int)?
    /// So often: under timestamps that stand still, what is alike is silence.
    private static let mostRepeats = 3
    /// The bandwidth is one that the server was asked for, or answered with, and not a guess of its description.
    private var isBandwidthAgreed = false
    /// Bits of the media in a second, as the description says.
    let declaredBandwidth: Int64?
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
    private var watch = TimestampWatch()
    /// Two pictures with one timestamp have come, one after the other: neither tells its place.
    private var standsStill = false
    /// Pictures that led up to the start of the range.
    private var ledUp = 0
    private var lastUnitTimestamp: UInt32?
    /// How long the units of the last packet last.
    private(set) var lastLength: MediaTime = .zero
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
    private var isHeldDoubted = false
    private var isHeldRefresh = false
    /// When the first of those came that are held back, and their bytes.
    private var heldSince: Instant?
    private var isBeginning = true
    private var isClamped = false
    /// That of the first unit: pictures that come later in decoding may stand before the start of the range, too.
    private var firstTimestamp: UInt32?

    /// Bytes of media that made no packet: the position counts them with the next one.
    private var lostPayload = 0
    /// Something was sent that did not come, or could not be used, since the last packet was handed out.
    private var hasLost = false
    private(set) var losses = RTPReader.Losses()
    private(set) var findings: [RTPReader.Finding] = []
    private static let findingLimit = 64
    /// Units under one timestamp that come at the pace of playing for so long are no way to the start of a range.
    /// Before the start of the presentation there is next to nothing to lead up to it.
    private var clampPatience: Duration { timeline.start.range <= .zero ? .seconds(1) : .seconds(2) }
    private static let heldByteLimit = 32 << 20

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
        isKLV = Self.isKLV(map)
        isOpus = flow.codecName == "opus"
        let parameters = medium.formatParameters(for: map.payloadType)
        units = described.video.map { NALUnpacker($0, parameters: parameters) }
        let isMPEG4 = map.encoding.lowercased() == "mpeg4-generic" && flow.codecName == "aac"
        frames3640 = isMPEG4 ? MPEG4Unpacker(parameters: parameters) : nil
        frames = SoundFrames(codecName: flow.codecName)
        declaredBandwidth = medium.bitsPerSecond
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
    ///
    /// - Parameter bandwidth: bits of payload in a second of media, where that is another than was declared.
    func played(at start: RTPTimeline.Start, speed: Rate, mediaScale: Rate?, bandwidth: Int64?, at now: Instant) {
        timeline.played(start)
        assembler.restart()
        decodeTimes.restart(after: nil)
        frameLength.restart()
        grid.restart()
        cutFrame.removeAll(keepingCapacity: true)
        frames3640?.lost()
        held.removeAll()
        // Backwards nothing leads up to the first picture, and the next one may be seconds away.
        isBeginning = !start.scale.isNegative
        isClamped = false
        firstTimestamp = nil
        lostPayload = 0
        lostBefore = 0
        hasLost = false
        watch.restart()
        standsStill = false
        ledUp = 0
        lastUnitTimestamp = nil
        heldSince = nil
        lastSound = nil
        isBandwidthAgreed = bandwidth != nil
        keeper.adjusted(
            .play(
                from: start.range, scale: mediaScale ?? start.scale, speed: speed,
                // Backwards key frames come alone: what was declared of all pictures says nothing of them.
                bandwidth: start.scale.isNegative
                    ? bandwidth.map { .media(bitsPerSecond: $0) } ?? .unknown
                    : (bandwidth ?? declaredBandwidth).map { .media(bitsPerSecond: $0) }), at: now)
    }

    func adjusted(_ adjustment: Adjustment, at now: Instant) {
        if adjustment.bandwidth != nil { isBandwidthAgreed = true }
        keeper.adjusted(adjustment, at: now)
    }

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

    /// The packet that comes next was lost on the way, and came from another session.
    func filled() { losses.filled += 1 }

    func repeated(byteCount: Int) { keeper.received(repeated: byteCount) }

    /// Whether a packet of sound is that before it once more, under the same timestamp: servers send one twice, with a
    /// number of its own each time.
    func isRepeated(_ header: RTPHeader, _ payload: UnsafeRawBufferPointer) -> Bool {
        guard kind == .audio else { return false }
        let fingerprint = Fingerprint.of(payload: payload, form: .opaque)
        if let last = lastSound, last.timestamp == header.timestamp, last.payload == fingerprint,
            fingerprint != nil, last.repeats < Self.mostRepeats
        {
            lastSound?.repeats += 1
            return true
        }
        lastSound = (header.timestamp, fingerprint, 0)
        return false
    }

    /// The timestamps of pictures that are reordered have leapt, or stand still: which picture comes next, they do not
    /// tell.
    var isAdrift: Bool {
        guard kind == .video, described.reordering != .none else { return false }
        if standsStill { return true }
        switch reading.finding {
        case .timestampDoubted, .timestampsRestarted: return true
        default: return false
        }
    }

    /// Whether the flow's NPT rests on nothing but that its first packet stands at the start of the range.
    var isAssumed: Bool { timeline.isAssumed }

    func lead(over other: RTPFlowReader) -> MediaTime? { timeline.lead(over: other.timeline) }

    /// Where the flow stands by each account.
    func accounts(at now: Instant) -> FlowPosition? { keeper.accounts(at: now) }

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
            hasLost = true
            // Only of sound is it known how much a packet holds.
            if kind == .audio { watch.lost(lastLength * Rate(Int32(min(lost, 1000)))) }
            cutFrame.removeAll(keepingCapacity: true)
            isKLVDamaged = isKLV
            frames3640?.lost()
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

    /// Whether the timeline takes the timestamp of what came last for damaged.
    private var isDoubted: Bool {
        if case .timestampDoubted = reading.finding { return true }
        return false
    }

    /// Whether units are presented in the order in which they come, so that each must stand behind the one before.
    private var isInOrder: Bool {
        guard timeline.start.scale > Rate(0) else { return false }
        return kind == .audio || kind == .video && described.isKnown && described.reordering == .none
    }

    /// The payload of that packet, where it is taken apart here.
    ///
    /// - Returns: false where libavformat is to do that.
    func takeApart(
        _ payload: UnsafeRawBufferPointer, of header: RTPHeader, at now: Instant,
        into packets: inout UniqueDeque<Packet>
    ) -> Bool {
        if isMPEGAudio {
            add(mpegAudio: payload)
        } else if isKLV {
            add(klv: payload, endsUnit: header.marker)
        } else if let units {
            let isGood = units.unpack(payload) { piece in
                if assembler.isEnded(by: piece.start) {
                    close(byMarker: false, at: now, into: &packets)
                    settle(next: header.timestamp, npt: reading.npt, at: now, into: &packets)
                }
                assembler.add(piece, of: payload, timestamp: header.timestamp)
            }
            if !isGood { failed(.invalidData, at: now) }
        } else if frames3640 != nil {
            let isGood = frames3640?.unpack(payload, timestamp: header.timestamp, endsUnit: header.marker) { frame in
                do throws(MediaError) { add(frame: try Packet.copying(frame)) } catch { note(.unreadable(error)) }
            }
            if isGood == false { failed(.invalidData, at: now) }
        } else {
            return false
        }
        return true
    }

    private func add(frame: consuming Packet) {
        frame.flow = described.format.index
        frame.duration = duration(of: frame)
        frame.markKey(true)
        held.append(frame)
    }

    /// A piece of that packet, which libavformat took apart.
    func add(_ piece: consuming Packet, of header: RTPHeader) {
        switch kind {
        case .video: piece.withPayload { assembler.add($0, timestamp: header.timestamp) }
        case .audio: add(sound: piece)
        case .subtitle, .data:
            held.append(piece)
        }
    }

    private func add(sound piece: consuming Packet) {
        let parts = frames.map { frames in piece.withPayload { frames.split($0) } } ?? []
        guard parts.count > 1 else { return add(frame: piece) }
        let bytes = piece.withPayload { Array($0) }
        for part in parts {
            do throws(MediaError) {
                add(frame: try Packet.copying(Array(bytes[part])))
            } catch { note(.unreadable(error)) }
        }
    }

    /// All pieces of that packet have come.
    func ended(_ header: RTPHeader, at now: Instant, into packets: inout UniqueDeque<Packet>) {
        guard kind == .video else {
            guard !held.isEmpty else { return }
            heldTimestamp = header.timestamp
            heldTime = reading.npt
            isHeldDoubted = isDoubted
            // What is sparse does not wait for the next, which may be long in coming.
            if !isBeginning || described.format.isSparse {
                isBeginning = false
                handOut(at: now, into: &packets)
            }
            return
        }
        if header.marker { close(byMarker: true, at: now, into: &packets) }
    }

    /// A packet could not be taken apart.
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
        if isClamped, !watch.isDropped {
            handOutWithoutTimes(at: now, into: &packets)
        } else {
            handOut(at: now, into: &packets)
        }
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
        hasLost = true
        watch.lost(lastLength)
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
        if let codec = described.pictures {
            let picture = assembler.bytes.withUnsafeBytes { PictureHeader($0, codec: codec) }
            isKey = picture.isKey
            if !described.isKnown {
                try described.learn(picture, of: assembler.bytes)
                // Before the first that can be decoded alone.
                guard described.isKnown else { return true }
            }
        }
        var packet = try repacked(inserts: inserts)
        packet.flow = described.format.index
        packet.markKey(isKey)
        held.append(packet)
        heldTimestamp = assembler.timestamp
        heldTime = reading.npt
        isHeldDoubted = isDoubted
        isHeldRefresh = isRefresh
        let isRepeated = lastUnitTimestamp == heldTimestamp
        lastUnitTimestamp = heldTimestamp
        if isBeginning {
            firstTimestamp = heldTimestamp
            return true
        }
        if watch.isDropped {
            handOut(at: now, into: &packets)
        } else if heldTimestamp == firstTimestamp, isClamped || described.order?.isFrameOnly ?? true {
            handOutWithoutTimes(at: now, into: &packets)
        } else {
            standsStill = standsStill || isRepeated && described.order?.isFrameOnly ?? false
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

    /// SMPTE 336M metadata (RFC 6597).
    static func isKLV(_ map: RTPMap) -> Bool { map.encoding.lowercased() == "smpte336m" }

    /// The payload of that packet: a unit of KLV, or a part of one, which the marker ends (RFC 6597 section 4.3). A unit
    /// that lacks something is dropped.
    func add(klv payload: UnsafeRawBufferPointer, endsUnit: Bool) {
        if cutFrame.count + payload.count > Self.klvLimit { isKLVDamaged = true }
        if !isKLVDamaged { cutFrame.append(contentsOf: payload) }
        guard endsUnit else { return }
        defer {
            cutFrame.removeAll(keepingCapacity: true)
            isKLVDamaged = false
        }
        guard !isKLVDamaged, !cutFrame.isEmpty else {
            losses.units += 1
            hasLost = true
            return
        }
        do throws(MediaError) {
            var packet = try Packet.copying(cutFrame)
            packet.flow = described.format.index
            packet.markKey(true)
            held.append(packet)
        } catch { note(.unreadable(error)) }
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
            return waitForTimestamps(at: now, into: &packets)
        }
        heldSince = nil
        isBeginning = false
        if isClamped { return handOutWithoutTimes(at: now, into: &packets) }
        if kind == .audio, timeline.start.scale == .normal {
            var length = MediaTime.zero
            for index in held.indices { length += held[index].duration }
            if grid.overlaps(heldTime, lasting: length, next: npt) { heldTime = npt - length }
        }
        handOut(at: now, into: &packets)
    }

    /// Every unit so far has the timestamp of the first. What a server sends to lead up to the start of a range comes as
    /// fast as it can be sent; what goes on at the pace of playing is the range itself, under timestamps that stand still.
    private func waitForTimestamps(at now: Instant, into packets: inout UniqueDeque<Packet>) {
        let began = heldSince ?? now
        heldSince = began
        let frame = described.frameRate?.frameDuration ?? .milliseconds(40)
        guard isInOrder else {
            ledUp += held.count
            standsStill = kind == .video && isPaced(frame, times: ledUp, since: began, now)
            return handOutWithoutTimes(at: now, into: &packets)
        }
        var length = MediaTime.zero
        var bytes = 0
        for index in held.indices {
            length += kind == .video ? frame : held[index].duration
            bytes += held[index].byteCount
        }
        if bytes > Self.heldByteLimit { return handOutWithoutTimes(at: now, into: &packets) }
        guard isPaced(length, since: began, now) else { return }
        isBeginning = false
        isClamped = false
        heldSince = nil
        heldTime = timeline.start.range
        watch.drop(at: heldTime)
        note(.watch(.dropped(at: heldTime)))
        handOut(at: now, into: &packets)
    }

    /// Whether so much media came in this time as is played in it.
    private func isPaced(_ length: MediaTime, times count: Int = 1, since began: Instant, _ now: Instant) -> Bool {
        guard now - began >= clampPatience else { return false }
        let shown = (MediaTime(now - began) * keeper.ledger.scale).magnitude * keeper.ledger.speed
        let media = length * Rate(Int32(min(count, 1 << 20)))
        return media <= shown * Rate(5, 4) && media * Rate(2) >= shown
    }

    /// Whether a finding is shown to people. A bandwidth from the description (`b=AS`) is a guess or an upper bound, so a
    /// difference from it is shown only after a bandwidth was agreed on.
    private func isWorthTelling(_ finding: PositionKeeper.Finding?) -> Bool {
        if case .accountsApart = finding { return isBandwidthAgreed }
        return true
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
        let isInOrder = isInOrder
        if isInOrder {
            var finding: TimestampWatch.Finding?
            time = watch.place(
                time, isDoubted: isHeldDoubted, mayRepeat: kind == .video && !(described.order?.isFrameOnly ?? true),
                &finding)
            note(finding.map { .watch($0) })
        }
        // Where nothing that was sent tells the place, the ledger does.
        let isCounted = isInOrder && watch.isDropped
        if kind == .audio, timeline.start.scale == .normal, !isCounted { time = grid.place(time) }
        let place = time
        while var packet = held.popFirst() {
            packet.flow = described.format.index
            packet.pts = time
            if kind == .video, timeline.start.scale.isNegative {
                // Each stands alone, and is decoded when it is shown.
                packet.dts = time
                packet.duration = described.frameRate?.frameDuration ?? .zero
            } else if kind == .video {
                packet.dts = decodeTimes.next(pts: time, isRefresh: isHeldRefresh)
                packet.duration = frameLength.next(decode: packet.dts)
            } else {
                packet.dts = time
            }
            time += packet.duration
            let finding = keeper.received(
                pts: isCounted ? nil : packet.pts, dts: isCounted ? nil : packet.dts, duration: packet.duration,
                payload: packet.byteCount + lostPayload, at: now)
            lostPayload = 0
            (packet.followsLoss, hasLost) = (hasLost, false)
            if isWorthTelling(finding) { note(finding.map { .position($0) }) }
            packets.append(packet)
        }
        if isCounted, time == place, let counted = keeper.position(at: now) { time = max(time, counted.npt) }
        lastLength = max(.zero, min(time - place, .seconds(10)))
        if isInOrder { watch.placed(at: place, stated: heldTime, length: lastLength) }
        if kind == .audio { grid.ended(at: time) }
    }
}
