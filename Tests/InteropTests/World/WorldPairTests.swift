internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// The first origin dies, and another one goes on that serves the programme in another container, or another encode of it.
@Suite("In a world, other files of the same programme", .inWorlds) struct WorldPairTests {
    /// nginx grants the second in which a response begins beside what it grants before it counts.
    private static let burst: Duration = .milliseconds(2250)

    @Test(
        "the same encode goes on with the next packet, and every output is whole", .timeLimit(.minutes(25)),
        arguments: ContainerPair.all)
    func containers(_ pair: ContainerPair) async throws {
        try await pair.check(
            try await inWorld { world in
                let first = try world.origin(pair.from, ["reset@\(pair.place)%", "refuse"])
                let second = try world.origin(pair.to, pace: pair.isPaced ? Rate(5, 4) : nil, burst: Self.burst)
                return try world.play(
                    [first.film, second.film], buffer: .seconds(2), containers: ContainerPair.containers)
            }, isTimed: true)
    }

    @Test("of another encode every picture is shown once", .timeLimit(.minutes(25)), arguments: EncodePair.all)
    func encodes(_ pair: EncodePair) async throws {
        try await pair.check(
            try await inWorld { world in
                let first = try world.origin(pair.from, ["reset@33%", "refuse"])
                let second = try world.origin(pair.to, pace: pair.isPaced ? Rate(5, 4) : nil, burst: Self.burst)
                return try world.play(
                    [first.film, second.film], buffer: .seconds(2), containers: EncodePair.containers)
            }, isTimed: true)
    }

    /// The buffer has run dry by then, and what was received last has gone out.
    @Test(
        "pictures that have gone out before the next origin came leave none behind that were to be shown before them",
        .timeLimit(.minutes(25)),
        arguments: [("main.mp4", "other.mp4"), ("main.ts", "other.ts"), ("other.mp4", "main.mp4")], [25, 33, 41])
    func late(_ files: (from: String, to: String), place: Int) async throws {
        let play = try await inWorld { world in
            let first = try world.origin(files.from, ["reset@\(place)%", "refuse"])
            let second = try world.origin(files.to, ["delay=4s,once"], pace: nil)
            return try world.play([first.film, second.film])
        }
        #expect(play.summary.error == nil && play.summary.missing == .zero, "\(play.story)")
        #expect(play.frames.flows[0].frames.count == 300, "\(play.frames.flows[0].frames.count): \(play.story)")
    }
}
