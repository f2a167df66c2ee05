internal import Testing
internal import ThroughlineCore

@Suite struct DecodeClockTests {
    static let frame = MediaTime.milliseconds(40)

    static func times(_ clock: inout DecodeClock, _ packets: [(pts: Int64?, dts: Int64?)]) -> [[Int64]] {
        packets.map { packet in
            let out = clock.next(
                pts: packet.pts.map { MediaTime(flicks: $0 * frame.flicks) },
                dts: packet.dts.map { MediaTime(flicks: $0 * frame.flicks) }, duration: frame)
            return [out.pts.flicks, out.dts.flicks].map { $0 / frame.flicks }
        }
    }

    @Test func fineTimesStayAsTheyAre() {
        var clock = DecodeClock(timeBase: TimeBase(1, 90_000), reorderDepth: 2)
        let input: [(Int64?, Int64?)] = [(0, -2), (4, -1), (2, 0), (1, 1), (3, 2), (8, 3)]
        #expect(Self.times(&clock, input) == [[0, -2], [4, -1], [2, 0], [1, 1], [3, 2], [8, 3]])
        #expect(clock.lastDecode == MediaTime(flicks: 3 * Self.frame.flicks))
    }

    @Test func matroskaStartsWithoutDecodeTimes() {
        var clock = DecodeClock(timeBase: TimeBase(1, 1000), reorderDepth: 2)
        let input: [(Int64?, Int64?)] = [(0, nil), (4, nil), (2, nil), (1, nil), (3, 2), (8, 3)]
        #expect(Self.times(&clock, input) == [[0, -2], [4, -1], [2, 0], [1, 1], [3, 2], [8, 3]])
    }

    @Test func aDecodeTimeIsNeverBehindItsPicture() {
        var clock = DecodeClock(timeBase: TimeBase(1, 1000), reorderDepth: 0)
        // The flow did not say that it reorders: later pictures cannot be decoded when they should.
        let input: [(Int64?, Int64?)] = [(0, nil), (4, nil), (3, nil), (8, nil)]
        for out in Self.times(&clock, input) { #expect(out[0] >= out[1]) }
    }

    @Test func aRepeatedDecodeTimeMovesByOneUnit() {
        var clock = DecodeClock(timeBase: TimeBase(1, 1000), reorderDepth: 0)
        _ = clock.next(pts: .milliseconds(80), dts: .milliseconds(80), duration: Self.frame)
        let second = clock.next(pts: .milliseconds(120), dts: .milliseconds(80), duration: Self.frame)
        #expect(second.dts == .milliseconds(81))
        #expect(second.pts == .milliseconds(120))
        let third = clock.next(pts: .milliseconds(60), dts: .milliseconds(60), duration: Self.frame)
        #expect(third.dts == .milliseconds(82))
        #expect(third.pts == .milliseconds(82))
    }

    @Test func afterACutItGoesOnFromThere() {
        var clock = DecodeClock(timeBase: TimeBase(1, 1000), reorderDepth: 2)
        _ = Self.times(&clock, [(0, -2), (4, -1), (2, 0), (1, 1)])
        clock.cut(to: MediaTime(flicks: -Self.frame.flicks))
        #expect(Self.times(&clock, [(2, 0)]) == [[2, 0]])
        clock.cut(to: nil)
        #expect(Self.times(&clock, [(-5, -7)]) == [[-5, -7]])
    }

    @Test func nothingAtAllIsStillATimeline() {
        var clock = DecodeClock(timeBase: TimeBase(1, 44_100), reorderDepth: 0)
        let times = (0..<5).map { _ in clock.next(pts: nil, dts: nil, duration: .milliseconds(20)) }
        #expect(times.map(\.dts) == (0..<5).map { .milliseconds($0 * 20) })
        #expect(times.map(\.pts) == times.map(\.dts))
    }

    @Test(arguments: 0..<50 as Range<UInt64>)
    func whateverComesMuxersTakeIt(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let bases = [TimeBase(1, 1000), TimeBase(1, 90_000), TimeBase(1, 44_100), TimeBase(1, .max), TimeBase(1, 1)]
        var clock = DecodeClock(
            timeBase: bases.randomElement(using: &random)!, reorderDepth: .random(in: -3...40, using: &random))
        // From a day to a tenth of what the type can hold, which is 41 years.
        let span = [60_000_000_000_000, Int64.max / 10].randomElement(using: &random)!
        func time() -> MediaTime? {
            random.chance(4) ? nil : MediaTime(flicks: .random(in: -span...span, using: &random))
        }
        var last: MediaTime?
        for _ in 0..<400 {
            let (pts, dts) = (time(), time())
            let out = clock.next(
                pts: pts, dts: dts, duration: MediaTime(flicks: .random(in: 0...span / 1000, using: &random)))
            #expect(out.pts >= out.dts)
            if let last { #expect(out.dts > last) }
            if let dts, dts > last ?? MediaTime(flicks: .min), dts <= pts ?? dts { #expect(out.dts == dts) }
            if let pts, pts >= out.dts { #expect(out.pts == pts) }
            last = out.dts
            if random.chance(50) {
                clock.cut(to: nil)
                last = nil
            }
        }
    }

    @Test func anEndlessFirstPictureIsBorne() {
        var clock = DecodeClock(timeBase: TimeBase(1, 1000), reorderDepth: 2)
        let first = clock.next(pts: .zero, dts: nil, duration: MediaTime(flicks: .max / 2 + 1))
        #expect(first.dts < .zero)
        #expect(first.pts == .zero)
        let second = clock.next(pts: .milliseconds(40), dts: .milliseconds(20), duration: Self.frame)
        #expect(second.pts == .milliseconds(40) && second.dts == .milliseconds(20))
    }
}
