internal import Testing
internal import ThroughlineCore
internal import ThroughlineMedia

@testable internal import Throughline

/// What a container that cannot hold the flows is answered with.
@Suite struct ContainerFitTests {
    private func refusal(_ fixture: String, name: String?, format: String? = nil) throws -> String {
        ContainerFit(format: format, name: name, flows: try FixtureReader(fixture).flows).refusal("Invalid argument")
    }

    @Test func whatCannotBeHeldIsNamedAndSoIsTheRemedy() throws {
        let text = try refusal("main.mp4", name: "films/x.webm")
        #expect(text.hasPrefix("webm cannot hold video h264"), "\(text)")
        #expect(text.hasSuffix("; name films/x.mkv"), "\(text)")
    }

    @Test func flowsThatCanBeHeldAloneAreSelected() throws {
        let text = try refusal("audio.aac", name: nil, format: "mp3")
        #expect(text.contains("--format matroska"), "\(text)")
        let sound = try refusal("main.mkv", name: "x.caf")
        #expect(sound.contains("name x.mkv"), "\(sound)")
    }
}
