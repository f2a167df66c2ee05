/// Keeps a flow's timeline continuous where its timestamps jump: a damaged one, or a container that starts to count anew.
///
/// A single timestamp that lies far from where the flow should be is taken for damage, and the packet stands where it
/// should. Two in a row that agree are a new count, and the flow goes on without a hole; unless they lie ahead where the
/// presentation is known to go on: what lies between is missing then, and the rest stands where it belongs.
package struct JumpGuard: Sendable {
    /// A step this far from the expected is no gap in the programme.
    package static let threshold: MediaTime = .seconds(10)

    /// Where the next packet should stand, on the corrected timeline.
    private var expected: MediaTime?
    /// How long the presentation is, where that is known.
    package var duration: MediaTime?
    /// What corrects the timestamps at present.
    private var shift: MediaTime = .zero
    /// By how much the clock jumped that counts anew, since that was taken.
    private var jump: MediaTime?
    /// The last timestamp that was taken for damage.
    private var suspect: MediaTime?

    package init() {}

    /// - Parameters:
    ///   - time: decode time of the next packet.
    ///   - duration: of that packet.
    /// - Returns: what to add to its times.
    package mutating func correction(for time: MediaTime, duration: MediaTime) -> MediaTime {
        guard let expected else {
            self.expected = time + duration
            return .zero
        }
        if (time + shift - expected).magnitude <= Self.threshold {
            suspect = nil
            self.expected = time + shift + duration
            return shift
        }
        if let suspect, (time - suspect).magnitude <= Self.threshold {
            self.suspect = nil
            if let whole = self.duration, time + shift > expected, time + shift < whole {
                self.expected = time + shift + duration
                return shift
            }
            jump = time + shift - expected
            shift = expected - time
            self.expected = expected + duration
            return shift
        }
        suspect = time
        self.expected = expected + duration
        return expected - time
    }

    /// A new count that began since the last call: by how much it is ahead of the former.
    package mutating func takeJump() -> MediaTime? { jump.take() }

    /// Another origin delivers from now on, with times that were brought onto the same timeline.
    package mutating func originChanged() {
        shift = .zero
        suspect = nil
    }
}
