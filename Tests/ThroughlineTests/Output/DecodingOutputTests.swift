internal import Foundation
internal import Testing
internal import ThroughlineCore
internal import ThroughlineMedia

@testable internal import Throughline

@Suite(.timeLimit(.minutes(25))) struct DecodingOutputTests {
    /// Hashes of all decoded frames, by flow of the output.
    static func hashes(_ name: String, selecting: (FlowFormat) -> Bool = { _ in true }) throws -> [[String]] {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("throughline-\(UUID()).framehash").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let reader = try FixtureReader(name)
        let flows = reader.flows.filter(selecting)
        reader.demuxer.select(selecting)
        let output = try DecodingOutput(
            .file(path: path, format: "framehash", decoded: true), flows: flows, stop: .init())
        while let packet = try reader.read() { try output.write(packet) }
        try output.flush()
        try output.finish()
        #expect(output.errorCount == 0)
        let text = try String(contentsOfFile: path, encoding: .utf8)
        var hashes: [[String]] = []
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            let fields = line.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
            guard fields.count >= 6, let flow = Int(fields[0]) else { continue }
            while hashes.count <= flow { hashes.append([]) }
            hashes[flow].append(fields[5])
        }
        return hashes
    }

    @Test(arguments: ["main.ts", "main.mkv", "main-fragmented.mp4"])
    func framesAreTheSameFromEveryContainer(_ name: String) throws {
        let main = try Self.hashes("main.mp4")
        let other = try Self.hashes(name)
        #expect(main[0].count == 300)
        #expect(main[0] == other[0])
        #expect(Set(main[0]).count == 300, "no two pictures are alike")
        for flow in 1...2 {
            // MP4 says that the first frame of sound is the encoder's priming, and is not to be heard.
            #expect(main[flow].suffix(500) == other[flow].suffix(500))
            #expect(other[flow].count - main[flow].count <= 1)
        }
    }

    @Test func whatIsNotDecodedIsSaid() throws {
        let reader = try FixtureReader("main.mp4")
        let output = try DecodingOutput(
            .file(path: "/dev/null", format: "framehash", decoded: true), flows: reader.flows, stop: .init())
        #expect(output.warnings.count == 1)
        #expect(output.warnings[0].hasPrefix("subtitle mov_text"))
        try output.finish()
    }

    @Test func oneFlowOfSeveralCanBeDecoded() async {
        await #expect(processExitsWith: .success) {
            let reader = try FixtureReader("main.mp4")
            let output = try DecodingOutput(
                .file(path: "/dev/null", format: "framehash", decoded: true), flows: [reader.flows[1]], stop: .init())
            while let packet = try reader.read() { try output.write(packet) }
            try output.finish()
            try #require(output.frames.reduce(0, +) == 563)
        }
    }
}
