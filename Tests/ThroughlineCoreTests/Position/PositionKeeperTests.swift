internal import Testing
internal import ThroughlineCore

@Suite struct PositionKeeperTests {
    typealias Finding = PositionKeeper.Finding

    /// A flow of packets of 10 ms, played at their pace, and what the keeper makes of it.
    struct Flow {
        var keeper = PositionKeeper()
        var truth: MediaTime
        var clock = 0.0
        var bitsPerSecond = 1_000_000
        var scale = Rate(1)
        /// How the wall clock goes against the media.
        var pace = 1.0
        var findings: [Finding] = []
        var now: Instant { .at(clock) }

        init(from start: NPT = .zero, _ adjustment: Adjustment) {
            truth = start
            keeper.adjusted(adjustment, at: .at(0))
        }

        mutating func adjust(_ adjustment: Adjustment) { keeper.adjusted(adjustment, at: now) }

        /// - Parameter stamp: what the packet says, given the truth.
        mutating func play(_ seconds: Double, stamp: (MediaTime) -> MediaTime?) {
            for _ in 0..<Int(seconds * 100) {
                let step = MediaTime.milliseconds(10) * scale
                let pts = stamp(scale.isNegative ? truth + step : truth)
                let finding = keeper.received(
                    pts: pts, duration: step.magnitude, payload: bitsPerSecond / 800, overhead: 54, at: now)
                if let finding { findings.append(finding) }
                truth += step
                clock += 0.01 / pace
            }
        }

        var position: Position? { keeper.position(at: now) }
        var error: MediaTime { position.map { ($0.npt - truth).magnitude } ?? MediaTime(flicks: .max) }
    }

    static let megabit = Adjustment.Bandwidth.media(bitsPerSecond: 1_000_000)

    /// Two changes of bandwidth and one of scale within a minute: the position by the ledger, with all timestamps taken
    /// away, is that of the timestamps to within a hundredth of what was played and 100 ms.
    @Test(arguments: [false, true]) func aMinuteOfAdjustments(hasTimestamps: Bool) throws {
        var flow = Flow(from: .seconds(100), .play(from: .seconds(100), bandwidth: Self.megabit))
        let stamp: (MediaTime) -> MediaTime? = { hasTimestamps ? $0 : nil }
        func check() throws {
            let position = try #require(flow.position)
            #expect(position.basis == (hasTimestamps ? .timestamps : .ledger))
            let bound = (flow.truth - .seconds(100)) * Rate(1, 100) + .milliseconds(100)
            #expect(flow.error <= (hasTimestamps ? .zero : bound))
            #expect((flow.keeper.ledger.npt - flow.truth).magnitude <= bound, "both accounts are kept")
        }
        flow.play(15, stamp: stamp)
        try check()
        flow.bitsPerSecond = 2_400_000
        flow.adjust(Adjustment(bandwidth: .media(bitsPerSecond: 2_400_000)))
        flow.play(17, stamp: stamp)
        try check()
        flow.scale = Rate(2)
        flow.adjust(.play(scale: Rate(2)))
        flow.play(13, stamp: stamp)
        try check()
        flow.bitsPerSecond = 300_000
        flow.adjust(Adjustment(bandwidth: .media(bitsPerSecond: 300_000)))
        flow.play(15, stamp: stamp)
        try check()
        #expect(flow.truth == .seconds(100 + 15 + 17 + 26 + 30))
        #expect(flow.findings == (hasTimestamps ? [] : [.timestampsMissing]))
    }

    @Test func aPauseAndASeekBackwards() {
        var flow = Flow(.play(from: .zero, bandwidth: Self.megabit))
        flow.play(5) { $0 }
        flow.adjust(.pause())
        flow.clock += 100
        flow.play(0.2) { $0 }
        flow.truth = .seconds(5)
        #expect(flow.position == Position(npt: .seconds(5), basis: .timestamps))
        #expect(flow.keeper.ledger.npt == .seconds(5), "what comes while paused is not counted")
        flow.truth = .seconds(60)
        flow.scale = Rate(-1)
        flow.adjust(.play(from: .seconds(60), scale: Rate(-1)))
        #expect(flow.position == Position(npt: .seconds(60), basis: .control, uncertainty: Ledger.slack))
        flow.play(5) { $0 }
        #expect(flow.position == Position(npt: .seconds(55), basis: .timestamps))
        #expect(flow.keeper.ledger.npt == .seconds(55))
        flow.play(3) { _ in nil }
        #expect(flow.position?.npt == .seconds(52) && flow.position?.basis == .ledger)
        flow.play(60) { _ in nil }
        #expect(flow.position?.npt == .zero)
    }

    @Test func missingTimestampsAreBridged() {
        var flow = Flow(from: .seconds(10), .play(from: .seconds(10), bandwidth: Self.megabit))
        flow.play(5) { $0 }
        flow.play(0.1) { _ in nil }
        #expect(flow.position?.basis == .timestamps && flow.error == .zero, "not worth a word yet")
        flow.play(20) { _ in nil }
        #expect(flow.position?.basis == .ledger && flow.error == .zero)
        #expect(flow.findings == [.timestampsMissing])
        flow.play(1) { $0 }
        #expect(flow.position == Position(npt: flow.truth, basis: .timestamps))
        #expect(flow.findings == [.timestampsMissing, .timestampsResumed(shift: .zero)])
    }

    /// A container that counts anew, a wrap that nobody unwrapped, a clock that was set.
    @Test(arguments: [-95_443_718, 3_600_000, -20_000] as [Int64]) func aLeapIsBridgedAndTheTimelineGoesOn(by: Int64) {
        var flow = Flow(from: .seconds(200_000), .play(from: .seconds(200_000), bandwidth: Self.megabit))
        flow.play(5) { $0 }
        flow.play(0.5) { $0 + .milliseconds(by) }
        #expect(flow.position?.basis == .ledger && flow.error == .zero)
        flow.play(10) { $0 + .milliseconds(by) }
        #expect(flow.position?.basis == .timestamps)
        #expect(flow.error <= .milliseconds(20))
        guard case .timestampsLeapt(let step) = flow.findings.first,
            case .timestampsResumed(let shift) = flow.findings.last, flow.findings.count == 2
        else {
            Issue.record("\(flow.findings)")
            return
        }
        #expect((step - .milliseconds(by)).magnitude <= .milliseconds(20))
        #expect((shift + .milliseconds(by)).magnitude <= .milliseconds(20))
    }

    @Test func oneDamagedTimestampChangesNothing() {
        var flow = Flow(.play(from: .zero, bandwidth: Self.megabit))
        flow.play(5) { $0 }
        flow.play(0.01) { $0 + .seconds(50_000) }
        flow.play(5) { $0 }
        #expect(flow.position == Position(npt: .seconds(5) + .seconds(5) + .milliseconds(10), basis: .timestamps))
        #expect(flow.findings.last == .timestampsResumed(shift: .zero))
    }

    @Test(arguments: [1.0, 20]) func whatStandsStillIsNotBelieved(pace: Double) {
        var flow = Flow(.play(from: .zero, bandwidth: Self.megabit))
        flow.pace = pace
        flow.play(10) { $0 }
        flow.play(20) { _ in .seconds(10) }
        #expect(flow.position?.basis == .ledger && flow.error <= .seconds(1))
        flow.play(20) { $0 }
        #expect(flow.position?.basis == .timestamps && flow.error <= .seconds(1))
        #expect(flow.findings.contains { if case .timestampsOutOfPace = $0 { true } else { false } })
    }

    /// A sender whose clock rate is not the one it declares.
    @Test(arguments: [Rate(8), Rate(1, 8)]) func aPaceThatBothOthersContradictIsNotBelieved(pace: Rate) {
        var flow = Flow(.play(from: .zero, bandwidth: Self.megabit))
        flow.play(60) { $0 * pace }
        #expect(flow.position?.basis == .ledger && flow.error <= .seconds(1))
        #expect(flow.findings.filter { if case .timestampsResumed = $0 { true } else { false } }.isEmpty)
    }

    /// A declared bandwidth is often that of the peaks. Timestamps are believed, whatever it says.
    @Test(arguments: [1.0, 20]) func aWrongBandwidthMakesTheAccountsDriftApart(pace: Double) throws {
        var flow = Flow(.play(from: .zero, bandwidth: .media(bitsPerSecond: 8_000_000)))
        flow.pace = pace
        flow.play(60) { $0 }
        #expect(flow.position == Position(npt: .seconds(60), basis: .timestamps))
        guard case .accountsApart(let difference) = flow.findings.first, flow.findings.count == 1 else {
            Issue.record("\(flow.findings)")
            return
        }
        #expect(difference > .seconds(2) && difference < .milliseconds(2500))
        #expect(flow.keeper.areApart)
        flow.play(8) { _ in nil }
        let position = try #require(flow.position)
        #expect(
            position.basis == .ledger && flow.error <= .milliseconds(200), "what was learnt takes its place")
        // A message that carries a position brings them together.
        flow.truth = .seconds(70)
        flow.adjust(.play(from: .seconds(70)))
        #expect(!flow.keeper.areApart)
    }

    /// Pictures of which the first of each second has half of the bytes, all packets of a picture at once, and a
    /// bandwidth by which one such picture is a minute long.
    @Test(arguments: [64_000, 8_000_000, nil] as [Int64?]) func largePicturesAreNoStandstill(declared: Int64?) {
        var keeper = PositionKeeper()
        keeper.adjusted(
            .play(from: .zero, bandwidth: declared.map { .media(bitsPerSecond: $0) }), at: .at(0))
        var findings: [Finding] = []
        for picture in 0..<500 {
            for _ in 0..<(picture % 25 == 0 ? 360 : 15) {
                let finding = keeper.received(
                    pts: .milliseconds(Int64(picture) * 40), duration: .milliseconds(40), payload: 1388,
                    at: .at(Double(picture) * 0.04))
                if let finding { findings.append(finding) }
            }
        }
        #expect(keeper.position(at: .at(20)) == Position(npt: .seconds(20), basis: .timestamps))
        #expect(findings.allSatisfy { if case .accountsApart = $0 { true } else { false } }, "\(findings)")
        #expect(findings.isEmpty == (declared != 64_000))
    }

    @Test func accountsThatAgreeAgainAreToldOnce() {
        var flow = Flow(.play(from: .zero, bandwidth: Self.megabit))
        flow.bitsPerSecond = 2_000_000
        flow.play(3) { $0 }
        flow.bitsPerSecond = 500_000
        flow.play(8) { $0 }
        flow.bitsPerSecond = 1_000_000
        flow.play(8) { $0 }
        guard case .accountsApart(let difference) = flow.findings.first else {
            Issue.record("\(flow.findings)")
            return
        }
        #expect(difference < .seconds(-2))
        #expect(Array(flow.findings.dropFirst()) == [.accountsAgree])
    }

    @Test func whatIsNotDeclaredIsLearnt() throws {
        var flow = Flow(from: .seconds(7), .play(from: .seconds(7)))
        flow.play(10) { $0 }
        #expect(flow.keeper.learntBitsPerSecond == 1_000_000)
        flow.play(20) { _ in nil }
        let position = try #require(flow.position)
        #expect(position.basis == .ledger && flow.error <= .milliseconds(100))
        #expect(position.uncertainty >= .milliseconds(1100), "a twentieth of 20 s")
    }

    @Test func withNothingElseTheClockTells() throws {
        var flow = Flow(from: .seconds(7), .play(from: .seconds(7)))
        flow.play(10) { _ in nil }
        let position = try #require(flow.position)
        #expect(position.basis == .clock && flow.error <= .milliseconds(1))
        #expect(position.uncertainty == .milliseconds(5500))
        #expect(PositionKeeper().position(at: .at(0)) == nil)
    }

    /// A live stream begins wherever its clock stands.
    @Test func withoutAPositionTheFirstTimestampIsTheStart() {
        var flow = Flow(from: .seconds(90_000), .play(bandwidth: Self.megabit))
        flow.play(3) { $0 }
        #expect(flow.keeper.ledger.npt == .seconds(90_003) && flow.findings.isEmpty)
    }

    /// Whatever comes, it answers, and never with a position before zero by the ledger.
    @Test(arguments: 0..<12 as Range<UInt64>) func hostileInputIsBorne(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var keeper = PositionKeeper()
        var now = Instant.at(0)
        func time() -> MediaTime? {
            random.chance(4)
                ? nil
                : MediaTime(
                    flicks: random.chance(3)
                        ? [.min, .max, 0, -1].randomElement(using: &random)!
                        : .random(in: 0...1 << 40, using: &random))
        }
        for _ in 0..<4000 {
            if random.chance(30) {
                keeper.adjusted(
                    Adjustment(
                        isPlaying: random.chance(5) ? false : true, position: random.chance(2) ? time() : nil,
                        scale: [nil, Rate(1), Rate(.max), Rate(-.max), Rate(1, .max), Rate(0)].randomElement(
                            using: &random)!,
                        speed: [nil, Rate(1), Rate(.max), Rate(1, .max), Rate(-1)].randomElement(using: &random)!,
                        bandwidth: [
                            nil, .unknown, .media(bitsPerSecond: .max), .media(bitsPerSecond: 1),
                            .delivery(bitsPerSecond: .max), .delivery(bitsPerSecond: .min),
                        ]
                        .randomElement(using: &random)!), at: now)
            }
            if random.chance(20) { now = Instant(nanoseconds: .random(in: .min ... .max, using: &random)) }
            _ = keeper.received(
                pts: time(), dts: time(), duration: time() ?? .zero,
                payload: random.chance(9) ? .max : .random(in: -9...100_000, using: &random), at: now)
            if let position = keeper.position(at: now), position.basis == .ledger { #expect(position.npt >= .zero) }
        }
    }
}
