internal import Testing
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols
internal import ThroughlineTransport

@testable internal import Throughline

@Suite struct ByteIngestTests {
    /// The byte up to which the start of a stream is needed to know its flows.
    private func need(_ bytes: [UInt8], pace: Duration? = nil) -> Int? {
        var start = TransportStart()
        var now = Instant(nanoseconds: 0)
        var at = 0
        while at < bytes.count {
            let end = min(at + 188, bytes.count)
            let isEnough = bytes.withUnsafeBytes {
                start.feed(UnsafeRawBufferPointer(rebasing: $0[at..<end]), at: now)
            }
            if isEnough { return end }
            if let pace { now = now + pace }
            at = end
        }
        return nil
    }

    /// As far as the first frame of the last flow: the figures are those of `ffprobe -show_packets`.
    @Test(arguments: [("main.ts", 13_160), ("hevc.ts", 10_000), ("opengop.ts", 12_000), ("data.ts", 6_000)])
    func theFirstFramesTellTheFlows(_ name: String, most: Int) throws {
        let needed = try #require(need(try Fixture.bytes(name)))
        #expect(needed <= most, "\(needed)")
    }

    /// A flow that the map names and that brings nothing is not waited for.
    @Test(arguments: [nil, .milliseconds(5)] as [Duration?])
    func aSilentFlowIsNotWaitedFor(_ pace: Duration?) throws {
        let bytes = try Fixture.bytes("main.ts")
        var without: [UInt8] = []
        for at in stride(from: 0, to: bytes.count - 187, by: 188) {
            let pid = Int(bytes[at + 1] & 0x1F) << 8 | Int(bytes[at + 2])
            // The second flow of sound.
            if pid != 0x102 { without += bytes[at..<at + 188] }
        }
        let needed = try #require(need(without, pace: pace))
        // 28 kB are a second of it.
        #expect(needed < (pace == nil ? 240_000 : 70_000), "\(needed)")
    }

    @Test(arguments: [
        "main.mp4", "main-faststart.mp4", "main-fragmented.mp4", "main.ts", "main.mkv", "hevc.ts", "offset.ts",
    ])
    func aPlaceIsShownFromTheKeyFrameBefore(_ name: String) throws {
        for milliseconds: Int64 in [7_300, 6_000, 500, 11_900] {
            let ingest = try ByteIngest.forProbing(
                Origin(url: Fixture.path(name)), bound: .seconds(5), abort: AbortSwitch())
            try ingest.seek(to: .milliseconds(milliseconds))
            var first: [Int: NPT] = [:]
            var isKey: Bool?
            while let packet = try ingest.read(), first.count < 2 || isKey == nil {
                let flow = ingest.flows[packet.flow]
                if flow.isSparse { continue }
                if flow.kind == .video, isKey == nil { isKey = packet.isKey }
                if first[packet.flow] == nil { first[packet.flow] = packet.pts }
            }
            let video = try #require(ingest.flows.first { $0.kind == .video })
            let begin = try #require(first[video.index])
            #expect(isKey == true)
            // Groups of 2 s.
            #expect(begin <= .milliseconds(milliseconds) && begin > .milliseconds(milliseconds - 2_050), "\(begin)")
            for (flow, time) in first where flow != video.index {
                #expect((time - begin).magnitude < .milliseconds(50), "\(ingest.flows[flow]) at \(time), \(begin)")
            }
        }
    }
}
