internal import Testing
internal import ThroughlineCore

@Suite struct FlowSilenceWatcherTests {
    /// Video every 40 ms, audio every 20 ms, subtitles never, from -8 to 4 s.
    static func running() -> FlowSilenceWatcher {
        var watcher = FlowSilenceWatcher(isSparse: [false, false, true])
        for step in -400..<200 {
            if step % 2 == 0 { watcher.arrived(0, at: .at(0.02 * Double(step))) }
            watcher.arrived(1, at: .at(0.02 * Double(step)))
            #expect(watcher.check(at: .at(0.02 * Double(step))).isEmpty)
        }
        return watcher
    }

    @Test func oneFlowIsToldOfWhileOthersRun() throws {
        var watcher = Self.running()
        // The video stops at 3.96 s.
        for step in 200..<300 {
            let now = Instant.at(0.02 * Double(step))
            watcher.arrived(1, at: now)
            let found = watcher.check(at: now)
            if step == 211 { #expect(found == [.init(flow: 0, since: .at(3.96), threshold: .milliseconds(250))]) }
            if step != 211 { #expect(found.isEmpty, "once, and not at \(step)") }
        }
        let wasSilent = watcher.arrived(0, at: .at(6))
        #expect(wasSilent)
        let isSilent = watcher.arrived(0, at: .at(6.04))
        #expect(!isSilent)
    }

    @Test func whenAllAreSilentNoneIs() {
        var watcher = Self.running()
        #expect(watcher.check(at: .at(4.1)).isEmpty)
        #expect(watcher.check(at: .at(10)).isEmpty)
        // The sound comes first when it is over; the pictures are given time to follow.
        watcher.arrived(1, at: .at(10))
        #expect(watcher.check(at: .at(10)).isEmpty)
        watcher.arrived(1, at: .at(10.1))
        #expect(watcher.check(at: .at(10.1)).isEmpty)
        watcher.arrived(0, at: .at(10.15))
        #expect(watcher.check(at: .at(10.2)).isEmpty)
    }

    @Test func aFlowThatDoesNotComeBackWithTheOthersIsToldOf() {
        var watcher = Self.running()
        for step in 0..<20 {
            watcher.arrived(1, at: .at(10 + 0.02 * Double(step)))
        }
        #expect(watcher.check(at: .at(10.38)).map(\.flow) == [0])
    }

    @Test func sparseAndEndedFlowsMayBeSilent() {
        var watcher = Self.running()
        watcher.ended(0)
        for step in 200..<1000 {
            let now = Instant.at(0.02 * Double(step))
            watcher.arrived(1, at: now)
            #expect(watcher.check(at: now).isEmpty)
        }
        watcher.waitEnded()
        #expect(watcher.nextCheck == .never)
        #expect(watcher.check(at: .at(100)).isEmpty)
        watcher.arrived(7, at: .at(100))
    }

    /// Containers may write a second of one flow and then a second of the other.
    @Test func flowsThatTakeTurnsAreNotSilent() {
        var watcher = FlowSilenceWatcher(isSparse: [false, false])
        for second in 0..<20 {
            for step in 0..<25 {
                let now = Instant.at(Double(second) + 0.04 * Double(step))
                watcher.arrived(second % 2, at: now)
                #expect(watcher.check(at: now).isEmpty)
            }
        }
    }

    @Test func atFirstItIsGivenMoreTime() {
        var watcher = FlowSilenceWatcher(isSparse: [false, false])
        for step in 0..<150 {
            if step < 50 { watcher.arrived(0, at: .at(0.02 * Double(step))) }
            watcher.arrived(1, at: .at(0.02 * Double(step)))
        }
        #expect(watcher.nextCheck == .at(2.98))
        #expect(watcher.check(at: .at(2.979)).isEmpty)
        #expect(watcher.check(at: .at(2.98)).map(\.flow) == [0])
    }
}
