internal import Testing
internal import ThroughlineCore

@testable internal import Throughline

@Suite struct IdleConnectionTests {
    @Test("A pause makes a connection idle, and what was under way does not end that")
    func idles() {
        var idle = IdleConnection()
        idle.left(alone: IdleConnection.bound - .nanoseconds(1))
        #expect(!idle.mayHaveIdled)
        idle.left(alone: IdleConnection.bound)
        #expect(idle.mayHaveIdled)
        // Reads of what there is take no time, and one there and back is nothing that the server must have done.
        for _ in 0..<1000 { idle.came(after: .zero) }
        idle.came(after: .milliseconds(300))
        #expect(idle.mayHaveIdled)
        idle.settled()
        #expect(!idle.mayHaveIdled)
    }

    @Test("Whoever delivers again, however evenly, is not idle any more")
    func delivers() {
        var idle = IdleConnection()
        idle.left(alone: .seconds(9))
        for _ in 0..<24 { idle.came(after: .milliseconds(20)) }
        #expect(idle.mayHaveIdled)
        idle.came(after: .milliseconds(20))
        #expect(!idle.mayHaveIdled)
        // The waits before the next pause do not count.
        idle.left(alone: .seconds(9))
        idle.came(after: .milliseconds(20))
        #expect(idle.mayHaveIdled)
    }
}
