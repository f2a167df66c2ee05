internal import Testing
internal import ThroughlineCore

/// Where a new ingest goes on, as tables; see `AlignerTable`.
@Suite struct PacketAlignerTests {
    // MARK: - The same encode

    @Test(arguments: [0, 40, -200, 700] as [Int64])
    func theFirstNewPacketFollowsTheLastKnownOne(_ shift: Int64) {
        let outcome = AlignerTable(
            received: ["v|Abcdefgh", "a|12345678"],
            arriving: ["v|   defghijk", "a|   456789xy"],
            shift: .milliseconds(shift)
        ).outcome()
        #expect(outcome.status == .aligned)
        #expect(outcome.accepted == ["        ijk", "        9xy"])
        #expect(outcome.shifts == [0: [shift, shift], 1: [shift, shift]])
        #expect(outcome.exact == [true, true])
        #expect(outcome.arrivals <= 6)
    }

    @Test(arguments: [3_601_400, -26 * 3_600_000] as [Int64])
    func timelinesThatHaveNothingInCommon(_ shift: Int64) {
        var table = AlignerTable(
            received: ["v|Abcdefgh"], arriving: ["v|   defghijk"], shift: .milliseconds(shift),
            timeline: Timeline(.live))
        #expect(table.outcome().accepted == ["        ijk"])
        table.timeline = Timeline(.fromStart)
        #expect(table.outcome().accepted == ["        ijk"], "packets that occur once prove any distance")
        #expect(table.outcome().shifts[0]?.first == shift)
    }

    // MARK: - The same packets elsewhere on the timeline

    @Test(arguments: [1300, -1320, 5000] as [Int64])
    func uniquePacketsProveAnyShift(_ shift: Int64) {
        let outcome = AlignerTable(
            received: ["v|Abcdefghijkl", "a|123456789xyz"], arriving: ["v|   defghijklmn", "a|   456789xyzäö"],
            shift: .milliseconds(shift)
        ).outcome()
        #expect(outcome.accepted == ["            mn", "            äö"])
        #expect(outcome.shifts == [0: [shift, shift], 1: [shift, shift]])
    }

    /// A still picture is coded over and over again: by itself it would fit 16 columns later, too.
    @Test func aStillPictureDoesNotOutvoteSoundThatContradictsIt() {
        // The pictures of the first 8 columns come again from the 32nd on, and the sound there was never received.
        let outcome = AlignerTable(
            received: ["v|AbcdefghIjklmnop", "a|123456789xyzwvut"],
            arriving: ["v|  cdefghQrstuvwxyz", "a|  äöüßéèêçñàáâãíìî"], shift: .milliseconds(-1280)
        ).outcome()
        #expect(outcome.status != .aligned)
        #expect(outcome.accepted == ["", ""])
    }

    @Test func flowsThatProveDifferentPlacesDisproveBoth() {
        // The pictures say 0, the sound says 400 ms.
        let outcome = AlignerTable(
            received: ["v|Abcdefghijklmnop", "a|123456789xyzwvut"],
            arriving: ["v|   defghijklmnopqr", "a|             456789xyzwvutäö"]
        ).outcome()
        #expect(outcome.status.isHopeless)
    }

    /// A standby's container begins its sound a frame later than the one that is left.
    @Test func soundAFrameApartFromItsPicturesIsMatchedByItself() {
        let outcome = AlignerTable(
            received: ["v|Abcdefghijkl", "a|123456789xyz"],
            arriving: ["v|   defghijklmnopq", "a|  456789xyzäöüßéèê"]
        ).outcome()
        #expect(outcome.accepted == ["            mnopq", "           äöüßéèê"])
        #expect(outcome.exact == [true, true])
    }

    // MARK: - What was delivered longer ago

    private static func line(_ letters: ClosedRange<Int>, at first: Int, flow: UInt64 = 1) -> [PacketTrace] {
        letters.enumerated().map { index, letter in
            let time = MediaTime.milliseconds(Int64(first + index) * 40)
            return PacketTrace(
                pts: time, dts: time, duration: .milliseconds(40), isKey: false,
                fingerprint: flow << 32 | UInt64(letter), glance: flow << 40 | UInt64(letter))
        }
    }

    private static func tail(_ letters: ClosedRange<Int>, isEssential: Bool, flow: UInt64 = 1) -> FlowTail {
        let whole = line(letters, at: letters.lowerBound, flow: flow)
        let delivered = whole.map {
            DeliveredPacket(fingerprint: $0.glance!, pts: $0.pts!, dts: $0.dts!, duration: $0.duration)
        }
        return FlowTail(
            packets: whole.suffix(8), isSparse: false, isEssential: isEssential, memory: Recollection(delivered))
    }

    /// A server is asked to go on at 10 s, says that it does, and begins 4 s earlier.
    @Test func whatBeginsLongBeforeIsKnown() {
        var aligner = PacketAligner(tails: [Self.tail(0...249, isEssential: true)], timeline: Timeline(.fromStart))
        let arriving = Self.line(150...280, at: 240)
        for packet in arriving where aligner.status == .searching { aligner.arrived(packet, flow: 0) }
        #expect(aligner.status == .aligned)
        #expect(aligner.timelineShift == .milliseconds(-90 * 40))
        let fresh = arriving.filter { aligner.verdict($0, flow: 0) != .known }
        #expect(fresh.map(\.fingerprint) == Self.line(250...280, at: 0).map(\.fingerprint))
    }

    /// Of the last packets each occurs once, in the minute before they all come again and again.
    /// A programme of 40 packets that is played again and again.
    @Test func whatRepeatsWithinTheMinuteIsToldApartByItsTime() {
        let whole = (0..<240).map { index in
            let time = MediaTime.milliseconds(Int64(index) * 40)
            return PacketTrace(
                pts: time, dts: time, duration: .milliseconds(40), isKey: false, fingerprint: UInt64(index % 40),
                glance: UInt64(index % 40))
        }
        let memory = Recollection(
            whole.map { DeliveredPacket(fingerprint: $0.glance!, pts: $0.pts!, dts: $0.dts!, duration: $0.duration) })
        var aligner = PacketAligner(
            tails: [FlowTail(packets: whole.suffix(30), isSparse: false, isEssential: true, memory: memory)],
            timeline: Timeline(.fromStart))
        for packet in whole[215...] where aligner.status == .searching { aligner.arrived(packet, flow: 0) }
        #expect(aligner.status == .aligned && aligner.timelineShift == .zero)
    }

    @Test func whatRepeatsWithinTheMinuteProvesNothing() {
        let letters = (0..<240).map { $0 % 40 }
        let whole = letters.enumerated().map { index, letter in
            let time = MediaTime.milliseconds(Int64(index) * 40)
            return PacketTrace(
                pts: time, dts: time, duration: .milliseconds(40), isKey: false, fingerprint: UInt64(letter),
                glance: UInt64(letter))
        }
        let delivered = whole.map {
            DeliveredPacket(fingerprint: $0.glance!, pts: $0.pts!, dts: $0.dts!, duration: $0.duration)
        }
        let memory = Recollection(delivered)
        let arriving = letters[10..<30].enumerated().map { index, letter in
            let time = MediaTime.milliseconds(Int64(235 + index) * 40)
            return PacketTrace(
                pts: time, dts: time, duration: .milliseconds(40), isKey: false, fingerprint: UInt64(letter),
                glance: UInt64(letter))
        }
        for memory in [memory, nil] {
            var aligner = PacketAligner(
                tails: [FlowTail(packets: whole.suffix(30), isSparse: false, isEssential: true, memory: memory)],
                timeline: Timeline(.fromStart))
            for packet in arriving where aligner.status == .searching { aligner.arrived(packet, flow: 0) }
            #expect((aligner.status == .aligned) == (memory == nil))
        }
    }

    @Test func eachFlowGoesOnWhereItEnded() {
        let outcome = AlignerTable(
            received: ["v|Abcdefghijklmnopqrst", "a|1234567"],
            arriving: ["v|   defghijklmnopqrstuvwx", "a|   456789äöüßéèêçñ"]
        ).outcome()
        #expect(outcome.status == .aligned)
        #expect(outcome.accepted == ["                    uvwx", "       89äöüßéèêçñ"])
    }

    @Test func theNewIngestMayBeginBeforeAllThatIsKnown() {
        let outcome = AlignerTable(
            received: ["v|      Abcdef", "a|      123456"],
            arriving: ["v|UvwxyzAbcdefgh", "a|äöüßéè12345678"]
        ).outcome()
        #expect(outcome.accepted == ["            gh", "            78"])
    }

    @Test(arguments: [(0, 2), (2, 0), (2, 2), (1, 3)] as [(Int64, Int64)])
    func anotherReorderDelay(received: Int64, arriving: Int64) {
        let outcome = AlignerTable(
            received: ["v|Abcdefgh", "a|12345678", "s|  k"],
            arriving: ["v|   defghijk", "a|   456789xy", "s|          l"],
            decodeLead: (received, arriving)
        ).outcome()
        #expect(outcome.accepted == ["        ijk", "        9xy", "          l"])
        // Decode times of pictures go on as before; those of sound and subtitles are not moved by that.
        #expect(outcome.shifts[0] == [0, (arriving - received) * 40])
        #expect(outcome.shifts[1] == [0, 0])
        #expect(outcome.shifts[2] == [0, 0])
    }

    // MARK: - Too late

    @Test func anOverlapThatIsThereIsNotMissed() {
        var table = AlignerTable(received: ["v|Abcdefgh", "a|12345678"], arriving: ["v|     fghijk", "a|     678xy"])
        table.timeline = Timeline(.declared, flowsCountApart: true)
        #expect(table.outcome().missedAfter == nil)
        #expect(table.outcome().accepted == ["        ijk", "        xy"])
    }

    /// So that the origin can be asked from earlier before more time is lost; but not before a place could be proven.
    @Test func whatBeginsTooLateIsSeenWithTheFirstPacketsThatAreNew() {
        var table = AlignerTable(
            received: ["v|Abcdefgh", "a|12345678"], arriving: ["v|        ijklmnopq", "a|        xyzäöüß"])
        table.timeline = Timeline(.declared, flowsCountApart: true)
        #expect(table.outcome().missedAfter == 8)
        // The pictures are recognised, and the sound is not.
        table.arriving = ["v|   defghijklmnopq", "a|        xyzäöüß"]
        #expect(table.outcome().missedAfter == 13)
    }

    /// A server that answers as if it began where it was asked to sends a stray picture, and then what lies well before.
    @Test func whatBeginsWithAStrayPacketIsNotMissed() {
        var aligner = PacketAligner(
            tails: [Self.tail(0...249, isEssential: true)], timeline: Timeline(.declared, flowsCountApart: true))
        // Under times that lie behind all that is known.
        for packet in Self.line(900...900, at: 250) + Self.line(150...300, at: 251) where aligner.status == .searching {
            aligner.arrived(packet, flow: 0)
            #expect(!aligner.missedTheOverlap)
        }
        #expect(aligner.status == .aligned)
        #expect(aligner.timelineShift == .milliseconds(-101 * 40))
    }

    @Test func silenceMissesNothing() {
        var table = AlignerTable(
            received: ["v|Abcdefghijkl", "a|12----------"],
            arriving: ["v|   defghijklmnopqrstuvwx", "a|         ----------"])
        table.timeline = Timeline(.declared, flowsCountApart: true)
        #expect(table.outcome().missedAfter == nil)
    }

    // MARK: - What cannot be told apart by itself

    @Test(arguments: 0...5)
    func silenceIsToldApartByTime(_ from: Int) {
        let outcome = AlignerTable(
            received: ["a|abcdef------"],
            arriving: ["a|" + String(repeating: " ", count: from) + "abcdef----------xy".dropFirst(from)]
        ).outcome()
        #expect(outcome.accepted == ["            ----xy"])
    }

    @Test(arguments: 0..<8)
    func silenceBesidePictures(_ from: Int) {
        let line = "Abcdefghijklmnop"
        let outcome = AlignerTable(
            received: ["v|Abcdefghij", "a|12--------"],
            arriving: [
                "v|" + String(repeating: " ", count: from) + line.dropFirst(from),
                "a|" + String(repeating: " ", count: from) + "12--------------".dropFirst(from),
            ],
            shift: .milliseconds(Int64(from) * 3)
        ).outcome()
        #expect(outcome.accepted == ["          klmnop", "          ------"])
        #expect(outcome.exact == [true, true])
    }

    @Test(arguments: ["----------", "abc-------", "----------------------------------------"])
    func silenceAloneProvesNothing(_ received: String) {
        let outcome = AlignerTable(
            received: ["a|" + received], arriving: ["a|   " + String(repeating: "-", count: 80)]
        ).outcome()
        #expect(outcome.status.isHopeless)
    }

    @Test func aPacketThatClaimsToLastTooLongIsNotTakenForItsNeighbour() {
        // Of three packets alike, the first claims to last four columns: within half of that lie all three.
        var known: [PacketTrace] = []
        var stream: [PacketTrace] = []
        for column in 0..<12 {
            let trace = PacketTrace(
                pts: .milliseconds(Int64(column) * 20), dts: .milliseconds(Int64(column) * 20),
                duration: .milliseconds(column == 7 ? 80 : 20), isKey: true,
                fingerprint: column < 7 ? UInt64(column) : column < 10 ? 77 : UInt64(100 + column))
            if column < 9 { known.append(trace) }
            if column > 2 { stream.append(trace) }
        }
        var aligner = PacketAligner(tails: [FlowTail(packets: known, isSparse: false)], timeline: Timeline(.fromStart))
        for trace in stream { aligner.arrived(trace, flow: 0) }
        #expect(aligner.status == .aligned)
        #expect(stream.filter { aligner.verdict($0, flow: 0) != .known }.map(\.pts?.milliseconds) == [180, 200, 220])
    }

    // MARK: - Damage

    @Test(arguments: ["Abcdefg#", "Abcdefg?", "Abcde###", "A#c#efg#", "Abcdef#h"])
    func aDamagedCopyIsKnownAllTheSame(_ received: String) {
        let outcome = AlignerTable(
            received: ["v|" + received, "a|12345678"],
            arriving: ["v| bcdefghijk", "a| 23456789xy"]
        ).outcome()
        #expect(outcome.status == .aligned)
        #expect(outcome.accepted == ["        ijk", "        9xy"])
    }

    @Test(arguments: ["Abcdefg h", "Abcd fg h"])
    func aPacketThatWasLostIsNotTakenForTheLast(_ received: String) {
        // The viewer is past it, and what came after it was received.
        let outcome = AlignerTable(
            received: ["v|" + received, "a|123456789"],
            arriving: ["v|  cdefgXhijk", "a|  3456789äöü"]
        ).outcome()
        #expect(outcome.status == .aligned)
        #expect(outcome.accepted == ["         ijk", "         äöü"])
    }

    @Test func whatTheNewOriginHasDamagedIsKnown() {
        let outcome = AlignerTable(
            received: ["v|Abcdefgh"], arriving: ["v| bcdefg#ijk"]
        ).outcome()
        #expect(outcome.accepted == ["        ijk"])
    }

    // MARK: - Where it begins

    @Test(arguments: 0...5)
    func beginningInsideTheKnownRange(_ from: Int) {
        let outcome = AlignerTable(
            received: ["v|Abcdefgh"],
            arriving: ["v|" + String(repeating: " ", count: from) + "Abcdefghijk".dropFirst(from)]
        ).outcome()
        #expect(outcome.accepted == ["        ijk"])
    }

    @Test(arguments: [8, 9, 20])
    func beginningBehindAllThatIsKnown(_ from: Int) {
        let outcome = AlignerTable(
            received: ["v|Abcdefgh"],
            arriving: ["v|" + String(repeating: " ", count: from) + "ijklmnopqrstuvwxyz"]
        ).outcome()
        #expect(outcome.status.isHopeless)
        #expect(outcome.arrivals <= 8)
        #expect(outcome.accepted == [""])
    }

    @Test(arguments: [8, 10])
    func soundBeginsBehindItsEnd(_ from: Int) {
        // A byte position in a container is not the same time in all flows.
        let outcome = AlignerTable(
            received: ["v|Abcdefghijkl", "a|12345678"],
            arriving: [
                "v|   defghijklmnopqrstuvwxyz", "a|" + String(repeating: " ", count: from) + "äöüßéèêçñàáâãíìîóò",
            ]
        ).outcome()
        #expect(outcome.status == .aligned)
        #expect(outcome.accepted[0] == "            mnopqrstuvwxyz")
        #expect(outcome.accepted[1] == String(repeating: " ", count: from) + "äöüßéèêçñàáâãíìîóò")
    }

    @Test func picturesThatBeginBehindTheirEndCannotGoOn() {
        let outcome = AlignerTable(
            received: ["v|Abcdefgh", "a|123456789äöü"],
            arriving: ["v|          klmnopqrstuvwxyz", "a|   456789äöüßéèêçñàáâã"]
        ).outcome()
        #expect(outcome.status.isHopeless)
    }

    // MARK: - Not the same

    @Test func anotherEncodeIsKnownSoonAfterTheEnd() {
        let outcome = AlignerTable(
            received: ["v|Abcdefgh", "a|12345678"],
            arriving: ["v|QrstuvwxyzBCDEFGHIJKLMNOPQRST", "a|äöüßéèêçñàáâã987654äöüßéèêçñàáâã"]
        ).outcome()
        #expect(outcome.status.isHopeless)
        // 320 ms are known, 250 ms are read beyond them, in two flows.
        #expect(outcome.arrivals <= 2 * (8 + 8))
    }

    @Test func theSearchIsBoundedWhereTimesSayNothing() {
        var aligner = PacketAligner(
            tails: [
                FlowTail(
                    packets: [
                        PacketTrace(pts: .zero, dts: .zero, duration: .zero, isKey: true, fingerprint: 1)
                    ], isSparse: false)
            ], timeline: Timeline(.live))
        var count = 0
        while aligner.status == .searching, count < 100_000 {
            count += 1
            aligner.arrived(
                PacketTrace(pts: nil, dts: nil, duration: .zero, isKey: false, fingerprint: UInt64(count + 5)), flow: 0)
        }
        #expect(aligner.status.isHopeless)
        #expect(count == PacketAligner.packetLimit + 1)
    }

    @Test func theSameSoundWithOtherPicturesIsAnotherEncode() {
        // The rungs of a bitrate ladder share their sound. Pictures in mid-group refer to others that were never sent.
        let outcome = AlignerTable(
            received: ["v|Abcdefgh", "a|12345678"],
            arriving: ["v|   stuvwxyzBCDEFGHIJK", "a|   456789äöüßéèêçñàáâã"]
        ).outcome()
        #expect(outcome.status.isHopeless)
        #expect(outcome.arrivals <= 2 * (5 + 8))
    }

    @Test func theSamePicturesWithOtherSoundGoOn() {
        // Sound can be joined anywhere.
        let outcome = AlignerTable(
            received: ["v|Abcdefgh", "a|12345678"],
            arriving: ["v|   defghijklmnopqrst", "a|   äöüßéèêçñàáâãíìîóò"]
        ).outcome()
        #expect(outcome.status == .aligned)
        #expect(outcome.accepted == ["        ijklmnopqrst", "        èêçñàáâãíìîóò"])
        #expect(outcome.exact == [true, false])
    }

    @Test func theSilenceThatEveryEncoderBeginsWithProvesNothing() {
        let outcome = AlignerTable(
            received: ["v|Abc", "a|0---"], arriving: ["v|StuvwxyzBCDEFGHIJK", "a|0---56789äöüßéèêçñàáâã"]
        ).outcome()
        #expect(outcome.status.isHopeless)
    }

    // MARK: - Little to go by

    @Test func soundThatIsMissingIsNotWaitedFor() {
        let outcome = AlignerTable(
            received: ["v|Abcdefgh", "a|12345678"], arriving: ["v|   defghijklmnopqrstuv", "a|"]
        ).outcome()
        #expect(outcome.status == .aligned)
        // Up to where it should have been, and a little further.
        #expect(outcome.arrivals <= 5 + 8)
        #expect(outcome.accepted == ["        ijklmnopqrstuv", ""])
    }

    @Test func aFlowOfWhichNothingWasReceived() {
        let outcome = AlignerTable(
            received: ["v|Abcdefgh", "a|", "s|"], arriving: ["v|   defghijk", "a|   12345678", "s|    k   l"]
        ).outcome()
        #expect(outcome.accepted == ["        ijk", "   12345678", "    k   l"])
    }

    @Test(arguments: ["A", "Ab"])
    func aFlowThatHasJustBegun(_ received: String) {
        let table = AlignerTable(received: ["v|" + received, "a|1"], arriving: ["v|Abcdef", "a|123456"])
        #expect(
            table.outcome().accepted[0] == String(repeating: " ", count: received.count)
                + "Abcdef".dropFirst(received.count))
        #expect(table.outcome().accepted[1] == " 23456")
        let other = AlignerTable(
            received: ["v|" + received, "a|1"], arriving: ["v|StuvwxyzBCDEFGHIJK", "a|123456789äöüßéèêçñàáâã"])
        #expect(other.outcome().status.isHopeless, "the first packet of sound is alike in many encodes")
    }

    @Test(arguments: [200, 500, 1000, 10_000] as [Int64])
    func fewPicturesASecond(_ slot: Int64) {
        // Reading begins 300 ms before the end: that is one packet, or two.
        let known = slot < 300 ? 2 : 1
        let from = 8 - known
        let outcome = AlignerTable(
            received: ["v|Abcdefgh"],
            arriving: ["v|" + String(repeating: " ", count: from) + "Abcdefghijk".dropFirst(from)], slots: [slot]
        ).outcome()
        #expect(outcome.status == .aligned)
        #expect(outcome.accepted == ["        ijk"])
    }

    @Test func onlySubtitlesWereReceived() {
        let outcome = AlignerTable(
            received: ["v|", "a|", "s|k  l"], arriving: ["v|Abcdefgh", "a|12345678", "s|k  l   m"]
        ).outcome()
        #expect(outcome.status == .aligned)
        #expect(outcome.accepted == ["Abcdefgh", "12345678", "       m"])
    }

    @Test func subtitlesAreRecognisedAndToldByTime() {
        let outcome = AlignerTable(
            received: ["v|Abcdefghijkl", "s| k      l"],
            arriving: ["v|   defghijklmnopqr", "s|        l      m"]
        ).outcome()
        #expect(outcome.accepted == ["            mnopqr", "               m"])
        let repacked = AlignerTable(
            received: ["v|Abcdefghijkl", "s| k      l"],
            arriving: ["v|   defghijklmnopqr", "s|        L      M"]
        ).outcome()
        #expect(repacked.accepted == ["            mnopqr", "               M"])
    }

    @Test func indicesThatDoNotExistAreBorne() {
        var aligner = PacketAligner(tails: [], timeline: Timeline(.fromStart))
        let trace = PacketTrace(pts: .zero, dts: .zero, duration: .zero, isKey: true, fingerprint: 1)
        #expect(aligner.arrived(trace, flow: 0) == .searching)
        #expect(aligner.arrived(trace, flow: -1) == .searching)
        #expect(aligner.verdict(trace, flow: 7) == .known)
        #expect(!aligner.isExact(flow: 3))
        #expect(aligner.recognised(flow: 3) == 0)
        #expect(aligner.timelineShift == nil)
    }
}

/// A server that says wrongly, or not at all, where its flows begin: each is off by a time of its own.
@Suite struct ApartFlowAlignerTests {
    private static func packets(_ flow: UInt64, from first: Int, count: Int, at time: MediaTime) -> [PacketTrace] {
        (0..<count).map { index in
            PacketTrace(
                pts: time + .milliseconds(Int64(40 * index)), dts: nil, duration: .milliseconds(40), isKey: false,
                fingerprint: flow << 32 | UInt64(first + index))
        }
    }

    @Test func eachFlowIsRecognisedByItself() {
        let tails = [
            FlowTail(packets: Self.packets(1, from: 0, count: 50, at: .zero), isSparse: false, isEssential: true),
            FlowTail(packets: Self.packets(2, from: 0, count: 50, at: .zero), isSparse: false),
        ]
        var aligner = PacketAligner(tails: tails, timeline: Timeline(.declared, flowsCountApart: true))
        // The pictures begin a second before where the server says that they do; the sound is right.
        let pictures = Self.packets(1, from: 20, count: 34, at: .milliseconds(1800))
        let sound = Self.packets(2, from: 45, count: 15, at: .milliseconds(1800))
        for packet in pictures { aligner.arrived(packet, flow: 0) }
        #expect(aligner.status == .searching)
        for packet in sound.prefix(3) { aligner.arrived(packet, flow: 1) }
        #expect(aligner.status == .aligned)
        #expect(pictures.count { aligner.verdict($0, flow: 0) == .known } == 30)
        #expect(sound.map { aligner.verdict($0, flow: 1) }.count { $0 == .known } == 5)
        #expect(
            aligner.verdict(sound[5], flow: 1) == .new(ptsShift: .zero, dtsShift: .zero))
    }

    @Test func whatNeverComesIsNotWaitedForAtTheEnd() {
        let tails = [
            FlowTail(packets: Self.packets(1, from: 0, count: 50, at: .zero), isSparse: false, isEssential: true),
            FlowTail(packets: Self.packets(2, from: 0, count: 50, at: .zero), isSparse: false),
        ]
        var aligner = PacketAligner(tails: tails, timeline: Timeline(.declared, flowsCountApart: true))
        for packet in Self.packets(1, from: 45, count: 8, at: .milliseconds(1800)) { aligner.arrived(packet, flow: 0) }
        #expect(aligner.status == .searching)
        #expect(aligner.ended() == .aligned)
    }
}
