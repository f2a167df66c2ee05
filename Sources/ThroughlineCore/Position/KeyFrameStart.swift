/// Finds where to begin so that a place can be shown: the last key frame at or before it, in packets that come in the order
/// of the container, and which of those that were read before belong there too.
///
/// Whoever reads keeps the packets until it is decided, by the number that each was given here.
package struct KeyFrameStart: Sendable {
    package enum Finding: Hashable, Sendable {
        /// More packets tell.
        case searching
        /// Reading begins at this packet; those of its flow before it are not wanted.
        case found(Int)
        /// The first picture lies behind the place, and no key frame was met: what was read begins too late.
        case tooLate
    }

    /// One packet.
    package struct Arrival: Sendable {
        package var isPicture: Bool
        package var isKey: Bool
        package var pts: NPT?
        package var dts: NPT?

        package init(isPicture: Bool, isKey: Bool, pts: NPT?, dts: NPT?) {
            self.isPicture = isPicture
            self.isKey = isKey
            self.pts = pts
            self.dts = dts
        }
    }

    package let target: NPT
    /// There is no key frame that lies nearer: the container has an index of them.
    private let takesFirst: Bool
    private var count = 0
    /// The best so far.
    package private(set) var best: (index: Int, time: NPT)?

    /// - Parameter takesFirst: the first key frame at or before the place is the last one.
    package init(target: NPT, takesFirst: Bool) {
        self.target = target
        self.takesFirst = takesFirst
    }

    /// The next packet; they count from 0. Where there are no pictures, those of sound are given as key frames.
    package mutating func arrived(_ packet: Arrival) -> Finding {
        defer { count += 1 }
        guard packet.isPicture else { return .searching }
        if packet.isKey, let pts = packet.pts ?? packet.dts, pts <= target {
            best = (count, pts)
            if takesFirst { return .found(count) }
        } else if let time = packet.dts ?? packet.pts, time > target {
            // Pictures that are decoded later are shown later still.
            return ended
        }
        return .searching
    }

    /// Nothing more comes, or what has come must do.
    package var ended: Finding { best.map { .found($0.index) } ?? .tooLate }
}
