internal import Testing
internal import Throughline
internal import ThroughlineCore

/// One encode in two containers: the server of the first dies, and the second goes on with the very next packet.
struct ContainerPair: Sendable, CustomTestStringConvertible {
    let from: String
    let to: String
    /// Whether the second server, too, is no faster than a streaming server must be.
    var isPaced = false
    /// Percent of the bytes, where the first one dies.
    var place = 33
    var testDescription: String { "\(from) to \(to) at \(place) %" + (isPaced ? ", paced" : "") }

    /// What is written beside what is decoded.
    static let containers = ["ts", "mkv", "mp4"]

    static let all = [
        ContainerPair(from: "main.mp4", to: "main.ts"), ContainerPair(from: "main.ts", to: "main.mp4"),
        ContainerPair(from: "main.mkv", to: "main.mp4"), ContainerPair(from: "main.mp4", to: "main.mkv"),
        ContainerPair(from: "main.mp4", to: "main-fragmented.mp4"),
        ContainerPair(from: "main-fragmented.mp4", to: "main.ts"),
        ContainerPair(from: "main.ts", to: "offset.ts"), ContainerPair(from: "hevc.mp4", to: "hevc.ts"),
        ContainerPair(from: "hevc.ts", to: "hevc.mp4"), ContainerPair(from: "opengop.mp4", to: "opengop.ts"),
        ContainerPair(from: "opengop.ts", to: "opengop.mp4"), ContainerPair(from: "vfr.mp4", to: "vfr.mkv"),
        ContainerPair(from: "main.mp4", to: "main.ts", isPaced: true),
        ContainerPair(from: "main.ts", to: "main.mp4", isPaced: true),
        ContainerPair(from: "main.mp4", to: "main-fragmented.mp4", isPaced: true),
        // A transport stream has its pictures up to half a second ahead of the sound: an index leads behind them.
        ContainerPair(from: "main.mp4", to: "main.ts", place: 25),
        ContainerPair(from: "main.mp4", to: "main.ts", place: 41),
        ContainerPair(from: "main.ts", to: "main.mp4", place: 25),
        ContainerPair(from: "main.mkv", to: "main.ts", place: 47),
    ]

    /// Records what is not as the first would have gone on.
    ///
    /// - Parameter isTimed: whether the viewer may not wait either. In real time the machine may be busy: finding the place to
    ///   join is what a handoff computes longest.
    func check(_ play: Play, isTimed: Bool) async throws {
        let whole = try await Wholes.shared.whole(from)
        let summary = play.summary
        #expect(summary.error == nil, "\(play.story)")
        #expect(summary.handoffCount == 1, "\(play.story)")
        let handoff = try #require(summary.handoffs.first)
        #expect(handoff.grade == .packetExact, "\(play.story)")
        #expect(summary.duplicate == .zero, "\(play.story)")
        if isTimed { #expect(summary.gapTotal == .zero, "\(play.story)") }
        // A flow that the alternate lacks ends where the first died; the others are compared to their ends.
        let lacking = to == "offset.ts" ? 1 : nil  // eng
        expectMissing(play, flow: lacking)
        let (mine, theirs) = (play.frames.without(lacking), whole.frames.without(lacking))
        // Matroska's times are whole milliseconds, each of them and the place of the join.
        let tolerance = from.hasSuffix("mkv") || to.hasSuffix("mkv") ? 0.0025 : 0.0005
        let difference = mine.difference(from: theirs, tolerance: tolerance)
        #expect(difference == nil, "\(play.story)")
        #expect(play.frames.timesRise, "\(play.story)")
        for container in Self.containers {
            // FFmpeg reads all of it without a complaint.
            let (mine, theirs) = (
                try await Frames.byFFmpeg(play.output(container)).without(lacking),
                (whole.written[container] ?? Frames(framehash: "")).without(lacking)
            )
            let difference = mine.difference(from: theirs, tolerance: 0.0025)
            #expect(difference == nil, "\(container)\n\(play.story)")
            #expect(mine.timesRise, "\(container)")
        }
    }
}

/// Uninterrupted local plays and what FFmpeg reads of their outputs, made once for each file.
private actor Wholes {
    struct Whole: Sendable {
        let frames: Frames
        let written: [String: Frames]
    }

    static let shared = Wholes()
    private var made: [String: Task<Whole, any Error>] = [:]

    func whole(_ file: String) async throws -> Whole {
        if let task = made[file] { return try await task.value }
        let task = Task {
            let play = try await Play.run(
                [Fixtures.path(file)], pacing: .fast, containers: ContainerPair.containers)
            guard play.summary.error == nil else {
                throw SupportFailure(description: "\(file) does not play: \(play.story)")
            }
            var written: [String: Frames] = [:]
            for container in ContainerPair.containers {
                written[container] = try await Frames.byFFmpeg(play.output(container))
            }
            return Whole(frames: play.frames, written: written)
        }
        made[file] = task
        return try await task.value
    }
}
