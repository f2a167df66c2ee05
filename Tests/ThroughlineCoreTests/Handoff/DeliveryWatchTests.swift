internal import Testing
internal import ThroughlineCore

/// Silence, single flows and slow delivery meet in one decision.
@Suite struct DeliveryWatchTests {
    private static let other = OriginID(1)

    /// An origin that sends 40 ms of media every 40 ms, into a buffer of two seconds, for so many seconds.
    private static func watch(
        for seconds: Int = 5, canPrepare: Bool = true, keepsBriefly: Bool = false, isRealtime: Bool = false
    ) -> DeliveryWatch {
        var watch = DeliveryWatch(origins: 3, bound: .seconds(1))
        watch.isRealtime = isRealtime
        watch.alternatesAre([.init(other, canPrepare: canPrepare, keepsBriefly: keepsBriefly)], at: .at(0))
        for step in 0..<(seconds * 25) {
            let now = Double(step) * 0.04
            watch.waitBegan(at: .at(now), level: .seconds(2))
            watch.arrived(at: .at(now + 0.04), level: .seconds(2))
        }
        #expect(watch.takeOrders() == [])
        return watch
    }

    @Test func silencePreparesAndThenLeaves() {
        var watch = Self.watch()
        watch.waitBegan(at: .at(5), level: .seconds(2))
        #expect(watch.nextMoment == .at(5.1))
        watch.timePassed(at: .at(5.1))
        #expect(watch.takeOrders() == [.prepare(Self.other)])
        watch.prepared(at: .at(5.2))
        // A handoff to an origin that is ready is taken to last 150 ms, and a fifth more.
        #expect(watch.nextMoment == .at(6.82))
        watch.timePassed(at: .at(6.82))
        #expect(watch.takeOrders() == [.leave(.silence(.milliseconds(1820)))])
    }

    /// The wait had begun when something else asked for the handoff; what came meanwhile nobody has taken.
    @Test func nothingIsMissedWhileOthersAreAsked() {
        for level in [nil, Duration.milliseconds(1200)] {
            var watch = Self.watch(isRealtime: true)
            watch.waitBegan(at: .at(5), level: level)
            watch.stays(at: .at(6.3))
            #expect(watch.takeOrders() == [])
            #expect(watch.silence(at: .at(6.3)) == .zero && watch.nextMoment == .never)
        }
    }

    /// What a handoff takes does not come back: one and a half times what a cold one takes is kept.
    @Test func inRealTimeMoreIsKept() {
        var watch = Self.watch(isRealtime: true)
        watch.waitBegan(at: .at(5), level: .seconds(2))
        watch.timePassed(at: .at(5.1))
        watch.prepared(at: .at(5.2))
        #expect(watch.takeOrders() == [.prepare(Self.other)])
        #expect(watch.nextMoment == .at(6.55))
    }

    @Test func whatHandoffsTookIsExpectedAgain() {
        var watch = Self.watch(canPrepare: false)
        watch.measured(Self.other, opening: .milliseconds(10), media: .zero)
        watch.joined(at: .at(5))
        watch.alternatesAre([.init(Self.other, canPrepare: false)], at: .at(5))
        watch.waitBegan(at: .at(5), level: .seconds(2))
        // The least reserve is 50 ms.
        watch.timePassed(at: .at(6.94))
        #expect(watch.takeOrders() == [])
        watch.timePassed(at: .at(6.95))
        #expect(watch.takeOrders() == [.leave(.silence(.milliseconds(1950)))])
    }

    @Test func whatIsStaleIsPreparedAnew() {
        var watch = Self.watch()
        watch.waitBegan(at: .at(5), level: .seconds(2))
        watch.timePassed(at: .at(5.1))
        #expect(watch.takeOrders() == [.prepare(Self.other)])
        watch.arrived(at: .at(5.2), level: .seconds(2))
        watch.preparationIsStale(at: .at(5.2))
        #expect(watch.takeOrders() == [])
        watch.waitBegan(at: .at(5.2), level: .seconds(2))
        watch.timePassed(at: .at(5.3))
        #expect(watch.takeOrders().contains(.prepare(Self.other)))
    }

    @Test func oneSilentFlowIsLeftAndIsNotSlowness() throws {
        var watch = Self.watch()
        watch.flowsAre(isSparse: [false, false], bounds: .realtimeFlow)
        var left: DeliveryWatch.Reason?
        for step in 0..<200 where left == nil {
            let now = Instant.at(5 + Double(step) * 0.02)
            watch.flowArrived(0, at: now)
            if step < 50 { watch.flowArrived(1, at: now) }
            let silent = max(0, step - 49) * 20
            let level = Duration.milliseconds(max(0, 2000 - silent))
            watch.checkFlows(at: now, level: level)
            watch.received(
                bytes: 1000, unpacked: 0, level: level, reached: .milliseconds(step * 20), isFull: silent == 0,
                from: OriginID(0), at: now)
            watch.timePassed(at: now)
            for case .leave(let reason) in watch.takeOrders() { left = reason }
        }
        guard case .flow(1, let silence) = left else {
            Issue.record("\(String(describing: left))")
            return
        }
        #expect((.milliseconds(500)...Duration.milliseconds(2000)).contains(silence))
    }

    @Test func slowDeliveryIsLeftForABetterPlace() {
        var watch = Self.watch(canPrepare: false)
        var left: (reason: DeliveryWatch.Reason, level: Int)?
        for step in 0..<200 where left == nil {
            let now = Instant.at(5 + Double(step) * 0.04)
            let level = max(0, 1400 - step * 20)
            watch.received(
                bytes: 500, unpacked: 0, level: .milliseconds(level), reached: .milliseconds(step * 20),
                isFull: false, from: OriginID(0), at: now)
            watch.timePassed(at: now)
            for case .leave(let reason) in watch.takeOrders() { left = (reason, level) }
        }
        guard let left, case .slow(let forecast, let target) = left.reason else {
            Issue.record("\(String(describing: left))")
            return
        }
        #expect(target == Self.other && (450...550).contains(forecast.ratio))
        // Twice what a handoff takes.
        #expect((680...720).contains(left.level), "\(left.level)")
    }

    /// Nobody better was at hand, and then the viewer went elsewhere.
    @Test func slowDeliveryIsToldAnewAfterASeek() {
        var watch = Self.watch(canPrepare: false)
        watch.alternatesAre([], at: .at(5))
        func play(from begin: Double) -> DeliveryWatch.Reason? {
            for step in 0..<100 {
                let now = Instant.at(begin + Double(step) * 0.04)
                watch.received(
                    bytes: 500, unpacked: 0, level: .milliseconds(max(0, 1400 - step * 20)),
                    reached: .milliseconds(step * 20), isFull: false, from: OriginID(0), at: now)
                watch.timePassed(at: now)
                for case .leave(let reason) in watch.takeOrders() { return reason }
            }
            return nil
        }
        #expect(play(from: 5) == nil)
        #expect(watch.takeRemark() != nil)
        watch.interrupted(at: .at(9))
        watch.alternatesAre([.init(Self.other, canPrepare: false)], at: .at(9))
        guard case .slow(_, Self.other) = play(from: 9) else {
            Issue.record("it is not left")
            return
        }
    }

    /// A demuxer that reads a fragment before it gives anything of it is not slow.
    @Test func whatIsReadAheadIsDelivered() {
        var watch = Self.watch(canPrepare: false)
        for step in 0..<500 {
            let now = Instant.at(5 + Double(step) * 0.04)
            // A fragment of two seconds every two seconds, of 50 000 bytes that come evenly.
            let (fragment, part) = (step / 50, step % 50)
            let level = 1400 - part * 40
            watch.received(
                bytes: 1000, unpacked: part == 0 && fragment > 0 ? 1000 - 50_000 : 1000,
                level: .milliseconds(max(100, level)), reached: .milliseconds(fragment * 2000), isFull: false,
                from: OriginID(0), at: now)
            watch.timePassed(at: now)
            #expect(watch.takeOrders() == [], "\(step)")
        }
    }

    /// Nothing is prepared of what delivers already, and silence is borne for nearly as long as the buffer holds.
    @Test(arguments: [(2000, false, 1950), (2000, true, 1940), (200, false, 150), (200, true, 140)])
    func whatDeliversAlreadyIsLeftForLate(level: Int, isRealtime: Bool, leaves: Int) {
        var watch = Self.watch(isRealtime: isRealtime)
        watch.alternatesAre([.init(Self.other, canPrepare: true, isHot: true)], at: .at(5))
        watch.waitBegan(at: .at(5), level: .milliseconds(level))
        watch.timePassed(at: .at(5.1))
        #expect(watch.takeOrders() == [])
        let moment = Instant.at(5) + .milliseconds(leaves)
        #expect(watch.nextMoment == moment)
        watch.timePassed(at: moment)
        #expect(watch.takeOrders() == [.leave(.silence(.milliseconds(leaves)))])
    }

    @Test func whatDeliversNoMoreIsPreparedAsOthers() {
        var watch = Self.watch()
        watch.alternatesAre([.init(Self.other, canPrepare: true, isHot: true)], at: .at(5))
        watch.waitBegan(at: .at(5), level: .seconds(2))
        watch.timePassed(at: .at(5.2))
        #expect(watch.takeOrders() == [])
        watch.alternatesAre([.init(Self.other, canPrepare: true)], at: .at(5.3))
        #expect(watch.takeOrders() == [.prepare(Self.other)])
    }
}
