internal import ThroughlineCore

/// A text that is no fault. The description says what is allowed, with an example.
public struct FaultSyntaxError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The whole text.
    public let text: String
    /// What is wrong with it.
    public let problem: String

    public var description: String { "\"\(text)\" is no fault: \(problem)" }
}

extension Fault: CustomStringConvertible {
    /// A fault as text: what, optionally where or when behind an `@`, and options behind commas.
    ///
    ///     fault    = kind [":" method] *("," option) ["@" trigger *("," option)]
    ///     kind     = "reset" / "close" / "refuse" / "stall" / "silent" / "short" / "corrupt"
    ///              / "throttle=" size / "delay=" time / "status=" 300...599 / rtsp
    ///     rtsp     = "session-lost" / "no-rtp-info" / "wrong-rtp-info" / "no-range" / "no-scale" / "no-speed" /
    ///                "speed-in-timestamps" / "late=" time
    ///              / "redirect=" URL / "announce=" 1...9999 / "notify=" reason / "teardown"
    ///              / "bye" / "new-source" / "close-ports" / "loss=" number "%" / "reorder=" number "%"
    ///              / "duplicate=" number "%" / "garbage=" size / "sequence-jump=" count
    ///              / "timestamp-jump=" time / "frozen-timestamps" / "random-timestamps" / "no-reports"
    ///              / "silent-flow=" number
    ///     method   = "options" / "describe" / "setup" / "play" / ...          ; RTSP only
    ///     trigger  = time / "byte=" size / number "%" / "npt=" npt / "requests=" count
    ///     option   = "once" / "for=" time / "path=" path / "retry-after=" seconds / "location=" URL / "range=" npt
    ///     time     = number ("ms" / "s" / "m")
    ///     size     = number ["k" / "M" / "G" / "Ki" / "Mi" / "Gi"]    ; bytes, or bytes per second
    ///     npt      = number / [hours ":"] minutes ":" seconds          ; RFC 2326 section 3.6
    ///     number   = digits ["." digits]                               ; at most nine behind the point
    ///
    /// A `time` behind `@` counts from the origin's first byte; without an `@` the fault strikes at once, or after the
    /// one before it. `requests=2` strikes with the third. Without `once` or `for` it never ends. A path has neither
    /// commas nor `@`, and so has a URL. `retry-after` belongs to `status`; `location` belongs to one of 300...399, which is
    /// for RTSP; `range` belongs to `redirect`. There is no blank anywhere.
    ///
    /// | text | meaning |
    /// | --- | --- |
    /// | `reset@byte=100000` | resets at that byte, every time |
    /// | `reset@50%,once` | resets one response half way through the file |
    /// | `stall@2s,for=5s` | two seconds in, five seconds of silence |
    /// | `status=503,retry-after=3@npt=4.5,for=5s` | overloaded for five seconds once the media of 4.5 s is due |
    /// | `throttle=200k@1s` | from one second on, 200 000 bytes per second |
    /// | `status=404@requests=3,path=/film.mp4` | gone with the fourth request for it |
    /// | `silent` | answers nothing, from the start |
    /// | `refuse@3s` | closes the port three seconds in |
    /// | `status=453:setup,once` | the first SETUP finds not enough bandwidth |
    /// | `status=302,location=rtsp://127.0.0.1:8002/film.mp4` | DESCRIBE is sent elsewhere |
    /// | `redirect=rtsp://127.0.0.1:8002/film.mp4,range=6@npt=4` | asks at 4 s to go elsewhere from 6 s on |
    ///
    /// - Throws: ``FaultSyntaxError``.
    public init(parsing text: String) throws(FaultSyntaxError) {
        var parser = FaultParser(text: text)
        self = try parser.parse()
    }

    /// The text form, which ``init(parsing:)`` reads as the same fault (times to the nanosecond).
    public var description: String {
        var words = kind.text.split(separator: ",", maxSplits: 1)
        if let method { words[0] += ":\(method.lowercased())" }
        var text = words.joined(separator: ",")
        switch trigger {
        case .immediately: break
        case .afterRequests(let count): text += "@requests=\(count)"
        case .at(let time): text += "@\(time.text)"
        case .atByte(let byte): text += "@byte=\(byte)"
        case .atPercent(let percent): text += "@\(decimalText(Int64(exactly: (percent * 1e9).rounded()) ?? 0))%"
        case .atNPT(let npt): text += "@npt=\(decimalText(npt.nanoseconds))"
        }
        switch recovery {
        case .never: break
        case .once: text += ",once"
        case .after(let time): text += ",for=\(time.text)"
        }
        if let path { text += ",path=\(path)" }
        return text
    }
}

extension Fault.Kind {
    fileprivate var text: String {
        switch self {
        case .reset: "reset"
        case .close: "close"
        case .refuse: "refuse"
        case .stall: "stall"
        case .silent: "silent"
        case .throttle(let bytesPerSecond): "throttle=\(bytesPerSecond)"
        case .delay(let delay): "delay=\(delay.text)"
        case .short: "short"
        case .corrupt: "corrupt"
        case .status(let status, let retryAfter):
            "status=\(status)" + (retryAfter.map { ",retry-after=\($0.wholeSecondsUp)" } ?? "")
        case .rtsp(let fault): fault.text
        }
    }
}

extension RTSPFault {
    fileprivate var text: String {
        func percent(_ value: Double) -> String { decimalText(Int64(exactly: (value * 1e9).rounded()) ?? 0) + "%" }
        return switch self {
        case .moved(let status, let location): "status=\(status),location=\(location)"
        case .sessionLost: "session-lost"
        case .withoutRTPInfo: "no-rtp-info"
        case .wrongRTPInfo: "wrong-rtp-info"
        case .withoutRange: "no-range"
        case .withoutScale: "no-scale"
        case .withoutSpeed: "no-speed"
        case .speedInTimestamps: "speed-in-timestamps"
        case .lateStart(let time): "late=\(time.text)"
        case .redirect(let url, let npt):
            "redirect=\(url)" + (npt.map { ",range=\(decimalText($0.nanoseconds))" } ?? "")
        case .announce(let code): "announce=\(code)"
        case .playNotify(let reason): "notify=\(reason)"
        case .teardown: "teardown"
        case .bye: "bye"
        case .newSource: "new-source"
        case .closePorts: "close-ports"
        case .loss(let value): "loss=\(percent(value))"
        case .reorder(let value): "reorder=\(percent(value))"
        case .duplicate(let value): "duplicate=\(percent(value))"
        case .garbage(let count): "garbage=\(count)"
        case .sequenceJump(let count): "sequence-jump=\(count)"
        case .timestampJump(let time): "timestamp-jump=\(time.text)"
        case .frozenTimestamps: "frozen-timestamps"
        case .silentFlow(let flow): "silent-flow=\(flow)"
        case .randomTimestamps: "random-timestamps"
        case .withoutReports: "no-reports"
        }
    }

    fileprivate static let simple: [Substring: RTSPFault] = [
        "session-lost": .sessionLost, "no-rtp-info": .withoutRTPInfo, "wrong-rtp-info": .wrongRTPInfo,
        "no-range": .withoutRange, "no-scale": .withoutScale, "no-speed": .withoutSpeed,
        "speed-in-timestamps": .speedInTimestamps,
        "teardown": .teardown, "bye": .bye, "new-source": .newSource,
        "close-ports": .closePorts, "frozen-timestamps": .frozenTimestamps,
        "random-timestamps": .randomTimestamps, "no-reports": .withoutReports,
    ]
}

extension Duration {
    fileprivate var text: String { decimalText(wholeNanoseconds) + "s" }

    /// Whole seconds, rounded up, as `Retry-After` has them.
    var wholeSecondsUp: Int64 { max(0, components.seconds + (components.attoseconds > 0 ? 1 : 0)) }
}

/// Billionths as a decimal number without needless digits.
private func decimalText(_ billionths: Int64) -> String {
    let (whole, rest) = billionths.magnitude.quotientAndRemainder(dividingBy: 1_000_000_000)
    let sign = billionths < 0 ? "-" : ""
    guard rest != 0 else { return "\(sign)\(whole)" }
    var digits = String(rest)
    digits = String(repeating: "0", count: 9 - digits.count) + digits
    while digits.hasSuffix("0") { digits.removeLast() }
    return "\(sign)\(whole).\(digits)"
}

private struct FaultParser {
    let text: String
    private var retryAfter: Duration?
    private var recovery: Fault.Recovery?
    private var path: String?
    private var location: String?
    private var range: NPT?

    private static let methods = [
        "OPTIONS", "DESCRIBE", "SETUP", "PLAY", "PAUSE", "TEARDOWN", "GET_PARAMETER", "SET_PARAMETER",
    ]

    init(text: String) { self.text = text }

    private func problem(_ problem: String) -> FaultSyntaxError { FaultSyntaxError(text: text, problem: problem) }

    mutating func parse() throws(FaultSyntaxError) -> Fault {
        let halves = text.split(separator: "@", omittingEmptySubsequences: false)
        guard halves.count <= 2 else { throw problem("there is more than one \"@\"; write it like reset@50%,once") }
        var words = halves[0].split(separator: ",", omittingEmptySubsequences: false)
        var word = words.removeFirst()
        var method: String?
        if let colon = word.lastIndex(of: ":"),
            let known = Self.methods.first(where: { $0.lowercased() == word[word.index(after: colon)...].lowercased() })
        {
            method = known
            word = word[..<colon]
        }
        let kind = try kind(word)
        var trigger = Fault.Trigger.immediately
        if halves.count == 2 {
            var more = halves[1].split(separator: ",", omittingEmptySubsequences: false)
            trigger = try self.trigger(more.removeFirst())
            words += more
        }
        for word in words { try option(word) }
        var fault = Fault(kind, trigger, recovery: recovery ?? .never, path: path, method: method)
        if let retryAfter {
            guard case .status(let status, _) = kind else {
                throw problem("retry-after belongs to a status, like status=503,retry-after=3")
            }
            fault.kind = .status(status, retryAfter: retryAfter)
        }
        if case .status(let status, _) = kind {
            if status < 400 {
                guard let location, retryAfter == nil else {
                    throw problem("a status below 400 needs a place, like status=302,location=rtsp://host/film.mp4")
                }
                fault.kind = .rtsp(.moved(status, location: location))
            } else if location != nil {
                throw problem("location belongs to a status below 400, like status=302,location=rtsp://host/film.mp4")
            }
        } else if location != nil {
            throw problem("location belongs to a status, like status=302,location=rtsp://host/film.mp4")
        }
        if let range {
            guard case .rtsp(.redirect(let url, _)) = kind else {
                throw problem("range belongs to redirect, like redirect=rtsp://host/film.mp4,range=6")
            }
            fault.kind = .rtsp(.redirect(url, from: range))
        }
        if method != nil {
            switch fault.kind {
            case .reset, .close, .silent, .delay, .status, .rtsp(.moved): break
            default:
                throw problem(
                    "a method goes with reset, close, silent, delay and status only, like status=453:setup")
            }
            if fault.trigger.isPlace {
                throw problem("a request has no place in the file; use a time or a count, like reset:play@requests=1")
            }
        }
        if kind == .refuse, recovery == .once {
            throw problem("refuse cannot happen once, as the kernel does not say whom it refuses; use refuse,for=2s")
        }
        if kind == .refuse, path != nil { throw problem("refuse has no path, it closes the port; use refuse@3s") }
        if kind == .short, trigger == .immediately {
            throw problem("short needs a place where the file ends, like short@50% or short@byte=100000")
        }
        return fault
    }

    private func kind(_ word: Substring) throws(FaultSyntaxError) -> Fault.Kind {
        let (name, value) = split(word)
        let simple: [Substring: Fault.Kind] = [
            "reset": .reset, "close": .close, "refuse": .refuse, "stall": .stall, "silent": .silent, "short": .short,
            "corrupt": .corrupt,
        ]
        if let kind = simple[name] {
            guard value == nil else { throw problem("\(name) takes no value; write it like \(name)@50%") }
            return kind
        }
        switch name {
        case "throttle":
            guard let size = value.flatMap(size), size > 0, let rate = Int(exactly: size) else {
                throw problem("throttle needs bytes per second, at least 1, like throttle=200k")
            }
            return .throttle(bytesPerSecond: rate)
        case "delay":
            guard let time = value.flatMap(time) else { throw problem("delay needs a time, like delay=150ms") }
            return .delay(time)
        case "status":
            guard let value, let status = digits(value), (300...599).contains(status) else {
                throw problem("status needs a status from 400 to 599, like status=503,retry-after=3")
            }
            return .status(Int(status))
        default:
            if let fault = try rtsp(name, value) { return .rtsp(fault) }
            throw problem(
                "it begins with none of reset, close, refuse, stall, silent, short, corrupt, throttle=RATE, delay=TIME "
                    + "and status=CODE, nor with a fault of RTSP; write it like reset@50%,once")
        }
    }

    private func rtsp(_ name: Substring, _ value: Substring?) throws(FaultSyntaxError) -> RTSPFault? {
        if let fault = RTSPFault.simple[name] {
            guard value == nil else { throw problem("\(name) takes no value; write it like \(name)@npt=4") }
            return fault
        }
        func percent() throws(FaultSyntaxError) -> Double {
            guard let value, value.hasSuffix("%"), let billionths = billionths(value.dropLast()),
                billionths <= 100_000_000_000
            else { throw problem("\(name) needs a percentage, like \(name)=5%") }
            return Double(billionths) / 1e9
        }
        func number(_ limit: Int64, from least: Int64 = 1) throws(FaultSyntaxError) -> Int {
            guard let value, let number = size(value), number >= least, number <= limit else {
                throw problem("\(name) needs a number from \(least) to \(limit), like \(name)=\(min(limit, 2101))")
            }
            return Int(number)
        }
        func duration() throws(FaultSyntaxError) -> Duration {
            guard let time = value.flatMap(time) else { throw problem("\(name) needs a time, like \(name)=2s") }
            return time
        }
        switch name {
        case "late": return .lateStart(try duration())
        case "timestamp-jump": return .timestampJump(try duration())
        case "redirect":
            guard let value, value.contains("://") else {
                throw problem("redirect needs a URL, like redirect=rtsp://127.0.0.1:8002/film.mp4")
            }
            return .redirect(String(value))
        case "announce": return .announce(try number(9999))
        case "notify":
            guard let value, !value.isEmpty else { throw problem("notify needs a reason, like notify=end-of-stream") }
            return .playNotify(String(value))
        case "loss": return .loss(percent: try percent())
        case "reorder": return .reorder(percent: try percent())
        case "duplicate": return .duplicate(percent: try percent())
        case "garbage": return .garbage(try number(1 << 20))
        case "sequence-jump": return .sequenceJump(try number(65_535))
        case "silent-flow": return .silentFlow(try number(63, from: 0))
        default: return nil
        }
    }

    private func trigger(_ word: Substring) throws(FaultSyntaxError) -> Fault.Trigger {
        let (name, value) = split(word)
        switch (name, value) {
        case ("byte", let value?):
            guard let size = size(value) else {
                throw problem("byte needs a number, like reset@byte=100000 or byte=2M")
            }
            return .atByte(size)
        case ("npt", let value?):
            guard let time = npt(value) else {
                throw problem("npt needs seconds or h:mm:ss, like reset@npt=4.5 or npt=0:01:30")
            }
            return .atNPT(MediaTime(nanoseconds: time))
        case ("requests", let value?):
            guard let count = digits(value), count <= Int64(Int32.max) else {
                throw problem("requests needs how many go well before it, like status=404@requests=2")
            }
            return .afterRequests(Int(count))
        case (_, nil) where word.hasSuffix("%"):
            guard let billionths = billionths(word.dropLast()), billionths <= 100_000_000_000 else {
                throw problem("a percentage is between 0% and 100%, like reset@50%")
            }
            return .atPercent(Double(billionths) / 1e9)
        case (_, nil):
            guard let time = time(word) else { fallthrough }
            return .at(time)
        default:
            throw problem(
                "behind \"@\" comes a time with its unit (stall@2s, @500ms), byte=N, N%, npt=SECONDS or requests=N, "
                    + "like reset@byte=100000")
        }
    }

    private mutating func option(_ word: Substring) throws(FaultSyntaxError) {
        let (name, value) = split(word)
        switch (name, value) {
        case ("once", nil):
            guard recovery == nil else { throw problem("it ends twice; use either once or for=TIME") }
            recovery = .once
        case ("for", let value?):
            guard recovery == nil else { throw problem("it ends twice; use either once or for=TIME") }
            guard let time = time(value), time > .zero else {
                throw problem("for needs a time with its unit, like stall@2s,for=5s")
            }
            recovery = .after(time)
        case ("path", let value?):
            guard value.hasPrefix("/") else { throw problem("a path begins with a slash, like reset,path=/film.mp4") }
            path = String(value)
        case ("retry-after", let value?):
            guard let seconds = digits(value), seconds <= 1_000_000_000 else {
                throw problem("retry-after needs whole seconds, like status=503,retry-after=3")
            }
            retryAfter = .seconds(seconds)
        case ("location", let value?):
            guard value.contains("://") else {
                throw problem("location needs a URL, like status=302,location=rtsp://host/film.mp4")
            }
            location = String(value)
        case ("range", let value?):
            guard let time = npt(value) else {
                throw problem("range needs seconds or h:mm:ss, like redirect=rtsp://host/film.mp4,range=6")
            }
            range = MediaTime(nanoseconds: time)
        default:
            throw problem(
                "\"\(word)\" is no option; those are once, for=TIME, path=/PATH, for status retry-after=SECONDS "
                    + "or location=URL, and for redirect range=NPT, like stall@2s,for=5s")
        }
    }

    // MARK: Values

    private func split(_ word: Substring) -> (name: Substring, value: Substring?) {
        guard let equals = word.firstIndex(of: "=") else { return (word, nil) }
        return (word[..<equals], word[word.index(after: equals)...])
    }

    /// Digits only, to a number that fits.
    private func digits(_ text: Substring) -> Int64? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return Int64(text)
    }

    /// A decimal number in billionths, exactly.
    private func billionths(_ text: Substring) -> Int64? {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard let whole = digits(parts[0]), whole <= 4_000_000_000 else { return nil }
        guard parts.count == 2 else { return whole * 1_000_000_000 }
        guard parts[1].utf8.count <= 9, let fraction = digits(parts[1]) else { return nil }
        return whole * 1_000_000_000 + (parts[1].utf8.count..<9).reduce(fraction) { value, _ in value * 10 }
    }

    private func time(_ text: Substring) -> Duration? {
        for (unit, factor) in [("ms", Int64(1_000_000)), ("s", 1_000_000_000), ("m", 60_000_000_000)] {
            guard text.hasSuffix(unit), let number = billionths(text.dropLast(unit.utf8.count)) else { continue }
            return number.scaled(by: factor, over: 1_000_000_000).map { .nanoseconds($0) }
        }
        return nil
    }

    private func size(_ text: Substring) -> Int64? {
        let units: [(String, Int64)] = [
            ("Ki", 1 << 10), ("Mi", 1 << 20), ("Gi", 1 << 30), ("k", 1000), ("M", 1_000_000), ("G", 1_000_000_000),
        ]
        for (unit, factor) in units where text.hasSuffix(unit) {
            return billionths(text.dropLast(unit.utf8.count))?.scaled(by: factor, over: 1_000_000_000)
        }
        return digits(text)
    }

    /// Nanoseconds of `npt-sec` or `npt-hhmmss`, the hours optional.
    private func npt(_ text: Substring) -> Int64? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count <= 3, let last = parts.last, var total = billionths(last) else { return nil }
        if parts.count > 1, total >= 60_000_000_000 { return nil }
        var unit: Int64 = 60
        for (index, part) in parts.dropLast().reversed().enumerated() {
            guard let number = digits(part), number < (index == 0 && parts.count == 3 ? 60 : 100_000) else {
                return nil
            }
            total += number * unit * 1_000_000_000
            unit *= 60
        }
        return total
    }
}
