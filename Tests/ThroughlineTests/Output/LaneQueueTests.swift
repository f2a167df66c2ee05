internal import DequeModule
internal import Testing
internal import ThroughlineCore
internal import ThroughlineMedia

@testable internal import Throughline

/// What waits in a lane, and when it is too much.
@Suite struct LaneQueueTests {
    /// Pictures of 40 ms and 10 bytes.
    private func batch(from due: Int64, _ count: Int) throws -> PacketBatch {
        var packets = UniqueDeque<Packet>()
        for index in 0..<count { packets.append(try PlayoutBufferTests.packet(0, due: due + 40 * Int64(index))) }
        return PacketBatch(PacketStore(packets, flows: [], leader: nil), 0..<count, dropped: 0)
    }

    @Test func whatWaitsIsCounted() throws {
        var queue = LaneQueue()
        #expect(queue.isEmpty && queue.popFirst() == nil && queue.duration == .zero)
        queue.append(try batch(from: 0, 3))
        queue.append(try batch(from: 120, 5))
        #expect(queue.packets == 8 && queue.bytes == 80 && queue.duration == .milliseconds(280))
        #expect(queue.first?.count == 3)
        #expect(queue.popFirst()?.count == 3)
        #expect(queue.packets == 5 && queue.bytes == 50 && queue.duration == .milliseconds(160))
        #expect(queue.popFirst()?.due == .milliseconds(120))
        #expect(queue.isEmpty && queue.packets == 0 && queue.bytes == 0)
    }

    @Test("Whatever is reached first counts, and a limit that is met is none that is passed")
    func limits() throws {
        var queue = LaneQueue()
        queue.append(try batch(from: 0, 10))
        func isBeyond(_ duration: Int = 60_000, _ bytes: Int = 1 << 20, _ packets: Int = 1000, share: Int = 1) -> Bool {
            queue.isBeyond(
                LaneLimits(duration: .milliseconds(duration), bytes: bytes, packets: packets), share: share)
        }
        #expect(!isBeyond())
        #expect(!isBeyond(360) && isBeyond(359))
        #expect(!isBeyond(60_000, 100) && isBeyond(60_000, 99))
        #expect(!isBeyond(60_000, 1 << 20, 10) && isBeyond(60_000, 1 << 20, 9))
        #expect(isBeyond(60_000, 1 << 20, 19, share: 2) && !isBeyond(60_000, 1 << 20, 20, share: 2))
    }

    @Test func whatIsRemovedCountsNoMore() throws {
        var queue = LaneQueue()
        queue.append(try batch(from: 0, 10))
        queue.removeAll()
        #expect(queue.isEmpty && queue.bytes == 0 && queue.packets == 0 && queue.duration == .zero)
    }

    @Test("Part of a batch counts for what it is")
    func parts() throws {
        var packets = UniqueDeque<Packet>()
        for index in 0..<4 { packets.append(try PlayoutBufferTests.packet(0, due: 40 * Int64(index), size: 1 + index)) }
        let store = PacketStore(packets, flows: [], leader: nil)
        var queue = LaneQueue()
        queue.append(PacketBatch(store, 2..<4, dropped: 0))
        #expect(queue.packets == 2 && queue.bytes == 7 && queue.duration == .milliseconds(40))
    }
}
