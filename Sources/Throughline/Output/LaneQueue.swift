internal import DequeModule
internal import ThroughlineCore

/// The batches that wait in a lane, and how much they are.
struct LaneQueue {
    private var batches = Deque<PacketBatch>()
    private(set) var bytes = 0
    private(set) var packets = 0

    var isEmpty: Bool { batches.isEmpty }
    var first: PacketBatch? { batches.first }

    mutating func append(_ batch: PacketBatch) {
        batches.append(batch)
        packets += batch.count
        bytes += batch.byteCount
    }

    mutating func popFirst() -> PacketBatch? {
        guard let batch = batches.popFirst() else { return nil }
        packets -= batch.count
        bytes -= batch.byteCount
        return batch
    }

    mutating func removeAll() { self = LaneQueue() }

    /// From the first packet to the last.
    var duration: MediaTime {
        guard let first = batches.first?.due, let last = batches.last?.lastDue else { return .zero }
        return last - first
    }

    /// - Parameter share: of the limits, 1 for all, 2 for half.
    func isBeyond(_ limits: LaneLimits, share: Int = 1) -> Bool {
        packets > limits.packets / share || bytes > limits.bytes / share
            || duration > MediaTime(limits.duration / share)
    }
}
