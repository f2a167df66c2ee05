internal import ArgumentParser
internal import CDemoMedia
import Glibc
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

struct Demo: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Two origins serve a film, one dies in mid-picture, the viewer sees nothing of it.",
        discussion: """
            Starts two origins on the loopback, plays a short film from the first in real time, and has it die in the \
            middle of a picture: connection reset, port closed. Every decoded frame is hashed and compared with the same \
            film played without a failure. Takes as long as the film: 12 seconds.

            Exit status: 0 when each frame was there once and the viewer never waited; 70 when not.
            """)

    @Flag(help: "Only the first five seconds of the film.")
    var quick = false

    @Option(
        help: ArgumentHelp(
            "Keep the film, the hashes of both runs and the report in this directory.", valueName: "directory"),
        completion: .directory)
    var keep: String?

    func run() async throws {
        let console = Console(STDOUT_FILENO)
        let status = await DemoRun(console: console, isQuick: quick, kept: keep).run()
        console.close()
        if status != 0 { throw ExitCode(status) }
    }
}

/// One demonstration.
private final class DemoRun: Sendable {
    static let filmPath = "/film.mp4"
    /// The primary dies when this much of the film was sent.
    private var deathNPT: NPT { .seconds(isQuick ? 3 : 6) }

    private let console: Console
    private let isQuick: Bool
    private let kept: String?

    init(console: Console, isQuick: Bool, kept: String?) {
        self.console = console
        self.isQuick = isQuick
        self.kept = kept
    }

    private struct Failure: Error { let message: String }

    func run() async -> Int32 {
        let directory: String
        if let kept {
            guard mkdir(kept, 0o777) == 0 || errno == EEXIST else {
                return fail("cannot make \(kept): \(String(cString: strerror(errno)))", 74)
            }
            directory = kept
            // Its own from another time is the same film.
            if let other = fopen("\(kept)/film.mp4", "r") {
                defer { fclose(other) }
                var bytes = [UInt8](repeating: 0, count: tl_demo_film_length() + 1)
                let count = fread(&bytes, 1, bytes.count, other)
                let film = UnsafeBufferPointer(start: tl_demo_film(), count: tl_demo_film_length())
                guard bytes[..<count].elementsEqual(film) else {
                    return fail("\(kept)/film.mp4 exists, and is another film; name another directory", 64)
                }
            }
        } else {
            var template = Array(
                "\(getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp")/throughline-demo-XXXXXX".utf8CString)
            guard mkdtemp(&template) != nil else {
                return fail("cannot make a directory for the hashes: \(String(cString: strerror(errno)))", 74)
            }
            directory = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
        }
        let files = ["uninterrupted.framehash", "failure.framehash"].map { "\(directory)/\($0)" }
        let cleansUp = kept == nil
        let cleanUp: @Sendable () -> Void = {
            guard cleansUp else { return }
            for file in files { unlink(file) }
            rmdir(directory)
        }
        Interrupts.onLeaving { [console] in
            cleanUp()
            console.leave(within: .milliseconds(100))
        }
        defer { cleanUp() }
        do {
            return try await demonstrate(directory, files[0], files[1])
        } catch let failure as Failure {
            return fail(failure.message, 70)
        } catch let error as StreamError {
            return fail(error.description, error.code.exitStatus)
        } catch {
            return fail("\(error)", 70)
        }
    }

    private func fail(_ message: String, _ status: Int32) -> Int32 {
        put("throughline: \(message)\n", to: STDERR_FILENO)
        return status
    }

    private func heading(_ text: String) {
        console.line()
        console.line(console.styled(text, .bold))
    }

    private func demonstrate(_ directory: String, _ reference: String, _ interrupted: String) async throws -> Int32 {
        let film = Array(UnsafeBufferPointer(start: tl_demo_film(), count: tl_demo_film_length()))
        var served = ServedFile(bytes: film, contentType: "video/mp4")

        // Uninterrupted, as fast as possible: what every frame should be.
        let plain = try await HTTPOrigin.start(serving: [Self.filmPath: served])
        let plainOrigin = Origin(url: plain.url(for: Self.filmPath))
        let index = try MediaIndex(of: plainOrigin)
        let whole = try await play([plainOrigin], to: reference, fast: true, onEvent: { _ in })
        if let error = whole.summary.error { throw error }
        try await plain.stop()

        // The byte in the middle of the picture that is shown at that time.
        guard
            let picture = index.places.filter({ $0.npt <= deathNPT && $0.bytes.count > 8 })
                .max(by: { $0.npt < $1.npt })
        else { throw Failure(message: "the film has no pictures") }
        let deathByte = (picture.bytes.lowerBound + picture.bytes.upperBound) / 2
        served.duration = index.duration
        let rate = Int(Double(film.count) / max(index.duration.seconds, 1) * 1.25)
        var options = HTTPOrigin.Options()
        // As a server does that hurries a new viewer.
        options.pacing = Pacing(bytesPerSecond: rate, burst: film.count / 3)
        let second = try await HTTPOrigin.start(serving: [Self.filmPath: served], options: options)
        let clock = Guarded<Instant?>(nil)
        // A second ahead, so that the player has the last byte before the end as soon as it is sent.
        options.pacing = Pacing(bytesPerSecond: rate, burst: film.count / 12)
        options.onEvent = { [console] event in
            guard case .struck(let fault) = event, fault.kind == .reset else { return }
            let time = clock.withLock { $0 }.map { Instant.now - $0 } ?? .zero
            console.line(
                Self.moment(time, "A", console.styled("dies in mid-picture: connection reset, port closed", .bad)))
        }
        let first = try await HTTPOrigin.start(
            serving: [Self.filmPath: served], faults: [Fault(.reset, .atByte(deathByte)), Fault(.refuse)],
            options: options)
        let (a, b) = (first.url(for: Self.filmPath), second.url(for: Self.filmPath))

        heading("A film from two origins, one of which dies")
        console.line()
        let flows = whole.summary.flows.filter { !$0.description.kind.isSparse }.map(\.description.text)
        console.line("  film      \(index.duration), \(counted(index.places.count, "picture"))")
        for flow in flows { console.line("            \(flow)") }
        console.line("  origin A  \(a)")
        console.line("            will die at byte \(deathByte), inside the picture of \(picture.npt)")
        console.line("  origin B  \(b)")
        console.line("            will live")
        heading("What happens")
        console.line()

        clock.withLock { $0 = .now }
        let played = try await play(
            [Origin(url: a), Origin(url: b)], to: interrupted, fast: false,
            onEvent: { [console] event in
                if let line = Self.line(for: event, console) { console.line(line) }
            })
        if let error = played.summary.error { throw error }
        try await first.stop()
        try await second.stop()
        let isProven = try judge(played.summary, frames(of: reference), frames(of: interrupted))
        if kept != nil { try keep(film, played.summary, directory) }
        farewell(directory, deathByte)
        return isProven ? 0 : 70
    }

    private func play(
        _ origins: [Origin], to path: String, fast: Bool, onEvent: @escaping @Sendable (Event) -> Void
    ) async throws -> (summary: Summary, elapsed: Duration) {
        var configuration = Configuration(origins: origins)
        configuration.pacing = fast ? .fast : .realtime
        if isQuick { configuration.to = .seconds(5) }
        let stream = try ResilientStream(
            configuration: configuration, outputs: [.file(path: path, format: "framehash", decoded: true)],
            onEvent: onEvent)
        Interrupts.onFirst { stream.stop() }
        let began = Instant.now
        let live = fast ? nil : Task { await LiveStatus(stream, console).run() }
        let summary = await stream.run()
        live?.cancel()
        await live?.value
        return (summary, Instant.now - began)
    }

    // MARK: - Telling

    private static func moment(_ time: Duration, _ who: String, _ text: String) -> String {
        "\("\(time.decimals(2)) s".padded(left: 9))  \(who)  \(text)"
    }

    private static func line(for event: Event, _ console: Console) -> String? {
        func name(_ origin: OriginID) -> String { origin.index == 0 ? "A" : "B" }
        switch event.kind {
        case .opened(let origin, _, _, _, _): return moment(event.time, name(origin), "opened")
        case .playing: return moment(event.time, " ", "playing in real time")
        case .changeObserved(let change, let origin, _):
            return moment(
                event.time, name(origin), console.styled("\(change.cause.rawValue) seen by the player", .notice))
        case .attemptFailed(let origin, _, _): return moment(event.time, name(origin), "asked again: refuses")
        case .handoff(let report):
            return [
                moment(
                    event.time, name(report.to),
                    console.styled("takes over after \(report.duration.words): \(report.grade.rawValue)", .good)),
                console.wrapped(report.evidence, indent: 14).map { String(repeating: " ", count: 14) + $0 }
                    .joined(separator: "\n"),
                String(repeating: " ", count: 14)
                    + "buffer: \(report.bufferBefore.words) before, \(report.bufferAfter.words) after",
            ].joined(separator: "\n")
        case .gap(let gap): return moment(event.time, " ", console.styled("visible gap: \(gap.duration.words)", .bad))
        case .defect(let defect, _):
            return moment(
                event.time, " ", console.styled("\(defect.kind.rawValue): \(defect.duration.words)", .bad))
        // There is one: subtitles are not decoded, and there is nothing to see of them here.
        case .warning: return nil
        case .ended(let npt, _): return npt.map { moment(event.time, " ", "ended at \($0)") }
        case .waiting, .reopened, .recovered, .paused, .sought, .rateChanged, .standbyReady, .standbyLost, .refilled,
            .indicated, .answered:
            return nil
        }
    }

    // MARK: - The proof

    private struct Frame: Hashable {
        /// Flow and presentation time.
        let place: [Substring]
        let hash: Substring
    }

    /// The frames of a framehash file: `stream, dts, pts, duration, size, hash`.
    private func frames(of path: String) throws -> [Substring: [Frame]] {
        guard let file = fopen(path, "r") else { throw Failure(message: "the hashes \(path) cannot be read") }
        defer { fclose(file) }
        var text: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 64 << 10)
        while case let count = fread(&piece, 1, piece.count, file), count > 0 { text += piece[..<count] }
        var frames: [Substring: [Frame]] = [:]
        for line in String(decoding: text, as: UTF8.self).split(separator: "\n") where !line.hasPrefix("#") {
            let fields = line.split(separator: ",").map { $0.drop { $0 == " " } }
            guard fields.count >= 6 else { continue }
            frames[fields[0], default: []].append(Frame(place: [fields[0], fields[2]], hash: fields[5]))
        }
        return frames
    }

    private func judge(
        _ summary: Summary, _ expected: [Substring: [Frame]], _ actual: [Substring: [Frame]]
    ) throws -> Bool {
        heading("What came of it")
        console.line()
        func row(_ name: String, _ cells: [String]) -> String {
            let widths = [9, 7, 7, 9, 7]
            return "  " + name.padded(to: 36) + zip(cells, widths).map { $0.padded(left: $1) }.joined()
        }
        console.line(
            console.styled(row("decoded frames", ["unbroken", "here", "equal", "missing", "twice"]), .dim))
        var isProven = summary.handoffCount > 0 && !expected.isEmpty
        for flow in expected.keys.sorted() {
            let wanted = expected[flow] ?? []
            let got = actual[flow] ?? []
            let seen = Dictionary(grouping: got, by: \.place)
            let equal = wanted.count { seen[$0.place]?.first?.hash == $0.hash }
            let missing = wanted.count { seen[$0.place] == nil }
            let twice = got.count - seen.count
            isProven = isProven && equal == wanted.count && missing == 0 && twice == 0 && got.count == wanted.count
            let decoded = summary.flows.filter { $0.description.kind == .video || $0.description.kind == .audio }
            let name = Int(flow).flatMap { decoded.indices.contains($0) ? decoded[$0].description.text : nil }
            console.line(
                row(name ?? "flow \(flow)", [wanted.count, got.count, equal, missing, twice].map { String($0) }))
        }
        console.line()
        let gap = summary.visibleGap
        isProven =
            isProven && gap == .zero && summary.missing == .zero && summary.duplicate == .zero
            && summary.damagedPackets == 0
        console.line("  visible gap  \(gap.words)")
        if let handoff = summary.handoffs.first {
            console.line("  handoff      \(handoff.duration.words), \(handoff.grade.rawValue)")
        }
        console.line()
        console.line(
            isProven
                ? console.styled("  Proven: each frame once, each as it should be, and no wait.", .good)
                : console.styled("  Not proven: the film was not what it should have been.", .bad))
        return isProven
    }

    private func keep(_ film: [UInt8], _ summary: Summary, _ directory: String) throws {
        guard let file = fopen("\(directory)/film.mp4", "w") else {
            throw Failure(message: "cannot write \(directory)/film.mp4")
        }
        fwrite(film, 1, film.count, file)
        fclose(file)
        do throws(ReportFile.Failure) {
            try ReportFile(path: "\(directory)/report.json").write(Report(summary).json)
        } catch { throw Failure(message: error.message) }
    }

    private func farewell(_ directory: String, _ deathByte: Int64) {
        heading("See for yourself")
        console.line()
        guard let kept else {
            console.line("  throughline demo --keep demo   keeps the film and all hashes in ./demo")
            console.line("  throughline lab --help         origins that fail, for films of your own")
            return
        }
        console.line("  diff \(kept)/uninterrupted.framehash \(kept)/failure.framehash")
        console.line(
            "  throughline lab \(kept)/film.mp4 --port 8001 --pace 1.25x --fault reset@byte=\(deathByte) --fault refuse &"
        )
        console.line("  throughline lab \(kept)/film.mp4 --port 8002 &")
        console.line("  throughline play http://127.0.0.1:8001/film.mp4 http://127.0.0.1:8002/film.mp4 --verbose")
    }
}
