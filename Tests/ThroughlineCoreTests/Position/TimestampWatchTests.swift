internal import Testing
internal import ThroughlineCore

/// Units of 20 ms whose timestamps are right, wrong, and right again.
@Suite struct TimestampWatchTests {
    private static let unit = MediaTime.milliseconds(20)

    /// Where units are put whose timestamps say this, in units; and what was found.
    private static func places(
        _ stated: [Int64], doubted: Set<Int> = [], mayRepeat: Bool = false
    ) -> (places: [Int64], findings: [TimestampWatch.Finding]) {
        var watch = TimestampWatch()
        var places: [Int64] = []
        var findings: [TimestampWatch.Finding] = []
        for (index, number) in stated.enumerated() {
            var finding: TimestampWatch.Finding?
            let time = MediaTime.milliseconds(20 * number)
            let place = watch.place(time, isDoubted: doubted.contains(index), mayRepeat: mayRepeat, &finding)
            watch.placed(at: place, stated: time, length: unit)
            places.append(place.nanoseconds / 20_000_000)
            if let finding { findings.append(finding) }
        }
        return (places, findings)
    }

    @Test func whatRisesStandsWhereItSays() {
        let stated: [Int64] = [0, 1, 2, 50, 51, 60, 100]
        let (places, findings) = Self.places(stated)
        #expect(places == stated)
        #expect(findings.isEmpty)
    }

    @Test func whatStandsStillIsCounted() {
        let (places, findings) = Self.places([0, 1, 2] + Array(repeating: 2, count: 40))
        #expect(places == Array(0...42))
        #expect(findings == [.dropped(at: .milliseconds(20 * 6))])
    }

    /// Dice may fall on a place that is not out of order, a little ahead or far.
    @Test(arguments: [10, 40, 100] as [Int64]) func aLeapAmongOthersIsNotBelieved(leap: Int64) {
        let (places, findings) = Self.places([0, 1, 2, 0, leap, 1, 0, 200, 5])
        #expect(places == Array(0...8))
        #expect(findings == [.dropped(at: .milliseconds(20 * 6))])
    }

    @Test func oneThatIsDamagedChangesNothing() {
        let (places, findings) = Self.places([0, 1, 1, 3, 4, 5, 700_000, 7], doubted: [6])
        #expect(places == Array(0...7))
        #expect(findings.isEmpty)
    }

    /// What comes back to its own place is believed without a shift, after a second; what comes back elsewhere, with one.
    @Test(arguments: [0, 1000] as [Int64]) func steadyTimestampsAreBelievedAgain(shift: Int64) {
        let stated = Array(0...10) + Array(repeating: 10, count: 20) + (31...120).map { $0 + shift }
        let (places, findings) = Self.places(stated)
        #expect(places == Array(0...120))
        #expect(findings.count == 2)
        #expect(findings.first == .dropped(at: .milliseconds(20 * 14)))
        guard case .believed(let place, let added) = findings.last else {
            Issue.record("\(findings)")
            return
        }
        // The first step of the new count is the leap to it, or not steady yet.
        #expect((.milliseconds(20 * 80)...(.milliseconds(20 * 84))).contains(place))
        #expect(added == .milliseconds(-20 * shift))
    }

    @Test func twoFieldsMayShareOne() {
        let (_, findings) = Self.places([0, 0, 2, 2, 4, 4, 6, 6, 8, 8, 10, 10], mayRepeat: true)
        #expect(findings.isEmpty)
    }

    /// Lost units leave room where timestamps do not.
    @Test func whatIsLostIsCounted() {
        var watch = TimestampWatch()
        watch.drop(at: .seconds(3))
        watch.lost(.milliseconds(60))
        var finding: TimestampWatch.Finding?
        #expect(watch.place(.zero, isDoubted: false, &finding) == .milliseconds(3060))
    }
}
