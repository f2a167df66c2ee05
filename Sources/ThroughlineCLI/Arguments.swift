internal import ArgumentParser
internal import Throughline
internal import ThroughlineCore

/// A time as people write it: `90`, `1:30`, `1:02:03.5`, `500ms`, `2s`, `5m`, `1h`.
struct TimeArgument: ExpressibleByArgument {
    let duration: Duration

    init(_ duration: Duration) { self.duration = duration }

    init?(argument: String) {
        guard let duration = Duration(words: argument) else { return nil }
        self.duration = duration
    }

    var defaultValueDescription: String {
        let nanoseconds = duration.wholeNanoseconds
        return nanoseconds % 1_000_000_000 == 0
            ? "\(nanoseconds / 1_000_000_000)s" : "\(nanoseconds / 1_000_000)ms"
    }
}

/// `all`, or which flows: `video,audio:de`.
struct FlowsArgument: ExpressibleByArgument {
    let selection: FlowSelection

    init(_ selection: FlowSelection) { self.selection = selection }

    init?(argument: String) {
        if argument == "all" {
            selection = .all
            return
        }
        var selectors: [FlowSelector] = []
        for words in argument.split(separator: ",", omittingEmptySubsequences: false) {
            guard let selector = FlowSelector(words: words) else { return nil }
            selectors.append(selector)
        }
        selection = .only(selectors)
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
    /// For the help of the commands that have these options.
    static let proxies = """
        Proxies come from the environment: http_proxy for http: and rtsp:, https_proxy for https: and rtsps:, all_proxy \
        for both; no_proxy lists hosts that are asked directly. RTSP goes over TCP then.
        """

    @Option(
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "Send a header field with every request, to the hosts of the origins only. Repeatable.",
            valueName: "name:value"))
    var header: [HeaderArgument] = []

    @Option(
        help: ArgumentHelp("Trust the certificate authorities in this PEM file, and no others.", valueName: "file"),
        completion: .file())
    var caFile: String?

    @Flag(
        help: """
            Take users and passwords from the file .netrc in the home folder (or where NETRC says), by host. Without it, \
            those in the URLs count, and THROUGHLINE_USER and THROUGHLINE_PASSWORD in the environment.
            """)
    var netrc = false

    @Option(help: ArgumentHelp("The same from this file.", valueName: "file"), completion: .file())
    var netrcFile: String?

    @Option(
        parsing: .unconditional,
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

    /// Each that can be written.
    static let all = Indicator.Kind.allCases.flatMap { kind in
        IndicatorPolicy.Response.allCases.map { "\(kind.rawValue)=\($0.rawValue)" }
    }

    init?(argument: String) {
        let words = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard words.count == 2, let kind = Indicator.Kind(rawValue: String(words[0])),
            let response = IndicatorPolicy.Response(rawValue: String(words[1]))
        else { return nil }
        self.kind = kind
        self.response = response
    }
}
