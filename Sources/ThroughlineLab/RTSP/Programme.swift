internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols

/// A file as RTP packets, in memory: made once, shared by all sessions, the same packets for each of them.
///
/// Everything is known beforehand (key frames, times, sizes), so that any container can be entered exactly, played
/// backwards by its key frames, and broken off at a byte. It takes up to twice as much memory as the file has bytes.
struct Programme: Sendable {
    /// The largest file that is taken.
    static let sizeLimit: Int64 = 1 << 30

    struct Flow: Sendable {
        let kind: FlowKind
        let clock: TimeBase
        let payloadType: UInt8
        /// The lines of the session description from `m=` on.
        let description: String
        let language: String?
        /// Whether silence of this flow is nothing unusual.
        let isSparse: Bool
    }

    /// The RTP packets that carry one timestamp of one flow: a picture, or one or more frames of sound.
    struct Unit: Sendable {
        let flow: Int
        /// Units of the flow's clock from NPT 0; negative for what stands before it, such as priming samples.
        let ticks: Int64
        let start: NPT
        /// Where it ends; its start where that is not known.
        var end: NPT
        /// By when a decoder wants it: never later than that of the unit behind it.
        var due: NPT
        let isKey: Bool
        var packets: [[UInt8]]
        /// Bytes of RTP packets before it, of all flows, in the order of delivery.
        var offset: Int64 = 0

        var byteCount: Int64 { packets.reduce(0) { $0 + Int64($1.count) } }
    }

    let flows: [Flow]
    /// All units of all flows, in the order in which they are due.
    let units: [Unit]
    /// Bytes of all RTP packets.
    let size: Int64
    let duration: MediaTime

    /// Bits of payload in a second of the media, with the headers of payload formats, and without those of RTP.
    var bitsPerSecond: Int64 {
        let payload = units.reduce(0 as Int64) { $0 + $1.byteCount - Int64($1.packets.count * RTPHeader.size) }
        let milliseconds = max(1, duration.nanoseconds / 1_000_000)
        return payload * 8000 / milliseconds
    }

    /// The first byte of the first unit, in the order of delivery, that stands at an NPT or behind it.
    func offset(of npt: NPT) -> Int64? { units.first { $0.start >= npt }?.offset }
}

extension Programme {
    /// Reads a file to its end; blocks.
    ///
    /// - Throws: ``OriginError`` when it is no media, too large, or has no flow that goes over RTP.
    init(path: String, inserting indicators: [InsertedIndicator] = []) throws(OriginError) {
        let input = try FileBytes(path: path)
        guard input.length ?? 0 <= Self.sizeLimit else {
            throw OriginError(description: "cannot serve \(path): it is larger than 1 GiB, and is kept in memory")
        }
        do throws(MediaError) {
            try self.init(input, UserDataInserter(indicators))
        } catch {
            throw OriginError(description: "cannot serve \(path): \(error)")
        }
        if flows.isEmpty { throw OriginError(description: "cannot serve \(path): no flow in it goes over RTP") }
    }

    private init(_ input: FileBytes, _ inserter: UserDataInserter) throws(MediaError) {
        var inserter = inserter
        var options = Demuxer.Options()
        options.measuresDuration = true
        let demuxer = try Demuxer(input: input, options: options)
        var tracks: [Int: Track] = [:]
        var refused: Set<Int> = []
        while var packet = try demuxer.read() {
            let index = packet.flow
            let format = demuxer.flows[index]
            if tracks[index] == nil, !refused.contains(index), !format.isAttachedPicture {
                // A container may have more flows than dynamic payload types.
                if index < 31, let track = Track(format, first: packet, payloadType: 96 + UInt8(index)) {
                    tracks[index] = track
                } else {
                    refused.insert(index)
                }
            }
            // No `continue` before this: what is bound with `var` and left unchanged is never freed (Swift 6.3).
            if let track = tracks[index] {
                try inserter.look(at: &packet, of: format)
                try track.add(&packet)
            }
        }
        let order = tracks.keys.sorted()
        var units: [Unit] = []
        for (number, index) in order.enumerated() {
            units += try tracks[index]?.finish(as: number) ?? []
        }
        flows = order.compactMap { tracks[$0]?.flow }
        units = units.enumerated()
            .sorted { ($0.element.due, $0.element.flow, $0.offset) < ($1.element.due, $1.element.flow, $1.offset) }
            .map(\.element)
        var offset: Int64 = 0
        for index in units.indices {
            units[index].offset = offset
            offset += units[index].byteCount
        }
        size = offset
        self.units = units
        duration = max(demuxer.duration ?? .zero, units.map(\.end).max() ?? .zero)
    }
}

/// One flow while its file is being read.
private final class Track {
    private struct Frame {
        let ticks: Int64
        let start: NPT
        let end: NPT
        let due: MediaTime?
        let isKey: Bool
    }

    let flow: Programme.Flow
    private enum Packetizer {
        case media(RTPPacketizer)
        case klv(KLVPacketizer)
    }
    private let packetizer: Packetizer
    private let hasADTS: Bool
    private var frames: [Frame] = []
    private var taken = 0
    private var units: [(unit: Programme.Unit, due: MediaTime?)] = []

    init?(_ format: FlowFormat, first: borrowing Packet, payloadType type: UInt8) {
        if format.codecName == "klv" {
            hasADTS = false
            let klv = KLVPacketizer(payloadType: type)
            packetizer = .klv(klv)
            flow = Programme.Flow(
                kind: format.kind, clock: TimeBase(1, KLVPacketizer.clockRateHz), payloadType: type,
                description: klv.description, language: nil, isSparse: true)
            return
        }
        guard ["h264", "hevc", "aac", "opus", "mp3", "mp2"].contains(format.codecName) else { return nil }
        var extradata: [UInt8]?
        if format.codecName == "aac", format.withExtradata({ $0.isEmpty }) {
            guard let header = first.withPayload({ ADTSHeader($0) }) else { return nil }
            // ISO 14496-3 section 1.6.2.1: object type, frequency and channels in 5, 4 and 4 bits.
            let bits =
                UInt16(header.objectType) << 11 | UInt16(header.frequencyIndex) << 7
                | UInt16(header.channelConfiguration) << 3
            extradata = [UInt8(bits >> 8), UInt8(truncatingIfNeeded: bits)]
        }
        hasADTS = extradata != nil
        guard let packetizer = try? RTPPacketizer(flow: format, payloadType: type, extradata: extradata) else {
            return nil
        }
        self.packetizer = .media(packetizer)
        let words = packetizer.description.prefix { $0 != "\r\n" }.split(separator: " ")
        flow = Programme.Flow(
            kind: format.kind, clock: TimeBase(1, packetizer.clockRateHz),
            payloadType: words.count > 3 ? UInt8(words[3]) ?? type : type, description: packetizer.description,
            language: format.language == "und" ? nil : format.language, isSparse: format.isSparse)
    }

    func add(_ packet: inout Packet) throws(MediaError) {
        guard let time = packet.pts ?? packet.dts else { return }
        packet.pts = time
        if hasADTS {
            let payload = packet.withPayload { bytes -> [UInt8]? in
                ADTSHeader(bytes).map { Array(bytes.dropFirst($0.size)) }
            }
            if let payload {
                let failure = payload.withUnsafeBytes { bytes -> MediaError? in
                    do throws(MediaError) {
                        try packet.replacePayload(with: bytes)
                        return nil
                    } catch { return error }
                }
                if let failure { throw failure }
            }
        }
        frames.append(
            Frame(
                ticks: time.value(in: flow.clock), start: time, end: time + packet.duration, due: packet.dts,
                isKey: packet.isKey || flow.kind != .video))
        switch packetizer {
        case .media(let media): take(try media.write(packet))
        case .klv(let klv):
            take(packet.withPayload { klv.packets(of: $0, ticks: time.value(in: flow.clock)) })
        }
    }

    private func take(_ outputs: [RTPPacketizer.Output]) {
        for output in outputs {
            if let place = units.indices.last, units[place].unit.ticks == output.ticks {
                // One more packet of the same frame.
                units[place].unit.packets.append(output.bytes)
                continue
            }
            // Frames up to the one that this packet begins with went into the packet before.
            while taken < frames.count, frames[taken].ticks != output.ticks {
                if let place = units.indices.last { units[place].unit.end = frames[taken].end }
                taken += 1
            }
            guard taken < frames.count else { return }
            let frame = frames[taken]
            taken += 1
            let unit = Programme.Unit(
                flow: 0, ticks: frame.ticks, start: frame.start, end: frame.end, due: .zero, isKey: frame.isKey,
                packets: [output.bytes])
            units.append((unit, frame.due))
        }
    }

    func finish(as number: Int) throws(MediaError) -> [Programme.Unit] {
        if case .media(let media) = packetizer { take(try media.finish()) }
        if taken < frames.count, let end = frames.last?.end, let place = units.indices.last {
            units[place].unit.end = end
        }
        // Decode times that the container leaves out (Matroska, at its start) are those of the next that has one, unless
        // the picture itself comes before.
        var next = MediaTime(flicks: .max)
        var result: [Programme.Unit] = []
        for (unit, due) in units.reversed() {
            next = min(next, due ?? unit.start)
            result.append(
                Programme.Unit(
                    flow: number, ticks: unit.ticks, start: unit.start, end: unit.end, due: next, isKey: unit.isKey,
                    packets: unit.packets))
        }
        return result.reversed()
    }
}
