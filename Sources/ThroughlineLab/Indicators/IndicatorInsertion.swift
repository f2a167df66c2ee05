internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols

extension ServedFile {
    /// A file with indicators written into it, in memory. `sei` goes into MP4, Matroska and transport streams with H.264 or
    /// HEVC pictures; `id3` into transport streams, ADTS and MP3; the others into transport streams.
    ///
    /// MP4 and Matroska are written anew: the same packets in a new container.
    ///
    /// - Throws: ``OriginError`` when the file cannot be read, or cannot carry one of them.
    public init(path: String, inserting indicators: [InsertedIndicator]) throws(OriginError) {
        self.init(path: path)
        guard !indicators.isEmpty else { return }
        let input = try FileBytes(path: path)
        guard input.length ?? 0 <= Programme.sizeLimit else {
            throw OriginError(description: "cannot write to \(path): it is larger than 1 GiB, and is kept in memory")
        }
        contentType = ThroughlineLab.contentType(forPath: path)
        func failure(_ reason: String) -> OriginError {
            OriginError(description: "cannot write indicators into \(path): \(reason)")
        }
        do {
            let name = try Demuxer(input: input).container
            let fits: Set<Indicator.Kind> =
                switch name {
                case "mpegts": Set(Indicator.Kind.allCases)
                case "aac", "mp3": [.timedMetadata]
                default: [.userData]
                }
            if let other = indicators.first(where: { !fits.contains($0.kind) }) {
                throw failure("\(other.kind.rawValue) does not go into \(name)")
            }
            switch name {
            case "mpegts":
                content = .bytes(try TransportEditor.edit(Self.bytes(of: input), inserting: indicators))
            case "aac", "mp3":
                content = .bytes(try Self.edit(sound: Self.bytes(of: input), inserting: indicators))
            default:
                content = .bytes(try Self.remux(path, inserting: indicators))
            }
        } catch let error as OriginError {
            throw failure(error.description)
        } catch {
            throw failure("\(error)")
        }
    }

    private static func bytes(of input: FileBytes) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Int(input.length ?? 0))
        var done = 0
        _ = input.seek(to: 0)
        while done < bytes.count {
            let count = bytes.withUnsafeMutableBytes { input.read(into: .init(rebasing: $0[done...])) }
            guard case .bytes(let count) = count else { break }
            done += count
        }
        return Array(bytes[..<done])
    }

    // MARK: Raw audio

    /// Tags in front of the first frame at or behind their place.
    private static func edit(
        sound bytes: [UInt8], inserting indicators: [InsertedIndicator]
    ) throws(OriginError) -> [UInt8] {
        var pending = indicators.sorted { $0.carrier < $1.carrier }[...]
        var output: [UInt8] = []
        output.reserveCapacity(bytes.count + 4096)
        var at = 0
        var time = MediaTime.zero
        while at < bytes.count {
            let frame: (size: Int, time: MediaTime)? = bytes.withUnsafeBytes { all in
                let rest = UnsafeRawBufferPointer(rebasing: all[at...])
                if let header = ADTSHeader(rest) {
                    let rate = Int32(clamping: header.configuration.samplingFrequencyHz)
                    let samples = Int64(header.blockCount) * 1024
                    return (header.frameLength, MediaTime(value: samples, timeBase: TimeBase(1, rate)) ?? .zero)
                }
                if let header = MPEGAudioHeader(rest) {
                    let rate = TimeBase(1, Int32(clamping: header.samplingFrequencyHz))
                    return (header.frameLength, MediaTime(value: Int64(header.samples), timeBase: rate) ?? .zero)
                }
                return nil
            }
            guard let frame else {
                output.append(bytes[at])
                at += 1
                continue
            }
            while let next = pending.first, next.carrier <= time {
                pending.removeFirst()
                guard let tag = next.tag else { throw OriginError(description: "an ID3 tag cannot be written") }
                output += tag
            }
            let end = min(bytes.count, at + frame.size)
            output += bytes[at..<end]
            at = end
            time += frame.time
        }
        return output
    }

    // MARK: Other containers

    private static func remux(_ path: String, inserting indicators: [InsertedIndicator]) throws -> [UInt8] {
        let demuxer = try Demuxer(input: try FileBytes(path: path))
        let output = MemoryOutput()
        let muxer = try Muxer(format: nil, name: path, flows: demuxer.flows, output: output)
        var inserter = UserDataInserter(indicators)
        while var packet = try demuxer.read() {
            try inserter.look(at: &packet, of: demuxer.flows[packet.flow])
            try muxer.write(packet)
        }
        try muxer.finish()
        return output.bytes
    }

    private final class MemoryOutput: ByteOutput {
        var bytes: [UInt8] = []
        private var offset = 0
        let isSeekable = true

        func write(_ piece: UnsafeRawBufferPointer) -> Bool {
            let overlap = min(piece.count, bytes.count - offset)
            if overlap > 0 { bytes.replaceSubrange(offset..<offset + overlap, with: piece[..<overlap]) }
            bytes += piece[max(0, overlap)...]
            offset += piece.count
            return true
        }

        func seek(to offset: Int64) -> Bool {
            guard offset <= bytes.count else { return false }
            self.offset = Int(offset)
            return true
        }
    }
}

/// Puts user data into the first picture at or behind its place, one message in a picture.
struct UserDataInserter {
    private var pending: ArraySlice<InsertedIndicator>
    private var forms: [Int: PayloadForm] = [:]

    init(_ indicators: [InsertedIndicator]) {
        pending = indicators.filter { $0.kind == .userData }.sorted { $0.carrier < $1.carrier }[...]
    }

    mutating func look(at packet: inout Packet, of flow: FlowFormat) throws(MediaError) {
        guard flow.kind == .video, let next = pending.first, let time = packet.pts ?? packet.dts, time >= next.carrier
        else { return }
        let form =
            forms[flow.index]
            ?? packet.withPayload { payload in
                let codec: PayloadForm.Codec =
                    flow.codecName == "h264" ? .h264 : flow.codecName == "hevc" ? .hevc : .other
                return flow.withExtradata { PayloadForm.detect(codec: codec, extradata: $0, firstPacket: payload) }
            }
        forms[flow.index] = form
        guard let (codec, framing) = form.nalUnits, let message = next.message.map({ UserDataMessage($0) }) else {
            return
        }
        let edited = packet.withPayload { message.inserted(into: $0, codec: codec, framing: framing) }
        guard let edited else { return }
        pending.removeFirst()
        let failure: MediaError? = edited.withUnsafeBytes { bytes in
            do throws(MediaError) {
                try packet.replacePayload(with: bytes)
                return nil
            } catch { return error }
        }
        if let failure { throw failure }
    }
}
