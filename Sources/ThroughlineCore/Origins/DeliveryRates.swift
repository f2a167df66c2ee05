/// What each origin was seen to deliver, and whether a move away from slow delivery is worth it.
///
/// Rates are thousandths of the rate at which the stream is played, as `DeliveryForecast` tells them. They say nothing
/// any more after a while.
package struct DeliveryRates: Sendable {
    package enum Verdict: Hashable, Sendable {
        /// This origin has a better prospect.
        case move(OriginID)
        /// All are slow, and none is much better than the one that delivers.
        case stayWithTheBest(rate: Int, bestOther: OriginID, otherRate: Int)
        /// Nobody else can be asked.
        case stayAlone
    }

    /// A rate that was measured longer ago is not known.
    package static let memory: Duration = .seconds(60)
    /// By this much the other must be better.
    package static let leastGain = 100

    private var rates: [(rate: Int, at: Instant)?]

    package init(origins: Int) { rates = Array(repeating: nil, count: max(0, origins)) }

    /// - Parameter rate: media delivered in a second, in thousandths of a second; what keeps a buffer full delivers 1000
    ///   at the least.
    package mutating func measured(_ rate: Int, of origin: OriginID, at now: Instant) {
        rates[origin.index] = (max(0, rate), now)
    }

    package func rate(of origin: OriginID, at now: Instant) -> Int? {
        rates[origin.index].flatMap { now - $0.at < Self.memory ? $0.rate : nil }
    }

    /// What to do about slow delivery.
    ///
    /// - Parameters:
    ///   - rate: what the current origin delivers.
    ///   - others: who could be asked, the best first.
    package func verdict(rate: Int, others: [OriginID], at now: Instant) -> Verdict {
        // Who was never tried may well be better, and so may one that was slow a while ago.
        if let untried = others.first(where: { self.rate(of: $0, at: now) == nil }) {
            // But one that is known to keep up is safer.
            let sound = others.first { (self.rate(of: $0, at: now) ?? 0) >= 1000 }
            return .move(sound ?? untried)
        }
        guard
            let best = others.max(by: { (self.rate(of: $0, at: now) ?? 0) < (self.rate(of: $1, at: now) ?? 0) }),
            let bestRate = self.rate(of: best, at: now)
        else { return .stayAlone }
        guard bestRate >= min(1000, rate + Self.leastGain), bestRate > rate else {
            return .stayWithTheBest(rate: rate, bestOther: best, otherRate: bestRate)
        }
        return .move(others.first { (self.rate(of: $0, at: now) ?? 0) >= min(bestRate, 1000) } ?? best)
    }
}

extension DeliveryRates.Verdict: CustomStringConvertible {
    /// For people.
    package var description: String {
        func percent(_ rate: Int) -> String { "\((rate + 5) / 10) %" }
        return switch self {
        case .move(let origin): "origin \(origin.index + 1) has a better prospect"
        case .stayWithTheBest(let rate, let other, let otherRate):
            "every origin is slow: this one delivers \(percent(rate)) of what is played, and the best of the others, "
                + "origin \(other.index + 1), \(percent(otherRate))"
        case .stayAlone: "there is no other origin to ask"
        }
    }
}
