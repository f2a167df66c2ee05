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
            one leaves at once. SIGUSR1 makes the stream go on from the best other origin (kill -USR1). Standard output \
            carries what --output -, --events - or --report - asks for and nothing else.

            \(OriginOptions.proxies)

            Exit status: 0 played to the end; 64 usage; 65 not media; 69 no origin usable; 70 internal; 74 an output \
            failed; 75 gave up midway; 130 interrupted; 141 the reader of the output left.
            """)

    @Argument(
        help: ArgumentHelp(
            "Where the stream is, the preferred place first: a URL, a file, a pipe, or - for standard input.",
            valueName: "origin"),
        completion: .file())
    var origins: [String]

    @Option(
        name: [.short, .long], parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "Write the stream to a file that does not exist yet, or to standard output. Repeatable.",
            valueName: "path|-"), completion: .file())
    var output: [String] = []

    @Flag(name: [.customShort("y"), .long], help: "Let outputs replace files that exist, events and reports any file.")
    var overwrite = false

    @Option(
        name: [.short, .long], parsing: .unconditionalSingleValue,
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

    @Option(parsing: .unconditional, help: ArgumentHelp("Begin here, at the key frame before.", valueName: "time"))
    var from = TimeArgument(.zero)

    @Option(parsing: .unconditional, help: ArgumentHelp("End here.", valueName: "time"))
    var to: TimeArgument?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            """
            Play all flows, or these: a kind (video, audio, subtitle or data), a kind with a language or a number \
            (audio:de, audio:2), or a number alone, counted from 0 among all flows. With commas: video,audio:2.
            """, valueName: "flows"),
        completion: .list(["all"] + FlowKind.allCases.map(\.rawValue)))
    var flows = FlowsArgument(.all)

    @Flag(help: "As fast as possible instead of in real time.")
    var fast = false

    @Option(parsing: .unconditional, help: ArgumentHelp("Media to hold ahead, 0.1 to 60 s.", valueName: "time"))
    var buffer = TimeArgument(.seconds(2))

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            """
            Silence of an origin that is tolerated where no buffer hides it (with --fast, or once the buffer is empty). \
            With media in the buffer it is tolerated until that is needed for the handoff.
            """, valueName: "time"))
    var silence = TimeArgument(.seconds(1))

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            """
            How ready the next origin is kept: cold (connected when it is needed), warm (connected, and \
            over RTSP set up, over HTTP known to hold the same bytes, so that it has to be asked for one thing; costs \
            its server an idle connection) or hot (it delivers beside the one that is played, so that nothing has to be \
            waited for; costs as much as a second viewer).
            """, valueName: "how"))
    var standby = Standby.cold

    @Option(
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            """
            What to do when the stream itself announces a change: KIND is sei or id3 (Throughline's own messages), \
            scte-35, ts-discontinuity or ts-program; HOW is leave (for the origin named, or the best other one), stay or \
            ignore. sei and id3 are left for unless said here, the others stayed for. Repeatable.
            """, valueName: "kind=how"), completion: .list(IndicatorArgument.all))
    var indicator: [IndicatorArgument] = []

    @Flag(help: "Let the stream send the player to origins that were not given here.")
    var allowIndicatedOrigins = false

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            """
            Whether to go back to the first origin: never (it is asked last from then on), healthy (once it has delivered \
            media to three probes, 5 s apart at the least) or next (it is asked first at the next handoff).
            """, valueName: "when"))
    var failback = Failback.next

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Keep trying for this long without receiving anything; each origin is asked once in any case.",
            valueName: "time"))
    var giveUpAfter = TimeArgument(.seconds(30))

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            """
            How long one origin may take to answer. At the start, the next is asked beside one that has not within half a \
            second.
            """, valueName: "time"))
    var openTimeout = TimeArgument(.seconds(5))

    @Option(
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "Write a report when the stream is over, however it ended; .json, or - for standard output. Repeatable.",
            valueName: "file|-"), completion: .file(extensions: ["json"]))
    var report: [String] = []

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Write each event as a line of JSON, when it happens.", valueName: "file|-"),
        completion: .file())
    var events: String?

    @Flag(
        help: ArgumentHelp(
            """
            Take commands from standard input, one a line: pause, resume, seek TIME, rate NUMBER (2 is twice as fast; -1, \
            down to -8, is backwards, over RTSP where the server can), bandwidth BITS (what an RTSP origin may send in a \
            second), migrate [URL|NUMBER] [at TIME] (go on from another origin, by its URL or its place counted from 0; \
            the best other one if not named), status, stop, help. Each line is answered. When the input ends, a stream \
            that stands paused goes on.
            """))
    var control = false

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            """
            The line that shows the position: auto (on a terminal, unless standard output feeds a pipe or commands are \
            typed there) or never.
            """, valueName: "when"))
    var status = StatusChoice.auto

    @OptionGroup var options: OriginOptions

    @Flag(name: [.short, .long], help: "Say nothing but errors.")
    var quiet = false

    @Flag(name: [.short, .long], help: "Say more: flows, attempts, each flow's splice.")
    var verbose = false

    func validate() throws {
        let others = report + [events].compactMap { $0 }
        for path in output + others where path.isEmpty {
            throw ValidationError("an empty path cannot be written to")
        }
        for path in output + others where path.hasPrefix("-") && path != "-" {
            throw ValidationError(
                "an option that names a file is followed by \(path); for a file of that name write ./\(path)")
        }
        let toStandardOutput = (output + others).filter { FileIdentity.isStandardOutput($0) }
        if toStandardOutput.count > 1 {
            throw ValidationError("standard output can be used once: by one --output -, --events - or --report -")
        }
        for path in report { try ReportFile.check(extensionOf: path) }
        try checkFiles(output + others)
        if !overwrite, let path = others.first(where: { !LogFile.isReplaceable($0) }) {
            throw ValidationError(
                "\(path) exists and holds neither events nor a report; name another file, or add -y to replace it")
        }
        if format.count > 1, format.count != output.count {
            throw ValidationError(
                "there are \(format.count) formats for \(output.count) outputs; give one for all, or one for each")
        }
        if !format.isEmpty, output.isEmpty {
            throw ValidationError("--format says how to write; say where with --output")
        }
        if decode, output.isEmpty { throw ValidationError("--decode changes what is written; say where with --output") }
        if overwrite, output.isEmpty, others.isEmpty {
            throw ValidationError("--overwrite is for files that are written; name one with --output")
        }
        if quiet, verbose { throw ValidationError("--quiet and --verbose exclude each other") }
        if origins.contains(where: { LocalAddress($0) == .standardInput }) {
            if control {
                throw ValidationError(
                    "standard input is the origin -, and --control takes commands from it; leave one out")
            }
            if isatty(STDIN_FILENO) == 1 {
                throw ValidationError(
                    "standard input is a terminal; pipe the stream into it: cat film.ts | throughline play -")
            }
        }
        do throws(StreamError) { try configuration.validate() } catch { throw ValidationError(error.message) }
    }

    /// No file is written twice, and none that the stream comes from.
    private func checkFiles(_ paths: [String]) throws {
        let paths = paths.map { FileIdentity.isStandardOutput($0) ? "-" : $0 }
        var taken: [FileIdentity: String] = [:]
        for path in paths {
            guard let identity = FileIdentity(path) else { continue }
            if let other = taken.updateValue(path, forKey: identity) {
                throw ValidationError("\(other) and \(path) are the same file, which would be written twice")
            }
        }
        for origin in origins {
            guard case .path(let place) = LocalAddress(origin), let identity = FileIdentity(place) else { continue }
            guard let path = taken[identity] else { continue }
            let subject = path == "-" ? "standard output" : path
            throw ValidationError("\(subject) would overwrite the origin \(origin); name another file")
        }
    }

    func run() async throws {
        let console = Console(status: status, isTypedOn: control)
        let exitStatus = await play(console)
        console.close()
        if exitStatus != 0 { throw ExitCode(exitStatus) }
    }

    private func play(_ console: Console) async -> Int32 {
        func complain(_ text: String) { console.line("throughline: \(text.printable)") }
        let (began, startedAt) = (Instant.now, WallClock.now)
        var files: [ReportFile] = []
        let player = Guarded<ResilientStream?>(nil)
        let eventLines: EventLines?
        do {
            for path in report { files.append(try ReportFile(path: path)) }
            // Where the events are all that is wanted, their reader ends the play by leaving.
            let isOnlyOutput = output.isEmpty
            eventLines = try events.map { path in
                EventLines(
                    try openEvents(path) { error in
                        if error == EPIPE, isOnlyOutput { player.withLock { $0 }?.stop() }
                    })
            }
        } catch let error as ReportFile.Failure {
            complain(error.message)
            return StreamError.Code.outputFailed.exitStatus
        } catch {
            complain((error as? StreamError)?.description ?? "\(error)")
            return StreamError.Code.outputFailed.exitStatus
        }

        var summary: Summary
        do throws(StreamError) {
            let controls = control ? StreamControls { [quiet] in if !quiet { console.line($0) } } : nil
            let stream = try stream(console, eventLines, controls)
            Interrupts.onLeaving {
                eventLines?.leave(at: Instant.now - began, npt: stream.status.npt, within: .milliseconds(100))
                console.leave(within: .milliseconds(100))
            }
            try findFiles(console)
            player.withLock { $0 = stream }
            summary = await watch(stream, console, controls)
        } catch {
            summary = Summary(notStarted: error, elapsed: Instant.now - began)
            eventLines?.write(Event(time: summary.elapsed, kind: .ended(npt: nil, error)))
        }

        let eventFailure = eventLines?.close()
        var exitStatus = summary.error?.code.exitStatus ?? 0
        let readerHasLeft = summary.error?.code == .readerLeft || eventFailure == EPIPE && output.isEmpty
        // Where nothing was played there is nothing to sum up, and for who has had enough one line is enough.
        if !quiet, summary.startup != nil, !readerHasLeft || output.count > 1 {
            for line in summaryLines(summary, console: console) { console.line(line) }
        }
        if let error = summary.error, error.code != .stopped { complain(errorLines(error)) }
        func failed(_ error: StreamError.Code, _ text: String) {
            complain(text)
            if exitStatus == 0 || exitStatus == StreamError.Code.stopped.exitStatus,
                error == .readerLeft || exitStatus == 0
            {
                exitStatus = error.exitStatus
            }
        }
        if eventFailure == EPIPE {
            failed(.readerLeft, "the reader of the events has left")
        } else if let eventFailure {
            failed(
                .outputFailed, "cannot write the events to \(events ?? ""): \(String(cString: strerror(eventFailure)))")
        }
        let text =
            files.isEmpty
            ? ""
            : Report(
                summary, startedAt: startedAt, endedAt: WallClock.now,
                arguments: Array(CommandLine.arguments.dropFirst())
            ).json
        for file in files {
            do throws(ReportFile.Failure) {
                try file.write(text)
            } catch { failed(error.isClosedPipe ? .readerLeft : .outputFailed, error.message) }
        }
        return exitStatus
    }

    /// Says which local files are missing, before anybody waits for them.
    private func findFiles(_ console: Console) throws(StreamError) {
        let missing = origins.filter { origin in
            guard case .path(let path) = LocalAddress(origin) else { return false }
            return access(path, F_OK) != 0 && errno == ENOENT
        }
        if missing.isEmpty { return }
        if missing.count == origins.count {
            throw StreamError(
                code: .noOriginUsable,
                message: missing.map { "\($0): No such file or directory" }.joined(separator: "; ")
                    + (missing.allSatisfy { $0.hasPrefix("/") }
                        ? "" : "; a URL begins with http://, https:// or rtsp://"))
        }
        if quiet { return }
        for path in missing { console.line("note: \(path): No such file or directory".printable) }
    }

    private func stream(
        _ console: Console, _ eventLines: EventLines?, _ controls: StreamControls?
    ) throws(StreamError) -> ResilientStream {
        let words = EventWords(console: console, isVerbose: verbose)
        let isQuiet = quiet
        // Attempts before the stream is open are told once it is; until then the error may be all there is to tell.
        let held = Guarded<[String]?>(verbose ? nil : [])
        return try ResilientStream(configuration: configuration, outputs: outputs) { event in
            eventLines?.write(event)
            controls?.noted(event)
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
    }

    /// Runs the stream to its end, with all that may tell it what to do.
    private func watch(_ stream: ResilientStream, _ console: Console, _ controls: StreamControls?) async -> Summary {
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
        controls?.read(for: stream)
        let live = isQuiet ? nil : Task { await LiveStatus(stream, console).run() }
        let summary = await stream.run()
        live?.cancel()
        await live?.value
        return summary
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
        configuration.openBound = openTimeout.duration
        return configuration
    }

    private var outputs: [Output] {
        output.enumerated().map { index, path in
            let format = format.count > 1 ? format[index] : format.first
            return FileIdentity.isStandardOutput(path)
                ? .descriptor(STDOUT_FILENO, format: format ?? "mpegts", decoded: decode)
                : .file(path: path, format: format, decoded: decode, overwrites: overwrite)
        }
    }

    private func openEvents(
        _ path: String, onFailure: @escaping @Sendable (Int32) -> Void
    ) throws(StreamError) -> LineWriter {
        let leftOut = { @Sendable (count: Int) in
            #"{"count":\#(count),"event":"left-out","schema":"throughline-event/1"}"#
        }
        if FileIdentity.isStandardOutput(path) {
            return LineWriter(STDOUT_FILENO, leftOutLine: leftOut, onFailure: onFailure)
        }
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else {
            throw StreamError(
                code: .outputFailed,
                message: "cannot write the events to \(path): \(String(cString: strerror(errno))); choose another place"
            )
        }
        return LineWriter(descriptor, owning: true, leftOutLine: leftOut, onFailure: onFailure)
    }
}

extension RTSPTransportChoice: ExpressibleByArgument {}
extension Standby: ExpressibleByArgument {}
extension Failback: ExpressibleByArgument {}
extension StatusChoice: ExpressibleByArgument {}
