internal import Testing
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols

extension MediaTests {
    /// RTP packets of flows, by libavformat.
    @Suite struct RTPPacketizerTests {
        /// Packetises one flow of a file; gives the packets, and the times that went in.
        func packets(of file: String, flow: Int) throws -> (out: [RTPPacketizer.Output], ticks: [Int64], text: String) {
            let demuxer = try Demuxer(input: MemoryInput(try Fixture.bytes(file)))
            let packetizer = try RTPPacketizer(flow: demuxer.flows[flow], payloadType: 100)
            var out: [RTPPacketizer.Output] = []
            var ticks: [Int64] = []
            while let packet = try demuxer.read() {
                guard packet.flow == flow, let pts = packet.pts else { continue }
                ticks.append(pts.value(in: TimeBase(1, packetizer.clockRateHz)))
                out += try packetizer.write(packet)
            }
            return (out + (try packetizer.finish()), ticks, packetizer.description)
        }

        @Test(arguments: [
            ("main.mp4", 0, "H264/90000"), ("hevc.mp4", 0, "H265/90000"), ("main.mp4", 1, "MPEG4-GENERIC/48000"),
        ])
        func loseNoFrame(file: String, flow: Int, name: String) throws {
            let (out, ticks, text) = try packets(of: file, flow: flow)
            var heard: [Int64] = []
            for packet in out where heard.last != packet.ticks { heard.append(packet.ticks) }
            #expect(heard == ticks)
            #expect(out.allSatisfy { $0.bytes.count <= 1400 })
            let description = try #require(SessionDescription(parsing: Array(text.utf8)))
            #expect(description.media.first?.payloadTypes == [100])
            #expect(description.media.first?.preferredMap?.description.hasPrefix("100 \(name)") ?? false)
            #expect(description.media.first?.control == nil)
        }

        /// Frames of MPEG audio are gathered: the last packet comes at the end.
        @Test func gatherFrames() throws {
            let (out, ticks, text) = try packets(of: "audio.mp3", flow: 0)
            #expect(text.hasPrefix("m=audio 0 RTP/AVP 14\r\n"))
            #expect(out.first?.ticks == ticks.first)
            #expect(out.count < ticks.count / 5)
            // Four bytes of header each (RFC 2250 section 3.5), and all of the frames.
            let payload = out.reduce(0) { $0 + $1.bytes.count - RTPHeader.size - 4 }
            #expect(payload == (try Fixture.bytes("audio.mp3").count))
        }

        @Test func refuseWhatTheyDoNotKnow() throws {
            let demuxer = try Demuxer(input: MemoryInput(try Fixture.bytes("main.mp4")))
            let subtitle = try #require(demuxer.flows.first { $0.kind == .subtitle })
            #expect(throws: MediaError.self) { try RTPPacketizer(flow: subtitle, payloadType: 96) }
        }
    }
}
