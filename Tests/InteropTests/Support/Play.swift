internal import Testing
internal import Throughline
internal import ThroughlineCore

/// One play and all that came of it.
struct Play: Sendable {
    let summary: Summary
    let frames: Frames
    let events: [Event]
    let place: TemporaryDirectory

    /// The container that was asked for beside the decoded frames.
    func output(_ format: String) -> String { place.path("output.\(format)") }

    /// Plays origins in this process to their end, decoded.
    ///
    /// - Parameters:
    ///   - containers: further outputs, by extension.
    ///   - patience: when the play is stopped.
    ///   - whilePlaying: runs beside the play from the first packet on.
    static func run(
        _ urls: [String], buffer: Duration = .seconds(1), pacing: Configuration.Pacing = .realtime,
        containers: [String] = [], also outputs: [Output] = [], patience: Duration = .seconds(40),
        configure: (inout Configuration) -> Void = { _ in },
        whilePlaying: (@Sendable (ResilientStream) async -> Void)? = nil
    ) async throws -> Play {
        var configuration = Configuration(origins: urls.map { Origin(url: $0) })
        configuration.buffer = buffer
        configuration.pacing = pacing
        configure(&configuration)
        let place = try TemporaryDirectory()
        let outputs =
            [Output.file(path: place.path("frames"), format: "framehash", decoded: true)]
            + containers.map { .file(path: place.path("output.\($0)")) } + outputs
        let events = Guarded<[Event]>([])
        let (playing, began) = AsyncStream<Void>.makeStream()
        let stream = try ResilientStream(configuration: configuration, outputs: outputs) { event in
            events.withLock { $0.append(event) }
            if case .playing = event.kind { began.finish() }
        }
        async let beside: Void = {
            for await _ in playing {}
            await whilePlaying?(stream)
        }()
        // A play that hangs fails its own test, and lets the others go on.
        let limit = Task {
            try await Task.sleep(for: patience)
            stream.stop()
        }
        let summary = await stream.run()
        limit.cancel()
        began.finish()
        await beside
        // A stream that never began has no outputs.
        let frames = (try? await Frames.read(place.path("frames"))) ?? Frames(framehash: "")
        return Play(summary: summary, frames: frames, events: events.withLock { $0 }, place: place)
    }

    /// All of the story, for a test that failed.
    var story: String {
        var lines = events.map { "\($0.time) \($0.kind)" }
        lines.append(
            "error \(summary.error.map { "\($0)" } ?? "none"); handoffs \(summary.handoffCount); gap "
                + "\(summary.gapTotal) in \(summary.gaps.count); missing \(summary.missing); duplicate "
                + "\(summary.duplicate); reopened \(summary.reopenCount); elapsed \(summary.elapsed)")
        return lines.joined(separator: "\n")
    }
}

extension ResilientStream {
    /// Waits until this much of the presentation was presented; false when the play ended before.
    func reaches(_ npt: NPT) async -> Bool {
        while (status.npt ?? .zero) < npt {
            if Task.isCancelled { return false }
            do { try await Task.sleep(for: .milliseconds(10)) } catch { return false }
        }
        return true
    }
}

/// Uninterrupted local plays, made once for each file.
actor References {
    static let shared = References()
    private var made: [String: Task<Frames, any Error>] = [:]

    func frames(_ file: String) async throws -> Frames {
        if let task = made[file] { return try await task.value }
        let task = Task {
            let play = try await Play.run([Fixtures.path(file)], pacing: .fast)
            guard play.summary.error == nil else {
                throw SupportFailure(description: "\(file) does not play: \(play.story)")
            }
            return play.frames
        }
        made[file] = task
        return try await task.value
    }
}

/// Nothing is missing but one flow, which the alternate lacks: that from the handoff on, and said so.
func expectMissing(_ play: Play, flow lacking: Int?, sourceLocation: SourceLocation = #_sourceLocation) {
    let summary = play.summary
    for flow in summary.flows where flow.description.index != lacking {
        #expect(flow.missing == .zero, "flow \(flow.description.index)\n\(play.story)", sourceLocation: sourceLocation)
    }
    guard let lacking else {
        #expect(summary.missing == .zero, "\(play.story)", sourceLocation: sourceLocation)
        return
    }
    #expect(summary.missing > .seconds(2), "\(play.story)", sourceLocation: sourceLocation)
    #expect(summary.missing == summary.flows[lacking].missing, "\(play.story)", sourceLocation: sourceLocation)
    #expect(summary.defects.map(\.flows) == [[lacking]], "\(play.story)", sourceLocation: sourceLocation)
    #expect(summary.defects.map(\.isAtJoin) == [true], "\(play.story)", sourceLocation: sourceLocation)
}
