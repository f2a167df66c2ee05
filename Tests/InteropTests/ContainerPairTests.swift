internal import Testing
internal import Throughline
internal import ThroughlineCore

/// One encode in two containers: the server of the first dies, and the second goes on with the very next packet.
@Suite("The same encode in another container", .inSlots) struct ContainerPairTests {
    struct Pair: Sendable, CustomTestStringConvertible {
        let from: String
        let to: String
        /// Whether the second server, too, is no faster than a streaming server must be.
        var isPaced = false
        /// Percent of the bytes, where the first one dies.
        var place = 33
        var testDescription: String { "\(from) to \(to) at \(place) %" + (isPaced ? ", paced" : "") }
    }

    static let pairs = [
        Pair(from: "main.mp4", to: "main.ts"), Pair(from: "main.ts", to: "main.mp4"),
        Pair(from: "main.mkv", to: "main.mp4"), Pair(from: "main.mp4", to: "main.mkv"),
        Pair(from: "main.mp4", to: "main-fragmented.mp4"), Pair(from: "main-fragmented.mp4", to: "main.ts"),
        Pair(from: "main.ts", to: "offset.ts"), Pair(from: "hevc.mp4", to: "hevc.ts"),
        Pair(from: "hevc.ts", to: "hevc.mp4"), Pair(from: "opengop.mp4", to: "opengop.ts"),
        Pair(from: "opengop.ts", to: "opengop.mp4"), Pair(from: "vfr.mp4", to: "vfr.mkv"),
        Pair(from: "main.mp4", to: "main.ts", isPaced: true), Pair(from: "main.ts", to: "main.mp4", isPaced: true),
        Pair(from: "main.mp4", to: "main-fragmented.mp4", isPaced: true),
        // A transport stream has its pictures up to half a second ahead of the sound: an index leads behind them.
        Pair(from: "main.mp4", to: "main.ts", place: 25), Pair(from: "main.mp4", to: "main.ts", place: 41),
        Pair(from: "main.ts", to: "main.mp4", place: 25), Pair(from: "main.mkv", to: "main.ts", place: 47),
    ]

    @Test("goes on with the next packet, and every output is whole", .timeLimit(.minutes(25)), arguments: pairs)
    func joins(_ pair: Pair) async throws {
        let whole = try await Play.run(
            [Fixtures.path(pair.from)], pacing: .fast, containers: ["ts", "mkv", "mp4"])
        #expect(whole.summary.error == nil)
        let first = try await DyingOrigin.start(pair.from, at: pair.place)
        let second =
            pair.isPaced ? try await NginxServer.start(for: pair.to) : try await NginxServer.start()
        let play = try await Play.run(
            [first.url, second.url(pair.to)], buffer: .seconds(2), containers: ["ts", "mkv", "mp4"])
        let summary = play.summary
        #expect(summary.error == nil, "\(play.story)")
        #expect(summary.handoffCount == 1, "\(play.story)")
        let handoff = try #require(summary.handoffs.first)
        #expect(handoff.grade == .packetExact, "\(play.story)")
        #expect(summary.duplicate == .zero, "\(play.story)")
        #expect(summary.gapTotal == .zero, "\(play.story)")
        // A flow that the alternate lacks ends where the first died; the others are compared to their ends.
        let lacking = pair.to == "offset.ts" ? 1 : nil  // eng
        expectMissing(play, flow: lacking)
        let (mine, theirs) = (play.frames.without(lacking), whole.frames.without(lacking))
        // Matroska's times are whole milliseconds, each of them and the place of the join.
        let tolerance = pair.from.hasSuffix("mkv") || pair.to.hasSuffix("mkv") ? 0.0025 : 0.0005
        let difference = mine.difference(from: theirs, tolerance: tolerance)
        #expect(difference == nil, "\(play.story)")
        #expect(play.frames.timesRise, "\(play.story)")
        for container in ["ts", "mkv", "mp4"] {
            // FFmpeg reads all of it without a complaint.
            let (mine, theirs) = (
                try await Frames.byFFmpeg(play.output(container)).without(lacking),
                try await Frames.byFFmpeg(whole.output(container)).without(lacking)
            )
            let difference = mine.difference(from: theirs, tolerance: 0.0025)
            #expect(difference == nil, "\(container)\n\(play.story)")
            #expect(mine.timesRise, "\(container)")
        }
    }
}
