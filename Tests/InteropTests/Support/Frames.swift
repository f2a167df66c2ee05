internal import ThroughlineCore

/// What a play shows and sounds: each decoded frame as its time and the hash of its content, flow by flow.
struct Frames: Equatable, Sendable {
    struct Frame: Equatable, Sendable {
        let pts: Int64
        let hash: Substring
    }

    struct Flow: Equatable, Sendable {
        var timeBase = ""
        var media = ""
        var frames: [Frame] = []

        /// When a frame is shown, in seconds.
        func seconds(_ frame: Frame) -> Double {
            let parts = timeBase.split(separator: "/").compactMap { Double($0) }
            return parts.count == 2 ? Double(frame.pts) * parts[0] / parts[1] : .nan
        }
    }

    fileprivate(set) var flows: [Flow] = []

    /// The text that libavformat's `framehash` writes.
    init(framehash text: String) {
        for line in text.split(separator: "\n") {
            if line.hasPrefix("#") {
                let words = line.dropFirst().split(separator: " ")
                guard words.count == 3, words[1].hasSuffix(":"), let index = Int(words[1].dropLast()) else { continue }
                while flows.count <= index { flows.append(Flow()) }
                switch words[0] {
                case "tb": flows[index].timeBase = String(words[2])
                case "media_type": flows[index].media = String(words[2])
                default: break
                }
                continue
            }
            let fields = line.split(separator: ",").map { $0.drop { $0 == " " } }
            guard fields.count >= 6, let index = Int(fields[0]), index < flows.count, let pts = Int64(fields[2]) else {
                continue
            }
            flows[index].frames.append(Frame(pts: pts, hash: fields[5]))
        }
    }

    /// The same from a file. It takes a while, in which the threads of tasks have to see to plays.
    static func read(_ path: String) async throws -> Frames {
        try await blocking { Frames(framehash: try text(of: path)) }
    }

    /// What another play has that this one has not, in words; nil when they are the same.
    ///
    /// - Parameter tolerance: seconds by which the times may differ; nil compares no times.
    func difference(from other: Frames, tolerance: Double? = 0) -> String? {
        if flows.count != other.flows.count { return "\(flows.count) flows, not \(other.flows.count)" }
        for (index, (mine, theirs)) in zip(flows, other.flows).enumerated() {
            for (number, (a, b)) in zip(mine.frames, theirs.frames).enumerated() {
                if a.hash != b.hash {
                    let place = theirs.frames.firstIndex { $0.hash == a.hash }
                    return "flow \(index) (\(mine.media)): frame \(number) of \(mine.frames.count) at \(a.pts) "
                        + (place.map { "is frame \($0)" } ?? "is unknown") + " (\(theirs.frames.count) expected)"
                }
                let (here, there) = (mine.seconds(a), theirs.seconds(b))
                if let tolerance, abs(here - there) > tolerance + 1e-9 {
                    return "flow \(index) (\(mine.media)): frame \(number) at \(here) s, not at \(there) s"
                }
            }
            if mine.frames.count != theirs.frames.count {
                return "flow \(index) (\(mine.media)): \(mine.frames.count) frames, not \(theirs.frames.count)"
            }
        }
        return nil
    }

    /// Only the flows of a kind.
    func only(_ media: String) -> Frames {
        var result = self
        result.flows = flows.filter { $0.media == media }
        return result
    }

    /// Whether the times of every flow rise.
    var timesRise: Bool {
        flows.allSatisfy { flow in zip(flow.frames, flow.frames.dropFirst()).allSatisfy { $0.pts < $1.pts } }
    }

    /// What FFmpeg's command shows of a file or an address.
    ///
    /// - Parameter options: what stands before the input.
    static func byFFmpeg(
        _ path: String, options: [String] = [], ignoringErrors: Bool = false
    ) async throws -> Frames {
        let tool = try await Tool.run(
            ["ffmpeg", "-v", "error", "-nostdin"] + options + [
                "-i", path, "-map", "0:v?", "-map", "0:a", "-c:a", "pcm_f32le",
                "-vsync", "passthrough", "-enc_time_base:v", "-1", "-f", "framehash", "-",
            ])
        guard ignoringErrors || (tool.status == 0 && tool.errors.isEmpty) else {
            throw SupportFailure(description: "ffmpeg says of \(path): \(tool.errors)")
        }
        return try await blocking { Frames(framehash: tool.output) }
    }
}

extension Frames {
    /// All flows but one.
    func without(_ flow: Int?) -> Frames {
        var result = self
        if let flow, flow < flows.count { result.flows.remove(at: flow) }
        return result
    }
}
