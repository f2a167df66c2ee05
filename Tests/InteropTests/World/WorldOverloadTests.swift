internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// Servers that give a client a rate, whatever the number of its connections: one that cannot keep up any more is left for
/// one that can, before anything is missing on the screen.
@Suite("In a world, servers that give a client a rate", .inWorlds) struct WorldOverloadTests {
    struct Cell: Sendable, CustomTestStringConvertible {
        let file: String
        let percent: Int
        let buffer: Int
        let seed: UInt64
        var testDescription: String { "\(file) at \(percent) %, \(buffer) s, seed \(seed)" }

        static let files = ["main.ts", "main.mp4", "main-fragmented.mp4", "main.mkv"]
        static let all = files.flatMap { file in
            [10, 40, 80].flatMap { percent in
                [1, 2].flatMap { buffer in
                    WorldSeeds.all.map { Cell(file: file, percent: percent, buffer: buffer, seed: $0) }
                }
            }
        }
    }

    /// The first sends at 1.25 times the rate of the media up to a third, and then at a part of that rate for good; the
    /// other at 1.25 times all the time, after a second at once. Both give that to the client, not to each connection.
    @Test("an origin that is throttled is left in time", .timeLimit(.minutes(25)), arguments: Cell.all)
    func throttled(_ cell: Cell) async throws {
        let expected = try await References.shared.frames(cell.file)
        let size = try Fixtures.size(cell.file)
        let pace = try Fixtures.pace(cell.file)
        let play = try await Play.inWorld(
            seed: cell.seed, buffer: .seconds(cell.buffer),
            arrange: { world in
                let file = ServedFile(path: Fixtures.path(cell.file))
                var options = HTTPOrigin.Options()
                options.pacing = Pacing(bytesPerSecond: pace.rate, burst: pace.burst, isShared: true)
                let rate = size / Fixtures.seconds * cell.percent / 100
                let first = try world.serve(
                    ["/f": file], faults: [Fault(parsing: "throttle=\(rate)@33%")], options: options)
                let second = try world.serve(["/f": file], options: options)
                return [first.url(for: "/f"), second.url(for: "/f")]
            })
        let summary = play.summary
        #expect(summary.error == nil && summary.gapTotal == .zero, "\(play.story)")
        #expect(summary.missing == .zero && summary.duplicate == .zero, "\(play.story)")
        if let difference = play.frames.difference(from: expected) { Issue.record("\(difference)\n\(play.story)") }
    }
}
