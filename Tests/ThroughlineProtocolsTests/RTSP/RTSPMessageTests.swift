import Testing

@testable import ThroughlineProtocols

@Suite struct RTSPMessageTests {
    private func response(_ text: String) throws -> RTSPResponse {
        guard case .response(let response) = try #require(RTSPMessage(parsing: Array(text.utf8))) else {
            throw NotAResponse()
        }
        return response
    }
    private struct NotAResponse: Error {}

    @Test func writesRequests() {
        let request = RTSPRequest(
            method: .play, uri: "rtsp://host/a b\r\nX: y",
            headers: [(.cseq, "7"), (.range, "npt=1-\r\nEvil: yes"), (.contentLength, "99")].fields)
        #expect(
            String(decoding: request.serialized(), as: UTF8.self)
                == "PLAY rtsp://host/a%20b%0D%0AX:%20y RTSP/1.0\r\nCSeq: 7\r\nRange: npt=1-  Evil: yes\r\n"
                + "Content-Length: 0\r\n\r\n")
    }

    @Test(arguments: RTSPMethod.known) func readsWhatItWrites(method: RTSPMethod) {
        let request = RTSPRequest(
            method: method, uri: "rtsp://host:8554/stream?x=1", version: .rtsp2,
            headers: [(.cseq, "1"), (.notifyReason, "end-of-stream"), (.contentLength, "4")].fields,
            body: [1, 2, 13, 10])
        #expect(RTSPMessage(parsing: request.serialized()) == .request(request))
        let answer = RTSPResponse(status: .notEnoughBandwidth, headers: [(.cseq, "1"), ("X-A", "b")].fields)
        #expect(RTSPMessage(parsing: answer.serialized()) == .response(answer))
    }

    /// Start lines as they are met, and what is made of them.
    @Test(
        arguments: [
            ("RTSP/1.0 200 OK", "RTSP/1.0 200 OK"),
            ("rtsp/1.0 200", "RTSP/1.0 200 "),
            ("RTSP/1.0  404   Stream Not  Found ", "RTSP/1.0 404 Stream Not  Found"),
            ("RTSP/2.0 200 OK", "RTSP/2.0 200 OK"),
            ("RTSP 200 OK", "RTSP/1.0 200 OK"),
            ("HTTP/1.1 401 Unauthorized", "HTTP/1.1 401 Unauthorized"),
            ("RTSP/1.0 551 Invalid Method", "RTSP/1.0 551 Invalid Method"),
            ("redirect * rtsp/1.0", "REDIRECT * RTSP/1.0"),
            ("ANNOUNCE rtsp://h/my film.mp4 RTSP/1.0", "ANNOUNCE rtsp://h/my%20film.mp4 RTSP/1.0"),
            ("PLAY_NOTIFY  rtsp://h/  RTSP/2.0", "PLAY_NOTIFY rtsp://h/ RTSP/2.0"),
            ("RTSP/1.0 20 OK", nil), ("RTSP/1.0 2000 OK", nil), ("RTSP/1.0 OK", nil), ("RTSP/1.0", nil), ("", nil),
            ("GET / HTTP/1.1", nil), ("PLAY RTSP/1.0", nil), ("RTSP/x.y 200 OK", nil), ("ICY 200 OK", nil),
            ("OK\u{7} * RTSP/1.0", nil),
        ] as [(String, String?)])
    func readsStartLines(line: String, expected: String?) {
        let message = RTSPMessage(parsing: Array("\r\n\n\(line)\r\n\r\n".utf8))
        let written = message.map { String(decoding: $0.serialized().dropLast(4), as: UTF8.self) }
        #expect(written == expected)
    }

    @Test func readsOddHeaders() throws {
        let response = try response(
            """
            RTSP/1.0 200 OK
            cseq :4
            CSeq: 9
            Server:
            no colon here
             Content-Type :application/SDP ; charset=utf-8
            Public: describe,Setup PLAY , "PAUSE",,
            Allow: get_parameter
            RTP-Info: url=rtsp://a/1;seq=1,
            \t url=rtsp://a/2
            X-Ünï: \u{FFFD}
            : nameless
            """)
        #expect(response.headers.cseq == 4)
        #expect(response.headers.all(.cseq) == ["4", "9"])
        // The folded line belongs to the field before it, even where that makes nonsense.
        #expect(response.headers[.server] == "Content-Type :application/SDP ; charset=utf-8")
        #expect(response.headers[.rtpInfo] == "url=rtsp://a/1;seq=1, url=rtsp://a/2")
        #expect(response.headers.methods == [.describe, .setup, .play, .pause, .getParameter])
        #expect(response.headers.fields.count == 7)
    }

    @Test func keepsHeadersInOrder() {
        var headers = [("A", "1"), ("b", "2"), ("a", "3")].fields
        #expect(headers["a"] == "1" && headers.all("A") == ["1", "3"])
        headers.set("a", "4")
        #expect(headers.fields.map(\.value) == ["4", "2"])
        headers.set("B", nil)
        headers.set("c", "5")
        #expect(headers.fields.map(\.value) == ["4", "5"])
        for _ in 0..<1000 { headers.add("x", "") }
        #expect(headers.fields.count == RTSPHeaders.maximumCount)
    }

    @Test(arguments: [("5", 5), ("5,5", 5), (" 12 ", 12), ("x", nil), ("99999999999999999999", nil), ("-1", nil)])
    func readsCSeq(text: String, expected: Int64?) {
        #expect([("CSEQ", text)].fields.cseq == expected)
    }

    @Test func namesStatuses() {
        #expect(RTSPStatus(code: 453) == .notEnoughBandwidth)
        #expect(RTSPStatus(code: 99) == nil && RTSPStatus(code: 1000) == nil)
        #expect(RTSPStatus(code: 299)?.isSuccess == true && RTSPStatus(code: 299)?.reason == "")
        #expect("\(RTSPStatus.sessionNotFound)" == "454 Session Not Found")
    }
}

extension [(RTSPHeaders.Name, String)] {
    var fields: RTSPHeaders { RTSPHeaders(self) }
}

extension [(String, String)] {
    var fields: RTSPHeaders { RTSPHeaders(map { (RTSPHeaders.Name($0), $1) }) }
}
