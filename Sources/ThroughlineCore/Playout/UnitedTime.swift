/// Stretches of media time of several flows, united: what several flows have in common counts once.
///
/// Stretches that lie close together are one group, and a group is closed when nothing more can come to it. Bounded: few
/// groups are open at a time, however much is added.
package struct UnitedTime: Sendable {
    package struct Group: Hashable, Sendable {
        package var range: Range<MediaTime>
        /// Less than the range where something lies between.
        package var time: MediaTime
        /// In order.
        package var flows: [Int]
        package var packets: Int
        package var provenance: Provenance
        package var isAtJoin: Bool
    }

    /// What lies closer together is told as one.
    static let nearness: MediaTime = .seconds(1)
    /// A group that is longer takes nothing more, so that long damage is told while it lasts.
    static let longest: MediaTime = .seconds(10)
    static let groupLimit = 32

    fileprivate struct OpenGroup {
        var group: Group
        /// In order, apart from each other.
        var pieces: [Range<MediaTime>]
    }

    private var groups: [OpenGroup] = []
    private var closed: MediaTime = .zero
    private var overflowing: [Group] = []

    package init() {}

    package var total: MediaTime { groups.reduce(closed) { $0 + $1.group.time } }
    package var isEmpty: Bool { groups.isEmpty && overflowing.isEmpty }

    package mutating func add(
        _ range: Range<MediaTime>, flow: Int, packets: Int = 0, provenance: Provenance, isAtJoin: Bool = false
    ) {
        let index = groups.lastIndex { open in
            let whole = open.group.range
            if whole.overlaps(range) { return true }
            return open.group.provenance == provenance && whole.upperBound - whole.lowerBound < Self.longest
                && range.lowerBound <= whole.upperBound + Self.nearness
                && range.upperBound >= whole.lowerBound - Self.nearness
        }
        guard let index else {
            if groups.count == Self.groupLimit { close(at: 0) }
            groups.append(
                OpenGroup(
                    group: Group(
                        range: range, time: range.upperBound - range.lowerBound, flows: [flow], packets: packets,
                        provenance: provenance, isAtJoin: isAtJoin), pieces: [range]))
            return
        }
        groups[index].add(range, flow: flow, packets: packets, isAtJoin: isAtJoin)
    }

    /// Whether a stretch overlaps or meets one that may still grow.
    package func touches(_ range: Range<MediaTime>) -> Bool {
        groups.contains { open in
            open.pieces.contains { $0.lowerBound <= range.upperBound && $0.upperBound >= range.lowerBound }
        }
    }

    /// Groups that end so far before a time that nothing more comes to them; nil for all.
    package mutating func close(before time: MediaTime?) -> [Group] {
        var index = 0
        while index < groups.count {
            if let time, groups[index].group.range.upperBound + Self.nearness > time {
                index += 1
            } else {
                close(at: index)
            }
        }
        defer { overflowing = [] }
        return overflowing
    }

    private mutating func close(at index: Int) {
        let group = groups.remove(at: index).group
        closed += group.time
        overflowing.append(group)
    }
}

extension UnitedTime.OpenGroup {
    fileprivate mutating func add(_ range: Range<MediaTime>, flow: Int, packets: Int, isAtJoin: Bool) {
        let first = pieces.firstIndex { $0.upperBound >= range.lowerBound } ?? pieces.count
        var (after, whole) = (first, range)
        while after < pieces.count, pieces[after].lowerBound <= range.upperBound {
            whole = min(whole.lowerBound, pieces[after].lowerBound)..<max(whole.upperBound, pieces[after].upperBound)
            after += 1
        }
        pieces.replaceSubrange(first..<after, with: CollectionOfOne(whole))
        group.time = pieces.reduce(.zero) { $0 + ($1.upperBound - $1.lowerBound) }
        let all = group.range
        group.range = min(all.lowerBound, range.lowerBound)..<max(all.upperBound, range.upperBound)
        group.packets += packets
        group.isAtJoin = group.isAtJoin || isAtJoin
        if let place = group.flows.firstIndex(where: { $0 >= flow }) {
            if group.flows[place] != flow { group.flows.insert(flow, at: place) }
        } else {
            group.flows.append(flow)
        }
    }
}
