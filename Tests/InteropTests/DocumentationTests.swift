internal import Glibc
internal import Testing
internal import ThroughlineCore
internal import ThroughlineLab

/// Every example of the documentation is run, and writes what is shown.
///
/// With `THROUGHLINE_RECORD=1` in the environment what is shown in the pages is replaced by what was written.
@Suite(.timeLimit(.minutes(25)), .inSlots)
struct DocumentationTests {
    private static let root = String(Fixtures.directory.dropLast("/Fixtures".count))
    /// `report.md` and `requirements.md` hold tables alone.
    private static let pages = ["README.md", "CONTRIBUTING.md"] + directory("Documentation", ending: ".md")

    private static let blocks = pages.flatMap { page in
        CodeBlock.all(of: page, text: (try? text(of: "\(root)/\(page)")) ?? "")
    }

    private static func directory(_ name: String, ending: String) -> [String] {
        guard let directory = opendir("\(root)/\(name)") else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let file = withUnsafePointer(to: &entry.pointee.d_name.0) { String(cString: $0) }
            if file.hasSuffix(ending) { names.append("\(name)/\(file)") }
        }
        return names.sorted()
    }

    @Test func everyBlockSaysWhatItIs() {
        #expect(Self.pages.count > 3 && Self.blocks.contains { $0.kind == .console })
        for block in Self.blocks {
            #expect(block.kind != nil, "\(block.testDescription): a block of the kind \"\(block.word)\"")
            guard block.kind == .text else { continue }
            // What could be run is an example.
            for line in block.lines where line.hasPrefix("$ ") || line.hasPrefix("throughline ") {
                Issue.record("\(block.testDescription): an example that is not run: \(line)")
            }
        }
    }

    @Test func linksLeadSomewhere() throws {
        for page in Self.pages {
            let place = page.split(separator: "/").dropLast().map { $0 + "/" }.joined()
            for link in try text(of: "\(Self.root)/\(page)").matches(of: /\]\(([^):#]+)(?:#[^)]*)?\)/) {
                let path = "\(Self.root)/\(place)\(link.1)"
                #expect(access(path, R_OK) == 0, "\(page) links to \(link.1)")
            }
        }
    }

    @Test(arguments: blocks.filter { $0.kind == .console })
    func sessionsGoAsShown(_ block: CodeBlock) async throws {
        let stage = try await Stage(for: block)
        var lines: [String] = []
        for command in DocumentedCommand.all(of: block) {
            let outcome = try await stage.run(command)
            lines += "$ \(command.command)".split(separator: "\n").map { String($0) }
            lines += outcome.output.split(separator: "\n", omittingEmptySubsequences: false).map { String($0) }
            if lines.last == "" { lines.removeLast() }
            #expect(outcome.status == 0, "\(block.testDescription): \(command.command): \(outcome)")
            let (wanted, had) = (
                Repeatable.lines(command.output.joined(separator: "\n")), Repeatable.lines(outcome.output)
            )
            if !Repeatable.matches(had[...], wanted[...]) {
                Issue.record(
                    """
                    \(block.testDescription): \(command.command)
                    shown:
                    \(wanted.joined(separator: "\n"))
                    had:
                    \(had.joined(separator: "\n"))
                    """)
            }
        }
        guard getenv("THROUGHLINE_RECORD") != nil, !block.lines.contains("...") else { return }
        try await Recorder.shared.record(block, lines)
    }

    private static let commands = blocks.filter { $0.kind == .sh }.flatMap { block in
        DocumentedCommand.all(of: block).filter { !$0.command.isEmpty }.map { (block.testDescription, $0.command) }
    }

    @Test(arguments: commands)
    func commandsWork(_ place: String, _ command: String) async throws {
        let stage = try await Stage(for: CodeBlock(page: place, line: 0, word: "sh", lines: [command]))
        let outcome = try await stage.run(DocumentedCommand(command: command))
        #expect(outcome.status == 0, "\(place): \(command): \(outcome)")
    }

    @Test func programsAreThoseOfTheExamples() throws {
        let programs = try ["ExamplePlay", "ExampleLab", "ExampleWorld"].map {
            try text(of: "\(Self.root)/Examples/\($0)/main.swift")
        }
        let shown = Self.blocks.filter { $0.kind == .swift }
        for block in shown { #expect(programs.contains(block.text), "\(block.testDescription)") }
        for program in programs { #expect(shown.contains { $0.text == program }, "not shown:\n\(program)") }
    }

    @Test func programsRun() async throws {
        let play = "ExamplePlay http://one/film.ts http://two/film.ts"
        let stage = try await Stage(for: CodeBlock(page: "Examples", line: 0, word: "sh", lines: [play]))
        let played = try await stage.run(DocumentedCommand(command: play))
        #expect(played.status == 0 && played.output.contains("0 0.0 seconds played to the end"), "\(played)")
        let link = "ln -sf '\(Fixtures.path("main-faststart.mp4"))' film.mp4"
        let failed = try await stage.run(DocumentedCommand(command: "\(link) && ExampleLab"))
        #expect(failed.status == 0 && failed.output.hasPrefix("[\"byte-exact\"]"), "\(failed)")
        let began = ContinuousClock.now
        let simulated = try await stage.run(DocumentedCommand(command: "\(link) && ExampleWorld"))
        let report = simulated.output
        #expect(simulated.status == 0 && report.contains("\"byte-exact\""), "\(simulated)")
        // The viewer pauses for an hour, which takes no time.
        #expect(report.contains(/"elapsed" *: *361[0-9]\./) && ContinuousClock.now - began < .seconds(600), "\(report)")
    }

    /// The picture of the demo in the README holds the demo's own words.
    @Test func theDemoLooksLikeItsPicture() async throws {
        let picture = try text(of: "\(Self.root)/Documentation/demo.svg")
        let shown = picture.matches(of: /<text [^>]*>(.*?)<\/text>/).map { match in
            match.1.replacing(/<[^>]*>/, with: "").replacing("&lt;", with: "<").replacing("&gt;", with: ">")
                .replacing("&amp;", with: "&").replacing("\u{A0}", with: " ")
        }
        // The title bar is the command.
        #expect(shown.first == "bin/demo")
        let demo = try await CommandLineTool.run(["demo"])
        #expect(demo.status == 0)
        // The ports are free ones, and a picture that is late is no other picture.
        func plain(_ text: String) -> [String] {
            Repeatable.lines(text.replacing(/127\.0\.0\.1:[0-9]+/, with: "127.0.0.1:P")).filter { !$0.isEmpty }
        }
        let said = plain(String(decoding: demo.output, as: UTF8.self) + demo.errors)
        #expect(plain(shown.dropFirst().joined(separator: "\n")) == said)
    }

    /// The picture and the table of the players are made from the same measurements.
    @Test func thePlayersAreShownAsMeasured() async throws {
        let script = "\(Self.root)/Documentation/picture"
        let measured = "\(Self.root)/Documentation/peers.json"
        let picture = try await Tool.run([script, "peers", measured])
        #expect(picture.status == 0, "\(picture.errors)")
        #expect(picture.output == (try text(of: "\(Self.root)/Documentation/peers.svg")))
        let table = try await Tool.run([script, "table", measured])
        #expect(table.status == 0 && !table.output.isEmpty, "\(table.errors)")
        #expect(try text(of: "\(Self.root)/Documentation/peers.md").contains(table.output), "\(table.output)")
    }

    // MARK: - The comparison itself

    @Test func tellsOtherOutputFromTheSame() {
        #expect(Repeatable.line("    0.024 s  opened a") == Repeatable.line("   12.096 s  opened a"))
        #expect(Repeatable.line("handoff in 15 ms") == Repeatable.line("handoff in 1.02 s"))
        #expect(Repeatable.line("visible gap  0 ms") != Repeatable.line("visible gap  40 ms"))
        #expect(Repeatable.line("played 0:12.011") != Repeatable.line("played 0:12.000"))
        #expect(Repeatable.line("300 packets") != Repeatable.line("299 packets"))
        #expect(Repeatable.matches(["a", "b", "c"], ["a", "...", "c"]))
        #expect(Repeatable.matches(["a", "c"], ["a", "...", "c"]))
        #expect(!Repeatable.matches(["a", "b"], ["a", "...", "c"]))
        #expect(!Repeatable.matches(["a", "b"], ["a"]))
    }

    @Test func findsTheBlocksOfAPage() {
        let blocks = CodeBlock.all(
            of: "page", text: "a\n\n```console\n$ b \\\n  c\nd\n$ e &\n```\n\n    f\n\n- g\n    h\n```what\n")
        #expect(blocks.map(\.word) == ["console", "indented", "not closed"])
        let commands = DocumentedCommand.all(of: blocks[0])
        #expect(commands.map(\.command) == ["b \\\n  c", "e &"])
        #expect(commands.map(\.output) == [["d"], []] && commands.map(\.isInBackground) == [false, true])
    }
}

/// Where the commands of a block are run: a directory with films, and origins by the names of the pages.
///
/// A film called `main` is the fixture, 12 s long; one called `film` is its first three seconds. `one` and `two` are
/// hosts with the short ones, over HTTP and over RTSP. Scripts of the project build, install or measure: they are asked
/// for their help only.
private final class Stage: Sendable {
    struct Outcome { var status: Int32, output: String }

    private let place: TemporaryDirectory
    private let hosts: [(name: String, address: String)]
    private let ports: [(shown: String, real: String)]
    private let ends: [@Sendable () -> Void]
    private let servers = Guarded<[Tool]>([])

    init(for block: CodeBlock) async throws {
        let place = try TemporaryDirectory()
        self.place = place
        for name in ["main.mp4", "main.ts", "main.mkv", "other.mp4"] {
            symlink(Fixtures.path(name), place.path(name))
        }
        for kind in ["mp4", "ts", "mkv"] where block.text.contains("film.\(kind)") {
            let made = try await Tool.run([
                "ffmpeg", "-v", "error", "-nostdin", "-i", Fixtures.path("main.\(kind)"), "-t", "3", "-map", "0:v",
                "-map", "0:a", "-c", "copy", place.path("film.\(kind)"),
            ])
            guard made.status == 0 else { throw SupportFailure(description: made.errors) }
        }
        let tool = try CommandLineTool.path
        let beside = tool.dropLast("throughline".count)
        for name in ["throughline", "ExamplePlay", "ExampleLab", "ExampleWorld"] {
            symlink(beside + name, place.path(name))
        }

        let names = ["film.mp4", "film.ts", "film.mkv"].filter { access(place.path($0), R_OK) == 0 }
        let files = Dictionary(uniqueKeysWithValues: names.map { ("/\($0)", place.path($0)) })
        var (hosts, ends): ([(name: String, address: String)], [@Sendable () -> Void]) = ([], [])
        for host in ["one", "two"] where block.text.contains("//\(host)/") {
            let plain = try await HTTPOrigin.start(serving: files)
            let timed = try await RTSPOrigin.start(serving: files)
            for (scheme, url) in [("http", plain.url(for: "/")), ("rtsp", timed.url(for: "/"))] {
                hosts.append(("\(scheme)://\(host)/", url))
            }
            ends += [{ plain.kill() }, { timed.kill() }]
        }
        (self.hosts, self.ends) = (hosts, ends)
        // Ports that a page names are exchanged for free ones.
        let shown = Set(block.text.matches(of: /(?:127\.0\.0\.1:|--port )([0-9]{4,5})\b/).map { String($0.1) })
        ports = shown.sorted().map { name in
            let (descriptor, port) = Sockets.listen(backlog: 1)
            close(descriptor)
            return (name, "\(port)")
        }
    }

    deinit {
        for server in servers.withLock({ $0 }) {
            server.send(SIGTERM)
            _ = server.wait()
        }
        for end in ends { end() }
    }

    func run(_ command: DocumentedCommand) async throws -> Outcome {
        let output = place.path("output")
        let tool = try start(command, output)
        guard command.isInBackground else {
            return try await blocking {
                let status = tool.wait()
                return Outcome(status: status, output: self.asShown(try text(of: output)))
            }
        }
        servers.withLock { $0.append(tool) }
        // A server is ready when it has said all that is shown of it.
        let lines = max(1, command.output.count)
        return try await blocking {
            let deadline = Instant.now + .seconds(20)
            while Instant.now < deadline {
                let said = (try? text(of: output)) ?? ""
                if said.count(where: { $0 == "\n" }) >= lines { return Outcome(status: 0, output: self.asShown(said)) }
                usleep(5000)
            }
            return Outcome(status: -1, output: self.asShown((try? text(of: output)) ?? ""))
        }
    }

    private func start(_ command: DocumentedCommand, _ output: String) throws -> Tool {
        var text = command.isInBackground ? String(command.command.dropLast(2)) : command.command
        for (name, address) in hosts { text = text.replacing(name, with: address) }
        for (shown, real) in ports {
            text = text.replacing("127.0.0.1:\(shown)", with: "127.0.0.1:\(real)")
                .replacing("--port \(shown)", with: "--port \(real)")
        }
        if let script = text.firstMatch(of: /^(bin\/[a-z]+|\.ci\/run|Fixtures\/[a-z-]+|Tests\/Fuzzing\/run)\b/) {
            text = "\(CommandLineTool.fixtures.dropLast("Fixtures".count))\(script.1) --help"
        }
        // A server is replaced by its command, so that the end of one is the end of the other.
        let exec = command.isInBackground ? "exec " : ""
        let line = "cd '\(place.path)' && PATH=\"$PWD:$PATH\" && exec 2>&1 && \(exec)\(text)"
        return try Tool(
            ["timeout", "-k", "1", "60", "bash", "-c", line],
            environment: [
                "TERM": "dumb", "SDL_VIDEODRIVER": "dummy", "SDL_AUDIODRIVER": "dummy",
            ], output: output)
    }

    private func asShown(_ output: String) -> String {
        var output = output
        for (shown, real) in ports {
            output = output.replacing("127.0.0.1:\(real)", with: "127.0.0.1:\(shown)")
                .replacing("port \(real)", with: "port \(shown)")
        }
        for (name, address) in hosts { output = output.replacing(address, with: name) }
        return output
    }
}

/// Writes into the pages what was had.
private actor Recorder {
    static let shared = Recorder()

    func record(_ block: CodeBlock, _ lines: [String]) throws {
        let path = String(CommandLineTool.fixtures.dropLast("Fixtures".count)) + block.page
        let fresh = lines.map { $0 + "\n" }.joined()
        let page = try text(of: path).replacing("```console\n\(block.text)```", with: "```console\n\(fresh)```")
        let descriptor = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC)
        defer { close(descriptor) }
        let bytes = Array(page.utf8)
        guard write(descriptor, bytes, bytes.count) == bytes.count else {
            throw SupportFailure(description: "cannot write \(path)")
        }
    }
}
