/// Notices when all flows have come to the end that the viewer asked for.
///
/// A flow that brings nothing does not hold that up: what is sent as it is played is together within half a second, and
/// of a file, a flow that has not begun two seconds beyond the end is not waited for.
package struct RangeEnd: Sendable {
    package static let realtimePatience: MediaTime = .milliseconds(500)
    package static let patience: MediaTime = .seconds(2)

    package let end: NPT
    private var seen: Set<Int> = []
    private var done: Set<Int> = []
    private var furthest: MediaTime?

    package init(at end: NPT) { self.end = end }

    /// A packet of a flow has come that is due then.
    package mutating func received(_ flow: Int, due: MediaTime?) {
        seen.insert(flow)
        guard let due, due >= end else { return }
        done.insert(flow)
        furthest = max(furthest ?? due, due)
    }

    /// - Parameters:
    ///   - flows: those that count.
    ///   - isRealtime: they are sent as they are played.
    package func isReached(by flows: some Sequence<Int>, isRealtime: Bool) -> Bool {
        guard let furthest else { return false }
        return flows.allSatisfy { flow in
            done.contains(flow) || isRealtime && furthest >= end + Self.realtimePatience
                || !seen.contains(flow) && furthest >= end + Self.patience
        }
    }
}
