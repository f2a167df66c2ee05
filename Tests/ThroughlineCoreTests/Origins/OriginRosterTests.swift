internal import Testing
internal import ThroughlineCore

@Suite struct OriginRosterTests {
    let a = OriginID(0)
    let b = OriginID(1)
    let c = OriginID(2)

    static func roster(_ traits: (priority: Int, weight: Int)...) -> OriginRoster {
        OriginRoster(traits.map { .init(priority: $0.priority, weight: $0.weight) })
    }

    /// The table of the type's documentation: failures in a row, and the greatest penalty in milliseconds.
    @Test(arguments: [
        (1, 100), (2, 200), (3, 400), (4, 800), (5, 1600), (6, 3200), (7, 6400), (8, 12_800), (9, 25_600), (10, 30_000),
        (11, 30_000), (2000, 30_000),
    ])
    func penaltiesDouble(failures: Int, most: Int) throws {
        for (jitter, share) in [(0.0, 0.1), (0.5, 0.55), (1.0, 1.0)] {
            var roster = Self.roster((0, 1))
            for _ in 0..<failures {
                roster.failed(a, cause: .refused, retryAfter: nil, at: .at(7), jitter: jitter)
            }
            let penalty = try #require(roster[a].penaltyEnds) - .at(7)
            let expected = Duration.milliseconds(most) * share
            #expect((penalty - expected).magnitude < .microseconds(1))
        }
    }

    @Test func whatFellSilentIsSoonAskedAgain() {
        var roster = Self.roster((0, 1))
        for _ in 0..<20 { roster.failed(a, cause: .silence, retryAfter: nil, at: .at(0), jitter: 1) }
        #expect(roster[a].penaltyEnds == .at(1))
    }

    @Test(arguments: [-1, .infinity, -.infinity, 5] as [Double])
    func anyJitterIsBorne(_ jitter: Double) throws {
        var roster = Self.roster((0, 1))
        roster.failed(a, cause: .refused, retryAfter: nil, at: .at(0), jitter: jitter)
        let penalty = try #require(roster[a].penaltyEnds) - .at(0)
        #expect(penalty >= .milliseconds(10))
        #expect(penalty <= .milliseconds(100))
    }

    @Test func jitterSpreadsWithinItsBounds() throws {
        var random = SeededGenerator(seed: 3)
        var penalties: [Duration] = []
        for _ in 0..<500 {
            var roster = Self.roster((0, 1))
            roster.failed(
                a, cause: .refused, retryAfter: nil, at: .at(0), jitter: .random(in: 0..<1, using: &random))
            penalties.append(try #require(roster[a].penaltyEnds) - .at(0))
        }
        let (least, most) = (try #require(penalties.min()), try #require(penalties.max()))
        #expect(least >= .milliseconds(10) && least < .milliseconds(12))
        #expect(most <= .milliseconds(100) && most > .milliseconds(98))
    }

    @Test func aPenaltyEndsWhenItEnds() {
        var roster = Self.roster((0, 1), (0, 1))
        #expect(!roster.isUnderPenalty(a, at: .at(0)))
        roster.failed(a, cause: .reset, retryAfter: nil, at: .at(0), jitter: 1)
        #expect(roster.isUnderPenalty(a, at: .at(0)))
        #expect(roster.isUnderPenalty(a, at: .at(0.099_999)))
        #expect(!roster.isUnderPenalty(a, at: .at(0.1)))
        #expect(!roster.isUnderPenalty(b, at: .at(0)))
    }

    @Test(arguments: [
        (1, 1), (1234, 1234), (30_000, 30_000), (90_000, 90_000), (3_600_000, 3_600_000), (7_200_000, 3_600_000),
    ])
    func retryAfterIsHonouredAsItStands(asked: Int, expected: Int) {
        var roster = Self.roster((0, 1))
        roster.failed(a, cause: .overloaded, retryAfter: .milliseconds(asked), at: .at(2), jitter: 0.3)
        #expect(roster[a].penaltyEnds == .at(2) + .milliseconds(expected))
    }

    @Test func aRetryAfterOfNothingIsNoLicence() throws {
        var roster = Self.roster((0, 1))
        roster.failed(a, cause: .overloaded, retryAfter: .zero, at: .at(2), jitter: 0)
        #expect(try #require(roster[a].penaltyEnds) - .at(2) == .milliseconds(10))
    }

    @Test func deliveringLongEnoughClearsTheRecord() {
        var roster = Self.roster((0, 1))
        #expect(roster.isTrusted(a, at: .at(0)))
        for _ in 0..<3 { roster.failed(a, cause: .reset, retryAfter: nil, at: .at(0), jitter: 1) }
        #expect(!roster.isTrusted(a, at: .at(0)))
        roster.delivered(a, at: .at(1))
        #expect(!roster.isUnderPenalty(a, at: .at(1)), "what delivers is not to be avoided")
        #expect(roster[a].failuresInARow == 3)
        roster.delivered(a, at: .at(10.9))
        #expect(roster[a].failuresInARow == 3)
        #expect(!roster.isTrusted(a, at: .at(10.9)))
        roster.delivered(a, at: .at(11))
        #expect(roster[a].failuresInARow == 0)
        #expect(roster[a].failures == 3, "the total stays")
        #expect(roster.isTrusted(a, at: .at(11)))
    }

    /// A standby that delivers, say.
    @Test func whoeverHasDeliveredSinceIsWorthBeingAsked() {
        var roster = Self.roster((0, 1), (0, 1))
        roster.failed(b, cause: .refused, retryAfter: nil, at: .at(0), jitter: 1)
        #expect(!roster.isPromising(b, at: .at(1)))
        roster.delivered(b, at: .at(1))
        #expect(roster.isPromising(b, at: .at(1)))
        roster.failed(b, cause: .reset, retryAfter: nil, at: .at(2), jitter: 0)
        #expect(!roster.isPromising(b, at: .at(3)))
    }

    @Test func aPenaltyServedIsNoCleanRecord() {
        var roster = Self.roster((0, 1))
        for _ in 0..<6 { roster.failed(a, cause: .reset, retryAfter: nil, at: .at(0), jitter: 1) }
        // It was left alone for half a minute, and delivers one byte: that says nothing yet.
        roster.delivered(a, at: .at(30))
        #expect(roster[a].failuresInARow == 6)
        #expect(!roster.isTrusted(a, at: .at(30.1)))
        roster.failed(a, cause: .reset, retryAfter: nil, at: .at(30.2), jitter: 1)
        #expect(roster[a].failuresInARow == 7)
    }

    @Test func aFailureAfterAGoodTimeIsTheFirst() {
        var roster = Self.roster((0, 1))
        for _ in 0..<6 { roster.failed(a, cause: .reset, retryAfter: nil, at: .at(0), jitter: 1) }
        roster.delivered(a, at: .at(1))
        #expect(roster.isTrusted(a, at: .at(3600)), "nobody need say again and again that it delivers")
        roster.failed(a, cause: .reset, retryAfter: nil, at: .at(3600), jitter: 1)
        #expect(roster[a].failuresInARow == 1)
        #expect(roster[a].penaltyEnds == .at(3600.1))
    }

    @Test func theBestIsAskedFirst() {
        var roster = Self.roster((1, 9), (0, 1), (0, 5), (0, 5))
        let ids = roster.ids
        #expect(roster.ranked(ids).map(\.index) == [2, 3, 1, 0], "priority, weight, place")
        roster.failed(OriginID(2), cause: .reset, retryAfter: nil, at: .at(0), jitter: 0)
        #expect(roster.ranked(ids).map(\.index) == [3, 1, 2, 0], "failures come before weight, and after priority")
        roster.failed(OriginID(3), cause: .reset, retryAfter: nil, at: .at(0), jitter: 0)
        roster.failed(OriginID(3), cause: .reset, retryAfter: nil, at: .at(0), jitter: 0)
        #expect(roster.ranked(ids).map(\.index) == [1, 2, 3, 0])
        #expect(roster.ranked([OriginID(0), OriginID(3)]).map(\.index) == [3, 0])
        #expect(roster.ranked([]).isEmpty)
    }

    @Test func theRecordSaysWhatHappened() {
        var roster = Self.roster((0, 1), (0, 1), (0, 1))
        roster.failed(b, cause: .dns, retryAfter: nil, at: .at(4), jitter: 0)
        roster.ruleOut(c, because: "another programme")
        #expect(roster[b].lastCause == .dns)
        #expect(roster[b].lastFailure == .at(4))
        #expect(roster[c].ruledOut == "another programme")
        #expect(roster[a].ruledOut == nil && roster[a].failures == 0)
    }

    /// Two origins on one host and one on another, the two before it.
    @Test func aHostThatIsDeadIsAskedLast() {
        let dead = FailureDomains.Endpoint(host: "a.example", port: 80)
        var roster = OriginRoster([
            .init(priority: 0, weight: 1, endpoint: dead), .init(priority: 0, weight: 1, endpoint: dead),
            .init(priority: 5, weight: 1, endpoint: .init(host: "b.example", port: 80)),
        ])
        roster.failed(OriginID(0), cause: .reset, retryAfter: nil, at: .at(0), jitter: 1)
        #expect(
            roster.ranked([OriginID(1), OriginID(2)]) == [OriginID(1), OriginID(2)], "a reset says nothing of others")
        roster.failed(OriginID(0), cause: .unreachable, retryAfter: nil, at: .at(1), jitter: 1)
        #expect(roster.ranked([OriginID(1), OriginID(2)]) == [OriginID(2), OriginID(1)])
        #expect(!roster.isUnderPenalty(OriginID(1), at: .at(1)), "it may be asked where nobody else is left")
        #expect(!roster.isPromising(OriginID(1), at: .at(1)) && roster[OriginID(1)].failures == 0)
        roster.delivered(OriginID(0), at: .at(2))
        #expect(roster.ranked([OriginID(1), OriginID(2)]) == [OriginID(1), OriginID(2)], "the host is back")
        roster.delivered(OriginID(1), at: .at(2))
        roster.failed(OriginID(0), cause: .unreachable, retryAfter: nil, at: .at(13), jitter: 1)
        roster.delivered(OriginID(1), at: .at(13))
        #expect(
            roster.ranked([OriginID(2), OriginID(1)]) == [OriginID(1), OriginID(2)], "it delivers, whatever others do")
    }
}

extension Duration {
    fileprivate var magnitude: Duration { self < .zero ? .zero - self : self }
}
