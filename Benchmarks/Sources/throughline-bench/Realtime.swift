/// Processor time of a session in real time, beside FFmpeg's.
enum Realtime {
    static func measure(_ bench: Context) async throws {
        let large = try await Large.directory(seconds: bench.isQuick ? 10 : 30)
        for (directory, file) in [
            (Fixtures.directory, "main.ts"), (Fixtures.directory, "main.mp4"), (large, "large.ts"),
        ] {
            let nginx = try await Nginx.start(directory)
            let url = nginx.url(file)
            let mine = try await Child.run([Fixtures.throughline, "play", url])
            let theirs = try await Child.run([
                "ffmpeg", "-v", "error", "-nostdin", "-re", "-i", url, "-map", "0", "-c", "copy", "-f", "null", "-",
            ])
            let share = { (usage: Usage) in usage.cpu / usage.wall * 1000 }
            bench.report(
                "real time, \(file)",
                "\(format(share(mine))) ms/s; ffmpeg -re \(format(share(theirs))) ms/s; memory \(format(mine.memory)) and "
                    + "\(format(theirs.memory)) MiB",
                "processor time for a second of play, start included; \(format(mine.wall, 0)) s over nginx, unpaced")
        }
    }
}
