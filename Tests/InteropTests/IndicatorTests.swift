internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// Changes that the media themselves announce.
@Suite("Indicators in the stream", .inSlots) struct IndicatorTests {
    /// Two origins over HTTP, of which the first has indicators in what it serves; `TARGET` in them is the second.
    private struct Marked: Sendable {
        let first: HTTPOrigin
        let second: HTTPOrigin
        let urls: [String]

        init(_ file: String, _ texts: [String], other: String? = nil) async throws {
            let other = other ?? file
            second = try await HTTPOrigin.start(serving: ["/\(other)": Fixtures.path(other)])
            let target = second.url(for: "/\(other)")
            let indicators = try texts.map { text in
                let parts = text.split(separator: "TARGET", omittingEmptySubsequences: false)
                return try InsertedIndicator(parsing: parts.joined(separator: target))
            }
            let marked = try ServedFile(path: Fixtures.path(file), inserting: indicators)
            first = try await HTTPOrigin.start(serving: ["/\(file)": marked])
            urls = [first.url(for: "/\(file)"), target]
        }
    }

    /// Plays what is marked; without the flows that only carry indicators.
    private func play(
        _ marked: Marked, also more: [String] = [], patience: Duration = .seconds(40),
        configure: (inout Configuration) -> Void = { _ in }
    ) async throws -> Play {
        try await Play.run(marked.urls + more, buffer: .seconds(2), patience: patience) {
            $0.flows = .kinds([.video, .audio])
            configure(&$0)
        }
    }

    @Test(
        "a message with a target and a place: the first frame from the target is the first from there on",
        .timeLimit(.minutes(25)),
        arguments: [
            ("main.mp4", "sei", [0]), ("main.ts", "sei", [0]), ("hevc.ts", "sei", [0]), ("hevc.mp4", "sei", [0]),
            ("main.mkv", "sei", [0]), ("main.ts", "id3", [0]), ("main.ts", "id3,text", [0]), ("audio.aac", "id3", []),
            ("audio.mp3", "id3", []),
        ] as [(String, String, Set<Int>)])
    func message(_ file: String, _ kind: String, exactly flows: Set<Int>) async throws {
        let expected = try await Beginnings.shared.frames(file, to: nil)
        let marked = try await Marked(file, ["\(kind),to=TARGET,at=6,event=7@npt=4"])
        // The one that is named is not the next.
        let play = try await play(marked, also: []) {
            $0.origins.insert(Origin(url: Fixtures.path(file)), at: 1)
        }
        play.expectUnnoticed(expected)
        try play.expectJoined(at: .seconds(6), exactly: flows)
        let handoff = try play.handoff()
        #expect(handoff.to == OriginID(2), "\(play.story)")
        let event = handoff.event
        #expect(event.kind == .indicator && event.cause == .indicated, "\(play.story)")
        #expect(event.carrier == (kind == "sei" ? .userData : .timedMetadata) && event.position == .seconds(6))
        #expect(event.target == marked.urls[1])
        #expect(play.indicated.map(\.response) == [.leave], "\(play.story)")
    }

    @Test("SCTE 35 with a splice time, where it is left for", .timeLimit(.minutes(25)), arguments: ["", ",signal"])
    func splice(_ form: String) async throws {
        let expected = try await Beginnings.shared.frames("main.ts", to: nil)
        let marked = try await Marked("main.ts", ["scte-35,at=6,event=9\(form)@npt=4"], other: "main.mp4")
        let play = try await play(marked) { $0.indicators[.splice] = .leave }
        play.expectUnnoticed(expected)
        try play.expectJoined(at: .seconds(6))
        #expect(try play.handoff().event.carrier == .splice)
        #expect(try play.handoff().event.position == .seconds(6), "\(play.story)")
    }

    @Test("user data over RTSP", .timeLimit(.minutes(25)), arguments: [RTSPTransportChoice.tcp, .udp])
    func overRTSP(_ transport: RTSPTransportChoice) async throws {
        let expected = try await Beginnings.shared.frames("main.mkv", to: .seconds(7))
        let files = ["/main.mkv": Fixtures.path("main.mkv")]
        let second = try await RTSPOrigin.start(serving: files)
        let target = second.url(for: "/main.mkv")
        var options = RTSPOrigin.Options()
        options.indicators = [try InsertedIndicator(parsing: "sei,to=\(target),at=4@npt=3")]
        let first = try await RTSPOrigin.start(serving: files, options: options)
        let play = try await Play.run([first.url(for: "/main.mkv"), target]) {
            $0.rtspTransport = transport
            $0.to = .seconds(7)
        }
        play.expectUnnoticed(expected)
        try play.expectJoined(at: .seconds(4))
        #expect(try play.handoff().event.carrier == .userData)
    }

    @Test("at once is with the picture that says so", .timeLimit(.minutes(25)))
    func atOnce() async throws {
        let expected = try await Beginnings.shared.frames("main.mp4", to: nil)
        let marked = try await Marked("main.mp4", ["sei,to=TARGET@npt=6"])
        let play = try await play(marked)
        play.expectUnnoticed(expected)
        try play.expectJoined(at: .seconds(6))
    }

    @Test(
        "a change of content is followed, and no reason to leave", .timeLimit(.minutes(25)),
        arguments: [
            ["ts-discontinuity@npt=6"], ["ts-discontinuity,jump=100@npt=5.5"], ["ts-program@npt=5"],
            ["scte-35,at=4,for=4@npt=3"], ["scte-35,at=4,event=1@npt=3", "scte-35,at=8,event=1,return@npt=7"],
            ["sei,stay,at=6@npt=5"], ["id3,stay@npt=5"],
            ["scte-35,at=8,for=2@npt=5", "ts-discontinuity@npt=4"],
        ])
    func content(_ indicators: [String]) async throws {
        let expected = try await Beginnings.shared.frames("main.ts", to: nil)
        let marked = try await Marked("main.ts", indicators)
        let play = try await play(marked)
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffCount == 0 && play.changes.isEmpty, "\(play.story)")
        #expect(!play.indicated.isEmpty && play.indicated.allSatisfy { $0.response == .stay }, "\(play.story)")
        // It is asked for nothing but how long its own object is, when all of the first has come.
        let end = try #require(marked.first.log.compactMap(\.endedAt).max())
        #expect(marked.second.log.allSatisfy { $0.receivedAt >= end }, "\(marked.second.log)")
    }

    /// libavformat gives the last picture of the former PID only at the end, when its place has been passed.
    @Test("flows that go on under other PIDs are followed", .timeLimit(.minutes(25)))
    func otherPIDs() async throws {
        let expected = try await Beginnings.shared.frames("main.ts", to: nil)
        let marked = try await Marked("main.ts", ["ts-program,pids@npt=6"])
        let play = try await play(marked)
        #expect(play.summary.error == nil && play.summary.handoffCount == 0, "\(play.story)")
        #expect(play.summary.gapTotal == .zero, "\(play.story)")
        for (mine, theirs) in zip(play.frames.flows, expected.flows) {
            #expect(mine.frames.count >= theirs.frames.count - 2, "\(play.story)")
            let hashes = Set(theirs.frames.map(\.hash))
            #expect(mine.frames.count { !hashes.contains($0.hash) } <= 2, "\(play.story)")
            #expect(mine.frames.last?.hash == theirs.frames.last?.hash)
        }
    }

    @Test("a discontinuity is left for where that is asked for, once", .timeLimit(.minutes(25)))
    func leftAtDiscontinuity() async throws {
        let expected = try await Beginnings.shared.frames("main.ts", to: nil)
        let marked = try await Marked("main.ts", ["ts-discontinuity@npt=6"], other: "main.mp4")
        let play = try await play(marked) { $0.indicators[.discontinuity] = .leave }
        play.expectUnnoticed(expected)
        #expect(try play.handoff().event.carrier == .discontinuity)
    }

    @Test(
        "an indicator that names a place that was not given is refused, and reported", .timeLimit(.minutes(25)),
        arguments: ["sei", "id3"])
    func forged(_ kind: String) async throws {
        let expected = try await Beginnings.shared.frames("main.ts", to: nil)
        let elsewhere = try await HTTPOrigin.start(serving: ["/main.ts": Fixtures.path("main.ts")])
        let url = elsewhere.url(for: "/main.ts")
        let marked = try await Marked("main.ts", ["\(kind),to=\(url),at=6@npt=4"])
        let play = try await play(marked)
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffCount == 0, "\(play.story)")
        #expect(elsewhere.log.isEmpty)
        #expect(play.indicated.map(\.response) == [.refused], "\(play.story)")
        #expect(play.summary.warnings.contains { $0.contains(url) && $0.contains("refused") }, "\(play.story)")
        #expect(Report(play.summary).warnings.contains { $0.contains(url) })
    }

    @Test("where others are allowed, it goes there", .timeLimit(.minutes(25)))
    func allowed() async throws {
        let expected = try await Beginnings.shared.frames("main.ts", to: nil)
        let elsewhere = try await HTTPOrigin.start(serving: ["/main.ts": Fixtures.path("main.ts")])
        let url = elsewhere.url(for: "/main.ts")
        let marked = try await Marked("main.ts", ["sei,to=\(url),at=6@npt=4"])
        let play = try await play(marked) { $0.indicators.allowsOtherTargets = true }
        play.expectUnnoticed(expected)
        try play.expectJoined(at: .seconds(6))
        #expect(try play.handoff().toURL == url)
    }

    @Test(
        "what is withdrawn does not happen; what is ignored neither", .timeLimit(.minutes(25)),
        arguments: [true, false])
    func withdrawn(_ isIgnored: Bool) async throws {
        let expected = try await Beginnings.shared.frames("main.mp4", to: nil)
        let marked = try await Marked(
            "main.mp4", ["sei,to=TARGET,at=8@npt=3"] + (isIgnored ? [] : ["sei,withdraw@npt=5"]))
        let play = try await play(marked) { if isIgnored { $0.indicators[.userData] = .ignore } }
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffCount == 0, "\(play.story)")
        #expect(play.indicated.map(\.response) == (isIgnored ? [] : [.leave, .withdraw]), "\(play.story)")
    }

    @Test("an announced end is the end", .timeLimit(.minutes(25)))
    func end() async throws {
        let marked = try await Marked("main.mp4", ["sei,end,at=6@npt=4"])
        let play = try await play(marked)
        #expect(play.summary.error == nil && play.summary.handoffCount == 0, "\(play.story)")
        #expect(play.frames.only("video").flows.first?.frames.count == 150, "\(play.story)")
    }
}
