internal import Testing
internal import ThroughlineCore

/// What a hot standby keeps, drops and reads, and when it is ready, in virtual time.
@Suite struct StandbyWindowTests {
    private static let frame: MediaTime = .milliseconds(40)

    /// Two flows, pictures with a key frame every second and sound.
    private func window(
        isRealtime: Bool = false, isFromStart: Bool = false, limits: StandbyWindow.Limits = .init()
    ) -> StandbyWindow {
        StandbyWindow(
            isSparse: [false, false], pictures: 0, isRealtime: isRealtime, isFromStart: isFromStart, limits: limits,
            at: .at(0))
    }

    /// Appends what lies between two times, in milliseconds; pictures of 40 ms, and as much sound.
    private func fill(_ window: inout StandbyWindow, from start: Int64, to end: Int64, flows: [Int] = [0, 1]) {
        for time in stride(from: start, to: end, by: 40) {
            for flow in flows {
                window.append(
                    StandbyWindow.Entry(
                        flow: flow, time: .milliseconds(time), end: .milliseconds(time + 40),
                        isKey: flow == 1 || time % 1000 == 0, bytes: 1000))
            }
        }
    }

    /// - Parameter received: milliseconds.
    private func primary(_ received: Int64, picture: Int64? = nil) -> StandbyWindow.Primary {
        StandbyWindow.Primary(
            received: .milliseconds(received), overlap: .milliseconds(received - 100),
            picture: .milliseconds(picture ?? received - 2000))
    }

    @Test("It is aligned once the primary has come by its beginning and it is no further behind")
    func aligned() {
        var window = window()
        #expect(!window.isAligned(primary(5000)))
        fill(&window, from: 5000, to: 5600)
        #expect(window.frontier == .milliseconds(5600))
        #expect(!window.isAligned(primary(5040)), "it begins behind what a join needs")
        #expect(window.isAligned(primary(5100)))
        #expect(window.isAligned(primary(5700)), "a little behind")
        #expect(!window.isAligned(primary(5720)), "too far behind")
        #expect(window.hasMore(than: primary(5480)))
        #expect(!window.hasMore(than: primary(5520)), "hardly anything is new")
        fill(&window, from: 5600, to: 6000, flows: [0])
        #expect(!window.hasMore(than: primary(5520)), "of one flow nothing is")
        window.ended()
        #expect(window.isAligned(primary(9000)), "there is no more")
    }

    @Test("One whose timeline is off is judged by where its media stands", arguments: [-4000, 7_200_000] as [Int64])
    func shifted(shift: Int64) {
        func own(_ time: Int64) -> Int64 { time - shift }
        var window = StandbyWindow(
            isSparse: [false, false], pictures: 0, isRealtime: true, shift: nil, at: .at(0))
        fill(&window, from: own(15_000), to: own(40_600))
        #expect(!window.isPlaced && !window.isAligned(primary(40_500)) && !window.isReady(primary(40_500)))
        #expect(window.expendable(primary(40_500)) == 2 * 390, "ten seconds may still show where it stands")
        #expect(window.judge(primary(40_500), at: .at(19_999)) == .fine)
        window.stands(at: .milliseconds(shift))
        #expect(window.isAligned(primary(40_500)) && window.isReady(primary(40_500)))
        #expect(window.judge(primary(40_500), at: .at(20_001)) == .fine)
        #expect(!window.isAligned(primary(40_800)), "too far behind")
        #expect(!window.isAligned(primary(15_000)), "it begins too late")
        let count = window.expendable(primary(40_500))
        window.removeFirst(count)
        #expect(window.start.map { $0 <= .milliseconds(own(38_000)) && $0 > .milliseconds(own(35_000)) } ?? false)
    }

    @Test("One that shows nowhere where it stands is of no use")
    func neverPlaced() {
        var window = StandbyWindow(isSparse: [false, false], pictures: 0, isRealtime: true, shift: nil, at: .at(0))
        fill(&window, from: 0, to: 20_000)
        #expect(window.judge(primary(9000), at: .at(0)) == .fine)
        #expect(window.judge(primary(29_000), at: .at(20_000)) == .lost("nothing of it shows where it stands"))
    }

    @Test(
        "What it has to wait for is worth it where the buffer holds twice as much",
        arguments: [
            (0, 5700, true), (0, 5720, false), (400, 5800, true), (400, 5840, false), (9000, 6560, true),
            (9000, 6640, false),
        ])
    func ready(level: Int64, received: Int64, isReady: Bool) {
        var window = window()
        fill(&window, from: 5000, to: 5600)
        var primary = primary(received)
        primary.level = .milliseconds(level)
        #expect(window.isReady(primary) == isReady)
        primary.overlap = .milliseconds(4900)
        #expect(!window.isReady(primary), "it begins too late")
    }

    @Test("A flow that has not come is waited for, but not for ever")
    func lackingFlow() {
        var window = window()
        fill(&window, from: 5000, to: 6000, flows: [0])
        #expect(window.start == nil && window.frontier == nil && !window.isAligned(primary(5500)))
        fill(&window, from: 6000, to: 10_200, flows: [0])
        #expect(window.start == .milliseconds(5000) && window.isAligned(primary(9000)))
    }

    @Test("A flow that has ended holds nothing up")
    func endedFlow() {
        var window = window()
        fill(&window, from: 0, to: 2000)
        fill(&window, from: 2000, to: 8000, flows: [0])
        #expect(window.frontier == .milliseconds(8000))
    }

    @Test("One that can be held back is read up to a little ahead of the primary")
    func heldBack() {
        var window = window()
        #expect(!window.wantsMore(nil), "nothing is known of the primary")
        #expect(window.wantsMore(primary(5000)))
        fill(&window, from: 5000, to: 5480)
        #expect(window.wantsMore(primary(5000)))
        fill(&window, from: 5480, to: 5520)
        #expect(!window.wantsMore(primary(5000)))
        #expect(window.wantsMore(primary(5040)))
        window.ended()
        #expect(!window.wantsMore(primary(5040)))
    }

    @Test("One flow that runs far ahead of another that never comes does not fill the memory")
    func skew() {
        var window = window()
        fill(&window, from: 5000, to: 10_520, flows: [0])
        #expect(!window.wantsMore(primary(5000)))
    }

    @Test("What comes in real time is always taken, and is lost when it is too much")
    func tooMuch() {
        var limits = StandbyWindow.Limits()
        limits.packets = 100
        var window = window(isRealtime: true, limits: limits)
        fill(&window, from: 5000, to: 7200)
        #expect(window.wantsMore(primary(5000)))
        guard case .lost = window.judge(primary(5000), at: .at(0)) else {
            Issue.record("\(window.count) packets are kept")
            return
        }
    }

    @Test("From the key frame before the picture that was presented last all is kept, and nothing before")
    func kept() {
        var window = window()
        fill(&window, from: 0, to: 8000)
        let count = window.expendable(primary(7500, picture: 4500))
        window.removeFirst(count)
        #expect(window[0].time == .milliseconds(4000) && window[0].isKey && window[0].flow == 0)
        #expect(window.index(from: .milliseconds(4500), fromKey: true) == 0)
        #expect(window.expendable(primary(7540, picture: 4900)) == 0)
        #expect(window.bytes == window.count * 1000)
    }

    @Test("Without a key frame only what proves the same encode is kept, and sound to compare")
    func keptWithoutKey() {
        var window = window()
        fill(&window, from: 5040, to: 5960)
        fill(&window, from: 6040, to: 6960)
        window.removeFirst(window.expendable(primary(8000, picture: 5500)))
        #expect(window[0].end > .milliseconds(5500) && window[0].time <= .milliseconds(5500))
    }

    @Test("Where much waits, another encode is given up for the same one")
    func large() {
        var limits = StandbyWindow.Limits()
        limits.bytes = 100_000
        var window = window(limits: limits)
        fill(&window, from: 0, to: 8000)
        window.removeFirst(window.expendable(primary(8000, picture: 1000)))
        // 100 ms of overlap, and what proves itself.
        #expect(window[0].end > .milliseconds(7400) && window[0].time <= .milliseconds(7400))
        #expect(window.isAligned(primary(8000)))
    }

    @Test("It is read from any packet that is here, and from no other")
    func places() {
        var window = window()
        fill(&window, from: 5000, to: 7000)
        #expect(window.index(from: .milliseconds(4990), fromKey: false) == nil)
        #expect(window.index(from: .milliseconds(5000), fromKey: false) == 0)
        #expect(window.index(from: .milliseconds(5050), fromKey: false) == 2, "the packet in which it lies")
        #expect(window.index(from: .milliseconds(5050), fromKey: true) == 0)
        #expect(window.index(from: .milliseconds(6500), fromKey: true) == 50)
        #expect(window.index(from: .milliseconds(4000), fromKey: true) == nil)
        var interleaved = self.window()
        fill(&interleaved, from: 5000, to: 6200, flows: [1])
        fill(&interleaved, from: 6000, to: 6200, flows: [0])
        #expect(interleaved.index(from: .milliseconds(6100), fromKey: true) == 25, "the sound that goes with it")
        #expect(window.index(from: .milliseconds(9000), fromKey: false) == window.count)
        window.removeFirst(2)
        #expect(window.index(from: .milliseconds(5050), fromKey: true) == nil, "the key frame is gone")
    }

    @Test("One that began at the start of the presentation has all that lies before")
    func fromStart() {
        var window = window(isFromStart: true)
        fill(&window, from: 40, to: 2000)
        #expect(window.start == .zero)
        #expect(window.index(from: .zero, fromKey: true) == 0 && window.index(from: .zero, fromKey: false) == 0)
        window.removeFirst(1)
        #expect(window.start == .milliseconds(80) || window.start == .milliseconds(40))
        #expect(window.index(from: .zero, fromKey: false) == nil)
    }

    /// A server that begins at the key frame before the place that is asked, whatever it is asked for, and delivers in real
    /// time: it lags until it is asked for a place behind the next key frame.
    @Test("A server that begins at key frames is asked until it leads", arguments: [1000, 2000, 5000, 9000])
    func keyFrameServer(step: Int64) {
        var window = window(isRealtime: true)
        var now: Int64 = 0
        let received = { (now: Int64) in now + 20_700 }
        var began = received(0) + 400
        began -= began % step
        var sent = began
        var beginnings = 0
        while now < 19_000, !window.isAligned(primary(received(now))) {
            now += 40
            fill(&window, from: sent, to: sent + 40)
            sent += 40
            switch window.judge(primary(received(now)), at: .at(Double(now) / 1000)) {
            case .fine: break
            case .lost(let reason):
                Issue.record("lost after \(now) ms: \(reason)")
                return
            case .beginAgain(let ahead):
                beginnings += 1
                window.begins(ahead: ahead, at: .at(Double(now) / 1000))
                let asked = MediaTime.milliseconds(received(now)) + ahead
                sent = asked.milliseconds / step * step
            }
            window.removeFirst(window.expendable(primary(received(now))))
        }
        #expect(window.isAligned(primary(received(now))), "after \(now) ms and \(beginnings) requests")
        #expect(beginnings <= 6)
        // From then on it stays aligned.
        for _ in 0..<500 {
            now += 40
            fill(&window, from: sent, to: sent + 40)
            sent += 40
            #expect(window.judge(primary(received(now)), at: .at(Double(now) / 1000)) == .fine)
            window.removeFirst(window.expendable(primary(received(now))))
        }
    }

    @Test("One that falls behind and stays there is lost")
    func slow() {
        var window = window()
        fill(&window, from: 5000, to: 5600)
        #expect(window.judge(primary(5200), at: .at(0)) == .fine)
        var lost: Instant?
        for step in 1...300 where lost == nil {
            let now = Instant.at(Double(step) * 0.04)
            if case .lost = window.judge(primary(5200 + Int64(step) * 40), at: now) { lost = now }
        }
        let time = lost ?? .never
        #expect(time > .at(5) && time < .at(7), "after \(time)")
    }

    @Test("One that can be held back goes where the primary is when that is far ahead")
    func leap() {
        var window = window()
        fill(&window, from: 5000, to: 5600)
        #expect(window.judge(primary(5200), at: .at(0)) == .fine)
        #expect(window.judge(primary(7000), at: .at(1)) == .fine)
        fill(&window, from: 5600, to: 6400)
        #expect(window.judge(primary(7200), at: .at(1.5)) == .fine, "it is catching up")
        #expect(window.judge(primary(8000), at: .at(2)) == .fine)
        #expect(window.judge(primary(8200), at: .at(3)) == .beginAgain(ahead: .milliseconds(500)))
        window.begins(ahead: .milliseconds(500), at: .at(3))
        #expect(window.count == 0 && window.start == nil && window.wantsMore(primary(8200)))
    }

    @Test("One that lags for a moment is not disturbed")
    func hiccup() {
        var window = window(isRealtime: true)
        fill(&window, from: 5000, to: 5600)
        #expect(window.judge(primary(5200), at: .at(0)) == .fine)
        #expect(window.judge(primary(6000), at: .at(0.4)) == .fine)
        fill(&window, from: 5600, to: 6400)
        #expect(window.judge(primary(6400), at: .at(0.8)) == .fine)
        #expect(window.judge(primary(7000), at: .at(1)) == .fine)
        #expect(window.judge(primary(7000), at: .at(1.6)) == .beginAgain(ahead: window.lead))
    }
}
