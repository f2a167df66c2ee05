internal import Testing
internal import ThroughlineCore
internal import ThroughlineTransport

@Suite struct AbortSwitchTests {
    @Test func whatTripsOneTripsThoseUnderIt() {
        let parent = AbortSwitch()
        let (child, other) = (AbortSwitch(parent: parent), AbortSwitch(parent: parent))
        child.abort()
        #expect(child.isAborted && !other.isAborted && !parent.isAborted)
        parent.abort()
        #expect(other.isAborted && AbortSwitch(parent: parent).isAborted)
    }

    @Test(.timeLimit(.minutes(25))) func aSleepUnderItEnds() throws {
        let parent = AbortSwitch()
        let waiter = try SocketWaiter(abort: AbortSwitch(parent: parent))
        let thread = WorkerThread(name: "test") { parent.abort() }
        #expect(throws: TransportError.self) { _ = try waiter.wait(until: .now + .seconds(60)) }
        thread.join()
    }
}
