/// Up to where the packets of a flow of pictures, in decode order, show a run without a hole: facts in, a count out.
///
///     decode order   I0 P4 B2 B1 B3 P8        (the number is the presentation time)
///     open            0  1  2  3  0  1
///
/// A picture that is shown behind others that have not come is `open`: once it went out, and the origin is left, those are
/// lost, since no other encode can show them between what went out. The n-th decode time is the n-th presentation time less
/// a delay that is the same throughout, so a run is whole where the furthest picture lies that delay ahead of the last
/// decode time.
package struct WholeRun: Hashable, Sendable {
    /// No codec reorders more pictures.
    package static let most = 16

    /// Packets behind the last one up to which the run is whole.
    package private(set) var open = 0
    private var furthest: MediaTime?
    /// The least that a picture was ahead since the last key frame, and between that and the one before.
    private var delay: MediaTime?
    private var delayBefore: MediaTime?

    package init() {}

    /// The next packet in decode order. What has no times tells nothing.
    package mutating func append(pts: MediaTime?, dts: MediaTime?, duration: MediaTime, isKey: Bool) {
        guard let pts, let dts else {
            open = 0
            return
        }
        if isKey { (delayBefore, delay) = (delay, nil) }
        // A step back is another timeline.
        if let last = furthest, last - pts > .seconds(2) { furthest = nil }
        let most = max(furthest ?? pts, pts)
        furthest = most
        let ahead = most - dts
        delay = min(delay ?? ahead, ahead)
        let least = min(delay ?? ahead, delayBefore ?? ahead)
        let tolerance = max(MediaTime(flicks: duration.flicks / 2), .milliseconds(2))
        open = ahead - least < tolerance ? 0 : open + 1
        guard open > Self.most else { return }
        // Another encode, that reorders more.
        open = 0
        (delayBefore, delay) = (nil, nil)
    }

    /// What follows is joined to another place.
    package mutating func restart() { self = WholeRun() }
}
