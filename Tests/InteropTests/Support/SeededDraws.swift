internal import ThroughlineCore

/// What a seed makes of a random scenario, draw by draw: always the same, whatever its world makes of the same seed.
struct SeededDraws {
    private var generator: SeededGenerator

    init(seed: UInt64) { generator = SeededGenerator(seed: seed &* 0x9E37_79B9) }

    mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &generator) }
    mutating func one<Value>(of values: [Value]) -> Value { values[number(0...values.count - 1)] }
    mutating func milliseconds(_ range: ClosedRange<Int>) -> Duration { .milliseconds(number(range)) }
    /// True once in so many draws.
    mutating func isOne(in count: Int) -> Bool { number(0...count - 1) == 0 }
}
