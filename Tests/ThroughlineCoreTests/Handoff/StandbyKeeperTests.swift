internal import Testing
internal import ThroughlineCore

/// Which alternate is kept ready, and when, in virtual time.
@Suite struct StandbyKeeperTests {
    private let b = OriginID(1)
    private let c = OriginID(2)

    private func list(_ origins: OriginID..., unprepared: OriginID? = nil) -> [StandbyKeeper.Candidate] {
        origins.map { StandbyKeeper.Candidate(origin: $0, canBePrepared: $0 != unprepared) }
    }

    @Test func theFirstAlternateIsMadeReadyAndStays() {
        var keeper = StandbyKeeper()
        #expect(keeper.review(list(b, c), at: .at(0)) == .prepare(b))
        #expect(keeper.review(list(b, c), at: .at(1)) == nil, "one at a time")
        #expect(keeper.ready == nil)
        keeper.prepared(at: .at(1))
        #expect(keeper.ready == b)
        #expect(keeper.review(list(c, b), at: .at(5)) == nil, "it is good enough")
        #expect(keeper.deadline == .never)
        #expect(keeper.held(at: .at(5)) == .seconds(4))
        #expect(keeper.preparations == 1 && keeper.failures == 0)
    }

    @Test func aHandoffTakesIt() {
        var keeper = StandbyKeeper()
        _ = keeper.review(list(b), at: .at(0))
        keeper.prepared(at: .at(1))
        keeper.taken(at: .at(3))
        #expect(keeper.ready == nil)
        #expect(keeper.held(at: .at(9)) == .seconds(2))
        #expect(keeper.review(list(c), at: .at(3)) == .prepare(c))
    }

    @Test func whatIsNoAlternateAnyMoreIsLetGo() {
        var keeper = StandbyKeeper()
        _ = keeper.review(list(b), at: .at(0))
        keeper.prepared(at: .at(1))
        #expect(keeper.review(list(c), at: .at(2)) == .release(b))
        #expect(keeper.review(list(c), at: .at(2)) == .prepare(c))
        #expect(keeper.failures == 0)
    }

    @Test func nothingIsMadeReadyBehindOneThatNeedsNothing() {
        var keeper = StandbyKeeper()
        #expect(keeper.review(list(b, c, unprepared: b), at: .at(0)) == nil)
        #expect(keeper.deadline == .never)
    }

    @Test func oneThatAHandoffWouldNotAskYetIsPassedOver() {
        var keeper = StandbyKeeper()
        var candidates = list(b, c)
        candidates[0].notBefore = .at(2)
        #expect(keeper.review(candidates, at: .at(0)) == .prepare(c))
        candidates.removeLast()
        keeper.cancelled()
        #expect(keeper.review(candidates, at: .at(1)) == nil)
        #expect(keeper.deadline == .at(2))
        #expect(keeper.review(candidates, at: .at(2)) == .prepare(b))
    }

    /// Milliseconds from each failure to the next attempt.
    @Test(
        arguments: [
            (0.999_999_999, [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]), (0, [250, 500, 1000]),
        ] as [(Double, [Int64])])
    func itIsTriedAgainMoreAndMoreSeldom(_ jitter: Double, _ pauses: [Int64]) {
        var keeper = StandbyKeeper()
        var now = Instant.at(0)
        #expect(keeper.review(list(b), at: now) == .prepare(b))
        for pause in pauses {
            keeper.failed(at: now, jitter: jitter)
            #expect(keeper.review(list(b), at: now) == nil)
            let wait = (keeper.deadline - now).wholeNanoseconds
            #expect((wait + 500_000) / 1_000_000 == pause)
            now = keeper.deadline
            #expect(keeper.review(list(b), at: now) == .prepare(b))
        }
        #expect(keeper.failures == pauses.count)
        #expect(keeper.preparations == 0)
    }

    @Test func whileOneIsLeftAloneTheNextTakesItsTurn() {
        var keeper = StandbyKeeper()
        _ = keeper.review(list(b, c), at: .at(0))
        keeper.failed(at: .at(0), jitter: 0)
        #expect(keeper.review(list(b, c), at: .at(0)) == .prepare(c))
        keeper.prepared(at: .at(0))
        #expect(keeper.review(list(b, c), at: .at(60)) == nil)
        #expect(keeper.ready == c)
    }

    @Test func oneThatWasReadyForLongBeginsAnew() {
        var keeper = StandbyKeeper()
        _ = keeper.review(list(b), at: .at(0))
        for _ in 0..<5 {
            keeper.failed(at: .at(0), jitter: 0.999_999_999)
            _ = keeper.review(list(b), at: .at(100))
        }
        keeper.prepared(at: .at(100))
        keeper.failed(at: .at(105), jitter: 0)
        _ = keeper.review(list(b), at: .at(105))
        #expect(keeper.deadline - .at(105) > .seconds(5), "it was lost soon")
        _ = keeper.review(list(b), at: .at(200))
        keeper.prepared(at: .at(200))
        keeper.failed(at: .at(210), jitter: 0)
        _ = keeper.review(list(b), at: .at(210))
        #expect(keeper.deadline == .at(210.25))
    }
}
