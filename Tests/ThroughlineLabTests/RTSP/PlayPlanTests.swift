internal import Testing
internal import ThroughlineCore

@testable internal import ThroughlineLab

/// What a PLAY delivers, and when, in no time at all.
@Suite struct PlayPlanTests {
    let programme: Programme

    init() throws { programme = try Programme(path: "\(LabFixtures.path)/main.mp4") }

    func units(_ plan: PlayPlan, of flow: Int) -> [Programme.Unit] {
        plan.order.map { programme.units[$0] }.filter { $0.flow == flow }
    }

    @Test func knowsTheFile() {
        #expect(programme.flows.map(\.kind) == [.video, .audio, .audio])
        #expect(programme.duration == .seconds(12))
        let pictures = programme.units.filter { $0.flow == 0 }
        #expect(pictures.count == 300)
        #expect(pictures.filter(\.isKey).map(\.start) == (0..<6).map { .seconds(2 * $0) })
        #expect(programme.units.filter { $0.flow == 1 }.count == 564)
        // In the order of delivery, byte behind byte.
        #expect(zip(programme.units, programme.units.dropFirst()).allSatisfy { $0.due <= $1.due })
        #expect(
            zip(programme.units, programme.units.dropFirst()).allSatisfy { $0.offset + $0.byteCount == $1.offset })
        #expect(programme.offset(of: .seconds(12)) == nil)
    }

    @Test func beginsWithAllThereIs() {
        let plan = PlayPlan(of: programme, from: .zero, flows: [0, 1, 2])
        #expect(plan.order.count == programme.units.count)
        #expect(plan.start == .zero)
        // The priming samples stand before the beginning.
        #expect(units(plan, of: 1).first?.ticks == -1024)
        #expect(units(plan, of: 1).first.map { plan.ticks(of: $0, clock: TimeBase(1, 48_000)) } == -1024)
    }

    @Test(arguments: [(Int64(7300), Int64(6000)), (6000, 6000), (1999, 0)])
    func goesBackToAKeyFrame(asked: Int64, key: Int64) {
        let plan = PlayPlan(of: programme, from: .milliseconds(asked), flows: [0, 1])
        #expect(plan.start == .milliseconds(key))
        #expect(units(plan, of: 0).first?.start == .milliseconds(key))
        let sound = units(plan, of: 1).first
        #expect(sound.map { $0.end > plan.start } ?? false)
        #expect(units(plan, of: 2).isEmpty)
        // Exactly where asked for, with the pictures that it takes to get there.
        let exact = PlayPlan(of: programme, from: .milliseconds(asked), flows: [0, 1], isExact: true)
        #expect(exact.start == .milliseconds(asked))
        #expect(units(exact, of: 0).first?.start == .milliseconds(key))
        #expect(units(exact, of: 1).first.map { $0.start <= exact.start && $0.end > exact.start } ?? false)
    }

    @Test func withoutPicturesItBeginsWhereAsked() {
        let plan = PlayPlan(of: programme, from: .milliseconds(7300), flows: [1])
        #expect(plan.start == .milliseconds(7300))
        #expect(units(plan, of: 1).first.map { $0.start <= plan.start && $0.end > plan.start } ?? false)
    }

    static let rates: [(scale: Rate, speed: Rate, milliseconds: Int64)] = [
        (Rate(1), Rate(1), 2000), (Rate(2), Rate(1), 1000), (Rate(1), Rate(4), 500), (Rate(1, 2), Rate(2), 2000),
    ]

    @Test(arguments: rates)
    func isDueInTime(scale: Rate, speed: Rate, milliseconds: Int64) throws {
        let plan = PlayPlan(of: programme, from: .seconds(4), flows: [0], scale: scale, speed: speed)
        let first = try #require(units(plan, of: 0).first)
        let next = try #require(units(plan, of: 0).first { $0.isKey && $0.start == .seconds(6) })
        #expect(plan.delay(of: first) == .zero)
        #expect(plan.delay(of: next) == .milliseconds(milliseconds))
        // Timestamps know of the scale, and not of the speed.
        let ticks = plan.ticks(of: next, clock: TimeBase(1, 90_000))
        #expect(ticks == 180_000 * Int64(scale.denominator) / Int64(scale.numerator))
        #expect(plan.progress(after: plan.delay(of: next)) == MediaTime(value: ticks, timeBase: TimeBase(1, 90_000)))
    }

    @Test func goesBackwardsByKeyFrames() {
        let plan = PlayPlan(of: programme, from: .seconds(7), to: .seconds(2), flows: [0, 1], scale: Rate(-2))
        #expect(plan.order.map { programme.units[$0].start } == [.seconds(6), .seconds(4), .seconds(2)])
        #expect(plan.order.map { plan.delay(of: programme.units[$0]) } == [.zero, .seconds(1), .seconds(2)])
        #expect(
            plan.order.map { plan.ticks(of: programme.units[$0], clock: TimeBase(1, 90_000)) } == [0, 90_000, 180_000])
        // Sound cannot be: it is played forwards, and the answer says so.
        #expect(PlayPlan(of: programme, from: .seconds(7), flows: [1], scale: Rate(-2)).scale == .normal)
    }

    @Test func refusesWhatIsNoMedia() {
        for file in ["page.html", "empty.mp4", "none.mp4", "truncated.mp4"] {
            let error = #expect(throws: OriginError.self) { try Programme(path: "\(LabFixtures.path)/\(file)") }
            #expect(error?.description.contains(file) ?? false)
        }
    }
}
