/// How long something takes, smoothed over its measurements as RFC 6298 section 2 does for round trips, with the gains
/// given there: an eighth for the mean, a quarter for the deviation.
package struct SmoothedTime: Hashable, Sendable {
    package private(set) var mean: Duration
    package private(set) var deviation: Duration
    package private(set) var count = 1

    /// The first measurement. It is trusted further than a round trip: within a tenth.
    package init(_ first: Duration) {
        mean = max(.zero, first)
        deviation = mean / 10
    }

    package mutating func measured(_ time: Duration) {
        let time = min(max(.zero, time), .seconds(60))
        let distance = time < mean ? mean - time : time - mean
        deviation = (deviation * 3 + distance) / 4
        mean = (mean * 7 + time) / 8
        count = min(count + 1, 1_000_000)
    }

    /// What is hardly ever exceeded.
    package var expected: Duration { mean + deviation * 2 }
}

/// How long a handoff to each origin takes, in parts, as far as it was measured.
///
/// A part that was never measured of an origin is taken to last as long as the longest known of the others, and no less
/// than its default:
///
/// | part | from | to | default |
/// | --- | --- | --- | --- |
/// | connect | the decision | the connection stands | 50 ms |
/// | open | then | what it holds is known, and it is set up | 100 ms |
/// | first media | the request for media | the first new packet | 150 ms |
///
/// An origin that is prepared has the first two behind it. One that delivers already, in step with what is played, has all
/// behind it, and what is left to do is measured for itself:
///
/// | part | from | to | default |
/// | --- | --- | --- | --- |
/// | hot | the decision | the first new packet, from memory | 40 ms |
///
package struct HandoffTimes: Sendable {
    package enum Part: Int, CaseIterable, Sendable {
        case connect, open, firstMedia
    }

    package static let defaults: [Duration] = [.milliseconds(50), .milliseconds(100), .milliseconds(150)]
    /// What others need says no more than this many times the default.
    package static let mostFromOthers = 4

    package static let hotDefault: Duration = .milliseconds(40)

    /// By origin and part.
    private var measured: [[SmoothedTime?]]
    /// By origin.
    private var hotTimes: [SmoothedTime?]
    private let defaults: [Duration]

    /// - Parameter defaults: by part; what is missing is as the type's default.
    package init(origins: Int, defaults: [Duration] = HandoffTimes.defaults) {
        measured = Array(repeating: Part.allCases.map { _ in nil }, count: max(0, origins))
        hotTimes = Array(repeating: nil, count: max(0, origins))
        self.defaults = Part.allCases.map {
            $0.rawValue < defaults.count ? max(.zero, defaults[$0.rawValue]) : Self.defaults[$0.rawValue]
        }
    }

    package mutating func measured(_ part: Part, _ time: Duration, of origin: OriginID) {
        if measured[origin.index][part.rawValue] == nil {
            measured[origin.index][part.rawValue] = SmoothedTime(min(time, .seconds(60)))
        } else {
            measured[origin.index][part.rawValue]?.measured(time)
        }
    }

    package func expected(_ part: Part, of origin: OriginID) -> Duration {
        if let known = measured[origin.index][part.rawValue] { return known.expected }
        let standard = defaults[part.rawValue]
        let others = measured.compactMap { $0[part.rawValue]?.expected }.max() ?? .zero
        return max(standard, min(others, standard * Self.mostFromOthers))
    }

    /// Until an origin is set up of which nothing is prepared.
    package func opening(_ origin: OriginID) -> Duration {
        expected(.connect, of: origin) + expected(.open, of: origin)
    }

    /// A handoff to an origin of which nothing is prepared.
    package func cold(_ origin: OriginID) -> Duration { opening(origin) + warm(origin) }

    /// A handoff to an origin that is set up.
    package func warm(_ origin: OriginID) -> Duration { expected(.firstMedia, of: origin) }

    package mutating func measuredHot(_ time: Duration, of origin: OriginID) {
        if hotTimes[origin.index] == nil {
            hotTimes[origin.index] = SmoothedTime(min(time, .seconds(60)))
        } else {
            hotTimes[origin.index]?.measured(time)
        }
    }

    /// A handoff to an origin that delivers already. It hardly depends on the origin: where none was measured, the longest
    /// known of the others counts.
    package func hot(_ origin: OriginID) -> Duration {
        let known = hotTimes[origin.index]?.expected ?? hotTimes.compactMap { $0?.expected }.max() ?? .zero
        return max(Self.hotDefault, known)
    }
}
