internal import ArgumentParser
import Glibc
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

struct Lab: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve files from an origin that fails on command.",
        discussion: """
            Serves each FILE over HTTP on the loopback, or with --rtsp over RTSP, and prints its URL on standard output. \
            What happens is told on standard error. Runs until Ctrl-C.

            A fault is WHAT[,OPTION...][@WHEN[,OPTION...]]:
              what     reset  close  refuse  stall  silent  short  corrupt
                       throttle=200k  delay=150ms  status=503
              when     @2s (from the first byte served)  @byte=100000  @50%
                       @npt=4.5  @requests=2
              option   once  for=5s  path=/film.mp4  retry-after=3 (with status)
            Without a when it strikes at once or, behind another fault, after that one.

              reset@byte=100000                 resets at that byte, every time
              reset@50%,once                    resets one response half way through
              stall@2s,for=5s                   two seconds in, silent for five
              status=503,retry-after=3@npt=4.5  overloaded once that media is due
              --fault reset@50% --fault refuse  dies in mid-stream, and stays dead

            With --rtsp a byte is one of the RTP packets of the presentation; a method behind a colon limits reset, \
            close, silent, delay and status to its requests (status=453:setup); and these come beside those above:
              answers  status=302,location=URL  session-lost  no-range  no-scale
                       no-rtp-info  wrong-rtp-info  no-speed  speed-in-timestamps
                       late=2s (begins that much behind what was asked for)
              asks     redirect=URL[,range=6]  announce=2101
                       notify=end-of-stream  teardown
              media    bye  new-source  close-ports  loss=5%  reorder=5%
                       duplicate=5%  garbage=100  sequence-jump=1000
                       timestamp-jump=10s  frozen-timestamps  random-timestamps
                       no-reports (no sender reports)  silent-flow=1
            There --fault stall@3s --fault silent is a server that has died without a word.

            An indicator is a change that the media announce: KIND[,OPTION...]@npt=WHERE
              sei, id3         Throughline's own: ,to=URL ,at=6 (else at once) ,event=7
                               ,stay ,end ,withdraw (instead of a move) ,text (id3)
              scte-35          ,at=6 ,for=2 (a break) ,return ,signal ,event=7
              ts-discontinuity ,jump=3600      ts-program ,pids (all flows get other PIDs)
              --indicate sei,to=http://127.0.0.1:8002/film.ts,at=6@npt=4
            sei goes into H.264 and HEVC pictures, and over RTSP too; id3 into TS, ADTS and MP3; the others into TS.

            While it runs, a fault typed on standard input strikes too, and so do these words: kill (reset every \
            connection and close the port), revive, heal (end every fault).

            Two origins, one of which dies:
              throughline lab film.mp4 --port 8001 --pace 1.25x \\
                --fault reset@npt=5 --fault refuse &
              throughline lab film.mp4 --port 8002 &
              throughline play http://127.0.0.1:8001/film.mp4 \\
                http://127.0.0.1:8002/film.mp4
            """)

    @Argument(
        help: ArgumentHelp("What to serve, each under its own name.", valueName: "file"), completion: .file())
    var files: [String]

    @Option(parsing: .unconditional, help: "The port to listen on; any free one if not given.")
    var port = 0

    @Option(help: ArgumentHelp("The numeric address to listen on.", valueName: "address"))
    var host = "127.0.0.1"

    @Option(
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp("What goes wrong, and when. Repeatable.", valueName: "fault"),
        transform: { try Fault(parsing: $0) })
    var fault: [Fault] = []

    @Option(
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp("What the media announce, and where it stands. Repeatable.", valueName: "indicator"),
        transform: { try InsertedIndicator(parsing: $0) })
    var indicate: [InsertedIndicator] = []

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "How fast each connection is served: bytes per second (500k), or times the speed of the media (1.25x).",
            valueName: "rate"))
    var pace: PaceArgument?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "What a connection gets at once before the pace counts: bytes (256k), or seconds of the media (1s).",
            valueName: "size|time"))
    var burst: BurstArgument?

    @Flag(help: "The pace and the burst are those of the whole origin, whatever the number of connections.")
    var shared = false

    @Flag(help: "Serve over RTSP. Files are read to memory, and delivered at the speed of the media unless --pace 2x.")
    var rtsp = false

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("With --rtsp: how a client may have it; both ways if not given.", valueName: "way"))
    var transport: LabTransport?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("With --rtsp: how long a session lives without a sign of its client.", valueName: "time"))
    var timeout: TimeArgument?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "With --rtsp: admit this user only; by Digest, or with basic: before it by Basic.",
            valueName: "user:password"))
    var auth: String?

    @Option(parsing: .unconditional, help: "With --rtsp: makes what is left to chance the same each time.")
    var seed: UInt64?

    @Flag(help: "Ignore range requests: every answer is the whole file.")
    var noRanges = false

    @Flag(name: [.short, .long], help: "Say nothing but errors.")
    var quiet = false

    func validate() throws {
        guard (0...65535).contains(port) else { throw ValidationError("--port must be 0 to 65535") }
        var names: Set<String> = []
        for file in files {
            guard names.insert(name(of: file)).inserted else {
                throw ValidationError("two files are called \(name(of: file)); serve them from two labs")
            }
        }
        if rtsp {
            if let other = indicate.first(where: { $0.kind != .userData }) {
                throw ValidationError("\(other.kind.rawValue) goes over HTTP; over RTSP there is sei")
            }
            if noRanges { throw ValidationError("--no-ranges is for HTTP") }
            if case .bytes = pace {
                throw ValidationError("with --rtsp, --pace is times the speed of the media: 1.25x")
            }
            if case .bytes = burst { throw ValidationError("with --rtsp, --burst is a time: 1s") }
            if let auth, !auth.contains(":") { throw ValidationError("--auth is user:password") }
            return
        }
        if transport != nil || timeout != nil || auth != nil || seed != nil {
            throw ValidationError("--transport, --timeout, --auth and --seed go with --rtsp")
        }
        if let fault = fault.first(where: { !$0.isForHTTP }) {
            throw ValidationError("the fault \(fault) goes with --rtsp")
        }
        if burst != nil, pace == nil { throw ValidationError("--burst goes with --pace") }
        if case .times = pace, files.count > 1 {
            throw ValidationError("--pace 1.25x is for one file; for several give bytes per second, like --pace 500k")
        }
        if case .time = burst, files.count > 1 {
            throw ValidationError("a --burst in seconds is for one file; for several give bytes, like --burst 256k")
        }
    }

    private func name(of file: String) -> String { String(file.split(separator: "/").last ?? "") }

    /// The path in the URL: what is not plain there is percent-encoded.
    private func path(of file: String) -> String {
        var path = "/"
        for byte in name(of: file).utf8 {
            let scalar = Unicode.Scalar(byte)
            let isPlain = byte < 0x80 && (scalar.properties.isAlphabetic || (0x30...0x39).contains(byte))
            if isPlain || "-._~".utf8.contains(byte) {
                path.unicodeScalars.append(scalar)
            } else {
                let digits = String(byte, radix: 16, uppercase: true)
                path += "%" + (digits.count < 2 ? "0" : "") + digits
            }
        }
        return path
    }

    func run() async throws {
        let console = Console()
        let status = await serve(console)
        console.close()
        if status != 0 { throw ExitCode(status) }
    }

    private func serve(_ console: Console) async -> Int32 {
        func complain(_ text: String) { console.line("throughline: \(text.printable)") }
        let needsIndex = fault.contains { if case .atNPT = $0.trigger { true } else { false } }
        var served: [String: ServedFile] = [:]
        var pacing: Pacing?
        let began = Instant.now
        do {
            for file in files {
                var status = stat()
                guard stat(file, &status) == 0, access(file, R_OK) == 0 else {
                    complain("cannot serve \(file): \(String(cString: strerror(errno)))")
                    return 69
                }
                guard status.st_mode & S_IFMT == S_IFREG else {
                    complain("cannot serve \(file): it is not a regular file; name a file")
                    return 69
                }
                var entry = rtsp ? ServedFile(path: file) : try ServedFile(path: file, inserting: indicate)
                if needsIndex || pace?.isMediaSpeed ?? false || burst?.isTime ?? false {
                    let index = try MediaIndex(of: Origin(url: file.contains("://") ? "file://\(file)" : file))
                    entry.duration = index.duration
                    entry.nptIndex = { index.byteOffset(of: $0) }
                    pacing = try self.pacing(index, file: file)
                }
                served[path(of: file)] = entry
            }
            if case .bytes(let rate) = pace, pacing == nil {
                pacing = Pacing(bytesPerSecond: rate, burst: burst?.byteCount ?? 0)
            }
            let onEvent: @Sendable (OriginEvent) -> Void = { event in
                let time = "\((Instant.now - began).decimals(3)) s".padded(left: 11)
                if let (style, text) = event.words {
                    console.line("\(time)  \(console.styled(text.printable, style))")
                }
            }
            if rtsp {
                try await serveRTSP(console, onEvent: quiet ? nil : onEvent)
                return 0
            }
            var options = HTTPOrigin.Options()
            options.host = host
            options.port = port
            pacing?.isShared = shared
            options.pacing = pacing
            options.servesRanges = !noRanges
            if !quiet { options.onEvent = onEvent }
            let origin = try await HTTPOrigin.start(serving: served, faults: fault, options: options)
            for file in files { put(origin.url(for: path(of: file)) + "\n") }
            listen(to: origin, console)
            await Interrupts.wait()
            try? await origin.stop()
            return 0
        } catch let error as StreamError {
            complain(error.description)
            return error.code.exitStatus
        } catch {
            complain("\(error)")
            return 69
        }
    }

    private func serveRTSP(_ console: Console, onEvent: (@Sendable (OriginEvent) -> Void)?) async throws {
        var options = RTSPOrigin.Options()
        options.host = host
        options.port = port
        options.seed = seed
        options.indicators = indicate
        options.onEvent = onEvent
        if let transport { options.transports = [transport == .tcp ? .tcp : .udp] }
        if let timeout { options.timeout = timeout.duration }
        if case .times(let billionths) = pace {
            options.pace = Rate(numerator: billionths, denominator: 1_000_000_000) ?? .normal
        }
        if case .time(let time) = burst { options.lead = time }
        if let auth {
            let words = auth.split(separator: ":", omittingEmptySubsequences: false)
            let isBasic = words.count > 2 && words[0] == "basic"
            let rest = isBasic ? words.dropFirst() : words[...]
            options.credentials = RTSPCredentials(
                user: String(rest.first ?? ""), password: rest.dropFirst().joined(separator: ":"),
                scheme: isBasic ? .basic : .digest)
        }
        var served: [String: String] = [:]
        for file in files { served[path(of: file)] = file }
        let origin = try await RTSPOrigin.start(serving: served, faults: fault, options: options)
        for file in files { put(origin.url(for: path(of: file)) + "\n") }
        listen(to: origin, console)
        await Interrupts.wait()
        try? await origin.stop()
    }

    private func pacing(_ index: MediaIndex, file: String) throws(StreamError) -> Pacing? {
        guard let pace else { return nil }
        let seconds = index.duration.seconds
        guard seconds > 0 else {
            throw StreamError(
                code: .notMedia, message: "\(file): its duration is not known; give --pace and --burst in bytes")
        }
        let mediaRate = Double(index.byteCount) / seconds
        let rate: Int
        switch pace {
        case .bytes(let value): rate = value
        case .times(let billionths): rate = max(1, Int((mediaRate * Double(billionths) / 1e9).rounded()))
        }
        switch burst {
        case nil: return Pacing(bytesPerSecond: rate)
        case .bytes(let count): return Pacing(bytesPerSecond: rate, burst: count)
        case .time(let time):
            return Pacing(bytesPerSecond: rate, burst: Int(mediaRate * Double(time.wholeNanoseconds) / 1e9))
        }
    }

    /// Takes orders from standard input, line by line, for as long as there is one.
    private func listen(to origin: any LabOrigin, _ console: Console) {
        // In the background of a terminal reading fails then, where it would otherwise stop the process.
        signal(SIGTTIN, SIG_IGN)
        var thread = pthread_t()
        let orders = Unmanaged.passRetained(Orders(origin, console))
        pthread_create(
            &thread, nil,
            { context in
                let orders = Unmanaged<Orders>.fromOpaque(context!).takeRetainedValue()
                InputLines.read { orders.carryOut($0) }
                return nil
            }, orders.toOpaque())
        // It may wait for a line for ever: the end of the process is its end.
        pthread_detach(thread)
    }

    private final class Orders: Sendable {
        private let origin: any LabOrigin
        private let console: Console

        init(_ origin: any LabOrigin, _ console: Console) {
            self.origin = origin
            self.console = console
        }

        func carryOut(_ line: String) {
            let word = line.split(separator: " ").joined(separator: " ")
            switch word {
            case "": break
            case "kill": origin.kill()
            case "heal": origin.heal()
            case "revive":
                Task { [origin, console] in
                    do { try await origin.revive() } catch { console.line("throughline: \(error)") }
                }
            default:
                do throws(FaultSyntaxError) {
                    let fault = try Fault(parsing: word)
                    if origin is HTTPOrigin, !fault.isForHTTP {
                        return console.line("throughline: the fault \(fault) goes with --rtsp")
                    }
                    origin.inject(fault)
                } catch { console.line("throughline: \(error); or say kill, revive or heal") }
            }
        }
    }
}

/// What is told to an origin while it runs.
private protocol LabOrigin: Sendable {
    func inject(_ fault: Fault)
    func heal()
    func kill()
    func revive() async throws
}

extension HTTPOrigin: LabOrigin {}
extension RTSPOrigin: LabOrigin {}

/// How a client may have its media.
enum LabTransport: String, ExpressibleByArgument, CaseIterable {
    case tcp, udp
}

/// `500k` bytes per second, or `1.25x` the speed of the media.
enum PaceArgument: ExpressibleByArgument {
    case bytes(Int)
    /// In billionths.
    case times(Int64)

    init?(argument: String) {
        if argument.hasSuffix("x") {
            guard let value = billionths(argument.dropLast()), value > 0 else { return nil }
            self = .times(value)
        } else {
            guard let size = parsedSize(argument), size > 0 else { return nil }
            self = .bytes(size)
        }
    }

    var isMediaSpeed: Bool { if case .times = self { true } else { false } }
}

/// `256k` bytes, or `1s` of the media.
enum BurstArgument: ExpressibleByArgument {
    case bytes(Int)
    case time(Duration)

    init?(argument: String) {
        if let size = parsedSize(argument) {
            self = .bytes(size)
        } else if let time = TimeArgument(argument: argument) {
            self = .time(time.duration)
        } else {
            return nil
        }
    }

    var isTime: Bool { if case .time = self { true } else { false } }
    var byteCount: Int? { if case .bytes(let count) = self { count } else { nil } }
}

/// Bytes with the units that faults have: `100000`, `200k`, `1.5M`, `64Ki`.
func parsedSize(_ text: String) -> Int? {
    let units: [(String, Int64)] = [
        ("Ki", 1 << 10), ("Mi", 1 << 20), ("Gi", 1 << 30), ("k", 1000), ("M", 1_000_000), ("G", 1_000_000_000),
    ]
    for (unit, factor) in units where text.hasSuffix(unit) {
        guard let value = billionths(text.dropLast(unit.count)) else { return nil }
        return value.scaled(by: factor, over: 1_000_000_000).flatMap { Int(exactly: $0) }
    }
    guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return Int(text)
}

extension OriginEvent {
    /// In words; nil for what is not worth a line.
    fileprivate var words: (Console.Style, String)? {
        switch self {
        case .listening(let port): (.plain, "listening on port \(port)")
        case .closedPort: (.notice, "the port is closed")
        case .failedToListen(let reason): (.bad, "cannot listen: \(reason)")
        case .connected: nil
        case .requested(let request):
            (
                .plain,
                "request \(request.number): \(request.method) \(request.path)" + (request.range.map { " \($0)" } ?? "")
            )
        case .ended(let request):
            (
                request.outcome == .completed ? .plain : .notice,
                "request \(request.number): \(request.outcome.words), status \(request.status.map { "\($0)" } ?? "none"), "
                    + counted(Int(request.bytesSent), "byte") + " sent"
            )
        case .struck(let fault): (.bad, "struck: \(fault)")
        case .recovered(let fault): (.good, "over: \(fault)")
        }
    }
}

extension RequestRecord.Outcome {
    fileprivate var words: String {
        switch self {
        case .inProgress: "in progress"
        case .completed: "completed"
        case .reset: "reset by a fault"
        case .closed: "closed short by a fault"
        case .abandoned: "the client left"
        case .killed: "killed"
        }
    }
}
