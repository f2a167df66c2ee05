internal import Testing
internal import ThroughlineCore

@testable import ThroughlineProtocols

@Suite struct RTPReorderBufferTests {
    /// What came out, as text: numbers of packets, `-n` for losses, `R` for a new count.
    struct Bench {
        var buffer: RTPReorderBuffer
        var output: [String] = []

        init(_ policy: RTPReorderBuffer.Policy = .init(patience: .milliseconds(100), window: 8), first: UInt16? = nil) {
            buffer = RTPReorderBuffer(policy: policy, first: first)
        }

        static func text(_ output: RTPReorderBuffer.Output) -> String {
            switch output {
            case .packet(let bytes): rtpHeader(Array(bytes)).map { String($0.sequence) } ?? "?"
            case .lost(let count): "-\(count)"
            case .restarted: "R"
            }
        }

        mutating func arrive(_ sequence: UInt16, at milliseconds: Int64 = 0) {
            var texts: [String] = []
            rtpPacket(sequence: sequence).withUnsafeBytes { packet in
                buffer.arrived(packet, sequence: sequence, at: .at(milliseconds: milliseconds)) {
                    texts.append(Self.text($0))
                }
            }
            output += texts
        }

        mutating func expire(at milliseconds: Int64) {
            var texts: [String] = []
            buffer.expire(at: .at(milliseconds: milliseconds)) { texts.append(Self.text($0)) }
            output += texts
        }

        mutating func flush() {
            var texts: [String] = []
            buffer.flush { texts.append(Self.text($0)) }
            output += texts
        }

        var text: String { output.joined(separator: " ") }
    }

    /// Sequence numbers as they come, all at one moment, and what comes out.
    @Test(
        arguments: [
            ([1, 2, 3], "1 2 3"),
            ([1, 3, 2, 4], "1 2 3 4"),
            ([1, 5, 4, 3, 2, 6], "1 2 3 4 5 6"),
            ([65534, 0, 65535, 1], "65534 65535 0 1"),
            ([1, 2, 2, 1, 3], "1 2 3"),
            ([1, 3, 3, 2], "1 2 3"),
            // The window is 8: 2 may be waited for until 11 comes, but 10 is still held.
            ([1, 10], "1"),
            ([1, 11], "1 -9 11"),
            ([1, 4, 5, 12], "1 -2 4 5"),
            ([1, 4, 5, 15], "1 -2 4 5 -9 15"),
            ([1, 4, 10, 12], "1 -2 4"),
            // Too late.
            ([1, 11, 5, 12], "1 -9 11 12"),
            // A loss within `MAX_DROPOUT`, and another count beyond it.
            ([1, 3001], "1 -2999 3001"),
            ([1, 5000, 2, 3], "1 2 3"),
            ([1, 5000, 5001, 5002], "1 R 5000 5001 5002"),
            ([300, 199, 200, 201], "300 R 199 200 201"),
            ([300, 200, 201, 301], "300 301"),
            ([1, 3, 5000, 5001], "1 -1 3 R 5000 5001"),
            ([1, 65535, 0], "1"),
        ] as [([UInt16], String)])
    func whatComesOut(arrivals: [UInt16], text: String) {
        var bench = Bench()
        for sequence in arrivals { bench.arrive(sequence) }
        #expect(bench.text == text)
    }

    @Test func aGapIsGivenUpInTime() {
        var bench = Bench()
        bench.arrive(1, at: 0)
        #expect(bench.buffer.deadline == .never)
        bench.arrive(5, at: 10)
        bench.arrive(3, at: 50)
        #expect(bench.buffer.deadline == .at(milliseconds: 110))
        bench.expire(at: 109)
        #expect(bench.text == "1")
        bench.expire(at: 110)
        #expect(bench.text == "1 -1 3 -1 5", "both gaps were known since 10 ms")
        #expect(bench.buffer.deadline == .never)
        bench.arrive(2, at: 120)
        bench.arrive(5, at: 120)
        #expect(bench.buffer.tooLate == 1 && bench.buffer.duplicates == 1 && bench.buffer.lost == 2)
    }

    @Test func theNextGapHasItsOwnTime() {
        var bench = Bench()
        bench.arrive(1, at: 0)
        bench.arrive(3, at: 10)
        bench.arrive(5, at: 60)
        bench.expire(at: 110)
        #expect(bench.text == "1 -1 3")
        #expect(bench.buffer.deadline == .at(milliseconds: 160))
        bench.arrive(4, at: 100)
        #expect(bench.text == "1 -1 3 4 5")
    }

    @Test func anArrivalPastTheDeadlineGivesUpToo() {
        var bench = Bench()
        bench.arrive(1, at: 0)
        bench.arrive(3, at: 10)
        bench.arrive(4, at: 500)
        #expect(bench.text == "1 -1 3 4")
    }

    @Test func thePromisedFirstPacketIsWaitedFor() {
        var bench = Bench(first: 10)
        bench.arrive(11)
        bench.arrive(10)
        #expect(bench.text == "10 11")
        var late = Bench(first: 10)
        late.arrive(9)
        late.arrive(10)
        #expect(late.text == "10", "what was sent before the range is dropped")
        var lie = Bench(first: 10)
        for sequence in 40_000...40_002 as ClosedRange<UInt16> { lie.arrive(sequence) }
        #expect(lie.text == "R 40000 40001 40002")
    }

    @Test func flushingAndForgetting() {
        var bench = Bench()
        for sequence in [1, 3, 6] as [UInt16] { bench.arrive(sequence) }
        bench.flush()
        #expect(bench.text == "1 -1 3 -2 6")
        bench.arrive(9)
        bench.buffer.reset()
        #expect(bench.buffer.deadline == .never)
        for sequence in [100, 101] as [UInt16] { bench.arrive(sequence) }
        bench.flush()
        #expect(bench.text == "1 -1 3 -2 6 100 101")
    }

    @Test func theBytesAreTheOnesThatCame() {
        var buffer = RTPReorderBuffer()
        var payloads: [[UInt8]] = []
        for (sequence, size) in [(1, 3), (3, 50), (4, 9), (2, 70), (6, 1), (5, 0)] as [(UInt16, Int)] {
            let bytes = rtpPacket(sequence: sequence, payload: Array(repeating: UInt8(sequence), count: size))
            bytes.withUnsafeBytes { packet in
                buffer.arrived(packet, sequence: sequence, at: .at(milliseconds: 0)) { output in
                    if case .packet(let bytes) = output { payloads.append(Array(bytes.dropFirst(12))) }
                }
            }
        }
        let sizes = [3, 70, 50, 9, 0, 1]
        #expect(payloads == sizes.enumerated().map { Array(repeating: UInt8($0.offset + 1), count: $0.element) })
    }

    /// Whatever order packets come in: what goes out is a subsequence in order, nothing twice, and packets and losses add
    /// up.
    @Test(arguments: 0..<40 as Range<UInt64>) func theOutputIsInOrder(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let window = Int.random(in: 1...80, using: &random)
        var buffer = RTPReorderBuffer(
            policy: .init(patience: .milliseconds(.random(in: 1...200, using: &random)), window: window))
        let start = UInt64.random(in: 0..<65_536, using: &random)
        let lossOneIn = Int.random(in: 2...200, using: &random)
        let spread = UInt64.random(in: 0...90, using: &random)
        // Each packet is sent every 2 ms, and may be lost, doubled or late.
        var arrivals: [(time: UInt64, number: UInt64)] = []
        for number in start..<start + 3000 where number == start || Int.random(in: 0..<lossOneIn, using: &random) > 0 {
            let delay = number == start ? 0 : UInt64.random(in: 0...spread, using: &random)
            arrivals.append((number * 2 + delay, number))
            if Int.random(in: 0..<20, using: &random) == 0 {
                arrivals.append((number * 2 + UInt64.random(in: 0...spread, using: &random) + 1, number))
            }
        }
        arrivals.sort { ($0.time, $0.number) < ($1.time, $1.number) }

        var place = start
        var isFirst = true
        var delivered = 0
        var isSound = true
        func took(_ output: RTPReorderBuffer.Output) {
            switch output {
            case .packet(let bytes):
                guard let header = rtpHeader(Array(bytes)) else {
                    isSound = false
                    return
                }
                if isFirst { isFirst = false }
                if header.sequence != UInt16(truncatingIfNeeded: place) { isSound = false }
                if header.timestamp != UInt32(truncatingIfNeeded: place) { isSound = false }
                place += 1
                delivered += 1
            case .lost(let count):
                if count < 1 { isSound = false }
                place += UInt64(count)
            case .restarted: isSound = false
            }
        }
        for arrival in arrivals {
            let sequence = UInt16(truncatingIfNeeded: arrival.number)
            let now = Instant.at(milliseconds: Int64(arrival.time))
            if buffer.deadline < now { buffer.expire(at: buffer.deadline, deliver: took) }
            let packet = rtpPacket(sequence: sequence, timestamp: UInt32(truncatingIfNeeded: arrival.number))
            packet.withUnsafeBytes { buffer.arrived($0, sequence: sequence, at: now, deliver: took) }
            #expect(buffer.deadline > now)
        }
        buffer.flush(deliver: took)
        #expect(isSound)
        let different = Set(arrivals.map(\.number))
        #expect(delivered + buffer.duplicates + buffer.tooLate == arrivals.count && buffer.strays == 0)
        #expect(delivered + buffer.lost == Int(place - start))
        #expect(delivered <= different.count)
        // With room and patience for any delay there is, only what was lost on the way is missing.
        if spread < 80, window > 45, delivered < different.count { #expect(buffer.tooLate > 0) }
    }
}
