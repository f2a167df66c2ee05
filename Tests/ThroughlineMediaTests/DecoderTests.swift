internal import Testing
internal import ThroughlineCore
internal import ThroughlineMedia

extension MediaTests {
    @Suite struct DecoderTests {
        /// Frames that come out of every flow that can be decoded, and errors.
        static func frames(_ name: String) throws -> (counts: [Int], errors: Int) {
            let demuxer = try Demuxer.opening(name)
            let decoders = try demuxer.flows.map { $0.isSparse ? nil : try Decoder(flow: $0) }
            var counts = demuxer.flows.map { _ in 0 }
            while let packet = try demuxer.read() {
                let flow = packet.flow
                decoders[flow]?.decode(packet) { _ in counts[flow] += 1 }
            }
            for (flow, decoder) in decoders.enumerated() { decoder?.drain { _ in counts[flow] += 1 } }
            return (counts, decoders.reduce(0) { $0 + ($1?.errorCount ?? 0) })
        }

        @Test(arguments: [
            ("main.mp4", [300, 563, 517, 0]), ("main.ts", [300, 564, 518]), ("main.mkv", [300, 564, 518, 0]),
            ("hevc.mp4", [300, 517]), ("hevc.ts", [300, 518]), ("audio.mp3", [461]), ("audio.aac", [518]),
        ])
        func everyFrameComesOut(_ name: String, _ expected: [Int]) throws {
            let (counts, errors) = try Self.frames(name)
            #expect(counts == expected)
            #expect(errors == 0)
        }

        @Test func damageIsCounted() throws {
            #expect(try Self.frames("corrupt.ts").errors > 0)
        }

        /// The number that every picture of the fixtures shows, as ten squares along its top edge.
        @Test(arguments: ["main.mp4", "main.ts", "main.mkv", "other.mp4", "hevc.mp4"])
        func everyPictureIsTheOneThatItSays(_ name: String) throws {
            let demuxer = try Demuxer.opening(name)
            let flow = try #require(demuxer.flows.first { $0.kind == .video })
            demuxer.select { $0.kind == .video }
            let decoder = try Decoder(flow: flow)
            var numbers: [Int] = []
            var times: [Int64] = []
            func look(_ frame: borrowing DecodedFrame) {
                // Cells of 16 by 15 pixels: the first row of twenty holds the squares.
                guard let grid = frame.lumaGrid(columns: 20, rows: 12), let pts = frame.pts else { return }
                numbers.append((0..<10).reduce(0) { $0 | (grid[$1] > 128 ? 1 << $1 : 0) })
                times.append(pts.milliseconds)
            }
            while let packet = try demuxer.read() { decoder.decode(packet) { look($0) } }
            decoder.drain { look($0) }
            #expect(numbers == Array(0..<300))
            #expect(zip(times, 0..<300).allSatisfy { abs($0 - Int64($1) * 40) <= 1 })
        }

        @Test func rawPacketsHoldTheWholePicture() throws {
            let demuxer = try Demuxer.opening("main.mp4")
            let decoders = try demuxer.flows.prefix(3).map { try Decoder(flow: $0) }
            var sizes: [Set<Int>] = [[], [], []]
            for _ in 0..<200 {
                guard let packet = try demuxer.read(), packet.flow < 3 else { continue }
                let flow = packet.flow
                try decoders[flow].decode(packet) { frame throws(MediaError) in
                    if let raw = try frame.rawPacket() { sizes[flow].insert(raw.byteCount) }
                }
            }
            #expect(sizes[0] == [320 * 180 * 3 / 2])
            #expect(sizes[1] == [1024 * 2 * 4])
            #expect(sizes[2] == [1024 * 4])
        }

        @Test func gridsAreRefusedWhereTheyMakeNoSense() throws {
            let demuxer = try Demuxer.opening("main.mp4")
            let decoders = try demuxer.flows.prefix(2).map { try Decoder(flow: $0) }
            var seen: Set<Int> = []
            while seen.count < 2, let packet = try demuxer.read() {
                let flow = packet.flow
                guard flow < 2 else { continue }
                decoders[flow].decode(packet) { frame in
                    seen.insert(flow)
                    #expect(frame.lumaGrid(columns: 0, rows: 3) == nil)
                    #expect(frame.lumaGrid(columns: 321, rows: 3) == nil)
                    #expect((frame.lumaGrid(columns: 2, rows: 2) == nil) == (flow == 1))
                }
            }
        }

        @Test func aCodecWithoutADecoderIsAnError() throws {
            let demuxer = try Demuxer.opening("data.ts")
            let data = try #require(demuxer.flows.first { $0.codecName == "scte_35" })
            #expect(throws: MediaError.self) { _ = try Decoder(flow: data) }
        }

        @Test func rawFlowsAreDescribed() throws {
            let demuxer = try Demuxer.opening("main.mp4")
            let raw = try demuxer.flows.prefix(3).map { try Decoder(flow: $0).rawFlow() }
            #expect(raw.map { $0?.codecName } == ["rawvideo", "pcm_f32le", "pcm_f32le"])
            #expect(raw.map { $0?.timeBase.denominator }.dropFirst() == [48_000, 44_100])
            #expect(raw[0]?.width == 320)
        }
    }
}
