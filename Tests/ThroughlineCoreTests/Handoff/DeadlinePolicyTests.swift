internal import Testing
internal import ThroughlineCore

/// When an origin is left, against one who knows what will be. All in virtual time.
@Suite struct DeadlinePolicyTests {
    /// An origin with pauses at random, and one without.
    static func world(seed: UInt64, buffer: Int, handoff: ClosedRange<Int>) -> (world: PolicyWorld, end: Int) {
        var random = SeededGenerator(seed: seed)
        var bad = PolicyWorld.Origin()
        var time = Int.random(in: 1000...4000, using: &random)
        for _ in 0..<Int.random(in: 1...5, using: &random) {
            // From hiccups to well beyond the buffer.
            let length = Int.random(in: 20...(random.chance(3) ? 2 * buffer : buffer), using: &random)
            bad.outages.append(time..<(time + length))
            time += length + Int.random(in: 50...3000, using: &random)
        }
        if random.chance(2) { bad.outages.append(time..<1_000_000) }
        bad.lump = [20, 40, 40, 100, buffer / 4].randomElement(using: &random) ?? 40
        // Files refill the buffer; live streams catch up.
        bad.speed = [(0, [1000, 1000, 1500, 4000].randomElement(using: &random) ?? 4000)]
        bad.catchesUp = !random.chance(4)
        var good = PolicyWorld.Origin()
        let whole = Int.random(in: handoff, using: &random)
        good.first = whole * Int.random(in: 25...60, using: &random) / 100
        good.connect = (whole - good.first) / 3
        good.open = whole - good.first - good.connect
        good.speed = bad.speed
        return (PolicyWorld([bad, good], capacity: buffer), time + 3 * buffer + 1500)
    }

    struct Sums {
        var handoffs = 0
        var needless = 0
        var gaps = 0
    }

    static func run(
        buffer: Int, seeds: Range<UInt64>, handoff: ClosedRange<Int>, learned: Bool, canPrepare: Bool
    ) -> Sums {
        var sums = Sums()
        for seed in seeds {
            let (world, end) = world(seed: seed &* 7919 &+ UInt64(buffer), buffer: buffer, handoff: handoff)
            var known = world
            known.playOmnisciently(until: end)
            var player = PolicyPlayer(world, canPrepare: canPrepare, learned: learned)
            player.play(until: end)
            let most = world.origins[1].handoff
            #expect(
                player.world.gap <= known.gap + most,
                "seed \(seed): \(player.world.gap) ms of gaps, \(known.gap) for who knows; \(player.records)")
            #expect(player.gapAfterFull == 0, "seed \(seed): \(world.origins); \(player.records)")
            sums.handoffs += player.world.handoffs
            sums.needless += player.needless
            if player.world.gap > 0 { sums.gaps += 1 }
        }
        return sums
    }

    /// How much is known of the alternate.
    enum Knowledge: CaseIterable {
        case measuredAndPrepared, measured, prepared, nothing

        var seeds: Range<UInt64> {
            switch self {
            case .measuredAndPrepared: 0..<80
            case .measured: 80..<130
            case .prepared: 130..<180
            case .nothing: 180..<220
            }
        }
    }

    /// 220 schedules for each buffer. Where nothing was measured, a handoff of usual length is expected.
    @Test(arguments: [500, 1000, 2000, 5000], Knowledge.allCases)
    func asGoodAsOneWhoKnowsButForOneHandoff(buffer: Int, knowledge: Knowledge) {
        let (learned, canPrepare, handoff) =
            switch knowledge {
            case .measuredAndPrepared: (true, true, 40...300)
            case .measured: (true, false, 40...300)
            case .prepared: (false, true, 120...300)
            case .nothing: (false, false, 240...300)
            }
        let sums = Self.run(
            buffer: buffer, seeds: knowledge.seeds, handoff: handoff, learned: learned, canPrepare: canPrepare)
        #expect(sums.handoffs >= 25, "the schedules ask for too little")
        #expect(100 * sums.needless < 2 * sums.handoffs, "\(sums)")
    }

    /// Pauses that leave one and a half times what a handoff takes, to 10 ms, and those that leave less than it takes.
    @Test(arguments: [(500, 300), (500, 100), (1000, 300), (2000, 40), (2000, 300), (5000, 300)], [true, false])
    func leavesLateAndNotTooLate(_ times: (buffer: Int, handoff: Int), canPrepare: Bool) {
        let (buffer, handoff) = times
        var good = PolicyWorld.Origin()
        (good.connect, good.open, good.first) = (handoff / 4, handoff / 4, handoff / 2)
        for (pause, handoffs) in [(buffer - handoff * 3 / 2 - 40, 0), (buffer - handoff / 2 + 50, 1), (60_000, 1)] {
            // The last of it came at 2 s, and the buffer was full.
            var bad = PolicyWorld.Origin()
            bad.outages = [2000..<(2000 + pause)]
            var player = PolicyPlayer(
                PolicyWorld([bad, good], capacity: buffer), canPrepare: canPrepare, learned: true)
            player.play(until: 2000 + 3 * buffer + 2000)
            #expect(player.world.handoffs == handoffs, "a pause of \(pause) ms: \(player.records)")
            #expect(player.world.gap == 0, "a pause of \(pause) ms: \(player.records)")
        }
    }

    /// A buffer that every lump nearly empties, and no reason to leave.
    @Test(arguments: [(500, 100), (500, 240), (500, 400), (1000, 900), (2000, 1900)])
    func aRegularRhythmIsNoReason(buffer: Int, lump: Int) {
        var origin = PolicyWorld.Origin()
        (origin.lump, origin.speed) = (lump, [(0, 1000)])
        var player = PolicyPlayer(
            PolicyWorld([origin, origin], capacity: buffer + 10, level: buffer), canPrepare: true, learned: true)
        player.play(until: 60_000)
        #expect(player.world.gap == 0)
        #expect(player.world.handoffs <= 1, "\(player.records.suffix(3))")
    }

    // MARK: - Orders

    static let alternate = DeadlinePolicy.Alternate(
        cold: .milliseconds(300), warm: .milliseconds(150), canPrepare: true)

    /// A policy that has seen enough of a rhythm of 40 ms, at time 0.
    static func policy(_ alternate: DeadlinePolicy.Alternate? = alternate) -> DeadlinePolicy {
        var policy = DeadlinePolicy()
        #expect(policy.alternateChanged(to: alternate, at: .at(-4)) == [])
        for index in 0..<100 {
            let orders = policy.waitBegan(at: .at(-4 + 0.04 * Double(index)), level: .seconds(2))
            #expect(orders == [])
            let more = policy.arrived(at: .at(-4 + 0.04 * Double(index + 1)), level: .seconds(2))
            #expect(more == [])
        }
        return policy
    }

    /// The table of the type's documentation, in milliseconds; 50 ms of reserve at the least.
    @Test(arguments: [(2000, 1820), (1000, 820), (200, 100), (330, 100), (440, 260)])
    func theTable(level: Int, leaves: Int) {
        var policy = Self.policy()
        var orders = policy.waitBegan(at: .at(0), level: .milliseconds(level))
        #expect(orders == [])
        #expect(policy.nextMoment == .at(0.1))
        orders = policy.timePassed(at: .at(0.099))
        #expect(orders == [])
        if leaves > 100 {
            orders = policy.timePassed(at: .at(0.1))
            #expect(orders == [.prepare])
            orders = policy.prepared(at: .at(0.15))
        }
        let moment = Instant.at(Double(leaves) / 1000)
        if leaves > 150 {
            #expect(orders == [])
            #expect(policy.nextMoment == moment)
            #expect(policy.commitment(at: .at(0.2)) == moment)
            orders = policy.timePassed(at: moment)
        } else if leaves == 100 {
            orders = policy.timePassed(at: moment)
        }
        #expect(orders == [.commit(.silence)])
        #expect(policy.nextMoment == .never)
        #expect(policy.record?.commitment?.level == .milliseconds(level - leaves))
    }

    /// The rows of the table with a rhythm of lumps.
    @Test(arguments: [(1000, 700, 540, 850), (500, 400, 100, 425), (2000, 1900, 1540, 2000)])
    func theTableOfLumps(level: Int, pause: Int, prepares: Int, leaves: Int) {
        var policy = DeadlinePolicy()
        _ = policy.alternateChanged(to: Self.alternate, at: .at(-100))
        for index in 0..<10 {
            let began = Double(index - 10) * Double(pause) / 1000
            _ = policy.waitBegan(at: .at(began), level: .seconds(20))
            _ = policy.arrived(at: .at(began) + .milliseconds(pause), level: .seconds(20))
        }
        _ = policy.waitBegan(at: .at(0), level: .milliseconds(level))
        #expect(policy.nextMoment == .at(0) + .milliseconds(prepares))
        #expect(policy.timePassed(at: policy.nextMoment) == [.prepare])
        #expect(policy.prepared(at: .at(0) + .milliseconds(prepares + 150)) == [])
        #expect(policy.nextMoment == .at(0) + .milliseconds(leaves))
        #expect(policy.timePassed(at: policy.nextMoment) == [.commit(.silence)])
    }

    @Test func theRecordTellsWhatHappened() throws {
        var policy = Self.policy()
        _ = policy.waitBegan(at: .at(0), level: .seconds(1))
        _ = policy.timePassed(at: .at(0.1))
        _ = policy.prepared(at: .at(0.25))
        _ = policy.timePassed(at: .at(0.82))
        policy.joined(at: .at(0.97))
        let record = try #require(policy.takeRecords().first)
        #expect(policy.takeRecords().isEmpty)
        #expect(record.since == .at(0))
        #expect(record.threshold == .milliseconds(100))
        #expect(record.suspected == .init(at: .at(0.1), level: .milliseconds(900)))
        #expect(record.preparation == .init(at: .at(0.1), level: .milliseconds(900)))
        #expect(record.prepared == .init(at: .at(0.25), level: .milliseconds(750)))
        #expect(record.commitment == .init(at: .at(0.82), level: .milliseconds(180)))
        #expect(record.expected == .milliseconds(150))
        #expect(record.reserve == .milliseconds(180))
        #expect(record.outcome == .joined)
        #expect(
            record.description == """
                silent; suspicious after 100 ms with 900 ms in the buffer; pauses of 40 ms were usual; \
                alternate asked to get ready with 900 ms in the buffer; ready with 750 ms in the buffer; \
                left with 180 ms in the buffer, a handoff being expected to take 150 ms; joined with 30 ms in the buffer
                """)
    }

    @Test func whatWasPreparedIsLetGoOnceItIsCalm() {
        var policy = Self.policy()
        _ = policy.waitBegan(at: .at(0), level: .seconds(2))
        #expect(policy.timePassed(at: .at(0.1)) == [.prepare])
        #expect(policy.prepared(at: .at(0.2)) == [])
        #expect(policy.arrived(at: .at(1), level: .seconds(2)) == [])
        #expect(policy.nextMoment == .at(3))
        // A suspicion in between begins it anew, and nothing is prepared twice.
        #expect(policy.waitBegan(at: .at(2), level: .seconds(2)) == [])
        #expect(policy.timePassed(at: .at(2.2)) == [])
        #expect(policy.arrived(at: .at(2.5), level: .seconds(2)) == [])
        #expect(policy.timePassed(at: .at(4.4)) == [])
        #expect(policy.timePassed(at: .at(4.5)) == [.withdraw])
        #expect(policy.nextMoment == .never)
        let records = policy.takeRecords()
        #expect(records.map(\.outcome) == [.recovered])
        #expect(records.first?.suspicions == 2)
    }

    @Test func aHandoffIsCalledOffWhileThereIsTimeForAnother() {
        for (level, orders) in [(1000, [DeadlinePolicy.Order.withdraw]), (200, [])] {
            var policy = Self.policy()
            _ = policy.waitBegan(at: .at(0), level: .seconds(1))
            _ = policy.timePassed(at: .at(0.1))
            #expect(policy.timePassed(at: .at(0.9)) == [.commit(.silence)])
            #expect(policy.arrived(at: .at(0.92), level: .milliseconds(level)) == orders)
        }
    }

    @Test func withNobodyElseSilenceIsBorneBeyondTheBuffer() {
        var policy = Self.policy(nil)
        _ = policy.waitBegan(at: .at(0), level: .seconds(2))
        #expect(policy.timePassed(at: .at(2.9)) == [])
        #expect(policy.nextMoment == .at(3))
        #expect(policy.timePassed(at: .at(3)) == [.commit(.silence)])
    }

    @Test func withoutABufferTheBoundHolds() {
        var policy = Self.policy()
        _ = policy.waitBegan(at: .at(0), level: nil)
        #expect(policy.timePassed(at: .at(0.2)) == [.prepare])
        #expect(policy.timePassed(at: .at(0.99)) == [])
        #expect(policy.timePassed(at: .at(1)) == [.commit(.silence)])
    }

    /// Over HTTP a server may send two seconds at once, and rest: what came is being played before more is missed.
    @Test func aWaitThatBeganBeforeTheStreamWasPlayedGoesByTheBufferToo() {
        var policy = DeadlinePolicy()
        _ = policy.alternateChanged(
            to: .init(cold: .milliseconds(300), warm: .milliseconds(100), canPrepare: true), at: .at(0))
        #expect(policy.waitBegan(at: .at(0), level: nil) == [])
        #expect(policy.timePassed(at: .at(0.5)) == [.prepare])
        #expect(policy.playing(at: .at(0.5), level: .milliseconds(1500)) == [])
        #expect(policy.prepared(at: .at(0.6)) == [])
        #expect(policy.timePassed(at: .at(1.5)) == [], "the bound where nothing is due")
        #expect(policy.playing(at: .at(1.6), level: .milliseconds(400)) == [], "it is known already")
        #expect(policy.nextMoment == .at(1.88))
        #expect(policy.timePassed(at: .at(1.88)) == [.commit(.silence)])
    }

    @Test func aFullBufferThatReadsNothingIsNoSilence() {
        var policy = Self.policy()
        _ = policy.waitBegan(at: .at(0), level: .seconds(2))
        #expect(policy.waitEnded(at: .at(0.05)) == [])
        #expect(policy.nextMoment == .never)
        #expect(policy.timePassed(at: .at(100)) == [])
    }

    @Test func preparationThatFailsIsTriedAgainLater() {
        var policy = Self.policy()
        _ = policy.waitBegan(at: .at(0), level: .seconds(5))
        #expect(policy.timePassed(at: .at(0.1)) == [.prepare])
        #expect(policy.preparationFailed(at: .at(0.2)) == [])
        #expect(policy.nextMoment == .at(1.2))
        #expect(policy.timePassed(at: .at(1.2)) == [.prepare])
        #expect(policy.preparationFailed(at: .at(1.3)) == [])
        #expect(policy.nextMoment == .at(3.3))
        #expect(policy.timePassed(at: .at(3.3)) == [.prepare])
        #expect(policy.preparationFailed(at: .at(3.4)) == [])
        // Unprepared it needs 300 ms, and a fifth more.
        #expect(policy.nextMoment == .at(4.64))
        #expect(policy.timePassed(at: .at(4.64)) == [.commit(.silence)])
    }

    @Test func afterAHandoffThatFailedTheOriginIsGivenTime() {
        var policy = Self.policy()
        _ = policy.waitBegan(at: .at(0), level: .seconds(1))
        _ = policy.timePassed(at: .at(0.1))
        _ = policy.timePassed(at: .at(0.9))
        _ = policy.handoffFailed(at: .at(1.2))
        _ = policy.waitBegan(at: .at(1.2), level: .zero)
        #expect(policy.timePassed(at: .at(2.1)) == [.prepare])
        #expect(policy.timePassed(at: .at(2.2)) == [.commit(.silence)])
    }

    @Test func oneSilentFlowIsLeftByItsOwnBuffer() {
        var policy = Self.policy()
        _ = policy.waitBegan(at: .at(0), level: .seconds(2))
        let silence = FlowSilenceWatcher.Silence(flow: 1, since: .at(-1), threshold: .milliseconds(300))
        #expect(policy.flowFellSilent(silence, level: .milliseconds(700), at: .at(0)) == [.prepare])
        #expect(policy.prepared(at: .at(0.01)) == [])
        #expect(policy.arrived(at: .at(0.02), level: .seconds(2)) == [], "the others run, and it does not")
        #expect(policy.nextMoment == .at(0.52))
        #expect(policy.timePassed(at: .at(0.52)) == [.commit(.flow(1))])
        #expect(policy.flowCameBack(1, at: .at(0.53)) == [.withdraw])
    }

    @Test func slowDeliveryIsLeftAsSoonAsSomeoneIsReady() {
        var policy = Self.policy()
        #expect(policy.deliveryIsSlow(dryAt: .at(10), level: .seconds(10), at: .at(0)) == [.prepare])
        #expect(policy.arrived(at: .at(0.02), level: .seconds(2)) == [])
        #expect(policy.prepared(at: .at(0.2)) == [.commit(.slowDelivery)])
        var cold = Self.policy(.init(cold: .milliseconds(300), warm: .milliseconds(150), canPrepare: false))
        #expect(cold.deliveryIsSlow(dryAt: .at(10), level: .seconds(1), at: .at(0)) == [])
        // 0.72 s of media last for 7.2 s.
        #expect(cold.nextMoment == .at(2.8))
        #expect(cold.deliveryRecovered(at: .at(1)) == [])
        #expect(cold.timePassed(at: .at(9.5)) == [])
        // What plays on meanwhile would only cost what the buffer holds.
        let hot = DeadlinePolicy.Alternate(
            cold: .milliseconds(40), warm: .milliseconds(40), canPrepare: false, delivers: true)
        var beside = Self.policy(hot)
        #expect(beside.deliveryIsSlow(dryAt: .at(10), level: .seconds(1), at: .at(0)) == [.commit(.slowDelivery)])
    }

    /// A live stream that lost its buffer, and does not get it back.
    @Test func aBufferThatStaysLowKeepsAnAlternateReady() {
        var policy = Self.policy()
        #expect(policy.arrived(at: .at(0), level: .milliseconds(200)) == [])
        #expect(policy.nextMoment == .at(2))
        #expect(policy.timePassed(at: .at(2)) == [.prepare])
        #expect(policy.record?.sign == .lowBuffer)
        #expect(policy.prepared(at: .at(2.2)) == [])
        #expect(policy.timePassed(at: .at(60)) == [])
        #expect(policy.arrived(at: .at(60), level: .seconds(1)) == [.withdraw])
    }
}
