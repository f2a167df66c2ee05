internal import ArgumentParser
import Glibc
internal import Throughline
internal import ThroughlineCore

struct Play: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Play through every failure.",
        discussion: """
            Plays ORIGIN and, when it fails or falls silent, goes on from an ALTERNATE (or from ORIGIN again) at the very \
            place, so that the output has no gap: no frame missing, none twice.
            """)

    @Argument(help: ArgumentHelp("Where the stream is: http:, https: or file: URLs, or paths.", valueName: "origin"))
    var origins: [String]

    @Option(name: [.short, .long], help: ArgumentHelp("Write the stream to a file, or to standard output.", valueName: "path|-"))
    var output: [String] = []

    @Option(name: [.short, .long], help: "Container of the output, by FFmpeg's name (mpegts for standard output).")
    var format: String?

    @Flag(help: "Decode before writing, for formats such as framehash or wav.")
    var decode = false

    @Flag(help: "As fast as possible instead of in real time.")
    var fast = false

    @Option(help: ArgumentHelp("Media to hold ahead.", valueName: "duration"))
    var buffer = TimeArgument(.seconds(2))

    func run() async throws {
        signal(SIGPIPE, SIG_IGN)
        var configuration = Configuration(origins: origins.map { Origin(url: $0) })
        configuration.buffer = buffer.duration
        configuration.pacing = fast ? .fast : .realtime
        let outputs = output.map { path -> Output in
            path == "-"
                ? .descriptor(STDOUT_FILENO, format: format ?? "mpegts", decoded: decode)
                : .file(path: path, format: format, decoded: decode)
        }
        let stream = try ResilientStream(configuration: configuration, outputs: outputs) { event in
            complain("\(event.time) \(event.kind)")
        }
        let summary = await stream.run()
        if let error = summary.error {
            complain("throughline: \(error)")
            throw ExitCode(error.code.exitStatus)
        }
        complain("gap \(summary.gapTotal) handoffs \(summary.handoffCount) missing \(summary.missing) startup \(summary.startup ?? .zero) elapsed \(summary.elapsed)")
    }
}

/// A length of time as people write it: `1s`, `500ms`, `1.5`, `2m`.
struct TimeArgument: ExpressibleByArgument {
    let duration: Duration

    init(_ duration: Duration) { self.duration = duration }

    init?(argument: String) {
        let units: [(suffix: String, scale: Double)] = [("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600), ("", 1)]
        for (suffix, scale) in units where argument.hasSuffix(suffix) {
            guard let value = Double(argument.dropLast(suffix.count)), value.isFinite, value >= 0, value < 1e9 else {
                continue
            }
            duration = .nanoseconds(Int64((value * scale * 1e9).rounded()))
            return
        }
        return nil
    }

    var defaultValueDescription: String { duration.description }
}

/// Writes to standard error.
func complain(_ text: String) {
    let line = text + "\n"
    _ = line.withCString { write(STDERR_FILENO, $0, strlen($0)) }
}
