internal import ThroughlineCore

/// Puts the frames of sound of one flow one after the other, exactly, as long as the timestamps agree.
///
/// Servers round: frames of 1024 samples come 1023 and 1025 ticks apart. Each frame follows the one before by its own
/// length as long as that is within a tick of what the timestamp says; else the timestamp is right, and the frames are
/// counted from there. So no frame is ever further than a tick from its timestamp, nothing adds up, and a hole stays one.
struct AudioGrid {
    /// One unit of the timestamps, on the timeline.
    private let tick: MediaTime
    /// Where the next frame stands when nothing is missing.
    private var next: MediaTime?

    init(timeBase: TimeBase) {
        // Times are rounded to the flick.
        tick = (MediaTime(value: 1, timeBase: timeBase) ?? .zero) + MediaTime(flicks: 1)
    }

    mutating func restart() { next = nil }

    /// Where the frame stands that the timestamp puts at this time.
    func place(_ stated: MediaTime) -> MediaTime {
        guard let next, (stated - next).magnitude <= tick else { return stated }
        return next
    }

    /// A frame stands there and ends here.
    mutating func ended(at time: MediaTime) { next = time }

    /// Whether a frame that begins at one time and lasts so long must have begun earlier, since the next one begins at
    /// the other: the server put it at the start of its range.
    func overlaps(_ time: MediaTime, lasting duration: MediaTime, next: MediaTime) -> Bool {
        next > time && duration - (next - time) > tick + tick
    }
}
