internal import DequeModule
internal import ThroughlineCore
internal import ThroughlineMedia

/// One flow's part of the playout buffer: what waits, and the last of what went out.
///
/// Not thread-safe; it lives under the lock of its buffer.
final class FlowLane {
    /// Packets that are kept after they went out, so that a handoff can recognise them when they come again.
    static let recentLimit = 64
    static let recentByteLimit = 1 << 20
    /// However large they are, so many are kept.
    static let leastRecent = 8

    /// Key packets that are kept: one that is out, as a rule, and one that waits.
    static let keyLimit = 3

    /// Whether nobody waits for this flow.
    var isSparse: Bool { isAlwaysSparse || isIdle || !isFed }
    private let isAlwaysSparse: Bool
    /// Nothing comes of it for now.
    private var isIdle = false
    /// The origin that is played has this flow.
    var isFed = true {
        didSet { if isFed != oldValue { decodeEnd = nil } }
    }
    /// Received and not yet out, in decode order.
    var waiting = UniqueDeque<Packet>()
    /// The last that went out, in decode order.
    private var recent = UniqueDeque<Packet>()
    private var recentBytes = 0
    private(set) var account = FlowAccount()
    /// Decode end of the last packet received.
    private(set) var decodeEnd: MediaTime?
    /// Decode time of the last packet that went out.
    private(set) var releasedDecode: MediaTime?
    /// The last key packets received, for looking at their pictures.
    private var keys = UniqueDeque<Packet>()
    private var run = WholeRun()
    /// So many of the recent packets are from another place in the presentation.
    private var forgotten = 0

    /// Whether the flow's key packets are pictures that stand alone.
    private let keepsKeys: Bool

    init(isSparse: Bool, keepsKeys: Bool) {
        isAlwaysSparse = isSparse
        self.keepsKeys = keepsKeys
    }

    var headDue: MediaTime? { waiting.isEmpty ? nil : waiting[0].due }

    func append(_ packet: consuming Packet) {
        account.received(
            pts: packet.pts, dts: packet.dts, duration: packet.duration, byteCount: packet.byteCount)
        decodeEnd = packet.due.map { $0 + packet.duration } ?? decodeEnd
        if keepsKeys, packet.isKey, let copy = try? packet.reference() {
            if keys.count == Self.keyLimit { _ = keys.removeFirst() }
            keys.append(copy)
        }
        if keepsKeys { run.append(pts: packet.pts, dts: packet.dts, duration: packet.duration, isKey: packet.isKey) }
        waiting.append(packet)
    }

    /// Whether the first packet may go out while more is to come: pictures that are shown before it are there, too, as far
    /// as they have been received.
    var mayGoOut: Bool { waiting.count > run.open }

    /// Lets the first packet go out: it is kept among the recent ones, and shared with whoever gets it.
    func release() -> Packet {
        let packet = waiting.removeFirst()
        releasedDecode = packet.dts
        recentBytes += packet.byteCount
        let shared = packet.share()
        recent.append(packet)
        return shared
    }

    /// Hands over the recent packets that are kept no longer.
    func trim(into discarding: inout UniqueDeque<Packet>) {
        while recent.count > Self.recentLimit || forgotten > 0
            || (recentBytes > Self.recentByteLimit && recent.count > Self.leastRecent)
        {
            let old = recent.removeFirst()
            forgotten = max(0, forgotten - 1)
            recentBytes -= old.byteCount
            discarding.append(old)
        }
    }

    /// What went out last, as times.
    var recentTraces: [PacketTrace] { Array(traces(recent).dropFirst(forgotten)) }

    /// What waits, as times.
    var waitingTraces: [PacketTrace] { traces(waiting) }

    private func traces(_ packets: borrowing UniqueDeque<Packet>) -> [PacketTrace] {
        var traces: [PacketTrace] = []
        for index in 0..<packets.count { traces.append(packets[index].trace(fingerprint: nil)) }
        return traces
    }

    /// References to the last packets received, out or not, in decode order.
    func tail(limit: Int) -> UniqueDeque<Packet> {
        var result = UniqueDeque<Packet>()
        let fromWaiting = min(waiting.count, limit)
        let fromRecent = min(recent.count - forgotten, limit - fromWaiting)
        for index in (recent.count - fromRecent)..<recent.count {
            if let copy = try? recent[index].reference() { result.append(copy) }
        }
        for index in (waiting.count - fromWaiting)..<waiting.count {
            if let copy = try? waiting[index].reference() { result.append(copy) }
        }
        return result
    }

    /// Lets go of everything: what follows is from elsewhere in the presentation.
    ///
    /// - Parameter isBackward: what follows is played backwards, and has nothing but pictures.
    func empty(into discarding: inout UniqueDeque<Packet>, isBackward: Bool) {
        isIdle = isBackward && !keepsKeys
        while !waiting.isEmpty { discarding.append(waiting.removeFirst()) }
        keys = UniqueDeque()
        run.restart()
        account.restart()
        decodeEnd = nil
        releasedDecode = nil
        // Those that went out are trimmed later, and recognised no longer.
        forgotten = recent.count
    }

    /// Key packets received of late, in decode order.
    func keyPackets() -> UniqueDeque<Packet> {
        var result = UniqueDeque<Packet>()
        for index in 0..<keys.count {
            if let copy = try? keys[index].reference() { result.append(copy) }
        }
        return result
    }

    /// Drops all that waits but the first `kept` packets.
    ///
    /// - Parameter end: the presentation end of what is left.
    /// - Returns: the bytes that are gone.
    func cut(keeping kept: Int, end: MediaTime?) -> Int {
        var dropped = 0
        while waiting.count > kept { dropped += waiting.removeLast().byteCount }
        run.restart()
        if let end { account.cut(to: end) }
        if kept > 0 {
            let (due, duration) = (waiting[kept - 1].due, waiting[kept - 1].duration)
            decodeEnd = due.map { $0 + duration }
        } else if recent.count > 0 {
            let (due, duration) = (recent[recent.count - 1].due, recent[recent.count - 1].duration)
            decodeEnd = due.map { $0 + duration }
        }
        return dropped
    }
}

extension Packet {
    /// What splicing needs to know of this packet.
    borrowing func trace(fingerprint: UInt64?, glance: UInt64? = nil) -> PacketTrace {
        PacketTrace(pts: pts, dts: dts, duration: duration, isKey: isKey, fingerprint: fingerprint, glance: glance)
    }
}
