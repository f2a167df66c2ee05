internal import Testing
internal import ThroughlineCore

/// Two origins that are asked for the same bytes at once.
@Suite struct HandoffHedgeTests {
    private let a = OriginID(0)
    private let b = OriginID(1)
    private let c = OriginID(2)
    private let d = OriginID(3)

    /// `a` has died, and `b` is asked.
    private func moving(isPlanned: Bool = false) -> HandoffController {
        let traits = (0..<4).map { _ in OriginRoster.Traits(priority: 0, weight: 1) }
        var controller = HandoffController(roster: OriginRoster(traits), giveUpAfter: .seconds(30))
        #expect(controller.start(at: .at(0)) == .open(a))
        controller.joined(at: .at(0))
        #expect(controller.hedgeCandidates(at: .at(0)).isEmpty, "nobody is asked")
        let order = controller.changeObserved(
            event(.silence), canResume: true, isPlanned: isPlanned, at: .at(1), jitter: 0.5)
        #expect(order == .resume(b))
        return controller
    }

    private func event(_ cause: ChangeEvent.Cause) -> ChangeEvent { ChangeEvent(cause: cause, detail: "script") }

    @Test func theFasterIsTakenAndNothingHeldAgainstTheOther() throws {
        for winner in [b, c] {
            var controller = moving()
            #expect(controller.hedgeCandidates(at: .at(1)) == [c, d])
            controller.hedge(with: c, at: .at(1.2))
            let move = controller.joined(winner, at: .at(1.5))
            #expect(move.attempts.map(\.origin) == [b, c])
            #expect(move.attempts.map(\.choice) == [.inOrder(passedOver: [.init(a, .asked)]), .hedge])
            #expect(move.attempts.map(\.failure) == (winner == b ? [nil, .outrun] : [.outrun, nil]))
            #expect(move.attempts.allSatisfy { $0.ended == .at(1.5) })
            #expect(controller.current == winner)
            #expect(controller.roster[b].failures == 0 && controller.roster[c].failures == 0)
        }
    }

    @Test func whenOneFailsTheOtherGoesOn() {
        var controller = moving()
        controller.hedge(with: c, at: .at(1.2))
        controller.hedgeFailed(.undelivered(event(.refused)), of: b, at: .at(1.3), jitter: 1)
        #expect(controller.roster[b].failures == 1)
        // Then it fails too, and who was not asked yet is next.
        let next = controller.attemptFailed(.undelivered(event(.refused)), at: .at(1.4), jitter: 1)
        #expect(next == .resume(d))
        #expect(controller.hedgeCandidates(at: .at(1.4)).isEmpty, "everybody was asked, or is under a penalty")
        let move = controller.joined(at: .at(1.5))
        #expect(move.attempts.map(\.origin) == [b, c, d])
        #expect(move.attempts.map { $0.failure == nil } == [false, false, true])
    }

    @Test func otherBytesSayNothingOfTheOther() {
        var controller = moving()
        controller.hedge(with: c, at: .at(1.2))
        controller.hedgeFailed(.differentObject("longer"), of: c, at: .at(1.3), jitter: 1)
        controller.joined(b, at: .at(1.4))
        #expect(controller.current == b && controller.roster[c].failures == 0)
    }

    @Test func theFirstOpeningToo() throws {
        for winner in [a, b] {
            let traits = (0..<3).map { _ in OriginRoster.Traits(priority: 0, weight: 1) }
            var controller = HandoffController(roster: OriginRoster(traits), giveUpAfter: .seconds(30))
            #expect(controller.start(at: .at(0)) == .open(a))
            #expect(controller.hedgeCandidates(at: .at(0)) == [b, c])
            controller.hedge(with: b, at: .at(0.5))
            let loser = winner == a ? b : a
            controller.outrun(loser, at: .at(0.7))
            var after = controller
            // Opened, it may be of no use all the same: who was not asked is next.
            #expect(after.attemptFailed(.undelivered(event(.reset)), at: .at(0.8), jitter: 0) == .open(c))
            #expect(after.roster[winner].failures == 1 && after.roster[loser].failures == 0)
            let move = controller.joined(at: .at(0.8))
            #expect(move.attempts.map(\.order) == [.open(a), .open(b)])
            #expect(move.attempts.map(\.failure) == (winner == a ? [nil, .outrun] : [.outrun, nil]))
            #expect(controller.current == winner)
        }
    }

    @Test func nobodyIsAskedBesideWhereNothingPresses() {
        #expect(moving(isPlanned: true).hedgeCandidates(at: .at(1)).isEmpty, "the old origin delivers still")
        var controller = moving()
        // Another grade: a new ingest is opened, one at a time.
        let next = controller.attemptFailed(.differentObject("longer"), at: .at(1.1), jitter: 1)
        #expect(next == .replace(b))
        #expect(controller.hedgeCandidates(at: .at(1.1)).isEmpty)
    }
}
