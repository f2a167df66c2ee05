internal import Testing
internal import ThroughlineCore

/// What a standby changes of the order in which origins are asked.
@Suite struct StandbyOrderTests {
    private let a = OriginID(0)
    private let b = OriginID(1)
    private let c = OriginID(2)

    private func playing(_ count: Int = 3) -> HandoffController {
        let traits = (0..<count).map { _ in OriginRoster.Traits(priority: 0, weight: 1) }
        var controller = HandoffController(roster: OriginRoster(traits), giveUpAfter: .seconds(30))
        #expect(controller.start(at: .at(0)) == .open(a))
        controller.joined(at: .at(0))
        return controller
    }

    private func event(_ cause: ChangeEvent.Cause) -> ChangeEvent { ChangeEvent(cause: cause, detail: "script") }

    @Test func whoStandsReadyIsAskedFirst() {
        var controller = playing()
        let order = controller.changeObserved(
            event(.reset), canResume: false, standby: c, at: .at(1), jitter: 0.5)
        #expect(order == .replace(c))
        // It was no use: the others have their turn, and it has no privilege any more.
        let next = controller.attemptFailed(.undelivered(event(.refused)), at: .at(1), jitter: 0.5)
        #expect(next == .replace(b))
    }

    @Test func withoutOneABrokenConnectionIsTriedAgain() {
        var controller = playing()
        let order = controller.changeObserved(event(.reset), canResume: false, at: .at(1), jitter: 0.5)
        #expect(order == .replace(a))
    }

    @Test func whomTheServerNamesComesBeforeIt() {
        var controller = playing()
        let order = controller.changeObserved(
            event(.redirected), canResume: false, target: b, standby: c, at: .at(1), jitter: 0.5)
        #expect(order == .replace(b))
    }

    @Test func comesFirstInAPlannedMove() {
        var controller = playing()
        let order = controller.changeObserved(
            event(.redirected), canResume: false, isPlanned: true, standby: c, at: .at(1), jitter: 0.5)
        #expect(order == .replace(c))
    }

    /// Each attempt says why it was that origin.
    @Test func whyItWasAsked() {
        func choices(_ controller: HandoffController) -> [OriginChoice] {
            controller.move?.attempts.map(\.choice) ?? []
        }
        var controller = playing()
        _ = controller.changeObserved(event(.reset), canResume: true, at: .at(1), jitter: 1)
        _ = controller.attemptFailed(.undelivered(event(.refused)), at: .at(1), jitter: 1)
        _ = controller.attemptFailed(.differentObject("longer"), at: .at(1), jitter: 1)
        _ = controller.attemptFailed(.refused(.contentRefused, "another programme"), at: .at(1), jitter: 1)
        let left = OriginChoice.PassedOver(a, .asked)
        #expect(
            choices(controller) == [
                .loneBreak, .inOrder(passedOver: [left]), .lowerGrade,
                .inOrder(passedOver: [left, .init(b, .ruledOut("another programme"))]),
            ])
        controller.joined(at: .at(1))
        _ = controller.changeObserved(event(.redirected), canResume: false, target: a, at: .at(2), jitter: 1)
        #expect(choices(controller) == [.named])
        controller.joined(at: .at(2))
        _ = controller.changeObserved(event(.overloaded), canResume: false, target: c, at: .at(3), jitter: 1)
        #expect(choices(controller) == [.better])
        let text = OriginChoice.inOrder(passedOver: [left, .init(b, .penalty(.milliseconds(250)))]).text {
            "O\($0.index)"
        }
        #expect(text == "next in order; O0 was asked or left, O1 failed lately, not asked for 250 ms")
    }

    @Test func alternatesAreThoseThatAHandoffWouldAsk() {
        var controller = playing()
        #expect(controller.alternates(at: .at(1))?.map(\.origin) == [b, c])
        _ = controller.changeObserved(event(.silence), canResume: false, at: .at(2), jitter: 0.5)
        #expect(controller.alternates(at: .at(2)) == nil, "a handoff is under way")
        controller.joined(at: .at(2))
        let alternates = controller.alternates(at: .at(2))
        #expect(alternates?.map(\.origin) == [c, a])
        #expect(alternates?.first?.notBefore == nil && alternates?.last?.notBefore != nil)
    }
}
