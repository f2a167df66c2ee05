internal import Glibc
internal import Testing
internal import ThroughlineCore

@Suite struct SoundPrintTests {
    /// A second and a half of a tone that sweeps from one frequency to another, in Hz.
    private func sweep(_ from: Double, _ to: Double, rate: Int, shift: Double = 0, noise: Float = 0, silent: Double = 0)
        -> SoundPrint
    {
        guard var print = SoundPrint(sampleRate: rate) else { preconditionFailure("a usual rate") }
        var seed: UInt64 = 1
        var phase = 0.0
        print.add(
            (0..<(rate * 3 / 2)).map { index in
                let time = Double(index) / Double(rate) + shift
                phase += 2 * .pi * (from + (to - from) * time / 1.5) / Double(rate)
                seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                guard time - shift >= silent else { return 0 }
                return Float(sin(phase)) / 2 + noise * (Float(seed >> 40) / 0x1p24 - 0.5)
            })
        return print
    }

    private func likeness(_ a: SoundPrint, _ b: SoundPrint, offset: Int = 0, slack: Int = 8) -> Float {
        switch a.placement(in: b, offset: offset, slack: slack, reach: 0, skipped: 5) {
        case .here(let likeness), .untold(let likeness), .different(let likeness), .elsewhere(_, let likeness): likeness
        case nil: -2
        }
    }

    private func placement(_ a: SoundPrint, _ b: SoundPrint, offset: Int = 0) -> SoundPrint.Placement? {
        a.placement(in: b, offset: offset, slack: 8, reach: 300, skipped: 5)
    }

    @Test(arguments: [0.2, 0.5, -0.3])
    func thePlaceIsFoundWhereItIsNotExpected(_ shift: Double) {
        let (whole, other) = (sweep(200, 3000, rate: 48_000), sweep(200, 3000, rate: 44_100, shift: shift))
        guard case .here = placement(whole, sweep(200, 3000, rate: 44_100, noise: 0.01)) else {
            Issue.record("not where it should be")
            return
        }
        guard case .elsewhere(let blocks, let likeness) = placement(whole, other) else {
            Issue.record("\(String(describing: placement(whole, other)))")
            return
        }
        #expect(abs(Double(blocks) + shift * 100) <= 4 && likeness > 0.8)
    }

    @Test(arguments: [0, 0.15, -0.15])
    func silenceThatADecoderBeginsWithTellsNoPlace(_ shift: Double) {
        let (whole, other) = (
            sweep(430, 700, rate: 44_100, silent: 0.14), sweep(430, 700, rate: 44_100, shift: shift, silent: 0.16)
        )
        guard case .here(let likeness) = placement(whole, other, offset: Int(-shift * 100)) else {
            Issue.record("\(String(describing: placement(whole, other)))")
            return
        }
        #expect(likeness > 0.95)
    }

    @Test func steadySoundTellsNoPlace() {
        let original = sweep(440, 440, rate: 48_000)
        guard case .untold = placement(original, sweep(440, 440, rate: 44_100)) else {
            Issue.record("\(String(describing: placement(original, original)))")
            return
        }
    }

    @Test func theSameSoundAtAnotherRateWithNoiseIsTheSame() {
        let original = sweep(200, 3000, rate: 48_000)
        #expect(original.count == 150)
        #expect(likeness(original, sweep(200, 3000, rate: 44_100)) > 0.95)
        #expect(likeness(original, sweep(200, 3000, rate: 22_050, noise: 0.01)) > 0.9)
        #expect(likeness(original, sweep(200, 3000, rate: 48_000, shift: 0.05)) > 0.95, "within the slack")
    }

    @Test func anotherSoundIsNot() {
        let original = sweep(200, 3000, rate: 48_000)
        #expect(likeness(original, sweep(3000, 200, rate: 48_000)) < 0.3)
        #expect(likeness(original, sweep(400, 1200, rate: 44_100)) < 0.5)
        #expect(likeness(original, sweep(1000, 1000, rate: 48_000)) < 0.3)
        #expect(likeness(original, sweep(200, 3000, rate: 48_000, shift: 0.7)) < 0.5, "another place of it")
    }

    @Test func steadySoundsAreToldApartByTheirPitch() {
        let original = sweep(440, 440, rate: 48_000)
        #expect(likeness(original, sweep(440, 440, rate: 44_100)) > 0.95)
        #expect(likeness(original, sweep(2000, 2000, rate: 48_000)) < 0.5)
    }

    @Test func theOffsetPlacesOneAgainstTheOther() {
        let (whole, later) = (sweep(200, 3000, rate: 48_000), sweep(200, 3000, rate: 48_000, shift: 0.5))
        #expect(likeness(later, whole, offset: 50, slack: 2) > 0.95)
        #expect(likeness(later, whole, offset: 0, slack: 2) < 0.5)
        #expect(later.placement(in: whole, offset: 140, slack: 2, reach: 0, skipped: 5) == nil, "too little in common")
    }

    @Test func silenceTellsNothing() {
        guard var silent = SoundPrint(sampleRate: 48_000) else { return }
        silent.add(Array(repeating: Float(0), count: 72_000))
        let sound = sweep(200, 3000, rate: 48_000)
        #expect(silent.placement(in: sound, offset: 0, slack: 2, reach: 300, skipped: 5) == nil)
        #expect(sound.placement(in: silent, offset: 0, slack: 2, reach: 300, skipped: 5) == nil)
    }

    @Test func absurdInputDoesNoHarm() {
        #expect(SoundPrint(sampleRate: 0) == nil)
        #expect(SoundPrint(sampleRate: -8000) == nil)
        guard var odd = SoundPrint(sampleRate: 8000) else { return }
        odd.add([.nan, .infinity, -.infinity] + Array(repeating: Float(0.5), count: 12_000))
        #expect(likeness(odd, odd, slack: 1).isFinite)
    }
}
