internal import FoundationEssentials
internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// An origin that ends where it said it would, while another one has more.
@Suite("Ends that are none", .inSlots) struct ShortEndTests {
    private static func bytes(_ file: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: URL(filePath: Fixtures.path(file))))
    }

    /// What is left of a file without its last twentieth.
    private static func cut(_ file: String, _ place: TemporaryDirectory) throws -> String {
        let bytes = try bytes(file)
        let path = place.path("short-" + file)
        try Data(bytes[..<(bytes.count / 100 * 95)]).write(to: URL(filePath: path))
        return path
    }

    private static func play(
        _ urls: [String], configure: (inout Configuration) -> Void = { _ in }
    ) async throws -> Play {
        try await Play.run(urls, pacing: .fast, configure: configure)
    }

    private static func expectWhole(_ play: Play, _ grade: SpliceGrade, _ location: SourceLocation = #_sourceLocation)
        throws
    {
        let summary = play.summary
        #expect(summary.error == nil && summary.missing == .zero, "\(play.story)", sourceLocation: location)
        #expect(summary.duplicate == .zero && summary.damagedPackets == 0, "\(play.story)", sourceLocation: location)
        #expect(
            (summary.played - .seconds(12)).magnitude < .milliseconds(100), "\(play.story)", sourceLocation: location)
        let handoff = try play.handoff(location)
        #expect(handoff.event.cause == .endedShort && handoff.grade == grade, "\(play.story)", sourceLocation: location)
    }

    @Test(
        "what lacks at the end is had from the other origin", .timeLimit(.minutes(25)),
        arguments: [
            ("main.ts", "main.ts", .byteExact), ("main.ts", "main.mp4", .packetExact),
            ("main-fragmented.mp4", "main-fragmented.mp4", .byteExact),
            ("main-fragmented.mp4", "main.ts", .packetExact), ("main-faststart.mp4", "main.ts", .packetExact),
            ("main.mkv", "main.mkv", .packetExact), ("main.ts", "main.mkv", .packetExact),
            ("audio.mp3", "audio.mp3", .byteExact), ("main.ts", "other.mp4", .frameAligned),
        ] as [(String, String, SpliceGrade)])
    func handedOff(_ file: String, _ other: String, _ grade: SpliceGrade) async throws {
        let place = try TemporaryDirectory()
        let short = try Self.cut(file, place)
        let first = try await HTTPOrigin.start(serving: ["/\(file)": short])
        let second = try await HTTPOrigin.start(serving: ["/\(other)": Fixtures.path(other)])
        let play = try await Self.play([first.url(for: "/\(file)"), second.url(for: "/\(other)")])
        try await first.stop()
        try await second.stop()
        try Self.expectWhole(play, grade)
        // The same pictures, each of them whole.
        let flow = file == "audio.mp3" ? nil : 0
        if grade != .frameAligned, let flow {
            let whole = try await References.shared.frames(file)
            #expect(
                play.frames.flows[flow].frames.map(\.hash) == whole.flows[flow].frames.map(\.hash), "\(play.story)")
        }
    }

    @Test(
        "a packet that is cut off at the end is damaged, and what was whole before it is not", .timeLimit(.minutes(25)),
        arguments: [
            ("main.ts", 320_000), ("main.ts", 317_777), ("main-faststart.mp4", 241_903), ("audio.mp3", 50_000),
        ])
    func cutOff(_ file: String, _ length: Int) async throws {
        let place = try TemporaryDirectory()
        let path = place.path("cut-" + file)
        try Data(Self.bytes(file)[..<length]).write(to: URL(filePath: path))
        let play = try await Self.play([path])
        #expect(play.summary.damagedPackets == 1, "\(play.story)")
        #expect(play.summary.played > .milliseconds(9500), "\(play.story)")
    }

    @Test("and with part of the flows, or up to a place behind", .timeLimit(.minutes(25)))
    func partly() async throws {
        let place = try TemporaryDirectory()
        let short = try Self.cut("main.ts", place)
        let video = try await Self.play([short, Fixtures.path("main.mp4")]) { $0.flows = .kinds([.video]) }
        try Self.expectWhole(video, .packetExact)
        let behind = try await Self.play([short, Fixtures.path("main.ts")]) { $0.to = .milliseconds(11_900) }
        #expect(behind.summary.error == nil && behind.summary.missing == .zero, "\(behind.story)")
        #expect(behind.summary.played >= .milliseconds(11_880), "\(behind.story)")
        let before = try await Self.play([short, Fixtures.path("main.ts")]) { $0.to = .seconds(11) }
        #expect(before.summary.error == nil && before.summary.handoffCount == 0, "\(before.story)")
    }

    @Test(
        "the end stands where nobody has more, or nobody who can be joined", .timeLimit(.minutes(25)),
        arguments: [
            "main.ts", "main.mp4", "main-fragmented.mp4", "main.mkv", "other.ts", "wrong.ts", "dead", "page.html",
        ])
    func stands(_ other: String) async throws {
        let place = try TemporaryDirectory()
        // Another programme is no longer than this one: only where this one is short does it seem to go on.
        let isWrong = other == "wrong.ts"
        let first = isWrong ? try Self.cut("main.ts", place) : Fixtures.path("main.ts")
        let second =
            isWrong ? Fixtures.path("wrong.mp4") : other == "dead" ? "http://127.0.0.1:1/" : Fixtures.path(other)
        let play = try await Self.play([first, second])
        #expect(play.summary.error == nil && play.summary.handoffCount == 0, "\(play.story)")
        #expect(play.summary.warnings.count == (isWrong ? 1 : 0), "\(play.story)")
    }

    @Test("An alternate that holds the same is asked for no more than the proof", .timeLimit(.minutes(25)))
    func cost() async throws {
        let pair = try await HTTPPair.start("main.ts")
        let play = try await Self.play(pair.urls)
        let log = pair.second.log
        try await pair.first.stop()
        try await pair.second.stop()
        #expect(play.summary.error == nil && play.summary.handoffCount == 0, "\(play.story)")
        #expect(log.count == 1, "\(log)")
    }

    @Test(
        "bytes that end with their connection may have ended too soon", .timeLimit(.minutes(25)),
        arguments: [("main.ts", .byteExact), ("main.mp4", .packetExact), ("other.mp4", .frameAligned)]
            as [(String, SpliceGrade)])
    func withoutLength(_ other: String, _ grade: SpliceGrade) async throws {
        let bytes = try Self.bytes("main.ts")
        let server = PlainServer { _ in PlainServer.endless(Array(bytes[..<(bytes.count / 100 * 95)])) }
        let play = try await Self.play([server.url, Fixtures.path(other)])
        try Self.expectWhole(play, grade)
    }

    /// The object of a server that is longer with each request.
    private static func growing(to last: Int, by step: Int) throws -> PlainServer {
        let bytes = try bytes("main.ts")
        return PlainServer { request in
            let length = min(last, bytes.count / 2 + request.number * step)
            return PlainServer.ranged(Array(bytes[..<length]), from: request.from)
        }
    }

    @Test("an object that grows is played as far as it grows", .timeLimit(.minutes(25)))
    func growth() async throws {
        let bytes = try Self.bytes("main.ts")
        let server = try Self.growing(to: bytes.count, by: bytes.count / 5 + 77)
        let play = try await Self.play([server.url])
        #expect(play.summary.error == nil && play.summary.missing == .zero, "\(play.story)")
        #expect(play.summary.damagedPackets == 0 && play.summary.warnings.isEmpty, "\(play.story)")
        #expect((play.summary.played - .seconds(12)).magnitude < .milliseconds(100), "\(play.story)")
        #expect(!play.events.contains { if case .waiting = $0.kind { true } else { false } }, "\(play.story)")
        let whole = try await References.shared.frames("main.ts")
        #expect(play.frames == whole, "\(play.story)")
    }

    @Test("and where it grows no more, it is gone on with at another origin", .timeLimit(.minutes(25)))
    func growthThatEnds() async throws {
        let bytes = try Self.bytes("main.ts")
        let server = try Self.growing(to: bytes.count / 100 * 90, by: bytes.count / 4)
        let play = try await Self.play([server.url, Fixtures.path("main.ts")])
        try Self.expectWhole(play, .byteExact)
    }

    @Test("whoever waits for an object to grow that has ended has waited for nothing", .timeLimit(.minutes(25)))
    func theEndOfGrowth() async throws {
        let bytes = try Self.bytes("main.ts")
        let server = try Self.growing(to: bytes.count / 100 * 60, by: bytes.count / 100 * 10)
        let play = try await Play.run([server.url], buffer: .milliseconds(300)) { $0.from = .seconds(6) }
        #expect(play.summary.error == nil && play.summary.gapTotal == .zero, "\(play.story)")
    }
}
