/// The account by timestamps of one flow: what was received of it, in decode order and on the presentation timeline.
package struct FlowAccount: Sendable {
    /// Decode time of the last packet in decode order.
    package private(set) var lastDecode: MediaTime?
    /// The furthest presentation end; where the flow plays backwards, the least presentation start.
    package private(set) var end: MediaTime?
    package private(set) var packets = 0
    package private(set) var bytes: Int64 = 0

    private let isBackward: Bool

    /// - Parameter isBackward: whether the flow plays from later to earlier times.
    package init(isBackward: Bool = false) { self.isBackward = isBackward }

    package mutating func received(pts: MediaTime?, dts: MediaTime?, duration: MediaTime, byteCount: Int) {
        packets += 1
        bytes += Int64(byteCount)
        if let dts = dts ?? pts { lastDecode = dts }
        if let pts = pts ?? dts { end = isBackward ? min(end ?? pts, pts) : max(end ?? pts, pts + duration) }
    }

    /// What lies after this time was replaced.
    /// What follows is from elsewhere in the presentation; what was received stays counted.
    package mutating func restart() {
        lastDecode = nil
        end = nil
    }

    package mutating func cut(to time: MediaTime) { end = end.map { min($0, time) } }

    package var position: Position? { end.map { Position(npt: $0, basis: .timestamps) } }
}
