internal import Testing
internal import ThroughlineCore

@Suite struct DeliveredMemoryTests {
    /// A letter for each packet, 40 ms apart; the same letter is the same packet.
    private func memory(_ line: String, from first: Int = 0) -> DeliveredMemory {
        var memory = DeliveredMemory(flowCount: 1)
        for (index, letter) in line.enumerated() {
            let time = MediaTime.milliseconds(Int64(first + index) * 40)
            memory.delivered(
                UInt64(letter.unicodeScalars.first!.value), pts: time, dts: time, duration: .milliseconds(40), flow: 0)
        }
        return memory
    }

    private func isProven(_ line: String, in memory: DeliveredMemory) -> Bool {
        let recollection = memory.recall(flow: 0)
        var run = DeliveredRun()
        for letter in line { run.arrived(UInt64(letter.unicodeScalars.first!.value), in: recollection) }
        return run.isProven
    }

    @Test func aRunThatWasDeliveredIsKnown() {
        #expect(isProven("cde", in: memory("abcdefgh")))
        #expect(!isProven("cd", in: memory("abcdefgh")), "two may be alike by chance")
        #expect(!isProven("ced", in: memory("abcdefgh")), "not in another order")
        #expect(!isProven("cxde", in: memory("abcdefgh")))
        #expect(!isProven("xyz", in: memory("abcdefgh")))
    }

    @Test func whatRepeatsProvesNothing() {
        #expect(!isProven("---", in: memory("abc-----")))
        #expect(!isProven("abc", in: memory("abcdabcd")))
        #expect(isProven("abc-", in: memory("abc-")))
        #expect(memory("abca").recall(flow: 0).repeats(97))
        #expect(!memory("abca").recall(flow: 0).repeats(98))
        #expect(!memory("abca").recall(flow: 0).repeats(nil))
    }

    @Test func aViewerWhoGoesElsewhereBeginsAnew() {
        var memory = memory("abcdefgh")
        memory.forget()
        #expect(!isProven("cde", in: memory))
    }

    @Test func whatWasCutIsNotDelivered() {
        var memory = memory("abcdefgh")
        memory.cut(flow: 0, to: .milliseconds(4 * 40))
        #expect(memory.recall(flow: 0).packets.count == 5)
        #expect(isProven("cde", in: memory))
        #expect(!isProven("fgh", in: memory))
        memory.cut(flow: 0, to: nil)
        #expect(memory.recall(flow: 0).packets.isEmpty)
    }

    @Test func itReachesBackAMinuteAndIsBounded() {
        var memory = DeliveredMemory(flowCount: 2)
        for index in 0..<100_000 {
            let time = MediaTime.milliseconds(Int64(index) * 20)
            memory.delivered(UInt64(index), pts: time, dts: time, duration: .milliseconds(20), flow: 0)
            memory.delivered(
                UInt64(index), pts: .milliseconds(Int64(index)), dts: .milliseconds(Int64(index)),
                duration: .milliseconds(1), flow: 1)
        }
        let recollection = memory.recall(flow: 0)
        #expect(recollection.packets.count == 3001)
        #expect(recollection.place(of: 99_999) == 3000 && recollection.place(of: 50_000) == nil)
        #expect(memory.recall(flow: 1).packets.count == DeliveredMemory.packetLimit)
        memory.delivered(1, pts: .zero, dts: .zero, duration: .zero, flow: 7)
        #expect(memory.recall(flow: 7).packets.isEmpty)
    }
}
