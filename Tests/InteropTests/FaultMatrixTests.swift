internal import Glibc
internal import Testing
internal import Throughline
internal import ThroughlineCore

/// Every container through every fault of its server: what is decoded is what an uninterrupted play decodes, to the
/// last frame, and nobody had to wait.
///
/// Two nginx serve the same file, each at 1.25 times its rate after a second at once. The first stands behind a proxy
/// that fails at a third of the bytes, or is itself killed or stopped a quarter through. Each fault is played with one
/// container, and each container with one fault at least: all of them are played in a world (`WorldMatrixTests`).
/// `THROUGHLINE_RUNS=20` plays every cell so often; `THROUGHLINE_RESULTS=FILE` keeps a line for each.
@Suite("Every container through every fault", .inSlots) struct FaultMatrixTests {
    enum Fault: String, CaseIterable, Sendable {
        case reset, close, slice, refuseAfterReset, stall, silentAfterReset, overloadedAfterReset, lostAfterReset
        case killed, stopped

        /// What the proxy does; nil when nginx itself is the victim.
        func plan(at place: Int) -> FaultProxy.Plan? {
            switch self {
            case .reset: FaultProxy.Plan(strike: .reset, at: place)
            case .close: FaultProxy.Plan(strike: .close, at: place)
            case .slice: FaultProxy.Plan(strike: .shorten, at: place)
            case .refuseAfterReset: FaultProxy.Plan(strike: .reset, at: place, aftermath: .refuse)
            case .stall: FaultProxy.Plan(strike: .stall, at: place)
            case .silentAfterReset: FaultProxy.Plan(strike: .reset, at: place, aftermath: .silent)
            case .overloadedAfterReset: FaultProxy.Plan(strike: .reset, at: place, aftermath: .status(503))
            case .lostAfterReset: FaultProxy.Plan(strike: .reset, at: place, aftermath: .status(404))
            case .killed, .stopped: nil
            }
        }

        var causes: [ChangeEvent.Cause] {
            switch self {
            case .close: [.closedEarly]
            case .slice: []
            case .stall, .stopped: [.silence]
            // Bytes under way decide whether the kernel says RST or FIN.
            case .killed: [.reset, .closedEarly]
            default: [.reset]
            }
        }

        /// Whether the first server is of no use any more.
        var leavesFirst: Bool {
            switch self {
            case .reset, .close, .slice: false
            default: true
            }
        }
    }

    struct Cell: Sendable, CustomTestStringConvertible {
        let file: String
        let fault: Fault
        let run: Int
        var testDescription: String { "\(file) \(fault) #\(run)" }

        static let files = [
            "main.mp4", "main-faststart.mp4", "main-fragmented.mp4", "main.ts", "main.mkv", "audio.mp3", "audio.aac",
        ]
        private static let asked = getenv("THROUGHLINE_RUNS").flatMap { Int(String(cString: $0)) }
        static let runs = max(1, asked ?? 1)
        private static let every = (1...runs).flatMap { run in
            files.flatMap { file in Fault.allCases.map { Cell(file: file, fault: $0, run: run) } }
        }
        static let all =
            asked != nil
            ? every
            : zip(Fault.allCases, files + files).map { Cell(file: $1, fault: $0, run: 1) }
    }

    @Test(
        "frames and samples are those of an uninterrupted play", .timeLimit(.minutes(25 * Cell.runs)),
        arguments: Cell.all)
    func plays(_ cell: Cell) async throws {
        let expected = try await References.shared.frames(cell.file)
        let pace = try Fixtures.pace(cell.file)
        let first = try await NginxServer.start(rate: pace.rate, burst: pace.burst)
        let second = try await NginxServer.start(rate: pace.rate, burst: pace.burst)
        let place = try Fixtures.size(cell.file) / 3
        let plan = cell.fault.plan(at: place)
        let proxy = plan.map { FaultProxy(upstream: first.port, pace: pace, plan: $0) }
        // nginx pauses for up to a second after the first bytes, and beside an origin that has not answered within half a second
        // the next is asked: that one answers once the first is played.
        second.freeze()
        let play = try await Play.run(
            [proxy?.url(cell.file) ?? first.url(cell.file), second.url(cell.file)],
            whilePlaying: { stream in
                second.thaw()
                // A quarter is presented: nginx has sent two thirds at the most.
                guard plan == nil, await stream.reaches(.seconds(3)) else { return }
                if cell.fault == .killed { first.vanish() } else { first.freeze() }
            })
        let problems = check(play, cell, expected)
        if let proxy, proxy.strikes != [place] {
            Issue.record("the fault struck at \(proxy.strikes), not once at \(place)")
        }
        if !problems.isEmpty { Issue.record("\(problems.joined(separator: "; "))\n\(play.story)") }
        note(cell, play, problems)
    }

    private func check(_ play: Play, _ cell: Cell, _ expected: Frames) -> [String] {
        var problems: [String] = []
        func expect(_ holds: Bool, _ problem: @autoclosure () -> String) { if !holds { problems.append(problem()) } }
        let summary = play.summary
        expect(summary.error == nil, "ended with \(summary.error.map { "\($0)" } ?? "")")
        // A part of what was asked for is no failure: the next part is asked for (RFC 9110 section 15.3.7).
        let handoffs = cell.fault == .slice ? 0 : 1
        expect(summary.handoffCount == handoffs, "\(summary.handoffCount) handoffs")
        if let handoff = summary.handoffs.first {
            // nginx pauses for up to a second after the first bytes. Of a fragment the sound lies behind the pictures, and what
            // has come of it may not hide that.
            let pauses = cell.fault == .killed && cell.file == "main-fragmented.mp4" && handoff.event.cause == .silence
            expect(pauses || cell.fault.causes.contains(handoff.event.cause), "cause \(handoff.event.cause)")
            expect(handoff.grade == .byteExact, "grade \(handoff.grade)")
            if cell.fault.leavesFirst { expect(handoff.to == OriginID(1), "went to \(handoff.to)") }
        }
        expect(summary.missing == .zero, "\(summary.missing) missing")
        expect(summary.duplicate == .zero, "\(summary.duplicate) twice")
        expect(summary.gapTotal == .zero, "gap of \(summary.gapTotal)")
        if let difference = play.frames.difference(from: expected) { problems.append(difference) }
        return problems
    }

    private func note(_ cell: Cell, _ play: Play, _ problems: [String]) {
        guard let path = getenv("THROUGHLINE_RESULTS") else { return }
        let handoff = play.summary.handoffs.first
        let line =
            [
                cell.file, "\(cell.fault)", "\(cell.run)", problems.isEmpty ? "clean" : "FAILED",
                "\(handoff?.duration.milliseconds ?? -1) ms", "buffer \(handoff?.bufferAfter.milliseconds ?? -1) ms",
                "to \(handoff?.to.index ?? -1)", problems.joined(separator: "; "),
            ].joined(separator: "\t") + "\n"
        let descriptor = open(String(cString: path), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o666)
        _ = Array(line.utf8).withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        close(descriptor)
    }
}

extension Duration {
    /// Rounded down, for people.
    var milliseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1000 + attoseconds / 1_000_000_000_000_000
    }
}
