internal import Testing
internal import Throughline
internal import ThroughlineCore

/// Two encodes of the same programme: joined at a key frame, with every picture shown once. Pictures carry their number.
struct EncodePair: Sendable, CustomTestStringConvertible {
    let from: String
    let to: String
    /// Whether the second server, too, is no faster than a streaming server must be.
    var isPaced = false
    var testDescription: String { "\(from) to \(to)" + (isPaced ? ", paced" : "") }

    /// What is written beside what is decoded.
    static let containers = ["mkv", "ts"]

    static let all = [
        EncodePair(from: "main.mp4", to: "other.mp4"), EncodePair(from: "main.ts", to: "other.ts"),
        EncodePair(from: "main.mp4", to: "other.ts"), EncodePair(from: "main.ts", to: "other.mp4"),
        EncodePair(from: "other.mp4", to: "main.mp4"), EncodePair(from: "main.mp4", to: "other-opengop.mp4"),
        EncodePair(from: "opengop.mp4", to: "other.mp4"),
        EncodePair(from: "main.mp4", to: "other.mp4", isPaced: true),
        EncodePair(from: "main.ts", to: "other.ts", isPaced: true),
    ]

    /// Records what is missing, shown twice or out of step.
    ///
    /// - Parameter isTimed: whether the viewer may not wait either. In real time the machine may be busy: finding the place to
    ///   join is what a handoff computes longest.
    func check(_ play: Play, isTimed: Bool) async throws {
        let summary = play.summary
        #expect(summary.error == nil, "\(play.story)")
        #expect(summary.handoffCount == 1, "\(play.story)")
        #expect(summary.handoffs.first?.grade == .frameAligned, "\(play.story)")
        expectMissing(play, flow: to == "other-opengop.mp4" ? 1 : nil)  // eng
        #expect(summary.duplicate == .zero, "\(play.story)")
        // A server that sends the programme in lumps of a second, hardly faster than it is played, cannot always bring
        // the pictures before the key frame in time. The wait is bounded, and nothing is lost by it.
        if isTimed { #expect(summary.gapTotal <= (isPaced ? .milliseconds(1500) : .zero), "\(play.story)") }
        for container in Self.containers {
            let numbers = try await pictureNumbers(play.output(container))
            #expect(numbers == Array(0..<300), "\(container): \(breaks(numbers))\n\(play.story)")
            let decoded = try await Frames.byFFmpeg(play.output(container))
            #expect(decoded.timesRise, "\(container)")
        }
        let video = try #require(play.frames.flows.first { $0.media == "video" })
        for (a, b) in zip(video.frames, video.frames.dropFirst()) {
            let step = video.seconds(b) - video.seconds(a)
            #expect(abs(step - 0.04) < 0.002, "a picture is shown for \(step) s at \(video.seconds(a))")
        }
        for (index, flow) in play.frames.flows.enumerated() where flow.media == "audio" {
            let length = zip(flow.frames, flow.frames.dropFirst()).map { flow.seconds($1) - flow.seconds($0) }
            let usual = length.sorted()[length.count / 2]
            for (step, frame) in zip(length, flow.frames) where step <= 0 || step > 2 * usual {
                Issue.record("flow \(index): a step of \(step) s at \(flow.seconds(frame)); usual is \(usual)")
            }
            // All of the programme is heard: within a frame.
            let end = flow.frames.last.map { flow.seconds($0) + usual } ?? 0
            let begin = flow.frames.first.map { flow.seconds($0) } ?? 0
            let heard = Double(flow.frames.count) * usual
            // Programmes without the second track end it where the first server died.
            if summary.warnings.isEmpty {
                #expect(abs(heard - (end - begin)) < 1.5 * usual, "flow \(index): \(heard) s in \(end - begin) s")
                #expect(end > 11.9, "flow \(index) ends at \(end)")
            }
        }
    }

    /// The numbers that the pictures of a file show, in the order in which they are shown.
    private func pictureNumbers(_ path: String) async throws -> [Int] {
        let place = try TemporaryDirectory()
        let raw = place.path("bar")
        let tool = try await Tool.run([
            "ffmpeg", "-v", "error", "-nostdin", "-i", path, "-map", "0:v", "-vf", "crop=160:16:0:0,format=gray",
            "-vsync", "passthrough", "-f", "rawvideo", raw,
        ])
        #expect(tool.errors.isEmpty, "ffmpeg says of \(path): \(tool.errors)")
        let luma = try bytes(of: raw)
        return stride(from: 0, to: luma.count - 160 * 16 + 1, by: 160 * 16).map { start in
            (0..<10).reduce(0) { $0 | (luma[start + 8 * 160 + 16 * $1 + 8] > 128 ? 1 << $1 : 0) }
        }
    }

    /// Where numbers do not follow each other.
    private func breaks(_ numbers: [Int]) -> String {
        var text: [String] = []
        if numbers.first != 0 { text.append("begins with \(numbers.first ?? -1)") }
        for (a, b) in zip(numbers, numbers.dropFirst()) where b != a + 1 { text.append("\(b) after \(a)") }
        return (text + ["\(numbers.count) pictures, the last \(numbers.last ?? -1)"]).joined(separator: ", ")
    }
}
