internal import Testing
internal import ThroughlineCore

@Suite struct SilenceWatcherTests {
    /// The table of the type's documentation, and its edges, in milliseconds.
    @Test(arguments: [
        (1000, 1000, 500), (2000, 2000, 1500), (2000, 600, 250), (2000, 0, 1000), (10_000, 10_000, 9500),
        (200, 200, 100), (600, 600, 300), (2000, 749, 250), (2000, 751, 251),
        (1000, 350, 250), (1000, 253, 153), (1000, 200, 100), (1000, 1, 100),
    ])
    func silenceIsBorneAsLongAsTheBufferHidesIt(buffer: Int, level: Int, borne: Int) {
        let watcher = SilenceWatcher(bound: .seconds(1), buffer: .milliseconds(buffer))
        #expect(watcher.allowance(level: .milliseconds(level)) == .milliseconds(borne))
    }

    @Test func withoutABufferTheBoundHolds() {
        let unpaced = SilenceWatcher(bound: .seconds(3), buffer: nil)
        #expect(unpaced.allowance(level: nil) == .seconds(3))
        #expect(SilenceWatcher(bound: .zero, buffer: nil).allowance(level: nil) == .milliseconds(50))
        #expect(SilenceWatcher(bound: .seconds(3), buffer: .seconds(2)).allowance(level: nil) == .seconds(3))
    }

    @Test func silenceCountsWhileBytesAreWanted() {
        var watcher = SilenceWatcher(bound: .seconds(1), buffer: .seconds(4))
        #expect(watcher.deadline == .never)
        #expect(watcher.silence(at: .at(100)) == .zero)
        watcher.waitBegan(at: .at(0), level: .seconds(2))
        #expect(watcher.deadline == .at(1.5))
        watcher.waitBegan(at: .at(0.5), level: .seconds(4))
        #expect(watcher.deadline == .at(1.5), "the wait began once")
        #expect(watcher.silence(at: .at(0.7)) == .milliseconds(700))
        watcher.bytesArrived(at: .at(1))
        #expect(watcher.deadline == .never)
        watcher.waitBegan(at: .at(3), level: nil)
        #expect(watcher.deadline == .at(4))
        watcher.waitEnded()
        #expect(watcher.deadline == .never, "a full buffer is no silence")
    }

    @Test func whoCameBackIsGivenHalfAsMuchAgain() {
        var watcher = SilenceWatcher(bound: .seconds(1), buffer: .seconds(2))
        watcher.waitBegan(at: .at(0), level: .seconds(2))
        watcher.bytesArrived(at: .at(0.4))
        #expect(watcher.allowance(level: .milliseconds(1000)) == .milliseconds(600), "its rhythm is known")
        #expect(watcher.allowance(level: .milliseconds(700)) == .milliseconds(300), "not what a handoff needs")
        watcher.waitBegan(at: .at(1), level: .seconds(2))
        watcher.bytesArrived(at: .at(2.4))
        #expect(watcher.allowance(level: .milliseconds(3000)) == .milliseconds(2500), "nor less than the buffer hides")
        watcher.originChanged()
        #expect(watcher.allowance(level: .milliseconds(700)) == .milliseconds(250))
    }

    @Test func withNobodyElseToAskItIsBorneBeyondTheBuffer() {
        var watcher = SilenceWatcher(bound: .seconds(1), buffer: .seconds(2))
        let isWaiting = watcher.mayGoOn(at: .at(0))
        #expect(!isWaiting, "nothing is waited for")
        watcher.waitBegan(at: .at(0), level: .seconds(2))
        #expect(watcher.deadline == .at(1.5))
        let goesOn = watcher.mayGoOn(at: .at(1.5))
        #expect(goesOn)
        #expect(watcher.deadline == .at(3), "two seconds of media, and the bound")
        let goesOnStill = watcher.mayGoOn(at: .at(3))
        #expect(!goesOnStill)
    }

    @Test func shorterSilencesTeachNothing() {
        var watcher = SilenceWatcher(bound: .seconds(1), buffer: .seconds(2))
        for step in 0..<100 {
            watcher.waitBegan(at: .at(Double(step)), level: .seconds(1))
            watcher.bytesArrived(at: .at(Double(step) + 0.01))
        }
        #expect(watcher.allowance(level: .milliseconds(500)) == .milliseconds(250))
    }
}
