internal import Testing
internal import ThroughlineCore

@Suite struct HedgedOpeningTests {
    let a = OriginID(0)
    let b = OriginID(1)
    let c = OriginID(2)

    static func opening(_ expected: [Int], level: Int?) -> HedgedOpening {
        HedgedOpening(
            expected.enumerated().map { .init(OriginID($0.offset), expected: .milliseconds($0.element)) },
            dryAt: level.map { .at(0) + .milliseconds($0) })
    }

    /// The table of the type's documentation, and its edges, in milliseconds.
    @Test(
        arguments: [
            (300, 300, 5000, 375), (300, 300, 600, 240), (300, 300, 0, 100), (40, 300, 5000, 100), (300, 300, nil, 375),
            (10_000, 300, nil, 2000),
        ] as [(Int, Int, Int?, Int)])
    func whenTheNextIsAsked(pick: Int, next: Int, level: Int?, after: Int) {
        var opening = Self.opening([pick, next], level: level)
        #expect(opening.begin(at: .at(0)) == [.open(a)])
        #expect(opening.nextMoment == .at(0) + .milliseconds(after))
        #expect(opening.timePassed(at: .at(0) + .milliseconds(after - 1)) == [])
        #expect(opening.timePassed(at: .at(0) + .milliseconds(after)) == [.open(b)])
        #expect(opening.nextMoment == .never)
    }

    @Test func theFirstToDeliverIsTaken() {
        var opening = Self.opening([100, 100, 100], level: nil)
        _ = opening.begin(at: .at(0))
        _ = opening.timePassed(at: .at(1))
        #expect(opening.timePassed(at: .at(10)) == [], "two at once, and no more")
        #expect(opening.delivered(a, at: .at(10)) == [.take(a), .drop(b)])
        #expect(opening.delivered(b, at: .at(10)) == [], "too late")
        #expect(opening.failed(b, at: .at(11)) == [])
        #expect(opening.nextMoment == .never)
    }

    @Test func whoFailsMakesRoom() {
        var opening = Self.opening([100, 100, 100], level: nil)
        _ = opening.begin(at: .at(0))
        #expect(opening.failed(a, at: .at(0.01)) == [.open(b)])
        #expect(opening.timePassed(at: .at(1)) == [.open(c)])
        #expect(opening.failed(c, at: .at(2)) == [], "one is still asked")
        #expect(opening.failed(b, at: .at(3)) == [.exhausted])
        #expect(opening.failed(b, at: .at(3)) == [])
        var nobody = Self.opening([], level: nil)
        #expect(nobody.begin(at: .at(0)) == [.exhausted])
    }
}
