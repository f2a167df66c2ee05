import Testing
import ThroughlineCore

@testable import ThroughlineProtocols

@Suite struct SessionDescriptionTests {
    private func description(_ text: String) -> SessionDescription? { SessionDescription(parsing: Array(text.utf8)) }

    @Test func readsAWholeDescription() throws {
        let session = try #require(
            description(
                """
                v=0
                o=- 1 1 IN IP4 10.0.0.1
                s=Film
                i=About
                c=IN IP4 224.2.1.1/127
                b=TIAS:2500000
                t=0 0
                a=control:*
                a=range:npt=0-  70.5
                m=Video 49170/2 RTP/AVP 96 97
                b=AS:1536
                c=IN IP6 ff15::101
                a=rtpmap:96 H264/90000
                a=fmtp:96 packetization-mode=1;sprop-parameter-sets=Z0IAKpY1,aM4xsg==
                a=rtpmap:97 H265/90000
                a=control:trackID=1
                a=framerate:29.97
                a=sendonly
                a=source-filter: incl IN IP4 * 10.0.0.1
                m=audio 0 RTP/AVP 8
                a=lang:fr
                a=range:smpte-25=00:00:01-
                """))
        #expect(session.name == "Film" && session.information == "About" && session.origin == "- 1 1 IN IP4 10.0.0.1")
        #expect(session.bitsPerSecond == 2_500_000 && session.control == "*")
        #expect(session.range == .npt(from: .zero, to: .milliseconds(70_500)))
        try #require(session.media.count == 2)
        let video = session.media[0]
        #expect(video.media == "video" && video.port == 49_170 && video.payloadTypes == [96, 97])
        #expect(video.preferredMap == RTPMap(payloadType: 96, encoding: "H264", clockRateHz: 90_000))
        #expect(video.formatParameters(for: 96) == "packetization-mode=1;sprop-parameter-sets=Z0IAKpY1,aM4xsg==")
        #expect(video.formatParameters(for: 9) == nil && video.control == "trackID=1")
        #expect(video.frameRate == Rate(2997, 100) && video.direction == .sendOnly)
        #expect(video.bitsPerSecond == 1_536_000 && session.address(of: video) == "ff15::101")
        #expect(video.sourceFilter == "incl IN IP4 * 10.0.0.1")
        let audio = session.media[1]
        #expect(audio.language == "fr" && audio.range?.startTime == .seconds(1))
        #expect(audio.preferredMap == RTPMap(payloadType: 8, encoding: "PCMA", clockRateHz: 8000))
        #expect(session.address(of: audio) == "224.2.1.1")
    }

    /// What is left of lines that are wrong: media, port, payload types, the encoding used.
    @Test(arguments: [
        ("m=video -1353744643 RTP/AVP 96\nc=IN IP4 '&\u{FFFD}\na=rtpmap:96 H264/90000", "video 0 [96] H264"),
        ("\u{FEFF}v=0\r\r\n m = video  0   RTP/AVP  26 \n\na= rtpmap : 26  JPEG/90000", "video 0 [26] JPEG"),
        ("m=audio 0 RTP/AVP (null)\na=rtpmap\na=control:track=2", "audio 0 [] -"),
        (
            "m=application/tp-link 0 RTP/AVP smart/0/25000\na=rtpmap:95 tp-link/25000",
            "application/tp-link 0 [] tp-link"
        ),
        ("m=video 70000 RTP/AVP 255 96 96", "video 0 [96] -"),
        ("m=video 0 RTP/AVP 96\na=fmtp:96 packetization-mode=1; sprop-parameter-sets=Z0I=,aM4=", "video 0 [96] H264"),
        ("m=video 0 RTP/AVP 98\na=fmtp:98 sprop-vps=QAE=;sprop-sps=QgE=", "video 0 [98] H265"),
        ("m=video 0 RTP/AVP 96\na=rtpmap:96 H264", "video 0 [96] -"),
        ("m=video 0 RTP/AVP 96\na=rtpmap:96 H264/0\na=rtpmap:96 H264/90000/2", "video 0 [96] H264"),
        ("m=video", "video 0 [] -"),
    ])
    func bearsOddLines(text: String, expected: String) throws {
        let media = try #require(description(text)?.media.first)
        #expect("\(media.media) \(media.port) \(media.payloadTypes) \(media.preferredMap?.encoding ?? "-")" == expected)
    }

    @Test(arguments: ["", "v=0\ns=-\n", "m=\n", "hello", "m\n=video 0 RTP/AVP 96"])
    func nothingToPlay(text: String) { #expect(description(text) == nil) }

    @Test func isBounded() throws {
        let media = String(repeating: "m=video 0 RTP/AVP 96\n", count: 1000)
        #expect(description(media)?.media.count == SessionDescription.Limit.media)
        let attributes = "m=video 0 RTP/AVP 96\n" + String(repeating: "a=x\nb=AS:1\n", count: 5000)
        let first = try #require(description(attributes)?.media.first)
        #expect(first.attributes.count == SessionDescription.Limit.attributes)
        #expect(first.bandwidths.count == SessionDescription.Limit.bandwidths)
        #expect(description("a=x\n" + String(repeating: " ", count: 1 << 20) + "\nm=video 0 RTP/AVP 96") == nil)
    }

    @Test func readsFrameRates() {
        func rate(_ lines: String) -> Rate? { description("m=video 0 RTP/AVP 96\n" + lines)?.media[0].frameRate }
        #expect(rate("a=framerate:0S\na=framerate:25") == Rate(25))
        #expect(rate("a=framerate:0.0\na=framerate:-5") == nil)
        #expect(rate("a=framerate: 12.5") == Rate(25, 2))
    }

    /// What a demuxer is given: one payload type for each flow, and nothing that is not needed.
    @Test func reduces() throws {
        let session = try #require(
            description(
                """
                m=video 0 RTP/AVP 96 97
                b=AS:100
                a=rtpmap:96 H264/90000
                a=fmtp:96 packetization-mode=1
                a=fmtp:97 other=1
                a=framesize:96 1280-720
                a=framerate:25
                a=control:1
                m=audio 0 RTP/AVP 97
                a=rtpmap:97 mpeg4-generic/48000/2
                a=fmtp:97 mode=AAC-hbr;config=1190
                m=audio 0 RTP/AVP 0
                m=video 0 RTP/AVP 33
                m=application 0 RTP/AVP 107
                """))
        let reduced = ReducedDescription(session.media)
        #expect(reduced.flows.map(\.payloadType) == [96, 97, 98, 33])
        #expect(reduced.flows.map(\.map.payloadType) == [96, 97, 0, 33])
        let text = String(decoding: ReducedDescription(session.media.reversed()).serialized(), as: UTF8.self)
        #expect(
            text.split(separator: "\r\n").dropFirst(5).joined(separator: "\n") == """
                m=video 9 RTP/AVP 33
                a=rtpmap:33 MP2T/90000
                m=audio 9 RTP/AVP 96
                a=rtpmap:96 PCMU/8000
                m=audio 9 RTP/AVP 97
                a=rtpmap:97 mpeg4-generic/48000/2
                a=fmtp:97 mode=AAC-hbr;config=1190
                m=video 9 RTP/AVP 98
                b=AS:100
                a=rtpmap:98 H264/90000
                a=fmtp:98 packetization-mode=1
                a=framesize:98 1280-720
                a=framerate:25
                """)
        let again = try #require(SessionDescription(parsing: Array(text.utf8)))
        #expect(again.media.map(\.preferredMap?.payloadType) == [33, 96, 97, 98])
    }

    @Test func reducesToUniquePayloadTypes() {
        func types(_ payloadTypes: [UInt8]) -> [UInt8] {
            ReducedDescription(payloadTypes.map { MediaDescription(media: "audio", payloadTypes: [$0]) })
                .flows.map(\.payloadType)
        }
        #expect(types([33, 33, 14, 8, 34, 14, 12, 32]) == [33, 14, 96, 34, 12, 32])
        let many = types(Array(repeating: 8, count: 60))
        #expect(many == Array(96..<127))
    }
}

extension SessionDescriptionTests {
    @Test(
        "a back channel, and what is inactive, is not received",
        arguments: [
            (["recvonly", "recvonly", "sendonly"], [0, 1]), (["recvonly", "inactive", ""], [0, 2]),
            (["", "", "sendonly"], [0, 1]), (["sendonly", "sendonly", "sendonly"], [0, 1, 2]),
            (["sendrecv", "", ""], [0, 1, 2]),
        ])
    func incoming(directions: [String], expected: [Int]) throws {
        let media = directions.map { "m=audio 0 RTP/AVP 0\r\n" + ($0.isEmpty ? "" : "a=\($0)\r\n") }
        let description = try #require(SessionDescription(parsing: Array(("v=0\r\n" + media.joined()).utf8)))
        #expect(description.incoming == expected)
    }
}
