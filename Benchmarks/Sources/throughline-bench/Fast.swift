/// Unpaced: packets per second and memory of the release command, beside FFmpeg's on the same URL in turns.
enum Fast {
    static func measure(_ bench: Context) async throws {
        let seconds = bench.isQuick ? 20 : 104
        let runs = bench.isQuick ? 3 : 5
        let large = try await Large.directory(seconds: seconds)
        let small = try await Large.directory(seconds: seconds / 10)
        let (nginx, smallNginx) = (try await Nginx.start(large), try await Nginx.start(small))
        for file in ["large.ts", "large.mp4"] {
            let url = nginx.url(file)
            let packets = try await count(url, bench)
            var (mine, theirs, probe): ([Usage], [Usage], [Usage]) = ([], [], [])
            for _ in 0..<runs {
                mine.append(try await Child.run([Fixtures.throughline, "play", "--fast", url]))
                theirs.append(
                    try await Child.run([
                        "ffmpeg", "-v", "error", "-nostdin", "-i", url, "-map", "0", "-c", "copy", "-f", "null", "-",
                    ]))
                probe.append(
                    try await Child.run([
                        "ffprobe", "-v", "error", "-count_packets", "-show_entries", "stream=nb_read_packets", url,
                    ]))
            }
            let rate = { (usages: [Usage]) in Sample(values: usages.map { packets / $0.wall }).median }
            let ratio = { (others: [Usage]) in Sample(values: zip(mine, others).map { $1.wall / $0.wall }).median }
            let cpu = { (usages: [Usage]) in Sample(values: usages.map(\.cpu)).median }
            let conditions =
                "\(format(Double(size(of: "\(large)/\(file)")) / 1e6, 0)) MB, \(format(packets, 0)) packets over nginx, "
                + "\(runs) runs in turns, medians"
            bench.report(
                "--fast, \(file)",
                "\(format(rate(mine), 0)) packets/s; ffmpeg -c copy \(format(rate(theirs), 0)) (ratio \(format(ratio(theirs), 2))); "
                    + "ffprobe -count_packets \(format(rate(probe), 0)) (ratio \(format(ratio(probe), 2)))", conditions)
            bench.report(
                "--fast, \(file), processor",
                "\(format(cpu(mine), 2)) s; ffmpeg \(format(cpu(theirs), 2)) s; ffprobe \(format(cpu(probe), 2)) s",
                "user and system")
            let short = try await Child.run([Fixtures.throughline, "play", "--fast", smallNginx.url(file)])
            let peak = { (usages: [Usage]) in usages.map(\.memory).max() ?? .nan }
            bench.report(
                "--fast, \(file), peak memory",
                "\(format(peak(mine))) MiB; ffmpeg \(format(peak(theirs))) MiB; on a tenth of the input \(format(short.memory)) MiB",
                "greatest resident set of the process")
        }
    }

    /// The packets of all flows.
    private static func count(_ url: String, _ bench: Context) async throws -> Double {
        let text = try await Child.output(
            [
                "ffprobe", "-v", "error", "-count_packets", "-show_entries", "stream=index,nb_read_packets", "-of",
                "csv=p=0", url,
            ], in: bench.place)
        // A transport stream's flows are listed once more under their programme.
        var flows: [Int: Int] = [:]
        for line in text.split(separator: "\n") {
            let numbers = line.split(separator: ",").compactMap { Int($0.filter(\.isNumber)) }
            if numbers.count == 2 { flows[numbers[0]] = numbers[1] }
        }
        return Double(flows.values.reduce(0, +))
    }
}
