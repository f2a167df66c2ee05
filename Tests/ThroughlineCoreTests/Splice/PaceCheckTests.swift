internal import Testing
internal import ThroughlineCore

@Suite struct PaceCheckTests {
    private static let frame = MediaTime.milliseconds(20)

    private func packet(_ number: Int, at time: MediaTime, as fingerprint: UInt64? = nil) -> PacketTrace {
        PacketTrace(
            pts: time, dts: time, duration: Self.frame, isKey: true, fingerprint: fingerprint ?? UInt64(number))
    }

    private func check(repeating: Bool = false) -> PaceCheck {
        let packets = (0..<10).map { packet($0, at: .milliseconds(20 * Int64($0)), as: repeating ? 7 : nil) }
        return PaceCheck(tails: [FlowTail(packets: packets, isSparse: false)])
    }

    /// The packets from one on, so far apart, in microseconds.
    private func finding(_ check: PaceCheck, from first: Int, count: Int, spacing: Int64) -> PaceCheck.Finding {
        var check = check
        for number in first..<(first + count) {
            let time = MediaTime.seconds(500) + MediaTime(nanoseconds: Int64(number - first) * spacing * 1000)
            check.arrived(packet(number, at: time), flow: 0)
        }
        return check.finding
    }

    @Test(arguments: [
        (20_000 as Int64, PaceCheck.Finding.ofMedia), (20_020, .ofMedia), (19_980, .ofMedia), (13_333, .other),
        (30_000, .other), (0, .other), (-20_000, .other),
    ])
    func known(spacing: Int64, expected: PaceCheck.Finding) {
        #expect(finding(check(), from: 4, count: 5, spacing: spacing) == expected)
    }

    @Test("the first packet does not count, nor one alone, nor some that lie close together", arguments: 1...4)
    func tooFew(count: Int) {
        #expect(finding(check(), from: 4, count: count, spacing: 20_000) == .unknown)
    }

    @Test("late packets of the range before show nothing of this one")
    func stragglers() {
        var check = check()
        for (number, time) in [(0, 0), (1, 20), (2, 40), (3, 60), (4, 73), (5, 87), (6, 100)] as [(Int, Int64)] {
            check.arrived(packet(number, at: .milliseconds(time)), flow: 0)
        }
        #expect(check.finding == .other)
    }

    @Test("packets that are not known show nothing, nor those that repeat")
    func strangers() {
        #expect(finding(check(), from: 40, count: 9, spacing: 20_000) == .unknown)
        #expect(finding(check(repeating: true), from: 7, count: 1, spacing: 0) == .unknown)
        var repeats = check(repeating: true)
        for number in 0..<5 {
            repeats.arrived(packet(number, at: .milliseconds(20 * Int64(number)), as: 7), flow: 0)
        }
        #expect(repeats.finding == .unknown)
    }

    @Test("once it is seen to be wrong, it stays so")
    func stays() {
        var check = check()
        for (number, time) in [(1, 0), (2, 10), (3, 20), (5, 70)] as [(Int, Int64)] {
            check.arrived(packet(number, at: .milliseconds(time)), flow: 0)
        }
        #expect(check.finding == .other)
    }

    @Test("no flow, no time, no fingerprint")
    func nothing() {
        var check = check()
        check.arrived(packet(3, at: .zero), flow: 5)
        check.arrived(PacketTrace(pts: nil, dts: nil, duration: .zero, isKey: false, fingerprint: nil), flow: 0)
        #expect(check.finding == .unknown)
    }
}
