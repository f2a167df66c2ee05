internal import DequeModule
public import ThroughlineCore
internal import ThroughlineMedia

/// Packets that were presented together, in the order in which they were due; shared by all who have it, and never changed.
public struct PacketBatch: Sendable, RandomAccessCollection {
    private let store: PacketStore
    public let indices: Range<Int>
    /// Packets that were left out right before these, since their lane had no room for them.
    public let dropped: Int

    init(_ store: PacketStore, _ indices: Range<Int>, dropped: Int) {
        (self.store, self.indices, self.dropped) = (store, indices, dropped)
        byteCount = store.byteCount(of: indices)
    }

    public var startIndex: Int { indices.lowerBound }
    public var endIndex: Int { indices.upperBound }

    /// Bytes of all payloads.
    public let byteCount: Int

    var due: MediaTime? { isEmpty ? nil : store.due(indices.lowerBound) }
    var lastDue: MediaTime? { isEmpty ? nil : store.due(indices.upperBound - 1) }

    /// Shows each packet to `body`, for as long as a call of it takes.
    func forEachPacket<Failure: Error>(_ body: (borrowing Packet) throws(Failure) -> Void) throws(Failure) {
        for index in indices { try body(store.packets[index]) }
    }

    /// The flows of the stream that are played; `StreamPacket.flow` is the index that each of them has.
    public var flows: [LaneFlow] { store.flows }

    public subscript(index: Int) -> StreamPacket {
        precondition(indices.contains(index), "a packet beyond its batch")
        return StreamPacket(store: store, index: index)
    }
}

/// One packet as it was presented. It holds on to its batch.
public struct StreamPacket: Sendable {
    fileprivate let store: PacketStore
    fileprivate let index: Int

    /// Index of its flow.
    public var flow: Int { store.packets[index].flow }
    /// When it is shown, on the continuous timeline of the outputs; nil where no container told it.
    public var pts: MediaTime? { store.packets[index].pts }
    /// When it is decoded, on the same timeline.
    public var dts: MediaTime? { store.packets[index].dts }
    /// Zero where it is not known.
    public var duration: MediaTime { store.packets[index].duration }
    /// Decoding can begin here.
    public var isKey: Bool { store.packets[index].isKey }
    /// Its payload is damaged.
    public var isCorrupt: Bool { store.packets[index].isCorrupt }
    public var byteCount: Int { store.packets[index].byteCount }
    /// Who delivered it.
    public var origin: OriginID { store.packets[index].provenance.origin }

    /// The payload; valid inside `body` only.
    public func withPayload<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        try store.packets[index].withPayload(body)
    }
}

/// A flow as a decoder wants to know it.
public struct LaneFlow: Sendable, Hashable {
    public let index: Int
    public let kind: FlowKind
    /// FFmpeg's name of the codec: `h264`, `aac`.
    public let codec: String
    public let language: String?
    /// Pixels; zero for what is no video.
    public let width: Int
    public let height: Int
    /// Hertz; zero for what is no sound.
    public let sampleRate: Int
    public let channels: Int
    /// The codec's global headers as the first origin's container had them. Those of another origin come in band.
    public let extradata: [UInt8]
}

extension FlowFormat {
    var laneFlow: LaneFlow {
        LaneFlow(
            index: index, kind: kind, codec: codecName, language: language, width: width, height: height,
            sampleRate: sampleRate, channels: channels, extradata: withExtradata { Array($0) })
    }
}

/// Owns the packets of a batch.
final class PacketStore: @unchecked Sendable {
    // Unchecked: nothing changes after `init`, and what the packets share with others is counted with atomics.
    fileprivate let packets: UniqueDeque<Packet>
    let flows: [LaneFlow]
    /// The flow at whose key frames a lane may begin; nil where it may anywhere.
    let leader: Int?
    private let byteCount: Int

    init(_ packets: consuming UniqueDeque<Packet>, flows: [LaneFlow], leader: Int?) {
        byteCount = Self.byteCount(packets, 0..<packets.count)
        self.packets = packets
        self.flows = flows
        self.leader = leader
    }

    var count: Int { packets.count }

    func byteCount(of range: Range<Int>) -> Int {
        if range == 0..<packets.count { return byteCount }
        return Self.byteCount(packets, range)
    }

    private static func byteCount(_ packets: borrowing UniqueDeque<Packet>, _ range: Range<Int>) -> Int {
        var count = 0
        for index in range { count += packets[index].byteCount }
        return count
    }

    /// The first packet that a lane may begin with.
    var firstBeginning: Int? {
        guard let leader else { return packets.isEmpty ? nil : 0 }
        return (0..<packets.count).first { packets[$0].flow == leader && packets[$0].isKey }
    }

    /// When a packet is due.
    func due(_ index: Int) -> MediaTime? { packets[index].due }
}
