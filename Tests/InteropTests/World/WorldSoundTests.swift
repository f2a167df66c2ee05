internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// Sound alone, in files that have no index.
@Suite("In a world, sound alone", .inWorlds) struct WorldSoundTests {
    /// Whoever reads a file from its start to find a place waits as long as that takes at its pace.
    @Test("goes on over HTTP at once where RTSP fell silent", .timeLimit(.minutes(25)), arguments: [3, 8] as [Int64])
    func goesOn(_ seconds: Int64) async throws {
        let expected = try await WorldReferences.shared.frames("audio.mp3", to: nil)
        let play = try await inWorld { world in
            let first = try world.pair("audio.mp3").first
            let second = try world.origin("audio.mp3")
            return try world.play(
                [first.film, second.film],
                whilePlaying: { viewer in
                    guard viewer.reaches(.seconds(seconds)) else { return }
                    first.inject(Fault(.stall))
                    first.inject(Fault(.silent))
                })
        }
        play.expectUnnoticed(expected)
        #expect(play.summary.handoffs.map(\.grade) == [.packetExact], "\(play.story)")
    }
}
