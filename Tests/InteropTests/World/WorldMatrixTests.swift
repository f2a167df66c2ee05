internal import Glibc
internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// Every container through every fault of its server, with every buffer and standby, in a world: what is decoded is what an
/// uninterrupted play decodes, to the last frame, and nobody had to wait.
///
/// `THROUGHLINE_SEEDS=20` plays every cell with so many seeds; `THROUGHLINE_SEED=7` with that one alone.
@Suite("In a world, every container through every fault", .inWorlds) struct WorldMatrixTests {
    enum Fault: String, CaseIterable, Sendable {
        case reset, close, refuseAfterReset, stall, silentAfterReset, overloadedAfterReset, lostAfterReset
        case killed, stopped

        var faults: [String] {
            switch self {
            case .reset: ["reset@33%,once"]
            case .close: ["close@33%,once"]
            case .refuseAfterReset: ["reset@33%", "refuse"]
            case .stall: ["stall@33%"]
            case .silentAfterReset: ["reset@33%", "silent"]
            case .overloadedAfterReset: ["reset@33%", "status=503"]
            case .lostAfterReset: ["reset@33%", "status=404"]
            case .killed, .stopped: []
            }
        }

        var causes: [ChangeEvent.Cause] {
            switch self {
            case .close: [.closedEarly]
            case .stall, .stopped: [.silence]
            default: [.reset]
            }
        }

        var leavesFirst: Bool {
            switch self {
            case .reset, .close: false
            default: true
            }
        }
    }

    struct Cell: Sendable, CustomTestStringConvertible {
        let file: String
        let fault: Fault
        let buffer: Int
        let standby: Standby
        let seed: UInt64
        var testDescription: String { "\(file) \(fault) \(buffer) s \(standby) seed \(seed)" }

        static let files = [
            "main.mp4", "main-faststart.mp4", "main-fragmented.mp4", "main.ts", "main.mkv", "audio.mp3", "audio.aac",
        ]
        static let all = files.flatMap { file in
            Fault.allCases.flatMap { fault in
                [1, 2].flatMap { buffer in
                    [Standby.cold, .warm].flatMap { standby in
                        WorldSeeds.all.map {
                            Cell(file: file, fault: fault, buffer: buffer, standby: standby, seed: $0)
                        }
                    }
                }
            }
        }
    }

    @Test(
        "frames and samples are those of an uninterrupted play", .timeLimit(.minutes(25)), arguments: Cell.all)
    func plays(_ cell: Cell) async throws {
        let expected = try await References.shared.frames(cell.file)
        let pace = try Fixtures.pace(cell.file)
        let play = try await Play.inWorld(
            seed: cell.seed, buffer: .seconds(cell.buffer), configure: { $0.standby = cell.standby },
            arrange: { world in
                let file = ServedFile(path: Fixtures.path(cell.file))
                var options = HTTPOrigin.Options()
                options.pacing = Pacing(bytesPerSecond: pace.rate, burst: pace.burst)
                let first = try world.serve(
                    ["/f": file], faults: cell.fault.faults.map { try ThroughlineLab.Fault(parsing: $0) },
                    options: options)
                let second = try world.serve(["/f": file], options: options)
                world.at(.seconds(3)) {
                    switch cell.fault {
                    case .killed: first.kill()
                    case .stopped:
                        first.inject(ThroughlineLab.Fault(.stall))
                        first.inject(ThroughlineLab.Fault(.silent))
                    default: break
                    }
                }
                return [first.url(for: "/f"), second.url(for: "/f")]
            })
        let problems = check(play, cell, expected)
        if !problems.isEmpty { Issue.record("\(problems.joined(separator: "; "))\n\(play.story)") }
    }

    private func check(_ play: Play, _ cell: Cell, _ expected: Frames) -> [String] {
        var problems = play.problems(expected: expected, tolerance: 0)
        func expect(_ holds: Bool, _ problem: @autoclosure () -> String) { if !holds { problems.append(problem()) } }
        let summary = play.summary
        expect(summary.handoffCount == 1, "\(summary.handoffCount) handoffs")
        if let handoff = summary.handoffs.first {
            expect(cell.fault.causes.contains(handoff.event.cause), "cause \(handoff.event.cause)")
            expect(handoff.grade == .byteExact, "grade \(handoff.grade)")
            if cell.fault.leavesFirst { expect(handoff.to == OriginID(1), "went to \(handoff.to)") }
        }
        return problems
    }
}

/// The seeds that worlds are played with.
enum WorldSeeds {
    /// Of each cell of a matrix.
    static let all = seeds(number("THROUGHLINE_SEEDS") ?? 1)

    /// Of what is played once.
    static let first = all[0]

    /// Of schedules: so many, unless it is told otherwise.
    ///
    /// - Parameter once: seeds beyond those that found a defect once.
    static func schedules(_ count: UInt64, once: [UInt64] = []) -> [UInt64] {
        if let seed = number("THROUGHLINE_SEED") { return [seed] }
        let first = number("THROUGHLINE_FIRST") ?? 1
        let seeds = seeds(number("THROUGHLINE_SCHEDULES") ?? count).map { $0 + first - 1 }
        return first == 1 ? seeds + once.filter { !seeds.contains($0) } : seeds
    }

    /// Of moments in which threads meet: so many, unless it is told otherwise.
    static func races(_ count: UInt64) -> [UInt64] { seeds(number("THROUGHLINE_RACES") ?? count) }

    /// That of all schedules; nil for what each draws.
    static let standby = getenv("THROUGHLINE_STANDBY").flatMap { Standby(rawValue: String(cString: $0)) }

    /// In so many processes a seed is played, and these seeds.
    static let processes = number("THROUGHLINE_PROCESSES") ?? 2
    static let told: [UInt64] = number("THROUGHLINE_PROCESSES") == nil ? [3, 11, 20] : Array(1...40)

    private static func number(_ name: String) -> UInt64? { getenv(name).flatMap { UInt64(String(cString: $0)) } }

    private static func seeds(_ count: UInt64) -> [UInt64] {
        if let seed = number("THROUGHLINE_SEED") { return [seed] }
        return Array(1...max(1, count))
    }
}
