import FoundationEssentials
import Glibc

/// Throughline beside other players, each given the same two origins, the first of which fails half way.
///
/// The origins are processes of their own (`throughline lab`), every player is one, and what counts are the pictures
/// that come out of it in real time.
enum Peers {
    static let film = "main-faststart.mp4"
    static let pictures = 300
    /// No player is waited for longer.
    static let bound = 45.0

    enum Scenario: String, CaseIterable, Codable {
        /// The control: nothing goes wrong, so every player should show it all.
        case none
        case refusal
        case silence

        var faults: [String] {
            switch self {
            case .none: []
            case .refusal: ["--fault", "reset@npt=6", "--fault", "refuse"]
            case .silence: ["--fault", "stall@npt=6", "--fault", "silent"]
            }
        }

        var words: String {
            switch self {
            case .none: "nothing goes wrong"
            case .refusal: "the connection is reset, and the first origin refuses new ones"
            case .silence: "the first origin falls silent for good, without closing anything"
            }
        }
    }

    struct Result: Codable {
        var player: String
        var scenario: Scenario
        var version: String
        /// What was run, with A and B for the origins.
        var command: String
        /// Different pictures that were shown.
        var shown: Int
        var repeats: Int
        /// Seconds.
        var longestWait: Double
        var firstPicture: Double?
        var elapsed: Double
        /// Absent where it had to be ended.
        var exitStatus: Int32?
        var seen: [Presentation.Stretch]
    }

    struct Findings: Codable {
        var schema = "throughline-peers/1"
        var date: String
        var machine: String
        /// How Throughline was built.
        var build: String
        var loadAfter: String
        var film: String
        var pictures: Int
        var bound: Double
        var missing: [String]
        var results: [Result]
    }

    static func measure(_ bench: Context, json: Bool) async throws {
        let tell = { (line: String) in
            if json { _ = (line + "\n").withCString { write(STDERR_FILENO, $0, strlen($0)) } } else { say(line) }
        }
        let machine = Machine.description
        var results: [Result] = []
        var missing: [String] = []
        for scenario in Scenario.allCases where !(bench.isQuick && scenario == .none) {
            tell("\n\(scenario.words)\n")
            tell(row(["", "pictures", "repeats", "wait", "started", "ended"]))
            for peer in Peer.all {
                guard let version = try await peer.version(bench.place) else {
                    if !missing.contains(peer.name) { missing.append(peer.name) }
                    tell(row([peer.name, "not installed"]))
                    continue
                }
                let result = try await run(peer, version, scenario, bench.place)
                results.append(result)
                tell(words(result))
            }
        }
        var versions: [String] = []
        for result in results where !versions.contains(result.version) { versions.append(result.version) }
        tell(
            """

            Pictures: different ones shown, of \(pictures). Wait: the longest time without a new one, from the first \
            one to the end.
            \(versions.joined(separator: "; "))
            """)
        guard json else { return }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        let findings = Findings(
            date: Date().formatted(.iso8601), machine: machine, build: build, loadAfter: Machine.load, film: film,
            pictures: pictures, bound: bound, missing: missing, results: results)
        say(String(decoding: try encoder.encode(findings), as: UTF8.self))
    }

    private static var build: String {
        #if DEBUG
            "debug"
        #else
            "release"
        #endif
    }

    private static func words(_ result: Result) -> String {
        row([
            result.player, "\(result.shown)", "\(result.repeats)", "\(format(result.longestWait, 2)) s",
            result.firstPicture.map { "\(format($0, 2)) s" } ?? "never",
            result.exitStatus.map { "after \(format(result.elapsed)) s, status \($0)" }
                ?? "not within \(format(bound, 0)) s",
        ])
    }

    private static func row(_ cells: [String]) -> String {
        let widths = [22, 10, 9, 9, 9]
        return cells.enumerated().map { index, cell in
            let room = String(repeating: " ", count: max(0, (index < 5 ? widths[index] : 0) - cell.count))
            return index == 0 ? cell + room : index < 5 && cells.count > 2 ? room + cell : "  " + cell
        }.joined()
    }

    private static func run(
        _ peer: Peer, _ version: String, _ scenario: Scenario, _ place: TemporaryDirectory
    ) async throws -> Result {
        try await blocking {
            let origins = try [LabProcess(scenario.faults, place, "a"), LabProcess([], place, "b")]
            let pipe = place.path("pictures")
            let arguments = try peer.arguments(origins.map(\.url), pipe, place)
            let (presentation, elapsed, status) = try observe(peer, arguments, pipe)
            var command = arguments.filter { !Peer.privileges.contains($0) }.joined(separator: " ")
            for (url, name) in zip(origins.map(\.url), ["A", "B"]) { command = command.replacing(url, with: name) }
            command = command.replacing(place.path, with: "PLACE").replacing(Fixtures.throughline, with: "throughline")
            return Result(
                player: peer.name, scenario: scenario, version: version, command: command,
                shown: presentation.different, repeats: presentation.repeats,
                longestWait: presentation.longestWait(until: elapsed, last: pictures - 1),
                firstPicture: presentation.first, elapsed: elapsed, exitStatus: status,
                seen: presentation.stretches(until: elapsed))
        }
    }

    /// Runs a player to its end, or for as long as it may take, and notes when each picture comes out of it.
    private static func observe(
        _ peer: Peer, _ arguments: [String], _ pipe: String
    ) throws -> (Presentation, elapsed: Double, status: Int32?) {
        unlink(pipe)
        guard mkfifo(pipe, 0o666) == 0, chmod(pipe, 0o666) == 0 else {
            throw BenchFailure(description: "cannot make \(pipe)")
        }
        // Held open for writing, too: a player that opens it twice is not taken for one that has gone.
        let descriptor = open(pipe, O_RDWR | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { throw BenchFailure(description: "cannot read \(pipe)") }
        defer { close(descriptor) }
        // The player must never wait for its reader. 1031 is F_SETPIPE_SZ, which Swift does not import.
        _ = fcntl(descriptor, 1031, 1 << 20)
        var presentation = Presentation(frame: 0.04)
        var reader = PictureReader(peer.form)
        var piece = [UInt8](repeating: 0, count: 1 << 20)
        let began = ContinuousClock.now
        let child = try Child(arguments, outputPath: peer.opensPipe ? "/dev/null" : pipe)
        var usage: Usage?
        while true {
            var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            poll(&waiting, 1, usage == nil ? 10 : 0)
            let count = Glibc.read(descriptor, &piece, piece.count)
            let time = (ContinuousClock.now - began).inSeconds
            if count > 0 {
                for number in try reader.read(piece[..<count]) { presentation.show(number, at: time) }
            } else if let usage {
                return (presentation, usage.wall, usage.status)
            }
            if usage == nil { usage = child.ended() }
            if usage == nil, time > bound {
                kill(child.pid, SIGKILL)
                _ = child.wait()
                return (presentation, time, nil)
            }
        }
    }
}

/// An origin of the lab in a process of its own, gone with the object.
private final class LabProcess {
    let url: String
    private let child: Child

    init(_ faults: [String], _ place: TemporaryDirectory, _ name: String) throws {
        let output = place.path("lab-\(name)")
        unlink(output)
        child = try Child(
            [Fixtures.throughline, "lab", Fixtures.path(Peers.film), "--pace", "1.25x", "--burst", "1s", "--quiet"]
                + faults, outputPath: output)
        for _ in 0..<2000 {
            if let line = try? text(of: output), let end = line.firstIndex(of: "\n") {
                url = String(line[..<end])
                return
            }
            usleep(5000)
        }
        kill(child.pid, SIGKILL)
        _ = child.wait()
        throw BenchFailure(description: "the lab does not start")
    }

    deinit {
        kill(child.pid, SIGKILL)
        _ = child.wait()
    }
}

/// A player, and how it is told of two origins in its own way.
struct Peer: Sendable {
    var name: String
    var form: PictureReader.Form
    /// It opens the pipe by its name; otherwise it writes to standard output.
    var opensPipe = false
    /// What shows that it is installed; the first line is its version.
    private var probe: [String]
    private var command: @Sendable (_ origins: [String], _ pipe: String, _ place: TemporaryDirectory) throws -> [String]

    /// VLC does not run as root.
    static let privileges = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    private static var asAnybody: [String] { geteuid() == 0 ? privileges : [] }

    func arguments(_ origins: [String], _ pipe: String, _ place: TemporaryDirectory) throws -> [String] {
        if opensPipe { chmod(place.path, 0o711) }
        return try command(origins, pipe, place)
    }

    /// nil where it is not installed.
    func version(_ place: TemporaryDirectory) async throws -> String? {
        guard let output = try? await Child.output(probe, in: place) else { return nil }
        let line = output.split(separator: "\n").first.map { String($0) } ?? ""
        return line.firstRange(of: " Copyright").map { String(line[..<$0.lowerBound]) } ?? line
    }

    /// What each can do about a failure it is told to do, and where it can go on with the second origin, it does.
    static let all: [Peer] = [
        Peer(name: "Throughline", form: .raw, probe: [Fixtures.throughline, "--version"]) { origins, _, _ in
            [Fixtures.throughline, "play"] + origins
                + ["--flows", "video", "--decode", "--format", "rawvideo", "--output", "-"]
        },
        // It knows of one origin only.
        Peer(name: "ffmpeg, reconnecting", form: .raw, probe: ["ffmpeg", "-version"]) { origins, _, _ in
            ["ffmpeg", "-v", "error", "-nostdin", "-reconnect", "1", "-reconnect_on_network_error", "1"]
                + ["-reconnect_delay_max", "5", "-rw_timeout", "3000000", "-re", "-i", origins[0], "-map", "0:v"] + raw
        },
        Peer(name: "ffmpeg, list", form: .raw, probe: ["ffmpeg", "-version"]) { origins, _, place in
            let list = place.path("list")
            guard let file = fopen(list, "w") else { throw BenchFailure(description: "cannot write \(list)") }
            for origin in origins { fputs("file '\(origin)'\noption rw_timeout 3000000\n", file) }
            fclose(file)
            return ["ffmpeg", "-v", "error", "-nostdin", "-re", "-f", "concat", "-safe", "0"]
                + ["-protocol_whitelist", "file,http,tcp", "-i", list, "-map", "0:v"] + raw
        },
        Peer(name: "mpv, playlist", form: .cells, probe: ["mpv", "--version"]) { origins, _, _ in
            ["mpv", "--no-config", "--load-scripts=no", "--ytdl=no", "--really-quiet", "--no-input-terminal"]
                + ["--no-audio", "--network-timeout=3", "--stream-lavf-o=reconnect=0"]
                + ["--vo=tct", "--vo-tct-algo=plain", "--vo-tct-256=no", "--vo-tct-width=80", "--vo-tct-height=12"]
                + ["--keepaspect=no"] + origins
        },
        Peer(
            name: "VLC, playlist", form: .lines, opensPipe: true, probe: asAnybody + ["vlc", "--version"]
        ) { origins, pipe, _ in
            asAnybody + ["vlc", "-I", "dummy", "--ignore-config", "--quiet", "--no-audio", "--no-osd"]
                + ["--no-video-title-show", "--vout=yuv", "--yuv-file=\(pipe)", "--yuv-chroma=I420"]
                + ["--play-and-exit"] + origins
        },
        // It knows of one origin only.
        Peer(name: "GStreamer, playbin", form: .raw, probe: ["gst-launch-1.0", "--version"]) { origins, _, _ in
            ["gst-launch-1.0", "--quiet", "playbin", "uri=\(origins[0])", "flags=video"]
                + ["video-sink=videoconvert ! video/x-raw,format=I420 ! fdsink sync=true"]
        },
        Peer(
            name: "GStreamer, fallbacksrc", form: .raw, probe: ["gst-inspect-1.0", "--exists", "fallbacksrc"]
        ) { origins, _, _ in
            ["gst-launch-1.0", "--quiet", "fallbacksrc", "uri=\(origins[0])", "fallback-uri=\(origins[1])"]
                + [
                    "enable-audio=false", "!", "videoconvert", "!", "video/x-raw,format=I420", "!", "fdsink",
                    "sync=true",
                ]
        },
    ]

    private static let raw = ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-"]
}
