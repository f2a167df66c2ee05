/// Where a flow with reordered pictures can be cut so that another encode goes on at a key frame: frame-aligned.
package struct KeyFrameCut: Hashable, Sendable {
    /// How many of the waiting packets are kept, counted in decode order.
    package let kept: Int
    /// Presentation end of what is kept; nil when nothing that waits is kept.
    package let keptEnd: MediaTime?
    /// Pictures before the key frame that cannot be kept, because they refer to pictures after it.
    package let lostPictures: Int

    /// No picture is lost by this cut.
    package var isClean: Bool { lostPictures == 0 }

    /// The cut of the waiting packets at the presentation time of a key frame of the new origin.
    ///
    ///     decode order   I0 P4 B2 B1 B3 P8 B6 B5 B7     cut at 4: I0 ... no: B1, B2 and B3 refer to P4
    ///                    '-- cut at 5: clean ---'       cut at 8: B5, B6 and B7 are lost
    ///
    /// - Parameters:
    ///   - waiting: the packets that are not yet presented, in decode order.
    ///   - presented: the furthest presentation time that is already out.
    ///   - time: presentation time of the key frame.
    ///   - tolerance: times closer than this are the same.
    /// - Returns: nil when what is out already reaches beyond the key frame.
    package init?(waiting: [PacketTrace], presented: MediaTime?, at time: MediaTime, tolerance: MediaTime) {
        let limit = time - tolerance
        if let presented, presented >= limit { return nil }
        let firstBeyond = waiting.firstIndex { ($0.pts ?? $0.dts ?? .zero) >= limit } ?? waiting.count
        kept = firstBeyond
        keptEnd = waiting[..<firstBeyond].compactMap(\.end).max()
        lostPictures = waiting[firstBeyond...].count { ($0.pts ?? $0.dts ?? .zero) < limit }
    }
}
