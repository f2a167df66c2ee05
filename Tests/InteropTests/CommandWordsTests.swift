internal import Testing
internal import ThroughlineCore

@testable internal import Throughline
@testable internal import ThroughlineCLI

/// What the command-line tool shows and understands, without running it.
@Suite struct CommandWordsTests {
    private func status(paused: Bool = false, origin: String = "http://two/film.mp4", duration: Int? = 60)
        -> StreamStatus
    {
        StreamStatus(
            npt: .milliseconds(31_900), duration: duration.map { .seconds(Int64($0)) }, origin: origin,
            buffer: .milliseconds(2300), bufferBytes: 0, handoffs: 1, gapTotal: .zero,
            missing: .zero, isPaused: paused, rate: .normal)
    }

    @Test(arguments: [
        (100, "▶ 0:31 / 1:00  53 %  two/film.mp4  buffer 2.3 s  1 handoff  gap 0"),
        (64, "▶ 0:31 / 1:00  two/film.mp4  buffer 2.3 s  1 handoff  gap 0"),
        (50, "▶ 0:31 / 1:00  two/film.mp4  buffer 2.3 s  gap 0"), (25, "▶ 0:31 / 1:00  gap 0"), (8, "▶ 0:31 /"),
    ])
    func whatMattersLeastIsLeftOutFirst(width: Int, line: String) {
        #expect(statusLine(status(), width: width) == line)
    }

    @Test func aPausedStreamIsShownAsSuch() {
        #expect(statusLine(status(paused: true), width: 100).hasPrefix("⏸ paused  0:31 / 1:00"))
        #expect(statusLine(status(duration: nil), width: 100).hasPrefix("▶ 0:31  two/film.mp4"))
    }

    @Test(arguments: 1...80) func wideCharactersFit(width: Int) {
        let line = statusLine(status(origin: "http://two/映画の題名はとても長いです🎬.mp4"), width: width)
        #expect(line.columns <= width)
    }

    @Test(arguments: [
        ("pause", ViewerCommand.pause), ("  resume\t", .resume), ("stop\r", .stop),
        ("record  part 1.mkv", .record("part 1.mkv")), ("record off", .record(nil)),
        ("seek  1:30", .seek(.seconds(90))),
        ("seek -5", .seek(.seconds(-5))), ("rate 0.5", .rate(Rate(1, 2))), ("bandwidth 500000", .bandwidth(500_000)),
        ("migrate", .migrate(to: .best, at: nil)), ("migrate 1 at 2s", .migrate(to: .number(1), at: .seconds(2))),
        ("migrate http://b/f.ts", .migrate(to: .url("http://b/f.ts"), at: nil)), ("help", .help), ("status", .status),
    ])
    func linesAreUnderstood(line: String, command: ViewerCommand) throws {
        #expect(try ViewerCommand(line: line) == command)
    }

    @Test(arguments: [
        ("puase", "help"), ("pause now", "stands alone"), ("seek", "1:30"), ("seek 2sec", "write 90, 1:30"),
        ("rate 0", "pause"), ("rate x", "write 2"), ("bandwidth -1", "bits per second"), ("migrate a b", "migrate 1"),
    ])
    func linesThatAreNoCommandNameTheRemedy(line: String, word: String) {
        let mistake = #expect(throws: ViewerCommand.Mistake.self) { try ViewerCommand(line: line) }
        #expect(mistake?.description.contains(word) == true, "\(mistake?.description ?? "")")
    }

    @Test func whatIsOutOfRangeIsClippedAndSaid() {
        let range = SeekRange(duration: .seconds(12))
        #expect(range.place(.seconds(5)).note == nil)
        #expect(range.place(.seconds(99)).npt == .seconds(11) && range.place(.seconds(99)).note != nil)
        #expect(range.place(.seconds(-5)).npt == .zero && range.place(.seconds(-5)).note != nil)
        #expect(SeekRange(duration: nil).place(.seconds(99)).npt == .seconds(99))
        #expect(Rate(20).limited == Rate(8) && Rate(-20).limited == Rate(-8) && Rate(1, 100).limited == Rate(1, 8))
    }

    @Test(
        arguments: [
            ("http://host/x", nil), ("http://user:p@host:80/x", nil), ("rtsp://[::1]:554/x", nil), ("a:b.mp4", nil),
            ("film.mp4", nil), ("file:///x", nil), ("http://host:/x", nil), ("http://", "no host"),
            ("http:x", "http://"),
            ("https://host:0/", "65535"), ("http://a b/", "character"), ("ftp://x", "ftp"),
            ("rtsp://[::1/x", "brackets"),
            ("http://::1/x", "brackets"), ("file:x", "file://"), ("", "empty"),
        ] as [(String, String?)])
    func addressesThatAreNone(url: String, word: String?) {
        let mistake = Origin(url: url).addressMistake
        #expect((mistake == nil) == (word == nil), "\(mistake ?? "")")
        if let word { #expect(mistake?.contains(word) == true, "\(mistake ?? "")") }
    }

    @Test func everyCommandHasAManualPage() throws {
        let pages = try ManualPages.all()
        #expect(
            pages.map(\.name) == [
                "throughline.1", "throughline-play.1", "throughline-probe.1", "throughline-lab.1", "throughline-demo.1",
            ])
        for page in pages {
            #expect(page.text.hasPrefix(".TH THROUGHLINE"))
            #expect(page.text.contains("\\-\\-help") && page.text.contains(".SH SEE ALSO"))
        }
        #expect(pages[1].text.contains("\\fB\\-y\\fR, \\fB\\-\\-overwrite\\fR"))
        #expect(pages[1].text.contains("values: cold, warm, hot; default: cold"))
        for page in pages[1...2] { #expect(page.text.contains("http_proxy") && page.text.contains("\\-\\-netrc")) }
        #expect(ManualPages.escaped(".a\\b") == "\\&.a\\eb")
    }

    @Test func oneInterruptThatArrivesTwiceIsNoSecondOne() {
        let start = Instant.now
        var count = InterruptCount()
        #expect(count.taken(at: start) == .first)
        #expect(count.taken(at: start) == .echo)
        #expect(count.taken(at: start + .milliseconds(99)) == .echo)
        #expect(count.taken(at: start + .milliseconds(100)) == .again)
        #expect(count.taken(at: start + .seconds(9)) == .again)
    }

    /// On a terminal of so many columns, which breaks lines or cuts them.
    @Test(arguments: [(60, 100, 1), (60, 30, 2), (60, 29, 3), (1, 10, 1), (79, 8, 10)])
    func theLiveLineIsErasedRowByRow(columns: Int, width: Int, rows: Int) {
        let text = String(decoding: LineWriter.erasing(columns, width: width, reflows: true), as: UTF8.self)
        #expect(text.split(separator: "\u{1B}[2K", omittingEmptySubsequences: false).count - 1 == rows)
        #expect(text.split(separator: "\u{1B}[A", omittingEmptySubsequences: false).count == rows)
        #expect(!text.contains("\u{1B}[J"))
        let cut = String(decoding: LineWriter.erasing(columns, width: width, reflows: false), as: UTF8.self)
        #expect(cut == "\r\u{1B}[2K")
    }
}
