internal import Testing
internal import ThroughlineCore

/// Ten minutes of origins that come and go at random. The world checks every order; see `HandoffWorld`.
@Suite struct HandoffPropertyTests {
    static func mood(_ random: inout SeededGenerator) -> HandoffWorld.Mood {
        switch Int.random(in: 0..<20, using: &random) {
        case 0..<8: .delivers
        case 8..<12: .refuses
        case 12..<14: .silent
        case 14..<16: .overloaded(random.chance(3) ? nil : .milliseconds(.random(in: 0...20_000, using: &random)))
        case 16: .otherObject
        case 17: random.chance(10) ? .otherProgramme : .delivers
        case 18: .brokenContent
        default: .delivers
        }
    }

    @Test(arguments: 0..<200 as Range<UInt64>)
    func flappingOrigins(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let origins = Int.random(in: 1...4, using: &random)
        var world = HandoffWorld(
            origins, priorities: (0..<origins).map { _ in Int.random(in: 0...2, using: &random) },
            giveUpAfter: .milliseconds(.random(in: 500...40_000, using: &random)))
        var jitter = SeededGenerator(seed: seed ^ 0xFACE)
        world.jitter = { Double.random(in: 0..<1, using: &jitter) }
        for name in "ABCD".prefix(origins) {
            var time = 0.0
            while time < 600 {
                world.from(time, name, Self.mood(&random))
                time += pow2(.random(in: -4...5, using: &random))
            }
        }
        world.start()
        let causes: [ChangeEvent.Cause] = [
            .reset, .reset, .reset, .closedEarly, .silence, .overloaded, .refused, .httpStatus, .contentBroken,
            .endedShort,
            .protocolError,
        ]
        var handoffs = 0
        while world.isPlaying, world.now < .at(600) {
            // A stream that breaks as soon as it plays is the hardest case for a bound on attempts.
            let pause = random.chance(3) ? 0 : pow2(.random(in: -4...4.5, using: &random))
            world.play(until: (world.now - .at(0)).seconds + pause)
            let cause = causes.randomElement(using: &random)!
            world.fails(
                cause,
                retryAfter: cause == .overloaded ? .milliseconds(.random(in: 0...5000, using: &random)) : nil,
                canResume: !cause.isContentFault && !random.chance(4))
            handoffs += 1
        }
        #expect(world.isPlaying || world.reason != nil)
        // In no second is an origin asked more than eight times: waits last 50 ms at the least, and penalties double.
        var first = 0
        for (index, attempt) in world.attempts.enumerated() {
            while attempt.at - world.attempts[first].at >= .seconds(1) { first += 1 }
            #expect(index - first < 8 * origins, "busy at \(attempt.at - .at(0))")
        }
    }

    /// 2 to the power of `x`, near enough.
    private func pow2(_ x: Double) -> Double {
        let whole = x.rounded(.down)
        return Double(sign: .plus, exponent: Int(whole), significand: 1 + (x - whole))
    }
}

extension Duration {
    fileprivate var seconds: Double { Double(wholeNanoseconds) / 1e9 }
}
