/// Which bytes of an object have been received, so that those received again are not counted again.
///
/// At most `limit` stretches are remembered; beyond that the one that lies first is forgotten.
package struct ReceivedExtents: Sendable {
    private let limit: Int
    /// In order, apart from each other.
    private var extents: [Range<Int64>] = []

    package init(limit: Int = 32) { self.limit = max(1, limit) }

    /// Bytes were received.
    ///
    /// - Returns: how many of them for the first time.
    package mutating func insert(_ range: Range<Int64>) -> Int64 {
        // Nearly always what comes follows what came.
        if let last = extents.last, last.upperBound == range.lowerBound {
            extents[extents.count - 1] = last.lowerBound..<range.upperBound
            return Int64(range.count)
        }
        guard !range.isEmpty else { return 0 }
        let first = extents.firstIndex { $0.upperBound >= range.lowerBound } ?? extents.count
        var after = first
        var (whole, fresh) = (range, range.upperBound - range.lowerBound)
        while after < extents.count, extents[after].lowerBound <= range.upperBound {
            fresh -= max(0, extents[after].clamped(to: range).upperBound - extents[after].clamped(to: range).lowerBound)
            whole =
                min(whole.lowerBound, extents[after].lowerBound)..<max(whole.upperBound, extents[after].upperBound)
            after += 1
        }
        extents.replaceSubrange(first..<after, with: CollectionOfOne(whole))
        if extents.count > limit { extents.removeFirst() }
        return fresh
    }
}
