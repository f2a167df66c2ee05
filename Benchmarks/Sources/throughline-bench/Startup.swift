import Glibc
import Throughline

/// From the start to the first packet, on an origin paced as streaming servers are.
enum Startup {
    static func measure(_ bench: Context) async throws {
        let runs = bench.isQuick ? 5 : 20
        for file in ["main.mp4", "main-faststart.mp4", "main-fragmented.mp4", "main.ts"] {
            let rate = Fixtures.rate(file)
            let nginx = try await Nginx.start(rate: rate * 5 / 4, burst: rate)
            var (mine, command, theirs) = (Sample(), Sample(), Sample())
            for run in 0..<runs {
                var configuration = Configuration(origins: [Origin(url: nginx.url(file))])
                configuration.to = .milliseconds(200)
                let summary = try await ResilientStream(configuration: configuration).run()
                if let startup = summary.startup { mine.values.append(startup.inMilliseconds) }
                command.values.append(
                    try await firstByte([
                        Fixtures.throughline, "play", nginx.url(file), "--output", "-", "--format", "mpegts",
                    ]))
                // FFmpeg looks at many seconds of some of them; a few runs tell.
                if run >= 5 { continue }
                theirs.values.append(
                    try await firstByte([
                        "ffmpeg", "-v", "error", "-nostdin", "-re", "-i", nginx.url(file), "-map", "0:v", "-map", "0:a",
                        "-c", "copy", "-flush_packets", "1", "-f", "mpegts", "-",
                    ]))
            }
            bench.report(
                "startup, \(file)",
                "median \(format(mine.median)) ms in process, \(format(command.median)) ms as a command; "
                    + "ffmpeg -re \(format(theirs.median)) ms",
                "\(runs) runs (ffmpeg \(min(5, runs))); nginx at 1.25 x after 1 s at once; commands from spawn to the first byte of MPEG-TS"
            )
        }
    }

    /// Milliseconds until a command has written something.
    private static func firstByte(_ arguments: [String]) async throws -> Double {
        try await blocking {
            var ends: [Int32] = [0, 0]
            pipe(&ends)
            defer { close(ends[0]) }
            _ = fcntl(ends[0], F_SETFD, FD_CLOEXEC)
            _ = fcntl(ends[1], F_SETFD, FD_CLOEXEC)
            let began = ContinuousClock.now
            let child = try Child(arguments, output: ends[1])
            close(ends[1])
            var byte: UInt8 = 0
            let count = read(ends[0], &byte, 1)
            let elapsed = (ContinuousClock.now - began).inMilliseconds
            kill(child.pid, SIGKILL)
            _ = child.wait()
            return count == 1 ? elapsed : .nan
        }
    }
}
