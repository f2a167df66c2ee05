internal import Testing
internal import ThroughlineCore

@Suite struct KeyFrameStartTests {
    /// Groups of five pictures 40 ms apart, the key frame first; `s` stands for sound.
    private func finding(_ target: Int64, _ packets: String, takesFirst: Bool = false) -> KeyFrameStart {
        var start = KeyFrameStart(target: .milliseconds(target), takesFirst: takesFirst)
        for word in packets.split(separator: " ") {
            let isSound = word.hasPrefix("s")
            let isKey = word.hasPrefix("k")
            let time = NPT.milliseconds(Int64(word.drop { $0.isLetter }) ?? 0)
            if start.arrived(.init(isPicture: !isSound, isKey: isKey, pts: time, dts: time)) != .searching { break }
        }
        return start
    }

    @Test(
        arguments: [
            (500, "p0 k40 p80 s10 k240 p280 k440 s400 p480 p520", 440),
            (440, "k40 p80 k240 k440 p480", 440),
            (439, "k40 p80 k240 k440 p480", 240),
            (10, "k40 p80", nil), (500, "p480 p520 k560", nil), (500, "s480 s520", nil),
        ] as [(Int64, String, Int64?)])
    func itIsTheLastKeyFrameAtOrBefore(_ target: Int64, _ packets: String, _ expected: Int64?) {
        #expect(finding(target, packets).best?.time == expected.map { .milliseconds($0) })
    }

    @Test func whatBeginsBehindThePlaceIsTooLate() {
        var start = KeyFrameStart(target: .milliseconds(500), takesFirst: false)
        #expect(
            start.arrived(.init(isPicture: true, isKey: true, pts: .milliseconds(560), dts: .milliseconds(560)))
                == .tooLate)
    }

    @Test func withAnIndexTheFirstWillDo() {
        #expect(finding(500, "k40 p80 k240", takesFirst: true).best?.time == .milliseconds(40))
    }
}
