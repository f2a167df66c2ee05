internal import Testing
internal import ThroughlineCore

/// Facts in any order: the policy keeps its promises to its runner.
@Suite struct DeadlinePolicyPropertyTests {
    @Test(arguments: 0..<60 as Range<UInt64>)
    func ordersMakeSense(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var policy = DeadlinePolicy()
        var now = Instant.at(0)
        var isCommitted = false
        var isPrepared = false
        var hasAlternate = false
        func level() -> Duration? {
            if random.chance(10) { return nil }
            return .milliseconds(random.chance(5) ? 0 : Int.random(in: 0...3000, using: &random))
        }
        func pause() -> Duration {
            .milliseconds(Int.random(in: 0...(random.chance(5) ? 2000 : 60), using: &random))
        }
        for step in 0..<1000 {
            if random.chance(3), policy.nextMoment != .never, policy.nextMoment > now {
                now = policy.nextMoment
            } else if random.chance(2) {
                now = now + pause()
            }
            var orders: [DeadlinePolicy.Order] = []
            switch Int.random(in: 0..<24, using: &random) {
            case 0:
                let isSame = hasAlternate && random.chance(2)
                if !isSame { isPrepared = false }
                hasAlternate = isSame || !random.chance(5)
                let cold = Int.random(in: 0...4000, using: &random)
                orders = policy.alternateChanged(
                    to: hasAlternate
                        ? .init(
                            cold: .milliseconds(cold), warm: .milliseconds(Int.random(in: 0...cold, using: &random)),
                            canPrepare: !random.chance(3)) : nil,
                    isSame: isSame, at: now)
            case 1: orders = policy.waitEnded(at: now)
            case 2:
                let silence = FlowSilenceWatcher.Silence(
                    flow: Int.random(in: 0...2, using: &random), since: now, threshold: .milliseconds(300))
                orders = policy.flowFellSilent(silence, level: level(), at: now)
            case 3, 4: orders = policy.flowCameBack(.random(in: 0...2, using: &random), at: now)
            case 5: orders = policy.deliveryIsSlow(dryAt: now + (level() ?? .zero), level: level() ?? .zero, at: now)
            case 6: orders = policy.deliveryRecovered(at: now)
            case 7, 8: if isPrepared { orders = policy.prepared(at: now) }
            case 9:
                if isPrepared {
                    isPrepared = false
                    orders = policy.preparationFailed(at: now)
                }
            case 10:
                if isCommitted {
                    policy.joined(at: now)
                    (isCommitted, isPrepared, hasAlternate) = (false, false, false)
                }
            case 11:
                if isCommitted {
                    (isCommitted, isPrepared) = (false, false)
                    orders = policy.handoffFailed(at: now)
                }
            case 12..<17: orders = policy.waitBegan(at: now, level: level())
            case 17..<22: orders = policy.arrived(at: now, level: level())
            default: orders = policy.timePassed(at: now)
            }
            if orders.isEmpty { orders = policy.timePassed(at: now) }
            for order in orders {
                switch order {
                case .prepare:
                    #expect(hasAlternate && !isPrepared && !isCommitted, "step \(step)")
                    isPrepared = true
                case .commit:
                    #expect(!isCommitted, "step \(step)")
                    isCommitted = true
                case .withdraw:
                    #expect(isCommitted || isPrepared, "step \(step)")
                    (isCommitted, isPrepared) = (false, false)
                }
            }
            #expect(policy.nextMoment > now, "step \(step): a busy loop, after \(orders)")
            #expect(orders.count <= 1)
        }
        #expect(policy.takeRecords().count <= DeadlinePolicy.recordLimit)
    }
}
