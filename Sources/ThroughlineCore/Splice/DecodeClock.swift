/// Gives every packet of a flow a decode time, and keeps decode times increasing, as muxers demand.
///
/// Containers may state none (Matroska with reordered pictures after a seek), and two origins may count them from
/// different reorder delays.
package struct DecodeClock: Sendable {
    /// One unit of the flow's time base: the least step between two decode times.
    private let step: MediaTime
    /// Pictures that the decoder holds back for reordering.
    private let reorderDepth: Int
    private var last: MediaTime?
    private var lastDuration: MediaTime = .zero

    package init(timeBase: TimeBase, reorderDepth: Int) {
        self.reorderDepth = max(0, min(reorderDepth, 16))
        step = max(MediaTime(value: 1, timeBase: timeBase) ?? .zero, MediaTime(flicks: 1))
    }

    /// The last decode time given out.
    package var lastDecode: MediaTime? { last }

    /// What lies after this decode time was replaced: count on from there.
    package mutating func cut(to time: MediaTime?) { last = time }

    /// Times that a muxer accepts: decode times increase, and no presentation time lies before its decode time.
    package mutating func next(
        pts: MediaTime?, dts: MediaTime?, duration: MediaTime
    ) -> (pts: MediaTime, dts: MediaTime) {
        var decode: MediaTime
        if let dts {
            decode = dts
        } else if let last {
            decode = last + max(lastDuration, step)
            if let pts { decode = min(decode, pts) }
        } else {
            // The first picture is decoded as many pictures ahead of its presentation as are held back.
            let (lead, overflow) = duration.flicks.multipliedReportingOverflow(by: Int64(reorderDepth))
            decode = (pts ?? .zero) - MediaTime(flicks: overflow ? .max : lead)
        }
        // A presentation time is what the viewer sees: where there is room, the decode time gives way.
        if let pts { decode = min(decode, pts) }
        if let last, decode <= last { decode = last + step }
        last = decode
        lastDuration = duration
        return (max(pts ?? decode, decode), decode)
    }
}
