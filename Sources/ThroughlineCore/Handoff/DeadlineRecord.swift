/// What a deadline policy saw and did about one threat, from suspicion to its end.
package struct DeadlineRecord: Hashable, Sendable {
    /// A moment, and the media that the buffer then held.
    package struct Stamp: Hashable, Sendable {
        package let at: Instant
        /// Nil where nothing is due at any time.
        package let level: Duration?

        package init(at: Instant, level: Duration?) {
            self.at = at
            self.level = level
        }
    }

    package enum Outcome: String, Sendable {
        /// The origin came back, and nothing was done that could be seen.
        case recovered
        /// Another origin delivers.
        case joined
        /// The handoff came to nothing, and the origin plays on.
        case failed
    }

    package let sign: DeadlinePolicy.Sign
    /// When the silence began, or slow delivery was noticed.
    package let since: Instant
    /// The longest pause that was usual; nil where too few had been seen.
    package let usualPause: Duration?
    /// Silence from which on it was suspicious.
    package let threshold: Duration
    package let suspected: Stamp
    /// Suspicions in all before the end; the first is described.
    package var suspicions = 1
    package var preparation: Stamp?
    package var prepared: Stamp?
    package var commitment: Stamp?
    /// How long the handoff was expected to take when it was committed to.
    package var expected: Duration?
    /// Media that was to be left for it.
    package var reserve: Duration?
    /// The alternate was let go, or the handoff called off.
    package var withdrawal: Stamp?
    package var ended: Stamp?
    package var outcome: Outcome?
}

extension DeadlineRecord: CustomStringConvertible {
    /// For people: `silent; suspicious after 0.1 s with 1.9 s in the buffer; prepared with 1.7 s; left with 0.2 s, for a
    /// handoff of 0.15 s; joined`.
    package var description: String {
        func text(_ level: Duration?) -> String { level.map { " with \($0.millisecondsText) in the buffer" } ?? "" }
        var parts = [sign.description]
        parts.append("suspicious after \((suspected.at - since).millisecondsText)\(text(suspected.level))")
        if let usualPause { parts.append("pauses of \(usualPause.millisecondsText) were usual") }
        if let preparation { parts.append("alternate asked to get ready\(text(preparation.level))") }
        if let prepared { parts.append("ready\(text(prepared.level))") }
        if let commitment {
            let time = expected.map { ", a handoff being expected to take \($0.millisecondsText)" } ?? ""
            parts.append("left\(text(commitment.level))\(time)")
        }
        if withdrawal != nil { parts.append("called off") }
        if let outcome { parts.append("\(outcome.rawValue)\(text(ended?.level))") }
        return parts.joined(separator: "; ")
    }
}

extension Duration {
    /// Milliseconds, for people.
    fileprivate var millisecondsText: String { "\((wholeNanoseconds &+ 500_000) / 1_000_000) ms" }
}
