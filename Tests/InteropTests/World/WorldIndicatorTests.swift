internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// Changes that the media themselves announce.
@Suite("In a world, indicators in the stream", .inWorlds) struct WorldIndicatorTests {
    /// What became of a play of two origins, of which the first has indicators in what it serves.
    private struct Marked: Sendable {
        let play: Play
        /// Of the second, which `TARGET` in the indicators names, and of a third, `ELSEWHERE`, which is not configured.
        let target, elsewhere: String
        /// What each of the three was asked.
        let asked: [[RequestRecord]]
    }

    /// Without the flows that only carry indicators.
    private func play(
        _ file: String, _ texts: [String], other: String? = nil,
        configure: @escaping @Sendable (inout Configuration) -> Void = { _ in }
    ) async throws -> Marked {
        try await inWorld { world in
            let second = try world.origin(other ?? file, pace: nil)
            let third = try world.origin(file, pace: nil)
            let indicators = try texts.map { text in
                var text = text
                for (name, url) in [("TARGET", second.film), ("ELSEWHERE", third.film)] {
                    text = text.split(separator: name, omittingEmptySubsequences: false).joined(separator: url)
                }
                return try InsertedIndicator(parsing: text)
            }
            let first = try world.serve(
                ["/film": try ServedFile(path: Fixtures.path(file), inserting: indicators)])
            let play = try world.play([first.film, second.film], buffer: .seconds(2)) {
                $0.flows = .kinds([.video, .audio])
                configure(&$0)
            }
            return Marked(
                play: play, target: second.film, elsewhere: third.film, asked: [first, second, third].map(\.log))
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
        // The one that is named is not the next.
        let marked = try await play(file, ["\(kind),to=TARGET,at=6,event=7@npt=4"]) {
            $0.origins.insert(Origin(url: Fixtures.path(file)), at: 1)
        }
        let play = marked.play
        play.expectUnnoticed(expected)
        try play.expectJoined(at: .seconds(6), exactly: flows)
        let handoff = try play.handoff()
        #expect(handoff.to == OriginID(2), "\(play.story)")
        let event = handoff.event
        #expect(event.kind == .indicator && event.cause == .indicated, "\(play.story)")
        #expect(event.carrier == (kind == "sei" ? .userData : .timedMetadata) && event.position == .seconds(6))
        #expect(event.target == marked.target)
        #expect(play.indicated.map(\.response) == [.leave], "\(play.story)")
    }

    @Test("SCTE 35 with a splice time, where it is left for", .timeLimit(.minutes(25)), arguments: ["", ",signal"])
    func splice(_ form: String) async throws {
        let expected = try await Beginnings.shared.frames("main.ts", to: nil)
        let play = try await play("main.ts", ["scte-35,at=6,event=9\(form)@npt=4"], other: "main.mp4") {
            $0.indicators[.splice] = .leave
        }.play
        play.expectUnnoticed(expected)
        try play.expectJoined(at: .seconds(6))
        #expect(try play.handoff().event.carrier == .splice)
        #expect(try play.handoff().event.position == .seconds(6), "\(play.story)")
    }

    @Test("at once is with the picture that says so", .timeLimit(.minutes(25)))
    func atOnce() async throws {
        let expected = try await Beginnings.shared.frames("main.mp4", to: nil)
        let play = try await play("main.mp4", ["sei,to=TARGET@npt=6"]).play
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
        let marked = try await play("main.ts", indicators)
        let play = marked.play
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffCount == 0 && play.changes.isEmpty, "\(play.story)")
        #expect(!play.indicated.isEmpty && play.indicated.allSatisfy { $0.response == .stay }, "\(play.story)")
        // It is asked for nothing but how long its own object is, when all of the first has come.
        let end = try #require(marked.asked[0].compactMap(\.endedAt).max())
        #expect(marked.asked[1].allSatisfy { $0.receivedAt >= end }, "\(marked.asked[1])")
    }

    /// libavformat gives the last picture of the former PID only at the end, when its place has been passed.
    @Test("flows that go on under other PIDs are followed", .timeLimit(.minutes(25)))
    func otherPIDs() async throws {
        let expected = try await Beginnings.shared.frames("main.ts", to: nil)
        let play = try await play("main.ts", ["ts-program,pids@npt=6"]).play
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
        let play = try await play("main.ts", ["ts-discontinuity@npt=6"], other: "main.mp4") {
            $0.indicators[.discontinuity] = .leave
        }.play
        play.expectUnnoticed(expected)
        #expect(try play.handoff().event.carrier == .discontinuity)
    }

    @Test(
        "an indicator that names a place that was not given is refused, and reported", .timeLimit(.minutes(25)),
        arguments: ["sei", "id3"])
    func forged(_ kind: String) async throws {
        let expected = try await Beginnings.shared.frames("main.ts", to: nil)
        let marked = try await play("main.ts", ["\(kind),to=ELSEWHERE,at=6@npt=4"])
        let (play, url) = (marked.play, marked.elsewhere)
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffCount == 0, "\(play.story)")
        #expect(marked.asked[2].isEmpty)
        #expect(play.indicated.map(\.response) == [.refused], "\(play.story)")
        #expect(play.summary.warnings.contains { $0.contains(url) && $0.contains("refused") }, "\(play.story)")
        #expect(Report(play.summary).warnings.contains { $0.contains(url) })
    }

    @Test("where others are allowed, it goes there", .timeLimit(.minutes(25)))
    func allowed() async throws {
        let expected = try await Beginnings.shared.frames("main.ts", to: nil)
        let marked = try await play("main.ts", ["sei,to=ELSEWHERE,at=6@npt=4"]) {
            $0.indicators.allowsOtherTargets = true
        }
        let play = marked.play
        play.expectUnnoticed(expected)
        try play.expectJoined(at: .seconds(6))
        #expect(try play.handoff().toURL == marked.elsewhere)
    }

    @Test(
        "what is withdrawn does not happen; what is ignored neither", .timeLimit(.minutes(25)),
        arguments: [true, false])
    func withdrawn(_ isIgnored: Bool) async throws {
        let expected = try await Beginnings.shared.frames("main.mp4", to: nil)
        let texts = ["sei,to=TARGET,at=8@npt=3"] + (isIgnored ? [] : ["sei,withdraw@npt=5"])
        let play = try await play("main.mp4", texts) { if isIgnored { $0.indicators[.userData] = .ignore } }.play
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffCount == 0, "\(play.story)")
        #expect(play.indicated.map(\.response) == (isIgnored ? [] : [.leave, .withdraw]), "\(play.story)")
    }

    @Test("an announced end is the end", .timeLimit(.minutes(25)))
    func end() async throws {
        let play = try await play("main.mp4", ["sei,end,at=6@npt=4"]).play
        #expect(play.summary.error == nil && play.summary.handoffCount == 0, "\(play.story)")
        #expect(play.frames.only("video").flows.first?.frames.count == 150, "\(play.story)")
    }
}
