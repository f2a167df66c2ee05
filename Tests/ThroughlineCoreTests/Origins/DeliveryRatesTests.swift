internal import Testing
internal import ThroughlineCore

@Suite struct DeliveryRatesTests {
    let a = OriginID(0)
    let b = OriginID(1)
    let c = OriginID(2)

    /// What B and C were seen to deliver, and who is asked when A delivers 600.
    @Test(
        arguments: [
            (nil, nil, .move(OriginID(1))), (900, nil, .move(OriginID(2))), (1000, nil, .move(OriginID(1))),
            (nil, 1000, .move(OriginID(2))),
            (650, 300, .stayWithTheBest(rate: 600, bestOther: OriginID(1), otherRate: 650)),
            (650, 800, .move(OriginID(2))), (1000, 1500, .move(OriginID(1))), (300, 1000, .move(OriginID(2))),
        ] as [(Int?, Int?, DeliveryRates.Verdict)])
    func whoIsBetter(rateOfB: Int?, rateOfC: Int?, verdict: DeliveryRates.Verdict) {
        var rates = DeliveryRates(origins: 3)
        if let rateOfB { rates.measured(rateOfB, of: b, at: .at(0)) }
        if let rateOfC { rates.measured(rateOfC, of: c, at: .at(0)) }
        #expect(rates.verdict(rate: 600, others: [b, c], at: .at(1)) == verdict)
    }

    @Test func whatWasLongAgoIsNotKnown() {
        var rates = DeliveryRates(origins: 2)
        rates.measured(300, of: b, at: .at(0))
        #expect(rates.rate(of: b, at: .at(59)) == 300)
        #expect(rates.verdict(rate: 600, others: [b], at: .at(60)) == .move(b))
        #expect(rates.verdict(rate: 600, others: [], at: .at(60)) == .stayAlone)
    }

    /// Two slow origins: each is tried once in a minute, and the better one is stayed with.
    @Test func twoSlowOriginsAreNoPingPong() {
        var rates = DeliveryRates(origins: 2)
        let truth = [700, 750]
        var current = 0
        var moves = 0
        for second in 0..<600 {
            let now = Instant.at(Double(second))
            rates.measured(truth[current], of: OriginID(current), at: now)
            if case .move(let next) = rates.verdict(
                rate: truth[current], others: [OriginID(1 - current)], at: now)
            {
                current = next.index
                moves += 1
            }
        }
        #expect(moves <= 11)
    }

    @Test func itSaysWhyItStays() {
        var rates = DeliveryRates(origins: 2)
        rates.measured(654, of: b, at: .at(0))
        #expect(
            rates.verdict(rate: 600, others: [b], at: .at(1)).description == """
                every origin is slow: this one delivers 60 % of what is played, and the best of the others, origin 2, 65 %
                """)
    }
}
