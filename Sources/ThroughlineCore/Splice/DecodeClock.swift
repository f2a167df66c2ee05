/// Gives every packet of a flow a decode time, and keeps decode times increasing, as muxers demand.
///
/// Containers may state none (Matroska), and two origins may count them from different reorder delays. Where one is
/// missing it is made of the presentation times: with pictures held back for reordering, a picture is decoded when the
/// earliest of those held back is shown.
///
///     reorder depth 2    shown at      0  4  2  1  3  8  6
///                        decoded at   -2 -1  0  1  2  3  4
package struct DecodeClock: Sendable {
    /// One unit of the flow's time base: the least step between two decode times.
    private let step: MediaTime
    /// Pictures that the decoder holds back for reordering.
    private let reorderDepth: Int
    private var last: MediaTime?
    /// The latest presentation times so far, one more than are held back, in order.
    private var held: [MediaTime] = []

    package init(timeBase: TimeBase, reorderDepth: Int) {
        self.reorderDepth = max(0, min(reorderDepth, 16))
        step = max(MediaTime(value: 1, timeBase: timeBase) ?? .zero, MediaTime(flicks: 1))
        held.reserveCapacity(self.reorderDepth + 2)
    }

    /// The last decode time given out.
    package var lastDecode: MediaTime? { last }

    /// What lies after this decode time was replaced: count on from there.
    package mutating func cut(to time: MediaTime?) {
        last = time
        held = []
    }

    /// Times that a muxer accepts: decode times increase, and no presentation time lies before its decode time.
    package mutating func next(
        pts: MediaTime?, dts: MediaTime?, duration: MediaTime
    ) -> (pts: MediaTime, dts: MediaTime) {
        if let pts { hold(pts) }
        var decode = dts ?? made(duration: duration) ?? last.map { $0 + max(duration, step) } ?? .zero
        // A presentation time is what the viewer sees: where there is room, the decode time gives way.
        if let pts { decode = min(decode, pts) }
        if let last, decode <= last { decode = last + step }
        last = decode
        return (max(pts ?? decode, decode), decode)
    }

    private mutating func hold(_ pts: MediaTime) {
        // The earliest of those held back has been shown when another comes.
        if held.count > reorderDepth { held.removeFirst() }
        held.insert(pts, at: held.firstIndex { $0 > pts } ?? held.count)
    }

    /// The decode time that the presentation times tell.
    private func made(duration: MediaTime) -> MediaTime? {
        guard let earliest = held.first else { return nil }
        // The first pictures are decoded before any is shown.
        let (lead, overflow) = duration.flicks.multipliedReportingOverflow(by: Int64(reorderDepth + 1 - held.count))
        return earliest - MediaTime(flicks: overflow ? .max : lead)
    }
}
