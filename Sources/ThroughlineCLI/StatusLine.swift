internal import Throughline
internal import ThroughlineCore

/// Whether a live line is shown on a terminal.
enum StatusChoice: String, CaseIterable {
    /// On a terminal that nobody else writes to.
    case auto
    case never
}

/// Where a running stream is, on one line of a terminal:
///
///     ▶ 0:31 / 1:00  52 %  two/film.mp4  buffer 2.3 s  1 handoff  gap 0
///
/// - Parameter width: columns that it may take at the most: what matters least is left out first.
func statusLine(_ status: StreamStatus, width: Int) -> String {
    guard let npt = status.npt else {
        let line = status.origin.map { "connected to \(shortened($0))" } ?? "connecting"
        return String(line.printable.prefix(columns: width))
    }
    var mark = status.rate.isNegative ? "◀ " : "▶ "
    if status.isPaused { mark = "⏸ paused  " }
    var parts: [(rank: Int, text: String)] = [
        (0, mark + npt.minutes + (status.duration.map { " / \($0.minutes)" } ?? ""))
    ]
    if let duration = status.duration, duration > .zero {
        let share = min(100, max(0, npt.flicks / max(1, duration.flicks / 100)))
        parts.append((5, "\(share) %"))
    }
    if status.rate != .normal { parts.append((2, "\(status.rate)x")) }
    if let origin = status.origin { parts.append((3, shortened(origin))) }
    parts.append((2, "buffer \(status.buffer.duration.decimals(1)) s"))
    parts.append((4, counted(status.handoffs, "handoff")))
    parts.append((1, status.visibleGap == .zero ? "gap 0" : "gap \(status.visibleGap.words)"))
    while true {
        let line = parts.map(\.text).joined(separator: "  ").printable
        guard line.columns > width, parts.count > 1, let least = parts.map(\.rank).max() else {
            return String(line.prefix(columns: width))
        }
        parts.removeAll { $0.rank == least }
    }
}

extension MediaTime {
    /// `0:31`, `1:02:03`: whole seconds, of which as many have passed.
    fileprivate var minutes: String {
        let seconds = max(0, nanoseconds / 1_000_000_000)
        func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let rest = "\(two(seconds % 60))"
        return seconds < 3600
            ? "\(seconds / 60):\(rest)" : "\(seconds / 3600):\(two(seconds / 60 % 60)):\(rest)"
    }
}

/// `127.0.0.1:8080/.../film.mp4`; of a file its name alone.
private func shortened(_ url: String) -> String {
    guard let scheme = url.firstRange(of: "://"), !url.hasPrefix("file:") else {
        return String(url.split(separator: "/").last ?? Substring(url))
    }
    let path = url[scheme.upperBound...].prefix { $0 != "?" && $0 != "#" }
        .split(separator: "/", omittingEmptySubsequences: false)
    guard path.count > 2, let host = path.first, let name = path.last else {
        return String(path.joined(separator: "/"))
    }
    return "\(host)/.../\(name)"
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
        // Nothing is woken for a line that nobody sees.
        guard console.showsLive else { return }
        while !Task.isCancelled {
            console.live { [status = stream.status] width in statusLine(status, width: width) }
            try? await Task.sleep(for: .milliseconds(200))
        }
        console.live(nil)
    }
}
