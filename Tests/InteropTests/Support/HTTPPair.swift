internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// Two of the lab's HTTP origins, with the same file or with two.
struct HTTPPair: Sendable {
    let first: HTTPOrigin
    let second: HTTPOrigin
    let urls: [String]

    static func start(_ file: String, _ other: String? = nil, secondFaults: [Fault] = []) async throws -> HTTPPair {
        let other = other ?? file
        let first = try await HTTPOrigin.start(serving: ["/\(file)": Fixtures.path(file)])
        let second = try await HTTPOrigin.start(serving: ["/\(other)": Fixtures.path(other)], faults: secondFaults)
        return HTTPPair(
            first: first, second: second, urls: [first.url(for: "/\(file)"), second.url(for: "/\(other)")])
    }
}

extension Play {
    /// The one handoff that there was.
    func handoff(_ location: SourceLocation = #_sourceLocation) throws -> HandoffReport {
        #expect(summary.handoffCount == 1, "\(story)", sourceLocation: location)
        return try #require(summary.handoffs.first, "\(story)", sourceLocation: location)
    }

    /// Records where a join is not exactly at a place: by flow, what came from the one origin must end there, and what came
    /// from the other begin.
    ///
    /// - Parameter flows: the flows of which a packet is presented at the very place; the others have one within a frame of
    ///   sound behind it.
    func expectJoined(
        at npt: NPT, exactly flows: Set<Int> = [0], _ location: SourceLocation = #_sourceLocation
    ) throws {
        let handoff = try handoff(location)
        #expect(handoff.grade == .packetExact, "\(story)", sourceLocation: location)
        for splice in handoff.flows {
            guard let last = splice.lastBefore, let first = splice.firstAfter else { continue }
            let late = flows.contains(splice.flow) ? MediaTime.milliseconds(1) : .milliseconds(25)
            #expect(
                first >= npt - .milliseconds(1) && first <= npt + late, "flow \(splice.flow): \(splice)\n\(story)",
                sourceLocation: location)
            #expect(
                (last - first).magnitude <= .milliseconds(2), "flow \(splice.flow): \(splice)\n\(story)",
                sourceLocation: location)
        }
    }

    var indicated: [IndicatedChange] {
        events.compactMap { if case .indicated(let change, _, _) = $0.kind { change } else { nil } }
    }
}
