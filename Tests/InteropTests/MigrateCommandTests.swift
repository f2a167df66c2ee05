internal import FoundationEssentials
internal import Glibc
internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// The operator's word and indicators, through the command-line tool.
@Suite(.timeLimit(.minutes(25)), .inSlots)
struct MigrateCommandTests {
    private let scratch = Scratch()

    private func report(_ path: String) throws -> Report {
        try JSONDecoder().decode(Report.self, from: Data(Scratch.bytes(of: path)))
    }

    /// Enough to see a handoff at 6 s.
    private static let end = 8

    private func expectUnnoticed(_ report: Report, _ frames: String, of file: String, _ story: String) async throws {
        let expected = try await Beginnings.shared.frames(file, to: .seconds(Int64(Self.end)))
        let difference = try await Frames.read(frames).difference(from: expected, tolerance: 0.0025)
        #expect(difference == nil, "\(story)")
        #expect(report.visibleGap == 0 && report.duplicate == 0, "\(story)")
    }

    @Test(arguments: ["migrate 1 at 6", "migrate URL at 0:06", "migrate at 6s"])
    func aLineOnStandardInputMigrates(line: String) async throws {
        let pair = try await HTTPPair.start("main.mp4", "main.ts")
        let (input, frames, path) = (scratch.file("input"), scratch.file("frames"), scratch.file("report.json"))
        let words = line.split(separator: " ").map { $0 == "URL" ? pair.urls[1] : String($0) }
        try Data((words.joined(separator: " ") + "\n").utf8).write(to: URL(filePath: input))
        let outcome = try await CommandLineTool.run(
            ["play"] + pair.urls + [
                "--control", "--to", "\(Self.end)", "--flows", "video,audio", "--output", frames, "--format",
                "framehash", "--decode",
                "--report", path,
            ], input: input)
        #expect(outcome.status == 0, "\(outcome.errors)")
        let report = try report(path)
        try await expectUnnoticed(report, frames, of: "main.mp4", outcome.errors)
        let handoff = try #require(report.handoffs.first, "\(outcome.errors)")
        #expect(handoff.to == 1 && handoff.grade == "packet-exact")
        #expect(handoff.event.kind == "operator" && handoff.event.npt == 6)
        #expect(handoff.flows.first { $0.flow == 0 }?.firstAfter == 6)
    }

    @Test(arguments: ["migrate 2", "migrate nowhere", "migrate 1 at noon", "migrate a b c"])
    func whatCannotBeObeyedIsSaid(line: String) async throws {
        let pair = try await HTTPPair.start("main.mp4")
        let input = scratch.file("input")
        try Data("\(line)\n".utf8).write(to: URL(filePath: input))
        let outcome = try await CommandLineTool.run(
            ["play"] + pair.urls + ["--control", "--to", "1"], input: input)
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.errors.contains("throughline: "), "\(outcome.errors)")
        #expect(!outcome.errors.contains("handoff to"), "\(outcome.errors)")
    }

    @Test func aSignalMigrates() async throws {
        let pair = try await HTTPPair.start("main.mp4", "main.ts")
        let (frames, path) = (scratch.file("frames"), scratch.file("report.json"))
        let outcome = try await CommandLineTool.run(
            ["play"] + pair.urls + [
                "--to", "\(Self.end)", "--flows", "video,audio", "--output", frames, "--format", "framehash",
                "--decode", "--report", path,
                "--events", "-",
            ]
        ) { [sent = Sent()] output, process in
            guard String(decoding: output, as: UTF8.self).contains("\"event\":\"playing\""), sent.isFirst else {
                return
            }
            kill(process, SIGUSR1)
        }
        #expect(outcome.status == 0, "\(outcome.errors)")
        let report = try report(path)
        try await expectUnnoticed(report, frames, of: "main.mp4", outcome.errors)
        #expect(report.handoffs.map(\.to) == [1], "\(outcome.errors)")
        #expect(report.handoffs.first?.event.kind == "operator")
    }

    @Test func aLabAnnouncesAndAPlayerObeys() async throws {
        let (frames, path) = (scratch.file("frames"), scratch.file("report.json"))
        let errors = Guarded("")
        let fixture = "\(CommandLineTool.fixtures)/main.ts"
        let outcome = try await CommandLineTool.run(
            ["lab", fixture, "--indicate", "scte-35,at=6,for=2,event=5@npt=4", "--indicate", "sei,stay@npt=2"]
        ) { [sent = Sent()] output, process in
            guard output.last == UInt8(ascii: "\n"), sent.isFirst else { return }
            let url = String(decoding: output.dropLast(), as: UTF8.self)
            Task {
                let played = try await CommandLineTool.run([
                    "play", url, fixture, "--to", "\(Self.end)", "--flows", "video,audio", "--indicator",
                    "scte-35=leave", "--output",
                    frames, "--format", "framehash", "--decode", "--report", path,
                ])
                errors.withLock { $0 = played.errors }
                kill(process, SIGTERM)
            }
        }
        #expect(outcome.status == 0, "\(outcome.errors)")
        let story = errors.withLock { $0 }
        let report = try report(path)
        try await expectUnnoticed(report, frames, of: "main.ts", story)
        // Out at 6 s; the break's end at 8 s was announced by an origin that is not played then.
        let event = try #require(report.handoffs.first?.event, "\(story)")
        #expect(report.handoffCount == 1, "\(story)")
        #expect(event.kind == "indicator" && event.cause == "indicated" && event.indicator == "scte-35")
        #expect(event.npt == 6, "\(story)")
        #expect(story.contains("announces (scte-35)"), "\(story)")
    }

    @Test(arguments: ["sei=go", "sei", "xyz=leave"]) func aResponseThatIsNoneIsUsage(text: String) async throws {
        let outcome = try await CommandLineTool.run(["play", "x.mp4", "--indicator", text])
        #expect(outcome.status == 64, "\(outcome.errors)")
    }

    private final class Sent: Sendable {
        private let wasSent = Guarded(false)
        var isFirst: Bool {
            wasSent.withLock { wasSent in
                defer { wasSent = true }
                return !wasSent
            }
        }
    }
}
