internal import ArgumentParser
import Glibc
internal import Throughline

/// Where the process begins.
@main
enum Entry {
    static func main() async {
        // Started with a standard stream closed, a file opened later would take its number, and be written into. Not for
        // writing: what was to be written is not taken, and that is told.
        while case let descriptor = open("/dev/null", O_RDONLY), descriptor >= 0 {
            if descriptor > STDERR_FILENO {
                close(descriptor)
                break
            }
        }
        Interrupts.prepare()
        exit(await run(Array(CommandLine.arguments.dropFirst())))
    }

    private static func run(_ arguments: [String]) async -> Int32 {
        let commands = ThroughlineCommand.configuration.subcommands.filter { $0.configuration.shouldDisplay }
        let names = commands.map { $0._commandName }
        if let mistake = Mistakes.unknownCommand(arguments, known: names + ["help", Manual._commandName]) {
            Mistakes.tell(mistake, command: nil, arguments: arguments)
            return StreamError.Code.usage.exitStatus
        }
        do {
            let command = try ThroughlineCommand.parseAsRoot(arguments)
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                var command = command
                try command.run()
            }
            return 0
        } catch let code as ExitCode {
            return code.rawValue
        } catch {
            let code = ThroughlineCommand.exitCode(for: error)
            // Help, the version, a completion script.
            if code == .success { return statusOfOutput(put(ThroughlineCommand.fullMessage(for: error) + "\n")) }
            let command = arguments.first.flatMap { names.contains($0) ? $0 : nil }
            Mistakes.tell(
                Mistakes.words(ThroughlineCommand.message(for: error)), command: command, arguments: arguments)
            return StreamError.Code.usage.exitStatus
        }
    }
}

struct ThroughlineCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "throughline",
        abstract: "Keeps a stream playing when its server does not.",
        discussion: """
            An ORIGIN is a place that can deliver the stream: an http:, https:, rtsp:, rtsps: or file: URL, or a \
            path. When the one that plays fails or falls silent, the stream goes on from the next, at the very frame, \
            over whatever protocol.

            See it work:   throughline demo
            """,
        version: "throughline \(Release.version)",
        subcommands: [Play.self, ProbeCommand.self, Lab.self, Demo.self, Manual.self])
}
