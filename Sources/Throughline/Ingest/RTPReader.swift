internal import DequeModule
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols

/// Makes whole packets with times on normal play time out of the RTP packets of one RTSP session, which come in the order
/// of their sequence numbers.
///
/// H.264, HEVC and AAC are taken apart here, straight into access units and frames, and so are MPEG audio and KLV; the rest is
/// libavformat's. Pictures are handed out as whole access units, in Annex B, each key frame with its parameter sets; one that lacks an RTP
/// packet is dropped and told. Sound is handed out frame by frame, each following the one before by its exact length as
/// long as the timestamps agree. Presentation times come from `RTPTimeline`, decode times from `DecodeTimes`. What a server
/// sends before the start of the range under one repeated timestamp has no times: it can be recognised by its fingerprint
/// and by nothing else. To see that, the first unit after PLAY is held back until the next one begins.
///
/// One instance serves one RTSP session, on one thread.
final class RTPReader {
    enum Finding: Hashable {
        case timeline(RTPTimeline.Finding)
        case position(PositionKeeper.Finding)
        case watch(TimestampWatch.Finding)
        /// An access unit that lacked something was dropped.
        case damaged(at: NPT)
        /// So many packets of sound are missing here.
        case lost(packets: Int, before: NPT)
        case unreadable(MediaError)
    }

    struct Losses: Hashable {
        /// RTP packets that were told as lost.
        var packets = 0
        /// Access units that were dropped since something of them was missing.
        var units = 0
        /// RTP packets that were lost on the way and came from another session; they are not counted as lost.
        var filled = 0
        /// Where the last one stood.
        var last: NPT?
    }

    /// A medium that cannot be read.
    struct LeftOut: Hashable {
        /// Its index in the session description.
        let medium: Int
        /// What it says to carry: `X-REAL/90000`, or `audio` where it says nothing.
        let encoding: String
    }

    private let depacketizer: RTPDepacketizer
    private let readers: [RTPFlowReader]
    /// What the packets of each flow must carry for libavformat.
    private let payloadTypes: [UInt8]
    /// libavformat's own count of each flow, which it wants to be without leaps.
    private var sequences: [UInt16]
    private var scratch: [UInt8] = []
    private var pieces = UniqueDeque<Packet>()

    /// By flow, the index of its medium in the session description.
    let media: [Int]
    let leftOut: [LeftOut]

    /// - Parameters:
    ///   - media: indices of the media that were set up.
    /// - Throws: `MediaError` when none of them can be read.
    init(_ description: SessionDescription, media: [Int]) throws(MediaError) {
        var chosen: [(index: Int, medium: MediaDescription)] = []
        var leftOut: [LeftOut] = []
        for index in media where description.media.indices.contains(index) {
            let medium = description.media[index]
            // A transport stream inside RTP is a container of its own, which this reader is not for.
            if let map = medium.preferredMap, !map.encoding.isTransportStream, chosen.count < 31 {
                chosen.append((index, medium))
            } else {
                leftOut.append(LeftOut(medium: index, encoding: medium.encodingName))
            }
        }
        let reduced = ReducedDescription(chosen.map(\.medium))
        guard !chosen.isEmpty, reduced.flows.count == chosen.count else { throw MediaError.nothingReadable }
        depacketizer = try RTPDepacketizer(description: String(decoding: reduced.serialized(), as: UTF8.self))
        var readers: [RTPFlowReader] = []
        var places: [Int] = []
        var types: [UInt8] = []
        for (place, (index, medium)) in chosen.enumerated() {
            let flow = reduced.flows[place]
            guard place < depacketizer.flows.count, let format = depacketizer.flows[place],
                format.codecName != "none" || RTPFlowReader.isKLV(flow.map)
            else {
                leftOut.append(LeftOut(medium: index, encoding: medium.encodingName))
                continue
            }
            readers.append(try RTPFlowReader(format, medium: medium, map: flow.map, index: readers.count))
            places.append(index)
            types.append(flow.payloadType)
        }
        if readers.isEmpty { throw MediaError.nothingReadable }
        self.readers = readers
        flows = readers.map(\.described.format)
        self.media = places
        self.leftOut = leftOut
        payloadTypes = types
        sequences = types.map { _ in 0 }
    }

    /// The flows, by index. Complete once `flowsAreKnown`; a flow that is known does not change any more.
    private(set) var flows: [FlowFormat]

    /// Takes over the format of a flow, of which parameter sets in band may have told more.
    private func noteFormat(of flow: Int) {
        let format = readers[flow].described.format
        if flows[flow] !== format { flows[flow] = format }
    }

    /// Whether all is known of every flow that a muxer needs. What is missing may come in band; until then nothing of
    /// such a flow is handed out where a decoder could make nothing of it.
    var flowsAreKnown: Bool { readers.allSatisfy(\.described.isKnown) }

    func flow(ofMedium medium: Int) -> Int? { media.firstIndex(of: medium) }

    /// How the packets of a flow carry their payload.
    func form(of flow: Int) -> PayloadForm { readers.indices.contains(flow) ? readers[flow].described.form : .opaque }

    /// A response to PLAY has come: what is received from here on belongs to it. Half a picture of before is dropped.
    ///
    /// - Parameters:
    ///   - starts: by flow; where there is none, that of the flow with the least index that has one stands in, without its
    ///     timestamp.
    ///   - bandwidth: bits of payload of all flows in a second of media, where the response says so. Each flow has the
    ///     share of it that the description gives it.
    ///   - mediaScale: what the server makes of the media, where its timestamps tell otherwise; nil for that of the starts.
    ///   - speed: of delivery. Where the server lets timestamps go at the pace of delivery, that is to be in the scale of the
    ///     starts.
    func played(
        at starts: [RTPTimeline.Start?], speed: Rate = .normal, mediaScale: Rate? = nil, bandwidth: Int64? = nil,
        at now: Instant
    ) {
        let declared = readers.compactMap(\.declaredBandwidth)
        // Of flows that say nothing the share is not known.
        let total = declared.count == readers.count ? declared.reduce(0 as Int64) { $0 &+ $1 } : 0
        guard let common = starts.lazy.compactMap({ $0 }).first else { return }
        for (index, reader) in readers.enumerated() {
            let own = index < starts.count ? starts[index] : nil
            reader.played(
                at: own ?? RTPTimeline.Start(range: common.range, scale: common.scale), speed: speed,
                mediaScale: mediaScale,
                bandwidth: bandwidth.flatMap { bits in
                    if readers.count == 1 { return bits }
                    guard total > 0, let share = reader.declaredBandwidth else { return nil }
                    return bits.scaled(by: share, over: total)
                }, at: now)
        }
    }

    /// Something else has changed how data maps to time, such as a pause.
    func adjusted(_ adjustment: Adjustment, at now: Instant) {
        for reader in readers { reader.adjusted(adjustment, at: now) }
    }

    /// A sender report has come. 0 for `ntpTime` is what senders without a clock send.
    func senderReported(flow: Int, ntpTime: UInt64, timestamp: UInt32, at now: Instant) {
        guard readers.indices.contains(flow) else { return }
        readers[flow].senderReported(ntpTime: ntpTime, timestamp: timestamp, at: now)
    }

    /// A packet was received a second time and was dropped.
    func repeated(flow: Int, byteCount: Int) {
        if readers.indices.contains(flow) { readers[flow].repeated(byteCount: byteCount) }
    }

    /// An RTP packet has come.
    ///
    /// - Parameters:
    ///   - rtp: the whole packet, as the network brought it. What is no RTP is passed over, and so is what carries another
    ///     of the formats that the medium lists, or comfort noise.
    ///   - lostBefore: packets of the flow that are missing before it.
    ///   - isFilled: it was lost on the way, and came from another session.
    ///   - packets: gets what is whole now, of this flow.
    func received(
        _ rtp: UnsafeRawBufferPointer, flow: Int, lostBefore: Int = 0, isFilled: Bool = false, at now: Instant,
        into packets: inout UniqueDeque<Packet>
    ) {
        guard readers.indices.contains(flow), let header = RTPHeader(rtp) else { return }
        let reader = readers[flow]
        defer { noteFormat(of: flow) }
        if isFilled { reader.filled() }
        // More cannot be told by sequence numbers of 16 bits.
        let lost = max(0, min(1 << 16, lostBefore))
        guard reader.carries(header.payloadType) else {
            return reader.received(overhead: rtp.count, lost: lost)
        }
        if reader.isRepeated(header, UnsafeRawBufferPointer(rebasing: rtp[header.payload])) {
            reader.repeated(byteCount: rtp.count)
            return reader.received(overhead: 0, lost: lost)
        }
        reader.began(header, lost: lost, at: now, into: &packets)
        let payload = UnsafeRawBufferPointer(rebasing: rtp[header.payload])
        if !reader.takeApart(payload, of: header, at: now, into: &packets) {
            sequences[flow] &+= 1 &+ UInt16(min(100, lost))
            scratch.removeAll(keepingCapacity: true)
            scratch.append(contentsOf: rtp)
            let (type, sequence) = (payloadTypes[flow], sequences[flow])
            scratch.withUnsafeMutableBytes { bytes in
                _ = RTPHeader.rewrite(bytes, payloadType: type, sequence: sequence)
            }
            takeApart(for: reader, flow: flow, header, at: now)
        }
        reader.ended(header, at: now, into: &packets)
    }

    /// The packet in `scratch`.
    private func takeApart(
        for reader: RTPFlowReader, flow: Int, _ header: RTPHeader, at now: Instant
    ) {
        do throws(MediaError) {
            try feed { piece in pieces.append(piece) }
        } catch { reader.failed(error, at: now) }
        while var piece = pieces.popFirst() {
            piece.flow = flow
            reader.add(piece, of: header)
        }
    }

    private func feed(_ body: (consuming Packet) -> Void) throws(MediaError) {
        let result: Result<Void, MediaError> = scratch.withUnsafeBytes { bytes in
            Result { () throws(MediaError) in try depacketizer.feed(bytes, body) }
        }
        try result.get()
    }

    /// Nothing more comes of any flow: what is complete is handed out.
    func end(at now: Instant, into packets: inout UniqueDeque<Packet>) {
        for (flow, reader) in readers.enumerated() {
            reader.end(at: now, into: &packets)
            noteFormat(of: flow)
        }
    }

    /// Where a flow stands by each account.
    func accounts(of flow: Int, at now: Instant) -> FlowPosition? {
        readers.indices.contains(flow) ? readers[flow].accounts(at: now) : nil
    }

    /// Up to where a flow has been received.
    func position(of flow: Int, at now: Instant) -> Position? {
        readers.indices.contains(flow) ? readers[flow].position(at: now) : nil
    }

    /// Whether a flow's NPT rests on nothing but that its first packet stands at the start of the range.
    func isAssumed(_ flow: Int) -> Bool { readers.indices.contains(flow) && readers[flow].isAssumed }

    /// How far the NPT of one flow stands ahead of another's at the same moment, as the sender reports of both tell; nil
    /// before there are any.
    func lead(of flow: Int, over other: Int) -> MediaTime? {
        guard readers.indices.contains(flow), readers.indices.contains(other) else { return nil }
        return readers[flow].lead(over: readers[other])
    }

    /// Whether the place of what came last is a guess that may be wrong: the timestamps of pictures that are reordered have
    /// leapt, or stand still. Flows whose units are presented as they come are counted on instead.
    func isAdrift(_ flow: Int) -> Bool { readers.indices.contains(flow) && readers[flow].isAdrift }

    /// How long what came last of a flow lasts: until then the sender of what is played as it comes has nothing more to send.
    func lastLength(of flow: Int) -> MediaTime {
        readers.indices.contains(flow) ? readers[flow].lastLength : .zero
    }

    func losses(of flow: Int) -> Losses { readers.indices.contains(flow) ? readers[flow].losses : Losses() }

    /// What was noticed since the last time, at most 64 findings for each flow.
    /// What was beyond that is lost.
    func takeFindings() -> [(flow: Int, finding: Finding)] {
        readers.indices.flatMap { flow in readers[flow].takeFindings().map { (flow, $0) } }
    }
}

extension MediaDescription {
    fileprivate var encodingName: String {
        guard let map = preferredMap else { return media }
        return "\(map.encoding)/\(map.clockRateHz)"
    }
}

extension String {
    fileprivate var isTransportStream: Bool { lowercased() == "mp2t" }
}
