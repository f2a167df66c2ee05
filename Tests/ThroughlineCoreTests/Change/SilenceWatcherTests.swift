internal import Testing
internal import ThroughlineCore

@Suite struct SilenceWatcherTests {
    @Test(arguments: [
        (1000, 2000, 1000), (1000, 10_000, 1000), (1000, 1000, 500), (3000, 2000, 1000), (1000, 100, 50),
        (10, 2000, 50),
    ])
    func halfOfAShortBufferIsKeptForTheHandoff(bound: Int, buffer: Int, expected: Int) {
        let watcher = SilenceWatcher(bound: .milliseconds(bound), buffer: .milliseconds(buffer))
        #expect(watcher.bound == .milliseconds(expected))
    }

    @Test func silenceCountsWhileBytesAreWanted() {
        var watcher = SilenceWatcher(bound: .seconds(1), buffer: .seconds(4))
        #expect(watcher.deadline == .never)
        #expect(watcher.silence(at: .at(100)) == nil)
        watcher.waitBegan(at: .at(0))
        #expect(watcher.deadline == .at(1))
        watcher.waitBegan(at: .at(0.5))
        #expect(watcher.deadline == .at(1), "the wait began once")
        #expect(watcher.silence(at: .at(0.999)) == nil)
        #expect(watcher.silence(at: .at(1)) == .seconds(1))
        #expect(watcher.silence(at: .at(2.5)) == .milliseconds(2500))
    }

    @Test func everyByteStartsItAgain() {
        var watcher = SilenceWatcher(bound: .seconds(1), buffer: .seconds(4))
        watcher.waitBegan(at: .at(0))
        for step in 1...10 {
            let moment = Instant.at(Double(step) * 0.9)
            #expect(watcher.silence(at: moment) == nil)
            watcher.bytesArrived(at: moment)
        }
        #expect(watcher.deadline == .at(10))
    }

    @Test func aFullBufferIsNoSilence() {
        var watcher = SilenceWatcher(bound: .seconds(1), buffer: .seconds(4))
        watcher.waitBegan(at: .at(0))
        watcher.waitEnded()
        #expect(watcher.deadline == .never)
        watcher.bytesArrived(at: .at(5))
        #expect(watcher.silence(at: .at(100)) == nil, "nobody waits")
        watcher.waitBegan(at: .at(100))
        #expect(watcher.deadline == .at(101))
    }
}
