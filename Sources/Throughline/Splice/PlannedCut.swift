internal import DequeModule
internal import ThroughlineCore
internal import ThroughlineMedia

/// Ends what an ingest gives at a place in the stream, flow by flow and to the packet: what is presented before the place
/// goes on, what is presented there or behind is held back.
///
/// Packets come in decode order, and pictures behind the place may be wanted to decode some before it: when one comes
/// that is presented before the place, those held back of its flow go on ahead of it. A flow is through once its decode
/// times have reached the place, since nothing is presented before it is decoded.
///
///     place 4     I0 P4 B2 B1 B3 P8 B6 ...     (the number is the presentation time)
///                 goes on: I0 P4 B2 B1 B3; P8 and what follows is held back
///     place 4, closed group of pictures
///                 I0 P3 B1 B2 I4 P7 ...        goes on: I0 P3 B1 B2
///
/// Nothing held back is lost: it is taken out again where the ingest is read on.
final class PlannedCut {
    /// Containers put some seconds of one flow before another's; a flow that is further behind has ended.
    static let patience: MediaTime = .seconds(6)
    static let heldByteLimit = 64 << 20
    /// Containers that count milliseconds round so far.
    static let rounding: MediaTime = .milliseconds(1)

    let npt: NPT
    /// By flow of the ingest, in the order in which they came.
    private var held: [Int: UniqueHeld] = [:]
    private var heldBytes = 0
    /// Flows of the ingest whose decode times have reached the place.
    private var through: Set<Int> = []
    private var furthest: MediaTime?

    private final class UniqueHeld {
        var packets = UniqueDeque<Packet>()
    }

    init(at npt: NPT) { self.npt = npt }

    /// Takes a packet at the place where it will stand in the output.
    ///
    /// - Parameter released: gets what goes on, in order.
    func take(
        _ packet: consuming Packet, at place: (pts: MediaTime?, dts: MediaTime?)?, isSparse: Bool,
        into released: inout UniqueDeque<Packet>
    ) {
        guard let place, let pts = place.pts ?? place.dts else {
            released.append(packet)
            return
        }
        let flow = packet.flow
        if pts < npt - Self.rounding {
            release(flow, into: &released)
            released.append(packet)
        } else {
            heldBytes += packet.byteCount
            let lane = held[flow] ?? UniqueHeld()
            held[flow] = lane
            lane.packets.append(packet)
        }
        guard !isSparse, let due = place.dts ?? place.pts else { return }
        if due >= npt - Self.rounding { through.insert(flow) }
        furthest = max(furthest ?? due, due)
    }

    private func release(_ flow: Int, into released: inout UniqueDeque<Packet>) {
        guard let lane = held[flow] else { return }
        while !lane.packets.isEmpty {
            let packet = lane.packets.removeFirst()
            heldBytes -= packet.byteCount
            released.append(packet)
        }
    }

    /// Everything held back, in the order of each flow.
    func releaseAll(into released: inout UniqueDeque<Packet>) {
        for flow in held.keys.sorted() { release(flow, into: &released) }
        through = []
    }

    /// Whether the place is reached by every flow that is still coming.
    ///
    /// - Parameter flows: those of the ingest that are not sparse, and feed the output.
    func isReached(by flows: some Sequence<Int>) -> Bool {
        if heldBytes > Self.heldByteLimit { return true }
        if through.isEmpty { return false }
        if let furthest, furthest >= npt + Self.patience { return true }
        return flows.allSatisfy { through.contains($0) }
    }

    /// Whether any flow has reached the place.
    var isTouched: Bool { !through.isEmpty }
}
