internal import Testing
internal import ThroughlineCore

/// What goes on behind a splice, of packets that are numbers: one every 40 ms.
@Suite struct RepeatWatchTests {
    private static let step: MediaTime = .milliseconds(40)

    /// What the viewer was given, and what watches over what comes.
    private struct Viewer {
        var memory = DeliveredMemory(flowCount: 1)
        var count = 0

        mutating func receives(_ number: UInt64) {
            let time = MediaTime.milliseconds(Int64(count) * 40)
            count += 1
            memory.delivered(number, pts: time, dts: time, duration: RepeatWatchTests.step, flow: 0)
        }

        /// - Returns: what goes on.
        mutating func go(_ packets: [UInt64], mayGoBack: Bool, isRecognised: Bool = true) -> [UInt64] {
            var watch: RepeatWatch? = RepeatWatch(memory: memory.recall(flow: 0), mayGoBack: mayGoBack)
            if isRecognised { watch?.recognised() }
            var out: [UInt64] = []
            for packet in packets {
                let verdict = watch?.arrived(packet, duration: RepeatWatchTests.step) { memory.recall(flow: 0) }
                if watch?.isOver ?? false { watch = nil }
                if case .repeated = verdict { continue }
                out.append(packet)
                receives(packet)
            }
            return out
        }
    }

    private func viewer(_ numbers: ClosedRange<UInt64>) -> Viewer {
        var viewer = Viewer()
        for number in numbers { viewer.receives(number) }
        return viewer
    }

    /// A server that answers PLAY at once, plays on for some pictures, and then goes back to where it was asked to.
    @Test("a server that goes back late repeats no more than shows it", arguments: [0, 1, 9, 40])
    func goesBackLate(_ playsOn: UInt64) {
        var viewer = viewer(1...200)
        let comes = Array(201..<(201 + playsOn)) + Array(150...400)
        let out = viewer.go(comes, mayGoBack: true)
        #expect(out == Array(201..<(201 + playsOn)) + [150, 151] + Array((201 + playsOn)...400))
    }

    @Test("what was shown before may be shown again: a programme that repeats itself") func repeatsItself() {
        // 20 s that come again and again; the splice is in the second round.
        var viewer = viewer(1...500)
        for number in 1...300 { viewer.receives(UInt64(number)) }
        let comes = Array(UInt64(301)...500) + Array(1...500)
        #expect(viewer.go(comes, mayGoBack: true) == comes)
        // After a while nothing is watched any more.
        var later = self.viewer(1...200)
        let fresh = Array(UInt64(201)...260)
        #expect(later.go(fresh + Array(190...300), mayGoBack: true) == fresh + Array(190...300))
    }

    @Test("one that cannot go back is not watched once it was recognised") func cannotGoBack() {
        var viewer = viewer(1...200)
        let comes = [UInt64(201)] + Array(150...160)
        #expect(viewer.go(comes, mayGoBack: false) == comes)
    }

    @Test("where nothing was recognised what comes first is compared with all of it", arguments: [false, true])
    func compares(_ mayGoBack: Bool) {
        var viewer = viewer(1...1000)
        let out = viewer.go(Array(500...1200), mayGoBack: mayGoBack, isRecognised: false)
        #expect(out == [500, 501] + Array(1001...1200))
    }
}
