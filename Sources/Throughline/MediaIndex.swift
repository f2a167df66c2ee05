public import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineTransport

/// Where the media for each moment stands in a file: what an origin that fails "at 4.5 s" needs to know.
///
/// The whole file is read once.
public struct MediaIndex: Sendable {
    /// The furthest presentation end of any flow, from the start of the presentation.
    public let duration: MediaTime
    /// The length of the file in bytes.
    public let byteCount: Int64
    /// The length and the place of each picture, or of each packet of sound where there are no pictures, in file order.
    public let places: [Place]
    /// By time, the least byte of all packets from there on.
    private let firsts: [(time: MediaTime, byte: Int64)]

    /// A packet in the file.
    public struct Place: Sendable, Hashable {
        public let npt: NPT
        public let bytes: Range<Int64>
        public let isKey: Bool
    }

    /// Reads an origin from its start to its end. Blocks.
    ///
    /// - Throws: `StreamError.Code.noOriginUsable` or `notMedia`.
    public init(of origin: Origin) throws(StreamError) {
        let ingest = try ByteIngest.forProbing(origin, bound: .seconds(5), abort: AbortSwitch())
        let hasPictures = ingest.demuxer.flows.contains { $0.kind == .video && !$0.isSparse }
        var packets: [(time: MediaTime, byte: Int64)] = []
        var places: [Place] = []
        var duration = ingest.demuxer.duration ?? .zero
        while true {
            let packet: Packet?
            do throws(IngestReadError) { packet = try ingest.read() ?? ingest.rest() } catch { break }
            guard let packet else { break }
            let flow = ingest.demuxer.flows[packet.flow]
            guard let time = packet.pts ?? packet.dts else { continue }
            if !flow.isSparse { duration = max(duration, time + packet.duration) }
            guard packet.bytePosition >= 0 else { continue }
            packets.append((time, packet.bytePosition))
            if flow.kind == (hasPictures ? .video : .audio), !flow.isSparse {
                let end = packet.bytePosition + Int64(packet.byteCount)
                places.append(Place(npt: time, bytes: packet.bytePosition..<end, isKey: packet.isKey))
            }
        }
        if let failure = ingest.input.openingFailure {
            throw StreamError(code: .noOriginUsable, message: "\(redacted(origin.url)): \(failure.detail)")
        }
        packets.sort { $0.time < $1.time }
        var least = Int64.max
        for index in packets.indices.reversed() {
            least = min(least, packets[index].byte)
            packets[index].byte = least
        }
        self.duration = duration
        self.places = places
        byteCount = ingest.input.length ?? ingest.input.byteCount
        firsts = packets
    }

    /// The first byte of the media from `npt` on; nil behind the end.
    public func byteOffset(of npt: NPT) -> Int64? {
        var (low, high) = (0, firsts.count)
        while low < high {
            let middle = (low + high) / 2
            if firsts[middle].time < npt { low = middle + 1 } else { high = middle }
        }
        return low < firsts.count ? firsts[low].byte : nil
    }
}
