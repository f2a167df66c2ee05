/// The one source of random draws: the system's, and in a world the world's, so that its seed repeats them.
package struct Chance: RandomNumberGenerator, Sendable {
    package init() {}

    package func next() -> UInt64 {
        if let thread = WorldThread.current { return thread.world.chance.next() }
        var system = SystemRandomNumberGenerator()
        return system.next()
    }

    /// From 0 up to 1, and never 1.
    package static var fraction: Double {
        var chance = Chance()
        return .random(in: 0..<1, using: &chance)
    }

    /// One of a range.
    package static func number<Number: FixedWidthInteger>(in range: ClosedRange<Number>) -> Number {
        var chance = Chance()
        return .random(in: range, using: &chance)
    }
}
