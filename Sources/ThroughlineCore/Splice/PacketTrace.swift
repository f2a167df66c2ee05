/// What splicing needs to know of one packet.
package struct PacketTrace: Hashable, Sendable {
    package var pts: MediaTime?
    package var dts: MediaTime?
    package var duration: MediaTime
    package var isKey: Bool
    /// The same for the same payload in every container; nil where there is none to speak of.
    package var fingerprint: UInt64?
    /// The same, of what a glance sees: what was delivered is remembered by it (`DeliveredMemory`).
    package var glance: UInt64?

    package init(
        pts: MediaTime?, dts: MediaTime?, duration: MediaTime, isKey: Bool, fingerprint: UInt64?, glance: UInt64? = nil
    ) {
        self.glance = glance
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
    /// What was delivered of it within the last minute.
    package var memory: Recollection?

    package init(
        packets: [PacketTrace], isSparse: Bool, isEssential: Bool = false, memory: Recollection? = nil
    ) {
        self.memory = memory
        self.packets = packets
        self.isSparse = isSparse
        self.isEssential = isEssential
    }

    /// The furthest presentation end.
    package var end: MediaTime? { packets.compactMap(\.end).max() }
}

/// How exact a splice is. A splice of several flows is as exact as the least exact of them.
public enum SpliceGrade: String, Sendable, CaseIterable, Comparable {
    /// The same bytes from another origin, under the running demuxer.
    case byteExact = "byte-exact"
    /// The same packets, whatever the container.
    case packetExact = "packet-exact"
    /// Another encode of the same programme, joined at a key frame.
    case frameAligned = "frame-aligned"
    /// No overlap: joined at the nearest key frame.
    case liveEdge = "live-edge"

    /// The exact grades come first.
    public static func < (a: SpliceGrade, b: SpliceGrade) -> Bool { a.rank < b.rank }

    private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
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
    public package(set) var missing: MediaTime
    /// Presentation time that is covered twice: packets that were delivered before, or time that another encode covers again.
    public package(set) var duplicate: MediaTime

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
