internal import Testing
internal import ThroughlineCore
internal import ThroughlineLab

/// The text form of faults.
@Suite struct FaultParsingTests {
    static let good: [(String, Fault)] = [
        ("reset", Fault(.reset)),
        ("reset@byte=100000", Fault(.reset, .atByte(100_000))),
        ("reset@byte=0", Fault(.reset, .atByte(0))),
        ("close@byte=1.5M", Fault(.close, .atByte(1_500_000))),
        ("close@byte=64Ki", Fault(.close, .atByte(65_536))),
        ("reset@50%,once", Fault(.reset, .atPercent(50), recovery: .once)),
        ("close@12.5%", Fault(.close, .atPercent(12.5))),
        ("stall@2s", Fault(.stall, .at(.seconds(2)))),
        ("stall@1500ms,for=5s", Fault(.stall, .at(.milliseconds(1500)), recovery: .after(.seconds(5)))),
        ("stall@1m", Fault(.stall, .at(.seconds(60)))),
        ("silent", Fault(.silent)),
        ("refuse@3s", Fault(.refuse, .at(.seconds(3)))),
        ("refuse,for=250ms", Fault(.refuse, recovery: .after(.milliseconds(250)))),
        ("short@50%", Fault(.short, .atPercent(50))),
        ("short@1s", Fault(.short, .at(.seconds(1)))),
        ("corrupt@byte=7", Fault(.corrupt, .atByte(7))),
        ("throttle=200k@1s", Fault(.throttle(bytesPerSecond: 200_000), .at(.seconds(1)))),
        ("throttle=1", Fault(.throttle(bytesPerSecond: 1))),
        ("delay=0.15s", Fault(.delay(.milliseconds(150)))),
        (
            "status=503,retry-after=3@npt=4.5,for=5s",
            Fault(
                .status(503, retryAfter: .seconds(3)), .atNPT(.milliseconds(4500)), recovery: .after(.seconds(5)))
        ),
        ("status=503@npt=4.5,retry-after=3", Fault(.status(503, retryAfter: .seconds(3)), .atNPT(.milliseconds(4500)))),
        ("status=404@npt=1:02:03.004", Fault(.status(404), .atNPT(.milliseconds(3_723_004)))),
        ("status=404@npt=90:30", Fault(.status(404), .atNPT(.seconds(5430)))),
        ("status=404@requests=2,path=/a/b.ts", Fault(.status(404), .afterRequests(2), path: "/a/b.ts")),
        ("status=453:setup,once", Fault(.status(453), recovery: .once, method: "SETUP")),
        ("reset:play@requests=1", Fault(.reset, .afterRequests(1), method: "PLAY")),
        (
            "status=503:play,retry-after=3@2s",
            Fault(.status(503, retryAfter: .seconds(3)), .at(.seconds(2)), method: "PLAY")
        ),
        ("status=302,location=rtsp://h:1/a", Fault(.rtsp(.moved(302, location: "rtsp://h:1/a")))),
        (
            "redirect=rtsp://h:1/a,range=6.5@npt=4",
            Fault(.rtsp(.redirect("rtsp://h:1/a", from: .milliseconds(6500))), .atNPT(.seconds(4)))
        ),
        ("session-lost@1s", Fault(.rtsp(.sessionLost), .at(.seconds(1)))),
        ("no-rtp-info", Fault(.rtsp(.withoutRTPInfo))),
        ("wrong-rtp-info,once", Fault(.rtsp(.wrongRTPInfo), recovery: .once)),
        ("no-range", Fault(.rtsp(.withoutRange))),
        ("late=2s", Fault(.rtsp(.lateStart(.seconds(2))))),
        ("announce=2101@50%", Fault(.rtsp(.announce(2101)), .atPercent(50))),
        ("notify=end-of-stream", Fault(.rtsp(.playNotify("end-of-stream")))),
        ("teardown@3s", Fault(.rtsp(.teardown), .at(.seconds(3)))),
        ("bye@npt=4", Fault(.rtsp(.bye), .atNPT(.seconds(4)))),
        ("new-source", Fault(.rtsp(.newSource))),
        ("close-ports", Fault(.rtsp(.closePorts))),
        ("loss=2.5%,for=5s", Fault(.rtsp(.loss(percent: 2.5)), recovery: .after(.seconds(5)))),
        ("reorder=5%", Fault(.rtsp(.reorder(percent: 5)))),
        ("duplicate=5%", Fault(.rtsp(.duplicate(percent: 5)))),
        ("garbage=1k", Fault(.rtsp(.garbage(1000)))),
        ("sequence-jump=1000", Fault(.rtsp(.sequenceJump(1000)))),
        ("timestamp-jump=10s", Fault(.rtsp(.timestampJump(.seconds(10))))),
        ("frozen-timestamps@npt=3", Fault(.rtsp(.frozenTimestamps), .atNPT(.seconds(3)))),
        ("silent-flow=0@npt=3", Fault(.rtsp(.silentFlow(0)), .atNPT(.seconds(3)))),
        ("reset,once,path=/a@byte=1", Fault(.reset, .atByte(1), recovery: .once, path: "/a")),
    ]

    @Test(arguments: good)
    func reads(text: String, fault: Fault) throws {
        #expect(try Fault(parsing: text) == fault)
        #expect(try Fault(parsing: fault.description) == fault)
    }

    @Test(arguments: [
        "", "@", "rest@50%", "Reset", " reset", "reset ", "reset=1", "reset@", "reset@5", "reset@-1s", "reset@1h",
        "reset@byte", "reset@byte=", "reset@byte=-1", "reset@byte=1x", "reset@byte=99999999999999999999",
        "reset@byte=9999999999G", "reset@101%", "reset@%", "reset@1e3%", "reset@npt=", "reset@npt=1:2:3:4",
        "reset@npt=1:60", "reset@npt=1:60:00", "reset@npt=99999999999:00:00", "reset@requests=x", "reset@@1s",
        "reset@1s@2s", "reset,", "reset,,once", "reset,twice", "reset,once,once", "reset,once,for=1s", "reset,for=0s",
        "reset,for=5", "reset,path=film.ts", "reset,retry-after=3", "refuse,once", "refuse,path=/a", "short",
        "throttle", "throttle=0", "throttle=fast", "delay", "delay=5", "status", "status=200", "status=600",
        "bye=1", "loss", "loss=5", "loss=101%", "garbage=0", "announce=0", "announce=10000", "redirect",
        "redirect=here",
        "notify=", "late", "late=2", "sequence-jump=65536", "status=302", "status=503,location=rtsp://h/a",
        "reset,location=rtsp://h/a", "status=302,location=here", "reset,range=6", "redirect=rtsp://h/a,range=x",
        "stall:play", "bye:play", "reset:play@npt=4", "reset:dance", "status=302,location=rtsp://h/a,retry-after=3",
        "status=+503", "status=503,retry-after=1.5", "status=503,retry-after=-1",
    ])
    func says(bad text: String) {
        do {
            let fault = try Fault(parsing: text)
            Issue.record("read as \(fault)")
        } catch {
            #expect(error.text == text)
            // Each says what is allowed, with an example.
            #expect(error.description.contains("like ") || error.description.contains("use "))
        }
    }

    @Test func namesWhatIsAllowed() {
        #expect(throws: FaultSyntaxError.self) { try Fault(parsing: "rest@50%") }
        let error = #expect(throws: FaultSyntaxError.self) { try Fault(parsing: "stall@5") }
        #expect(
            error?.description
                == "\"stall@5\" is no fault: behind \"@\" comes a time with its unit (stall@2s, @500ms), "
                + "byte=N, N%, npt=SECONDS or requests=N, like reset@byte=100000")
    }

    @Test func survivesAnything() {
        let alphabet = Array("resetclosta@,=%.0123456789ms:kKi-/fownc \u{e9}")
        var state: UInt64 = 42
        for _ in 0..<5000 {
            var text = ""
            for _ in 0..<Int(state % 20) {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                text.append(alphabet[Int((state >> 33) % UInt64(alphabet.count))])
            }
            state = state &* 6_364_136_223_846_793_005 &+ 1
            if let fault = try? Fault(parsing: text) {
                #expect((try? Fault(parsing: fault.description)) == fault, "\(text)")
            }
        }
    }
}
