import Testing
import ThroughlineCore

@testable import ThroughlineProtocols

/// What is made of real servers' odd ways, one file and one test for each.
@Suite struct ServerTranscriptTests {
    @Test(arguments: ServerTranscript.names) func isReadWhole(name: String) throws {
        let reading = try ServerReading(name)
        let marks = try #require(ServerTranscript(name)).bytes.split(separator: 0x0A)
            .filter {
                $0.starts(with: "RTSP/1.0 ".utf8)
                    || $0.last == 0x0D && $0.dropLast().suffix(9).elementsEqual(" RTSP/1.0".utf8)
            }
        #expect(!marks.isEmpty && reading.messages.count == marks.count)
    }

    @Test func gstreamer() throws {
        let reading = try ServerReading("gstreamer", requestURL: "rtsp://192.0.2.1:8554/test")
        #expect(reading.controls == ["rtsp://192.0.2.1:8554/test/stream=0"])
        #expect(reading.urls?.aggregate == "rtsp://192.0.2.1:8554/test/")
        #expect(reading.transport?.ssrc == 0x5E3A_1B2C && reading.transport?.interleaved == 0...1)
        #expect(reading.session == RTSPSessionHeader(id: "Xk3Kf2-r7LmVpQab", timeout: 60))
        // Nanoseconds, cut off by the server.
        #expect(reading.range?.endTime == RTSPRange("npt=0-634.533333333")?.endTime)
        #expect(reading.messages.first?.headers.methods.contains(.getParameter) == true)
    }

    @Test func live555() throws {
        let reading = try ServerReading("live555", requestURL: "rtsp://192.0.2.1/film.mkv")
        #expect(reading.controls == ["rtsp://192.0.2.1/film.mkv/track1", "rtsp://192.0.2.1/film.mkv/track2"])
        #expect(reading.transport?.serverPorts == 6970...6971 && reading.transport?.source == "192.0.2.1")
        #expect(reading.range == .npt(from: .seconds(10), to: .milliseconds(30_040)))
        let entry = reading.info?.entry(forURL: "rtsp://192.0.2.1/film.mkv/track2", control: "track2", at: 1, of: 2)
        #expect(entry?.sequence == 1 && entry?.timestamp == 0)
    }

    @Test func mediamtxLeavesOutNumbers() throws {
        let reading = try ServerReading("mediamtx", requestURL: "rtsp://192.0.2.1:8554/live")
        #expect(reading.controls == ["rtsp://192.0.2.1:8554/live/trackID=0"])
        #expect(reading.info?.entries.map(\.timestamp) == [nil])
        #expect(reading.range == nil)
    }

    @Test func darwinWritesRelativeURLs() throws {
        let reading = try ServerReading("darwin", requestURL: "rtsp://192.0.2.1/sample.mov")
        #expect(reading.controls.last == "rtsp://192.0.2.1/sample.mov/trackID=4")
        #expect(reading.encodings == ["H264", "MPA"])
        #expect(reading.description?.range?.endTime == .seconds(70))
        let entry = reading.info?.entry(
            forURL: "rtsp://192.0.2.1/sample.mov/trackID=4", control: "trackID=4", at: 1, of: 2)
        #expect(entry?.sequence == 29)
        #expect(reading.session?.timeout == nil)
    }

    @Test func helix() throws {
        let reading = try ServerReading("helix")
        #expect(reading.session == RTSPSessionHeader(id: "107921-1", timeout: 80))
        #expect(reading.info?.entries.count == 2 && reading.range?.endTime == .milliseconds(59_773))
    }

    @Test func wowza() throws {
        let reading = try ServerReading("wowza", requestURL: "rtsp://192.0.2.1:1935/vod/sample.mp4")
        #expect(reading.controls.first == "rtsp://192.0.2.1:1935/vod/sample.mp4/trackID=1")
        #expect(reading.description?.range?.endTime == .milliseconds(596_480))
        #expect(reading.description?.media.last?.frameRate == Rate(24))
    }

    @Test func evostreamPlaysFromNow() throws {
        let reading = try ServerReading("evostream-unifi")
        #expect(reading.description?.range == RTSPRange(start: .now))
        #expect(reading.encodings == ["mpeg4-generic"])
    }

    @Test func axisPutsSpacesIntoLists() throws {
        let reading = try ServerReading("axis")
        #expect(reading.info?.entries.map(\.sequence) == [58_477, 15_727])
        #expect(reading.session?.id == "21909AB6")
    }

    @Test func hikvisionShowsCredentialsInURLs() throws {
        let reading = try ServerReading("hikvision")
        #expect(reading.controls == ["rtsp://cam.example:17970/h264/ch1/main/av_stream/trackID=1"])
        let challenges = try #require(reading.messages.first).headers.challenges
        #expect(challenges.count == 2 && challenges[1].scheme == .basic)
        guard
            case .digest(let digest) = try #require(RTSPChallenge.strongest(of: challenges, supporting: [.md5])).scheme
        else {
            Issue.record("not digest")
            return
        }
        #expect(!digest.isStale && !digest.hasQualityOfProtection)
    }

    @Test func dahuaHasABackChannelAndAQuery() throws {
        let reading = try ServerReading("dahua-back-channel")
        #expect(
            reading.controls.first
                == "rtsp://192.0.2.1:554/cam/realmonitor?channel=1&subtype=0&unicast=true&proto=Onvif/trackID=0")
        #expect(reading.description?.media.map(\.direction) == [.receiveOnly, .receiveOnly, .receiveOnly, .sendOnly])
        #expect(reading.encodings == ["H264", "PCMA", "vnd.onvif.metadata", "MPEG4-GENERIC"])
    }

    /// The control attribute says `trackID=1`, the list says `track1`: the place decides.
    @Test func reolinkNamesTracksInTwoWays() throws {
        let info = try #require(try ServerReading("reolink-track-slash").info)
        let url = "rtsp://192.0.2.12/h264Preview_01_sub/trackID=2"
        #expect(info.entry(forURL: url, control: "trackID=2", at: 1, of: 2)?.sequence == 25_474)
    }

    @Test(arguments: [
        ("sv3c-base-without-scheme", "rtsp://192.0.2.10:554/stream0/track1"),
        ("icamra-base-with-two-schemes", "rtsp://turret.lan:554/stream1/trackID=0"),
        ("camera-bare-media", "rtsp://192.0.2.1/x/trackID=0"),
        ("uniview-incomplete-lines", "rtsp://192.0.2.60/media/video1/video"),
        ("tplink-private-format", "rtsp://192.0.2.39:554/stream1/track1"),
    ])
    func findsTheURL(name: String, url: String) throws {
        #expect(try ServerReading(name).controls.first == url)
    }

    @Test(arguments: [
        ("victure-comma-in-transport", "RTP/AVP;unicast;client_port=8000-8001;server_port=40000-40001;ssrc=FFFFCCCC"),
        ("camera-short-ssrc", "RTP/AVP/TCP;interleaved=0-1;ssrc=0004317F"),
        ("camera-hexadecimal-prefix", "RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=00006F7C;mode=\"PLAY\""),
        (
            "camera-empty-source",
            "RTP/AVP;unicast;destination=192.0.2.9;client_port=10000-10001;server_port=30000-30001"
        ),
    ])
    func understandsTheTransport(name: String, transport: String) throws {
        #expect(try ServerReading(name).transport?.description == transport)
    }

    @Test func aSpaceInAnEmptyLineDoesNotEndTheHead() throws {
        #expect(try ServerReading("luma-blank-line-with-a-space").info?.entries.count == 2)
    }

    @Test func anAnswerMayComeTwice() throws {
        let reading = try ServerReading("camera-double-slash")
        #expect(reading.messages.map(\.headers.cseq) == [4, 4])
        let url = "rtsp://192.0.2.70:554/stream1/track=1"
        #expect(reading.info?.entry(forURL: url, control: "track=1", at: 0, of: 2)?.sequence == 0)
    }

    @Test func rtpInfoMayBeMissing() throws {
        let reading = try ServerReading("vstarcam-no-rtp-info")
        #expect(reading.info == nil && reading.range == nil && reading.messages.first?.headers.cseq == 4)
    }

    @Test func cableServersAnnounce() throws {
        let messages = try ServerReading("cable-server-notices").messages
        #expect(messages.map(\.headers.notice?.code) == [.endOfStream, .sessionTerminated, nil])
        #expect(messages[0].headers.notice?.npt == .milliseconds(1_234_500))
        #expect(messages[2].headers.location == "rtsp://192.0.2.2:554/asset")
        #expect(messages[2].headers.range == .npt(from: .milliseconds(1_234_500)))
    }
}
