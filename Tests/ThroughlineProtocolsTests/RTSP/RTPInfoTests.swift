import Testing

@testable import ThroughlineProtocols

@Suite struct RTPInfoTests {
    private typealias Entry = RTPInfo.Entry

    @Test(arguments: [
        (
            "url=rtsp://h/a/1;seq=45102;rtptime=12345678,url=rtsp://h/a/2;seq=30211",
            [
                Entry(url: "rtsp://h/a/1", sequence: 45_102, timestamp: 12_345_678),
                Entry(url: "rtsp://h/a/2", sequence: 30_211),
            ]
        ),
        (
            " URL = trackID=1 ; Seq = 1 ; rtptime = 2 ,  url=trackID=2;seq=;rtptime=",
            [Entry(url: "trackID=1", sequence: 1, timestamp: 2), Entry(url: "trackID=2")]
        ),
        (
            "url=rtsp://h/a,b;c=d/1?x=1,2;seq=9;rtptime=8;",
            [Entry(url: "rtsp://h/a,b;c=d/1?x=1,2", sequence: 9, timestamp: 8)]
        ),
        ("url=rtsp://h/;seq=9/t;seq=10", [Entry(url: "rtsp://h/;seq=9/t", sequence: 10)]),
        ("url=\"rtsp://h/a;seq=3,url=x\";seq=4", [Entry(url: "rtsp://h/a;seq=3,url=x", sequence: 4)]),
        (
            "url=\"rtsp://h/a\" ssrc=0A13C760:seq=45102;rtptime=7,ssrc=9A9DE123:seq=3,url=\"rtsp://h/b\" ssrc=1:seq=1",
            [
                Entry(url: "rtsp://h/a", sequence: 45_102, timestamp: 7, ssrc: 0x0A13_C760),
                Entry(url: "rtsp://h/a", sequence: 3, ssrc: 0x9A9D_E123),
                Entry(url: "rtsp://h/b", sequence: 1, ssrc: 1),
            ]
        ),
        (
            "rtsp://h/1;seq=1,rtsp://h/2;seq=2",
            [Entry(url: "rtsp://h/1", sequence: 1), Entry(url: "rtsp://h/2", sequence: 2)]
        ),
        ("seq=5;rtptime=6", [Entry(sequence: 5, timestamp: 6)]),
        ("url=a;rtptime=-1;seq=65537", [Entry(url: "a", sequence: 1, timestamp: .max)]),
        ("url='a b';seq=1", [Entry(url: "a b", sequence: 1)]),
        ("url=rtsp://h/1;seq=1;rtptime=4294967297", [Entry(url: "rtsp://h/1", sequence: 1, timestamp: 1)]),
    ])
    func reads(text: String, entries: [RTPInfo.Entry]) {
        #expect(RTPInfo(text)?.entries == entries)
    }

    @Test(arguments: ["", " ", ",", ";;", "url=", "url=;seq="]) func nothingToRead(text: String) {
        #expect(RTPInfo(text) == nil)
    }

    @Test func joinsHeaders() {
        #expect([("RTP-Info", "url=a;seq=1"), ("rtp-info", "url=b;seq=2")].fields.rtpInfo?.entries.count == 2)
        #expect(RTSPHeaders().rtpInfo == nil)
    }

    private static let setUp = ["rtsp://cam:554/live?x=1/trackID=1", "rtsp://cam:554/live?x=1/trackID=2"]

    /// Which entry belongs to the second flow.
    @Test(
        arguments: [
            ("the same", "url=rtsp://cam:554/live?x=1/trackID=1;seq=1,url=rtsp://cam:554/live?x=1/trackID=2;seq=2", 2),
            ("in another order", "url=rtsp://cam/live?x=1/trackID=2/;seq=2,url=rtsp://CAM/live?x=1/trackID=1;seq=1", 2),
            ("without the query", "url=rtsp://cam/live/trackID=2;seq=2,url=rtsp://cam/live/trackID=1;seq=1", 2),
            (
                "with another host",
                "url=rtsp://10.0.0.1/live/trackID=2;seq=2,url=rtsp://10.0.0.1/live/trackID=1;seq=1", 2
            ),
            ("relative", "url=trackID=2;seq=2,url=trackID=1;seq=1", 2),
            ("with another path", "url=rtsp://x/y/trackID=2;seq=2,url=rtsp://x/y/trackID=1;seq=1", 2),
            ("that of the presentation, twice", "url=rtsp://cam/live;seq=1,url=rtsp://cam/live;seq=2", 2),
            ("none", "seq=1,seq=2", 2),
            ("of one flow only", "url=rtsp://cam/live;seq=1", nil),
        ] as [(String, String, UInt16?)])
    func findsTheEntry(how: String, text: String, sequence: UInt16?) throws {
        let info = try #require(RTPInfo(text))
        let entry = info.entry(forURL: Self.setUp[1], control: "trackID=2", at: 1, of: 2)
        #expect(entry?.sequence == sequence, "\(how)")
    }

    /// Without a control attribute only the URLs themselves tell.
    @Test func looksPastTheHost() {
        let info = RTPInfo("url=rtsp://10.0.0.1/live/2;seq=2,url=rtsp://10.0.0.1/live/1;seq=1")
        #expect(info?.entry(forURL: "rtsp://cam:8554/live/1", control: nil, at: 0, of: 2)?.sequence == 1)
    }

    @Test func takesTheOnlyEntryForTheOnlyFlow() {
        let info = RTPInfo("url=rtsp://elsewhere/9;seq=7")
        #expect(info?.entry(forURL: "rtsp://cam/live", control: nil, at: 0, of: 1)?.sequence == 7)
        #expect(info?.entry(forURL: "rtsp://cam/live", control: nil, at: -1, of: 1) == nil)
    }

    @Test func writes() {
        let text = "url=rtsp://h/1;seq=1;rtptime=2,url=rtsp://h/2"
        #expect(RTPInfo(text)?.description == text)
    }
}
