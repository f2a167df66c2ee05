internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

extension Play {
    /// Plays origins of a world to their end, decoded, in virtual time.
    ///
    /// - Parameters:
    ///   - seed: of the world.
    ///   - arrange: starts the origins and gives their URLs; on a thread of the world.
    ///   - beside: sees to what happens at times of the world.
    static func inWorld(
        seed: UInt64, buffer: Duration = .seconds(1), pacing: Configuration.Pacing = .realtime,
        configure: @escaping @Sendable (inout Configuration) -> Void = { _ in },
        arrange: @escaping @Sendable (SimulatedWorld) throws -> [String],
        beside: @escaping @Sendable (SimulatedWorld, ResilientStream) -> Void = { _, _ in }
    ) async throws -> Play {
        let place = try TemporaryDirectory()
        let events = Guarded<[Event]>([])
        let summary = try await WorkerThread.run(name: "world") { () throws -> Summary in
            try SimulatedWorld(seed: seed).run { world in
                var configuration = Configuration(origins: try arrange(world).map { Origin(url: $0) })
                configuration.buffer = buffer
                configuration.pacing = pacing
                configure(&configuration)
                let stream = try ResilientStream(
                    configuration: configuration,
                    outputs: [Output.file(path: place.path("frames"), format: "framehash", decoded: true)]
                ) { event in events.withLock { $0.append(event) } }
                beside(world, stream)
                return world.play(stream)
            }
        }
        let frames = (try? await Frames.read(place.path("frames"))) ?? Frames(framehash: "")
        return Play(summary: summary, frames: frames, events: events.withLock { $0 }, place: place)
    }
}
