internal import Testing
internal import Throughline
internal import ThroughlineCore
internal import ThroughlineLab

/// Enters a world on a thread of its own, and gives what came of it.
///
/// Nothing may be expected inside: threads of a world belong to no test. What is wrong there is thrown, or brought out.
func inWorld<Result: Sendable>(
    seed: UInt64 = WorldSeeds.first, _ body: @escaping @Sendable (SimulatedWorld) throws -> Result
) async throws -> Result {
    try await WorkerThread.run(name: "world") { try SimulatedWorld(seed: seed).run(body) }
}

extension SimulatedWorld {
    /// Plays origins to their end, decoded, in virtual time.
    ///
    /// - Parameters:
    ///   - containers: further outputs, by extension.
    ///   - patience: when the play is stopped.
    ///   - whilePlaying: runs beside the play, on a thread of the world, from the first packet on.
    func play(
        _ urls: [String], buffer: Duration = .seconds(1), pacing: Configuration.Pacing = .realtime,
        containers: [String] = [], patience: Duration = .seconds(60),
        configure: (inout Configuration) -> Void = { _ in },
        whilePlaying: (@Sendable (WorldViewer) throws -> Void)? = nil
    ) throws -> Play {
        let place = try TemporaryDirectory()
        let events = Guarded<[Event]>([])
        var configuration = Configuration(origins: urls.map { Origin(url: $0) })
        configuration.buffer = buffer
        configuration.pacing = pacing
        configure(&configuration)
        let viewer = WorldViewer()
        let stream = try ResilientStream(
            configuration: configuration,
            outputs: [Output.file(path: place.path("frames"), format: "framehash", decoded: true)]
                + containers.map { .file(path: place.path("output.\($0)")) }
        ) { event in
            events.withLock { $0.append(event) }
            if case .playing = event.kind { viewer.sees(.playing) }
        }
        viewer.stream.withLock { $0 = stream }
        let failure = Guarded<(any Error)?>(nil)
        let beside = whilePlaying.map { act in
            WorkerThread(name: "viewer") {
                guard viewer.waits(for: .playing) else { return }
                do { try act(viewer) } catch { failure.withLock { $0 = error } }
            }
        }
        at(now + patience) { stream.stop() }
        let summary = play(stream)
        viewer.sees(.over)
        beside?.join()
        if let failure = failure.withLock({ $0 }) { throw failure }
        // A stream that never began has no outputs.
        let frames = (try? Frames(framehash: text(of: place.path("frames")))) ?? Frames(framehash: "")
        return Play(summary: summary, frames: frames, events: events.withLock { $0 }, place: place)
    }

    /// An origin of one file of the fixtures, or any other, at ``ThroughlineLab/HTTPOrigin/film``.
    ///
    /// - Parameters:
    ///   - pace: how fast it delivers, as a multiple of the rate at which the file is played; nil for as fast as is taken.
    ///   - burst: how much of the film comes before the pace counts.
    ///   - seconds: how long the film is.
    ///   - link: what the way to it is like.
    func origin(
        _ file: String, _ faults: [String] = [], pace: Rate? = Rate(5, 4), burst: Duration = .seconds(1),
        isShared: Bool = false, seconds: Int = Fixtures.seconds, link: NetworkLink = NetworkLink()
    ) throws -> HTTPOrigin {
        let path = file.hasPrefix("/") ? file : Fixtures.path(file)
        var options = HTTPOrigin.Options()
        if let pace {
            let second = try size(of: path) / seconds
            options.pacing = Pacing(
                bytesPerSecond: second * Int(pace.numerator) / Int(pace.denominator),
                burst: second * Int(burst.milliseconds) / 1000, isShared: isShared)
        }
        return try serve(
            ["/film": ServedFile(path: path)], faults: faults.map { try Fault(parsing: $0) }, options: options,
            link: link)
    }
}

extension HTTPOrigin {
    /// The address of what an origin of a world serves.
    var film: String { url(for: "/film") }
}

/// What somebody beside a play in a world does, one thing after the other, on a thread of that world.
final class WorldViewer: Sendable {
    enum Moment: Int, Comparable {
        case none, playing, over
        static func < (a: Moment, b: Moment) -> Bool { a.rawValue < b.rawValue }
    }

    private let moment = Guarded(Moment.none)
    fileprivate let stream = Guarded<ResilientStream?>(nil)

    fileprivate func sees(_ next: Moment) { moment.withLockAndWake { $0 = max($0, next) } }

    fileprivate func waits(for next: Moment) -> Bool {
        moment.wait { moment, _ in moment >= next ? moment < .over : nil }
    }

    var player: ResilientStream {
        guard let stream = stream.withLock({ $0 }) else { preconditionFailure("nothing is played yet") }
        return stream
    }

    /// Lets time go by; false when the play is over before.
    @discardableResult func waits(_ time: Duration) -> Bool {
        moment.wait(until: .now + time) { $0 == .over ? true : nil } == nil
    }

    /// Waits until something is so, as seen each millisecond; false when the play ends before.
    func waits(until isSo: (ResilientStream) -> Bool) -> Bool {
        let stream = player
        while !isSo(stream) { guard waits(.milliseconds(1)) else { return false } }
        return true
    }

    /// Waits until this much of the presentation was presented; false when the play ended before.
    func reaches(_ npt: NPT) -> Bool { waits { ($0.status.npt ?? .zero) >= npt } }
}

extension Play {
    /// Plays origins of a world to their end, decoded, in virtual time.
    ///
    /// - Parameters:
    ///   - seed: of the world.
    ///   - arrange: starts the origins and gives their URLs; on a thread of the world.
    ///   - whilePlaying: runs beside the play, on a thread of the world, from the first packet on.
    static func inWorld(
        seed: UInt64, buffer: Duration = .seconds(1), pacing: Configuration.Pacing = .realtime,
        configure: @escaping @Sendable (inout Configuration) -> Void = { _ in },
        arrange: @escaping @Sendable (SimulatedWorld) throws -> [String],
        whilePlaying: (@Sendable (WorldViewer) throws -> Void)? = nil
    ) async throws -> Play {
        try await InteropTests.inWorld(seed: seed) { world in
            try world.play(
                arrange(world), buffer: buffer, pacing: pacing, configure: configure, whilePlaying: whilePlaying)
        }
    }
}
