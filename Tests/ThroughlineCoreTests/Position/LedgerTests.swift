internal import Testing
internal import ThroughlineCore

@Suite struct LedgerTests {
    static func ledger(_ adjustment: Adjustment) -> Ledger {
        var ledger = Ledger()
        ledger.adjusted(adjustment)
        return ledger
    }

    /// The table of the type's documentation, and its edges: bytes, bandwidth, scale, where it began and where it stands.
    @Test(
        arguments: [
            (1_000_000, 2_000_000, Rate(1), 10, 14_000), (1_000_000, 2_000_000, Rate(2), 10, 18_000),
            (1_000_000, 1_000_000, Rate(-1, 2), 10, 6000), (1_000_000, 1_000_000, Rate(-2), 10, 0),
            (1_000_000, 1_000_000, Rate(0), 10, 10_000), (0, 1_000_000, Rate(1), 10, 10_000),
            (3, 24_000, Rate(1), 0, 1),
        ] as [(Int, Int64, Rate, Int64, Int64)])
    func payloadOverBandwidthTimesScale(bytes: Int, bandwidth: Int64, scale: Rate, start: Int64, npt: Int64) {
        var ledger = Self.ledger(
            .play(from: .seconds(start), scale: scale, bandwidth: .media(bitsPerSecond: bandwidth)))
        ledger.received(payload: bytes)
        #expect(ledger.npt == .milliseconds(npt))
    }

    /// A flow whose adjustments come at 15 s (twice the bandwidth), 30 s (a scale of 2) and 45 s (a quarter of it), from
    /// 100 s on.
    @Test func aMinuteOfAdjustments() throws {
        var ledger = Self.ledger(.play(from: .seconds(100), bandwidth: .media(bitsPerSecond: 1_000_000)))
        var (bits, scale) = (1_000_000, Rate(1))
        var truth = MediaTime.seconds(100)
        for step in 0..<6000 {
            switch step {
            case 1500:
                bits = 2_000_000
                ledger.adjusted(Adjustment(bandwidth: .media(bitsPerSecond: 2_000_000)))
            case 3000:
                scale = Rate(2)
                ledger.adjusted(.play(scale: scale))
            case 4500:
                bits = 500_000
                ledger.adjusted(Adjustment(bandwidth: .media(bitsPerSecond: 500_000)))
            default: break
            }
            // Every 10 ms a packet; headers of RTP and UDP with each.
            ledger.received(payload: bits / 8 / 100, overhead: 40)
            truth += .milliseconds(10) * scale
        }
        #expect(truth == .seconds(190))
        #expect(ledger.npt == truth)
        let position = try #require(ledger.position)
        #expect(position.basis == .ledger && position.uncertainty == .milliseconds(100 + 900))
        #expect(ledger.overheadBytes == 240_000 && ledger.intervalCount == 4)
    }

    @Test func onlyPayloadThatPlaysGains() {
        var ledger = Self.ledger(.play(from: .zero, bandwidth: .media(bitsPerSecond: 8000)))
        ledger.received(payload: 1000, overhead: 500, repeated: 700)
        #expect(ledger.npt == .seconds(1))
        ledger.adjusted(.pause())
        ledger.received(payload: 9000)
        #expect(ledger.npt == .seconds(1))
        ledger.adjusted(.play())
        ledger.received(payload: 2000)
        #expect(ledger.npt == .seconds(3))
        #expect(ledger.payloadBytes == 12_000 && ledger.overheadBytes == 500 && ledger.repeatedBytes == 700)
    }

    @Test func aMessageThatCarriesAPositionSetsIt() {
        var ledger = Self.ledger(.play(from: .seconds(5), bandwidth: .media(bitsPerSecond: 8000)))
        #expect(ledger.position == Position(npt: .seconds(5), basis: .control, uncertainty: Ledger.slack))
        ledger.received(payload: 2000)
        let interval = ledger.adjusted(.pause(at: .milliseconds(6500)))
        #expect(interval.start == .seconds(5) && interval.end == .seconds(7) && interval.payloadBytes == 2000)
        #expect(ledger.npt == .milliseconds(6500) && ledger.counted == .zero)
        ledger.adjusted(.play(from: .seconds(60)))
        ledger.received(payload: 1000)
        #expect(ledger.npt == .seconds(61) && ledger.counted == .seconds(1))
    }

    @Test func aSpeedCountsWhereTheBandwidthIsThatOfTheDelivery() {
        for (bandwidth, seconds) in [
            (Adjustment.Bandwidth.media(bitsPerSecond: 8000), 2), (.delivery(bitsPerSecond: 8000), 4),
        ] as [(Adjustment.Bandwidth, Int64)] {
            var ledger = Self.ledger(.play(speed: Rate(2), bandwidth: bandwidth))
            ledger.received(payload: 2000)
            #expect(ledger.npt == .seconds(seconds))
        }
    }

    @Test func withoutABandwidthNothingIsKnownUntilItIsLearnt() {
        var ledger = Self.ledger(.play(from: .seconds(5)))
        #expect(ledger.position?.basis == .control)
        ledger.received(payload: 1000)
        #expect(ledger.position == nil)
        ledger.adjusted(Adjustment(bandwidth: .media(bitsPerSecond: 8000)))
        ledger.received(payload: 1000)
        #expect(ledger.position == nil, "what came before is not known yet")
        ledger.adjusted(Adjustment(bandwidth: .unknown))
        ledger.learnt(bitsPerSecond: 4000, at: .seconds(8))
        ledger.received(payload: 1000)
        #expect(ledger.position == Position(npt: .seconds(10), basis: .ledger, uncertainty: .milliseconds(200)))
        ledger.learnt(bitsPerSecond: 0, at: .seconds(1))
        #expect(ledger.npt == .seconds(10))
    }

    /// A third of a flick is left over with every byte; after a day of adjustments none of it is lost.
    @Test func nothingIsLostByRounding() {
        var ledger = Self.ledger(.play(bandwidth: .media(bitsPerSecond: MediaTime.flicksPerSecond * 24)))
        for _ in 0..<86_400 {
            ledger.received(payload: 1)
            ledger.adjusted(.play(scale: .normal))
        }
        #expect(ledger.npt == MediaTime(flicks: 28_799), "a third, cut off at 2^-32 flick each time")
        ledger.received(payload: 1)
        #expect(ledger.npt == MediaTime(flicks: 28_800))
        // Four weeks in one interval.
        var long = Self.ledger(.play(bandwidth: .media(bitsPerSecond: 3_000_001)))
        for _ in 0..<28 * 24 { long.received(payload: 3_000_001 * 450) }
        #expect(long.npt == .seconds(28 * 86_400))
    }

    @Test func absurdNumbersSaturate() {
        var ledger = Self.ledger(.play(from: MediaTime(flicks: .max), bandwidth: .media(bitsPerSecond: 1)))
        for _ in 0..<4 { ledger.received(payload: .max, overhead: .max, repeated: .min) }
        #expect(ledger.npt == MediaTime(flicks: .max) && ledger.repeatedBytes == 0)
        for scale in [Rate(.max), Rate(-.max), Rate(1, .max), Rate(-1, .max)] {
            for bits in [1, .max, 0, .min] as [Int64] {
                for bandwidth in [Adjustment.Bandwidth.media(bitsPerSecond: bits), .delivery(bitsPerSecond: bits)] {
                    var ledger = Self.ledger(.play(scale: scale, speed: Rate(.max), bandwidth: bandwidth))
                    ledger.received(payload: .max)
                    ledger.adjusted(.play(from: MediaTime(flicks: .min), speed: Rate(-1)))
                    #expect(ledger.npt == .zero && ledger.speed == Rate(.max))
                    ledger.received(payload: .max)
                    #expect(ledger.npt >= .zero && ledger.counted >= .zero)
                }
            }
        }
    }

    /// Random adjustments: the ledger stands where its intervals lead, and each interval gained what the formula says.
    @Test(arguments: 0..<20 as Range<UInt64>) func theLedgerIsTheSumOfItsIntervals(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var ledger = Ledger()
        var sum = MediaTime.zero
        var payload: Int64 = 0
        for _ in 0..<400 {
            var bytes: Int64 = 0
            for _ in 0..<Int.random(in: 0..<20, using: &random) {
                let packet = Int.random(in: 0..<1500, using: &random)
                ledger.received(payload: packet, overhead: Int.random(in: 0..<99, using: &random))
                bytes += Int64(packet)
            }
            let (isPlaying, scale, bits) = (ledger.isPlaying, ledger.scale, ledger.bitsPerSecond)
            let adjustment = Adjustment(
                isPlaying: random.chance(3) ? .random(using: &random) : nil,
                position: random.chance(9) ? MediaTime(flicks: .random(in: 0...1 << 44, using: &random)) : nil,
                scale: random.chance(3)
                    ? Rate(.random(in: -4...9, using: &random), .random(in: 1...7, using: &random)) : nil,
                speed: random.chance(5) ? Rate(.random(in: 1...4, using: &random)) : nil,
                bandwidth: random.chance(3) ? .media(bitsPerSecond: .random(in: 1...9_000_000, using: &random)) : nil)
            let interval = ledger.adjusted(adjustment)
            #expect(interval.start == sum)
            sum += interval.gained
            payload += interval.payloadBytes
            #expect(interval.payloadBytes == (isPlaying ? bytes : 0))
            if let bits, isPlaying {
                // Independently, and rounded; the fraction carried makes a flick of difference.
                let exact =
                    MediaTime(flicks: (bytes * 8).scaled(by: MediaTime.flicksPerSecond, over: bits) ?? 0) * scale
                let bound = abs(Int64(scale.numerator)) / Int64(scale.denominator) + 2
                #expect(
                    (interval.gained - exact).magnitude.flicks <= bound || interval.end == .zero,
                    "\(interval): \(exact)")
            } else {
                #expect(interval.gained == .zero)
            }
            if let position = adjustment.position { sum = position }
            #expect(ledger.npt == sum)
        }
    }
}
