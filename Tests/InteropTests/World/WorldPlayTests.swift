internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

@Suite("Plays in a world", .timeLimit(.minutes(25)))
struct WorldPlayTests {
    @Test("An undisturbed play is whole, and takes the time of the film", arguments: ["main.mp4", "main.ts"])
    func undisturbed(_ file: String) async throws {
        let whole = try await References.shared.frames(file)
        let play = try await Play.inWorld(seed: 1) { world in
            [try world.serve(["/f": ServedFile(path: Fixtures.path(file))]).url(for: "/f")]
        }
        #expect(play.summary.error == nil, "\(play.story)")
        #expect(play.frames == whole, "\(play.story)")
        #expect(play.summary.gapTotal == .zero, "\(play.story)")
        print(play.story)
    }

    /// The film that is played begins 3.1 s into the other origin's.
    @Test("What the viewer asks for is found where another origin has it", arguments: [1, 5] as [Int64])
    func soughtOnAnotherTimeline(place: Int64) async throws {
        let pace = try Fixtures.pace("edits.mp4")
        func play(_ files: [String]) async throws -> Play {
            try await Play.inWorld(
                seed: 1,
                arrange: { world in
                    let origins = try files.enumerated().map { number, file in
                        var options = HTTPOrigin.Options()
                        if number == 0 { options.pacing = Pacing(bytesPerSecond: pace.rate, burst: pace.burst) }
                        return try world.serve(["/f": ServedFile(path: Fixtures.path(file))], options: options)
                    }
                    if origins.count > 1 { world.at(.seconds(2)) { origins[0].kill() } }
                    return origins.map { $0.url(for: "/f") }
                },
                whilePlaying: { viewer in
                    if viewer.waits(.seconds(4)) { viewer.player.seek(to: .seconds(place)) }
                })
        }
        let alone = try await play(["edits.mp4"])
        let handedOff = try await play(["edits.mp4", "main.ts"])
        #expect(handedOff.summary.handoffs.map(\.grade) == [.packetExact], "\(handedOff.story)")
        #expect(handedOff.summary.gapTotal == .zero && handedOff.summary.error == nil, "\(handedOff.story)")
        let pictures = [alone, handedOff].map { $0.frames.flows[0].frames.map(\.hash) }
        #expect(pictures[0] == pictures[1], "\(handedOff.frames.difference(from: alone.frames, tolerance: nil) ?? "")")
    }
}
