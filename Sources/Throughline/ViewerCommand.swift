public import ThroughlineCore

/// What a viewer, or a program in the viewer's place, may ask of a running stream in a line of text. `obey` of a stream
/// carries it out.
public enum ViewerCommand: Sendable, Hashable {
    case pause, resume, stop, help, status
    /// To the key frame at or before.
    case seek(NPT)
    case rate(Rate)
    /// Bits per second.
    case bandwidth(Int64)
    /// By the number of an origin, by its URL, or to the best other one.
    case migrate(to: Target, at: NPT?)
    /// Into a file, from the next key frame on; nil ends it.
    case record(String?)

    public enum Target: Sendable, Hashable {
        case best
        case number(Int)
        case url(String)
    }

    /// Every command with what it takes, on one line.
    public static let usage =
        "pause, resume, seek TIME, rate NUMBER (1/8 to 8; -1: backwards, over RTSP), bandwidth BITS, "
        + "migrate [URL|NUMBER] [at TIME], record FILE|off, status, stop, help"

    /// Why a line is no command, for people.
    public struct Mistake: Error, Sendable, CustomStringConvertible {
        public let description: String
    }

    /// Reads a line; blanks around and between words do not count.
    public init(line: some StringProtocol) throws(Mistake) {
        // A line may end as another system ends lines.
        let words = line.split { $0 == " " || $0 == "\t" || $0 == "\r" || $0 == "\n" || $0 == "\r\n" }.map {
            String($0)
        }
        let rest = words.dropFirst()
        func only(_ command: Self) throws(Mistake) -> Self {
            guard rest.isEmpty else {
                throw Mistake(description: "'\(words[0])' stands alone; say \(words[0])")
            }
            return command
        }
        func argument(_ example: String) throws(Mistake) -> String {
            guard rest.count == 1, let word = rest.first else {
                throw Mistake(description: "'\(words[0])' takes one word; say \(words[0]) \(example)")
            }
            return word
        }
        switch words.first ?? "" {
        case "pause": self = try only(.pause)
        case "resume": self = try only(.resume)
        case "stop": self = try only(.stop)
        case "help": self = try only(.help)
        case "status": self = try only(.status)
        case "seek": self = .seek(try Self.time(try argument("1:30")))
        case "rate":
            let word = try argument("2")
            guard let rate = Rate(decimal: word), rate.numerator != 0 else {
                throw Mistake(
                    description: "'\(word.printable(limit: 60))' is no rate: write 2, 0.5 or -1"
                        + (Rate(decimal: word) == nil ? "" : "; to stand still say pause"))
            }
            self = .rate(rate)
        case "bandwidth":
            let word = try argument("500000")
            guard let bits = Int64(word), bits > 0 else {
                throw Mistake(
                    description: "'\(word.printable(limit: 60))' is no bandwidth: write bits per second, like 500000")
            }
            self = .bandwidth(bits)
        case "migrate": self = try Self.migration(Array(rest))
        case "record":
            guard !rest.isEmpty else {
                throw Mistake(description: "'record' takes a file; say record part.mkv, and record off to end it")
            }
            self = .record(Array(rest) == ["off"] ? nil : rest.joined(separator: " "))
        default:
            throw Mistake(
                description: "'\(line.printable(limit: 60))' is no command; there are: \(Self.usage)")
        }
    }

    private static func time(_ word: String) throws(Mistake) -> NPT {
        // Before the beginning is at the beginning; whoever carries it out says so.
        if word.hasPrefix("-"), let duration = Duration(words: word.dropFirst()) { return .zero - MediaTime(duration) }
        guard let duration = Duration(words: word) else { throw Mistake(description: Duration.noTime(word)) }
        return MediaTime(duration)
    }

    /// `migrate`, `migrate 1`, `migrate at 1:30`, `migrate http://b.example/film.ts at 1:30`.
    private static func migration(_ words: [String]) throws(Mistake) -> Self {
        var words = words
        var npt: NPT?
        if words.count >= 2, words[words.count - 2] == "at" {
            npt = try time(words[words.count - 1])
            words.removeLast(2)
        }
        guard words.count <= 1 else {
            throw Mistake(description: "say migrate, migrate URL or migrate 1, and at 1:30 behind it")
        }
        guard let word = words.first else { return .migrate(to: .best, at: npt) }
        return .migrate(to: Int(word).map { .number($0) } ?? .url(word), at: npt)
    }
}

/// What became of a line that was to be obeyed.
public struct ControlAnswer: Sendable, Hashable {
    /// Without blanks around, and of URLs without user, password, query and fragment.
    public let line: String
    public let isAccepted: Bool
    /// Why not, what was asked for, or what was made of it; nil where there is nothing to say.
    public let text: String?
}

extension ResilientStream {
    /// Does what a line says, and answers it: with an event, and to the caller. From any thread.
    ///
    /// - Returns: nil for an empty line.
    @discardableResult
    public func obey(_ line: some StringProtocol) -> ControlAnswer? {
        let words = line.split { $0.isWhitespace }
        guard !words.isEmpty else { return nil }
        let shown = redactedArguments(words.map { String($0) }).joined(separator: " ").printable(limit: 256)
        let answer: ControlAnswer
        do {
            let text = try carryOut(ViewerCommand(line: line))
            answer = ControlAnswer(line: shown, isAccepted: true, text: text)
        } catch let mistake as ViewerCommand.Mistake {
            answer = ControlAnswer(line: shown, isAccepted: false, text: mistake.description)
        } catch {
            answer = ControlAnswer(line: shown, isAccepted: false, text: (error as? StreamError)?.message ?? "\(error)")
        }
        tell(answer)
        return answer
    }

    private func carryOut(_ command: ViewerCommand) throws -> String? {
        switch command {
        case .pause: pause()
        case .resume: resume()
        case .stop: stop()
        case .help: return ViewerCommand.usage
        case .status: return status.words
        case .seek(let npt):
            let place = SeekRange(duration: status.duration).place(npt)
            seek(to: place.npt)
            return place.note
        case .rate(let rate):
            let limited = rate.limited
            try setRate(limited)
            return limited == rate ? nil : "the rate is limited to \(limited)"
        case .bandwidth(let bits): try limitBandwidth(to: bits)
        case .migrate(.best, let npt): try migrate(at: npt)
        case .migrate(.number(let number), let npt): try migrate(to: OriginID(number), at: npt)
        case .migrate(.url(let url), let npt): try migrate(to: url, at: npt)
        case .record(let path): return try record(to: path)
        }
        return nil
    }

    /// - Returns: what became of the recording before.
    private func record(to path: String?) throws -> String? {
        let next = try path.map { try join(.file(path: $0, overwrites: false)) }
        let former = recording.withLock { recording in
            defer { recording = next }
            return recording
        }
        if let former { leave(former) }
        if path == nil, former == nil { return "nothing is recorded" }
        return path != nil && former != nil ? "the recording before it has ended" : nil
    }
}

/// Where a viewer can go.
struct SeekRange {
    /// Of the presentation, where it is known.
    let duration: MediaTime?

    /// The place that is gone to for one that was asked for, and what to say where that is another.
    func place(_ npt: NPT) -> (npt: NPT, note: String?) {
        if npt < .zero { return (.zero, "before the beginning; goes to \(NPT.zero)") }
        guard let duration, npt >= duration else { return (npt, nil) }
        let last = max(.zero, duration - .seconds(1))
        return (last, "beyond the end at \(duration); goes to \(last)")
    }
}

extension Rate {
    /// The nearest rate that a stream can be played at.
    var limited: Rate {
        let magnitude = min(max(magnitude, Rate(1, 8)), Rate(8))
        return isNegative ? Rate(-magnitude.numerator, magnitude.denominator) : magnitude
    }
}

extension StreamStatus {
    /// On one line, for people.
    public var words: String {
        let place = max(npt ?? .zero, .zero).description + (duration.map { " of \($0)" } ?? "")
        return "\(isPaused ? "paused" : "plays") at \(place) from \(origin ?? "no origin yet"), buffer "
            + "\(buffer.duration.secondsText) s, \(handoffs) handoff\(handoffs == 1 ? "" : "s"), gap "
            + "\(visibleGap.secondsText) s"
    }
}
