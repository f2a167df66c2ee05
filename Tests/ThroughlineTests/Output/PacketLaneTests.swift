internal import DequeModule
internal import Testing
internal import ThroughlineCore
internal import ThroughlineMedia

@testable internal import Throughline

/// What a lane keeps for its consumer, and what becomes of one that is slow.
@Suite struct PacketLaneTests {
    /// Packets of a film by batches; of pictures one second is 25 packets, and one in 25 is a key frame.
    private final class Film {
        private let reader: FixtureReader
        private let leader: Int?
        private(set) var isOver = false
        private(set) var count = 0

        init(_ name: String = "main.mp4") throws {
            reader = try FixtureReader(name)
            leader = reader.flows.first { $0.kind == .video }?.index
        }

        /// - Returns: so many packets, fewer at the end.
        func batch(_ size: Int) throws -> PacketStore {
            var packets = UniqueDeque<Packet>()
            while packets.count < size, let packet = try reader.read() { packets.append(packet) }
            isOver = packets.count < size
            count += packets.count
            return PacketStore(packets, flows: reader.flows.map(\.laneFlow), leader: leader)
        }
    }

    private func take(_ lane: PacketLane) -> PacketBatch? {
        guard case .batch(let batch) = lane.next(timeout: .zero) else { return nil }
        return batch
    }

    private func isOver(_ lane: PacketLane) -> Bool {
        if case .end = lane.next(timeout: .zero) { true } else { false }
    }

    @Test func allComesInOrderToOneThatKeepsUp() throws {
        let film = try Film()
        let lane = PacketLane(.dropToKeyFrame, LaneLimits())
        var count = 0
        var last: MediaTime?
        while !film.isOver {
            lane.offer(try film.batch(20))
            while let batch = take(lane) {
                #expect(batch.dropped == 0 && batch.flows.count == 4)
                for packet in batch where packet.flow == 0 {
                    #expect(packet.dts! > last ?? .seconds(-1))
                    last = packet.dts
                }
                count += batch.count
            }
        }
        lane.end(nil)
        #expect(count == film.count && lane.dropped == 0 && isOver(lane))
    }

    @Test("Payloads live as long as somebody has them")
    func payloads() throws {
        let lane = PacketLane(.dropToKeyFrame, LaneLimits())
        lane.offer(try Film().batch(10))
        let packet = try #require(take(lane)?.first)
        #expect(packet.isKey && packet.byteCount > 0)
        #expect(packet.withPayload { $0.count } == packet.byteCount)
    }

    @Test("It begins with a key frame, and nothing before it is missed")
    func begins() throws {
        let film = try Film()
        _ = try film.batch(30)
        let lane = PacketLane(.dropToKeyFrame, LaneLimits())
        for _ in 0..<30 { lane.offer(try film.batch(20)) }
        let first = try #require(take(lane)?.first)
        #expect(first.flow == 0 && first.isKey)
        #expect(lane.dropped == 0)
    }

    @Test("What there is no room for is left out up to a key frame, and counted")
    func drops() throws {
        let film = try Film()
        let lane = PacketLane(.dropToKeyFrame, LaneLimits(duration: .seconds(2)))
        while !film.isOver { lane.offer(try film.batch(20)) }
        lane.end(nil)
        var kept = 0
        while let batch = take(lane) { kept += batch.count }
        #expect(lane.dropped > 0 && kept + lane.dropped == film.count)
        #expect(kept < film.count / 3)
        #expect(isOver(lane))
    }

    @Test("One that has caught up goes on with a key frame, and is told what it has missed")
    func goesOn() throws {
        let film = try Film()
        let lane = PacketLane(.dropToKeyFrame, LaneLimits(duration: .seconds(2)))
        while lane.dropped == 0 { lane.offer(try film.batch(20)) }
        while take(lane) != nil {}
        var next: PacketBatch?
        while next == nil, !film.isOver {
            lane.offer(try film.batch(20))
            next = take(lane)
        }
        let batch = try #require(next)
        #expect(batch.dropped == lane.dropped && batch[batch.startIndex].isKey && batch[batch.startIndex].flow == 0)
    }

    @Test("Or it is let go, where that is wanted")
    func disconnects() throws {
        let film = try Film()
        let lane = PacketLane(.disconnect, LaneLimits(packets: 50))
        for _ in 0..<10 { lane.offer(try film.batch(20)) }
        #expect(lane.hasEnded)
        var kept = 0
        while let batch = take(lane) { kept += batch.count }
        #expect(kept == 60)
        guard case .end(let error?) = lane.next(timeout: .zero) else {
            Issue.record("it has not ended")
            return
        }
        #expect(error.code == .outputFailed)
    }

    @Test("Sound alone begins anywhere")
    func sound() throws {
        let film = try Film("audio.mp3")
        _ = try film.batch(7)
        let lane = PacketLane(.dropToKeyFrame, LaneLimits())
        lane.offer(try film.batch(5))
        #expect(take(lane)?.count == 5)
    }

    @Test("Whoever leaves gets nothing more")
    func leaves() throws {
        let film = try Film()
        let lane = PacketLane(.dropToKeyFrame, LaneLimits())
        lane.offer(try film.batch(20))
        lane.leave()
        lane.offer(try film.batch(20))
        #expect(isOver(lane) && lane.hasEnded)
    }

    @Test("Where nothing comes, the wait ends in time")
    func waits() {
        if PacketLane(.dropToKeyFrame, LaneLimits()).next(timeout: .milliseconds(1)) != nil {
            Issue.record("something came")
        }
    }
}
