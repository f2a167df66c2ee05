internal import Testing
internal import ThroughlineCore
internal import ThroughlineMedia

@testable internal import Throughline

@Suite struct FlowMappingTests {
    @Test(
        arguments: [
            ("main.mp4", "main.mp4", [0, 1, 2, 3]), ("main.ts", "main.mp4", [0, 1, 2]),
            ("main.mp4", "main.ts", [0, 1, 2, nil]),
            // Its subtitles are in another codec.
            ("main.mkv", "main.mp4", [0, 1, 2, nil]),
            // One track of sound, the second of the other by language.
            ("offset.ts", "main.mp4", [0, 2]), ("main.mp4", "offset.ts", [0, nil, 1, nil]),
            ("hevc.mp4", "main.mp4", [nil, 2]), ("audio.mp3", "main.mp4", [nil]),
            ("other.mp4", "main.mkv", [0, 1, 2, nil]),
            ("subs.mkv", "main.mkv", [2, 3, nil]),
        ] as [(String, String, [Int?])])
    func eachFlowFindsItsOwn(_ incoming: String, _ outputs: String, _ expected: [Int?]) throws {
        let map = FlowMapping.map(try FixtureReader(incoming).flows, onto: try FixtureReader(outputs).flows)
        #expect(map == expected)
    }

    /// Before its first packet, MPEG audio over RTP is called layer 2.
    @Test func aLayerThatIsNotKnownYetIsNoOtherCodec() throws {
        let file = try FixtureReader("audio.mp3").flows
        let described = try RTPFixture("audio.mp3").reader().flows
        #expect(described.map(\.codecName) == ["mp2"])
        #expect(FlowMapping.map(described, onto: file) == [0])
    }

    @Test func languageBeforePlace() throws {
        let flows = try FixtureReader("main.mp4").flows
        // Only the second track of sound is played: it is not taken from the first.
        #expect(FlowMapping.map(flows, onto: [flows[2]]) == [nil, nil, 2, nil])
        #expect(FlowMapping.map(flows, onto: [flows[1]]) == [nil, 1, nil, nil])
    }

    @Test func aTrackWithoutALanguageGoesByPlace() throws {
        let aac = try FixtureReader("audio.aac").flows
        #expect(FlowMapping.map(aac, onto: try FixtureReader("audio.aac").flows) == [0])
        #expect(FlowMapping.map([], onto: aac) == [])
        #expect(FlowMapping.map(aac, onto: []) == [nil])
    }
}
