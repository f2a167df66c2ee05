internal import Testing
internal import ThroughlineCore

@testable import ThroughlineProtocols

@Suite struct RTPReceptionStatisticsTests {
    typealias Verdict = RTPReceptionStatistics.Verdict

    /// Numbers as they come; what each was; expected and received in the end.
    @Test(
        arguments: [
            ([10, 11, 12], [.unproven, .inOrder, .inOrder], 2, 2),
            ([10, 12, 13, 14], [.unproven, .unproven, .inOrder, .inOrder], 2, 2),
            ([65534, 65535, 0, 1], [.unproven, .inOrder, .inOrder, .inOrder], 3, 3),
            ([1, 2, 5, 4, 4], [.unproven, .inOrder, .afterGap(missing: 2), .reordered, .duplicate], 4, 4),
            ([1, 2, 2, 1], [.unproven, .inOrder, .duplicate, .reordered], 1, 3),
            ([1, 2, 3001, 3002], [.unproven, .inOrder, .afterGap(missing: 2998), .inOrder], 3001, 3),
            ([1, 2, 3002, 3], [.unproven, .inOrder, .doubtful, .inOrder], 2, 2),
            ([1, 2, 9000, 9001, 9002], [.unproven, .inOrder, .doubtful, .restarted, .inOrder], 3, 3),
            ([900, 901, 801, 800], [.unproven, .inOrder, .reordered, .doubtful], 1, 2),
            ([900, 901, 65535, 0, 1], [.unproven, .inOrder, .doubtful, .restarted, .inOrder], 3, 3),
        ] as [([UInt16], [Verdict], Int64, Int64)])
    func sequencesAreJudged(numbers: [UInt16], verdicts: [Verdict], expected: Int64, received: Int64) {
        var statistics = RTPReceptionStatistics(clockRateHz: 90_000)
        var judged: [Verdict] = []
        for number in numbers {
            judged.append(statistics.received(rtpHeader(sequence: number), at: .at(milliseconds: 0)))
        }
        #expect(judged == verdicts)
        #expect(statistics.expected == expected && statistics.received == received)
    }

    @Test func withoutProbationTheFirstPacketCounts() {
        var statistics = RTPReceptionStatistics(clockRateHz: 90_000, probation: 0)
        let none = statistics.reportBlock(at: .at(milliseconds: 0))
        #expect(none == nil)
        let first = statistics.received(rtpHeader(sequence: 5), at: .at(milliseconds: 0))
        #expect(first == .inOrder && statistics.expected == 1 && statistics.received == 1)
        let other = statistics.received(rtpHeader(sequence: 77, ssrc: 2), at: .at(milliseconds: 0))
        #expect(other == .sourceChanged && statistics.ssrc == 2 && statistics.received == 1)
    }

    @Test func anotherSourceTakesOverWithItsSecondPacket() {
        var statistics = RTPReceptionStatistics(clockRateHz: 90_000)
        var verdicts: [Verdict] = []
        for (number, ssrc) in [(1, 1), (2, 1), (50, 2), (3, 1), (60, 3), (61, 3), (62, 3), (4, 1)]
            as [(UInt16, UInt32)]
        {
            verdicts.append(statistics.received(rtpHeader(sequence: number, ssrc: ssrc), at: .at(milliseconds: 0)))
        }
        #expect(
            verdicts == [
                .unproven, .inOrder, .doubtful, .inOrder, .doubtful, .sourceChanged, .inOrder, .doubtful,
            ])
        #expect(statistics.ssrc == 3 && statistics.expected == 3 && statistics.received == 3)
        #expect(statistics.extendedHighestSequence == 62)
    }

    @Test func aBlockTellsOfTheTimeSinceTheLast() throws {
        var statistics = RTPReceptionStatistics(clockRateHz: 90_000, probation: 0)
        // 100 packets of which 25 are lost.
        for number in 0..<100 as Range<UInt16> where number % 4 != 1 {
            statistics.received(rtpHeader(sequence: 65_500 &+ number), at: .at(milliseconds: 0))
        }
        statistics.senderReported(RTCPPacketTests.report, at: .at(milliseconds: 0))
        var made = statistics.reportBlock(at: .at(milliseconds: 10))
        var block = try #require(made)
        #expect(block.fractionLost == 64 && block.cumulativeLost == 25 && block.highestSequence == 65_536 + 63)
        #expect(block.lastReport == 0 && block.delaySinceLastReport == 0, "the report was of another source")

        var report = RTCPPacketTests.report
        report.ssrc = 1
        statistics.senderReported(report, at: .at(milliseconds: 1000))
        made = statistics.reportBlock(at: .at(milliseconds: 3500))
        block = try #require(made)
        #expect(block.fractionLost == 0 && block.cumulativeLost == 25, "nothing came since")
        #expect(block.lastReport == 0x0304_8000 && block.delaySinceLastReport == 163_840)

        // More doubles than losses: the loss goes down, a fraction is never negative.
        for _ in 0..<30 { statistics.received(rtpHeader(sequence: 63), at: .at(milliseconds: 4000)) }
        made = statistics.reportBlock(at: .at(milliseconds: 4000))
        block = try #require(made)
        #expect(block.fractionLost == 0 && block.cumulativeLost == -5)
    }

    /// A tenth of a second early and late in turn: the jitter tends to the difference, 18 000 units of 90 kHz.
    @Test func jitterFollowsTheStandard() {
        var statistics = RTPReceptionStatistics(clockRateHz: 90_000, probation: 0)
        for number in 0..<400 {
            statistics.received(
                rtpHeader(sequence: UInt16(number), timestamp: UInt32.max - 9000 &+ UInt32(number) * 9000),
                at: .at(milliseconds: Int64(number) * 100))
        }
        #expect(statistics.jitter == 0, "across the wrap of the timestamp")
        var model = 0.0
        for number in 400..<800 {
            statistics.received(
                rtpHeader(sequence: UInt16(number), timestamp: UInt32.max - 9000 &+ UInt32(number) * 9000),
                at: .at(milliseconds: Int64(number) * 100 + (number % 2 == 0 ? 100 : -100)))
            model += ((number == 400 ? 9000 : 18_000) - model) / 16
        }
        #expect(abs(Double(statistics.jitter) - model) < 2)
    }

    @Test func hostileClocksAndTimesAreBorne() {
        for clock in [.min, 0, 1, .max] as [Int64] {
            var statistics = RTPReceptionStatistics(clockRateHz: clock, probation: 0)
            for (number, time) in [0, .max, .min, 5, .max - 1].enumerated() as EnumeratedSequence<[Int64]> {
                statistics.received(
                    rtpHeader(sequence: UInt16(number), timestamp: number % 2 == 0 ? 0 : 0x8000_0000),
                    at: Instant(nanoseconds: time))
            }
            var report = RTCPPacketTests.report
            report.ssrc = 1
            statistics.senderReported(report, at: Instant(nanoseconds: 0))
            let block = statistics.reportBlock(at: .never)
            #expect(block?.delaySinceLastReport == .max)
        }
    }

    /// Against a count that remembers every packet.
    @Test(arguments: 0..<30 as Range<UInt64>) func theCountsAreThoseOfACountByHand(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let start = Int.random(in: 0..<65_536, using: &random)
        let lossOneIn = Int.random(in: 2...100, using: &random)
        let spread = Int.random(in: 0...60, using: &random)
        var arrivals: [(time: Int, number: Int)] = [(start, start)]
        for number in start + 1..<start + 5000 where Int.random(in: 0..<lossOneIn, using: &random) > 0 {
            for _ in 0..<(Int.random(in: 0..<25, using: &random) == 0 ? 2 : 1) {
                arrivals.append((number + Int.random(in: 0...spread, using: &random), number))
            }
        }
        arrivals.sort { ($0.time, $0.number) < ($1.time, $1.number) }
        arrivals.removeAll { $0.number == start }
        arrivals.insert((start, start), at: 0)

        var statistics = RTPReceptionStatistics(clockRateHz: 90_000, probation: 0)
        var seen: Set<Int> = []
        var (duplicates, reordered, highest) = (Int64(0), Int64(0), start - 1)
        for arrival in arrivals {
            let verdict = statistics.received(
                rtpHeader(sequence: UInt16(truncatingIfNeeded: arrival.number)), at: .at(milliseconds: 0))
            let expected: Verdict
            if !seen.insert(arrival.number).inserted {
                duplicates += 1
                expected = .duplicate
            } else if arrival.number < highest {
                reordered += 1
                expected = .reordered
            } else {
                let missing = arrival.number - highest - 1
                expected = missing > 0 ? .afterGap(missing: missing) : .inOrder
                highest = arrival.number
            }
            if verdict != expected { Issue.record("\(arrival): \(verdict), not \(expected)") }
        }
        #expect(statistics.duplicates == duplicates && statistics.reordered == reordered)
        #expect(statistics.received == Int64(arrivals.count) && statistics.expected == Int64(highest - start + 1))
        #expect(statistics.lost == Int64(highest - start + 1 - arrivals.count))
        #expect(statistics.extendedHighestSequence == UInt32(highest))
    }
}
