import Glibc
internal import Throughline
internal import ThroughlineCore

/// Standard error: lines for people, and on a terminal one live line below them.
final class Console: Sendable {
    enum Style: String {
        case plain = "0"
        case bold = "1"
        case dim = "2"
        case good = "32"
        case notice = "33"
        case bad = "31"
    }

    let isTerminal: Bool
    /// A live line can be shown, and nobody else is known to write to the terminal.
    let showsLive: Bool
    private let usesColour: Bool
    private let descriptor: Int32
    private let writer: LineWriter

    /// - Parameter isTypedOn: commands are read from standard input. Where that is a terminal, what is typed would stand
    ///   behind the live line, and go away with it.
    init(_ descriptor: Int32 = STDERR_FILENO, status: StatusChoice = .auto, isTypedOn: Bool = false) {
        self.descriptor = descriptor
        let terminal = getenv("TERM").map { String(cString: $0) } ?? ""
        isTerminal = isatty(descriptor) == 1 && !["", "dumb"].contains(terminal)
        showsLive = isTerminal && status == .auto && !Self.feedsPipe && !(isTypedOn && isatty(STDIN_FILENO) == 1)
        // no-color.org: present and not empty.
        let refusal = getenv("NO_COLOR").map { String(cString: $0) } ?? ""
        usesColour = isTerminal && refusal.isEmpty
        writer = LineWriter(descriptor)
    }

    func line(_ text: String = "") { writer.write(text) }

    /// What reads standard output, such as a player, is likely to have a line of its own on the same terminal.
    private static var feedsPipe: Bool {
        var status = stat()
        return fstat(STDOUT_FILENO, &status) == 0 && [S_IFIFO, S_IFSOCK].contains(status.st_mode & S_IFMT)
    }

    /// Redraws the live line; nil takes it away. Does nothing where there is none.
    ///
    /// - Parameter text: told how many columns there are.
    func live(_ text: ((_ width: Int) -> String)?) {
        guard showsLive else { return }
        // In the background the terminal is the shell's.
        let isForeground = tcgetpgrp(descriptor) == getpgrp()
        let width = width
        // The last column stays free: a terminal that is written full there is about to break the line.
        writer.show(live: isForeground && width >= 10 ? text.map { $0(width - 1) } : nil, width: width)
    }

    /// As `close`, for so long at the most, where the process ends at once.
    func leave(within duration: Duration) {
        live(nil)
        writer.flush(atMost: duration)
    }

    /// Writes what waits, and takes the live line away.
    func close() { writer.close() }

    /// Columns of the terminal.
    var width: Int {
        var size = winsize()
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }

    /// Lines that fit beside an indent on the terminal, broken at spaces; one line elsewhere.
    func wrapped(_ text: String, indent: Int) -> [String] {
        let room = width - indent - 1
        guard isTerminal, room >= 20, text.columns > room else { return [text] }
        var lines: [String] = []
        var line = ""
        for word in text.split(separator: " ") {
            if !line.isEmpty, line.columns + 1 + word.columns > room {
                lines.append(line)
                line = ""
            }
            line += (line.isEmpty ? "" : " ") + word
        }
        lines.append(line)
        return lines
    }

    func styled(_ text: String, _ style: Style) -> String {
        usesColour && style != .plain ? "\u{1B}[\(style.rawValue)m\(text)\u{1B}[0m" : text
    }
}

/// Writes to a descriptor at once, for data that a program reads.
///
/// - Returns: the error number where not all of it was taken; 0 otherwise.
@discardableResult
func put(_ text: String, to descriptor: Int32 = STDOUT_FILENO) -> Int32 {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
        let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        if count > 0 { rest = rest.dropFirst(count) } else if errno != EINTR { return errno }
    }
    return 0
}

/// The exit status of a command whose standard output was not taken, which is said; 0 where it was.
func statusOfOutput(_ error: Int32) -> Int32 {
    if error == 0 { return 0 }
    if error == EPIPE {
        put("throughline: the reader of standard output has left\n", to: STDERR_FILENO)
        return StreamError.Code.readerLeft.exitStatus
    }
    put("throughline: cannot write to standard output: \(String(cString: strerror(error)))\n", to: STDERR_FILENO)
    return StreamError.Code.outputFailed.exitStatus
}

extension String {
    func padded(to width: Int) -> String { self + String(repeating: " ", count: Swift.max(0, width - count)) }
    func padded(left width: Int) -> String { String(repeating: " ", count: Swift.max(0, width - count)) + self }

    /// Network text on a terminal: control characters replaced.
    var printable: String {
        var view = String.UnicodeScalarView()
        for scalar in unicodeScalars {
            let isControl = scalar.value < 0x20 && scalar != "\n" || (0x7f...0x9f).contains(scalar.value)
            view.append(isControl ? "?" : scalar)
        }
        return String(view)
    }
}
