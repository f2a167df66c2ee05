internal import Testing
internal import Throughline

/// The plays that all others are compared with, compared with FFmpeg's own.
@Suite("An uninterrupted play") struct UninterruptedTests {
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
}
