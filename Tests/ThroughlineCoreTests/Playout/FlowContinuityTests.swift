import Testing

@testable import ThroughlineCore

@Suite struct FlowContinuityTests {
    /// Steps in milliseconds, each with how often it comes.
    private static func found(
        _ steps: [(Double, Int)], kind: FlowContinuity.Kind = .pictures, stated: Double? = 40, isWhole: Bool = true
    ) -> [Double] {
        var flow = FlowContinuity(kind)
        var time = 0.0
        func present() {
            flow.present(
                pts: .from(time), dts: .from(time), duration: .from(stated ?? 0), isCorrupt: false,
                provenance: Provenance())
        }
        present()
        for (step, count) in steps {
            for _ in 0..<count {
                time += step
                present()
            }
        }
        flow.restart(isWhole: isWhole)
        return flow.takeFound().map { $0.length.seconds * 1000 }.map { ($0 * 10).rounded() / 10 }
    }

    @Test(arguments: [
        (FlowContinuity.Kind.pictures, [(40.0, 100)], 40.0), (.pictures, [(16, 1), (17, 2), (16, 1), (17, 50)], 0),
        (.sound, [(21, 2), (22, 1), (21, 2), (22, 1), (21, 30)], 21), (.pictures, [(500, 20)], 0),
    ])
    func nothingIsMissingOfASteadyFlow(_ kind: FlowContinuity.Kind, _ steps: [(Double, Int)], _ stated: Double) {
        #expect(Self.found(steps, kind: kind, stated: stated).isEmpty)
    }

    @Test func aHoleIsAsLongAsWhatLacks() {
        #expect(Self.found([(40, 50), (1040, 1), (40, 50)]) == [1000])
        #expect(Self.found([(40, 50), (1040, 1), (40, 50)], stated: nil) == [1000])
        #expect(Self.found([(40, 50), (80, 1), (40, 50)]) == [40], "one picture")
        #expect(Self.found([(20, 50), (40, 1), (20, 50)], kind: .sound, stated: 20) == [20])
        #expect(Self.found([(40, 50), (1040, 1)]) == [1000], "at the end")
        #expect(Self.found([(40, 50), (1040, 1), (40, 1), (540, 1), (40, 50)]) == [1000, 500])
    }

    /// Every tenth picture, and two in a row now and then: more than a flow's way would be believed to lack.
    @Test func whatTheSenderHasCountedIsMissing() {
        var flow = FlowContinuity(.pictures)
        var lacks: MediaTime = .zero
        var hasLost = false
        for index in 0..<500 {
            if index % 10 == 7 || index % 60 == 38 {
                (hasLost, lacks) = (true, lacks + .milliseconds(40))
                continue
            }
            let time = Double(index) * 40
            flow.present(
                pts: .from(time), dts: .from(time), duration: .from(40), isCorrupt: false, followsLoss: hasLost,
                provenance: Provenance())
            hasLost = false
        }
        flow.restart(isWhole: true)
        #expect(flow.missing == lacks)
    }

    @Test func soundLastsNoLongerSinceTheNextIsMissing() {
        var flow = FlowContinuity(.sound)
        for index in 0..<40 {
            let isLast = index == 20
            let time = index > 20 ? Double(index) * 20 + 1000 : Double(index) * 20
            flow.present(
                pts: .from(time), dts: .from(time), duration: .from(isLast ? 1020 : 20), isCorrupt: false,
                provenance: Provenance())
        }
        flow.restart(isWhole: true)
        #expect(flow.missing == .seconds(1))
    }

    @Test func anotherRateIsNoHole() {
        #expect(Self.found([(40, 25), (120, 8), (80, 1), (40, 25), (120, 8), (80, 1), (40, 25)]).isEmpty)
        #expect(Self.found([(40, 50), (80, 50), (40, 50)]).isEmpty)
        #expect(Self.found([(40, 50), (2000, 5)]).isEmpty, "key frames alone")
        #expect(Self.found([(20, 50), (40, 50)], kind: .sound, stated: 20).isEmpty, "at another scale")
    }

    @Test func whereStepsOfAllLengthsAreUsualNoneIsAHole() {
        var steps: [(Double, Int)] = []
        for step in [40, 120, 40, 80, 40, 200, 40, 120, 80, 280, 40, 160, 40, 40, 240, 80] as [Double] {
            steps.append((step, 1))
        }
        let recorded = (0..<10).flatMap { _ in steps }
        #expect(Self.found(recorded).count <= 1)
        let spoken: [(Double, Int)] = (0..<8).flatMap { _ in [(20, 10), (400, 1), (20, 5)] }
        #expect(Self.found(spoken, kind: .soundWithPauses, stated: 20).isEmpty)
    }

    @Test func twoStepsInTurnAreUsual() {
        // Film on video: two and three fields.
        let film: [(Double, Int)] = (0..<50).flatMap { _ in [(33.4, 1), (50.1, 1)] }
        #expect(Self.found(film, stated: nil).isEmpty)
    }

    @Test func aSeamIsNoHole() {
        // A film that begins again where its sound has ended, a little behind its pictures.
        #expect(Self.found([(40, 50), (91, 1), (40, 50), (91, 1), (40, 50)]).isEmpty)
    }

    @Test func whatLeadsUpToAPlaceTellsNothing() {
        var flow = FlowContinuity(.pictures)
        func present(_ times: [Double]) {
            for time in times {
                flow.present(
                    pts: .from(time), dts: .from(time), duration: .zero, isCorrupt: false, provenance: Provenance())
            }
        }
        present((0..<100).map { Double($0) * 40 })
        flow.restart(isWhole: false)
        present([6280, 6470, 6471, 6472, 6473, 6474, 6475, 6476, 6477, 6478, 6479])
        present((0..<100).map { 6480 + Double($0) * 40 })
        present([11_480])
        flow.restart(isWhole: true)
        #expect(flow.missing == .seconds(1), "the second at the end, which is one")
    }

    @Test func aPictureThatLastsLongIsNoHole() {
        // Durations stand in decode order, a little before or behind.
        var flow = FlowContinuity(.pictures)
        for index in 0..<60 {
            let time = Double(index) * 40 + (index > 30 ? 960 : 0)
            flow.present(
                pts: .from(time), dts: .from(time - 80), duration: .from(index == 28 ? 1000 : 40), isCorrupt: false,
                provenance: Provenance())
        }
        flow.restart(isWhole: true)
        #expect(flow.missing == .zero)
    }

    @Test func picturesThatAreReorderedAreLookedAtInTheirOrder() {
        // Shown at 0 160 80 40 120, 320 240 200 280, ...: decoded 80 ms before at the least.
        var (flow, order): (FlowContinuity, [Double]) = (FlowContinuity(.pictures), [0])
        for group in 0..<20 {
            let base = Double(group) * 160
            order += [160, 80, 40, 120].map { base + $0 }
        }
        for (index, time) in order.enumerated() where time != 1600 + 80 && time != 1600 + 40 && time != 1600 + 120 {
            flow.present(
                pts: .from(time), dts: .from(Double(index) * 40 - 80), duration: .from(40), isCorrupt: false,
                provenance: Provenance())
        }
        #expect(flow.missing == .zero, "nothing else proves it yet")
        flow.restart(isWhole: true)
        #expect(flow.takeFound().map(\.range) == [.from(1640) ..< .from(1760)])
        #expect(flow.presented == .from(3240 - 120))
    }

    @Test func aSeekInMidGroupLeavesNoHole() {
        var flow = FlowContinuity(.pictures)
        for index in 0..<40 {
            flow.present(
                pts: .from(Double(index) * 40), dts: .from(Double(index) * 40), duration: .from(40), isCorrupt: false,
                provenance: Provenance())
        }
        // The reference of pictures that were not put out any more.
        flow.present(
            pts: .from(1760), dts: .from(1600), duration: .from(40), isCorrupt: false, provenance: Provenance())
        flow.restart(isWhole: false)
        #expect(flow.missing == .zero)
        flow.present(
            pts: .from(60_000), dts: .from(60_000), duration: .from(40), isCorrupt: false, provenance: Provenance())
        flow.restart(isWhole: true)
        #expect(flow.missing == .zero && flow.presented == .from(1640))
    }

    /// Steps in milliseconds; after `joined` of them another connection goes on.
    private static func found(_ steps: [Double], joined: Int, stated: Double = 40) -> [Double] {
        var flow = FlowContinuity(.pictures)
        var time = 0.0
        for index in 0...steps.count {
            flow.present(
                pts: .from(time), dts: .from(time), duration: .from(stated), isCorrupt: false,
                provenance: Provenance(origin: OriginID(index > joined ? 1 : 0), joins: index > joined ? 1 : 0))
            if index < steps.count { time += steps[index] }
        }
        flow.restart(isWhole: true)
        return flow.takeFound().map { ($0.length.seconds * 1000).rounded() }
    }

    @Test(
        "Pictures that lack right before another connection goes on are missing, however many in turn",
        arguments: [
            // steps between, the join among them counted from the first of these, holes
            ([80, 80], 2, [40, 40]), ([80, 80], 1, [40, 40]), ([80, 80], 0, [40, 40]),
            ([80, 80, 80], 3, [40, 40, 40]),
            ([80, 80, 80, 40], 3, [40, 40, 40]), ([120, 80], 2, [80, 40]), ([80, 40, 80], 2, [40, 40]),
            ([80], 1, [40]), ([80, 80, 40, 40, 40], 4, [40, 40]),
        ] as [([Double], Int, [Double])])
    func lostAtAJoin(_ steps: [Double], _ join: Int, _ holes: [Double]) {
        let (before, after) = (Array(repeating: 40.0, count: 50), Array(repeating: 40.0, count: 50))
        #expect(Self.found(before + steps + after, joined: 50 + join) == holes)
        // The same inside one connection is how a flow may go on.
        if steps.allSatisfy({ $0 > 40 }), steps.count == 2, steps[0] == steps[1] {
            #expect(Self.found(before + steps + after, joined: 1000).isEmpty)
        }
    }

    @Test("A join into a stretch of fewer pictures is no hole, nor one behind it")
    func joinsAtAnotherRate() {
        let steady = Array(repeating: 40.0, count: 50)
        let slow = Array(repeating: 120.0, count: 8)
        #expect(Self.found(steady + slow + steady, joined: 51).isEmpty)
        #expect(Self.found(steady + slow + steady, joined: 54).isEmpty)
        #expect(Self.found(steady + slow + steady + steady, joined: 90).isEmpty)
        // Where the container says how long each lasts, nothing is in doubt.
        #expect(Self.found(steady + [80, 80] + steady, joined: 52, stated: 80).isEmpty)
    }

    @Test func timesFromNowhereAreBorne() {
        var flow = FlowContinuity(.pictures)
        let extremes = [Int64.min, .max, 0, .min / 2, .max / 2, -1, 1]
        for (index, a) in extremes.enumerated() {
            for b in extremes {
                flow.present(
                    pts: MediaTime(flicks: a), dts: MediaTime(flicks: min(a, b)),
                    duration: MediaTime(flicks: index % 2 == 0 ? b : 1),
                    isCorrupt: index % 3 == 0, provenance: Provenance())
            }
        }
        flow.restart(isWhole: true)
        #expect(flow.presented >= .zero)
    }
}

extension MediaTime {
    /// Milliseconds, for tests.
    fileprivate static func from(_ milliseconds: Double) -> MediaTime {
        MediaTime(nanoseconds: Int64(milliseconds * 1e6))
    }
}
