internal import Testing
internal import ThroughlineCore

/// Which end is the end.
@Suite struct EndOfMediaTests {
    private func flow(_ reached: Int64?, of stated: Int64?, frame: Int64? = 40, index: Int = 0) -> EndOfMedia.Flow {
        EndOfMedia.Flow(
            index: index, reached: reached.map { .milliseconds($0) }, stated: stated.map { .milliseconds($0) },
            frame: frame.map { .milliseconds($0) })
    }

    @Test(
        "By what is known of each flow",
        arguments: [
            // reached, stated, frame, short
            (60_000, 60_000, 40, false), (59_920, 60_000, 40, false), (59_919, 60_000, 40, true),
            (58_800, 60_000, 40, true), (60_200, 60_000, 40, false), (59_940, 60_000, 20, false),
            (59_939, 60_000, 20, true), (59_900, 60_000, nil, false), (nil, 60_000, 40, true), (nil, nil, 40, false),
            (59_000, nil, 40, false), (0, 50, 40, false),
        ] as [(Int64?, Int64?, Int64?, Bool)])
    func flows(reached: Int64?, stated: Int64?, frame: Int64?, isShort: Bool) {
        var end = EndOfMedia()
        let verdict = end.judge(OriginID(0), flows: [flow(reached, of: stated, frame: frame)], whole: nil)
        guard isShort else {
            #expect(verdict == .whole)
            return
        }
        guard case .short(let shortage) = verdict else {
            Issue.record("\(verdict)")
            return
        }
        #expect(shortage.missing == .milliseconds((stated ?? 0) - (reached ?? 0)))
    }

    @Test("One flow may end before another, but not before its own end")
    func apart() {
        var end = EndOfMedia()
        #expect(
            end.judge(OriginID(0), flows: [flow(50_000, of: 50_000), flow(60_000, of: 60_000)], whole: .seconds(60))
                == .whole)
        let verdict = end.judge(
            OriginID(0), flows: [flow(60_000, of: 60_000), flow(50_000, of: 60_000, index: 1)], whole: .seconds(60))
        guard case .short(let shortage) = verdict else {
            Issue.record("\(verdict)")
            return
        }
        #expect(shortage.flow == 1 && shortage.reached == .seconds(50) && shortage.stated == .seconds(60))
    }

    @Test(
        "By what is known of the whole",
        arguments: [
            (60_000, false, false), (59_921, false, false), (59_900, false, true), (58_800, false, true),
            (58_900, true, false), (58_700, true, true),
        ])
    func whole(reached: Int64, isLoose: Bool, isShort: Bool) {
        var end = EndOfMedia()
        let verdict = end.judge(
            OriginID(0), flows: [flow(reached - 5000, of: nil), flow(reached, of: nil)], whole: .seconds(60),
            isLoose: isLoose)
        #expect((verdict != .whole) == isShort)
    }

    @Test("What lies behind the end that the viewer wants is not missing")
    func limited() {
        var end = EndOfMedia()
        #expect(end.judge(OriginID(0), flows: [flow(30_000, of: 60_000)], whole: nil, limit: .seconds(30)) == .whole)
        #expect(end.judge(OriginID(0), flows: [flow(29_000, of: 60_000)], whole: nil, limit: .seconds(30)) != .whole)
        #expect(
            end.judge(OriginID(0), flows: [flow(29_000, of: nil)], whole: .seconds(60), limit: .seconds(30)) != .whole)
        #expect(end.judge(OriginID(0), flows: [flow(20_000, of: 20_000)], whole: nil, limit: .seconds(30)) == .whole)
    }

    @Test("Where another origin ends at the same place, that is the end of what there is")
    func agreed() {
        var end = EndOfMedia()
        let flows = [flow(58_800, of: 60_000)]
        guard case .short = end.judge(OriginID(0), flows: flows, whole: nil) else { return #expect(Bool(false)) }
        // The same origin once more says nothing new.
        guard case .short = end.judge(OriginID(0), flows: flows, whole: nil) else { return #expect(Bool(false)) }
        // Another goes on, and lacks less.
        guard case .short = end.judge(OriginID(1), flows: [flow(59_000, of: 60_000)], whole: nil) else {
            return #expect(Bool(false))
        }
        guard case .agreed(let shortage) = end.judge(OriginID(2), flows: [flow(59_020, of: 60_000)], whole: nil) else {
            return #expect(Bool(false))
        }
        #expect(shortage.missing == .milliseconds(980))
    }
}
