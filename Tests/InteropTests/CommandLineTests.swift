import FoundationEssentials
import Glibc
import Testing
import Throughline
import ThroughlineCore
import ThroughlineLab

/// The command-line tool, as a user and as a script sees it.
@Suite(.timeLimit(.minutes(25)), .inSlots)
struct CommandLineTests {
    private let scratch = Scratch()
    private let fixtures = CommandLineTool.fixtures
    private var film: String { "\(fixtures)/main.mp4" }

    /// An origin with the film in two containers, and with things that are no film.
    private func origin(faults: [String] = []) async throws -> HTTPOrigin {
        try await HTTPOrigin.start(
            serving: [
                "/film.mp4": "\(fixtures)/main-faststart.mp4", "/film.ts": "\(fixtures)/main.ts",
                "/page.html": "\(fixtures)/page.html", "/empty.mp4": "\(fixtures)/empty.mp4",
            ], faults: faults.map { try Fault(parsing: $0) })
    }

    // MARK: - Exit statuses

    struct Mistake: CustomTestStringConvertible {
        /// `ORIGIN`, `FILM` and `SCRATCH` are filled in.
        var arguments: [String]
        var status: Int32
        /// What the error must name.
        var word: String
        init(_ arguments: String, _ status: Int32, _ word: String) {
            self.arguments = arguments.split(separator: " ").map { String($0) }
            self.status = status
            self.word = word
        }
        var testDescription: String { arguments.joined(separator: " ") }
    }

    @Test(arguments: [
        Mistake("play", 64, "<origin>"),
        Mistake("play ftp://example.invalid/film.mp4", 64, "ftp"),
        Mistake("play FILM --buffer long", 64, "--buffer: 'long' is no time: write 90, 1:30, 500ms or 2s"),
        Mistake("play FILM --buffer -1", 64, "'-1' is no time"),
        Mistake("play FILM --give-up-after -5s", 64, "'-5s' is no time"),
        Mistake("play FILM --open-timeout 1ms", 64, "--open-timeout"),
        Mistake("play FILM --standby lukewarm", 64, "write cold, warm or hot"),
        Mistake("play FILM --output -x.ts", 64, "./-x.ts"),
        Mistake("play http:///film.mp4", 64, "names no host"),
        Mistake("play http:/host/film.mp4", 64, "http://host/path"),
        Mistake("play rtsp://host:99999/film", 64, "1 to 65535"),
        Mistake("film.mp4", 64, "did you mean \"throughline play film.mp4\"?"),
        Mistake("plya FILM", 64, "did you mean \"throughline play\"?"),
        Mistake("play FILM --buffer 10ms", 64, "from 100 ms to 60 s"),
        Mistake("play FILM --from 5 --to 3", 64, "behind the start"),
        Mistake("play FILM --from 1:39 --fast", 64, "0:12"),
        Mistake("play FILM --flows smell", 64, "video"),
        Mistake("play FILM --flows audio:0", 64, "audio:2"),
        Mistake("play FILM --flows audio:fr", 64, "none of the flows is selected"),
        Mistake("play FILM --output FILM", 64, "overwrite"),
        Mistake("play FILM --output - --events -", 64, "standard output"),
        Mistake("play FILM --output SCRATCH/a.ts --output SCRATCH/./a.ts", 64, "written twice"),
        Mistake("play FILM --report SCRATCH/report.pdf", 64, ".json"),
        Mistake("play ORIGIN/page.html", 65, "page.html"),
        Mistake("play ORIGIN/empty.mp4", 65, "empty"),
        Mistake("play http://127.0.0.1:1/film.mp4", 69, "127.0.0.1:1"),
        Mistake("play ORIGIN/gone.mp4", 69, "404"),
        Mistake("play SCRATCH", 69, "directory"),
        Mistake("play SCRATCH/gone.mp4", 69, "No such file"),
        Mistake("play FILM --fast --output /nowhere/film.mp4", 74, "/nowhere/film.mp4"),
        Mistake("play FILM --fast --output /dev/full --format mpegts", 74, "space"),
        Mistake("play FILM --fast --output SCRATCH/film.what", 64, "--format"),
        Mistake("play FILM --fast --output SCRATCH/film.webm", 64, "film.mkv"),
        Mistake("play FILM --events SCRATCH/events --output SCRATCH/film.what", 64, "--format"),
        Mistake("play FILM --report /nowhere/report.json", 74, "/nowhere/report.json"),
        Mistake("play FILM --events /nowhere/events", 74, "/nowhere/events"),
        Mistake("play FILM --fast --events /dev/full", 74, "space"),
        Mistake("probe ORIGIN/page.html", 65, "page.html"),
        Mistake("probe ORIGIN/gone.mp4 FILM", 69, "404"),
        Mistake("lab SCRATCH/gone.mp4", 69, "gone.mp4"),
        Mistake("lab FILM --fault sneeze", 64, "reset"),
        Mistake("lab FILM --pace fast", 64, "--pace"),
        Mistake("lab FILM --rtsp --pace 500k", 64, "1.25x"),
        Mistake("lab FILM --transport tcp", 64, "--rtsp"),
        Mistake("lab FILM --fault bye", 64, "--rtsp"),
        Mistake("lab SCRATCH/gone.mp4 --rtsp", 69, "gone.mp4"),
    ])
    func tellsWhatIsWrong(_ mistake: Mistake) async throws {
        let origin = try await origin()
        let base = String(origin.url(for: "/").dropLast())
        let arguments = mistake.arguments.map { argument in
            for (name, value) in [("ORIGIN", base), ("SCRATCH", scratch.path), ("FILM", film)]
            where argument.hasPrefix(name) {
                return value + argument.dropFirst(name.count)
            }
            return argument
        }
        let outcome = try await CommandLineTool.run(arguments)
        #expect(outcome.status == mistake.status, "\(outcome.errors)")
        #expect(outcome.errors.contains(mistake.word), "\(outcome.errors)")
        if arguments[0] == "play" { #expect(outcome.output.isEmpty) }
        try await origin.stop()
    }

    @Test func aReaderThatLeavesIsNoFailure() async throws {
        for arguments in [
            ["play", film, "--fast", "--output", "-"], ["play", film, "--fast", "--events", "-"],
            ["play", film, "--fast", "--report", "-"], ["probe", film],
        ] {
            let outcome = try await CommandLineTool.run(arguments, isPipeClosed: true)
            #expect(outcome.status == 141, "\(arguments) \(outcome.errors)")
            let lines = outcome.errors.split(separator: "\n").filter { $0.hasPrefix("throughline: ") }
            #expect(lines.count == 1 && lines.first?.contains("has left") == true, "\(outcome.errors)")
        }
    }

    @Test func theOtherOutputStaysWholeWhenAReaderLeaves() async throws {
        let (copy, path) = (scratch.file("film.mp4"), scratch.file("report.json"))
        let outcome = try await CommandLineTool.run(
            ["play", film, "--fast", "--output", "-", "--output", copy, "--report", path], isPipeClosed: true)
        #expect(outcome.status == 141, "\(outcome.errors)")
        let finding = await (try Probe([Origin(url: copy)])).run().origins[0]
        #expect(finding.duration == .seconds(12), "\(outcome.errors)")
        let report = try JSONDecoder().decode(Report.self, from: Data(Scratch.bytes(of: path)))
        #expect(report.result.outcome == "reader-left" && report.flows.first?.packets == 300)
    }

    // MARK: - Files that are there

    @Test func anExistingFileIsNotTouchedUnlessItMayBe() async throws {
        let copy = scratch.file("film.mp4")
        try Data("keep".utf8).write(to: URL(filePath: copy))
        let refused = try await CommandLineTool.run(["play", film, "--fast", "--output", copy])
        #expect(refused.status == 64 && refused.errors.contains("-y"), "\(refused.errors)")
        let other = scratch.file("film.mp3")
        try Data("keep".utf8).write(to: URL(filePath: other))
        let impossible = try await CommandLineTool.run(["play", film, "--fast", "-y", "--output", other])
        #expect(impossible.status == 64 && impossible.errors.contains("film.mkv"), "\(impossible.errors)")
        for path in [copy, other] { #expect(Scratch.bytes(of: path) == Array("keep".utf8)) }
        let replaced = try await CommandLineTool.run(["play", film, "--fast", "-y", "--output", copy])
        #expect(replaced.status == 0 && Scratch.bytes(of: copy).count > 100_000, "\(replaced.errors)")
    }

    @Test func eventsDoNotOverwriteAnOrigin() async throws {
        let copy = scratch.file("copy.mp4")
        try Data(Scratch.bytes(of: film)).write(to: URL(filePath: copy))
        for option in ["--events", "--output"] {
            let outcome = try await CommandLineTool.run(["play", copy, "-y", option, "\(scratch.path)/./copy.mp4"])
            #expect(outcome.status == 64, "\(outcome.errors)")
        }
        #expect(Scratch.bytes(of: copy) == Scratch.bytes(of: film))
    }

    @Test func aFileThatIsNoListOfEventsIsNotReplaced() async throws {
        let keep = Array("not events".utf8)
        for name in ["film.ts", "film.json"] { try Data(keep).write(to: URL(filePath: scratch.file(name))) }
        let (other, json) = (scratch.file("film.ts"), scratch.file("film.json"))
        for arguments in [
            ["play", film, "--fast", "--events", other], ["play", film, "--events", other, "--buffer", "-1"],
            ["play", film, "--fast", "--report", json], ["play", film, "--report", json, "--buffer", "-1"],
        ] {
            let outcome = try await CommandLineTool.run(arguments)
            #expect(outcome.status == 64, "\(outcome.errors)")
            #expect(Scratch.bytes(of: other) == keep && Scratch.bytes(of: json) == keep, "\(arguments)")
        }
        let events = scratch.file("events")
        for arguments in [["--events", events], ["--events", events], ["--events", other, "-y"]] {
            let outcome = try await CommandLineTool.run(["play", film, "--fast", "--to", "1"] + arguments)
            #expect(outcome.status == 0, "\(outcome.errors)")
        }
        #expect(Scratch.bytes(of: other).first == UInt8(ascii: "{"))
    }

    // MARK: - The last event

    @Test(arguments: [
        ("play FILM --buffer -1", 64, "usage"), ("play FILM --from 5 --to 3", 64, "usage"),
        ("play SCRATCH/gone.mp4", 69, "no-origin-usable"), ("play http://127.0.0.1:1/x", 69, "no-origin-usable"),
        ("play FILM --output /nowhere/x.ts", 74, "output-failed"), ("play FILM --fast", 0, "played"),
    ])
    func theLastEventSaysHowItEnded(line: String, status: Int, outcome: String) async throws {
        let arguments = line.split(separator: " ").map {
            $0 == "FILM" ? film : $0.hasPrefix("SCRATCH") ? scratch.path + $0.dropFirst(7) : String($0)
        }
        let result = try await CommandLineTool.run(arguments + ["--events", "-"])
        #expect(Int(result.status) == status, "\(result.errors)")
        let last = try #require(result.output.split(separator: UInt8(ascii: "\n")).last)
        let event = try JSONDecoder().decode(JSON.self, from: Data(last))
        #expect(event["event"]?.text == "ended" && event["outcome"]?.text == outcome)
        #expect(event["exitStatus"]?.number == Double(status))
        #expect((event["message"]?.text == nil) == (status == 0))
        try expectDocumented(event)
    }

    // MARK: - Commands on standard input

    @Test func eachLineIsAnsweredAndTheEndOfInputLetsAPausedStreamGoOn() async throws {
        let input = scratch.file("input")
        try Data(" pause \r\nstatus\nrate 20\nrate 1\nnonsense\n\n".utf8).write(to: URL(filePath: input))
        let outcome = try await CommandLineTool.run(
            ["play", film, "--to", "1", "--control", "--events", "-"], input: input)
        #expect(outcome.status == 0, "\(outcome.errors)")
        let events = try outcome.output.split(separator: UInt8(ascii: "\n"))
            .map { try JSONDecoder().decode(JSON.self, from: Data($0)) }
        let answers = events.filter { $0["event"]?.text == "control" }
        #expect(answers.map { $0["line"]?.text } == ["pause", "status", "rate 20", "rate 1", "nonsense"])
        #expect(answers.map { $0["accepted"]?.isTrue } == [true, true, true, true, false])
        #expect(answers[1]["text"]?.text?.hasPrefix("paused at ") == true)
        #expect(answers[2]["text"]?.text?.contains("limited to 8") == true)
        #expect(events.contains { $0["event"]?.text == "resumed" })
        for answer in answers { try expectDocumented(answer) }
    }

    @Test func passwordsAreNotShown() async throws {
        let outcome = try await CommandLineTool.run(["play", "http://user:hush@127.0.0.1:1/film.mp4", "--verbose"])
        #expect(outcome.status == 69)
        #expect(!outcome.errors.contains("hush"))
        for arguments in [
            ["demo", "http://user:hush@h/"], ["play", film, "--buffer", "http://user:hush@h/"],
            ["play", film, "--header", "Authorization hush"], ["play", film, "--headr", "Authorization: hush"],
        ] {
            let report = scratch.file("report.json")
            let mistake = try await CommandLineTool.run(arguments + ["--events", "-", "--report", report])
            let told = [mistake.output, Array(mistake.errors.utf8), Scratch.bytes(of: report)]
            #expect(mistake.status == 64)
            for text in told.map({ String(decoding: $0, as: UTF8.self) }) { #expect(!text.contains("hush"), "\(text)") }
        }
    }

    @Test(arguments: ["--version", "--help", "play --help", "probe --help", "lab --help", "demo --help"])
    func explainsItself(arguments: String) async throws {
        let outcome = try await CommandLineTool.run(arguments.split(separator: " ").map { String($0) })
        #expect(outcome.status == 0)
        #expect(!outcome.output.isEmpty && outcome.errors.isEmpty)
    }

    // MARK: - Standard output

    private struct HelpDump: Decodable { let command: Command }
    private struct Command: Decodable {
        let commandName: String
        let discussion: String?
        let subcommands: [Command]?
        let arguments: [Argument]?
    }
    private struct Argument: Decodable {
        let valueName: String?
        let completionKind: [String: [String: [String]]]?
    }

    /// What follows an option that names a file, or has words to choose from, is completed by the shells.
    @Test func whatCanBeCompletedIsAndTablesAreNotBroken() async throws {
        let dump = try await CommandLineTool.run(["--experimental-dump-help"])
        let tool = try JSONDecoder().decode(HelpDump.self, from: Data(dump.output))
        var kinds: [String: Set<String>] = [:]
        for command in tool.command.subcommands ?? [] {
            // Where the help is broken at 80 columns, tables keep their form.
            for line in (command.discussion ?? "").split(separator: "\n") where line.hasPrefix("  ") {
                #expect(line.count < 80, "\(line)")
            }
            for argument in command.arguments ?? [] {
                guard let name = argument.valueName else { continue }
                kinds[name, default: []].formUnion(argument.completionKind.map { Array($0.keys) } ?? ["none"])
            }
        }
        for name in ["file", "path|-", "file|-", "origin"] { #expect(kinds[name] == ["file"], "\(name)") }
        for name in ["how", "when", "way", "flows", "kind=how"] { #expect(kinds[name] == ["list"], "\(name)") }
        #expect(kinds["directory"] == ["directory"])
    }

    @Test func standardOutputCarriesTheMediaAlone() async throws {
        let (first, second) = (try await origin(faults: ["reset@50%", "refuse"]), try await origin())
        let outcome = try await CommandLineTool.run(
            ["play", first.url(for: "/film.mp4"), second.url(for: "/film.mp4"), "--fast", "--verbose", "--output", "-"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.errors.contains("byte-exact"), "\(outcome.errors)")
        expectTransportStream(outcome.output)
        for origin in [first, second] { try await origin.stop() }
    }

    /// What is cut out of a film begins at zero, as any file does.
    @Test(arguments: ["cut.mp4", "cut.mkv"])
    func aCutBeginsAtZero(_ name: String) async throws {
        let path = scratch.file(name)
        let outcome = try await CommandLineTool.run(
            ["play", "\(CommandLineTool.fixtures)/main.mp4", "--from", "4", "--to", "8", "--fast", "--output", path])
        #expect(outcome.status == 0, "\(outcome.errors)")
        let probe = try await Tool.run([
            "ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "packet=pts_time", "-of", "csv=p=0",
            path,
        ])
        let times = probe.output.split(separator: "\n").compactMap { Double($0) }
        #expect(times.count == 100, "\(probe)")
        // Containers that hold no time before zero begin with the decode time of the first picture, or sound before it.
        let (first, last) = (times.min() ?? 9, times.max() ?? 0)
        #expect(first >= 0 && first < 0.12 && abs(last - first - 3.96) < 0.002, "\(times)")
    }

    private func expectTransportStream(_ bytes: [UInt8]) {
        #expect(!bytes.isEmpty && bytes.count % 188 == 0)
        #expect(stride(from: 0, to: bytes.count, by: 188).allSatisfy { bytes[$0] == 0x47 })
    }

    @Test func eventsAreLinesOfJSON() async throws {
        let (first, second) = (try await origin(faults: ["reset@50%", "refuse"]), try await origin())
        let outcome = try await CommandLineTool.run(
            ["play", first.url(for: "/film.mp4"), second.url(for: "/film.ts"), "--fast", "--quiet", "--events", "-"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.errors.isEmpty)
        let lines = outcome.output.split(separator: UInt8(ascii: "\n"))
        let events = try lines.map { try JSONDecoder().decode(JSON.self, from: Data($0)) }
        let names = events.map { $0["event"]?.text ?? "" }
        #expect(names.first == "opened" && names.last == "ended")
        for name in ["playing", "change-observed", "attempt-failed", "handoff"] { #expect(names.contains(name)) }
        for event in events {
            #expect(event["schema"]?.text == "throughline-event/1")
            #expect(event["time"]?.number != nil)
            try expectDocumented(event)
        }
        for origin in [first, second] { try await origin.stop() }
    }

    // MARK: - Reports

    @Test func theReportIsAsDocumented() async throws {
        let (first, second) = (try await origin(faults: ["reset@50%", "refuse"]), try await origin())
        let path = scratch.file("report.json")
        let outcome = try await CommandLineTool.run(
            ["play", first.url(for: "/film.mp4"), second.url(for: "/film.ts"), "--fast", "--report", path])
        #expect(outcome.status == 0, "\(outcome.errors)")
        let data = Data(Scratch.bytes(of: path))
        let report = try JSONDecoder().decode(Report.self, from: data)
        #expect(report.schema == Report.schemaName)
        #expect(report.result.outcome == "played" && report.result.exitStatus == 0)
        #expect(report.handoffCount == 1 && report.handoffs.count == 1)
        #expect(report.handoffs.first?.grade == "packet-exact")
        #expect(report.handoffs.first?.event.cause == "reset")
        #expect(report.missing == 0 && report.duplicate == 0)
        #expect(report.flows.first?.packets == 300)
        #expect(report.duration == 12)
        #expect(report.arguments?.first == "play" && report.arguments?.contains("--fast") == true)
        #expect(!report.version.isEmpty && report.startedAt != nil && report.endedAt != nil)
        try expectDocumented(JSONDecoder().decode(JSON.self, from: data))
        for origin in [first, second] { try await origin.stop() }
    }

    @Test func aFailureIsReportedToo() async throws {
        let path = scratch.file("report.json")
        let outcome = try await CommandLineTool.run(["play", "http://127.0.0.1:1/film.mp4", "--report", path])
        let report = try JSONDecoder().decode(Report.self, from: Data(Scratch.bytes(of: path)))
        #expect(outcome.status == 69 && report.result.exitStatus == 69)
        #expect(report.result.outcome == "no-origin-usable" && report.result.attempts?.count == 1)
    }

    @Test func givingUpMidwayLeavesWhatWasPlayed() async throws {
        let origin = try await origin(faults: ["reset@50%", "refuse"])
        let path = scratch.file("report.json")
        let outcome = try await CommandLineTool.run(
            ["play", origin.url(for: "/film.mp4"), "--fast", "--give-up-after", "300ms", "--report", path, "-o", "-"])
        #expect(outcome.status == 75, "\(outcome.errors)")
        expectTransportStream(outcome.output)
        let report = try JSONDecoder().decode(Report.self, from: Data(Scratch.bytes(of: path)))
        #expect(report.result.outcome == "gave-up" && report.result.exitStatus == 75)
        #expect((report.result.npt ?? 0) > 3 && (report.result.npt ?? 0) < 8)
        try await origin.stop()
    }

    /// Every name in a report stands in the documentation as code.
    private func expectDocumented(_ value: JSON) throws {
        let page = String(decoding: Scratch.bytes(of: "\(CommandLineTool.documentation)/report.md"), as: UTF8.self)
        try #require(!page.isEmpty)
        for name in value.names { #expect(page.contains("`\(name)`"), "\(name) is not documented") }
    }

    // MARK: - Probing

    @Test(arguments: [
        ("main.mp4", "byte-exact"), ("main-faststart.mp4", "packet-exact"), ("main.ts", "packet-exact"),
        ("main.mkv", "packet-exact"), ("other.mp4", "frame-aligned"), ("wrong.mp4", "none"), ("page.html", "none"),
    ])
    func aProbeFindsTheGradeOfASplice(file: String, grade: String) async throws {
        let outcome = try await CommandLineTool.run(["probe", "--json", film, "\(fixtures)/\(file)"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        let data = Data(outcome.output)
        let findings = try JSONDecoder().decode(ProbeReport.self, from: data)
        #expect(findings.splices.map(\.grade) == [grade], "\(findings.splices.map(\.evidence))")
        #expect(findings.origins.first?.flows.count == 4)
        try expectDocumented(JSONDecoder().decode(JSON.self, from: data))
    }

    // MARK: - Interrupts

    @Test(arguments: [SIGINT, SIGTERM]) func anInterruptLeavesWholeFiles(signal: Int32) async throws {
        let (copy, path) = (scratch.file("film.mp4"), scratch.file("report.json"))
        let outcome = try await CommandLineTool.run(
            [
                "play", film, "--output", "-", "--output", copy, "--format", "mpegts", "--format", "mp4", "--report",
                path,
            ]
        ) { [sent = Once()] output, process in
            // In real time this is before the end. Twice, as timeout(1) and others do: to the process, and to its group.
            if output.count > 20_000, sent.isFirst { for signal in [signal, SIGHUP] { kill(process, signal) } }
        }
        #expect(outcome.status == 130, "\(outcome.errors)")
        expectTransportStream(outcome.output)
        let report = try JSONDecoder().decode(Report.self, from: Data(Scratch.bytes(of: path)))
        #expect(report.result.outcome == "stopped" && report.result.exitStatus == 130)
        let finding = await (try Probe([Origin(url: copy)])).run().origins[0]
        #expect(finding.error == nil)
        #expect((finding.duration ?? .zero) > .milliseconds(300) && (finding.duration ?? .zero) < .seconds(11))
    }

    @Test func aLabServesUntilItIsInterrupted() async throws {
        let played = Box<CommandLineTool.Outcome>()
        // Slow enough that the place is not passed by the connection that is let go to read the index at the end.
        let outcome = try await CommandLineTool.run(["lab", film, "--pace", "5x", "--fault", "reset@npt=4,once"]) {
            [sent = Once()] output, process in
            guard output.last == UInt8(ascii: "\n"), sent.isFirst else { return }
            let url = String(decoding: output.dropLast(), as: UTF8.self)
            Task {
                played.set(try await CommandLineTool.run(["play", url, "--fast"]))
                kill(process, SIGTERM)
            }
        }
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.errors.contains("struck: reset@npt=4,once"), "\(outcome.errors)")
        #expect(played.value?.status == 0)
        #expect(played.value?.errors.contains("byte-exact") ?? false, "\(played.value?.errors ?? "")")
    }

    @Test func aLabSpeaksRTSP() async throws {
        let played = Box<Tool.Output>()
        let outcome = try await CommandLineTool.run(
            ["lab", film, "--rtsp", "--pace", "8x", "--transport", "tcp", "--fault", "bye@npt=4"]
        ) { [sent = Once()] output, process in
            guard output.last == UInt8(ascii: "\n"), sent.isFirst else { return }
            let url = String(decoding: output.dropLast(), as: UTF8.self)
            Task {
                played.set(
                    try await Tool.run([
                        "ffmpeg", "-nostdin", "-v", "error", "-rtsp_transport", "tcp", "-i", url, "-map", "0:v", "-c",
                        "copy", "-f", "framehash", "-",
                    ]))
                kill(process, SIGTERM)
            }
        }
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.errors.contains("struck: bye@npt=4"), "\(outcome.errors)")
        let pictures = played.value?.output.split(separator: "\n").filter { !$0.hasPrefix("#") }.count ?? 0
        // 4 s, but for what is decoded after it and shown before.
        #expect((95...100).contains(pictures))
    }

    // MARK: - The demonstration

    @Test func theDemonstrationProvesItself() async throws {
        let outcome = try await CommandLineTool.run(["demo", "--quick", "--keep", scratch.path])
        let text = String(decoding: outcome.output, as: UTF8.self)
        #expect(outcome.status == 0, "\(text)\(outcome.errors)")
        #expect(text.contains("Proven"))
        #expect(!text.contains("\u{1B}"), "escape sequences in a pipe")
        let hashes = Scratch.bytes(of: scratch.file("failure.framehash"))
        #expect(!hashes.isEmpty && hashes == Scratch.bytes(of: scratch.file("uninterrupted.framehash")))
    }
}

/// True for the first who asks. Asked on one thread.
private final class Once: @unchecked Sendable {
    private var wasAsked = false
    var isFirst: Bool {
        defer { wasAsked = true }
        return !wasAsked
    }
}

/// A value that a callback leaves behind.
private final class Box<Value: Sendable>: @unchecked Sendable {
    // Unchecked: written before the process that the test waits for is told to end.
    private(set) var value: Value?
    func set(_ value: Value) { self.value = value }
}

/// Any JSON.
private enum JSON: Decodable {
    case object([String: JSON])
    case list([JSON])
    case text(String)
    case number(Double)
    case flag(Bool)

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let value = try? container.decode(Bool.self) {
            self = .flag(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .text(value)
        } else if let value = try? container.decode([JSON].self) {
            self = .list(value)
        } else {
            self = .object(try container.decode([String: JSON].self))
        }
    }

    subscript(name: String) -> JSON? { if case .object(let fields) = self { fields[name] } else { nil } }
    var text: String? { if case .text(let value) = self { value } else { nil } }
    var isTrue: Bool? { if case .flag(let value) = self { value } else { nil } }
    var number: Double? { if case .number(let value) = self { value } else { nil } }

    /// The names of all fields, at every depth.
    var names: Set<String> {
        switch self {
        case .object(let fields): fields.values.reduce(Set(fields.keys)) { $0.union($1.names) }
        case .list(let values): values.reduce([]) { $0.union($1.names) }
        case .text, .number, .flag: []
        }
    }
}
