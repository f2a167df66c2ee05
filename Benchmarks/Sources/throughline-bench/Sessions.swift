import Glibc
import Throughline

/// Many sessions in one process.
enum Sessions {
    static func measure(_ bench: Context) async throws {
        let count = bench.isQuick ? 100 : 400
        let file = bench.place.path("twice.ts")
        _ = try await Child.run([
            "ffmpeg", "-v", "error", "-nostdin", "-y", "-stream_loop", "1", "-i", Fixtures.path("main.ts"), "-map", "0",
            "-c", "copy", "-f", "mpegts", file,
        ])
        let nginx = try await Nginx.start(bench.place.path)
        var path = [CChar](repeating: 0, count: 4096)
        let length = readlink("/proc/self/exe", &path, path.count - 1)
        let own = String(decoding: path[..<max(0, length)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let (usage, said) = try await blocking {
            let output = bench.place.path("sessions")
            let usage = try Child(
                [own, "--child", "\(count)", "--child", nginx.url("twice.ts")], outputPath: output
            ).wait()
            return (usage, try text(of: output))
        }
        bench.report(
            "\(count) sessions, 20 s in real time",
            "\(said.split(separator: "\n").last ?? "?"); \(format(usage.cpu)) s processor, \(format(usage.memory)) MiB",
            "one process, TS over nginx, no outputs, buffer 2 s; ended with \(usage.status) after \(format(usage.wall)) s"
        )
    }

    static func beChild(_ count: Int, url: String) async throws {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        let summaries = try await withThrowingTaskGroup(of: Summary.self) { group in
            for _ in 0..<count {
                var configuration = Configuration(origins: [Origin(url: url)])
                configuration.to = .seconds(20)
                let stream = try ResilientStream(configuration: configuration)
                group.addTask { await stream.run() }
            }
            return try await group.reduce(into: [Summary]()) { $0.append($1) }
        }
        let whole = summaries.filter { $0.error == nil }.count
        let gaps = summaries.reduce(0) { $0 + $1.gaps.count }
        let total = summaries.reduce(0.0) { $0 + $1.gapTotal.inSeconds }
        let handoffs = summaries.reduce(0) { $0 + $1.handoffCount }
        let startup = Sample(values: summaries.compactMap { $0.startup?.inMilliseconds })
        print(
            "\(whole) played to the end, \(gaps) gaps of \(format(total, 3)) s in all, \(handoffs) handoffs, startup p95 "
                + "\(format(startup.percentile(95))) ms")
    }
}
