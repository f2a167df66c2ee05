internal import ArgumentParser
internal import FoundationEssentials
import Glibc
internal import Throughline

/// Writes the manual pages, from what the parser of arguments knows. For `bin/install`.
struct Manual: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write the manual pages into a directory.", shouldDisplay: false)

    @Argument(help: ArgumentHelp("The directory, which exists.", valueName: "directory"), completion: .directory)
    var directory: String

    func run() throws {
        for (name, text) in try ManualPages.all() {
            guard let file = fopen("\(directory)/\(name)", "w") else {
                put(
                    "throughline: cannot write \(directory)/\(name): \(String(cString: strerror(errno)))\n",
                    to: STDERR_FILENO)
                throw ExitCode(74)
            }
            fputs(text, file)
            guard fclose(file) == 0 else { throw ExitCode(74) }
        }
    }
}

/// Pages for man(1), in the macros of man(7): one for the tool, one for each command.
enum ManualPages {
    /// What of `--experimental-dump-help` a page is made of.
    private struct Tool: Decodable { let command: Command }

    private struct Command: Decodable {
        let commandName: String
        let abstract: String?
        let discussion: String?
        let subcommands: [Command]?
        let arguments: [Argument]?
        let shouldDisplay: Bool?
    }

    private struct Argument: Decodable {
        struct Name: Decodable {
            let kind: String
            let name: String
        }
        let kind: String
        let shouldDisplay: Bool
        let isOptional: Bool
        let isRepeating: Bool
        let names: [Name]?
        let valueName: String?
        let defaultValue: String?
        let allValues: [String]?
        let abstract: String?
    }

    /// Every page by the name of its file.
    static func all() throws -> [(name: String, text: String)] {
        let tool = try JSONDecoder().decode(Tool.self, from: Data(ThroughlineCommand._dumpHelp().utf8)).command
        let commands = (tool.subcommands ?? []).filter { $0.shouldDisplay ?? true && $0.commandName != "help" }
        let names = commands.map { "\(tool.commandName)-\($0.commandName)" }
        var pages = [
            ("\(tool.commandName).1", page(tool, name: tool.commandName, commands: commands, seeAlso: names))
        ]
        for (command, name) in zip(commands, names) {
            let others = [tool.commandName] + names.filter { $0 != name }
            pages.append(("\(name).1", page(command, name: name, commands: [], seeAlso: others)))
        }
        return pages
    }

    private static func page(_ command: Command, name: String, commands: [Command], seeAlso: [String]) -> String {
        let arguments = (command.arguments ?? []).filter { $0.shouldDisplay }
        var lines = [
            ".TH \(name.uppercased()) 1 \"\" \"throughline \(Release.version)\" \"User Commands\"",
            // No word is broken, so that options, names and addresses can be copied.
            ".nh",
            ".SH NAME", "\(escaped(name)) \\- \(escaped(command.abstract ?? ""))",
            ".SH SYNOPSIS", ".B \(escaped(name.split(separator: "-").joined(separator: " ")))",
        ]
        if !commands.isEmpty { lines.append(".I command") }
        let options = arguments.filter { $0.kind != "positional" }
        let places = arguments.filter { $0.kind == "positional" }
        if !options.isEmpty { lines.append(".RI [ options ]") }
        for place in places { lines.append(".I " + escaped(place.valueName ?? "") + (place.isRepeating ? " ..." : "")) }
        if let discussion = command.discussion { lines += [".SH DESCRIPTION"] + paragraphs(discussion) }
        if !commands.isEmpty {
            lines.append(".SH COMMANDS")
            for command in commands {
                lines += [".TP", ".B \(escaped(command.commandName))", escaped(command.abstract ?? "")]
            }
        }
        lines.append(".SH OPTIONS")
        for argument in places + options { lines += entry(argument) }
        lines.append(".SH SEE ALSO")
        lines.append(seeAlso.map { "\\fB\(escaped($0))\\fR(1)" }.joined(separator: ", "))
        return lines.joined(separator: "\n") + "\n"
    }

    private static func entry(_ argument: Argument) -> [String] {
        let value = argument.valueName.map { "\\fI\(escaped($0))\\fR" } ?? ""
        let names = (argument.names ?? []).sorted { $0.name.utf8.count < $1.name.utf8.count }.map { name in
            "\\fB" + (name.kind == "long" ? "\\-\\-" : "\\-") + escaped(name.name) + "\\fR"
        }
        let head =
            names.isEmpty ? value : names.joined(separator: ", ") + (argument.kind == "option" ? " " + value : "")
        let values = argument.allValues.map { "values: " + $0.joined(separator: ", ") }
        let notes = [values, argument.defaultValue.map { "default: \($0)" }].compactMap { $0 }
        let more = notes.isEmpty ? "" : " (\(notes.joined(separator: "; ")))"
        return [".TP", head, escaped((argument.abstract ?? "") + more)]
    }

    /// Paragraphs as they are; lines that are indented keep their form.
    private static func paragraphs(_ text: String) -> [String] {
        var (lines, isExample): ([String], Bool) = ([], false)
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            let isIndented = line.hasPrefix("  ")
            if isIndented != isExample, !line.isEmpty {
                lines.append(isIndented ? ".EX" : ".EE")
                isExample = isIndented
            }
            if line.isEmpty { lines.append(isExample ? "" : ".PP") } else { lines.append(escaped(String(line))) }
        }
        return lines + (isExample ? [".EE"] : [])
    }

    /// A text that troff leaves as it is.
    static func escaped(_ text: String) -> String {
        var shown = ""
        for character in text {
            switch character {
            case "\\": shown += "\\e"
            case "-": shown += "\\-"
            case "'": shown += "\\(aq"
            case "\n": shown += " "
            default: shown.append(character)
            }
        }
        return shown.hasPrefix(".") ? "\\&" + shown : shown
    }
}
