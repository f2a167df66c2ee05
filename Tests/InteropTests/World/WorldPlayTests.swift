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
}
