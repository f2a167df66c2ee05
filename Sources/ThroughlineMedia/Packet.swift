internal import CFFmpeg
package import ThroughlineCore

/// One packet of one flow: an owned `AVPacket`, and its times on the timeline of whoever holds it.
///
/// The times are kept beside the `AVPacket`, in flicks: whoever moves a packet from one timeline to another changes
/// them here, and the muxer alone turns them back into a container's units.
package struct Packet: ~Copyable, @unchecked Sendable {
    // Unchecked: what several packets share is not changed any more, and payloads are counted by libavutil with atomics.
    private var handle: PacketHandle
    var av: UnsafeMutablePointer<AVPacket> { handle.av }
    /// Index of the flow in the list of the ingest or, once spliced, of the output.
    package var flow: Int
    /// Presentation time, where the container tells it.
    package var pts: MediaTime?
    /// Decode time, where the container tells it.
    package var dts: MediaTime?
    /// Zero where the container does not tell it.
    package var duration: MediaTime
    /// Who delivered it; kept by whoever knows.
    package var provenance = Provenance()
    /// Something of its flow was sent before it and did not come; said by whoever counts what is sent.
    package var followsLoss = false

    /// An empty packet to read into.
    init() throws(MediaError) {
        handle = try PacketHandle()
        flow = 0
        pts = nil
        dts = nil
        duration = .zero
    }

    /// A packet of its own, with a copy of these bytes.
    package static func copying(_ bytes: UnsafeRawBufferPointer) throws(MediaError) -> Packet {
        var packet = try Packet()
        try packet.replacePayload(with: bytes)
        return packet
    }

    /// A packet of its own, with a copy of these bytes.
    package static func copying(_ bytes: [UInt8]) throws(MediaError) -> Packet {
        var packet = try Packet()
        let result: Result<Void, MediaError> = bytes.withUnsafeBytes { bytes in
            Result { () throws(MediaError) in try packet.replacePayload(with: bytes) }
        }
        try result.get()
        return packet
    }

    private init(sharing packet: borrowing Packet) {
        handle = packet.handle
        flow = packet.flow
        pts = packet.pts
        dts = packet.dts
        duration = packet.duration
        provenance = packet.provenance
        followsLoss = packet.followsLoss
    }

    /// Another packet with the same payload, which may be changed.
    package borrowing func reference() throws(MediaError) -> Packet {
        var copy = try Packet()
        try check(av_packet_ref(copy.av, av), "reference a packet")
        copy.flow = flow
        copy.pts = pts
        copy.dts = dts
        copy.duration = duration
        copy.provenance = provenance
        copy.followsLoss = followsLoss
        return copy
    }

    /// The same packet once more, at hardly any cost: for handing it to others while it is kept. Its times are its own; from
    /// here on, nothing else of either may be changed.
    package borrowing func share() -> Packet { Packet(sharing: self) }

    /// Traps in debug builds where what is to be changed is shared.
    private mutating func expectUnshared() {
        assert(isKnownUniquelyReferenced(&handle), "a packet that others have is changed")
    }

    /// Decoding can start here.
    package var isKey: Bool { av.pointee.flags & AV_PKT_FLAG_KEY != 0 }

    /// Says whether decoding can start here, for sources that do not say it.
    package mutating func markKey(_ isKey: Bool) {
        expectUnshared()
        if isKey { av.pointee.flags |= AV_PKT_FLAG_KEY } else { av.pointee.flags &= ~AV_PKT_FLAG_KEY }
    }

    /// The decoder is to decode this packet and show nothing of it (an edit list cuts it away).
    package var isDiscarded: Bool { av.pointee.flags & AV_PKT_FLAG_DISCARD != 0 }
    /// The container says that the payload is damaged.
    package var isCorrupt: Bool { av.pointee.flags & AV_PKT_FLAG_CORRUPT != 0 }
    /// Says whether the payload is damaged, for containers that do not.
    package mutating func markCorrupt(_ isCorrupt: Bool) {
        expectUnshared()
        if isCorrupt { av.pointee.flags |= AV_PKT_FLAG_CORRUPT } else { av.pointee.flags &= ~AV_PKT_FLAG_CORRUPT }
    }
    /// Payload size in bytes.
    package var byteCount: Int { Int(av.pointee.size) }
    /// Byte position in the container, -1 where it is not known.
    package var bytePosition: Int64 { av.pointee.pos }

    /// The time by which the packet is due at the decoder: its decode time, else its presentation time.
    package var due: MediaTime? { dts ?? pts }

    /// The payload; valid inside `body` only.
    package borrowing func withPayload<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(UnsafeRawBufferPointer(start: av.pointee.data, count: max(0, Int(av.pointee.size))))
    }

    /// Puts another payload in place of the present one; flags and side data stay.
    package mutating func replacePayload(with bytes: UnsafeRawBufferPointer) throws(MediaError) {
        expectUnshared()
        guard bytes.count <= Int(Int32.max) - Int(AV_INPUT_BUFFER_PADDING_SIZE) else { throw .invalidData }
        let buffer = try allocated(
            av_buffer_alloc(bytes.count + Int(AV_INPUT_BUFFER_PADDING_SIZE)), "allocate a payload")
        let data = buffer.pointee.data!
        if let base = bytes.baseAddress { memcpy(data, base, bytes.count) }
        memset(data + bytes.count, 0, Int(AV_INPUT_BUFFER_PADDING_SIZE))
        av_buffer_unref(&av.pointee.buf)
        av.pointee.buf = buffer
        av.pointee.data = data
        av.pointee.size = Int32(bytes.count)
    }
}

/// Owns an `AVPacket`; freed with the last packet that shares it.
private final class PacketHandle {
    let av: UnsafeMutablePointer<AVPacket>

    init() throws(MediaError) {
        av = try allocated(av_packet_alloc(), "allocate a packet")
        LiveHandles.made()
    }

    deinit {
        var packet: UnsafeMutablePointer<AVPacket>? = av
        av_packet_free(&packet)
        LiveHandles.freed()
    }
}
