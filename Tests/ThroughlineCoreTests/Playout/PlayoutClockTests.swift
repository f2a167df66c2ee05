internal import Testing
internal import ThroughlineCore

@Suite struct PlayoutClockTests {
    static func started() -> PlayoutClock {
        var clock = PlayoutClock()
        clock.start(at: .seconds(5), now: .at(0))
        return clock
    }

    @Test func nothingIsDueBeforeItRuns() {
        var clock = PlayoutClock()
        #expect(!clock.isRunning)
        #expect(clock.playhead(at: .at(9)) == nil)
        #expect(clock.due(.zero) == nil)
        #expect(clock.arrived(due: .zero, now: .at(9)) == nil)
        #expect(clock.gapTotal == .zero)
    }

    @Test func mediaTimeIsWallClockTime() {
        let clock = Self.started()
        #expect(clock.isRunning)
        #expect(clock.playhead(at: .at(2.5)) == .milliseconds(7500))
        #expect(clock.due(.milliseconds(7500)) == .at(2.5))
        #expect(clock.due(.seconds(5)) == .at(0))
        #expect(clock.due(.seconds(1)) == .at(-4))
    }

    @Test func whatComesInTimeIsNoGap() {
        var clock = Self.started()
        #expect(clock.arrived(due: .seconds(6), now: .at(0.5)) == nil)
        #expect(clock.arrived(due: .seconds(6), now: .at(1)) == nil, "just in time")
        #expect(clock.gaps.isEmpty)
    }

    @Test func oneLatePacketIsOneGap() {
        var clock = Self.started()
        #expect(clock.arrived(due: .seconds(6), now: .at(1.3)) == .milliseconds(300))
        #expect(clock.gaps == [VisibleGap(npt: .seconds(6), duration: .milliseconds(300))])
        // The clock stood still meanwhile: what came along is not late.
        #expect(clock.playhead(at: .at(1.3)) == .seconds(6))
        #expect(clock.arrived(due: .seconds(6), now: .at(1.3)) == nil)
        #expect(clock.arrived(due: .milliseconds(6040), now: .at(1.34)) == nil)
        #expect(clock.due(.seconds(7)) == .at(2.3))
        #expect(clock.arrived(due: .seconds(7), now: .at(2.4)) == .milliseconds(100))
        #expect(clock.gapTotal == .milliseconds(400))
        #expect(clock.gaps.count == 2)
    }

    @Test func anEarlierPacketOfAnotherFlowMakesTheGapLonger() {
        var clock = Self.started()
        #expect(clock.arrived(due: .seconds(6), now: .at(1.1)) == .milliseconds(100))
        // At that moment one that was due before comes, too: the viewer waited for it since then.
        #expect(clock.arrived(due: .milliseconds(5980), now: .at(1.1)) == .milliseconds(20))
        #expect(clock.gapTotal == .milliseconds(120))
    }

    @Test func theTotalGoesOnBeyondTheList() {
        var clock = Self.started()
        for step in 1...1500 {
            let due = MediaTime.seconds(5) + .milliseconds(Int64(step) * 10)
            let late = clock.due(due)! + .milliseconds(1)
            #expect(clock.arrived(due: due, now: late) == .milliseconds(1))
        }
        #expect(clock.gaps.count == PlayoutClock.gapLimit)
        #expect(clock.gapTotal == .milliseconds(1500))
    }

    @Test func timesFromNowhereAreBorne() {
        var clock = Self.started()
        #expect(clock.due(MediaTime(flicks: .max)) == .never)
        #expect(clock.arrived(due: MediaTime(flicks: .max), now: .at(1)) == nil, "that is not late")
        #expect(clock.gapTotal == .zero)
        #expect(clock.due(MediaTime(flicks: .min))! < .at(-1_000_000))
    }

    /// `started` has 5 s due at 0.
    @Test func aPauseIsNoGap() {
        var clock = Self.started()
        let before = clock.playhead(at: .at(0.5))
        clock.pause(at: .at(0.5))
        #expect(clock.playhead(at: .at(60)) == before)
        #expect(clock.due(.seconds(6)) == .never, "nothing is due")
        #expect(clock.arrived(due: .seconds(5), now: .at(60)) == nil, "and nothing late")
        clock.pause(at: .at(70))
        clock.resume(at: .at(100))
        #expect(clock.playhead(at: .at(100)) == before)
        #expect(clock.gapTotal == .zero)
        #expect(clock.playhead(at: .at(101)) == before.map { $0 + .seconds(1) })
    }

    @Test func anotherRateCountsFromNowOn() {
        var clock = Self.started()
        let before = clock.playhead(at: .at(0.5)) ?? .zero
        clock.setRate(Rate(2), at: .at(0.5))
        #expect(clock.playhead(at: .at(0.5)) == before)
        #expect(clock.playhead(at: .at(1.5)) == before + .seconds(2))
        #expect(clock.due(before + .seconds(4)) == .at(2.5))
        clock.setRate(Rate(1, 2), at: .at(1.5))
        #expect(clock.playhead(at: .at(3.5)) == before + .seconds(3))
        clock.stop()
        #expect(!clock.isRunning)
    }
}
