internal import ArgumentParser
import Glibc
internal import Throughline
internal import ThroughlineCore

/// Command lines that cannot be understood, in words that name the remedy.
enum Mistakes {
    /// Why the first argument is no command; nil when it is one, or an option.
    static func unknownCommand(_ arguments: [String], known: [String]) -> String? {
        guard let word = arguments.first, !word.hasPrefix("-"), !known.contains(word) else { return nil }
        let shown = word.isEmpty ? "''" : redacted(word)
        func suggests(_ line: String) -> String { "\(shown) is no command; did you mean \"throughline \(line)\"?" }
        if word.contains("://") || word.contains(".") || word.contains("/") || access(word, F_OK) == 0 {
            let line = redactedArguments(arguments).map { $0.contains(" ") ? "'\($0)'" : $0 }.joined(separator: " ")
            return suggests("play " + line)
        }
        if let near = known.min(by: { distance($0, word) < distance($1, word) }), distance(near, word) <= 2 {
            return suggests(near)
        }
        return "\(shown) is no command; there are: \(known.joined(separator: ", "))"
    }

    /// Letters to change, to add or to leave out, until one word is the other; two that changed places are one.
    private static func distance(_ a: String, _ b: String) -> Int {
        let (a, b) = (Array(a.prefix(20)), Array(b.prefix(20)))
        var rows = [Array(0...b.count)]
        for i in 1..<(a.count + 1) {
            var row = [i]
            for j in 1..<(b.count + 1) {
                var best = min(rows[i - 1][j] + 1, row[j - 1] + 1, rows[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1))
                if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] { best = min(best, rows[i - 2][j - 2] + 1) }
                row.append(best)
            }
            rows.append(row)
        }
        return rows[a.count][b.count]
    }

    /// What the parser of arguments says, as this tool says it.
    static func words(_ message: String) -> String {
        let start = "The value '"
        guard message.hasPrefix(start), let middle = message.firstRange(of: "' is invalid for '") else {
            return message
        }
        let given = String(message[message.index(message.startIndex, offsetBy: start.count)..<middle.lowerBound])
        let rest = message[middle.upperBound...]
        guard let end = rest.firstIndex(of: "'") else { return message }
        let subject = rest[..<end].split(separator: " ")
        let option = subject.first.map { String($0) } ?? ""
        let value = redactedArguments([option, given])[1]
        let kind = subject.count > 1 ? subject[1].filter { $0 != "<" && $0 != ">" } : ""
        let more = rest[rest.index(after: end)...]
        if more.hasPrefix(": ") { return "\(option): \(more.dropFirst(2))" }
        let choices = ". Please provide one of "
        if more.hasPrefix(choices) {
            let names = more.dropFirst(choices.count).filter { $0 != "'" && $0 != "." }
            return "\(option): '\(value)' is not known: write \(names)"
        }
        if kind == "time" { return "\(option): \(Duration.noTime(value))" }
        let (noun, examples) = remedies[kind] ?? ("value for it", "see --help")
        return "\(option): '\(value.printable(limit: 60))' is no \(noun): \(examples)"
    }

    private static let remedies: [String: (noun: String, examples: String)] = [
        "flows": ("choice of flows", "write all, or some of video,audio,subtitle,data, as audio:de, audio:2 or 3 too"),
        "name:value": ("header field", "write Name: value"),
        "kind=how": (
            "answer to an indicator",
            "write sei, id3, scte-35, ts-discontinuity or ts-program, and =leave, =stay or =ignore behind it"
        ),
        "port": ("port", "write a number from 0 to 65535"),
        "rate": ("pace", "write bytes per second, like 500k, or times the speed of the media, like 1.25x"),
        "size|time": ("burst", "write bytes, like 256k, or a time of the media, like 1s"),
        "seed": ("seed", "write a whole number that is not negative"),
    ]

    /// Tells a mistake on standard error, and where `play` was to tell programs, them too.
    static func tell(_ message: String, command: String?, arguments: [String]) {
        let message = withoutPasswords(message)
        let page = command.map { "throughline \($0) --help" } ?? "throughline --help"
        put("throughline: \(message.printable)\nSee '\(page)'.\n", to: STDERR_FILENO)
        guard command == "play" else { return }
        let error = StreamError(code: .usage, message: message)
        for path in values(of: "--events", in: arguments) where isFree(path, in: arguments) {
            let line = Event(time: .zero, kind: .ended(npt: nil, error)).json + "\n"
            if FileIdentity.isStandardOutput(path) {
                put(line)
                continue
            }
            let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK, 0o666)
            guard descriptor >= 0 else { continue }
            put(line, to: descriptor)
            close(descriptor)
        }
        let summary = Summary(notStarted: error, elapsed: .zero)
        let report = Report(summary, startedAt: WallClock.now, endedAt: WallClock.now, arguments: arguments)
        for path in values(of: "--report", in: arguments) where isFree(path, in: arguments) {
            guard (try? ReportFile.check(extensionOf: path)) != nil else { continue }
            try? ReportFile(path: path).write(report.json)
        }
    }

    /// What follows an option, each time that it stands there.
    static func values(of option: String, in arguments: [String]) -> [String] {
        arguments.indices.compactMap { index in
            if arguments[index].hasPrefix(option + "=") { return String(arguments[index].dropFirst(option.count + 1)) }
            guard arguments[index] == option, index + 1 < arguments.count else { return nil }
            let value = arguments[index + 1]
            return value == "-" || !value.hasPrefix("-") ? value : nil
        }
    }

    /// Nothing else on the command line is the same file: the mistake may be that something is.
    private static func isFree(_ path: String, in arguments: [String]) -> Bool {
        if path.isEmpty || !LogFile.isReplaceable(path) { return false }
        guard let identity = FileIdentity(path) else { return true }
        let paths = arguments.map { argument in
            argument.hasPrefix("-")
                ? argument.split(separator: "=", maxSplits: 1).last.map { String($0) } ?? "" : argument
        }
        let same = paths.filter { $0 != "-" || path == "-" }
            .filter { FileIdentity($0.hasPrefix("file://") ? String($0.dropFirst(7)) : $0) == identity }
        return same.count <= 1
    }
}
