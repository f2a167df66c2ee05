internal import Testing
internal import ThroughlineCore

/// Where a group of pictures can be cut; a picture lasts 40 ms.
@Suite struct KeyFrameCutTests {
    static let frame = MediaTime.milliseconds(40)

    static func time(_ picture: Int) -> MediaTime { MediaTime(flicks: frame.flicks * Int64(picture)) }

    /// `I0 P4 B2 B1 B3 P8 B6 B5 B7`: kind and presentation time, in decode order. `-7` was never received.
    static func pictures(_ text: String, from decode: Int = 0) -> [PacketTrace] {
        text.split(separator: " ").enumerated().compactMap { place, picture in
            guard picture.first != "-" else { return nil }
            return PacketTrace(
                pts: time(Int(picture.dropFirst())!), dts: time(decode + place - 2), duration: frame,
                isKey: picture.first == "I", fingerprint: nil)
        }
    }

    static func cut(_ waiting: String, recent: String = "", at picture: Int) -> KeyFrameCut? {
        let count = recent.split(separator: " ").count
        return KeyFrameCut(
            recent: pictures(recent), waiting: pictures(waiting, from: count), at: time(picture),
            tolerance: .milliseconds(20))
    }

    /// The examples of the type's documentation, and what lies between them.
    @Test(
        arguments: [
            (0, 0, 0, 0), (1, 1, 0, 1), (2, 1, 1, 1), (3, 1, 2, 1), (4, 1, 3, 1), (5, 5, 0, 5), (6, 5, 1, 5),
            (7, 5, 2, 5),
            (8, 5, 3, 5), (9, 9, 0, 9), (20, 9, 0, 9),
        ] as [(Int, Int, Int, Int)])
    func whatIsKeptAndWhatIsLost(at picture: Int, kept: Int, lost: Int, end: Int) throws {
        let cut = try #require(Self.cut("I0 P4 B2 B1 B3 P8 B6 B5 B7", at: picture))
        #expect(cut.kept == kept)
        #expect(cut.lostPictures == lost)
        #expect(cut.keptEnd == (kept == 0 ? nil : Self.time(end)))
    }

    @Test func whatWasNeverReceivedIsAHole() throws {
        let cut = try #require(Self.cut("I0 P4 B2 B1 B3 P8 B6 B5 -7", at: 9))
        #expect(cut.kept == 5)
        #expect(cut.lostPictures == 3)
        #expect(cut.keptEnd == Self.time(5))
    }

    @Test func whatIsOutBelongsToTheRun() throws {
        let cut = try #require(Self.cut("B1 B3 P8 B6 B5 B7", recent: "I0 P4 B2", at: 5))
        #expect(cut.kept == 2)
        #expect(cut.keptEnd == Self.time(5))
        #expect(cut.lostPictures == 0)
        let next = try #require(Self.cut("P8 B6 B5 B7", recent: "I0 P4 B2 B1 B3", at: 7))
        #expect(next.kept == 0 && next.lostPictures == 2)
        #expect(next.keptEnd == Self.time(5))
    }

    @Test func withoutReorderingEveryCutIsClean() throws {
        for picture in 0...6 {
            let cut = try #require(Self.cut("I0 P1 P2 P3 P4 P5", at: picture))
            #expect(cut.kept == picture && cut.lostPictures == 0)
        }
    }

    @Test func whatIsOutCannotBeCut() {
        #expect(Self.cut("B1 B3 P8", recent: "I0 P4", at: 4) == nil)
        #expect(Self.cut("B1 B3 P8", recent: "I0 P4", at: 3) == nil)
        #expect(Self.cut("B1 B3 P8", recent: "I0 P4", at: 5) != nil)
    }

    @Test func nothingWaits() {
        #expect(Self.cut("", at: 5) == KeyFrameCut(recent: [], waiting: [], at: .zero, tolerance: .zero))
        #expect(Self.cut("", at: 5)?.kept == 0)
        #expect(Self.cut("", at: 5)?.keptEnd == nil)
        #expect(Self.cut("", recent: "I0 P1 P2", at: 5)?.keptEnd == Self.time(3))
    }

    @Test(arguments: [119, 120, 121] as [Int64])
    func timesNearlyTheSameAreTheSame(_ milliseconds: Int64) throws {
        // Another container rounds: 119 ms is the picture at 120 ms.
        let cut = try #require(
            KeyFrameCut(
                recent: [], waiting: Self.pictures("I0 P1 P2 P3 P4"), at: .milliseconds(milliseconds),
                tolerance: .milliseconds(20)))
        #expect(cut.kept == 3)
    }

    /// Against the definition: the longest front that lies before the cut and shows every picture up to its last.
    @Test(arguments: 0...3)
    func anyGroupOfPictures(reordered: Int) throws {
        var random = SeededGenerator(seed: UInt64(reordered))
        for _ in 0..<500 {
            var shown = [0]
            while shown.count < 30 {
                let first = shown.count
                // Encoders vary how many pictures they put off, never beyond what they promised.
                let step = reordered == 0 ? 1 : Int.random(in: 1...reordered + 1, using: &random)
                shown.append(first + step - 1)
                shown += Array(first..<first + step - 1)
            }
            let text = shown.enumerated().map { "\($0.offset == 0 ? "I" : "P")\($0.element)" }
            let out = Int.random(in: 0...12, using: &random)
            let place = Int.random(in: 1...29, using: &random)
            let cut = Self.cut(
                text[out...].joined(separator: " "), recent: text[..<out].joined(separator: " "), at: place)
            guard !shown[..<out].contains(where: { $0 >= place }) else {
                #expect(cut == nil)
                continue
            }
            func isWhole(_ count: Int) -> Bool { count == 0 || shown[..<count].max() == count - 1 }
            let beyond = shown.firstIndex { $0 >= place } ?? shown.count
            let front = (out...beyond).last(where: isWhole)
            // Where what is out already shows a hole, no cut can close it, and nothing more is given up.
            #expect(cut?.kept == (front ?? beyond) - out)
            #expect(cut?.lostPictures == shown.dropFirst((front ?? beyond)).count { $0 < place })
        }
    }
}
