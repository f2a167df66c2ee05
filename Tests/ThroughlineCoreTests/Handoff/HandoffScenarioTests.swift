internal import Testing
internal import ThroughlineCore

/// What the controller does when origins fail, as scripts. Every script is also checked by its world.
@Suite struct HandoffScenarioTests {
    /// A world of origins that plays from A until this moment.
    func playing(
        _ origins: Int, until seconds: Double = 20, giveUpAfter: Duration = .seconds(30)
    ) -> HandoffWorld {
        var world = HandoffWorld(origins, giveUpAfter: giveUpAfter)
        world.start()
        world.play(until: seconds)
        #expect(world.transcript() == "0.000 open A\n0.010 A plays")
        return world
    }

    // MARK: - Patience

    /// An origin that breaks at the same byte again and again is joined each time, and never gives anything.
    @Test func joiningWithoutReceivingIsNoProgress() {
        var controller = HandoffController(
            roster: OriginRoster([.init(priority: 0, weight: 1)]), giveUpAfter: .seconds(5))
        _ = controller.start(at: .at(0))
        controller.joined(at: .at(0))
        controller.delivered(at: .at(1))
        var now = 2.0
        var order = controller.changeObserved(
            ChangeEvent(cause: .reset, detail: ""), canResume: true, at: .at(now), jitter: 0.5)
        while now < 60 {
            switch order {
            case .resume:
                controller.joined(at: .at(now))
                now += 0.01
                order = controller.changeObserved(
                    ChangeEvent(cause: .reset, detail: ""), canResume: true, at: .at(now), jitter: 0.5)
                continue
            case .wait(let moment):
                now = max(now, Double((moment - .at(0)).wholeNanoseconds) / 1e9)
                order = controller.waitEnded(at: moment)
                continue
            default: break
            }
            break
        }
        #expect(order == .giveUp(reason: "nothing new was received for 5 s"))
        #expect(now >= 7 && now < 7.1)
    }

    @Test func whatIsReceivedBringsPatienceBack() {
        var controller = HandoffController(
            roster: OriginRoster([.init(priority: 0, weight: 1)]), giveUpAfter: .seconds(5))
        _ = controller.start(at: .at(0))
        controller.joined(at: .at(0))
        for second in 1...30 {
            let moment = Instant.at(Double(second))
            var order = controller.changeObserved(
                ChangeEvent(cause: .reset, detail: ""), canResume: true, at: moment, jitter: 0)
            while case .wait(let end) = order { order = controller.waitEnded(at: end) }
            #expect(order == .resume(OriginID(0)))
            controller.joined(at: moment)
            controller.delivered(at: moment)
        }
    }

    // MARK: - Starting

    @Test func theFirstOriginIsOpened() {
        var world = HandoffWorld(3)
        world.start()
        #expect(world.transcript() == "0.000 open A\n0.010 A plays")
        #expect(world.controller.current == OriginID(0))
    }

    @Test func theNextIsOpenedWhenTheFirstIsDead() {
        var world = HandoffWorld(3)
        world.from(0, "A", .refuses)
        world.from(0, "B", .brokenContent)
        world.start()
        #expect(
            world.transcript() == """
                0.000 open A
                0.001 open B
                0.011 open C
                0.021 C plays
                """)
    }

    @Test func allDeadAreAskedOnce() {
        var world = HandoffWorld(3)
        world.from(0, "A", .refuses)
        world.from(0, "B", .silent)
        world.from(0, "C", .otherProgramme)
        world.start()
        #expect(
            world.transcript() == """
                0.000 open A
                0.001 open B
                1.001 open C
                1.011 give up
                """)
        #expect(world.reason == "every origin was asked")
        #expect(world.controller.move?.attempts.map(\.origin.index) == [0, 1, 2])
        #expect(world.controller.move?.attempts.allSatisfy { $0.failure != nil && $0.ended != nil } == true)
    }

    @Test func nobodyIsLeftWhenAllAreRefused() {
        var world = HandoffWorld(2)
        world.from(0, "A", .otherProgramme)
        world.from(0, "B", .otherProgramme)
        world.start()
        #expect(world.transcript() == "0.000 open A\n0.010 open B\n0.020 give up")
        #expect(world.reason == "no origin is left that could go on")
    }

    @Test func patienceBoundsTheStartToo() {
        var world = HandoffWorld(3, giveUpAfter: .seconds(2))
        for name in "ABC" { world.from(0, name, .silent) }
        world.start()
        // Each is asked once all the same.
        #expect(world.transcript() == "0.000 open A\n1.000 open B\n2.000 open C\n3.000 give up")
    }

    @Test func withoutPatienceEachIsStillAskedOnce() {
        var world = HandoffWorld(3, giveUpAfter: .zero)
        world.from(0, "A", .refuses)
        world.from(0, "C", .otherObject)
        world.start()
        #expect(world.transcript() == "0.000 open A\n0.001 open B\n0.011 B plays")
        world.play(until: 20)
        world.from(20, "A", .refuses)
        world.from(20, "B", .refuses)
        world.fails(.silence)
        #expect(
            world.transcript() == """
                20.000 B fails: silence
                20.000 resume C
                20.010 replace C
                20.020 C plays
                """)
    }

    @Test func withoutPatienceNobodyIsAskedTwice() {
        var world = HandoffWorld(2, giveUpAfter: .zero)
        world.start()
        world.play(until: 20)
        world.from(20, "A", .refuses)
        world.from(20, "B", .refuses)
        world.fails(.reset)
        #expect(
            world.transcript() == """
                0.000 open A
                0.010 A plays
                20.000 A fails: reset
                20.000 resume A
                20.001 resume B
                20.002 give up
                """)
    }

    @Test func priorityComesFirst() {
        var world = HandoffWorld(3, priorities: [2, 1, 1])
        world.from(5, "B", .refuses)
        world.start()
        world.play(until: 20)
        world.fails(.silence)
        #expect(
            world.transcript() == """
                0.000 open B
                0.010 B plays
                20.000 B fails: silence
                20.000 resume C
                20.010 C plays
                """)
    }

    // MARK: - One failure

    @Test(arguments: [ChangeEvent.Cause.reset, .closedEarly])
    func aLoneBreakGoesOnAtTheSameOrigin(_ cause: ChangeEvent.Cause) {
        var world = playing(2)
        world.fails(cause)
        #expect(world.transcript() == "20.000 A fails: \(cause.rawValue)\n20.000 resume A\n20.010 A plays")
    }

    @Test func aDeadOriginIsLeftAfterOneTry() {
        var world = playing(2)
        world.from(20, "A", .refuses)
        world.fails(.reset)
        #expect(
            world.transcript() == """
                20.000 A fails: reset
                20.000 resume A
                20.001 resume B
                20.011 B plays
                """)
    }

    @Test(arguments: [ChangeEvent.Cause.silence, .refused, .httpStatus, .dns, .tls, .overloaded, .operatorRequest])
    func anythingElseGoesToTheAlternateFirst(_ cause: ChangeEvent.Cause) {
        var world = playing(2)
        world.fails(cause)
        #expect(world.transcript() == "20.000 A fails: \(cause.rawValue)\n20.000 resume B\n20.010 B plays")
    }

    @Test func aSecondBreakSoonAfterIsNotAlone() {
        var world = playing(2)
        world.fails(.reset)
        world.play(until: 25)
        world.fails(.reset)
        #expect(
            world.transcript() == """
                20.000 A fails: reset
                20.000 resume A
                20.010 A plays
                25.000 A fails: reset
                25.000 resume B
                25.010 B plays
                """)
    }

    @Test func aBreakAfterTenGoodSecondsIsAloneAgain() {
        var world = playing(2)
        for second in [20.0, 30.5, 41.5, 4000] {
            world.play(until: second)
            world.fails(.reset)
        }
        #expect(world.transcript().contains("B") == false)
        #expect(world.controller.roster[OriginID(0)].failuresInARow == 1)
        #expect(world.controller.roster[OriginID(0)].failures == 4)
    }

    @Test func withoutResumingANewIngestIsOpened() {
        var world = playing(2)
        world.fails(.reset, canResume: false)
        #expect(world.transcript() == "20.000 A fails: reset\n20.000 replace A\n20.010 A plays")
        world.play(until: 22)
        world.fails(.silence, canResume: false)
        #expect(world.transcript() == "22.000 A fails: silence\n22.000 replace B\n22.010 B plays")
    }

    // MARK: - Leaving an origin that delivers

    @Test func aPlannedMoveGoesToTheOneThatWasNamed() {
        var world = playing(3)
        world.fails(.redirected, canResume: false, isPlanned: true, target: "C")
        #expect(world.transcript() == "20.000 A is to be left: redirected\n20.000 replace C\n20.010 C plays")
    }

    @Test func betweenAttemptsTheOldOneIsRead() {
        var world = playing(4)
        world.from(20, "C", .silent)
        world.from(20, "B", .refuses)
        world.fails(.redirected, canResume: false, isPlanned: true, target: "C")
        #expect(
            world.transcript() == """
                20.000 A is to be left: redirected
                20.000 replace C
                21.000 stay 100 ms
                21.100 replace B
                21.101 stay 100 ms
                21.201 replace D
                21.211 D plays
                """)
        #expect(world.controller.roster[OriginID(0)].failuresInARow == 1, "it is not gone back to at once")
    }

    @Test func whereNobodyCanBeHadTheOldOneIsKept() {
        var world = playing(3)
        world.from(20, "B", .otherProgramme)
        world.from(20, "C", .refuses)
        world.fails(.overloaded, canResume: false, isPlanned: true)
        #expect(
            world.transcript() == """
                20.000 A is to be left: overloaded
                20.000 replace B
                20.010 stay 100 ms
                20.110 replace C
                20.111 stay
                """)
        #expect(world.controller.current == OriginID(0) && world.isPlaying)
        #expect(!world.controller.roster.isUnderPenalty(OriginID(0), at: world.now))
        // Later it is left as any other.
        world.from(30, "C", .delivers)
        world.play(until: 30)
        world.fails(.endedByServer, canResume: false)
        #expect(world.transcript() == "30.000 A fails: ended-by-server\n30.000 replace C\n30.010 C plays")
    }

    @Test func theOnlyOriginIsKept() {
        var world = playing(1)
        world.fails(.redirected, canResume: false, isPlanned: true)
        #expect(world.transcript() == "20.000 A is to be left: redirected\n20.000 stay")
    }

    @Test func theOperatorsWordHoldsNothingAgainstAnOrigin() {
        let traits = (0..<3).map { _ in OriginRoster.Traits(priority: 0, weight: 1) }
        var controller = HandoffController(roster: OriginRoster(traits), giveUpAfter: .seconds(30))
        _ = controller.start(at: .at(0))
        controller.joined(at: .at(0))
        let event = ChangeEvent(cause: .operatorRequest, detail: "migrate")
        func leave(_ second: Double, for target: OriginID?) -> HandoffController.Order {
            controller.changeObserved(
                event, canResume: false, isPlanned: true, target: target, isTargetOnly: target != nil,
                at: .at(second), jitter: 0)
        }
        #expect(leave(1, for: OriginID(2)) == .replace(OriginID(2)))
        // Nobody but the one that was named.
        let refused = ChangeEvent(cause: .refused, detail: "")
        #expect(controller.attemptFailed(.undelivered(refused), at: .at(1), jitter: 0) == .stay(until: .never))
        #expect(leave(2, for: nil) == .replace(OriginID(1)))
        controller.joined(at: .at(2))
        #expect(leave(3, for: nil) == .replace(OriginID(0)), "it is as good as it was")
        controller.joined(at: .at(3))
        #expect(controller.roster[OriginID(0)].failures == 0)
        // One more that is named: behind all others, unless it is named.
        let added = controller.add(at: nil)
        #expect(added == OriginID(3))
        #expect(leave(4, for: added) == .replace(added))
        controller.joined(at: .at(4))
        #expect(controller.alternates(at: .at(5))?.map(\.origin) == [OriginID(0), OriginID(1), OriginID(2)])
    }

    @Test func oneThatFailsWhileItIsReadIsLeftAtOnce() {
        let traits = (0..<3).map { _ in OriginRoster.Traits(priority: 0, weight: 1) }
        var controller = HandoffController(roster: OriginRoster(traits), giveUpAfter: .seconds(30))
        let event = ChangeEvent(cause: .redirected, detail: "script")
        _ = controller.start(at: .at(0))
        controller.joined(at: .at(0))
        #expect(
            controller.changeObserved(event, canResume: false, isPlanned: true, at: .at(1), jitter: 0)
                == .replace(OriginID(1)))
        let refused = HandoffController.AttemptFailure.undelivered(ChangeEvent(cause: .refused, detail: "script"))
        #expect(controller.attemptFailed(refused, at: .at(1.5), jitter: 0) == .stay(until: .at(1.6)))
        let reset = ChangeEvent(cause: .closedEarly, detail: "script")
        #expect(controller.changeObserved(reset, canResume: false, at: .at(1.55), jitter: 0) == .replace(OriginID(2)))
    }

    // MARK: - Nobody there

    @Test func theOnlyOriginIsWaitedFor() {
        var world = playing(1)
        world.from(20, "A", .refuses)
        world.from(25, "A", .delivers)
        world.fails(.reset)
        #expect(
            world.transcript() == """
                20.000 A fails: reset
                20.000 resume A
                20.001 wait 200 ms
                20.201 resume A
                20.202 wait 400 ms
                20.602 resume A
                20.603 wait 800 ms
                21.403 resume A
                21.404 wait 1600 ms
                23.004 resume A
                23.005 wait 3200 ms
                26.205 resume A
                26.215 A plays
                """)
    }

    @Test func aStalledOnlyOriginIsAskedAgainAfterItsPenalty() {
        var world = playing(1)
        world.fails(.silence)
        #expect(world.transcript() == "20.000 A fails: silence\n20.000 wait 100 ms\n20.100 resume A\n20.110 A plays")
    }

    @Test func allDeadAndOneComesBack() {
        var world = playing(2)
        world.from(20, "A", .refuses)
        world.from(20, "B", .silent)
        world.from(24, "B", .delivers)
        world.fails(.reset)
        #expect(
            world.transcript() == """
                20.000 A fails: reset
                20.000 resume A
                20.001 resume B
                21.001 wait 50 ms
                21.051 resume A
                21.052 wait 50 ms
                21.102 resume B
                22.102 resume A
                22.103 wait 199 ms
                22.302 resume B
                23.302 resume A
                23.303 wait 399 ms
                23.702 resume B
                24.702 wait 201 ms
                24.903 resume A
                24.904 wait 598 ms
                25.502 resume B
                25.512 B plays
                """)
    }

    @Test(arguments: [1, 3.5, 30, 0.02])
    func patienceEndsExactly(_ seconds: Double) {
        var world = playing(2, giveUpAfter: .milliseconds(Int(seconds * 1000)))
        world.from(20, "A", .refuses)
        world.from(20, "B", .refuses)
        world.fails(.silence)
        #expect(world.now == .at(20 + seconds))
        let text = Duration.milliseconds(Int(seconds * 1000)).secondsText
        #expect(world.reason == "nothing new was received for \(text) s")
        #expect(world.controller.current == OriginID(0), "where it was last received from")
    }

    @Test func patienceOfAFractionOfANanosecondEnds() {
        var world = playing(1, giveUpAfter: .seconds(1) + Duration(secondsComponent: 0, attosecondsComponent: 7))
        world.from(20, "A", .refuses)
        world.fails(.reset)
        #expect(world.transcript().hasSuffix("21.000 give up"))
    }

    @Test func playingAgainStartsPatienceAnew() {
        var world = playing(1, giveUpAfter: .seconds(5))
        for second in stride(from: 20.0, to: 120, by: 20) {
            world.from(second, "A", .refuses)
            world.from(second + 3, "A", .delivers)
            world.play(until: second)
            world.fails(.reset)
            #expect(world.isPlaying)
        }
    }

    // MARK: - What origins hold

    @Test func anotherObjectIsJoinedAsAnother() {
        var world = playing(2)
        world.from(20, "A", .refuses)
        world.from(0, "B", .otherObject)
        world.fails(.reset)
        #expect(
            world.transcript() == """
                20.000 A fails: reset
                20.000 resume A
                20.001 resume B
                20.011 replace B
                20.021 B plays
                """)
    }

    @Test func whatDiffersIsNotTriedAgain() {
        var world = playing(2)
        world.from(0, "B", .otherObject)
        world.fails(.silence)
        #expect(
            world.transcript()
                == "20.000 A fails: silence\n20.000 resume B\n20.010 replace B\n20.020 B plays")
        // The running ingest reads B's object now: B's bytes go on under it, and whether A's do is not known.
        world.play(until: 40)
        world.fails(.reset)
        #expect(world.transcript() == "40.000 B fails: reset\n40.000 resume B\n40.010 replace B\n40.020 B plays")
    }

    @Test func theSamePairIsComparedOnce() {
        var world = playing(2)
        world.from(0, "B", .otherObject)
        world.from(21, "B", .refuses)
        world.fails(.silence)
        world.play(until: 22)
        world.fails(.silence)
        #expect(world.transcript().hasSuffix("22.000 B fails: silence\n22.000 resume A\n22.010 A plays"))
        // A's bytes went on under B's ingest, so they are the same; B is still that object.
        world.play(until: 50)
        world.from(23, "B", .delivers)
        world.fails(.silence)
        #expect(world.transcript() == "50.000 A fails: silence\n50.000 resume B\n50.010 B plays")
    }

    @Test func aChangedObjectIsReadAnew() {
        var world = playing(1)
        world.from(20, "A", .otherObject)
        world.from(21, "A", .delivers)
        world.fails(.reset)
        #expect(world.transcript() == "20.000 A fails: reset\n20.000 resume A\n20.010 replace A\n20.020 A plays")
        // The new ingest reads what A holds now: its bytes can go on again.
        world.play(until: 60)
        world.fails(.reset)
        #expect(world.transcript() == "60.000 A fails: reset\n60.000 resume A\n60.010 A plays")
    }

    @Test func theRunningIngestWaitsForTheOneThatReplacesIt() {
        var world = playing(3)
        world.from(20, "A", .refuses)
        world.from(20, "B", .otherProgramme)
        world.fails(.reset)
        #expect(
            world.transcript() == """
                20.000 A fails: reset
                20.000 resume A
                20.001 resume B
                20.011 replace B
                20.021 resume C
                20.031 C plays
                """)
    }

    @Test func anotherProgrammeIsRuledOutForGood() {
        var world = playing(2)
        world.from(20, "B", .otherProgramme)
        world.fails(.silence)
        #expect(
            world.transcript() == """
                20.000 A fails: silence
                20.000 resume B
                20.010 replace B
                20.020 wait 80 ms
                20.100 resume A
                20.110 A plays
                """)
        #expect(world.controller.roster[OriginID(1)].ruledOut == "script")
        world.from(30, "A", .refuses)
        world.play(until: 40)
        world.fails(.silence)
        #expect(!world.transcript().contains("B"))
        #expect(world.reason?.hasPrefix("nothing new was received") == true)
    }

    @Test func brokenContentBarsForThisMoveOnly() {
        var world = playing(2)
        world.from(0, "B", .otherObject)
        world.fails(.contentBroken, canResume: false)
        #expect(world.transcript() == "20.000 A fails: content-broken\n20.000 replace B\n20.010 B plays")
        world.from(20, "B", .refuses)
        world.play(until: 40)
        world.fails(.reset, canResume: false)
        #expect(
            world.transcript()
                == "40.000 B fails: reset\n40.000 replace B\n40.001 replace A\n40.011 A plays")
    }

    @Test func brokenContentEverywhereIsTheEnd() {
        var world = playing(2)
        world.from(20, "B", .brokenContent)
        world.fails(.endedShort, canResume: false)
        #expect(world.transcript() == "20.000 A fails: ended-short\n20.000 replace B\n20.010 give up")
        #expect(world.reason == "no origin is left that could go on")
    }

    // MARK: - Two failures

    @Test func thereAndBackAgain() {
        var world = playing(2)
        world.from(20, "A", .refuses)
        world.from(22, "A", .delivers)
        world.from(30, "B", .refuses)
        world.fails(.reset)
        world.play(until: 30)
        world.fails(.reset)
        #expect(
            world.transcript() == """
                20.000 A fails: reset
                20.000 resume A
                20.001 resume B
                20.011 B plays
                30.000 B fails: reset
                30.000 resume B
                30.001 resume A
                30.011 A plays
                """)
    }

    @Test func theSecondFailsWhileTheFirstIsStillUnderPenalty() {
        var world = playing(2)
        world.from(20, "A", .refuses)
        world.from(20.05, "A", .delivers)
        world.from(20.05, "B", .refuses)
        world.fails(.reset)
        world.play(until: 20.1)
        world.fails(.reset)
        #expect(
            world.transcript() == """
                20.000 A fails: reset
                20.000 resume A
                20.001 resume B
                20.011 B plays
                20.100 B fails: reset
                20.100 resume B
                20.101 wait 100 ms
                20.201 resume A
                20.211 A plays
                """)
    }

    // MARK: - Overload

    @Test(arguments: [1, 1234, 2000, 29_999])
    func retryAfterIsHonouredToTheMillisecond(_ milliseconds: Int) {
        var world = playing(1)
        world.fails(.overloaded, retryAfter: .milliseconds(milliseconds))
        let shown = max(milliseconds, 50)
        #expect(world.transcript().contains("20.000 wait \(shown) ms"))
        #expect(world.isPlaying)
        #expect(world.now == .at(20.01) + .milliseconds(shown))
    }

    @Test func anOverloadedAlternateIsLeftAlone() {
        var world = playing(2)
        world.from(20, "B", .overloaded(.seconds(3)))
        world.from(20.1, "B", .delivers)
        world.from(20, "A", .refuses)
        world.fails(.reset)
        let text = world.transcript()
        #expect(
            text == """
                20.000 A fails: reset
                20.000 resume A
                20.001 resume B
                20.006 wait 195 ms
                20.201 resume A
                20.202 wait 400 ms
                20.602 resume A
                20.603 wait 800 ms
                21.403 resume A
                21.404 wait 1600 ms
                23.004 resume A
                23.005 wait 50 ms
                23.055 resume B
                23.065 B plays
                """)
    }

    @Test func whoAsksForMoreThanPatienceIsNotAskedAgain() {
        var world = playing(1, giveUpAfter: .seconds(10))
        world.fails(.overloaded, retryAfter: .seconds(60))
        #expect(world.transcript() == "20.000 A fails: overloaded\n20.000 wait 10000 ms\n30.000 give up")
    }

    // MARK: - Books

    @Test func aMoveRemembersItsLastAttemptsOnly() {
        var world = playing(1, giveUpAfter: .seconds(1000))
        world.jitter = { 0 }
        world.from(20, "A", .refuses)
        world.fails(.reset)
        #expect(world.attempts.count > HandoffController.attemptLimit)
        #expect(world.controller.move?.attempts.count == HandoffController.attemptLimit)
        #expect(world.controller.move?.attempts.last?.began == world.attempts.last?.at)
    }

    @Test func aChangeWhileNothingPlaysIsAProgrammersError() async {
        await #expect(processExitsWith: .failure) {
            var controller = HandoffController(
                roster: OriginRoster([.init(priority: 0, weight: 1)]), giveUpAfter: .seconds(1))
            _ = controller.changeObserved(
                ChangeEvent(cause: .reset, detail: ""), canResume: true, at: Instant(nanoseconds: 0), jitter: 0)
        }
    }
}
