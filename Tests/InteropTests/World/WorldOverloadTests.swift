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
        play.expectUnnoticed(expected, tolerance: 0)
    }

    /// Between two attempts the first is played on, and its bytes go on at the third.
    @Test(
        "where the next one is of no use, the one after that is gone on with", .timeLimit(.minutes(25)),
        arguments: [20, 60])
    func twoAttempts(_ percent: Int) async throws {
        let expected = try await References.shared.frames("main.mp4")
        let size = try Fixtures.size("main.mp4")
        let pace = try Fixtures.pace("main.mp4")
        let play = try await Play.inWorld(
            seed: 1, buffer: .seconds(3),
            arrange: { world in
                let (file, other) = (
                    ServedFile(path: Fixtures.path("main.mp4")), ServedFile(path: Fixtures.path("wrong.mp4"))
                )
                var options = HTTPOrigin.Options()
                options.pacing = Pacing(bytesPerSecond: pace.rate, burst: pace.burst)
                let rate = size / Fixtures.seconds * percent / 100
                let first = try world.serve(
                    ["/f": file], faults: [Fault(parsing: "throttle=\(rate)@33%")], options: options)
                return [
                    first.url(for: "/f"), try world.serve(["/f": other]).url(for: "/f"),
                    try world.serve(["/f": file]).url(for: "/f"),
                ]
            })
        play.expectUnnoticed(expected, tolerance: 0)
        #expect(play.summary.handoffs.map(\.grade) == [.byteExact], "\(play.story)")
        #expect(play.summary.handoffs.first?.attempts.map(\.origin.index) ?? [] == [1, 1, 2], "\(play.story)")
    }
}

/// What a server that grants little is asked for is no more than it grants.
@Suite("In a world, servers that grant little", .inWorlds) struct WorldSparingTests {
    @Test(
        "an origin that answers one request at a time is gone on with", .timeLimit(.minutes(25)),
        arguments: ["main.ts", "main.mp4", "main-fragmented.mp4", "main.mkv"], [Standby.cold, .warm])
    func oneAtATime(file: String, standby: Standby) async throws {
        let expected = try await References.shared.frames(file)
        let pace = try Fixtures.pace(file)
        let play = try await Play.inWorld(
            seed: 1, configure: { $0.standby = standby },
            arrange: { world in
                let served = ServedFile(path: Fixtures.path(file))
                var options = HTTPOrigin.Options()
                options.pacing = Pacing(bytesPerSecond: pace.rate, burst: pace.burst, isShared: true)
                let first = try world.serve(
                    ["/f": served], faults: [Fault(parsing: "reset@33%"), Fault(.refuse)], options: options)
                options.requestLimit = 1
                let second = try world.serve(["/f": served], options: options)
                return [first.url(for: "/f"), second.url(for: "/f")]
            })
        play.expectUnnoticed(expected, tolerance: 0)
        #expect(play.summary.handoffCount == 1, "\(play.story)")
    }

    /// Nothing is in the buffer, and nobody else is there: to ask anew would cost more than the pause.
    @Test(
        "the only origin is borne with, however little is buffered", .timeLimit(.minutes(25)),
        arguments: ["main.ts", "main-faststart.mp4", "main.mkv"], [150, 400])
    func pauses(file: String, length: Int) async throws {
        let expected = try await References.shared.frames(file)
        let size = try Fixtures.size(file)
        let play = try await Play.inWorld(
            seed: 1,
            arrange: { world in
                var options = HTTPOrigin.Options()
                options.pacing = Pacing(bytesPerSecond: size / Fixtures.seconds, burst: size / 60)
                let only = try world.serve(["/f": ServedFile(path: Fixtures.path(file))], options: options)
                for time in stride(from: 3000, to: 10_000, by: 1500) {
                    world.at(.milliseconds(time)) {
                        only.inject(Fault(.stall, recovery: .after(.milliseconds(length))))
                    }
                }
                return [only.url(for: "/f")]
            })
        let summary = play.summary
        #expect(summary.error == nil && summary.handoffCount == 0 && summary.reopenCount == 0, "\(play.story)")
        #expect(summary.missing == .zero && summary.duplicate == .zero, "\(play.story)")
        // No more than what the origin was late by.
        #expect(summary.elapsed < .seconds(14), "\(play.story)")
        if let difference = play.frames.difference(from: expected) { Issue.record("\(difference)\n\(play.story)") }
    }
}
