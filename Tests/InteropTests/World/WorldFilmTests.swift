internal import Glibc
internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// A long film in a world, of which each origin fails again and again: every packet is there, nobody waits, and what the
/// play takes of the machine does not grow.
///
/// Ten minutes of film, in a process of its own whose memory, descriptors and threads are those of the play.
/// `THROUGHLINE_FILM=7200` plays two hours.
@Suite("In a world, a long film", .inWorlds) struct WorldFilmTests {
    @Test("a handoff every half minute goes unnoticed", .timeLimit(.minutes(25)))
    func film() async throws {
        let place = try TemporaryDirectory()
        let seconds = getenv("THROUGHLINE_FILM").flatMap { Int(String(cString: $0)) } ?? 600
        let file = place.path("film.ts")
        let tool = try await Tool.run(
            [
                "ffmpeg", "-v", "error", "-nostdin", "-stream_loop", "\(seconds / Fixtures.seconds - 1)", "-i",
                Fixtures.path("main.ts"), "-map", "0", "-c", "copy", file,
            ])
        #expect(tool.status == 0, "\(tool.errors)")
        let child = await #expect(processExitsWith: .success, observing: [\.standardOutputContent]) {
            [file = file as String, seconds = seconds as Int, seed = WorldSeeds.all[0] as UInt64] in
            try await WorldFilm(path: file, seconds: seconds, seed: seed).play()
        }
        let told = child.map { String(decoding: $0.standardOutputContent, as: UTF8.self) } ?? "failed"
        let lines = told.split(separator: "\n")
        let problems = lines.filter { $0.hasPrefix("problem") }
        #expect(problems.isEmpty && lines.contains { $0.hasPrefix("played") }, "\(told)")
        print(lines.filter { $0.hasPrefix("played") || $0.hasPrefix("after") }.joined(separator: "\n"))
    }
}

/// Plays the film, and says on standard output what is wrong.
private struct WorldFilm {
    let path: String
    let seconds: Int
    let seed: UInt64

    /// Between two things that go wrong, and until the first; none comes so near the end that all has been received.
    private static let interval = 28
    /// As long as it takes until what was received ahead is presented.
    private static let outage = 20

    /// What the process takes.
    private struct Usage {
        /// Resident, in KiB.
        let memory = Self.resident()
        let descriptors = names(in: "/proc/self/fd")
        let threads = names(in: "/proc/self/task")

        /// What the kernel makes up has no size to read by. What was given back to the allocator is not counted: how much of
        /// that it keeps, in an arena for each thread that ever was, says nothing of the play.
        private static func resident() -> Int {
            typealias Trim = @convention(c) (Int) -> CInt
            if let trim = dlsym(nil, "malloc_trim") { _ = unsafeBitCast(trim, to: Trim.self)(0) }
            guard let file = fopen("/proc/self/statm", "r") else { return 0 }
            defer { fclose(file) }
            var line = [CChar](repeating: 0, count: 256)
            guard fgets(&line, 256, file) != nil else { return 0 }
            let words = String(decoding: line.prefix { $0 != 0 }.map { UInt8($0) }, as: UTF8.self).split(separator: " ")
            return words.count > 1 ? (Int(words[1]) ?? 0) * Int(getpagesize()) / 1024 : 0
        }

        private static func names(in directory: String) -> Int {
            guard let open = opendir(directory) else { return 0 }
            defer { closedir(open) }
            var count = 0
            while readdir(open) != nil { count += 1 }
            return count - 2
        }
    }

    func play() async throws {
        let place = try TemporaryDirectory()
        var began = Instant.now
        var fast = Configuration(origins: [Origin(url: path)])
        fast.pacing = .fast
        let whole = try await ResilientStream(
            configuration: fast, outputs: [.file(path: place.path("whole"), format: "framecrc")]
        ).run()
        print("played at once in \(Instant.now - began), \(whole.flows.map(\.packets)) packets")

        began = .now
        let usages = Guarded<[Usage]>([])
        let times = Array(stride(from: Self.interval, to: seconds - Self.interval, by: Self.interval))
        let summary = try await WorkerThread.run(name: "world") { () throws -> Summary in
            try SimulatedWorld(seed: seed).run { world in
                let rate = try size(of: path) / seconds
                var options = HTTPOrigin.Options()
                options.pacing = Pacing(bytesPerSecond: rate * 5 / 4, burst: rate)
                let origins = try (0..<2).map { _ in
                    try world.serve(["/film.ts": ServedFile(path: path)], options: options)
                }
                let urls = origins.map { $0.url(for: "/film.ts") }
                var configuration = Configuration(origins: urls.map { Origin(url: $0) })
                configuration.buffer = .seconds(2)
                let stream = try ResilientStream(
                    configuration: configuration,
                    outputs: [.file(path: place.path("output"), format: "framecrc")])
                for (number, time) in times.enumerated() {
                    world.at(.seconds(time)) {
                        guard let index = urls.firstIndex(where: { $0 == stream.status.origin }) else { return }
                        Self.disturb(origins[index], stream, number)
                        world.at(.seconds(time + Self.outage)) { origins[index].restore() }
                    }
                }
                for time in stride(from: seconds / 6, to: seconds, by: seconds / 12) {
                    world.at(.seconds(time)) { usages.withLock { $0.append(Usage()) } }
                }
                return world.play(stream)
            }
        }
        print("played in \(Instant.now - began) with \(summary.handoffCount) handoffs")

        func expect(_ holds: Bool, _ problem: @autoclosure () -> String) { if !holds { print("problem:", problem()) } }
        expect(whole.error == nil && summary.error == nil, "\(summary.error.map { "\($0)" } ?? "not played at once")")
        expect(summary.handoffCount == times.count, "\(summary.handoffCount) handoffs, not \(times.count)")
        expect(summary.gapTotal == .zero, "a gap of \(summary.gapTotal)")
        // The pieces of the film do not quite meet: where one begins while an origin is left, that may count as missing.
        let piece = MediaTime(flicks: (whole.end ?? .zero).flicks / Int64(seconds / Fixtures.seconds))
        let elsewhere = summary.defects.filter { defect in
            let place = defect.npt.flicks % max(1, piece.flicks)
            return min(place, piece.flicks - place) > MediaTime.milliseconds(200).flicks
        }
        expect(elsewhere.isEmpty && summary.duplicate == .zero, "\(elsewhere) missing, \(summary.duplicate) twice")
        let (mine, theirs) = try await (packets(place.path("output")), packets(place.path("whole")))
        if mine != theirs { print("problem: other packets than at once:", Self.difference(mine, theirs)) }
        let all = usages.withLock { $0 }
        for usage in all {
            print("after: \(usage.memory) KiB, \(usage.descriptors) descriptors, \(usage.threads) threads")
        }
        guard let first = all.first, let last = all.last else { return expect(false, "too short") }
        // What is in use at a moment goes up and down by some MiB.
        let mean = { (part: ArraySlice<Usage>) in part.map(\.memory).reduce(0, +) / part.count }
        expect(mean(all.dropFirst(all.count / 2)) < mean(all.prefix(all.count / 2)) + 8 << 10, "memory grows")
        // Beside those of the play there are the threads of tasks, of which there are as many as processors at most.
        let more = all.map(\.threads).max()! - all.map(\.threads).min()!
        expect(more <= 6 && last.threads <= first.threads + 4, "threads come and do not go")
        expect(last.descriptors <= first.descriptors + 2, "descriptors are left open")
    }

    /// The first lines that differ.
    private static func difference(_ mine: [UInt8], _ theirs: [UInt8]) -> String {
        let (mine, theirs) = (mine.split(separator: 0x0a), theirs.split(separator: 0x0a))
        var told = ["\(mine.count) and \(theirs.count) lines"]
        for (number, (mine, theirs)) in zip(mine, theirs).enumerated() where mine != theirs && told.count < 5 {
            told.append(
                "line \(number): \(String(decoding: mine, as: UTF8.self)) / \(String(decoding: theirs, as: UTF8.self))")
        }
        return told.joined(separator: "; ")
    }

    /// Of every packet, flow by flow, its times, its size and the sum of its bytes. How long a picture lasts is no word of a transport stream:
    /// it is libavformat's guess, which needs a second of media.
    private func packets(_ path: String) async throws -> [UInt8] {
        let tool = try await Tool.run(["sh", "-c", "cut -d, -f1-3,5- '\(path)' | sort -s -t, -k1,1 > '\(path).cut'"])
        guard tool.status == 0 else { throw SupportFailure(description: tool.errors) }
        return try bytes(of: "\(path).cut")
    }

    /// What goes wrong at the origin that is played.
    private static func disturb(_ origin: HTTPOrigin, _ stream: ResilientStream, _ number: Int) {
        switch number % 6 {
        case 0: origin.kill()
        case 1:
            origin.inject(Fault(.stall))
            origin.inject(Fault(.silent))
        case 2:
            origin.inject(Fault(.reset))
            origin.inject(Fault(.refuse))
        case 3: try? stream.migrate()
        case 4: origin.inject(Fault(.throttle(bytesPerSecond: 2000)))
        default:
            origin.inject(Fault(.close))
            origin.inject(Fault(.status(503)))
        }
    }
}
