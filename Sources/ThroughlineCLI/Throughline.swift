internal import ArgumentParser

@main
struct ThroughlineCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "throughline",
        abstract: "Keeps a stream playing when its server does not.",
        version: "0.1.0",
        subcommands: [Play.self],
        defaultSubcommand: nil)
}
