internal import Testing

/// A block of code in a page of the documentation.
///
/// What a block is, the word behind its fence says:
///
/// | word | meaning |
/// | --- | --- |
/// | `console` | a session: commands behind `$ `, and below each all that it writes; `...` is any number of lines |
/// | `sh` | commands, each by itself, without what they write |
/// | `swift` | one of the programs in `Examples` |
/// | `text` | no example: a form, or a list |
struct CodeBlock: Sendable, CustomTestStringConvertible {
    enum Kind: String { case console, sh, swift, text }

    var page: String
    /// Of the first line inside, counted from 1.
    var line: Int
    var word: String
    var lines: [String]

    var kind: Kind? { Kind(rawValue: word) }
    var text: String { lines.map { $0 + "\n" }.joined() }
    var testDescription: String { "\(page):\(line)" }

    /// The blocks of a page, indented ones with the word "indented".
    static func all(of page: String, text: String) -> [CodeBlock] {
        var blocks: [CodeBlock] = []
        var open: CodeBlock?
        var wasBlank = true
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let line = String(line)
            if let block = open {
                if line == "```" {
                    blocks.append(block)
                    open = nil
                } else {
                    open?.lines.append(line)
                }
            } else if line.hasPrefix("```") {
                open = CodeBlock(page: page, line: index + 2, word: String(line.dropFirst(3)), lines: [])
            } else if line.hasPrefix("    "), wasBlank {
                blocks.append(CodeBlock(page: page, line: index + 1, word: "indented", lines: [line]))
            }
            wasBlank = line.isEmpty
        }
        if let open { blocks.append(CodeBlock(page: page, line: open.line, word: "not closed", lines: open.lines)) }
        return blocks
    }
}

/// One command of a session, and what it should write.
struct DocumentedCommand: Sendable {
    var command: String
    var output: [String] = []

    /// It goes on while the next ones run.
    var isInBackground: Bool { command.hasSuffix(" &") }

    /// The commands of a session. A line that ends in a backslash goes on in the next.
    static func all(of block: CodeBlock) -> [DocumentedCommand] {
        var commands: [DocumentedCommand] = []
        var goesOn = false
        for line in block.lines {
            if goesOn, let last = commands.indices.last {
                commands[last].command += "\n" + line
                goesOn = line.hasSuffix("\\")
            } else if line.hasPrefix("$ ") || block.kind == .sh {
                commands.append(DocumentedCommand(command: line.hasPrefix("$ ") ? String(line.dropFirst(2)) : line))
                goesOn = line.hasSuffix("\\")
            } else if !commands.isEmpty {
                commands[commands.count - 1].output.append(line)
            }
        }
        return commands
    }
}

/// Lines of output in which what differs from run to run has given way to a letter.
enum Repeatable {
    static func lines(_ text: some StringProtocol) -> [String] {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { line(String($0)) }
        while lines.last?.isEmpty == true { lines.removeLast() }
        return lines
    }

    static func line(_ line: String) -> String {
        var line = line
        if line.hasPrefix("{") {
            // JSON: the numbers with a point are times.
            line = line.replacing(/:-?[0-9]+\.[0-9]+/, with: ":T")
        }
        line = line.replacing(#/^ *[0-9]+\.[0-9]{2,3} s  /#, with: "T  ")
        line = line.replacing(/after [0-9]+ ms: Could/, with: "after D: Could")
        // No time at all is a claim, and stays.
        line = line.replacing(#/\b[0-9]*[1-9][0-9]* ms\b/#, with: "D").replacing(#/<1 ms\b/#, with: "D")
        line = line.replacing(/\b[0-9]+\.[0-9]{1,2} s\b/, with: "D")
        line = line.replacing(/at byte [0-9]+/, with: "at byte N")
        line = line.replacing(/after [0-9]+ were read/, with: "after N were read")
        line = line.replacing(/[0-9]+ bytes read before/, with: "N bytes read before")
        while line.last == " " { line.removeLast() }
        return line
    }

    /// Whether lines are those of a pattern, where `...` stands for any number of them.
    static func matches(_ lines: ArraySlice<String>, _ pattern: ArraySlice<String>) -> Bool {
        guard let first = pattern.first else { return lines.isEmpty }
        if first == "..." {
            return (lines.startIndex...lines.endIndex).contains { matches(lines[$0...], pattern.dropFirst()) }
        }
        return lines.first == first && matches(lines.dropFirst(), pattern.dropFirst())
    }
}
