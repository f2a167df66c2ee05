import Throughline
import ThroughlineCore
import ThroughlineLab

/// From the sign of a failure to the first new media, as the reports of the stream tell it.
enum Handoffs {
    static func measure(_ bench: Context) async throws {
        let count = bench.isQuick ? 20 : 100
        try await row(bench, "handoff, byte-exact, MP4", from: "main.mp4", to: "main.mp4", count: count)
        try await row(bench, "handoff, byte-exact, TS", from: "main.ts", to: "main.ts", count: count)
        try await row(bench, "handoff, packet-exact, MP4 to TS", from: "main.mp4", to: "main.ts", count: count)
        try await row(bench, "handoff, packet-exact, TS to MP4", from: "main.ts", to: "main.mp4", count: count)
        try await row(
            bench, "handoff, byte-exact, alternate 50 ms away", from: "main.mp4", to: "main.mp4", count: count,
            delay: .milliseconds(50))
        for standby in Standby.allCases {
            try await rtsp(bench, "handoff, RTSP over TCP, MKV, \(standby)", .tcp, standby, count: count)
            try await rtsp(bench, "handoff, RTSP over UDP, MKV, \(standby)", .udp, standby, count: count)
            try await rtsp(
                bench, "handoff, RTSP, answers take 50 ms each, \(standby)", .tcp, standby, count: count,
                delay: .milliseconds(50))
        }
    }

    private struct Result: Sendable {
        var milliseconds: Double
        var isWhole: Bool
        var grade: String
        /// What of it the alternate took to answer, where that was measured.
        var served = 0.0
    }

    private static func row(
        _ bench: Context, _ name: String, from: String, to: String, count: Int, delay: Duration? = nil
    ) async throws {
        let results = try await repeated(count) { try await one(from: from, to: to, delay: delay) }
        report(bench, name, results, count: count, delay: delay)
    }

    private static func rtsp(
        _ bench: Context, _ name: String, _ transport: RTSPTransportChoice, _ standby: Standby, count: Int,
        delay: Duration? = nil
    ) async throws {
        let results = try await repeated(count) { try await one(over: transport, standby, delay: delay) }
        report(bench, name, results, count: count)
    }

    /// - Parameter body: gives nil where nothing was handed off.
    private static func repeated(
        _ count: Int, _ body: @escaping @Sendable () async throws -> Result?
    ) async throws -> [Result] {
        var results: [Result] = []
        try await withThrowingTaskGroup(of: Result?.self) { group in
            var started = 0
            // Some at a time: they mostly wait, and must not wait for each other.
            while started < min(10, count) {
                group.addTask { try await body() }
                started += 1
            }
            while let result = try await group.next() {
                if let result { results.append(result) }
                if started < count {
                    group.addTask { try await body() }
                    started += 1
                }
            }
        }
        return results
    }

    private static func report(
        _ bench: Context, _ name: String, _ results: [Result], count: Int, delay: Duration? = nil
    ) {
        let sample = Sample(values: results.map(\.milliseconds))
        var text =
            "p50 \(format(sample.median)) ms, p95 \(format(sample.percentile(95))) ms, max \(format(sample.greatest)) ms"
        if let delay { text += ", p95 \(format(sample.percentile(95) / delay.inMilliseconds)) round trips" }
        let served = Sample(values: results.map(\.served))
        if served.greatest > 0 {
            let own = Sample(values: results.map { max(0, $0.milliseconds - $0.served) })
            text +=
                "; of that the alternate's answers p50 \(format(served.median)) ms, p95 "
                + "\(format(served.percentile(95))) ms, and the rest p50 \(format(own.median)) ms, p95 "
                + "\(format(own.percentile(95))) ms"
        }
        let whole = results.filter(\.isWhole).count
        let grades = Set(results.map(\.grade)).sorted().joined(separator: ", ")
        bench.report(
            name, text,
            "\(results.count) of \(count) handed off (\(grades)), \(whole) without gap; lab on loopback, buffer 2 s")
    }

    /// One play whose first origin dies after about 2 s and is gone.
    private static func one(from: String, to: String, delay: Duration?) async throws -> Result? {
        let death = Int64(Fixtures.rate(from) * 3)
        let pace = { (file: String) in
            Pacing(bytesPerSecond: Fixtures.rate(file) * 5 / 4, burst: Fixtures.rate(file))
        }
        let first = try await HTTPOrigin.start(
            serving: ["/\(from)": Fixtures.path(from)], faults: [Fault(.reset, .atByte(death)), Fault(.refuse)],
            pace: pace(from))
        let second = try await HTTPOrigin.start(
            serving: ["/\(to)": Fixtures.path(to)], faults: delay.map { [Fault(.delay($0))] } ?? [])
        var configuration = Configuration(origins: [
            Origin(url: first.url(for: "/\(from)")), Origin(url: second.url(for: "/\(to)")),
        ])
        configuration.to = .milliseconds(3500)
        let summary = try await ResilientStream(configuration: configuration).run()
        try await first.stop()
        try await second.stop()
        guard let handoff = summary.handoffs.first, summary.error == nil else { return nil }
        return Result(
            milliseconds: handoff.duration.inMilliseconds,
            isWhole: summary.handoffCount == 1 && summary.visibleGap == .zero, grade: "\(handoff.grade)")
    }

    /// One play over RTSP whose first origin dies at 2 s and is gone; the session with the second begins from
    /// nothing, or was set up ahead.
    private static func one(
        over transport: RTSPTransportChoice, _ standby: Standby, delay: Duration?
    ) async throws -> Result? {
        let files = ["/main.mkv": Fixtures.path("main.mkv")]
        let first = try await RTSPOrigin.start(
            serving: files, faults: [Fault(.reset, .atNPT(.seconds(2))), Fault(.refuse)])
        let second = try await RTSPOrigin.start(serving: files, faults: delay.map { [Fault(.delay($0))] } ?? [])
        var configuration = Configuration(origins: [
            Origin(url: first.url(for: "/main.mkv")), Origin(url: second.url(for: "/main.mkv")),
        ])
        configuration.to = .milliseconds(3500)
        configuration.rtspTransport = transport
        configuration.standby = standby
        let summary = try await ResilientStream(configuration: configuration).run()
        let log = second.log
        try await first.stop()
        try await second.stop()
        guard let handoff = summary.handoffs.first, summary.error == nil, handoff.standby == standby else { return nil }
        // Requests that were sent together were answered together; a session that was set up ahead is asked to play.
        let asked = log.filter { $0.method == "PLAY" || standby == .cold && $0.method != "TEARDOWN" }
        var (served, until) = (Duration.zero, asked.first?.receivedAt)
        for request in asked {
            guard let answered = request.answeredAt, let last = until, answered > last else { continue }
            served += answered - max(last, request.receivedAt)
            until = answered
            if request.method == "PLAY" { break }
        }
        return Result(
            milliseconds: handoff.duration.inMilliseconds,
            isWhole: summary.handoffCount == 1 && summary.visibleGap == .zero, grade: "\(handoff.grade)",
            served: served.inMilliseconds)
    }
}
