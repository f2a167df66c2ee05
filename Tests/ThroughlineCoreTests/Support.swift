internal import ThroughlineCore

extension SeededGenerator {
    mutating func chance(_ oneIn: Int) -> Bool { Int.random(in: 0..<oneIn, using: &self) == 0 }
}

extension Instant {
    /// A moment of a test's own clock, which has nothing to do with the time of day.
    static func at(_ seconds: Double) -> Instant {
        Instant(nanoseconds: 5_000_000_000 + Int64((seconds * 1e9).rounded()))
    }
}
