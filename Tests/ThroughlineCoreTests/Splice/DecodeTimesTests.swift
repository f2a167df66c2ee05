internal import Testing
internal import ThroughlineCore

@Suite struct DecodeTimesTests {
    static let frame = MediaTime.milliseconds(40)
    static let clockRate = TimeBase(1, 90_000)

    static func made(_ reordering: ReorderDepth, frameDuration: MediaTime? = frame) -> DecodeTimes {
        DecodeTimes(timeBase: clockRate, reordering: reordering, frameDuration: frameDuration)
    }

    /// Presentation times in frames in, decode times in frames out.
    static func times(_ made: inout DecodeTimes, _ pts: [Int64?], isRefresh: Bool = true) -> [Int64?] {
        pts.enumerated().map { index, pts in
            made.next(pts: pts.map { MediaTime(flicks: $0 * frame.flicks) }, isRefresh: isRefresh && index == 0)
                .map { Int64(($0.seconds / frame.seconds).rounded()) }
        }
    }

    /// The order of coding that real encoders use, and the decode times that they give it.
    @Test(
        arguments: [
            // No B pictures; one in a row; three, flat; three, as a pyramid; a pyramid of seven.
            (0, [0, 1, 2, 3], [0, 1, 2, 3]),
            (1, [0, 2, 1, 4, 3, 6, 5], [-1, 0, 1, 2, 3, 4, 5]),
            (1, [0, 4, 1, 2, 3, 8, 5, 6, 7], [-1, 0, 1, 2, 3, 4, 5, 6, 7]),
            (2, [0, 4, 2, 1, 3, 8, 6, 5, 7], [-2, -1, 0, 1, 2, 3, 4, 5, 6]),
            (3, [0, 8, 4, 2, 1, 3, 6, 5, 7, 16], [-3, -2, -1, 0, 1, 2, 3, 4, 5, 6]),
            // A refresh after an odd number of pictures.
            (2, [0, 4, 2, 1, 3, 5, 9, 7, 6, 8], [-2, -1, 0, 1, 2, 3, 4, 5, 6, 7]),
            // Deeper than need be: earlier by as much.
            (4, [0, 4, 2, 1, 3, 8, 6, 5, 7], [-4, -3, -2, -1, 0, 1, 2, 3, 4]),
            // Variable rate: a picture is decoded when the one two places before is shown.
            (2, [0, 12, 6, 3, 9, 13, 17, 15], [-2, -1, 0, 3, 6, 9, 12, 13]),
        ] as [(Int, [Int64], [Int64])])
    func decodeTimesAreThoseOfTheEncoder(depth: Int, pts: [Int64], dts: [Int64]) {
        var made = Self.made(.stated(depth))
        #expect(Self.times(&made, pts) == dts)
        #expect(made.depth == depth)
    }

    @Test func soundIsDecodedWhenItIsHeard() {
        var made = DecodeTimes(timeBase: TimeBase(1, 48_000), reordering: .none, frameDuration: nil)
        #expect(Self.times(&made, [5, 6, 7, 9]) == [5, 6, 7, 9])
        // A clock that was set back is not reordering.
        let back = MediaTime(flicks: 8 * Self.frame.flicks)
        #expect(made.next(pts: back, isRefresh: false) == MediaTime(flicks: 9 * Self.frame.flicks + 14_700))
        #expect(made.depth == 0)
        #expect(Self.times(&made, [10, 11]) == [10, 11])
    }

    /// An open GOP: pictures that were coded against the one before the start come first in presentation.
    @Test(
        arguments: [
            (2, [10, 8, 7, 9, 14, 12, 11, 13], [4, 5, 7, 8, 9, 10, 11, 12]),
            (1, [10, 7, 8, 9, 14, 11, 12, 13], [5, 7, 8, 9, 10, 11, 12, 13]),
            (3, [20, 16, 14, 13, 15, 18, 17, 19, 28], [9, 10, 11, 13, 14, 15, 16, 17, 18]),
        ] as [(Int, [Int64], [Int64])])
    func leadingPicturesAreDecodedBeforeTheyAreShown(depth: Int, pts: [Int64], dts: [Int64]) {
        var made = Self.made(.stated(depth))
        #expect(Self.times(&made, pts, isRefresh: false) == dts)
        #expect(made.depth == depth)
    }

    @Test func picturesThatLeadByFarAreDecodedInTime() {
        var made = Self.made(.stated(3))
        // More pictures lead the first one than expected: the decode times do not count on beyond them.
        for pts in [400, 210, 30, 60, 50] as [Int64] {
            let dts = made.next(pts: .milliseconds(pts), isRefresh: false)
            #expect(dts.map { $0 <= .milliseconds(pts) } == true, "\(pts)")
        }
    }

    @Test func lostPicturesDoNoHarm() {
        // Of 0 4 2 1 3 8 6 5 7 12 10 9 11 some do not arrive.
        for lost in [[2], [4], [1, 3], [8], [8, 6], [6, 5, 7], [4, 2, 1, 3, 8]] as [[Int64]] {
            var made = Self.made(.stated(2))
            let pts = ([0, 4, 2, 1, 3, 8, 6, 5, 7, 12, 10, 9, 11] as [Int64]).filter { !lost.contains($0) }
            let dts = Self.times(&made, pts).compactMap(\.self)
            #expect(zip(dts, dts.dropFirst()).allSatisfy(<), "\(lost) \(dts)")
            #expect(zip(dts, pts).allSatisfy(<=), "\(lost) \(dts)")
            #expect(made.depth == 2)
        }
    }

    /// The parameter sets tell too little: the first picture that comes too late shows it.
    @Test(arguments: [ReorderDepth.stated(0), .stated(1), .unstated(atMost: 1), .unstated(atMost: 16)])
    func aDepthToldTooSmallGrows(reordering: ReorderDepth) {
        var made = Self.made(reordering)
        let pts: [Int64] = [0, 8, 4, 2, 1, 3, 6, 5, 7, 16, 12, 10, 9, 11, 14, 13, 15, 24, 20]
        var last: MediaTime?
        var late = 0
        for (index, time) in pts.enumerated() {
            let pts = MediaTime(flicks: time * Self.frame.flicks)
            guard let dts = made.next(pts: pts, isRefresh: index == 0) else { return }
            if let last { #expect(dts > last) }
            last = dts
            if dts > pts { late = index }
        }
        #expect(made.depth == 3)
        // Within the first group all is settled.
        #expect(late < 9)
    }

    @Test func whatCannotBeReorderedNeverGrows() {
        var made = Self.made(.none)
        _ = Self.times(&made, [0, 4, 2, 1, 3])
        #expect(made.depth == 0)
        var wild = Self.made(.stated(0))
        _ = Self.times(&wild, (0..<40).reversed().map { $0 })
        #expect(wild.depth == ReorderDepth.greatest)
    }

    @Test func severalPacketsOfOnePictureAreOnePicture() {
        var made = Self.made(.stated(2))
        // Fields or slices that come alone: each but the first a tick after the one before.
        let pts: [Int64] = [0, 0, 0, 4, 4, 2, 2, 1, 3, 3, 8]
        #expect(Self.times(&made, pts) == [-2, -2, -2, -1, -1, 0, 0, 1, 2, 2, 3])
        #expect(made.depth == 2)
        var exact = Self.made(.stated(1))
        let dts = [0, 0, 2, 2, 1].compactMap { exact.next(pts: .milliseconds($0 * 40), isRefresh: true) }
        let tick = MediaTime(flicks: 7840)
        #expect(dts == [.milliseconds(-40), .milliseconds(-40) + tick, .zero, tick, .milliseconds(40)])
    }

    @Test func packetsWithoutTimesStandBetweenTheOthers() {
        var made = Self.made(.stated(2))
        #expect(Self.times(&made, [nil, nil]) == [nil, nil])
        let pts: [Int64?] = [0, 4, 2, nil, 1, nil, nil, 3, 8]
        var last: MediaTime?
        for time in pts {
            let pts = time.map { MediaTime(flicks: $0 * Self.frame.flicks) }
            let dts = made.next(pts: pts, isRefresh: true)
            #expect(dts != nil)
            if let dts, let last { #expect(dts > last) }
            if let dts, let pts { #expect(dts <= pts) }
            last = dts
        }
        // Sound of which only the start is timed goes on by its frames.
        var sound = Self.made(.none)
        #expect(Self.times(&sound, [7, nil, nil, nil, 11]) == [7, 8, 9, 10, 11])
    }

    @Test func theLengthOfAFrameIsMeasuredWhereNothingTellsIt() {
        var made = Self.made(.stated(2), frameDuration: nil)
        // Assumed at first to be 40 ms, twice what it is.
        let first = ([0, 4, 2, 1, 3, 8] as [Int64]).map { made.next(pts: .milliseconds($0 * 20), isRefresh: $0 == 0) }
        #expect(first == ([-80, -40, 0, 20, 40, 60] as [Int64]).map { .milliseconds($0) })
        made.restart(after: nil)
        #expect(
            made.next(pts: .seconds(5), isRefresh: true).map { $0 < .seconds(5) && $0 > .milliseconds(4_930) } == true)
        var nonsense = Self.made(.stated(2), frameDuration: .seconds(3600))
        #expect(Self.times(&nonsense, [0, 4, 2]) == [-2, -1, 0])
    }

    @Test func theyGoOnAcrossARestart() {
        var made = Self.made(.stated(2))
        _ = Self.times(&made, [0, 4, 2, 1, 3])
        // Another origin repeats a little: decode times stay behind the last one.
        made.restart(after: made.lastDecode)
        var last = made.lastDecode
        for time in [0, 4, 2, 1, 3, 8, 6, 5, 7] as [Int64] {
            let dts = made.next(pts: MediaTime(flicks: time * Self.frame.flicks), isRefresh: time == 0)
            if let dts, let last { #expect(dts > last) }
            last = dts
        }
        #expect(last == MediaTime(flicks: 6 * Self.frame.flicks))
        // A seek back: the timeline is another.
        made.restart(after: nil)
        #expect(Self.times(&made, [0, 4, 2]) == [-2, -1, 0])
        made.restart(after: .seconds(500))
        #expect(Self.times(&made, [0, 4, 2]) == [-2, -1, 0])
    }

    /// The step is passed on, for `JumpGuard` to see, and the order of pictures is kept on both sides.
    @Test(arguments: [100_000, -100_000] as [Int64])
    func aTimelineThatChangesIsFollowed(distance: Int64) {
        var made = Self.made(.stated(2))
        #expect(Self.times(&made, [0, 4, 2, 1, 3]) == [-2, -1, 0, 1, 2])
        let pts = ([0, 4, 2, 1, 3, 8] as [Int64]).map { $0 + distance }
        #expect(Self.times(&made, pts) == ([-2, -1, 0, 1, 2, 3] as [Int64]).map { $0 + distance })
        #expect(made.depth == 2)
    }

    @Test func aSingleDamagedTimeChangesNothingForLong() {
        var made = Self.made(.stated(2))
        let pts: [Int64] = [0, 4, 2, 1, 3, 8, 1_000_000, 5, 7, 12, 10, 9, 11, 16, 14]
        var last: MediaTime?
        var given: [Int64] = []
        for (index, time) in pts.enumerated() {
            let pts = MediaTime(flicks: time * Self.frame.flicks)
            guard let dts = made.next(pts: pts, isRefresh: index == 0) else { return }
            #expect(dts <= pts)
            given.append(dts.flicks / Self.frame.flicks)
            if time == 1_000_000 { continue }
            if let last { #expect(dts > last) }
            last = dts
        }
        #expect(given.suffix(3) == [10, 11, 12])
        #expect(made.depth == 2)
    }

    @Test func newParameterSetsChangeTheDepth() {
        var made = Self.made(.stated(1))
        _ = Self.times(&made, [0, 2, 1, 4, 3])
        made.reordering = .stated(2)
        let dts = Self.times(&made, [5, 9, 7, 6, 8, 13, 11], isRefresh: false)
        #expect(dts.suffix(4) == [6, 7, 8, 9])
        // What was learned is not forgotten when the same set is repeated.
        _ = Self.times(&made, [21, 17, 15, 14, 16])
        #expect(made.depth == 3)
        made.reordering = .stated(2)
        #expect(made.depth == 3)
        made.reordering = .none
        #expect(made.depth == 0)
    }

    @Test(arguments: [
        (ReorderDepth.none, ReorderDepth.stated(0), ReorderDepth.stated(0)),
        (.stated(1), .stated(3), .stated(3)), (.unstated(atMost: 4), .none, .unstated(atMost: 4)),
        (.unstated(atMost: 4), .unstated(atMost: 6), .unstated(atMost: 6)),
        (.stated(1), .unstated(atMost: 6), .unstated(atMost: 6)), (.stated(3), .unstated(atMost: 6), .stated(3)),
    ])
    func theDeeperOfTwoCounts(a: ReorderDepth, b: ReorderDepth, joined: ReorderDepth) {
        #expect(a.joined(with: b) == joined)
        #expect(b.joined(with: a) == joined)
        #expect(joined.initial >= max(a.initial, b.initial))
    }

    @Test(arguments: [(ReorderDepth.stated(-3), 0), (.stated(99), 16), (.unstated(atMost: -1), 0), (.none, 0)])
    func depthsAreBounded(reordering: ReorderDepth, depth: Int) {
        #expect(reordering.initial == depth)
        #expect(Self.made(reordering).depth == depth)
    }

    /// Any order of pictures at any rate, with losses: increasing, never late, and the encoder's own times from the
    /// first refresh on.
    @Test(arguments: 0..<100 as Range<UInt64>)
    func whateverTheOrderOfPictures(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let depth = Int.random(in: 0...8, using: &random)
        let isConstant = random.chance(2)
        var shown: [Int64] = []
        var time: Int64 = 0
        for _ in 0..<300 {
            shown.append(time)
            time += isConstant ? 4 : .random(in: 1...40, using: &random)
        }
        // Coding takes the pictures out of a window, whose first one waits no longer than the depth allows.
        var coded: [Int] = [0]
        var waiting = Array(1..<300)
        while !waiting.isEmpty {
            let ahead = coded.count { $0 > waiting[0] }
            let reach = min(depth - ahead, waiting.count - 1)
            coded.append(waiting.remove(at: reach > 0 ? .random(in: 0...reach, using: &random) : 0))
        }
        let loses = random.chance(2)
        var made = DecodeTimes(
            timeBase: Self.clockRate, reordering: .stated(depth), frameDuration: isConstant ? .milliseconds(4) : nil)
        var last: MediaTime?
        for (place, index) in coded.enumerated() {
            if loses, place > 0, random.chance(6) { continue }
            let pts = MediaTime.milliseconds(shown[index])
            guard let dts = made.next(pts: pts, isRefresh: place == 0) else { return }
            #expect(dts <= pts)
            if let last { #expect(dts > last) }
            if !loses, place >= depth { #expect(dts == .milliseconds(shown[place - depth])) }
            last = dts
        }
        #expect(made.depth == depth)
    }

    @Test(arguments: 0..<100 as Range<UInt64>)
    func whateverComesTheyIncreaseOnOneTimeline(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let depths: [ReorderDepth] = [.none, .stated(.random(in: -3...40, using: &random)), .unstated(atMost: 16)]
        var made = DecodeTimes(
            timeBase: [TimeBase(1, 90_000), TimeBase(1, .max), TimeBase(1, 1000)].randomElement(using: &random)!,
            reordering: depths.randomElement(using: &random)!,
            frameDuration: seed % 2 == 1
                ? .milliseconds(1) : MediaTime(flicks: .random(in: -1 << 40...1 << 40, using: &random)))
        var last: MediaTime?
        for _ in 0..<600 {
            let isWild = random.chance(8) && seed % 2 == 0
            let span = isWild ? Int64.max : DecodeTimes.jump.flicks / 4
            let pts = random.chance(8) ? nil : MediaTime(flicks: .random(in: -span...span, using: &random))
            let dts = made.next(pts: pts, isRefresh: random.chance(5))
            if seed % 2 == 1, let dts, let last { #expect(dts > last) }
            if let dts { last = dts }
            #expect((0...ReorderDepth.greatest).contains(made.depth))
            if random.chance(90) { made.restart(after: last) }
        }
    }
}
