/// A stretch of media that was due and never presented, or was presented although it is known to be damaged; whatever
/// caused it: a join, the origin's own media, or the network.
///
/// One viewer, one defect: what several flows lack at the same place is one stretch, with all of them named.
public struct MediaDefect: Hashable, Sendable {
    public enum Kind: String, Sendable, CaseIterable {
        /// It was due, and no packet covers it.
        case missing
        /// It was presented, and the container or the demuxer says that it is broken.
        case damaged
    }

    public let kind: Kind
    /// Where it begins; the position.
    public let npt: NPT
    /// Media time, united over the flows. Several stretches that lie close together are told as one: `duration` counts the
    /// stretches alone, not what is whole between them.
    public let duration: MediaTime
    /// Flows of the output, in order.
    public let flows: [Int]
    /// Damaged packets; 0 of what is missing.
    public let packets: Int
    /// The origin that delivered the damaged packets, or those that follow what is missing.
    public let origin: OriginID
    /// What is missing lies where the stream went on from another connection: between two origins, and not inside the
    /// media of one.
    public let isAtJoin: Bool

    public init(
        kind: Kind, npt: NPT, duration: MediaTime, flows: [Int], packets: Int, origin: OriginID, isAtJoin: Bool
    ) {
        self.kind = kind
        self.npt = npt
        self.duration = duration
        self.flows = flows
        self.packets = packets
        self.origin = origin
        self.isAtJoin = isAtJoin
    }
}

/// Where a packet came from.
package struct Provenance: Hashable, Sendable {
    package var origin: OriginID
    /// How many times the stream had gone on from another connection by then.
    package var joins: Int

    package init(origin: OriginID = OriginID(0), joins: Int = 0) {
        self.origin = origin
        self.joins = joins
    }
}
