internal import Testing
internal import ThroughlineCore

/// Which packets of reordered pictures show a run without a hole.
@Suite struct WholeRunTests {
    /// Presentation numbers in decode order; a key frame behind `!`. Decode times are the presentation times in order, less
    /// two pictures.
    private func opens(_ order: [Int], keys: Set<Int> = [0], delay: Int64 = 2) -> [Int] {
        var run = WholeRun()
        return order.enumerated().map { place, number in
            run.append(
                pts: .milliseconds(40 * Int64(number)), dts: .milliseconds(40 * (Int64(place) - delay)),
                duration: .milliseconds(40), isKey: keys.contains(number))
            return run.open
        }
    }

    @Test("A picture that others are shown before is open until they have come")
    func reordered() {
        #expect(opens([0, 4, 2, 1, 3, 8, 6, 5, 7]) == [0, 1, 2, 3, 0, 1, 2, 3, 0])
        #expect(opens([0, 1, 2, 3], delay: 0) == [0, 0, 0, 0])
        #expect(opens([0, 2, 1, 4, 3], delay: 1) == [0, 1, 0, 1, 0])
    }

    @Test("Closed groups of pictures begin whole, and so does what comes without reordering")
    func groups() {
        #expect(opens([0, 3, 1, 2, 4, 7, 5, 6], keys: [0, 4], delay: 1) == [0, 1, 2, 0, 0, 1, 2, 0])
    }

    @Test("One that reorders more than the one before it holds nothing back for ever")
    func anotherEncode() {
        // Without reordering first, then two pictures behind.
        var order = Array(0..<20)
        for first in stride(from: 20, to: 140, by: 4) { order += [first + 3, first + 1, first, first + 2] }
        var run = WholeRun()
        var longest = 0
        var last = 0
        for (place, number) in order.enumerated() {
            run.append(
                pts: .milliseconds(40 * Int64(number)), dts: .milliseconds(40 * Int64(place < 20 ? place : place - 2)),
                duration: .milliseconds(40), isKey: number == 0)
            longest = max(longest, run.open)
            if place >= 60 { last = max(last, run.open) }
        }
        #expect(longest <= WholeRun.most && last <= 3, "\(longest), \(last)")
    }

    @Test("What has no times holds nothing back")
    func untimed() {
        var run = WholeRun()
        run.append(pts: .zero, dts: .zero, duration: .zero, isKey: true)
        run.append(pts: nil, dts: nil, duration: .zero, isKey: false)
        #expect(run.open == 0)
    }
}
