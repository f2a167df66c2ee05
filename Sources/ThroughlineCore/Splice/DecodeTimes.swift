/// Makes the decode times of a flow that comes without them: RTP tells presentation times alone (RFC 3550 section 5.1),
/// and no muxer takes reordered pictures without decode times.
///
/// Feed it the presentation time of every packet in decode order; each gets its decode time at once, none is held back.
/// A picture is decoded when one is shown that stands `depth` places before it, counted in both orders from the start.
/// Since at most `depth` of the pictures received so far are shown after those that are still to come, that is the
/// presentation time with exactly `depth` later ones among those received:
///
///     depth 2     shown at      0  4  2  1  3  8  6  5  7
///                 decoded at   -2 -1  0  1  2  3  4  5  6
///
/// The first `depth` pictures are decoded before any is shown; their times are counted back from the first presentation
/// time by frames. What follows from this:
/// - Decode times increase and no picture is decoded after it is shown, at constant and at variable frame rate, as long
///   as the depth is not told too small. Pictures that are lost change nothing of that.
/// - At a constant frame rate they advance by one frame.
/// - A depth that is too small is noticed by the first picture that comes too late. That one, and those that follow it
///   before the new depth has taken effect, are decoded later than they are shown; from there on all is well.
///
/// Decode times increase from one packet to the next, whatever comes, but for one case: a presentation time that lies
/// further than `jump` from the ones before belongs to another timeline, and the decode time goes there with it, ahead or
/// back, as it does in containers that state both. `JumpGuard` brings both onto one timeline again.
///
/// For sound and everything else that is not reordered the decode time is the presentation time. One instance serves one
/// flow on one thread; nothing is allocated per packet.
package struct DecodeTimes: Sendable {
    /// A step this far is a change of the timeline, not the order of pictures.
    package static let jump = JumpGuard.threshold
    /// The length of a frame where nothing tells it.
    static let usualFrame: MediaTime = .milliseconds(40)

    /// What the parameter sets say. When they say something else, set it here; the same again changes nothing.
    package var reordering: ReorderDepth {
        didSet { if reordering != oldValue { depth = reordering.initial } }
    }
    /// Pictures by which decoding runs ahead of presentation: as told, or as found out where that was too little.
    package private(set) var depth: Int
    /// The last decode time given out.
    package private(set) var lastDecode: MediaTime?

    /// The least step between two decode times: one unit of the flow's time base.
    private let step: MediaTime
    /// Length of a frame, as told or as measured before the last restart.
    private var frame: MediaTime?
    /// The latest presentation times of this timeline, earliest first, each once.
    private var latest: [MediaTime] = []
    /// Decode time of the first picture after a start, and the frame that the next ones are counted on by.
    private var start: (time: MediaTime, frame: MediaTime) = (.zero, .zero)
    /// The last decode time before the last jump.
    private var abandoned: MediaTime?

    /// - Parameters:
    ///   - timeBase: of the flow, for instance 1/90 000 for pictures over RTP.
    ///   - frameDuration: where it is known: of a frame, or of a field when fields come as packets of their own. It
    ///     matters for the first `depth` packets, and for those without a presentation time.
    package init(timeBase: TimeBase, reordering: ReorderDepth, frameDuration: MediaTime?) {
        self.reordering = reordering
        depth = reordering.initial
        step = max(MediaTime(value: 1, timeBase: timeBase) ?? .zero, MediaTime(flicks: 1))
        frame = frameDuration.flatMap { $0 > .zero && $0 <= Self.jump ? $0 : nil }
        latest.reserveCapacity(ReorderDepth.greatest + 2)
    }

    /// Another part of the flow follows, after a seek or from another origin.
    ///
    /// - Parameter time: the decode times that follow lie after this one, unless that is on another timeline. Nil when
    ///   nothing that was given out before matters any more.
    package mutating func restart(after time: MediaTime?) {
        frame = frame ?? spacing.map { min($0, Self.jump) }
        latest.removeAll(keepingCapacity: true)
        lastDecode = time
        abandoned = nil
    }

    /// The decode time of the next packet in decode order.
    ///
    /// - Parameters:
    ///   - pts: presentation time. Several packets in a row of the same time (slices, fields) are taken for one picture.
    ///   - isRefresh: no picture that follows in decoding is shown before this one (an IDR picture, not just any key
    ///     frame). Matters at a start: without it pictures may follow that lead the first one, and the decode times
    ///     begin early enough for those.
    /// - Returns: nil only as long as no packet had a presentation time.
    package mutating func next(pts: MediaTime?, isRefresh: Bool) -> MediaTime? {
        guard let pts else { return lastDecode.map { advance(to: $0 + shortStep) } }
        if let greatest = latest.last, (pts - greatest).magnitude > Self.jump { changeTimeline() }
        guard latest.isEmpty else { return follow(pts) }
        if let last = lastDecode, last - pts > Self.jump { lastDecode = nil }
        latest.append(pts)
        let frame = frame ?? Self.usualFrame
        start = (pts - frame.times(depth + (isRefresh ? 0 : lead)), frame)
        return advance(to: start.time)
    }

    private mutating func follow(_ pts: MediaTime) -> MediaTime {
        let place = latest.firstIndex { $0 >= pts } ?? latest.count
        if place < latest.count, latest[place] == pts { return advance(to: lastDecode ?? pts) }
        let later = latest.count - place
        if later > depth, reordering != .none { depth = min(later, ReorderDepth.greatest) }
        latest.insert(pts, at: place)
        if latest.count > ReorderDepth.greatest + 1 { latest.removeFirst() }
        if latest.count > depth { return advance(to: latest[latest.count - 1 - depth]) }
        return advance(to: min(start.time + start.frame.times(latest.count - 1), pts))
    }

    /// Decode times increase: what does not is put right behind the last one.
    private mutating func advance(to time: MediaTime) -> MediaTime {
        let decode = lastDecode.map { max(time, $0 + step) } ?? time
        lastDecode = decode
        return decode
    }

    private mutating func changeTimeline() {
        let left = lastDecode
        // A single timestamp that lies is followed by one that does not: back where it was, decode times increase.
        restart(after: abandoned)
        abandoned = left
    }

    /// How many pictures that lead the first one to expect: a hierarchy of B pictures of this depth, and at least the
    /// three or four that encoders make without one.
    private var lead: Int { depth == 0 ? 0 : max(4, min(1 << depth, ReorderDepth.greatest)) }

    /// From one picture to the next, as the latest tell.
    private var spacing: MediaTime? {
        guard let first = latest.first, let last = latest.last, latest.count > 1 else { return nil }
        return MediaTime(flicks: (last - first).flicks / Int64(latest.count - 1))
    }

    /// How far a packet without a presentation time advances the decode time: by a frame, but where pictures are
    /// reordered by less, so as not to be in the way of the next one that has a time.
    private var shortStep: MediaTime {
        let frame = frame ?? spacing ?? Self.usualFrame
        return depth == 0 ? frame : MediaTime(flicks: frame.flicks / 4)
    }
}

extension MediaTime {
    /// For small counts of frames, none longer than a jump: far from overflow.
    fileprivate func times(_ count: Int) -> MediaTime { MediaTime(flicks: flicks * Int64(count)) }
}
