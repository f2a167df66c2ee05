import Testing

@testable import ThroughlineProtocols

@Suite struct RTSPControlURLsTests {
    @Test(
        arguments: [
            ("rtsp://cam/live/", "trackID=1", ["rtsp://cam/live/trackID=1"]),
            ("rtsp://cam/live", "trackID=1", ["rtsp://cam/live/trackID=1", "rtsp://cam/trackID=1"]),
            (
                "rtsp://u:p@cam/live?x=1", "trackID=1",
                ["rtsp://cam/live?x=1/trackID=1", "rtsp://cam/live/trackID=1?x=1", "rtsp://cam/trackID=1"]
            ),
            (
                "rtsp://cam/live?x=a/", "trackID=1",
                ["rtsp://cam/live?x=a/trackID=1", "rtsp://cam/live/trackID=1?x=a/", "rtsp://cam/trackID=1"]
            ),
            ("rtsp://cam/live", "/live/1", ["rtsp://cam/live/1", "rtsp://cam/live/live/1"]),
            ("rtsp://cam/live", "?track=1", ["rtsp://cam/live?track=1", "rtsp://cam/live/?track=1"]),
            ("rtsp://cam/live", "rtsp://u@other:8554/1?a", ["rtsp://other:8554/1?a"]),
            ("rtsp://cam:8554/live", "rtsp://0.0.0.0/live/1", ["rtsp://cam:8554/live/1"]),
            ("rtsp://cam/live", "*", ["rtsp://cam/live"]), ("rtsp://cam/live", nil, ["rtsp://cam/live"]),
            ("rtsp://cam", "1", ["rtsp://cam/1"]),
        ] as [(String, String?, [String])])
    func media(base: String, control: String?, expected: [String]) {
        #expect(RTSPControlURLs(requestURL: base).candidates(for: control) == expected)
    }

    /// Content-Base as it is met, for a request of `rtsp://u:p@cam:554/stream0?x`.
    @Test(
        arguments: [
            (nil, nil, nil, "rtsp://cam:554/stream0?x"),
            ("rtsp://cam/s/", "rtsp://cam/wrong", "*", "rtsp://cam/s/"),
            (" ", "\"rtsp://cam/s/\"", nil, "rtsp://cam/s/"),
            ("192.168.1.10:554/stream0/", nil, nil, "rtsp://192.168.1.10:554/stream0/"),
            ("192.168.1.10/stream0/", nil, nil, "rtsp://192.168.1.10/stream0/"),
            ("rtsp://rtsp://cam.lan:554/stream1/", nil, nil, "rtsp://cam.lan:554/stream1/"),
            ("/other/", nil, nil, "rtsp://cam:554/other/"), ("media.amp/", nil, nil, "rtsp://cam:554/media.amp/"),
            ("rtsp://0.0.0.0:8554/s/", nil, nil, "rtsp://cam:554/s/"),
            ("rtsp://127.0.0.1/s/", nil, nil, "rtsp://cam:554/s/"), ("rtsp:///s/", nil, nil, "rtsp://cam:554/s/"),
            ("rtsp://cam/s/", nil, "rtsp://cam/all", "rtsp://cam/all"),
            ("rtsp://cam/s/", nil, "all", "rtsp://cam/s/all"),
        ] as [(String?, String?, String?, String)])
    func base(contentBase: String?, contentLocation: String?, session: String?, expected: String) {
        let urls = RTSPControlURLs(
            requestURL: "rtsp://u:p@cam:554/stream0?x", contentBase: contentBase, contentLocation: contentLocation,
            sessionControl: session)
        #expect(urls.aggregate == expected)
    }

    /// RFC 3986 section 5.4, with a base of this project's kind.
    @Test(arguments: [
        ("g", "rtsp://a/b/c/g"), ("./g", "rtsp://a/b/c/g"), ("g/", "rtsp://a/b/c/g/"), ("/g", "rtsp://a/g"),
        ("//g", "rtsp://g"), ("?y", "rtsp://a/b/c/d;p?y"), ("g?y", "rtsp://a/b/c/g?y"), ("#s", "rtsp://a/b/c/d;p?q#s"),
        ("", "rtsp://a/b/c/d;p?q"), (".", "rtsp://a/b/c/"), ("..", "rtsp://a/b/"), ("../g", "rtsp://a/b/g"),
        ("../..", "rtsp://a/"), ("../../../g", "rtsp://a/g"), ("/./g", "rtsp://a/g"), ("g.", "rtsp://a/b/c/g."),
        ("..g", "rtsp://a/b/c/..g"), ("./../g", "rtsp://a/b/g"), ("g;x=1/../y", "rtsp://a/b/c/y"),
        ("host:554/x", "rtsp://a/b/c/host:554/x"), ("RTSP://x/../y", "RTSP://x/y"),
    ])
    func resolves(reference: String, expected: String) {
        let base = URLReference("rtsp://a/b/c/d;p?q")
        #expect(URLReference(reference).resolved(against: base).description == expected)
    }

    @Test(arguments: [
        ("rtsp://U@Host:554/a%2Fb/?x=%41/", "RTSP://host/a/b?x=A"), ("rtsps://h:322/", "rtsps://h"),
        ("rtsp://h/a#f", "rtsp://h/a/"),
    ])
    func comparesSpellings(a: String, b: String) {
        #expect(URLReference(a).normalized == URLReference(b).normalized)
        #expect(URLReference(a) != URLReference(b))
    }

    @Test func whatIsNoPercentCodeStaysAsItIs() {
        #expect(String(decoding: "/a%20b%2Fc%zz%4".percentDecoded, as: UTF8.self) == "/a b/c%zz%4")
    }
}
