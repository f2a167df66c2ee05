internal import Testing
internal import ThroughlineCore

@Suite struct ChangePlanTests {
    private static func indicator(
        _ kind: Indicator.Kind, _ action: Indicator.Action = .move, event: UInt32? = 7, target: String? = nil
    ) -> Indicator {
        Indicator(kind: kind, action: action, position: .atOnce, target: target, event: event, detail: "")
    }

    private static func leave(_ detail: String) -> ChangePlan.Act {
        .leave(ChangeEvent(cause: .indicated, detail: detail), target: nil, isTargetOnly: false)
    }

    @Test func ownMessagesAreTheSameByTheirNumber() {
        var plan = ChangePlan()
        let answers = [
            plan.isNews(Self.indicator(.userData), at: .seconds(1)),
            plan.isNews(Self.indicator(.userData, target: "http://b/"), at: .seconds(9)),
            plan.isNews(Self.indicator(.userData, event: 8), at: .seconds(1)),
            plan.isNews(Self.indicator(.timedMetadata), at: .seconds(1)),
        ]
        #expect(answers == [true, false, true, true])
    }

    @Test func whatWasWithdrawnMayBeSaidAgain() {
        var plan = ChangePlan()
        let answers = [
            plan.isNews(Self.indicator(.userData), at: nil), plan.isNews(Self.indicator(.userData, .withdraw), at: nil),
            // Repeated.
            plan.isNews(Self.indicator(.userData, .withdraw), at: nil), plan.isNews(Self.indicator(.userData), at: nil),
            plan.isNews(Self.indicator(.userData), at: nil),
        ]
        #expect(answers == [true, true, false, true, false])
    }

    @Test func othersAreTheSameByTheirPlace() {
        var plan = ChangePlan()
        let answers = [
            plan.isNews(Self.indicator(.splice, .change), at: .seconds(10)),
            plan.isNews(Self.indicator(.splice, .change), at: .milliseconds(10_001)),
            // The break ends.
            plan.isNews(Self.indicator(.splice, .change), at: .seconds(40)),
            plan.isNews(Self.indicator(.discontinuity, .change, event: nil), at: .seconds(10)),
            plan.isNews(Self.indicator(.discontinuity, .change, event: nil), at: .milliseconds(10_500)),
            plan.isNews(Self.indicator(.discontinuity, .change, event: nil), at: .seconds(12)),
        ]
        #expect(answers == [true, false, true, true, false, true])
    }

    @Test func theFirstPlaceIsNext() throws {
        var plan = ChangePlan()
        let far = ChangePlan.Change(Self.leave("far"), at: .npt(.seconds(9)))
        let near = ChangePlan.Change(Self.leave("near"), at: .npt(.seconds(4)))
        let unknown = ChangePlan.Change(Self.leave("unknown"), at: .clock(90_000))
        for change in [far, unknown, near] { plan.add(change) }
        func place(_ position: Indicator.Position) -> NPT? { position.npt(on: nil) }
        #expect(try #require(plan.next(place)).change == near)
        plan.remove(near)
        #expect(try #require(plan.next(place)).change == far)
        let clock = StreamClock(ticks: 0, at: .zero)
        #expect(try #require(plan.next { $0.npt(on: clock) }).npt == .seconds(1), "once the clock is known")
    }

    @Test func whatAnOriginSaidOfItselfIsVoidAtTheNext() {
        var plan = ChangePlan()
        let (a, b) = (OriginID(0), OriginID(1))
        plan.add(ChangePlan.Change(Self.leave("by a"), at: .npt(.seconds(4)), announcer: a))
        plan.add(ChangePlan.Change(Self.leave("operator"), at: .npt(.seconds(6))))
        #expect(plan.announced(by: a)?.event.detail == "by a")
        #expect(plan.announced(by: b) == nil)
        plan.reads(b)
        #expect(plan.next { $0.npt(on: nil) }?.npt == .seconds(6), "the operator's word holds everywhere")
    }

    @Test func withdrawnChangesAreGone() {
        var plan = ChangePlan()
        plan.add(ChangePlan.Change(Self.leave("x"), at: .npt(.seconds(4)), kind: .userData, event: 7))
        plan.withdraw(.userData, event: 8)
        plan.withdraw(.timedMetadata, event: 7)
        #expect(!plan.isEmpty)
        plan.withdraw(.userData, event: 7)
        #expect(plan.isEmpty)
    }

    @Test func boundsHold() {
        var plan = ChangePlan()
        for number in 0..<UInt32(2 * ChangePlan.mostKnown) {
            _ = plan.isNews(Self.indicator(.userData, event: number), at: nil)
            plan.add(ChangePlan.Change(Self.leave(""), at: .npt(.seconds(Int64(number))), event: number))
        }
        let isForgotten = plan.isNews(Self.indicator(.userData, event: 0), at: nil)
        #expect(isForgotten)
        for number in 0..<UInt32(ChangePlan.mostChanges) {
            plan.remove(ChangePlan.Change(Self.leave(""), at: .npt(.seconds(Int64(number))), event: number))
        }
        #expect(plan.isEmpty)
    }
}
