/// Where a flow with reordered pictures can be cut so that another encode goes on at a key frame: frame-aligned.
///
/// A cut keeps packets from the front, in decode order, and only as many as show a run of pictures without a hole: a
/// picture that refers to one behind the cut goes, and so does everything behind a picture that was never received.
///
///     decode order   I0 P4 B2 B1 B3 P8 B6 B5 B7        (the number is the presentation time)
///     key frame at 4    keeps I0: pictures 1 to 3 refer to P4, and are lost
///     key frame at 5    keeps I0 P4 B2 B1 B3, which show 0 to 4: a clean cut
///     key frame at 9, when B7 was not received
///                       keeps I0 P4 B2 B1 B3: 5 to 8 are lost
package struct KeyFrameCut: Hashable, Sendable {
    /// How many of the waiting packets are kept, counted in decode order.
    package let kept: Int
    /// Presentation end of what is kept, what is out already included; nil where nothing is known.
    package let keptEnd: MediaTime?
    /// Pictures before the key frame that were received and are not kept.
    package let lostPictures: Int

    /// The cut of the waiting packets at the presentation time of a key frame of the new origin.
    ///
    /// - Parameters:
    ///   - recent: packets that are out already, in decode order.
    ///   - waiting: the packets behind them, in decode order, that are not.
    ///   - time: presentation time of the key frame.
    ///   - tolerance: times closer than this are the same; half a picture.
    /// - Returns: nil when what is out already reaches to the key frame.
    package init?(recent: [PacketTrace], waiting: [PacketTrace], at time: MediaTime, tolerance: MediaTime) {
        let limit = time - tolerance
        func start(_ packet: PacketTrace) -> MediaTime { packet.pts ?? packet.dts ?? .zero }
        if recent.contains(where: { start($0) >= limit }) { return nil }
        let firstBeyond = waiting.firstIndex { start($0) >= limit } ?? waiting.count

        // The n-th decode time is the n-th presentation time less a delay that is the same throughout. So a front of
        // the packets shows a run without a hole exactly where its last picture lies that delay ahead of its last
        // decode time; everywhere else it lies further ahead.
        var ahead: [MediaTime?] = []
        var furthest: MediaTime?
        for packet in recent + waiting {
            let pts = start(packet)
            furthest = max(furthest ?? pts, pts)
            ahead.append(packet.dts.flatMap { dts in furthest.map { $0 - dts } })
        }
        // What is ahead of the first packets known here may lie before them: only from a key frame on, or behind the
        // greatest reorder depth there is, is the last picture so far surely among them.
        let sure = (recent + waiting).firstIndex(where: \.isKey) ?? min(16, max(0, ahead.count - 1))
        let delay = ahead[min(sure, ahead.count)...].compactMap { $0 }.min() ?? .zero
        func isWhole(keeping count: Int) -> Bool {
            let last = recent.count + count - 1
            guard last >= sure else { return true }
            return ahead[last].map { $0 - delay < tolerance } ?? true
        }
        let kept = (0...firstBeyond).last(where: isWhole) ?? firstBeyond
        self.kept = kept
        let front = recent + waiting[..<kept]
        // The last in presentation order ends it; durations in decode order say little where the rate varies.
        let last = front.max { start($0) < start($1) }
        keptEnd = last.map { start($0) + max($0.duration, tolerance) }
        lostPictures = waiting[kept...].count { start($0) < limit }
    }
}
