internal import Testing
internal import ThroughlineProtocols

/// What payloads of `mpeg4-generic` are taken apart into.
@Suite struct MPEG4UnpackerTests {
    private static let highRate =
        "streamtype=5; mode=AAC-hbr; SizeLength=13; IndexLength=3; IndexDeltaLength=3; config=1190"

    /// The frames of packets, one after the other, and whether each was in order.
    private func unpacked(
        _ packets: [(payload: [UInt8], timestamp: UInt32, marker: Bool)], _ parameters: String = highRate
    ) throws -> (frames: [[UInt8]], isGood: [Bool]) {
        var unpacker = try #require(MPEG4Unpacker(parameters: parameters))
        var frames: [[UInt8]] = []
        let isGood = packets.map { packet in
            packet.payload.withUnsafeBytes {
                unpacker.unpack($0, timestamp: packet.timestamp, endsUnit: packet.marker) { frames.append(Array($0)) }
            }
        }
        return (frames, isGood)
    }

    /// A header of 13 bits of size and 3 of index.
    private func header(_ size: Int) -> [UInt8] { [UInt8(size >> 5), UInt8(truncatingIfNeeded: size << 3)] }

    @Test("Frames stand one after the other")
    func several() throws {
        let found = try unpacked([([0, 32] + header(3) + header(2) + [1, 2, 3, 4, 5], 0, true)])
        #expect(found.frames == [[1, 2, 3], [4, 5]] && found.isGood == [true])
    }

    @Test("A frame that several packets carry is put together, and dropped where a part is missing")
    func fragments() throws {
        let parts: [(payload: [UInt8], timestamp: UInt32, marker: Bool)] = [
            ([0, 16] + header(7) + [1, 2, 3], 5, false), ([0, 16] + header(7) + [4, 5], 5, false),
            ([0, 16] + header(7) + [6, 7], 5, true), ([0, 16] + header(2) + [8, 9], 6, true),
        ]
        #expect(try unpacked(parts).frames == [[1, 2, 3, 4, 5, 6, 7], [8, 9]])
        let cut = try unpacked([parts[0], parts[2], parts[3]])
        #expect(cut.frames == [[8, 9]] && cut.isGood == [true, false, true])
        #expect(try unpacked([parts[1], parts[3]]).frames == [[8, 9]])
        var unpacker = try #require(MPEG4Unpacker(parameters: Self.highRate))
        var count = 0
        for (number, part) in parts[..<3].enumerated() {
            if number == 1 { unpacker.lost() }
            _ = part.payload.withUnsafeBytes {
                unpacker.unpack($0, timestamp: 5, endsUnit: part.marker) { _ in count += 1 }
            }
        }
        #expect(count == 0)
    }

    @Test("What parameters leave out or add is known")
    func otherParameters() throws {
        let constant = try unpacked([([1, 2, 3, 4], 0, true)], "mode=CELP-cbr;constantsize=2")
        #expect(constant.frames == [[1, 2], [3, 4]])
        let low = try unpacked([([0, 8, 2 << 2, 7, 8], 0, true)], "sizelength=6;indexlength=2;indexdeltalength=2")
        #expect(low.frames == [[7, 8]])
        // A time of composition behind a bit that says that it is there: 13 + 3, 1 + 4 and for the second 13 + 3, 1.
        let times = "sizelength=13;indexlength=3;indexdeltalength=3;ctsdeltalength=4"
        let timed = try unpacked([([0, 38, 0, 1 << 3, 0b1010_1000, 0, 0b0100_0000, 7, 8], 0, true)], times)
        #expect(timed.frames == [[7], [8]])
        let auxiliary = try unpacked(
            [([0, 16] + header(2) + [0b0000_0011, 0b1110_0000] + [7, 8], 0, true)],
            "sizelength=13;indexlength=3;indexdeltalength=3;auxiliarydatasizelength=8")
        #expect(auxiliary.frames == [[7, 8]])
        #expect(MPEG4Unpacker(parameters: "mode=AAC-hbr") == nil && MPEG4Unpacker(parameters: nil) == nil)
        #expect(MPEG4Unpacker(parameters: "sizelength=33") == nil)
    }

    @Test("Headers that have no bits come to an end", .timeLimit(.minutes(25)))
    func headersWithoutBits() throws {
        let first = try unpacked([([0, 16, 0, 0, 7, 8, 9], 0, true)], "constantsize=2;indexlength=3")
        #expect(first.frames == [[7, 8]])
        let next = try unpacked([([0, 16, 0, 0, 7, 8, 9], 0, true)], "constantsize=2;indexdeltalength=3")
        #expect(next.frames == [[7, 8]], "\(next.frames)")
    }

    @Test(
        "What is not in order gives nothing, and harms nothing",
        arguments: [
            [], [0], [0, 16], [0, 16, 0], [0, 0, 1, 2], [0xFF, 0xFF, 1, 2, 3], [0, 32, 0, 16, 0, 80, 1, 2, 3],
            [0, 16, 0xFF, 0xF8],
        ] as [[UInt8]])
    func malformed(payload: [UInt8]) throws {
        let good: [UInt8] = [0, 16] + header(2) + [8, 9]
        let found = try unpacked([(payload, 0, true), (good, 1, true)])
        #expect(found.isGood == [false, true] && found.frames.last == [8, 9])
    }
}
