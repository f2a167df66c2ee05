/// Judges, unit by unit, whether the timestamps of one flow tell a place at all, and places the units where they do not.
///
/// For flows whose units are presented in the order in which they come: sound, and pictures that are not reordered. There
/// each unit must stand behind the one before it. One that does not is put where the one before it ends; when half of
/// the latest are so (the timestamps stand still, or are thrown like dice), the timestamps are dropped: every unit
/// follows the one before it, and the flow's position is the ledger's. When the timestamps have gone on by the length of
/// the units for a second, they are believed again, with the shift that makes them continue.
///
///     timestamps   0  1  2  2  2  2  2  2  8  9 10 ...
///     places       0  1  2  3  4  5  6  7  8  9 10 ...
///                           dropped at 6      believed again after a second
///
/// Nothing is allocated; not thread-safe.
package struct TimestampWatch: Sendable {
    package enum Finding: Hashable, Sendable {
        /// Timestamps are of no use from here on.
        case dropped(at: NPT)
        /// They are believed again from here on, with so much added to them.
        case believed(at: NPT, shift: MediaTime)
    }

    /// Units that are looked back on, and how many of them may be out of order.
    private static let window = 8
    private static let limit = 4
    /// Timestamps that go steadily for this long are believed again.
    package static let proof: MediaTime = .seconds(1)
    /// When they are then this close to where they should be, they are right, and the count was not.
    private static let near: MediaTime = .milliseconds(500)

    /// A unit leaps that stands so far behind the end of the one before it, and four of its lengths.
    private static let leap: MediaTime = .milliseconds(100)

    /// Whether the timestamps are dropped.
    package private(set) var isDropped = false
    /// Where the next unit stands when nothing is missing; nil before the first.
    package private(set) var next: NPT?
    /// Where the last unit was put.
    private var last: NPT?
    /// What is added to the timestamps.
    private var shift: MediaTime = .zero
    /// The latest units, a bit for each that was out of order.
    private var history: UInt8 = 0
    /// What the timestamp of the unit before said, and since when they go steadily.
    private var stated: (npt: NPT, length: MediaTime)?
    private var steady: MediaTime = .zero

    package init() {}

    /// What follows is another part of the flow.
    package mutating func restart() { self = TimestampWatch() }

    /// Nothing that comes says where it stands: from here on units are counted.
    package mutating func drop(at place: NPT) {
        isDropped = true
        next = max(next ?? place, place)
        steady = .zero
    }

    /// So much of the flow never came.
    package mutating func lost(_ length: MediaTime) {
        if isDropped { next = next.map { $0 + length } }
    }

    /// Where the next unit stands.
    ///
    /// - Parameters:
    ///   - time: by its timestamp.
    ///   - isDoubted: whether the timeline takes its timestamp for damaged.
    ///   - mayRepeat: two units share a timestamp rightly, as two fields of a picture do.
    ///   - finding: gets what is new.
    package mutating func place(
        _ time: NPT, isDoubted: Bool, mayRepeat: Bool = false, _ finding: inout Finding?
    ) -> NPT {
        let shifted = time + shift
        let rises = last.map { mayRepeat ? shifted >= $0 : shifted > $0 } ?? true
        let isOdd = isDoubted || !rises
        guard let next else { return shifted }
        if isDropped {
            if let stated {
                let step = time - stated.npt
                let isSteady =
                    !isDoubted && step > .zero && step <= stated.length * Rate(2) && stated.length <= step * Rate(2)
                steady = isSteady ? steady + step : .zero
            }
            guard steady >= Self.proof else { return next }
            isDropped = false
            history = 0
            shift = (time - next).magnitude <= Self.near ? .zero : next - time
            let place = max(time + shift, next)
            finding = .believed(at: place, shift: shift)
            return place
        }
        let leap = max(Self.leap, (stated?.length ?? .zero) * Rate(4))
        // Behind others that were out of order, a leap is no better than they are.
        let isWild = isOdd || history != 0 && shifted - next > leap
        history = history << 1 | (isWild ? 1 : 0)
        guard isWild else { return shifted }
        if history.nonzeroBitCount >= Self.limit {
            isDropped = true
            steady = .zero
            finding = .dropped(at: next)
        }
        return next
    }

    /// A unit was put there, for so long.
    package mutating func placed(at place: NPT, stated time: NPT, length: MediaTime) {
        last = place
        next = place + length
        stated = (time, length)
    }
}
