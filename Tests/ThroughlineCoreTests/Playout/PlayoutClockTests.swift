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
            let due = MediaTime.seconds(5) + .milliseconds(Int64(step) * 200)
            let late = clock.due(due)! + .milliseconds(1)
            #expect(clock.arrived(due: due, now: late) == .milliseconds(1))
        }
        #expect(clock.gaps.count == PlayoutClock.gapLimit && clock.gapCount == 1500)
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
        #expect(clock.playingTime(at: .at(3.5)) == .milliseconds(3500), "on the clock on the wall")
        clock.stop(at: .at(3.5))
        #expect(!clock.isRunning)
        #expect(clock.playingTime(at: .at(9)) == .milliseconds(3500))
    }

    @Test func whatComesSoonAfterAGapBelongsToIt() {
        var clock = Self.started()
        clock.arrived(due: .seconds(6), now: .at(1.3))
        #expect(clock.takeGaps(at: .at(1.3)).isEmpty, "it may go on")
        // 50 ms of media later nothing is there again.
        clock.arrived(due: .milliseconds(6050), now: .at(1.55))
        #expect(clock.gapCount == 1 && clock.gapTotal == .milliseconds(500))
        #expect(clock.takeGaps(at: .at(1.6)).isEmpty)
        #expect(clock.takeGaps(at: .at(1.7)) == [VisibleGap(npt: .seconds(6), duration: .milliseconds(500))])
        #expect(clock.takeGaps(at: nil).isEmpty, "told once")
        clock.arrived(due: .seconds(7), now: .at(3))
        #expect(clock.takeGaps(at: nil).map(\.duration) == [.milliseconds(500)], "nothing more comes")
        #expect(clock.gaps.count == 2 && clock.gapCount == 2)
        #expect(clock.playingTime(at: .at(3)) == .seconds(2))
    }

    @Test func aWaitThatIsOpenCountsUpToNow() {
        var clock = Self.started()
        #expect(clock.wait(since: .seconds(6), at: .at(0.9)) == .zero)
        #expect(clock.wait(since: .seconds(6), at: .at(6)) == .seconds(5))
        clock.pause(at: .at(6))
        #expect(clock.wait(since: .seconds(6), at: .at(60)) == .zero)
    }
}
