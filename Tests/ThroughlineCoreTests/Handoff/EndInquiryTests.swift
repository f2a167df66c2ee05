internal import Testing
internal import ThroughlineCore

/// What other origins say of an end.
@Suite struct EndInquiryTests {
    private let began = Instant(nanoseconds: 1_000_000_000)
    private func inquiry(_ count: Int) -> EndInquiry {
        EndInquiry(asking: (1...count).map { OriginID($0) }, until: began + .seconds(1))
    }

    @Test("One that goes on decides at once, whatever the others say")
    func goesOn() {
        var inquiry = inquiry(3)
        inquiry.answered(OriginID(1), .endsThere, at: began)
        #expect(inquiry.verdict(at: began) == nil)
        inquiry.answered(OriginID(3), .goesOn, at: began)
        #expect(inquiry.verdict(at: began) == .goesOn(OriginID(3)))
        inquiry.answered(OriginID(2), .goesOn, at: began)
        #expect(inquiry.verdict(at: began) == .goesOn(OriginID(2)), "the better of two")
    }

    @Test("Where one ends there too, the others are waited for a moment only")
    func stands() {
        var inquiry = inquiry(2)
        inquiry.answered(OriginID(2), .endsThere, at: began)
        #expect(inquiry.deadline == began + EndInquiry.patience)
        #expect(inquiry.verdict(at: began + (EndInquiry.patience - .milliseconds(1))) == nil)
        #expect(inquiry.verdict(at: began + EndInquiry.patience) == .stands)
        inquiry.answered(OriginID(1), .silent, at: began)
        #expect(inquiry.verdict(at: began) == .stands)
    }

    @Test("Those that hold something else are to be asked in another way; those that are silent are not")
    func unknown() {
        var inquiry = inquiry(3)
        inquiry.answered(OriginID(1), .silent, at: began)
        inquiry.answered(OriginID(3), .differs, at: began)
        #expect(inquiry.verdict(at: began) == nil)
        #expect(inquiry.verdict(at: began + .seconds(1)) == .unknown(differing: [OriginID(3)]))
        inquiry.answered(OriginID(2), .differs, at: began)
        #expect(inquiry.verdict(at: began) == .unknown(differing: [OriginID(2), OriginID(3)]))
    }

    @Test("So many are asked, the best, and no more")
    func most() {
        let inquiry = inquiry(9)
        #expect(inquiry.asked == (1...EndInquiry.mostAsked).map { OriginID($0) })
        #expect(EndInquiry(asking: [], until: began).verdict(at: began) == .unknown(differing: []))
    }

    @Test(
        "What the end of another means",
        arguments: [
            // stated, reached, loose, limit, answer
            (nil, 58_800, false, nil, .silent), (60_000, 58_800, false, nil, .goesOn),
            (60_000, 59_851, false, nil, .endsThere), (60_000, 59_849, false, nil, .goesOn),
            (58_000, 60_000, false, nil, .endsThere), (60_000, 58_801, true, nil, .endsThere),
            (60_000, 58_799, true, nil, .goesOn), (10_000, 9_001, true, nil, .endsThere),
            (60_000, 58_800, false, 58_800, .endsThere), (60_000, 58_800, false, 59_500, .goesOn),
        ] as [(Int64?, Int64, Bool, Int64?, EndInquiry.Answer)])
    func lengths(stated: Int64?, reached: Int64, isLoose: Bool, limit: Int64?, answer: EndInquiry.Answer) {
        #expect(
            EndInquiry.answer(
                stated: stated.map { .milliseconds($0) }, reached: .milliseconds(reached), isLoose: isLoose,
                limit: limit.map { .milliseconds($0) }) == answer)
    }
}
