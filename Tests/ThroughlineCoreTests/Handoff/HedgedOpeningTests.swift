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
        #expect(opening.begin(at: .at(0)) == a)
        #expect(opening.nextMoment == .at(0) + .milliseconds(after))
        #expect(opening.timePassed(at: .at(0) + .milliseconds(after - 1)) == nil)
        #expect(opening.timePassed(at: .at(0) + .milliseconds(after)) == b)
        #expect(opening.nextMoment == .never)
    }

    @Test func twoAtOnceAndNoMore() {
        var opening = Self.opening([100, 100, 100], level: nil)
        _ = opening.begin(at: .at(0))
        _ = opening.timePassed(at: .at(1))
        #expect(opening.timePassed(at: .at(10)) == nil)
        #expect(opening.nextMoment == .never)
    }

    @Test func whoFailsMakesRoom() {
        var opening = Self.opening([100, 100, 100], level: nil)
        _ = opening.begin(at: .at(0))
        #expect(opening.failed(a, at: .at(0.01)) == b)
        #expect(opening.failed(a, at: .at(0.02)) == nil, "it is not asked any more")
        #expect(opening.timePassed(at: .at(1)) == c)
        #expect(opening.failed(c, at: .at(2)) == nil)
        #expect(opening.failed(b, at: .at(3)) == nil)
        var nobody = Self.opening([], level: nil)
        #expect(nobody.begin(at: .at(0)) == nil)
    }
}
