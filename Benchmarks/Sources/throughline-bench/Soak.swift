/// The interop tests' matrix of containers and faults, over and over.
enum Soak {
    static func measure(_ bench: Context) async throws {
        let runs = bench.isQuick ? 1 : 20
        let results = bench.place.path("results")
        let usage = try await blocking {
            try Child(
                [
                    "swift", "test", "--package-path", Fixtures.root, "--disable-xctest", "--filter",
                    "FaultMatrixTests",
                ], environment: ["THROUGHLINE_RUNS": "\(runs)", "THROUGHLINE_RESULTS": results],
                errors: bench.place.path("errors")
            ).wait()
        }
        let lines = (try? text(of: results))?.split(separator: "\n") ?? []
        let failed = lines.filter { !$0.contains("\tclean\t") }
        bench.report(
            "soak", "\(lines.count) plays, \(lines.count - failed.count) clean",
            "7 containers, 10 faults, \(runs) each, in real time, buffer 1 s; \(format(usage.wall / 60)) min")
        for line in failed.prefix(20) { say("  \(line.replacing("\t", with: "  "))") }
    }
}
