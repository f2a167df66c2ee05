internal import Testing
internal import ThroughlineCore
internal import ThroughlineMedia

extension MediaTests {
    @Suite struct DemuxerTests {
        /// `Fixtures/README.md`: flows, and packets of each.
        @Test(arguments: [
            ("main.mp4", "video h264 320x180 300, audio aac eng 564, audio aac deu 518, subtitle mov_text eng 10"),
            (
                "main-faststart.mp4",
                "video h264 320x180 300, audio aac eng 564, audio aac deu 518, subtitle mov_text eng 10"
            ),
            (
                "main-fragmented.mp4",
                "video h264 320x180 300, audio aac eng 564, audio aac deu 518, subtitle mov_text eng 12"
            ),
            ("main.ts", "video h264 320x180 300, audio aac eng 564, audio aac deu 518"),
            ("main.mkv", "video h264 320x180 300, audio aac eng 564, audio aac deu 518, subtitle subrip eng 5"),
            ("offset.ts", "video h264 320x180 300, audio aac deu 518"),
            ("wrap.ts", "video h264 320x180 300, audio aac deu 518"),
            ("other.mp4", "video h264 320x180 300, audio aac eng 564, audio aac deu 518, subtitle mov_text eng 10"),
            ("other.ts", "video h264 320x180 300, audio aac eng 564, audio aac deu 518"),
            ("wrong.mp4", "video h264 320x180 300, audio aac eng 564, audio aac deu 518, subtitle mov_text eng 10"),
            ("opengop.mp4", "video h264 320x180 300, audio aac deu 518"),
            ("opengop.ts", "video h264 320x180 300, audio aac deu 518"),
            ("hevc.mp4", "video hevc 320x180 300, audio aac deu 518"),
            ("hevc.ts", "video hevc 320x180 300, audio aac deu 518"),
            ("vfr.mp4", "video h264 320x180 200, audio aac deu 518"),
            ("vfr.mkv", "video h264 320x180 200, audio aac deu 518"),
            ("edits.mp4", "video h264 320x180 250"),
            ("audio.mp3", "audio mp3 461"),
            ("audio-other.mp3", "audio mp3 461"), ("audio-wrong.mp3", "audio mp3 461"),
            ("audio.aac", "audio aac 518"),
            ("corrupt.ts", "video h264 320x180 297, audio aac eng 564, audio aac deu 501"),
        ])
        func flowsAndPackets(_ name: String, _ expected: String) throws {
            let demuxer = try Demuxer.opening(name)
            let records = demuxer.records()
            let text = demuxer.flows.map { flow in
                var words = [flow.kind.rawValue, flow.codecName]
                if flow.kind == .video { words.append("\(flow.width)x\(flow.height)") }
                if let language = flow.language, language != "und" { words.append(language) }
                words.append("\(records.count { $0.flow == flow.index })")
                return words.joined(separator: " ")
            }
            #expect(text.joined(separator: ", ").hasPrefix(expected))
            #expect(demuxer.flows.map(\.index) == Array(0..<demuxer.flows.count))
            #expect(!demuxer.inputFailed)
        }

        @Test func theIndicatorsAreFlowsOfData() throws {
            let demuxer = try Demuxer.opening("data.ts")
            let data = demuxer.flows.filter { $0.kind == .data }
            #expect(data.count == 2)
            #expect(data.allSatisfy { $0.isSparse })
        }

        @Test func subtitlesAreSparse() throws {
            let demuxer = try Demuxer.opening("subs.mkv")
            #expect(demuxer.flows.map(\.kind) == [.audio, .subtitle, .subtitle])
            #expect(demuxer.flows.map(\.isSparse) == [false, true, true])
            #expect(demuxer.flows.map(\.language) == ["deu", "eng", "deu"])
        }

        @Test(arguments: [
            "main.mp4", "main-faststart.mp4", "main-fragmented.mp4", "main.ts", "main.mkv", "offset.ts", "wrap.ts",
            "hevc.mp4", "hevc.ts", "vfr.mp4", "vfr.mkv", "opengop.mp4", "opengop.ts", "other.mp4", "other.ts",
            "data.ts",
        ])
        func theFirstPictureStandsAtZero(_ name: String) throws {
            let demuxer = try Demuxer.opening(name)
            let video = try #require(demuxer.flows.first { $0.kind == .video })
            let first = try #require(demuxer.records(limit: 20).first { $0.flow == video.index })
            #expect(first.pts == .zero)
            #expect(first.isKey)
        }

        @Test(arguments: ["late.mp4", "late.ts", "late.mkv"])
        func soundLongBeforeTheFirstPictureIsTheStart(_ name: String) throws {
            func expectSoundAtZero(_ options: Demuxer.Options) throws {
                let demuxer = try Demuxer.opening(name, options: options)
                let records = demuxer.records(limit: 100)
                let sound = try #require(records.first { demuxer.flows[$0.flow].kind == .audio }?.pts)
                let picture = try #require(records.first { demuxer.flows[$0.flow].kind == .video }?.pts)
                // A file that says that its first frame of sound is priming starts behind it.
                #expect(sound == .zero || name == "late.mp4" && sound > .milliseconds(-24), "\(sound)")
                #expect((picture - sound - .milliseconds(1023)).magnitude < .milliseconds(2), "\(picture)")
            }
            try expectSoundAtZero(Demuxer.Options())
            // Where libavformat does not look at the flows itself.
            var options = Demuxer.Options()
            options.seeksAtOnce = true
            options.expected = try Demuxer.opening(name).flows
            try expectSoundAtZero(options)
        }

        @Test(arguments: [
            ("main-faststart.mp4", 0), ("main-fragmented.mp4", 0), ("main.ts", 1), ("main.mkv", 1000), ("offset.ts", 1),
            ("wrap.ts", 1),
        ])
        func everyFlowStandsAtTheSameTimeInEveryContainer(_ name: String, microseconds: Int) throws {
            let original = try Demuxer.opening("main.mp4")
            let other = try Demuxer.opening(name)
            let (ours, theirs) = (original.records(), other.records())
            // Times are rounded, and so is the start that they are counted from; in a transport stream, where one time
            // is stated for several frames of sound, those in between are rounded once more.
            let tolerance = MediaTime(nanoseconds: Int64(max(microseconds, 23)) * 1000)
            for flow in other.flows where !flow.isSparse {
                let match = try #require(
                    original.flows.first {
                        $0.kind == flow.kind && ($0.language ?? "und") == (flow.language ?? "und")
                    })
                let a = ours.filter { $0.flow == match.index }
                let b = theirs.filter { $0.flow == flow.index }
                #expect(a.count == b.count)
                // Of the fragmented file's sound the first packet claims to begin where the others' priming does not.
                let skipped = name == "main-fragmented.mp4" && flow.kind == .audio ? 1 : 0
                let worst = zip(a, b).dropFirst(skipped).compactMap { a, b in
                    a.pts.flatMap { a in b.pts.map { (a - $0).magnitude } }
                }.max()
                #expect(try #require(worst) <= tolerance, "\(name) \(flow): \(worst!.nanoseconds) ns")
                let decode = zip(a, b).dropFirst(skipped).compactMap { a, b in
                    a.dts.flatMap { a in b.dts.map { (a - $0).magnitude } }
                }.max()
                #expect(try #require(decode) <= tolerance, "\(name) \(flow): decode times \(decode!.nanoseconds) ns")
            }
        }

        @Test(arguments: ["main-faststart.mp4", "main-fragmented.mp4", "main.ts", "main.mkv"])
        func theSamePayloadInEveryContainer(_ name: String) throws {
            let original = try Demuxer.opening("main.mp4")
            let other = try Demuxer.opening(name)
            let ours = Demuxer.fingerprints(original.records(), of: original.flows)
            let theirs = Demuxer.fingerprints(other.records(), of: other.flows)
            for flow in 0..<3 {
                #expect(ours[flow] == theirs[flow])
                #expect(!ours[flow].contains(nil))
                #expect(Set(ours[flow]).count > ours[flow].count * 9 / 10)
            }
        }

        @Test func anotherEncodeSharesNoPicture() throws {
            let main = try Demuxer.opening("main.mp4")
            let ours = Set(Demuxer.fingerprints(main.records(), of: main.flows)[0])
            for name in ["other.mp4", "other.ts", "wrong.mp4"] {
                let other = try Demuxer.opening(name)
                let theirs = Demuxer.fingerprints(other.records(), of: other.flows)[0]
                #expect(ours.isDisjoint(with: theirs), "\(name)")
            }
        }

        @Test(
            arguments: [
                ("main.mp4", 12), ("main.mkv", 12), ("edits.mp4", 8.9), ("wrong.mp4", 12), ("audio.aac", nil),
                ("main.ts", nil),
                ("main-fragmented.mp4", nil),
            ] as [(String, Double?)])
        func aDurationIsStatedOrNot(_ name: String, _ expected: Double?) throws {
            let duration = try Demuxer.opening(name).duration
            #expect((duration == nil) == (expected == nil))
            if let duration, let expected { #expect(abs(duration.seconds - expected) < 0.1) }
        }

        @Test func theDurationOfAStreamCanBeMeasured() throws {
            var options = Demuxer.Options()
            options.measuresDuration = true
            let demuxer = try Demuxer(input: MemoryInput(try Fixture.bytes("main.ts")), options: options)
            #expect(abs(try #require(demuxer.duration).seconds - 12) < 0.1)
            #expect(demuxer.records(limit: 3).count == 3)
        }

        @Test(arguments: ["main.mp4", "main-faststart.mp4", "main-fragmented.mp4", "main.ts", "main.mkv", "wrap.ts"])
        func seekingToAKeyFrame(_ name: String) throws {
            // Of a fragmented file the index is looked for only when it is wanted.
            var options = Demuxer.Options()
            options.seeksAtOnce = name == "main-fragmented.mp4"
            let demuxer = try Demuxer(input: MemoryInput(try Fixture.bytes(name)), options: options)
            for target in [5000, 0, 11_900, 6000, 1, 5950, 5999] as [Int64] {
                try demuxer.seek(to: .milliseconds(target))
                let video = try #require(demuxer.flows.first { $0.kind == .video })
                let pictures = demuxer.records(limit: 400).filter { $0.flow == video.index }
                let first = try #require(pictures.first)
                let at = try #require(first.pts)
                if !name.hasSuffix(".ts") {
                    #expect(first.isKey, "\(name) at \(target) ms")
                    #expect(at <= .milliseconds(target) && at > .milliseconds(target - 2100), "\(name): \(at)")
                } else {
                    // Without an index any packet is a place to read from; a key frame follows.
                    #expect(at <= .milliseconds(target + 200), "\(name): \(at)")
                }
            }
        }

        @Test(arguments: [
            "main.mp4", "main-faststart.mp4", "main-fragmented.mp4", "main.ts", "other.ts", "offset.ts", "wrap.ts",
            "main.mkv", "hevc.ts", "audio.mp3", "audio.aac",
        ])
        func seekingToTheStartMissesNothing(_ name: String) throws {
            let opened = try Demuxer.opening(name)
            let whole = opened.records(limit: 300)
            var options = Demuxer.Options()
            options.expected = opened.flows
            options.seeksAtOnce = true
            try missesNothing(opened, whole)
            try missesNothing(Demuxer(input: MemoryInput(try Fixture.bytes(name)), options: options), whole)
        }

        private func missesNothing(_ demuxer: Demuxer, _ whole: [PacketRecord]) throws {
            for anyPacket in [false, true] {
                try demuxer.seek(to: .zero, anyPacket: anyPacket)
                let again = demuxer.records(limit: 300)
                for flow in demuxer.flows where !flow.isSparse {
                    let (a, b) = (whole.first { $0.flow == flow.index }, again.first { $0.flow == flow.index })
                    #expect(a?.payload == b?.payload, "\(demuxer.container) \(flow)")
                }
            }
        }

        @Test(arguments: ["main.mp4", "main-faststart.mp4", "main.ts"])
        func seekingToAnyPacket(_ name: String) throws {
            let demuxer = try Demuxer.opening(name)
            for target in [5000, 300, 11_900, 7321] as [Int64] {
                try demuxer.seek(to: .milliseconds(target), anyPacket: true)
                let records = demuxer.records(limit: 60)
                for flow in demuxer.flows where !flow.isSparse {
                    let first = try #require(records.first { $0.flow == flow.index })
                    let at = try #require(first.dts ?? first.pts)
                    #expect(at <= .milliseconds(target + 50), "\(name) \(flow) at \(target) ms: \(at)")
                    #expect(at > .milliseconds(target - 1000), "\(name) \(flow) at \(target) ms: \(at)")
                }
            }
        }

        @Test func seekingAndReadingGivesTheSamePackets() throws {
            let whole = try Demuxer.opening("main.mp4").records()
            let demuxer = try Demuxer.opening("main.mp4")
            try demuxer.seek(to: .seconds(7))
            let rest = demuxer.records().filter { $0.flow == 0 }
            #expect(rest == whole.filter { $0.flow == 0 }.suffix(rest.count))
            #expect(rest.count == 150)
        }

        @Test func whatIsNotSelectedIsSkipped() throws {
            let demuxer = try Demuxer.opening("main.mp4")
            demuxer.select { $0.language == "deu" }
            let records = demuxer.records()
            #expect(records.count == 518)
            #expect(Set(records.map(\.flow)) == [2])
        }

        @Test(arguments: ["main.mp4", "main.ts", "main.mkv", "main-fragmented.mp4"])
        func bytesComeAsTheyCome(_ name: String) throws {
            let whole = try Demuxer.opening(name).records()
            for chunk in [1000, 1316, 65_537] {
                let input = MemoryInput(try Fixture.bytes(name))
                input.chunk = chunk
                #expect(try Demuxer(input: input).records() == whole)
            }
        }

        @Test(arguments: ["main.ts", "main-faststart.mp4", "main-fragmented.mp4", "main.mkv", "audio.mp3", "audio.aac"])
        func whatCannotBeSoughtIsReadThrough(_ name: String) throws {
            let whole = try Demuxer.opening(name).records()
            let demuxer = try Demuxer(input: MemoryInput(try Fixture.bytes(name), isSeekable: false))
            let records = demuxer.records()
            for flow in demuxer.flows {
                let isSame =
                    records.filter { $0.flow == flow.index }.map(\.payload)
                    == whole.filter { $0.flow == flow.index }.map(\.payload)
                #expect(isSame, "\(flow)")
            }
        }

        /// All of the file is kept, since the index behind the media leads to places before it.
        @Test func anIndexAtTheEndIsReadThrough() throws {
            let whole = try Demuxer.opening("main.mp4").records()
            let demuxer = try Demuxer(input: MemoryInput(try Fixture.bytes("main.mp4"), isSeekable: false))
            #expect(demuxer.records() == whole)
            #expect(demuxer.isSeekable)
        }

        /// Where one time is stated for many frames of sound, the first are given theirs once it is known what a frame is.
        @Test(arguments: ["main.ts", "hevc.ts", "other.ts", "wrap.ts", "opengop.ts"])
        func timesAreTheSameWithoutSeeking(_ name: String) throws {
            let whole = try Demuxer.opening(name).records()
            let demuxer = try Demuxer(input: MemoryInput(try Fixture.bytes(name), isSeekable: false))
            #expect(demuxer.records() == whole)
        }

        @Test(arguments: [
            "audio.mp3", "audio-other.mp3", "audio.aac", "main.mp4", "main-faststart.mp4", "main.ts", "main.mkv",
        ])
        func packetsStandWhereTheyStoodHoweverOftenSought(_ name: String) throws {
            let demuxer = try Demuxer.opening(name)
            var places: [[UInt8]: Set<MediaTime>] = [:]
            for record in demuxer.records() { places[record.payload, default: []].insert(record.pts ?? .zero) }
            for place in [3.7, 2.1, 8.0, 0.5, 2.1, 2.0] {
                try demuxer.seek(to: .milliseconds(Int64(place * 1000)))
                let records = demuxer.records(limit: 60).filter { $0.pts != nil }
                let moved = records.filter { record in
                    places[record.payload].map { known in
                        !known.contains { ($0 - record.pts!).magnitude < .milliseconds(2) }
                    } ?? false
                }
                #expect(moved.isEmpty, "\(place): \(moved.count) of \(records.count)")
            }
        }

        @Test(arguments: ["main.mp4", "main-faststart.mp4", "main-fragmented.mp4", "main.ts", "main.mkv"])
        func whatOneContainerTellsOfSoundTimesThatOfAnother(_ name: String) throws {
            var options = Demuxer.Options()
            options.seeksAtOnce = true
            options.expected = try Demuxer.opening(name).flows
            let demuxer = try Demuxer(input: MemoryInput(try Fixture.bytes("main.ts")), options: options)
            try demuxer.seek(to: .seconds(4), anyPacket: true)
            let sound = demuxer.records().filter { demuxer.flows[$0.flow].kind == .audio }
            #expect(sound.count > 700)
            #expect(
                sound.allSatisfy { $0.pts != nil && $0.duration > .milliseconds(21) && $0.duration < .milliseconds(24) }
            )
        }

        @Test func aFileThatIsTooLongToKeepIsRefusedAtOnce() throws {
            let input = MemoryInput(try Fixture.bytes("main.mp4"), isSeekable: false)
            input.statedLength = 65 << 20
            #expect(throws: MediaError.indexTooFar) { try Demuxer(input: input) }
            #expect(input.delivered <= 64 << 10)
        }

        /// What was read to find the flows is kept.
        @Test(arguments: [
            "main.mp4", "main-faststart.mp4", "main-fragmented.mp4", "main.ts", "main.mkv", "hevc.ts", "audio.mp3",
            "audio.aac", "subs.mkv", "data.ts", "opengop.ts", "wrap.ts",
        ])
        func noByteIsReadTwice(_ name: String) throws {
            let input = MemoryInput(try Fixture.bytes(name))
            input.chunk = 1316
            let demuxer = try Demuxer(input: input)
            #expect(input.seeks <= (name == "main.mp4" ? 1 : 0))
            // What is played goes back and forth in an MP4 file; whoever gives the bytes sees to that.
            if demuxer.container.hasPrefix("mov") { return }
            _ = demuxer.records()
            #expect(input.delivered <= Int(input.length ?? 0))
        }

        /// What makes a start fast: flows are known from the first bytes.
        @Test(arguments: [
            ("main.mp4", 25_000), ("main-faststart.mp4", 22_000), ("main-fragmented.mp4", 50_000), ("main.ts", 16_000),
            ("main.mkv", 8000), ("hevc.ts", 12_000), ("audio.mp3", 12_000), ("audio.aac", 12_000), ("subs.mkv", 4000),
            ("data.ts", 6000), ("opengop.ts", 14_000),
        ])
        func openingReadsNoMoreThanItMust(_ name: String, most: Int) throws {
            let input = MemoryInput(try Fixture.bytes(name))
            input.chunk = 1316
            _ = try Demuxer(input: input)
            #expect(input.delivered <= most)
        }

        @Test func aFormatCanBeNamed() throws {
            var options = Demuxer.Options()
            options.format = "mpegts"
            #expect(
                try Demuxer(input: MemoryInput(try Fixture.bytes("main.ts")), options: options).container == "mpegts")
        }
    }
}
