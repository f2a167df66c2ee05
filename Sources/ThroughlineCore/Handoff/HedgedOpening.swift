/// Opens one of several origins, and starts the next beside it when the pick is slow.
///
/// The pick is slow when it has not answered within what is expected of it and a quarter; or when, if it came to nothing
/// now, the next would only just be in time. Two are asked at once, and no more; whoever delivers first is taken by who
/// runs this.
///
/// | expected of the pick | of the next | buffer | the next is asked after |
/// | --- | --- | --- | --- |
/// | 300 ms | 300 ms | 5 s | 375 ms |
/// | 300 ms | 300 ms | 600 ms | 240 ms |
/// | 300 ms | 300 ms | nothing left | 100 ms |
/// | 40 ms | 300 ms | 5 s | 100 ms |
package struct HedgedOpening: Sendable {
    package struct Candidate: Hashable, Sendable {
        package let origin: OriginID
        /// How long it is expected to take until it delivers.
        package let expected: Duration

        package init(_ origin: OriginID, expected: Duration) {
            self.origin = origin
            self.expected = max(.zero, expected)
        }
    }

    /// No origin is given less, and none is given more, before the next is asked.
    package static let leastPatience: Duration = .milliseconds(100)
    package static let mostPatience: Duration = .seconds(2)
    package static let mostAtOnce = 2

    private var waiting: [Candidate]
    /// Those that are asked, the first of them first.
    private var asked: [(candidate: Candidate, since: Instant)] = []
    private let dryAt: Instant?

    /// - Parameters:
    ///   - candidates: the best first.
    ///   - dryAt: when the buffer will be dry; nil where nothing is due at any time.
    package init(_ candidates: [Candidate], dryAt: Instant?) {
        waiting = candidates
        self.dryAt = dryAt
    }

    /// - Returns: whom to ask now; nil for nobody, here and below.
    package mutating func begin(at now: Instant) -> OriginID? { next(at: now) }

    package mutating func failed(_ origin: OriginID, at now: Instant) -> OriginID? {
        guard let index = asked.firstIndex(where: { $0.candidate.origin == origin }) else { return nil }
        asked.remove(at: index)
        return next(at: now)
    }

    package mutating func timePassed(at now: Instant) -> OriginID? { now >= nextMoment ? next(at: now) : nil }

    /// When `timePassed` is to be called; `.never` if not at all.
    package var nextMoment: Instant {
        guard let following = waiting.first, asked.count < Self.mostAtOnce, let last = asked.last else {
            return .never
        }
        var patience = last.candidate.expected * 5 / 4
        if let dryAt { patience = min(patience, dryAt - last.since - following.expected * 6 / 5) }
        return last.since + min(max(patience, Self.leastPatience), Self.mostPatience)
    }

    private mutating func next(at now: Instant) -> OriginID? {
        guard !waiting.isEmpty else { return nil }
        let candidate = waiting.removeFirst()
        asked.append((candidate, now))
        return candidate.origin
    }
}
