internal import ThroughlineCore
internal import ThroughlineProtocols

/// What an RTSP source hands to its reader, in the order in which it came over the wire.
enum RTSPItem: Sendable {
    case described(SessionDescription)
    /// Every flow is set up; those that are named here the server refused.
    case ready(refused: [Int])
    case playing(RTSPPlayAnswer)
    case paused
    /// The server has refused PAUSE, and plays on.
    case pauseRefused
    case packets(RTPBlock)
    /// A sender report of one flow.
    case senderReport(flow: Int, RTCPPacket.SenderReport, at: Instant)
    /// The sender of one flow says that it is done.
    case goodbye(flow: Int)
    case notice(RTSPServerNotice)
    /// What was noticed of another session that plays the same.
    case twin(flow: Int, RTPTwin.Finding)
    /// The transport that was asked for is refused.
    case transportRefused
    case moved(to: String)
    /// Somebody has something to say to the reader.
    case interrupted
    /// All that had come when that was asked for lies before this.
    case looked
    /// Something that people should know of the server, in words that follow its name.
    case remark(String)
    /// The last item: the server passes over a PLAY after the first. Another session may play it.
    case replayUnanswered(RTSPPlayRequest)
    /// The last item: the source delivers nothing any more.
    case failed(ChangeEvent)

    /// Memory that it takes while it waits, about. Nothing is free, so that a flood of small items has an end, too.
    var byteCount: Int {
        switch self {
        case .packets(let block): Self.ownBytes + block.byteCount
        case .notice(.redirect(let location, _)): Self.ownBytes + (location?.utf8.count ?? 0)
        case .notice(.notice(let notice)): Self.ownBytes + notice.text.utf8.count + (notice.eventDate?.utf8.count ?? 0)
        case .notice(.playNotify(let reason, _)): Self.ownBytes + reason.utf8.count
        case .notice(.teardown(let reason)): Self.ownBytes + (reason?.utf8.count ?? 0)
        case .remark(let text): Self.ownBytes + text.utf8.count
        default: Self.ownBytes
        }
    }

    private static let ownBytes = 256
}

/// RTP packets that came together, in the order of their sequence numbers for each flow.
struct RTPBlock: Sendable {
    struct Entry: Sendable {
        var flow: Int
        var start: Int
        var count: Int
        /// Packets that are missing before this one.
        var lostBefore: Int
        /// It was lost on the way, and came from another session that plays the same.
        var isFilled = false
    }

    var bytes: [UInt8] = []
    private(set) var entries: [Entry] = []
    /// A bit for each flow that has packets here; a session has fewer than there are bits.
    private(set) var flows: UInt64 = 0
    var arrival: Instant
    /// Memory that is taken for the first packet and those that are expected behind it.
    private let expected: (bytes: Int, packets: Int)

    init(arrival: Instant) {
        self.arrival = arrival
        expected = (0, 0)
    }

    /// - Parameter previous: about as much is expected as came with this one, so that memory is taken once.
    init(arrival: Instant, after previous: RTPBlock) {
        self.arrival = arrival
        expected = (min(previous.bytes.count, 64 << 10), min(previous.entries.count, 256))
    }

    /// Bytes of the packets and of what is kept of each.
    var byteCount: Int { bytes.count + entries.count * MemoryLayout<Entry>.stride }

    mutating func append(
        _ packet: UnsafeRawBufferPointer, flow: Int, lostBefore: Int = 0, isFilled: Bool = false
    ) {
        if entries.isEmpty {
            bytes.reserveCapacity(max(packet.count, expected.bytes))
            entries.reserveCapacity(max(1, expected.packets))
        }
        entries.append(
            Entry(flow: flow, start: bytes.count, count: packet.count, lostBefore: lostBefore, isFilled: isFilled))
        bytes.append(contentsOf: packet)
        flows |= 1 << UInt64(flow)
    }
}
