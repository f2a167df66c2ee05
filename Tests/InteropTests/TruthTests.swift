internal import FoundationEssentials
internal import Testing
internal import Throughline
internal import ThroughlineCore

/// Reports say what was missing and damaged, whatever caused it, and nothing of what is whole.
@Suite("Reports tell the truth", .inSlots) struct TruthTests {
    /// Plays a file as fast as possible, to nowhere.
    private static func play(
        _ path: String, configure: (inout Configuration) -> Void = { _ in }
    ) async throws -> Summary {
        var configuration = Configuration(origins: [Origin(url: path)])
        configuration.pacing = .fast
        configure(&configuration)
        return await (try ResilientStream(configuration: configuration)).run()
    }

    private static let whole = [
        "main.mp4", "main-faststart.mp4", "main-fragmented.mp4", "main.ts", "main.mkv", "offset.ts", "wrap.ts",
        "data.ts",
        "klv.ts", "edits.mp4", "other.mp4", "other.ts", "opengop.mp4", "opengop.ts", "other-opengop.mp4", "hevc.mp4",
        "hevc.ts", "vfr.mp4", "vfr.mkv", "wrong.mp4", "subs.mkv", "audio.mp3", "audio-other.mp3", "audio-wrong.mp3",
        "audio.aac",
    ]

    @Test("nothing is reported of media that is whole", .timeLimit(.minutes(25)), arguments: whole)
    func nothingIsInvented(_ file: String) async throws {
        let summary = try await Self.play(Fixtures.path(file))
        #expect(summary.error == nil && summary.missing == .zero && summary.damagedPackets == 0)
        #expect(summary.defects.isEmpty && summary.warnings.isEmpty && summary.visibleGap == .zero)
        let length: MediaTime = file == "edits.mp4" ? .milliseconds(8900) : .seconds(12)
        #expect((summary.played - length).magnitude < .milliseconds(100), "\(summary.played)")
    }

    @Test("a second cut out of a transport stream is a second missing", .timeLimit(.minutes(25)), arguments: [0, 57])
    func aCutSecond(_ offset: Int) async throws {
        let place = try TemporaryDirectory()
        let file = place.path("cut.ts")
        let bytes = [UInt8](try Data(contentsOf: URL(filePath: Fixtures.path("main.ts"))))
        let second = bytes.count / 12 / 188 * 188
        try Data(bytes[..<(second * 5 + offset)] + bytes[(second * 6)...]).write(to: URL(filePath: file))
        let summary = try await Self.play(file)
        let story = "\(summary.defects) \(summary.flows.map(\.missing))"
        #expect(summary.error == nil)
        for flow in summary.flows {
            #expect((flow.missing - .seconds(1)).magnitude < .milliseconds(450), "\(story)")
        }
        // The flows of a transport stream lie up to half a second apart: so do their holes.
        #expect(summary.missing > .milliseconds(900) && summary.missing < .milliseconds(1700), "\(story)")
        #expect(summary.defects.first { $0.kind == .missing }?.flows == [0, 1, 2], "\(story)")
        #expect(summary.defects.allSatisfy { $0.origin == OriginID(0) && !$0.isAtJoin }, "\(story)")
        #expect(summary.origins.first?.missing == summary.missing && summary.visibleGap == summary.missing.duration)
        #expect(summary.played < .milliseconds(11_200), "\(summary.played)")
    }

    @Test("packets that lack in the middle of a picture are damage", .timeLimit(.minutes(25)))
    func aPictureThatLacksPackets() async throws {
        let place = try TemporaryDirectory()
        let file = place.path("damaged.ts")
        let bytes = [UInt8](try Data(contentsOf: URL(filePath: Fixtures.path("main.ts"))))
        let packets = stride(from: 0, to: bytes.count - 187, by: 188).map { bytes[$0..<($0 + 188)] }
        func pid(_ packet: ArraySlice<UInt8>) -> Int {
            Int(packet[packet.startIndex + 1] & 0x1F) << 8 | Int(packet[packet.startIndex + 2])
        }
        func begins(_ packet: ArraySlice<UInt8>) -> Bool { packet[packet.startIndex + 1] & 0x40 != 0 }
        let pictures = packets.indices.filter { pid(packets[$0]) == 0x100 }
        // A picture of six packets or more.
        let first = try #require(
            pictures.indices.dropFirst(200).first { index in
                begins(packets[pictures[index]]) && index + 6 < pictures.count
                    && !(1...6).contains { begins(packets[pictures[index + $0]]) }
            })
        let dropped = Set([pictures[first + 2], pictures[first + 3]])
        let kept = packets.indices.filter { !dropped.contains($0) }.flatMap { packets[$0] }
        try Data(kept).write(to: URL(filePath: file))
        let summary = try await Self.play(file)
        #expect(summary.error == nil && summary.missing == .zero)
        #expect(summary.damaged == .milliseconds(40) && summary.damagedPackets == 1)
        #expect(summary.flows.map(\.damagedPackets) == [1, 0, 0] && summary.origins.first?.damagedPackets == 1)
        #expect(summary.defects.map(\.kind) == [.damaged])
    }

    @Test("what is played is what was presented", .timeLimit(.minutes(25)))
    func played() async throws {
        let part = try await Self.play(Fixtures.path("main.mp4")) {
            $0.from = .seconds(4)
            $0.to = .milliseconds(5500)
        }
        // The last picture is shown up to 5.52 s.
        #expect(part.played == .milliseconds(1520) && part.missing == .zero, "\(part.played)")
        // The key frame before lies at 4 s.
        let middle = try await Self.play(Fixtures.path("main.mp4")) {
            $0.from = .seconds(5)
            $0.to = .milliseconds(6500)
        }
        #expect(middle.played == .milliseconds(1520) && middle.missing == .zero, "\(middle.played)")
        #expect(middle.flows[0].packets > 38, "the pictures from the key frame on are put out")
    }

    @Test("sound that ends before the pictures is missing where nothing says that it was to", .timeLimit(.minutes(25)))
    func soundThatEnds() async throws {
        let place = try TemporaryDirectory()
        let file = place.path("early.ts")
        let bytes = [UInt8](try Data(contentsOf: URL(filePath: Fixtures.path("main.ts"))))
        let packets = stride(from: 0, to: bytes.count - 187, by: 188).map { bytes[$0..<($0 + 188)] }
        let kept = packets.enumerated().filter { index, packet in
            let pid = Int(packet[packet.startIndex + 1] & 0x1F) << 8 | Int(packet[packet.startIndex + 2])
            return pid != 0x101 || index < packets.count / 3 * 2
        }
        try Data(kept.flatMap(\.element)).write(to: URL(filePath: file))
        let summary = try await Self.play(file)
        #expect(summary.error == nil && summary.defects.map(\.flows) == [[1]], "\(summary.defects)")
        #expect((summary.missing - .seconds(4)).magnitude < .milliseconds(600), "\(summary.missing)")
        #expect(summary.flows[1].missing == summary.missing && summary.flows[0].missing == .zero)
    }
}
