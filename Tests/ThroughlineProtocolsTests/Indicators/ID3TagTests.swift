internal import Testing
internal import ThroughlineCore

@testable import ThroughlineProtocols

@Suite struct ID3TagTests {
    private func read(_ bytes: [UInt8]) throws(BitstreamError) -> ID3Tag {
        let result: Result<ID3Tag, BitstreamError> = bytes.withUnsafeBytes { bytes in
            do throws(BitstreamError) { return .success(try ID3Tag(bytes)) } catch { return .failure(error) }
        }
        return try result.get()
    }

    /// Identifier and data of the frames, from text `ID=hex`.
    private func frames(_ text: [String]) -> [ID3Tag.Frame] {
        text.map { ID3Tag.Frame(identifier: String($0.prefix(4)), data: bytes(hex: String($0.dropFirst(5)))) }
    }

    private static let header4 = "494433 0400"
    private static let (abcd, efgh, txxx) = ("41424344", "45464748", "54585858")

    @Test(
        arguments: [
            // Two frames and padding, in 2.4 and in 2.3.
            (
                "\(header4) 00 0000001c \(abcd) 00000001 0000 aa \(efgh) 00000002 0000 bbcc 00000000 00",
                ["ABCD=aa", "EFGH=bbcc"]
            ),
            (
                "494433 0300 00 0000001c \(abcd) 00000001 0000 aa \(efgh) 00000002 0000 bbcc 00000000 00",
                ["ABCD=aa", "EFGH=bbcc"]
            ),
            ("\(header4) 00 00000000", []),
            // A size over 127: synchsafe in 2.4, plain in 2.3, and plain in 2.4 by writers that do not know better.
            ("\(header4) 00 0000010a \(abcd) 00000100 0000 " + long, ["ABCD=" + long]),
            ("494433 0300 00 0000010a \(abcd) 00000080 0000 " + long, ["ABCD=" + long]),
            ("\(header4) 00 0000010a \(abcd) 00000080 0000 " + long, ["ABCD=" + long]),
            // Extended header: counts itself in 2.4, does not in 2.3.
            ("\(header4) 40 00000011 00000006 0100 \(abcd) 00000001 0000 aa", ["ABCD=aa"]),
            ("494433 0300 40 00000015 00000006 000000000000 \(abcd) 00000001 0000 aa", ["ABCD=aa"]),
            // Footer.
            ("\(header4) 10 0000000b \(abcd) 00000001 0000 aa 334449 0400 10 0000000b", ["ABCD=aa"]),
            // Unsynchronised: the frame, the tag in 2.4, the tag in 2.3, whose sizes count what was before.
            ("\(header4) 00 0000000e \(abcd) 00000004 0002 ff00e000", ["ABCD=ffe000"]),
            ("\(header4) 80 0000000e \(abcd) 00000004 0000 ff00ff00", ["ABCD=ffff"]),
            ("494433 0300 80 00000010 \(abcd) 00000002 0000 ff00e0 000000", ["ABCD=ffe0"]),
            // A group and a length before the data; then compressed and encrypted, which are left out.
            ("\(header4) 00 00000010 \(abcd) 00000006 0041 07 00000001 aa", ["ABCD=aa"]),
            ("494433 0300 00 0000000c \(abcd) 00000002 0020 07aa", ["ABCD=aa"]),
            (
                "\(header4) 00 0000002c \(abcd) 00000001 0008 aa \(abcd) 00000001 0004 aa \(abcd) 00000001 0000 bb \(abcd) 00000001 0000 cc",
                ["ABCD=bb", "ABCD=cc"]
            ),
            (
                "494433 0300 00 00000021 \(abcd) 00000001 0080 aa \(abcd) 00000001 0040 aa \(abcd) 00000001 0000 bb",
                ["ABCD=bb"]
            ),
            // A frame that does not fit ends the tag; so does what is no identifier.
            ("\(header4) 00 00000016 \(abcd) 00000001 0000 aa \(efgh) 00000002 0000 bb", ["ABCD=aa"]),
            ("\(header4) 00 00000016 \(abcd) 00000001 0000 aa 61626364 00000001 0000 bb", ["ABCD=aa"]),
            // 2.2 is told and not read.
            ("494433 0200 00 00000007 414243 000001 aa", []),
        ] as [(String, [String])])
    func readsFrames(hex: String, expected: [String]) throws {
        let input = bytes(hex: hex)
        #expect(input.withUnsafeBytes { ID3Tag.Header($0)?.tagSize } == input.count)
        #expect(try read(input).frames == frames(expected))
        for count in 10..<input.count {
            #expect(throws: BitstreamError.truncated) { try read(Array(input.prefix(count))) }
        }
    }

    private static let long = String(repeating: "7f", count: 128)

    @Test(arguments: [
        "", "494433", "494434 0400 00 00000000", "494433 0500 00 00000000", "494433 ff00 00 00000000",
        "494433 04ff 00 00000000", "494433 0400 00 00000080", "494433 0400 00 00040000",
    ])
    func othersAreNone(hex: String) {
        #expect(throws: BitstreamError.unsupported) { try read(bytes(hex: hex)) }
    }

    @Test(arguments: [
        // Latin-1, UTF-16 of both orders with a mark, without, UTF-8; the end of the second text may be missing.
        ("00 61e400 62", "aä", "b"), ("00 61e400 6200", "aä", "b"), ("01 fffe6100 0000 fffe6200", "a", "b"),
        ("01 feff0061 0000 feff0062", "a", "b"), ("02 0061 0000 0062 0000", "a", "b"), ("03 61c3a400 62", "aä", "b"),
        // A zero byte inside of a character is no end.
        ("02 0100 0000 0001", "Ā", "\u{1}"), ("03 00", "", ""),
    ])
    func readsTexts(hex: String, description: String, value: String) throws {
        let frame = ID3Tag.Frame(identifier: "TXXX", data: bytes(hex: hex))
        let text = try #require(frame.userText)
        #expect(text.description == description && text.value == value)
    }

    @Test(arguments: ["", "04 6100 62", "03 6162"])
    func textsWithoutAnEnd(hex: String) {
        #expect(ID3Tag.Frame(identifier: "TXXX", data: bytes(hex: hex)).userText == nil)
        #expect(ID3Tag.Frame(identifier: "PRIV", data: [1, 2, 3]).privateData == nil)
    }

    /// As segmenters write it in front of packed audio.
    @Test func readsTheTimeOfPackedAudio() throws {
        let frame: [UInt8] = Array(ID3Tag.timestampOwner.utf8) + bytes(hex: "00 00000000 000dbba0")
        let tag = bytes(hex: "494433 0400 00 0000003f 50524956 00000035 0000") + frame
        #expect(tag.count == 73)
        #expect(try read(tag).transportStreamTimestamp == 900_000)
        let high = ID3Tag(frames: [.privateData(owner: ID3Tag.timestampOwner, bytes(hex: "00000002 00000000"))])
        #expect(high.transportStreamTimestamp == nil)
        let most = ID3Tag(frames: [.privateData(owner: ID3Tag.timestampOwner, bytes(hex: "00000001 ffffffff"))])
        #expect(most.transportStreamTimestamp == (1 << 33) - 1)
    }

    @Test(arguments: indicatorMessages)
    func carriesMessages(message: IndicatorMessage) throws {
        for tag in [ID3Tag(message), ID3Tag(text: message)] {
            let written = try #require(tag.bytes)
            let again = try read(written)
            #expect(again == tag)
            #expect(again.indicators == [message.indicator(.timedMetadata)])
        }
        let both = ID3Tag(
            frames: [.userText("title", message.text), .privateData(owner: "other", message.bytes)]
                + ID3Tag(text: message).frames + ID3Tag(message).frames)
        #expect(both.indicatorMessages == [message, message])
    }

    @Test func writesNothingThatWouldNotBeRead() {
        #expect(ID3Tag(frames: [.init(identifier: "abcd", data: [])]).bytes == nil)
        #expect(ID3Tag(frames: [.init(identifier: "ABC", data: [])]).bytes == nil)
        #expect(
            ID3Tag(frames: [.init(identifier: "ABCD", data: Array(repeating: 0, count: 65_516))]).bytes?.count == 65_536
        )
        #expect(ID3Tag(frames: [.init(identifier: "ABCD", data: Array(repeating: 0, count: 65_517))]).bytes == nil)
        #expect(ID3Tag(frames: Array(repeating: .init(identifier: "ABCD", data: []), count: 65)).bytes == nil)
    }

    @Test func tagsInARow() throws {
        let tags = indicatorMessages.map { ID3Tag($0) }
        let row = try tags.flatMap { try #require($0.bytes) }
        #expect(row.withUnsafeBytes { ID3Tag.tags(in: $0) } == tags)
        #expect((row + [1, 2, 3]).withUnsafeBytes { ID3Tag.tags(in: $0) } == tags)
        #expect(row.dropLast().withUnsafeBytes { ID3Tag.tags(in: $0) } == tags.dropLast())
    }

    @Test func hostileInput() throws {
        let real = try indicatorMessages.flatMap {
            [try #require(ID3Tag($0).bytes), try #require(ID3Tag(text: $0).bytes)]
        }
        var parsed = 0
        forEachHostileInput(seed: 23, real: real) { input, _ in
            guard let tag = try? ID3Tag(input) else { return }
            parsed += 1
            #expect(tag.frames.count <= ID3Tag.mostFrames)
            _ = (tag.indicators, tag.transportStreamTimestamp)
            if let written = tag.bytes { #expect((try? read(written)) == tag) }
        }
        #expect(parsed > 1000)
    }
}

@Suite struct PackedAudioScannerTests {
    private func scan(_ bytes: [UInt8], pieces size: Int) -> ([PackedAudioScanner.Finding], PackedAudioScanner) {
        var scanner = PackedAudioScanner()
        var found: [PackedAudioScanner.Finding] = []
        for start in stride(from: 0, to: bytes.count, by: size) {
            found += bytes[start..<min(start + size, bytes.count)].withUnsafeBytes { scanner.feed($0) }
        }
        return (found, scanner)
    }

    /// In front and between the frames of both formats, in pieces of any size, and never inside of a frame.
    @Test(arguments: ["audio.aac", "audio.mp3"])
    func findsTagsBetweenFrames(name: String) throws {
        let audio = try #require(fixture(name))
        let tags = try indicatorMessages.map { try #require(ID3Tag($0).bytes) }
        // The tenth frame is where nine have been passed.
        var at = 0
        for _ in 0..<9 {
            at += audio[at...].withUnsafeBytes { ADTSHeader($0)?.frameLength ?? MPEGAudioHeader($0)?.frameLength } ?? 0
        }
        var stream = tags[0] + audio[..<at] + tags[1] + tags[2] + audio[at...] + tags[3]
        // A tag inside of the first frame's payload.
        stream.replaceSubrange(tags[0].count + 20..<tags[0].count + 20 + tags[4].count, with: tags[4])
        let frame = name == "audio.aac" ? MediaTime.samples(1024) : MediaTime.samples(1152)
        let count = name == "audio.aac" ? 518 : 461
        for size in [stream.count, 1, 7, 188, 1000] {
            let (found, scanner) = scan(stream, pieces: size)
            #expect(found.map { $0.tag.indicatorMessages } == [0, 1, 2, 3].map { [indicatorMessages[$0]] })
            #expect(found.map(\.time) == [.zero, frame.times(9), frame.times(9), frame.times(count)])
            #expect(
                found.map(\.offset)
                    == [0, tags[0].count + at, tags[0].count + at + tags[1].count, stream.count - tags[3].count]
                    .map(Int64.init))
            #expect(scanner.strayBytes == 0 && scanner.offset == stream.count)
        }
    }

    @Test func passesOverWhatIsNoTagAndTagsThatAreTooLarge() throws {
        let tag = try #require(ID3Tag(indicatorMessages[0]).bytes)
        let large = bytes(hex: "494433 0400 00 00080000") + Array(repeating: UInt8(0x41), count: 8 << 14)
        for size in [1, 100, 1 << 20] {
            let (found, scanner) = scan([1, 2, 3] + large + Array("ID3".utf8) + [0xFF, 0x00] + tag, pieces: size)
            #expect(found.map(\.offset) == [Int64(3 + large.count + 5)])
            #expect(scanner.strayBytes == 8)
        }
    }

    /// However the bytes are cut, the same tags are found.
    @Test func hostileInput() throws {
        let real = try indicatorMessages.map { try #require(ID3Tag($0).bytes) }
        let mp3 = try #require(fixture("audio.mp3"))
        forEachHostileInput(seed: 24, real: real + [Array(mp3.prefix(1200)) + real[0]], rounds: 3000) { input, random in
            let (whole, scanner) = scan(Array(input), pieces: max(1, input.count))
            let (cut, again) = scan(Array(input), pieces: Int.random(in: 1...20, using: &random))
            #expect(whole == cut && scanner.strayBytes == again.strayBytes && scanner.time == again.time)
        }
    }
}

extension MediaTime {
    /// Of 44.1 kHz, as both files have it.
    fileprivate static func samples(_ count: Int64) -> MediaTime { MediaTime(flicks: count * 16_000) }
    fileprivate func times(_ count: Int) -> MediaTime { MediaTime(flicks: flicks * Int64(count)) }
}
