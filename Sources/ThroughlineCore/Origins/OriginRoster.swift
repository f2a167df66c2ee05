/// An origin by its place in the configuration.
public struct OriginID: Hashable, Sendable, Comparable {
    public let index: Int
    public init(_ index: Int) { self.index = index }
    public static func < (a: OriginID, b: OriginID) -> Bool { a.index < b.index }
}

/// What is known of each origin, and which of them is the best to ask next.
///
/// A failure puts a penalty on an origin that grows with each failure in a row and expires:
///
/// | failures in a row | penalty, at most |
/// | --- | --- |
/// | 1 | 0.1 s |
/// | 2 | 0.2 s |
/// | 3 | 0.4 s |
/// | 8 | 12.8 s |
/// | 10 and more | 30 s |
///
/// The penalty is drawn evenly between a tenth of that and all of it (full jitter with a floor), so that many players
/// do not come back at the same moment. An origin that fell silent is never out for more than a second: it may be the
/// only one that lives. A `Retry-After` of the origin is honoured as it stands.
///
/// Origins on the host that could not be connected to (`FailureDomains`) have no penalty, but are asked after the others
/// until they have delivered.
package struct OriginRoster: Sendable {
    package struct Traits: Sendable {
        /// Lower is asked first.
        package var priority: Int
        /// Among equals of priority, the greater is asked first.
        package var weight: Int
        /// Where it is connected to; nil for nowhere, such as a file.
        package var endpoint: FailureDomains.Endpoint?
        package init(priority: Int, weight: Int, endpoint: FailureDomains.Endpoint? = nil) {
            self.priority = priority
            self.weight = weight
            self.endpoint = endpoint
        }
    }

    package struct Health: Sendable {
        package var failuresInARow = 0
        package var failures = 0
        package var lastFailure: Instant?
        /// Since when it delivers without a failure; nil while it does not.
        package var deliversSince: Instant?
        package var lastCause: ChangeEvent.Cause?
        package var penaltyEnds: Instant?
        /// When another origin failed in a way that says as much of this one; nil once either has delivered.
        package var sharedFailure: Instant?
        /// Why the origin is not asked again in this run.
        package var ruledOut: String?
    }

    package static let firstPenalty: Duration = .milliseconds(100)
    package static let greatestPenalty: Duration = .seconds(30)
    package static let greatestSilencePenalty: Duration = .seconds(1)
    /// An origin that delivered for this long after a failure starts with a clean record.
    package static let recoveryTime: Duration = .seconds(10)

    /// An origin that failed may be well again after so long.
    package static let hopeTime: Duration = .seconds(5)

    private var traits: [Traits]
    private var domains: FailureDomains
    package private(set) var health: [Health]

    package init(_ traits: [Traits]) {
        self.traits = traits
        domains = FailureDomains(traits.map(\.endpoint))
        health = Array(repeating: Health(), count: traits.count)
    }

    /// One more origin, behind all others.
    package mutating func add(_ new: Traits) -> OriginID {
        traits.append(new)
        domains.add(new.endpoint)
        health.append(Health())
        return OriginID(traits.count - 1)
    }

    package var ids: [OriginID] { traits.indices.map { OriginID($0) } }

    package subscript(id: OriginID) -> Health { health[id.index] }

    /// - Parameter jitter: a random number in 0..<1.
    package mutating func failed(
        _ id: OriginID, cause: ChangeEvent.Cause, retryAfter: Duration?, at now: Instant, jitter: Double
    ) {
        var record = health[id.index]
        let isFirst = isTrusted(id, at: now)
        record.deliversSince = nil
        record.failuresInARow = isFirst ? 1 : min(record.failuresInARow + 1, 1000)
        record.failures += 1
        record.lastFailure = now
        record.lastCause = cause
        if let retryAfter, retryAfter > .zero {
            record.penaltyEnds = now + min(retryAfter, .seconds(3600))
        } else {
            let doublings = min(record.failuresInARow - 1, 10)
            let greatest = cause == .silence ? Self.greatestSilencePenalty : Self.greatestPenalty
            let most = min(greatest, Self.firstPenalty * (1 << doublings))
            let share = 0.1 + 0.9 * min(max(jitter, 0), 1)
            record.penaltyEnds = now + .nanoseconds(Int64(Double(most.wholeNanoseconds) * share))
        }
        health[id.index] = record
        for other in domains.sharing(cause, of: id) where health[other.index].deliversSince == nil {
            health[other.index].sharedFailure = now
        }
    }

    /// The origin delivers media from this moment, or still does; until it fails.
    package mutating func delivered(_ id: OriginID, at now: Instant) {
        health[id.index].penaltyEnds = nil
        health[id.index].sharedFailure = nil
        if let cause = health[id.index].lastCause {
            for other in domains.sharing(cause, of: id) { health[other.index].sharedFailure = nil }
        }
        if health[id.index].deliversSince == nil { health[id.index].deliversSince = now }
        if isTrusted(id, at: now) {
            health[id.index].failuresInARow = 0
            health[id.index].lastFailure = nil
        }
    }

    /// It is asked after all others from now on.
    package mutating func demote(_ id: OriginID) { traits[id.index].priority = .max }

    package mutating func ruleOut(_ id: OriginID, because reason: String) { health[id.index].ruledOut = reason }

    package func isUnderPenalty(_ id: OriginID, at now: Instant) -> Bool {
        health[id.index].penaltyEnds.map { $0 > now } ?? false
    }

    /// Whether it is worth leaving an origin for it that may come back: it has not failed for a while.
    package func isPromising(_ id: OriginID, at now: Instant) -> Bool {
        guard !isUnderPenalty(id, at: now), health[id.index].ruledOut == nil else { return false }
        let record = health[id.index]
        if let shared = record.sharedFailure, now - shared < Self.hopeTime { return false }
        // One that has delivered since is well, as far as anyone can tell.
        return record.failuresInARow == 0 || record.deliversSince != nil
            || record.lastFailure.map { now - $0 >= Self.hopeTime } ?? true
    }

    /// Whether the record is clean: it never failed, or has delivered for `recoveryTime` since.
    package func isTrusted(_ id: OriginID, at now: Instant) -> Bool {
        guard health[id.index].lastFailure != nil else { return true }
        return health[id.index].deliversSince.map { now - $0 >= Self.recoveryTime } ?? false
    }

    /// As configured: by priority, then weight, then place.
    package var preferred: [OriginID] {
        ids.sorted { a, b in
            let (x, y) = (traits[a.index], traits[b.index])
            if x.priority != y.priority { return x.priority < y.priority }
            return x.weight == y.weight ? a < b : x.weight > y.weight
        }
    }

    /// The order in which to ask: those last whose host is dead as far as is known; then by priority, then fewest failures
    /// in a row, then weight, then as configured.
    package func ranked(_ candidates: [OriginID]) -> [OriginID] {
        candidates.sorted { a, b in
            let (s, t) = (health[a.index].sharedFailure != nil, health[b.index].sharedFailure != nil)
            if s != t { return t }
            let (x, y) = (traits[a.index], traits[b.index])
            if x.priority != y.priority { return x.priority < y.priority }
            let (f, g) = (health[a.index].failuresInARow, health[b.index].failuresInARow)
            if f != g { return f < g }
            if x.weight != y.weight { return x.weight > y.weight }
            return a < b
        }
    }
}
