internal import Testing
internal import ThroughlineCore

@testable import ThroughlineProtocols

@Suite struct RTPReorderBufferTests {
    /// What came out, as text: numbers of packets, `-n` for losses, `R` for a new count.
    struct Bench {
        var buffer: RTPReorderBuffer
        var output: [String] = []

        /// The first packet is the first, unless said otherwise.
        init(
            _ policy: RTPReorderBuffer.Policy = .init(
                patience: .milliseconds(100), window: 8, beginning: .zero)
        ) { buffer = RTPReorderBuffer(policy: policy) }

        /// The beginning is waited for.
        static var patient: Bench { Bench(.init(patience: .milliseconds(100), window: 8)) }

        mutating func promise(_ first: UInt16) {
            var texts: [String] = []
            buffer.promises(first) { texts.append(Self.text($0)) }
            output += texts
        }

        static func text(_ output: RTPReorderBuffer.Output) -> String {
            switch output {
            case .packet(let bytes): rtpHeader(Array(bytes)).map { String($0.sequence) } ?? "?"
            case .filled(let bytes): rtpHeader(Array(bytes)).map { "+\($0.sequence)" } ?? "?"
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

    /// Sequence numbers as they come, a millisecond apart, and what comes out; with what `RTP-Info` promises.
    @Test(
        arguments: [
            // The promised one ends the waiting, wherever it comes.
            ([10, 11, 12], 10, "10 11 12"),
            ([11, 10, 12], 10, "10 11 12"),
            ([12, 11, 10], 10, "10 11 12"),
            // Without a promise four of them do.
            ([10], nil, ""),
            ([10, 11, 12], nil, ""),
            ([10, 11, 12, 13, 14], nil, "10 11 12 13 14"),
            ([11, 10, 13, 12, 14], nil, "10 11 12 13 14"),
            ([12, 11, 10, 11, 13], nil, "10 11 12 13"),
            ([0, 65535, 1, 65534], nil, "65534 65535 0 1"),
            // Promised, and never sent: nothing is called lost.
            ([12, 13, 14, 15], 10, "12 13 14 15"),
            // Sent before what was promised.
            ([9, 10, 11, 12], 10, "9 10 11 12"),
            // Lost in between.
            ([10, 11, 13, 14, 12], nil, "10 11 12 13 14"),
            // A promise that is a lie.
            ([10, 12, 11, 13], 40_000, "10 11 12 13"),
            // One that has nothing to do with the others does not disturb them.
            ([10, 20_000, 11, 12], nil, "10 11 12"),
            // Further ahead than the window lets it wait.
            ([10, 30, 31, 32], nil, "10 -19 30 31 32"),
        ] as [([UInt16], UInt16?, String)])
    func howItBegins(arrivals: [UInt16], promised: UInt16?, text: String) {
        var bench = Bench.patient
        if let promised { bench.promise(promised) }
        for (time, sequence) in arrivals.enumerated() { bench.arrive(sequence, at: Int64(time)) }
        #expect(bench.text == text)
    }

    @Test func theBeginningIsNotWaitedForLong() {
        var bench = Bench.patient
        bench.arrive(12, at: 5)
        bench.arrive(14, at: 8)
        #expect(bench.buffer.deadline == .at(milliseconds: 15))
        bench.expire(at: 14)
        #expect(bench.text == "")
        bench.expire(at: 15)
        #expect(bench.text == "12")
        #expect(bench.buffer.deadline == .at(milliseconds: 108), "13 has the time of any other")
        bench.arrive(11, at: 16)
        bench.arrive(13, at: 17)
        #expect(bench.text == "12 13 14")
        #expect(bench.buffer.tooLate == 1)
        // The packet before it ends it too.
        var other = Bench.patient
        other.arrive(12, at: 5)
        other.arrive(13, at: 30)
        #expect(other.text == "12 13")
        // And so does the answer that comes after it.
        var promised = Bench.patient
        promised.arrive(12, at: 5)
        promised.promise(11)
        #expect(promised.text == "")
        promised.promise(12)
        #expect(promised.text == "12")
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
            policy: .init(
                patience: .milliseconds(.random(in: 1...200, using: &random)), window: window,
                beginning: .milliseconds(.random(in: 0...10, using: &random)),
                beginningCount: .random(in: 1...6, using: &random)))
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
            case .filled, .restarted: isSound = false
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
