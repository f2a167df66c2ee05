import Glibc
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
    private let usesColour: Bool
    private let descriptor: Int32
    private let writer: LineWriter

    init(_ descriptor: Int32 = STDERR_FILENO) {
        self.descriptor = descriptor
        let terminal = getenv("TERM").map { String(cString: $0) } ?? ""
        isTerminal = isatty(descriptor) == 1 && terminal != "dumb"
        // no-color.org: present and not empty.
        let refusal = getenv("NO_COLOR").map { String(cString: $0) } ?? ""
        usesColour = isTerminal && refusal.isEmpty
        writer = LineWriter(descriptor)
    }

    func line(_ text: String = "") { writer.write(text) }

    /// Redraws the live line, cut to the width of the terminal. Does nothing elsewhere.
    func live(_ text: String?) {
        guard isTerminal else { return }
        writer.show(live: text.map { String($0.prefix(width - 1)) })
    }

    /// Writes what waits, and takes the live line away.
    func close() { writer.close() }

    /// Columns of the terminal.
    var width: Int {
        var size = winsize()
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return max(20, Int(size.ws_col))
    }

    /// Lines that fit beside an indent on the terminal, broken at spaces; one line elsewhere.
    func wrapped(_ text: String, indent: Int) -> [String] {
        let room = width - indent - 1
        guard isTerminal, room >= 20, text.count > room else { return [text] }
        var lines: [String] = []
        var line = ""
        for word in text.split(separator: " ") {
            if !line.isEmpty, line.count + 1 + word.count > room {
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
func put(_ text: String, to descriptor: Int32 = STDOUT_FILENO) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
        let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        if count > 0 { rest = rest.dropFirst(count) } else if errno != EINTR { return }
    }
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
