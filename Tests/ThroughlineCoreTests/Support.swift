internal import ThroughlineCore

/// Random numbers that are the same in every run (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func chance(_ oneIn: Int) -> Bool { Int.random(in: 0..<oneIn, using: &self) == 0 }
}

extension Instant {
    /// A moment of a test's own clock, which has nothing to do with the time of day.
    static func at(_ seconds: Double) -> Instant {
        Instant(nanoseconds: 5_000_000_000 + Int64((seconds * 1e9).rounded()))
    }
}
