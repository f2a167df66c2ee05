internal import ArgumentParser
import Glibc

/// Where the process begins.
@main
enum Entry {
    static func main() async {
        // Started with a standard stream closed, a file opened later would take its number, and be written into.
        while case let descriptor = open("/dev/null", O_RDWR), descriptor >= 0 {
            if descriptor > STDERR_FILENO {
                close(descriptor)
                break
            }
        }
        Interrupts.prepare()
        await ThroughlineCommand.main()
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
        version: "throughline 0.1.0",
        subcommands: [Play.self, ProbeCommand.self, Lab.self, Demo.self])
}
