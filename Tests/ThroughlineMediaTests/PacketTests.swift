internal import DequeModule
internal import Testing
internal import ThroughlineCore
internal import ThroughlineMedia

extension MediaTests {
    @Suite struct PacketTests {
        static func first(_ name: String = "main.mp4") throws -> Packet {
            guard let packet = try Demuxer.opening(name).read() else { throw MediaError(code: -1, operation: "read") }
            return packet
        }

        @Test func aPacketOutlivesItsDemuxer() throws {
            let packet = try Self.first()
            #expect(packet.byteCount > 0)
            #expect(packet.withPayload { $0.count } == packet.byteCount)
            #expect(packet.isKey && !packet.isCorrupt)
            #expect(packet.due == packet.dts)
        }

        @Test func aReferenceIsAPacketOfItsOwn() throws {
            var packet = try Self.first()
            var copy = try packet.reference()
            copy.flow = 7
            copy.pts = .seconds(9)
            #expect(packet.flow == 0 && packet.pts == .zero)
            #expect(PacketRecord(packet).payload == PacketRecord(copy).payload)
            try packet.replacePayload(with: UnsafeRawBufferPointer(start: nil, count: 0))
            #expect(packet.byteCount == 0)
            #expect(copy.byteCount > 0)
        }

        @Test func aSharedPacketLivesAsLongAsSomebodyHasIt() throws {
            let before = LiveHandles.count
            do {
                let packet = try Self.first()
                let record = PacketRecord(packet)
                var shared = packet.share()
                #expect(LiveHandles.count == before + 1)
                #expect(PacketRecord(shared) == record)
                shared.pts = .seconds(9)
                #expect(packet.pts == .zero)
                discard(packet)
                #expect(PacketRecord(shared).payload == record.payload)
            }
            #expect(LiveHandles.count == before)
        }

        private func discard(_ packet: consuming Packet) {}

        @Test func aPayloadCanBeReplaced() throws {
            var packet = try Self.first()
            let isKey = packet.isKey
            try ([1, 2, 3] as [UInt8]).withUnsafeBytes { try packet.replacePayload(with: $0) }
            #expect(PacketRecord(packet).payload == [1, 2, 3])
            #expect(packet.isKey == isKey)
        }

        @Test func queuesOwnTheirPackets() throws {
            let before = LiveHandles.count
            do {
                let demuxer = try Demuxer.opening("main.mp4")
                var queue = UniqueDeque<Packet>()
                while let packet = try demuxer.read() { queue.append(packet) }
                #expect(queue.count == 1392)
                _ = queue.removeFirst()
            }
            #expect(LiveHandles.count == before)
        }
    }

    @Suite struct ErrorTests {
        @Test func errorsReadLikeSentences() {
            let error = MediaError(code: -2, operation: "open the container")
            #expect(error.description == "cannot open the container: No such file or directory")
            #expect(!error.isNotMedia)
        }

        @Test func theLibraryHasAVersion() {
            #expect(FFmpegLibrary.version.split(separator: ".").count == 3)
        }
    }
}
