internal import ArgumentParser
internal import Throughline
internal import ThroughlineCore

/// A time as people write it: `90`, `1:30`, `1:02:03.5`, `500ms`, `2s`, `5m`, `1h`.
struct TimeArgument: ExpressibleByArgument {
    let duration: Duration

    init(_ duration: Duration) { self.duration = duration }

    init?(argument: String) {
        for (suffix, scale) in [
            ("ms", Int64(1_000_000)), ("s", 1_000_000_000), ("m", 60_000_000_000), ("h", 3_600_000_000_000),
        ]
        where argument.hasSuffix(suffix) {
            guard let value = billionths(argument.dropLast(suffix.count)),
                let nanoseconds = value.scaled(by: scale, over: 1_000_000_000)
            else { return nil }
            duration = .nanoseconds(nanoseconds)
            return
        }
        // npt-sec or npt-hhmmss (RFC 2326 section 3.6), the hours optional.
        let parts = argument.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count <= 3, let last = parts.last, var total = billionths(last) else { return nil }
        if parts.count > 1, total >= 60_000_000_000 { return nil }
        var unit: Int64 = 60_000_000_000
        for (index, part) in parts.dropLast().reversed().enumerated() {
            guard part.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int64(part),
                number < (index == 0 && parts.count == 3 ? 60 : 100_000)
            else { return nil }
            total += number * unit
            unit *= 60
        }
        duration = .nanoseconds(total)
    }

    var defaultValueDescription: String {
        let nanoseconds = duration.wholeNanoseconds
        return nanoseconds % 1_000_000_000 == 0
            ? "\(nanoseconds / 1_000_000_000)s" : "\(nanoseconds / 1_000_000)ms"
    }
}

/// A decimal number in billionths, exactly; at most 100 000 000.
func billionths(_ text: some StringProtocol) -> Int64? {
    let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    func digits(_ text: some StringProtocol) -> Int64? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return Int64(text)
    }
    guard let first = parts.first, let whole = digits(first), whole <= 100_000_000 else { return nil }
    guard parts.count == 2 else { return whole * 1_000_000_000 }
    guard parts[1].utf8.count <= 9, let fraction = digits(parts[1]) else { return nil }
    return whole * 1_000_000_000 + (parts[1].utf8.count..<9).reduce(fraction) { value, _ in value * 10 }
}

/// `all`, or kinds of flows: `video,audio`.
struct FlowsArgument: ExpressibleByArgument {
    let selection: Configuration.FlowSelection

    init(_ selection: Configuration.FlowSelection) { self.selection = selection }

    init?(argument: String) {
        if argument == "all" {
            selection = .all
            return
        }
        var kinds: [FlowKind] = []
        for word in argument.split(separator: ",", omittingEmptySubsequences: false) {
            guard let kind = FlowKind(rawValue: String(word)) else { return nil }
            kinds.append(kind)
        }
        selection = .kinds(kinds)
    }

    var defaultValueDescription: String { "all" }
}

/// `NAME:VALUE`.
struct HeaderArgument: ExpressibleByArgument {
    let header: Origin.Header

    init?(argument: String) {
        guard let colon = argument.firstIndex(of: ":"), colon != argument.startIndex else { return nil }
        let value = argument[argument.index(after: colon)...].drop { $0 == " " }
        header = Origin.Header(name: String(argument[..<colon]), value: String(value))
    }
}

/// How requests to the origins are made, for every command that makes some.
struct OriginOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Send a header field with every request, to the hosts of the origins only. Repeatable.",
            valueName: "name:value"))
    var header: [HeaderArgument] = []

    @Option(help: ArgumentHelp("Trust the certificate authorities in this PEM file, and no others.", valueName: "file"))
    var caFile: String?

    @Flag(
        help: """
            Take users and passwords from the file .netrc in the home folder (or where NETRC says), by host. Without it, \
            those in the URLs count, and THROUGHLINE_USER and THROUGHLINE_PASSWORD in the environment.
            """)
    var netrc = false

    @Option(help: ArgumentHelp("The same from this file.", valueName: "file"))
    var netrcFile: String?

    @Option(
        help: ArgumentHelp(
            "How RTSP origins carry the media: auto (UDP; TCP where it is refused or nothing comes), tcp, udp.",
            valueName: "how"))
    var rtspTransport = RTSPTransportChoice.auto

    func validate() throws { try OriginCredentials.check(file: netrcFile, readsHome: netrc) }

    func origins(_ urls: [String]) -> [Origin] {
        let passwords = OriginCredentials(file: netrcFile, readsHome: netrc)
        return urls.map {
            Origin(url: passwords.added(to: $0), headers: header.map(\.header), certificateAuthorities: caFile)
        }
    }
}

/// `scte-35=leave`: what to do with one kind of indicator.
struct IndicatorArgument: ExpressibleByArgument {
    let kind: Indicator.Kind
    let response: IndicatorPolicy.Response

    init?(argument: String) {
        let words = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard words.count == 2, let kind = Indicator.Kind(rawValue: String(words[0])),
            let response = IndicatorPolicy.Response(rawValue: String(words[1]))
        else { return nil }
        self.kind = kind
        self.response = response
    }
}
