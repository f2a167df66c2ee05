internal import Testing
internal import ThroughlineCore

@Suite struct RateTests {
    @Test(
        arguments: [
            ("1", 1, 1, "1"), ("1.0", 1, 1, "1"), ("-2", -2, 1, "-2"), ("+2.50", 5, 2, "2.5"), ("0.5", 1, 2, "0.5"),
            ("1.001", 1001, 1000, "1.001"), ("0", 0, 1, "0"), ("1.", 1, 1, "1"), (".5", 1, 2, "0.5"),
            (" -1,25\t", -5, 4, "-1.25"), ("007.25", 29, 4, "7.25"),
            ("2147483647", 2_147_483_647, 1, "2147483647"), ("2147483647.5", 2_147_483_647, 1, "2147483647"),
            ("0.3333333333", 333_333, 1_000_000, "0.333333"), ("12345.678901", 123_456_789, 10_000, "12345.6789"),
        ] as [(String, Int32, Int32, String)])
    func decimalsAreExact(text: String, numerator: Int32, denominator: Int32, written: String) throws {
        let rate = try #require(Rate(decimal: text))
        #expect(rate.numerator == numerator && rate.denominator == denominator)
        #expect(rate.description == written)
    }

    @Test(arguments: [
        "", "-", ".", " ", "-,", "1.2.3", "1.2,3", "1e3", "- 1", "1 2", "2147483648", "99999999999999999999", "١",
        "--1",
    ])
    func anythingElseIsNone(text: String) {
        #expect(Rate(decimal: text) == nil)
    }

    @Test func fractionsAreInLowestTerms() {
        #expect(Rate(2, 4) == Rate(1, 2))
        #expect(Rate(0, 7) == Rate(0))
        #expect(Rate(numerator: 1, denominator: 0) == nil)
        #expect(Rate(numerator: 1, denominator: -2) == nil)
        #expect(Rate(numerator: .min, denominator: .max) == nil)
        #expect(Rate(numerator: .min, denominator: 1 << 62) == Rate(-2))
        #expect(Rate(-1, 3).inverse == Rate(-3) && Rate(0).inverse == nil)
        #expect(Rate(2, 3) * Rate(-3, 4) == Rate(-1, 2))
        #expect(Rate(.max) * Rate(2) == nil)
        #expect(Rate(1, 3) < Rate(1, 2) && Rate(-1) < Rate(1, .max))
    }

    @Test func aTimeAtARateIsRoundedAndSaturates() {
        #expect(MediaTime.seconds(3) * Rate(-1, 2) == .milliseconds(-1500))
        #expect(MediaTime(flicks: 1) * Rate(1, 2) == MediaTime(flicks: 1))
        #expect(MediaTime(flicks: -1) * Rate(1, 3) == .zero)
        #expect(MediaTime(flicks: .max) * Rate(2) == MediaTime(flicks: .max))
        #expect(MediaTime(flicks: .max) * Rate(-2) == MediaTime(flicks: .min))
        #expect(MediaTime(flicks: .max) * Rate(0) == .zero)
    }
}
