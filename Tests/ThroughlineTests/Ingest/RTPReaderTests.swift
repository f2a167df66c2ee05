internal import DequeModule
internal import Testing
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols

@testable internal import Throughline

/// Real files, packetised by libavformat, read back and compared with what the demuxer gives of the file.
@Suite(.timeLimit(.minutes(25))) struct RTPReaderTests {
    @Test(arguments: [
        "main.mp4", "main.ts", "opengop.mp4", "other.mp4", "hevc.mp4", "hevc.ts", "audio.mp3", "audio.aac",
    ])
    func packetsAreThoseOfTheFile(_ name: String) throws {
        let fixture = try RTPFixture(name)
        let reading = try RTPReading(fixture)
        let reader = reading.reader
        #expect(reader.flowsAreKnown)
        #expect(reader.leftOut.isEmpty)
        #expect(reader.takeFindings().isEmpty)
        for (flow, format) in fixture.formats.enumerated() {
            let file = fixture.original[flow]
            let ours = reading.packets[flow]
            // The muxer keeps the last frames of sound for a packet that is not full.
            let kept = format.kind == .video ? 0 : file.count - ours.count
            #expect(kept >= 0 && kept <= 12, "\(format): \(ours.count) of \(file.count)")
            #expect(ours.map(\.fingerprint) == file.prefix(ours.count).map(\.fingerprint), "\(format)")
            let tick = try #require(MediaTime(value: 1, timeBase: TimeBase(1, fixture.clocks[flow])))
            var last: MediaTime?
            for (place, (mine, its)) in zip(ours, file).enumerated() {
                let (pts, dts) = (try #require(mine.pts), try #require(mine.dts))
                #expect((pts - (try #require(its.pts))).magnitude <= tick, "\(format) \(place)")
                if let last { #expect(dts > last, "\(format) \(place)") }
                #expect(dts <= pts)
                last = dts
                if let original = its.dts {
                    #expect((dts - original).magnitude <= tick, "\(format) \(place)")
                }
                #expect(mine.isKey == its.isKey, "\(format) \(place)")
                #expect((mine.duration - its.duration).magnitude <= tick, "\(format) \(place)")
            }
            let known = reader.flows[flow]
            #expect(known.codecName == format.codecName)
            #expect((known.width, known.height) == (format.width, format.height))
            #expect((known.sampleRate, known.channels) == (format.sampleRate, format.channels))
            if format.kind == .video {
                #expect(known.reorderDepth == format.reorderDepth)
                #expect(known.frameRate == Rate(25))
                #expect(known.parameterSets == format.parameterSets)
            } else if name == "main.mp4" {
                #expect(known.language == format.language)
            }
            let position = try #require(reader.position(of: flow, at: Instant(nanoseconds: 0)))
            #expect(position.basis == .timestamps)
            #expect(position.npt == ours.compactMap { packet in packet.pts.map { $0 + packet.duration } }.max())
        }
    }
}
