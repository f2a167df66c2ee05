internal import ArgumentParser
import Glibc
internal import Throughline
internal import ThroughlineCore

struct ProbeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "probe",
        abstract: "Tell what origins hold, and how exactly each alternate can go on for the first.",
        discussion: """
            The grade of a splice is found by making it: bytes are compared with bytes, packets with packets and \
            pictures with pictures, in the middle of the presentation. RTSP origins deliver in real time: each pair \
            that they belong to takes some seconds, and packet-exact is the best that it can be.

              byte-exact     the same object: reading goes on at the byte where it broke
              packet-exact   the same encode, whatever the container and protocol: not a
                             packet missing, none twice
              frame-aligned  another encode of the same programme: joined at a key frame
              live-edge      no overlap: joined at the nearest key frame, and something
                             is missing
              none           it cannot go on, and why

            \(OriginOptions.proxies)

            Exit status: 0 the first origin can be played; 64 usage; 65 it is not media; 69 it cannot be opened.
            """)

    @Argument(
        help: ArgumentHelp("The stream, and where else it may be.", valueName: "origin"), completion: .file())
    var origins: [String]

    @Flag(help: "Write JSON to standard output instead of text.")
    var json = false

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("How long an origin may be silent.", valueName: "time"))
    var timeout = TimeArgument(.seconds(5))

    @OptionGroup var options: OriginOptions

    func validate() throws {
        guard timeout.duration >= .milliseconds(50) else { throw ValidationError("--timeout must be at least 50ms") }
    }

    func run() async throws {
        let status: Int32
        do throws(StreamError) {
            let probe = try Probe(
                options.origins(origins), bound: timeout.duration, rtspTransport: options.rtspTransport)
            let findings = await probe.run()
            let unwritten = statusOfOutput(put(json ? ProbeReport(findings).json : text(findings)))
            let error = findings.origins[0].error
            if let error { put("throughline: \(error.description.printable)\n", to: STDERR_FILENO) }
            status = error?.code.exitStatus ?? unwritten
        } catch {
            put("throughline: \(error.description.printable)\n", to: STDERR_FILENO)
            status = error.code.exitStatus
        }
        if status != 0 { throw ExitCode(status) }
    }

    private func notSeekable(_ origin: Probe.OriginFinding) -> String {
        if origin.transport == nil { return "no: ranges are not served, or the length is not known" }
        return origin.duration == nil ? "no: it states no end" : "no: asked for the middle, it did not play from there"
    }

    private func text(_ findings: Probe.Findings) -> String {
        var lines: [String] = []
        func row(_ name: String, _ text: String) { lines.append("  " + name.padded(to: 12) + text.printable) }
        for (index, origin) in findings.origins.enumerated() {
            if index > 0 { lines.append("") }
            lines.append(origin.url.printable)
            if let error = origin.error {
                row("unusable", error.message)
                continue
            }
            row(
                "container",
                containerWords(origin.container ?? "") + (origin.contentType.map { ", served as \($0)" } ?? "")
                    + (origin.transport.map { ", by \($0.uppercased())" } ?? ""))
            row("duration", origin.duration?.description ?? "not stated")
            if origin.transport == nil { row("length", origin.byteCount.map { "\($0) bytes" } ?? "not known") }
            row("seekable", origin.isSeekable ? "yes" : notSeekable(origin))
            for flow in origin.flows { row(flow.index == 0 ? "flows" : "", flow.text) }
            row("opened in", origin.opening.words)
            guard let splice = findings.splices.first(where: { $0.origin == index }) else { continue }
            row("splice", splice.grade?.rawValue ?? "none")
            row("", splice.evidence)
            if splice.grade == .packetExact, let npt = splice.npt { row("", "tried at \(npt)") }
            if let obstacle = splice.obstacle, splice.grade != nil { row("", obstacle) }
            for flow in splice.flows where flow.missing > .zero || flow.duplicate > .zero {
                row("", "flow \(flow.flow): missing \(flow.missing.words), duplicate \(flow.duplicate.words)")
            }
            for warning in splice.warnings { row("note", warning) }
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
