internal import Testing
internal import ThroughlineCore

@Suite struct ReturnPlannerTests {
    let a = OriginID(0)

    @Test func itGoesBackOnceAfterThreeGoodProbes() {
        var planner = ReturnPlanner(policy: .healthy, preferred: a)
        #expect(planner.nextMoment == .never)
        planner.left(at: .at(0), penaltyEnds: .at(1))
        #expect(planner.timePassed(at: .at(4.9)) == nil)
        #expect(planner.timePassed(at: .at(5)) == .probe(a))
        #expect(planner.timePassed(at: .at(6)) == nil, "one at a time")
        #expect(planner.probeEnded(readMedia: true, at: .at(6)) == nil)
        #expect(planner.timePassed(at: .at(11)) == .probe(a))
        #expect(planner.probeEnded(readMedia: true, at: .at(11)) == nil)
        #expect(planner.timePassed(at: .at(16)) == .probe(a))
        #expect(planner.probeEnded(readMedia: true, at: .at(16)) == .goBack(a))
        #expect(planner.nextMoment == .never)
        planner.returned(at: .at(17))
        #expect(planner.nextMoment == .never)
    }

    @Test func badProbesAreRepeatedEverMoreSeldom() {
        var planner = ReturnPlanner(policy: .healthy, preferred: a)
        planner.left(at: .at(0), penaltyEnds: .at(20))
        var now = Instant.at(20)
        for interval in [10, 20, 40, 80, 160, 300, 300] {
            #expect(planner.nextMoment == now)
            #expect(planner.timePassed(at: now) == .probe(a))
            #expect(planner.probeEnded(readMedia: false, at: now) == nil)
            now = now + .seconds(interval)
        }
        #expect(planner.timePassed(at: now) == .probe(a))
        #expect(planner.probeEnded(readMedia: true, at: now) == nil)
        #expect(planner.nextMoment == now + .seconds(5), "a good one is soon followed by the next")
    }

    @Test(arguments: [Failback.never, .next])
    func otherPoliciesDoNotProbe(policy: Failback) {
        var planner = ReturnPlanner(policy: policy, preferred: a)
        planner.left(at: .at(0), penaltyEnds: nil)
        #expect(planner.nextMoment == .never)
        #expect(planner.timePassed(at: .at(1000)) == nil)
    }

    @Test func aWayBackThatFailsBeginsAnew() {
        var planner = ReturnPlanner(policy: .healthy, preferred: a)
        planner.left(at: .at(0), penaltyEnds: nil)
        for time in [5, 10, 15] {
            _ = planner.timePassed(at: .at(Double(time)))
            _ = planner.probeEnded(readMedia: true, at: .at(Double(time)))
        }
        planner.returnFailed(at: .at(16))
        #expect(planner.nextMoment == .at(26))
    }

    /// An origin that comes and goes at random for ten hours.
    @Test(arguments: 0..<20 as Range<UInt64>)
    func whoComesAndGoesIsGoneBackToEverMoreSeldom(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var origin = PolicyWorld.Origin()
        var time = 0
        let scale = [2000, 10_000, 60_000].randomElement(using: &random) ?? 2000
        while time < 36_000_000 {
            time += Int.random(in: 100...scale, using: &random)
            let length = Int.random(in: 100...scale, using: &random)
            origin.outages.append(time..<(time + length))
            time += length
        }
        var planner = ReturnPlanner(policy: .healthy, preferred: a)
        var isHome = true
        var returns: [Int] = []
        var now = 0
        while now < 36_000_000 {
            let instant = Instant(nanoseconds: Int64(now) * 1_000_000)
            if isHome {
                guard origin.isUp(at: now) else {
                    isHome = false
                    planner.left(at: instant, penaltyEnds: nil)
                    continue
                }
                guard let next = origin.outages.first(where: { $0.lowerBound > now }) else { break }
                now = next.lowerBound
                continue
            }
            guard instant >= planner.nextMoment, planner.timePassed(at: instant) != nil else {
                // The next moment, in steps of 50 ms.
                let wait = min(max(.zero, planner.nextMoment - instant), .seconds(36_000))
                now += max(50, Int(wait / .milliseconds(50)) * 50)
                continue
            }
            if planner.probeEnded(readMedia: origin.isUp(at: now), at: instant) != nil {
                planner.returned(at: instant)
                isHome = true
                returns.append(now)
            }
        }
        // Ten in the first hour at the most, and then ever fewer: a return takes 24 good probes five minutes apart.
        #expect(returns.count { $0 < 3_600_000 } <= 10)
        #expect(returns.count <= 20, "\(returns)")
    }
}
