internal import Testing
internal import Throughline
internal import ThroughlineLab

/// The plays that all others are compared with, compared with FFmpeg's own.
@Suite("An uninterrupted play", .inSlots) struct UninterruptedTests {
    @Test(
        "decodes to the frames that ffmpeg decodes", .timeLimit(.minutes(25)),
        arguments: FaultMatrixTests.Cell.files + [
            "hevc.mp4", "hevc.ts", "opengop.mp4", "opengop.ts", "vfr.mp4", "vfr.mkv",
        ])
    func isWhatFFmpegDecodes(_ file: String) async throws {
        let mine = try await References.shared.frames(file)
        let theirs = try await Frames.byFFmpeg(Fixtures.path(file))
        let difference = mine.difference(from: theirs, tolerance: nil)
        #expect(difference == nil)
        #expect(mine.flows.allSatisfy { !$0.frames.isEmpty })
        #expect(mine.timesRise)
    }

    /// The demuxer goes back and forth between the flows of a fragment.
    @Test("asks for a file whose flows lie one after another once", .timeLimit(.minutes(25)))
    func asksOnce() async throws {
        let origin = try await HTTPOrigin.start(serving: ["/main.mp4": Fixtures.path("main-fragmented.mp4")])
        let play = try await Play.run([origin.url(for: "/main.mp4")], pacing: .fast)
        #expect(play.summary.error == nil, "\(play.story)")
        // The second is for what was read to know the flows, before they were wanted; the third asks whether it has grown.
        #expect(origin.log.count <= 3, "\(origin.log)")
    }
}
