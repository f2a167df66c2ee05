import ArgumentParser
import Glibc

/// Measures, beside FFmpeg where it does the same job in the same run, and prints a table.
@main
struct Bench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "throughline-bench",
        abstract: "Measure Throughline, beside FFmpeg where it does the same job.",
        discussion: """
            Rows: \(Row.allCases.map(\.rawValue).joined(separator: ", ")). All of them but peers unless some are \
            named. Build for release. The machine should have nothing else to do; the load average is printed.
            """)

    enum Row: String, CaseIterable, ExpressibleByArgument {
        /// Time from a failure to the first new media.
        case handoff
        /// Time from the start to the first packet.
        case startup
        /// Packets per second and memory, unpaced.
        case fast
        /// Processor time of a session in real time.
        case realtime
        /// Hundreds of sessions in one process.
        case sessions
        /// The matrix of the interop tests, over and over.
        case soak
        /// Other players, given the same two origins. Only where it is named: it takes minutes.
        case peers
    }

    @Argument(help: "Rows to measure.")
    var rows: [Row] = []

    @Flag(help: "A short pass: fewer runs, smaller inputs.")
    var quick = false

    @Flag(help: "Of peers: write JSON to standard output, and the table to standard error.")
    var json = false

    @Option(help: ArgumentHelp("Be the process with many sessions: their number and the URL.", visibility: .private))
    var child: [String] = []

    mutating func run() async throws {
        if child.count == 2, let count = Int(child[0]) { return try await Sessions.beChild(count, url: child[1]) }
        let rows = rows.isEmpty ? Row.allCases.filter { $0 != .peers } : rows
        if json, rows != [.peers] { throw ValidationError("--json is for peers alone") }
        #if DEBUG
            // Real time is the same for every build.
            if rows != [.peers] { throw ValidationError("build for release: bin/bench") }
        #endif
        if !json { say(Machine.description) }
        let bench = Context(isQuick: quick)
        for row in rows {
            switch row {
            case .handoff: try await Handoffs.measure(bench)
            case .startup: try await Startup.measure(bench)
            case .fast: try await Fast.measure(bench)
            case .realtime: try await Realtime.measure(bench)
            case .sessions: try await Sessions.measure(bench)
            case .soak: try await Soak.measure(bench)
            case .peers: try await Peers.measure(bench, json: json)
            }
        }
        if !json { say(Machine.load) }
    }
}

/// What all rows share.
final class Context: Sendable {
    let isQuick: Bool
    let place: TemporaryDirectory

    init(isQuick: Bool) {
        self.isQuick = isQuick
        place = try! TemporaryDirectory()
    }

    /// A line of the table.
    func report(_ what: String, _ result: String, _ conditions: String) {
        let name = what + String(repeating: " ", count: max(1, 46 - what.count))
        say("| \(name)| \(result) | \(conditions) |")
    }
}

enum Machine {
    static var load: String {
        var loads = [0.0, 0, 0]
        getloadavg(&loads, 3)
        return "load average " + loads.map { format($0, 2) }.joined(separator: ", ")
    }

    static var description: String {
        let model =
            (try? text(of: "/proc/cpuinfo"))?.split(separator: "\n").first { $0.hasPrefix("model name") }?
            .split(separator: ":").last.map { $0.drop { $0 == " " } } ?? "unknown processor"
        var name = utsname()
        uname(&name)
        let release = withUnsafePointer(to: &name.release.0) { String(cString: $0) }
        return "\(sysconf(Int32(_SC_NPROCESSORS_ONLN))) x \(model), Linux \(release), \(load)"
    }
}

/// Prints a line at once, also into a pipe.
func say(_ line: String) {
    print(line)
    fflush(nil)
}

/// A number with so many decimals.
func format(_ value: Double, _ decimals: Int = 1) -> String {
    guard value.isFinite else { return "-" }
    let scale = (0..<decimals).reduce(1.0) { scale, _ in scale * 10 }
    let scaled = Int64((abs(value) * scale).rounded())
    let whole = scaled / Int64(scale)
    let rest = String(scaled % Int64(scale))
    let sign = value < 0 && scaled != 0 ? "-" : ""
    guard decimals > 0 else { return sign + "\(whole)" }
    return sign + "\(whole)." + String(repeating: "0", count: decimals - rest.count) + rest
}

/// Numbers, and what is usual among them.
struct Sample {
    var values: [Double] = []

    /// The least value that so many percent of the others do not exceed.
    func percentile(_ percent: Double) -> Double {
        guard !values.isEmpty else { return .nan }
        let sorted = values.sorted()
        let rank = Int((percent / 100 * Double(sorted.count)).rounded(.up)) - 1
        return sorted[min(max(rank, 0), sorted.count - 1)]
    }

    var median: Double { percentile(50) }
    var greatest: Double { values.max() ?? .nan }
}

extension Duration {
    var inSeconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) + Double(attoseconds) / 1e18
    }
    var inMilliseconds: Double { inSeconds * 1000 }
}
