/// Finds out from other origins whether an end is the end, where nothing else tells.
///
/// A pure state machine: all are asked at once, each answers once or not in time, and their answers give the verdict.
///
/// | answers | verdict |
/// | --- | --- |
/// | one goes on | `goesOn` with that one, at once |
/// | one ends there, the others differ or are silent | `stands` |
/// | they differ, or none answers in time | `unknown`, with those that differ |
package struct EndInquiry: Sendable {
    package enum Answer: Hashable, Sendable {
        /// It has no more either.
        case endsThere
        /// It has more of the same.
        case goesOn
        /// What it holds tells nothing, by what was compared.
        case differs
        /// It did not answer, or cannot be asked.
        case silent
    }

    package enum Verdict: Hashable, Sendable {
        case goesOn(OriginID)
        case stands
        case unknown(differing: [OriginID])
    }

    /// Once one has ended there, the others are waited for no longer than this.
    package static let patience: Duration = .milliseconds(200)
    /// So many are asked at the most.
    package static let mostAsked = 4

    /// Those that are asked.
    package let asked: [OriginID]
    private var answers: [OriginID: Answer] = [:]
    /// When it is over at the latest.
    package private(set) var deadline: Instant

    /// - Parameters:
    ///   - origins: who could be asked, the best first.
    ///   - deadline: when an answer is needed.
    package init(asking origins: [OriginID], until deadline: Instant) {
        asked = Array(origins.prefix(Self.mostAsked))
        self.deadline = deadline
    }

    /// An origin has answered.
    package mutating func answered(_ origin: OriginID, _ answer: Answer, at now: Instant) {
        answers[origin] = answer
        if answer == .endsThere { deadline = min(deadline, now + Self.patience) }
    }

    /// What came of it; nil while that is open.
    package func verdict(at now: Instant) -> Verdict? {
        func those(_ answer: Answer) -> [OriginID] { asked.filter { answers[$0] == answer } }
        if let origin = those(.goesOn).first { return .goesOn(origin) }
        guard now >= deadline || answers.count == asked.count else { return nil }
        return those(.endsThere).isEmpty ? .unknown(differing: those(.differs)) : .stands
    }

    /// How much further an origin must go by its own word to be worth a handoff: containers count what leads in and out of
    /// a flow differently, and so do encoders.
    package static let tolerance: MediaTime = .milliseconds(150)

    /// What it means that the presentation ends at an NPT at another origin.
    ///
    /// - Parameters:
    ///   - isLoose: that may be the end of a flow that is not played: a second, or a fiftieth, says nothing.
    ///   - limit: where the viewer wanted it to end.
    package static func answer(
        stated: NPT?, reached: NPT, isLoose: Bool, limit: NPT? = nil
    ) -> Answer {
        guard let stated else { return .silent }
        let end = limit.map { min($0, stated) } ?? stated
        let slack = isLoose ? max(.seconds(1), MediaTime(flicks: end.flicks / 50)) : tolerance
        return end - reached > slack ? .goesOn : .endsThere
    }
}
