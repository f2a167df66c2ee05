public import ArgumentParser
import Glibc
internal import Throughline
internal import ThroughlineCore

struct Play: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Play through every failure.",
        discussion: """
            Plays the first ORIGIN. When it fails or falls silent, the stream goes on from an ALTERNATE, or from the same \
            origin again, at the very place: no frame missing, none twice. Origins are asked in the order given.

            Without --output the stream is received, timed and measured, and goes nowhere. To watch it:
              throughline play A B --output - | ffplay -

            An RTSP origin delivers in real time: playing begins when the buffer is full, so that --buffer 1s means a \
            second of waiting at the start, and what a handoff takes from the buffer comes back only from a server \
            that can deliver faster (Speed).

            A time is 90, 1:30, 1:02:03.5, 500ms, 2s, 5m or 1h. Ctrl-C finishes the outputs and the reports; a second \
            one leaves at once. SIGUSR1 makes the stream go on from the best other origin (kill -USR1). Standard output carries what --output - or --events - asks for and nothing else.

            Exit status: 0 played to the end; 64 usage; 65 not media; 69 no origin usable; 70 internal; 74 an output \
            failed; 75 gave up midway; 130 interrupted.
            """)

    @Argument(
        help: ArgumentHelp(
            "Where the stream is, the preferred place first: a URL, a file, a pipe, or - for standard input.",
            valueName: "origin"))
    var origins: [String]

    @Option(
        name: [.short, .long],
        help: ArgumentHelp("Write the stream to a file, or to standard output. Repeatable.", valueName: "path|-"))
    var output: [String] = []

    @Option(
        name: [.short, .long],
        help: ArgumentHelp(
            """
            Container of the output by FFmpeg's name; taken from the file's extension otherwise, and mpegts for \
            standard output. Given several times, each is for the output at the same place.
            """, valueName: "name"))
    var format: [String] = []

    @Flag(
        help: """
            Decode pictures and sound before writing, for formats such as framehash, rawvideo or wav. Without it \
            framehash hashes the packets as they are.
            """)
    var decode = false

    @Option(help: ArgumentHelp("Begin here, at the key frame before.", valueName: "time"))
    var from = TimeArgument(.zero)

    @Option(help: ArgumentHelp("End here.", valueName: "time"))
    var to: TimeArgument?

    @Option(help: ArgumentHelp("Play all flows, or these kinds: video,audio,subtitle,data.", valueName: "kinds"))
    var flows = FlowsArgument(.all)

    @Flag(help: "As fast as possible instead of in real time.")
    var fast = false

    @Option(help: ArgumentHelp("Media to hold ahead, 0.1 to 60 s.", valueName: "time"))
    var buffer = TimeArgument(.seconds(2))

    @Option(
        help: ArgumentHelp(
            """
            Silence that is borne where no buffer hides it (at full speed, or once the buffer is dry). With media in the \
            buffer it is borne until that is needed for the handoff.
            """, valueName: "time"))
    var silence = TimeArgument(.seconds(1))

    @Option(
        help: ArgumentHelp(
            """
            How ready the next origin is kept: cold (connected when it is needed), warm (connected, and \
            over RTSP set up, over HTTP known to hold the same bytes, so that it has to be asked for one thing; costs \
            its server an idle connection) or hot (it delivers beside the one that is played, so that nothing has to be \
            waited for; costs as much as a second viewer).
            """, valueName: "how"))
    var standby = Standby.cold

    @Option(
        help: ArgumentHelp(
            """
            What to do when the stream itself announces a change: KIND is sei or id3 (Throughline's own messages), \
            scte-35, ts-discontinuity or ts-program; HOW is leave (for the origin named, or the best other one), stay or \
            ignore. sei and id3 are left for unless said here, the others stayed for. Repeatable.
            """, valueName: "kind=how"))
    var indicator: [IndicatorArgument] = []

    @Flag(help: "Let the stream send the player to origins that were not given here.")
    var allowIndicatedOrigins = false

    @Option(
        help: ArgumentHelp(
            """
            Whether to go back to the first origin: never (it is asked last from then on), healthy (once it has delivered \
            media to three probes, 5 s apart at the least) or next (it is asked first at the next handoff).
            """, valueName: "when"))
    var failback = Failback.next

    @Option(
        help: ArgumentHelp("Go on trying for so long without receiving anything.", valueName: "time"))
    var giveUpAfter = TimeArgument(.seconds(30))

    @Option(
        help: ArgumentHelp(
            "Write a report when the stream is over, however it ended; .json. Repeatable.", valueName: "file"))
    var report: [String] = []

    @Option(help: ArgumentHelp("Write each event as a line of JSON, when it happens.", valueName: "file|-"))
    var events: String?

    @Flag(
        help: ArgumentHelp(
            """
            Take commands from standard input, one a line: pause, resume, seek TIME, rate NUMBER (2 is twice as fast; -1, \
            down to -8, is backwards, over RTSP where the server can), bandwidth BITS (what an RTSP origin may send in a \
            second), migrate [URL|NUMBER] [at TIME] (go on from another origin, by its URL or its place counted from 0; \
            the best other one if not named), stop.
            """))
    var control = false

    @OptionGroup var options: OriginOptions

    @Flag(name: [.short, .long], help: "Say nothing but errors.")
    var quiet = false

    @Flag(name: [.short, .long], help: "Say more: flows, attempts, each flow's splice.")
    var verbose = false

    func validate() throws {
        if output.filter({ $0 == "-" }).count + (events == "-" ? 1 : 0) > 1 {
            throw ValidationError("standard output can be used once: by one --output - or by --events -")
        }
        let written = (output + report + [events].compactMap { $0 }).filter { $0 != "-" && !$0.hasPrefix("/dev/") }
        if Set(written).count < written.count { throw ValidationError("the same path is to be written twice") }
        if format.count > 1, format.count != output.count {
            throw ValidationError(
                "there are \(format.count) formats for \(output.count) outputs; give one for all, or one for each")
        }
        if !format.isEmpty, output.isEmpty {
            throw ValidationError("--format says how to write; say where with --output")
        }
        if decode, output.isEmpty { throw ValidationError("--decode changes what is written; say where with --output") }
        if quiet, verbose { throw ValidationError("--quiet and --verbose exclude each other") }
        for path in report { try ReportFile.check(extensionOf: path) }
        for path in output + report + [events].compactMap({ $0 }) where path.isEmpty {
            throw ValidationError("an empty path cannot be written to")
        }
        if origins.contains(where: { LocalAddress($0) == .standardInput }) {
            if control {
                throw ValidationError("standard input can be used once: by the origin - or by --control")
            }
            if isatty(STDIN_FILENO) == 1 {
                throw ValidationError(
                    "standard input is a terminal; pipe the stream into it: cat film.ts | throughline play -")
            }
        }
        do throws(StreamError) { try configuration.validate() } catch { throw ValidationError(error.message) }
        for path in output where path != "-" {
            if let origin = origins.first(where: { isSameFile(path, $0) }) {
                throw ValidationError("--output \(path) would overwrite the origin \(origin)")
            }
        }
    }

    func run() async throws {
        let console = Console()
        let status = await play(console)
        console.close()
        if status != 0 { throw ExitCode(status) }
    }

    private func play(_ console: Console) async -> Int32 {
        func complain(_ text: String) { console.line("throughline: \(text.printable)") }
        var reports: [ReportFile] = []
        let eventWriter: LineWriter?
        let stream: ResilientStream
        do {
            for path in report { reports.append(try ReportFile(path: path)) }
            eventWriter = try events.map { try openEvents($0) }
            let words = EventWords(console: console, isVerbose: verbose)
            let isQuiet = quiet
            // Attempts before the stream is open are told once it is; until then the error may be all there is to tell.
            let held = Guarded<[String]?>(verbose ? nil : [])
            stream = try ResilientStream(configuration: configuration, outputs: outputs) { event in
                eventWriter?.write(event.json)
                guard !isQuiet else { return }
                let lines = words.lines(for: event)
                let isHeld = held.withLock { held in
                    if case .attemptFailed = event.kind, held != nil {
                        held?.append(contentsOf: lines)
                        return true
                    }
                    return false
                }
                if isHeld { return }
                if case .opened = event.kind { for line in held.withLock({ $0.take() }) ?? [] { console.line(line) } }
                for line in lines { console.line(line) }
            }
        } catch let error as ReportFile.Failure {
            complain(error.message)
            return StreamError.Code.outputFailed.exitStatus
        } catch let error as StreamError {
            complain(error.description)
            return error.code.exitStatus
        } catch {
            complain("\(error)")
            return StreamError.Code.internalError.exitStatus
        }
        let isQuiet = quiet
        Interrupts.onFirst {
            if !isQuiet { console.line("stopping; press Ctrl-C again to leave at once") }
            stream.stop()
        }
        Interrupts.onUserSignal {
            do throws(StreamError) {
                try stream.migrate()
            } catch { console.line("throughline: \(error.message)") }
        }
        if control { StreamControls.read(for: stream) { console.line("throughline: \($0)") } }
        let startedAt = WallClock.now
        let live = isQuiet || !console.isTerminal ? nil : Task { await LiveStatus(stream, console).run() }
        let summary = await stream.run()
        live?.cancel()
        await live?.value

        var status = summary.error?.code.exitStatus ?? 0
        // Where nothing was played there is nothing to sum up.
        if !isQuiet, summary.startup != nil {
            for line in summaryLines(summary, console: console) { console.line(line) }
        }
        if let error = summary.error, error.code != .stopped { complain(errorLines(error)) }
        if let failure = eventWriter?.close() {
            complain("cannot write the events to \(events ?? ""): \(failure)")
            if status == 0 { status = StreamError.Code.outputFailed.exitStatus }
        }
        let text = reports.isEmpty ? "" : Report(summary, startedAt: startedAt).json
        for file in reports {
            do throws(ReportFile.Failure) {
                try file.write(text)
            } catch {
                complain(error.message)
                if status == 0 { status = StreamError.Code.outputFailed.exitStatus }
            }
        }
        return status
    }

    private var configuration: Configuration {
        var configuration = Configuration(origins: options.origins(origins))
        configuration.from = MediaTime(from.duration)
        configuration.to = to.map { MediaTime($0.duration) }
        configuration.flows = flows.selection
        configuration.pacing = fast ? .fast : .realtime
        configuration.buffer = buffer.duration
        configuration.rtspTransport = options.rtspTransport
        configuration.standby = standby
        configuration.failback = failback
        for argument in indicator { configuration.indicators[argument.kind] = argument.response }
        configuration.indicators.allowsOtherTargets = allowIndicatedOrigins
        configuration.silenceBound = silence.duration
        configuration.giveUpAfter = giveUpAfter.duration
        return configuration
    }

    private var outputs: [Output] {
        output.enumerated().map { index, path in
            let format = format.count > 1 ? format[index] : format.first
            return path == "-"
                ? .descriptor(STDOUT_FILENO, format: format ?? "mpegts", decoded: decode)
                : .file(path: path, format: format, decoded: decode)
        }
    }

    private func openEvents(_ path: String) throws(StreamError) -> LineWriter {
        let leftOut = { @Sendable (count: Int) in
            #"{"count":\#(count),"event":"left-out","schema":"throughline-event/1"}"#
        }
        if path == "-" { return LineWriter(STDOUT_FILENO, leftOutLine: leftOut) }
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else {
            throw StreamError(
                code: .outputFailed,
                message: "cannot write the events to \(path): \(String(cString: strerror(errno))); choose another place"
            )
        }
        return LineWriter(descriptor, owning: true, leftOutLine: leftOut)
    }
}

/// Whether a path to write to is the file that an origin names.
private func isSameFile(_ path: String, _ origin: String) -> Bool {
    guard case .path(let other) = LocalAddress(origin) else { return false }
    var (a, b) = (stat(), stat())
    guard stat(path, &a) == 0, stat(other, &b) == 0, a.st_mode & S_IFMT == S_IFREG else { return false }
    return a.st_dev == b.st_dev && a.st_ino == b.st_ino
}

/// The live line of a stream, five times a second, until its task is cancelled.
struct LiveStatus {
    let stream: ResilientStream
    let console: Console

    init(_ stream: ResilientStream, _ console: Console) {
        self.stream = stream
        self.console = console
    }

    func run() async {
        // How much media came in, over the last two seconds.
        var history: [(at: Instant, received: MediaTime)] = []
        while !Task.isCancelled {
            let (status, now) = (stream.status, Instant.now)
            var rate: Double?
            if let npt = status.npt {
                history.append((now, npt + status.buffer))
                while history.count > 1, now - history[0].at > .seconds(2) { history.removeFirst() }
                let (first, last) = (history[0], history[history.count - 1])
                let span = last.at - first.at
                if span >= .milliseconds(500) {
                    rate = max(0, (last.received - first.received).seconds) * 1e9 / Double(span.wholeNanoseconds)
                }
            }
            console.live(statusLine(status, rate: rate, width: console.width))
            try? await Task.sleep(for: .milliseconds(200))
        }
        console.live(nil)
    }
}

extension RTSPTransportChoice: ExpressibleByArgument {}
extension Standby: ExpressibleByArgument {}
extension Failback: ExpressibleByArgument {}
