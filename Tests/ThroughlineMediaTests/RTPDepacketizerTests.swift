internal import Testing
internal import ThroughlineCore
internal import ThroughlineMedia

extension MediaTests {
    @Suite struct RTPDepacketizerTests {
        private static let head = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        private static let video =
            "m=video 9 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\n"
        private static let sound = "m=audio 9 RTP/AVP 97\r\na=rtpmap:97 PCMU/8000/1\r\n"

        private static func packet(_ type: UInt8, _ sequence: UInt16, _ payload: [UInt8]) -> [UInt8] {
            [0x80, type, UInt8(sequence >> 8), UInt8(truncatingIfNeeded: sequence), 0, 0, 0, 9, 0, 0, 0, 1] + payload
        }

        private static func pieces(_ depacketizer: RTPDepacketizer, _ packet: [UInt8]) throws -> [PacketRecord] {
            var records: [PacketRecord] = []
            let fed: Result<Void, MediaError> = packet.withUnsafeBytes { bytes in
                Result { () throws(MediaError) in
                    try depacketizer.feed(bytes) { piece in records.append(PacketRecord(piece)) }
                }
            }
            try fed.get()
            return records
        }

        @Test func eachPacketGivesItsOwnPieces() throws {
            let depacketizer = try RTPDepacketizer(description: Self.head + Self.video + Self.sound)
            #expect(depacketizer.flows.map { $0?.codecName } == ["h264", "pcm_mulaw"])
            // One unit; the fragments of another; sound between them; two units that were gathered.
            let one = try Self.pieces(depacketizer, Self.packet(96, 10, [0x41, 1, 2, 3]))
            #expect(one.map(\.payload) == [[0, 0, 0, 1, 0x41, 1, 2, 3]] && one.map(\.flow) == [0])
            let begun = try Self.pieces(depacketizer, Self.packet(96, 11, [0x5C, 0x85, 9, 9]))
            #expect(begun.map(\.payload) == [[0, 0, 0, 1, 0x45, 9, 9]])
            let sound = try Self.pieces(depacketizer, Self.packet(97, 700, [7, 7, 7]))
            #expect(sound.map(\.payload) == [[7, 7, 7]] && sound.map(\.flow) == [1])
            let ended = try Self.pieces(depacketizer, Self.packet(96, 12, [0x5C, 0x45, 8]))
            #expect(ended.map(\.payload) == [[8]])
            let both = try Self.pieces(depacketizer, Self.packet(96, 13, [0x58, 0, 2, 0x67, 1, 0, 2, 0x68, 2]))
            #expect(both.map(\.payload) == [[0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 2]])
        }

        @Test func whatIsNobodysIsPassedOver() throws {
            let depacketizer = try RTPDepacketizer(description: Self.head + Self.video)
            #expect(try Self.pieces(depacketizer, Self.packet(101, 1, [1, 2, 3])).isEmpty)
            #expect(try Self.pieces(depacketizer, []).isEmpty)
            #expect(try Self.pieces(depacketizer, [0x80]).isEmpty)
            #expect(try Self.pieces(depacketizer, Self.packet(96, 2, [0x41, 5])).count == 1)
        }

        /// More than libavformat's receiver reports begin at, which it writes to nowhere.
        @Test func readingGoesOnForLong() throws {
            let depacketizer = try RTPDepacketizer(description: Self.head + Self.video)
            let payload = [0x41] + [UInt8](repeating: 0x55, count: 1300)
            for sequence in 0..<2000 as Range<UInt16> {
                #expect(try Self.pieces(depacketizer, Self.packet(96, sequence, payload)).count == 1)
            }
        }

        @Test func descriptionsThatSayNothingAreErrors() {
            let long = Self.head + "a=x:" + String(repeating: "y", count: 17_000) + "\r\n" + Self.video
            for text in ["", "nonsense", Self.head, long] {
                #expect(throws: MediaError.self) {
                    try RTPDepacketizer(description: text).flows.isEmpty ? throwNothing() : ()
                }
            }
        }

        private func throwNothing() throws { throw MediaError.nothingReadable }

        /// Whatever comes, it is taken or refused.
        @Test(arguments: 0..<6 as Range<UInt64>) func hostilePacketsAreBorne(seed: UInt64) throws {
            let more =
                "m=video 9 RTP/AVP 98\r\na=rtpmap:98 H265/90000\r\nm=video 9 RTP/AVP 99\r\na=rtpmap:99 VP8/90000\r\n"
                + "m=audio 9 RTP/AVP 100\r\na=rtpmap:100 MPEG4-GENERIC/48000/2\r\n"
                + "a=fmtp:100 mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config=1190\r\n"
            let depacketizer = try RTPDepacketizer(description: Self.head + Self.video + Self.sound + more)
            var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
            func random() -> UInt64 {
                state ^= state << 13
                state ^= state >> 7
                state ^= state << 17
                return state
            }
            for sequence in 0..<3000 as Range<UInt16> {
                var bytes = Self.packet(
                    96 + UInt8(random() % 5), sequence,
                    (0..<random() % 90).map { _ in UInt8(truncatingIfNeeded: random()) })
                if random() % 8 == 0 { bytes[Int(random() % 12)] = UInt8(truncatingIfNeeded: random()) }
                if random() % 8 == 0 { bytes = Array(bytes.prefix(Int(random() % 20))) }
                _ = try? Self.pieces(depacketizer, bytes)
            }
        }

        @Test func aFlowIsCompleted() throws {
            let flow = try #require(try RTPDepacketizer(description: Self.head + Self.video).flows[0])
            var details = FlowFormat.Details()
            details.size = (320, 180)
            details.frameRate = Rate(30_000, 1001)
            details.reorderDepth = 2
            details.extradata = [0, 0, 0, 1, 0x67, 1]
            details.language = "deu"
            let known = try flow.completed(details, index: 3)
            #expect(known.description == "video h264 320x180 (deu)" && known.index == 3)
            #expect(
                known.reorderDepth == 2 && known.frameRate == Rate(30_000, 1001))
            #expect(known.withExtradata { Array($0) } == [0, 0, 0, 1, 0x67, 1])
            #expect(flow.width == 0 && flow.language == nil)
            details.codecName = "no such codec"
            #expect(throws: MediaError.self) { try flow.completed(details) }
            let sound = try #require(try RTPDepacketizer(description: Self.head + Self.sound).flows[0])
            #expect(sound.duration(ofPacketOf: 160) == .milliseconds(20))
        }
    }
}
