/// What splicing needs to know of one packet.
package struct PacketTrace: Hashable, Sendable {
    package var pts: MediaTime?
    package var dts: MediaTime?
    package var duration: MediaTime
    package var isKey: Bool
    /// The same for the same payload in every container; nil where there is none to speak of.
    package var fingerprint: UInt64?

    package init(pts: MediaTime?, dts: MediaTime?, duration: MediaTime, isKey: Bool, fingerprint: UInt64?) {
        self.pts = pts
        self.dts = dts
        self.duration = duration
        self.isKey = isKey
        self.fingerprint = fingerprint
    }

    var end: MediaTime? { (pts ?? dts).map { $0 + duration } }
}

/// What was received last of one flow, in decode order, the last one at the end.
package struct FlowTail: Sendable {
    package var packets: [PacketTrace]
    /// Silence of this flow says nothing (subtitles, data): it takes no part in finding the place.
    package var isSparse: Bool
    /// The flow must be recognised itself: pictures cannot go on in mid-group from another encode, however surely the
    /// sound is the same.
    package var isEssential: Bool

    package init(packets: [PacketTrace], isSparse: Bool, isEssential: Bool = false) {
        self.packets = packets
        self.isSparse = isSparse
        self.isEssential = isEssential
    }

    /// The furthest presentation end.
    package var end: MediaTime? { packets.compactMap(\.end).max() }
}

/// How exact a splice is.
public enum SpliceGrade: String, Sendable, CaseIterable {
    /// The same bytes from another origin, under the running demuxer.
    case byteExact = "byte-exact"
    /// The same packets, whatever the container.
    case packetExact = "packet-exact"
    /// Another encode of the same programme, joined at a key frame.
    case frameAligned = "frame-aligned"
    /// No overlap: joined at the nearest key frame.
    case liveEdge = "live-edge"
}

/// What a splice did to one flow.
public struct FlowSplice: Hashable, Sendable {
    /// Index of the flow in the output.
    public let flow: Int
    public let grade: SpliceGrade
    /// NPT of the end of what was kept from the origin that was left.
    public let lastBefore: NPT?
    /// NPT of the first presentation from the new origin.
    public let firstAfter: NPT?
    /// Packets of the new origin that were recognised as received before.
    public let matched: Int
    /// Presentation time that no packet covers.
    public let missing: MediaTime
    /// Presentation time that is covered twice.
    public let duplicate: MediaTime

    public init(
        flow: Int, grade: SpliceGrade, lastBefore: NPT?, firstAfter: NPT?, matched: Int, missing: MediaTime,
        duplicate: MediaTime
    ) {
        self.flow = flow
        self.grade = grade
        self.lastBefore = lastBefore
        self.firstAfter = firstAfter
        self.matched = matched
        self.missing = missing
        self.duplicate = duplicate
    }
}
