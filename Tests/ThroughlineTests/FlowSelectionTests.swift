internal import Testing
internal import ThroughlineCore

@testable internal import Throughline

/// What is chosen of the flows of a stream.
@Suite struct FlowSelectionTests {
    private struct Flow {
        let kind: FlowKind
        var language: String?
    }

    private let flows = [
        Flow(kind: .video), Flow(kind: .audio, language: "eng"), Flow(kind: .audio, language: "deu"),
        Flow(kind: .subtitle), Flow(kind: .audio),
    ]

    /// The indices of what a selector selects.
    private func selected(_ selector: FlowSelector) -> [Int] {
        flows.indices.filter { index in
            let number = flows[...index].count { $0.kind == flows[index].kind }
            return selector.selects(
                flows[index].kind, language: flows[index].language, number: number, index: index)
        }
    }

    @Test(
        "Words select by kind, language, number and index",
        arguments: [
            ("video", [0]), ("audio", [1, 2, 4]), ("audio:2", [2]), ("audio:3", [4]), ("audio:4", []),
            ("audio:de", [2]),
            ("audio:ger", [2]), ("audio:DEU", [2]), ("audio:en", [1]), ("audio:fr", []), ("audio:und", [4]),
            ("subtitle:1", [3]), ("3", [3]), ("0", [0]), ("9", []),
        ])
    func words(_ words: String, _ indices: [Int]) throws {
        #expect(selected(try #require(FlowSelector(words: words))) == indices)
    }

    @Test(
        "Other words are refused",
        arguments: [
            "", "smell", "audio:", ":de", "audio:0", "audio:-1", "audio:2:de", "-1", "video,audio", "12345", "audio:x",
        ])
    func refused(_ words: String) { #expect(FlowSelector(words: words) == nil) }

    @Test("Values that are nil select any") func values() {
        #expect(selected(FlowSelector()) == [0, 1, 2, 3, 4])
        #expect(selected(FlowSelector(language: "en")) == [1])
        #expect(selected(FlowSelector(.audio, language: "de", number: 2)) == [2])
        #expect(selected(FlowSelector(.audio, language: "de", number: 1)) == [])
    }
}
