/// Decides whether the end of what an origin holds is the end of the presentation.
///
/// The end is the end when every flow has come as far as is known of it: by the container of the origin that ended, and
/// where that tells nothing, by what other origins say. An end that lies before is short, and somebody else is asked;
/// until another origin ends at the same place, which is then the end of what there is, whatever the headers say.
///
/// | stated | reached | other ends | verdict |
/// | --- | --- | --- | --- |
/// | nothing | 0:58.8 | | `whole` |
/// | 1:00 | 0:59.96 | | `whole`: a frame or two |
/// | 1:00 | 0:58.8 | | `short` |
/// | 1:00 | 0:58.8 | another origin at 0:58.8 | `agreed` |
/// | 1:00, played to 0:30 | 0:30 | | `whole` |
package struct EndOfMedia: Sendable {
    /// One flow that is played, and was to come to the end.
    package struct Flow: Sendable, Hashable {
        /// Its place among the flows of the output.
        package let index: Int
        /// Up to where it was received; nil for not at all.
        package let reached: NPT?
        /// Where it ends by what is known of it alone; nil where only the whole is known.
        package let stated: NPT?
        /// How long one of its frames is; nil where that is not known.
        package let frame: MediaTime?

        package init(index: Int, reached: NPT?, stated: NPT?, frame: MediaTime?) {
            self.index = index
            self.reached = reached
            self.stated = stated
            self.frame = frame
        }
    }

    /// What is missing at an end.
    package struct Shortage: Sendable, Hashable {
        /// The flow that lacks the most; nil where that is judged of all together.
        package let flow: Int?
        package let reached: NPT
        package let stated: NPT
        package var missing: MediaTime { stated - reached }
    }

    package enum Verdict: Sendable, Hashable {
        /// All of it was received, as far as is known.
        case whole
        /// Something is missing, which another origin may have.
        case short(Shortage)
        /// Something is missing by what is stated, and two origins have no more.
        case agreed(Shortage)
    }

    /// Where the length of a frame is not known, and the least that is tolerated.
    private static let unknownFrame: MediaTime = .milliseconds(50)
    private static let least: MediaTime = .milliseconds(60)

    /// Two frames may be missing, since containers round, and count what leads in differently.
    private static func tolerance(_ frame: MediaTime?) -> MediaTime {
        let frame = frame ?? unknownFrame
        return max(least, frame + frame)
    }

    /// Where origins ended.
    private var ends: [(origin: OriginID, reached: NPT)] = []

    package init() {}

    /// An origin has no more.
    ///
    /// - Parameters:
    ///   - flows: those that are played and not sparse.
    ///   - whole: where the presentation ends by what is known of all flows together; nil where nothing is known.
    ///   - isLoose: that is a rough statement: a second, or a fiftieth, may be missing.
    ///   - limit: where the viewer wanted it to end.
    package mutating func judge(
        _ origin: OriginID, flows: [Flow], whole: NPT?, isLoose: Bool = false, limit: NPT? = nil
    ) -> Verdict {
        let furthest = flows.compactMap(\.reached).max() ?? .zero
        defer { ends.append((origin, furthest)) }
        func limited(_ end: NPT) -> NPT { limit.map { min($0, end) } ?? end }
        var worst: Shortage?
        for flow in flows {
            guard let stated = flow.stated.map(limited) else { continue }
            let reached = flow.reached ?? .zero
            let tolerance = Self.tolerance(flow.frame)
            guard reached + tolerance < stated, stated - reached > worst?.missing ?? .zero else { continue }
            worst = Shortage(flow: flow.index, reached: reached, stated: stated)
        }
        if worst == nil, let whole = whole.map(limited), flows.contains(where: { $0.stated == nil }) {
            let frame = flows.map { $0.frame ?? Self.unknownFrame }.max() ?? Self.unknownFrame
            var tolerance = Self.tolerance(frame)
            if isLoose { tolerance = max(tolerance, .seconds(1), MediaTime(flicks: whole.flicks / 50)) }
            if furthest + tolerance < whole { worst = Shortage(flow: nil, reached: furthest, stated: whole) }
        }
        guard let worst else { return .whole }
        let isAgreed = ends.contains { $0.origin != origin && ($0.reached - furthest).magnitude <= Self.tolerance(nil) }
        return isAgreed ? .agreed(worst) : .short(worst)
    }
}
