internal import Testing
internal import ThroughlineCore

@testable internal import ThroughlineMedia

/// The place of sound without an index, by its bytes.
@Suite(.handlesReturn) struct ByteClockTests {
    /// Frames of silence: MPEG audio of layer III, 44.1 kHz, mono.
    private static func frames(_ count: Int, kilobits: (Int) -> Int) -> [UInt8] {
        // ISO/IEC 11172-3 section 2.4.2.3.
        let rates = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320]
        var bytes: [UInt8] = []
        var exact = 0
        for frame in 0..<count {
            let rate = kilobits(frame)
            let index = rates.firstIndex(of: rate) ?? 0
            let length = 144_000 * rate / 44_100
            // In units of a byte's 44 100th part.
            exact += 144_000 * rate - length * 44_100
            let isPadded = exact >= 44_100
            if isPadded { exact -= 44_100 }
            // Side information of zero: nothing is coded. The bytes behind it are no header, and differ.
            bytes += [0xff, 0xfb, UInt8(index << 4 | (isPadded ? 2 : 0)), 0xc4] + Array(repeating: 0, count: 17)
            bytes += (0..<length + (isPadded ? 1 : 0) - 21).map { UInt8(truncatingIfNeeded: (frame &* 31 &+ $0) % 200) }
        }
        return bytes
    }

    private static func times(_ bytes: [UInt8]) throws -> [Int64: MediaTime] {
        let whole = try Demuxer(input: MemoryInput(bytes))
        var times: [Int64: MediaTime] = [:]
        while let packet = try whole.read() { times[packet.bytePosition] = packet.pts }
        return times
    }

    private static func readOn(_ demuxer: Demuxer) throws -> (position: Int64, time: MediaTime?)? {
        guard let packet = try demuxer.read() else { return nil }
        return (packet.bytePosition, packet.pts)
    }

    /// Expects a place to be where reading up to it leads, and every packet from there on to have the time it has then.
    ///
    /// - Returns: how many bytes it took.
    private static func expectPlace(_ place: NPT, of bytes: [UInt8]) throws -> Int {
        let times = try times(bytes)
        let input = MemoryInput(bytes)
        input.chunk = 2048
        let demuxer = try Demuxer(input: input)
        let opening = input.delivered
        try demuxer.seek(to: place)
        let read = try readOn(demuxer)
        let cost = input.delivered - opening
        let begin = try #require(read?.time)
        #expect(times[read?.position ?? -1] == begin)
        #expect(begin <= place && begin > place - .milliseconds(60), "\(begin)")
        var count = 0
        while let next = try readOn(demuxer) {
            #expect(times[next.position] == next.time)
            count += 1
        }
        #expect(count == times.values.count { $0 > begin })
        try demuxer.seek(to: .zero)
        #expect(try readOn(demuxer)?.time == times.values.min())
        return cost
    }

    @Test("A place of sound of a constant rate is gone to at once", arguments: [1, 3, 7, 11] as [Int64])
    func place(seconds: Int64) throws {
        let cost = try Self.expectPlace(.seconds(seconds), of: try Fixture.bytes("audio.mp3"))
        #expect(cost < 10_000)
    }

    @Test("At every usual rate", arguments: [32, 56, 128, 320])
    func rates(kilobits: Int) throws {
        let cost = try Self.expectPlace(.seconds(19), of: Self.frames(1000) { _ in kilobits })
        #expect(cost < 20_000)
    }

    @Test("Behind tags, too")
    func tags() throws {
        let tag: [UInt8] = [0x49, 0x44, 0x33, 4, 0, 0, 0, 0, 0x10, 0] + Array(repeating: 0, count: 2048)
        let cost = try Self.expectPlace(.seconds(19), of: tag + Self.frames(1000) { _ in 64 })
        #expect(cost < 20_000)
    }

    @Test("A rate that varies after a constant beginning misleads nobody", arguments: [11, 13, 17, 19] as [Int64])
    func varyingRate(seconds: Int64) throws {
        let bytes = Self.frames(1000) { $0 < 200 ? 128 : [96, 128, 160, 112, 192][$0 * 7 / 3 % 5] }
        _ = try Self.expectPlace(.seconds(seconds), of: bytes)
    }

    @Test("Nor one that is another from somewhere on, or the same again", arguments: [7, 13, 19] as [Int64])
    func otherRate(seconds: Int64) throws {
        _ = try Self.expectPlace(.seconds(seconds), of: Self.frames(1000) { $0 < 200 ? 128 : 96 })
        _ = try Self.expectPlace(.seconds(seconds), of: Self.frames(1000) { (200..<251).contains($0) ? 96 : 128 })
    }

    @Test("No other rate than those that the standard knows is constant", arguments: [0, 34_998, 41_000, -1])
    func others(rate: Int64) {
        #expect(ByteClock(first: (0, .zero), bitRate: rate, sampleRate: 44_100, frameSize: 1152) == nil)
    }

    @Test(
        "Frames are told apart at every rate", arguments: [8000, 40_000, 128_000, 320_000] as [Int64],
        [22_050, 44_100, 48_000])
    func frames(bitRate: Int64, sampleRate: Int) throws {
        let size: Int64 = sampleRate < 32_000 ? 576 : 1152
        let first: (Int64, MediaTime) = (417, .milliseconds(-25))
        let clock = try #require(
            ByteClock(first: first, bitRate: bitRate, sampleRate: sampleRate, frameSize: Int(size)))
        for padsLate in [0, 1] as [Int64] {
            for frame in stride(from: 2, to: 20_000, by: 97) as StrideTo<Int64> {
                let begin = 417 + frame * size * bitRate / Int64(sampleRate) / 8 + padsLate
                let time =
                    try #require(
                        MediaTime(value: frame * size, timeBase: TimeBase(1, Int32(sampleRate)))) - .milliseconds(25)
                #expect(clock.time(at: begin) == time)
                #expect(clock.time(at: begin + 4) == nil && clock.time(at: begin - 4) == nil)
                let place = try #require(clock.position(before: time + .milliseconds(1)))
                // Just before the frame that precedes it.
                let former = 417 + (frame - 1) * size * bitRate / Int64(sampleRate) / 8 + padsLate
                #expect(place >= former - 4 && place <= former)
            }
        }
        #expect(clock.position(before: .milliseconds(-40)) == nil && clock.time(at: 0) == nil)
    }
}
