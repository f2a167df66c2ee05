import Testing
import ThroughlineCore

@testable import ThroughlineProtocols

@Suite struct RTSPHeaderValueTests {
    // MARK: Transport

    /// Written in one way whatever was read.
    @Test(
        arguments: [
            (
                "RTP/AVP;unicast;client_port=4588-4589;server_port=6256-6257",
                "RTP/AVP;unicast;client_port=4588-4589;server_port=6256-6257"
            ),
            (
                "rtp/avp/tcp; Unicast ;Interleaved = 0 - 1 ; ssrc= 1a2b ;mode=play",
                "RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=00001A2B;mode=\"PLAY\""
            ),
            ("RTP/AVP/TCP;ssrc=0x6f7c;interleaved=2", "RTP/AVP/TCP;interleaved=2;ssrc=00006F7C"),
            (
                "RTP/AVP;unicast;source=;destination= ;server_port=40000-40001,ssrc=FFFFCCCC",
                "RTP/AVP;unicast;server_port=40000-40001;ssrc=FFFFCCCC"
            ),
            (
                "RTP/AVP;multicast;destination=224.2.0.1;port=3456-3457;ttl=127;layers=1",
                "RTP/AVP;multicast;destination=224.2.0.1;port=3456-3457;ttl=127"
            ),
            ("RTP/SAVPF/UDP;unicast;client_port=9-", "RTP/SAVPF;unicast;client_port=9"),
            ("RTP/AVP;interleaved=0-1", "RTP/AVP/TCP;interleaved=0-1"),
            (
                "RTP/AVP/UDP;unicast;dest_addr=\"192.0.2.5:3456\"/\"192.0.2.5:3457\";mode=\"PLAY\",RTP/AVP/TCP;unicast",
                "RTP/AVP;unicast;dest_addr=\"192.0.2.5:3456\"/\"192.0.2.5:3457\";mode=\"PLAY\",RTP/AVP/TCP;unicast"
            ),
            ("RTP/AVP;client_port=70000;interleaved=5-3;ssrc=123456789;ttl=999", "RTP/AVP"),
            ("RTP/AVP;dest_addr=\" \"/\";\";source=a\\;b", "RTP/AVP;source=a"),
            ("unicast;client_port=1", nil), ("", nil), ("/;a", nil),
        ] as [(String, String?)])
    func transport(text: String, expected: String?) {
        let header = RTSPTransportHeader(text)
        #expect(header?.description == expected)
        if let expected { #expect(RTSPTransportHeader(expected)?.description == expected) }
    }

    @Test func offersTransports() {
        #expect("\(RTSPTransport.interleaved(2...3))" == "RTP/AVP/TCP;unicast;interleaved=2-3")
        #expect("\(RTSPTransport.udp(clientPorts: 5000...5001))" == "RTP/AVP;unicast;client_port=5000-5001")
    }

    // MARK: Session

    @Test(arguments: [
        ("12345678", "12345678", nil), ("12345678;timeout=60", "12345678", 60), (" 1-2 ; TimeOut = 80 ;x", "1-2", 80),
        ("ab.$c;timeout=\"30\"", "ab.$c", 30), ("a;timeout=0", "a", nil), ("a;timeout=60s", "a", 60),
        ("a;timeout=-5", "a", nil), ("a;timeout=99999999999999", "a", 86_400), ("a;timeout", "a", nil),
    ])
    func session(text: String, id: String, timeout: Int?) {
        #expect(RTSPSessionHeader(text) == RTSPSessionHeader(id: id, timeout: timeout))
    }

    @Test(arguments: ["", " ", ";timeout=60", "timeout=60"]) func noSession(text: String) {
        #expect(RTSPSessionHeader(text) == nil)
    }

    // MARK: Numbers

    @Test func numbersAreExact() {
        let headers = [("Scale", "-1.5"), ("Speed", "2.0 - 2.5"), ("Bandwidth", "1500000")].fields
        #expect(headers.scale == Rate(-3, 2))
        #expect(headers.speed == Rate(2))
        #expect(headers.bandwidth == 1_500_000)
        #expect([("Bandwidth", "-1")].fields.bandwidth == nil)
        #expect([("Scale", "fast")].fields.scale == nil)
    }

    @Test(
        arguments: [
            ("120", nil, 120), ("120 ; because", nil, 120), ("999999999", nil, 86_400),
            ("Fri, 02 Apr 2021 15:00:49 GMT", "Fri, 02 Apr 2021 14:55:49 GMT", 300),
            ("Fri, 02 Apr 2021 14:00:00 GMT", "Fri, Apr 02 2021 14:55:49 GMT", 0),
            ("Fri, 02 Apr 2021 15:00:49 GMT", nil, nil), ("soon", nil, nil),
        ] as [(String, String?, Int?)])
    func retryAfter(text: String, date: String?, seconds: Int?) {
        var headers = [("Retry-After", text)].fields
        headers.set(.date, date)
        #expect(headers.retryAfter == seconds.map { .seconds($0) })
    }

    // MARK: Notices

    @Test(
        arguments: [
            (
                "X-Notice", "2101 \"End-of-Stream Reached\" event-date=20000406T091645.123Z npt=1234.5", 2101,
                "End-of-Stream Reached", "20000406T091645.123Z", MediaTime.milliseconds(1_234_500)
            ),
            (
                "x-notice", "5402 Client Session Terminated;Event-Date=20000406T091645Z; NPT=0:01:00", 5402,
                "Client Session Terminated", "20000406T091645Z", .seconds(60)
            ),
            (
                "Notice", " 2104 \"Start-of-Stream Reached\" event-date=, npt=", 2104, "Start-of-Stream Reached", nil,
                nil
            ),
            ("Event-Type", "5403", 5403, "", nil, nil),
        ] as [(String, String, Int, String, String?, MediaTime?)])
    func notice(name: String, value: String, code: Int, text: String, date: String?, npt: MediaTime?) throws {
        let notice = try #require([(name, value)].fields.notice)
        #expect(notice.code.rawValue == code && notice.text == text && notice.eventDate == date && notice.npt == npt)
        #expect(notice.code.isEnd == (code < 5000) && notice.code.isFailure == (code >= 5000))
    }

    @Test func noNotice() {
        #expect([("X-Notice", "End-of-Stream")].fields.notice == nil)
        #expect([("Notify-Reason", "End-of-Stream; x=1")].fields.notifyReason == "end-of-stream")
        #expect([("Terminate-Reason", "Server-Admin ;time=1")].fields.terminateReason == "server-admin")
    }
}
