internal import Testing
internal import ThroughlineCore

/// When an origin is asked to deliver faster, and when no more, in virtual time.
@Suite struct BufferRefillTests {
    private let a = OriginID(0)
    private let b = OriginID(1)

    /// A buffer of 2 s behind an origin that takes 100 ms to be joined.
    private func joined(cost: Duration? = .milliseconds(100)) -> BufferRefill {
        var refill = BufferRefill(buffer: .seconds(2))
        refill.joined(a, cost: cost)
        return refill
    }

    private func facts(_ level: Duration, left: Duration = .seconds(60), of origin: OriginID? = nil)
        -> BufferRefill.Facts
    {
        BufferRefill.Facts(origin: origin ?? a, level: level, left: left)
    }

    /// Tells of one level for a second.
    private func order(_ refill: inout BufferRefill, _ facts: BufferRefill.Facts, from time: Double) -> BufferRefill
        .Order?
    {
        for step in 0...20 {
            if let order = refill.measured(facts, at: .at(time + Double(step) * 0.05)) { return order }
        }
        return nil
    }

    @Test func aShortBufferIsFilledAndThatIsAll() {
        var refill = joined()
        #expect(refill.measured(facts(.milliseconds(1500)), at: .at(0)) == nil, "it may be for a moment only")
        #expect(refill.measured(facts(.milliseconds(1500)), at: .at(0.4)) == nil)
        #expect(refill.measured(facts(.milliseconds(1500)), at: .at(0.6)) == .hurry(Rate(3, 2)))
        #expect(refill.measured(facts(.milliseconds(1400)), at: .at(0.7)) == nil, "one order at a time")
        #expect(
            refill.hurried(at: Rate(3, 2), taking: .milliseconds(80), level: .milliseconds(1420), now: .at(0.7)) == nil)
        #expect(refill.measured(facts(.milliseconds(1900)), at: .at(1.7)) == nil)
        #expect(refill.measured(facts(.milliseconds(1985)), at: .at(1.9)) == .slowDown)
        refill.slowed()
        #expect(order(&refill, facts(.milliseconds(1900)), from: 2) == nil, "a tenth is not worth it")
    }

    @Test("a level that comes back by itself is left alone") func recovers() {
        var refill = joined()
        for step in 0..<50 {
            let level: Duration = step % 8 == 0 ? .milliseconds(1950) : .milliseconds(1500)
            #expect(refill.measured(facts(level), at: .at(Double(step) * 0.05)) == nil)
        }
    }

    @Test(
        "it is never asked at a risk, nor for nothing",
        arguments: [
            // level, cost, left
            (290, 20, 60_000, false), (310, 20, 60_000, true),
            (900, 500, 60_000, false), (1050, 500, 60_000, true),
            (1500, 100, 2900, false), (1500, 100, 3100, true),
            // Slowing down takes as much again: less than that is no gain.
            (1710, 100, 60_000, false), (1690, 100, 60_000, true), (1300, 640, 60_000, false),
        ])
    func risk(level: Int, cost: Int, left: Int, isAsked: Bool) {
        var refill = joined(cost: .milliseconds(cost))
        let asked = order(&refill, facts(.milliseconds(level), left: .milliseconds(left)), from: 0)
        #expect((asked != nil) == isAsked)
    }

    @Test("of an origin that has shown nothing, the worst is expected") func unknown() {
        var refill = joined(cost: nil)
        #expect(order(&refill, facts(.milliseconds(1700)), from: 0) == nil)
        var larger = BufferRefill(buffer: .seconds(4))
        #expect(order(&larger, facts(.milliseconds(2100)), from: 0) == .hurry(BufferRefill.speed))
    }

    @Test(
        "who does not do as it is asked is not asked again, even after another handoff",
        arguments: [Rate.normal, Rate(5, 4), Rate(1, 2)])
    func slower(speed: Rate) {
        var refill = joined()
        #expect(order(&refill, facts(.milliseconds(1500)), from: 0) != nil)
        let next = refill.hurried(at: speed, taking: .milliseconds(80), level: .milliseconds(1400), now: .at(1))
        #expect(next == (speed < .normal ? .slowDown : nil))
        if next != nil { refill.slowed() }
        if speed > .normal {
            #expect(
                refill.measured(facts(.milliseconds(2000)), at: .at(2)) == .slowDown, "it is slowed down all the same")
            refill.slowed()
        }
        refill.joined(b, cost: .zero)
        refill.joined(a, cost: .zero)
        #expect(order(&refill, facts(.milliseconds(1000)), from: 10) == nil)
        #expect(order(&refill, facts(.milliseconds(1000), of: b), from: 20) != nil, "others are")
    }

    @Test("one that says that it hurries and does not is slowed down") func lies() {
        var refill = joined()
        _ = order(&refill, facts(.milliseconds(1500)), from: 0)
        _ = refill.hurried(at: Rate(3, 2), taking: .milliseconds(80), level: .milliseconds(1500), now: .at(1))
        #expect(refill.measured(facts(.milliseconds(1500)), at: .at(4.9)) == nil)
        #expect(refill.measured(facts(.milliseconds(100)), at: .at(5.1)) == nil, "not at a risk")
        #expect(refill.measured(facts(.milliseconds(1500)), at: .at(5.2)) == .slowDown)
        refill.slowed()
        #expect(order(&refill, facts(.milliseconds(1500)), from: 100) == nil)
    }

    /// Answers that take 600 ms: half the time that a handoff's worth of media takes to come.
    @Test("it is not asked faster than its answers settle") func slowAnswers() {
        var refill = joined(cost: .milliseconds(600))
        #expect(order(&refill, facts(.milliseconds(1150)), from: 0) == nil, "twice as much must be there")
        #expect(order(&refill, facts(.milliseconds(1300)), from: 2) == nil, "nothing is gained")
        var larger = BufferRefill(buffer: .seconds(4))
        larger.joined(a, cost: .milliseconds(600))
        #expect(order(&larger, facts(.seconds(2)), from: 0) == .hurry(BufferRefill.speed))
        for step in 0..<12 {
            #expect(larger.measured(facts(.seconds(1)), at: .at(1 + Double(step) * 0.05)) == nil, "not answered yet")
        }
        _ = larger.hurried(at: Rate(3, 2), taking: .milliseconds(600), level: .milliseconds(1400), now: .at(1.6))
        // What was on its way fills the buffer at once.
        #expect(larger.measured(facts(.seconds(4)), at: .at(1.7)) == nil)
        #expect(larger.measured(facts(.seconds(4)), at: .at(2.1)) == nil)
        #expect(larger.measured(facts(.seconds(4)), at: .at(2.3)) == .slowDown)
        #expect(larger.measured(facts(.seconds(4)), at: .at(2.4)) == nil)
    }

    /// One that answers, and plays something else: the join is not proven.
    @Test("one whose seeks land elsewhere is asked once, whatever handoffs follow") func landsElsewhere() {
        var refill = joined()
        var asked = 0
        for step in 0..<12_000 {
            if step == 6000 { refill.joined(a, cost: .milliseconds(100)) }
            guard refill.measured(facts(.milliseconds(1500)), at: .at(Double(step) * 0.05)) != nil else { continue }
            asked += 1
            refill.refused()
        }
        #expect(asked == 1)
    }

    @Test("twice after a handoff, and then once in a minute") func often() {
        var refill = joined()
        var asked: [Double] = []
        for step in 0..<2500 {
            let time = Double(step) * 0.05
            guard refill.measured(facts(.milliseconds(1500)), at: .at(time)) != nil else { continue }
            asked.append(time)
            _ = refill.hurried(at: Rate(3, 2), taking: .zero, level: .milliseconds(1500), now: .at(time))
            refill.interrupted()
        }
        #expect(asked.count == 4)
        #expect(asked[2] - asked[1] >= 60 && asked[3] - asked[2] >= 60)
        refill.joined(a, cost: .zero)
        #expect(order(&refill, facts(.milliseconds(1500)), from: 125) != nil, "a handoff begins anew")
    }

    @Test("a refusal bars it, and what joining takes is learnt") func refused() {
        var refill = joined()
        _ = order(&refill, facts(.milliseconds(1500)), from: 0)
        refill.refused()
        #expect(order(&refill, facts(.milliseconds(1500)), from: 5) == nil)
        var slow = joined()
        _ = order(&slow, facts(.milliseconds(1500)), from: 0)
        _ = slow.hurried(at: Rate(3, 2), taking: .milliseconds(800), level: .milliseconds(700), now: .at(1))
        slow.interrupted()
        #expect(order(&slow, facts(.milliseconds(1500)), from: 5) == nil)
    }

    @Test("close to the end nothing is slowed down any more") func end() {
        var refill = joined()
        _ = order(&refill, facts(.milliseconds(1500)), from: 0)
        _ = refill.hurried(at: Rate(3, 2), taking: .zero, level: .milliseconds(1500), now: .at(1))
        #expect(refill.measured(facts(.seconds(2), left: .milliseconds(900)), at: .at(2)) == nil)
    }

    @Test("another origin that goes on is not slowed down for the one before") func another() {
        var refill = joined()
        _ = order(&refill, facts(.milliseconds(1500)), from: 0)
        _ = refill.hurried(at: Rate(3, 2), taking: .zero, level: .milliseconds(1500), now: .at(1))
        #expect(refill.measured(facts(.seconds(2), of: b), at: .at(2)) == nil)
    }
}
