internal import Glibc
internal import Testing
internal import ThroughlineCore
internal import ThroughlineTransport

/// Statuses, redirects, credentials, and answers that are not what they should be.
@Suite(.timeLimit(.minutes(25)))
struct AnswerTests {
    private func origin(_ responses: String...) -> ScriptedServer {
        ScriptedServer { listener in
            for response in responses {
                let connection = listener.accept()
                connection.request()
                connection.send(response)
                connection.close()
            }
        }
    }

    private func opening(_ client: HTTPClient) -> TransportError? {
        failure { () throws(TransportError) in try client.open() }
    }

    // MARK: Statuses

    @Test(
        arguments: [
            ("Retry-After: 120", Duration.seconds(120)),
            ("Retry-After: 0", .zero),
            ("Date: Wed, 21 Oct 2015 07:28:00 GMT\r\nRetry-After: Wed, 21 Oct 2015 07:29:30 GMT", .seconds(90)),
            ("Date: Wed, 21 Oct 2015 07:28:00 GMT\r\nRetry-After: Wed, 21 Oct 2015 07:00:00 GMT", .zero),
            ("Retry-After: soon", nil),
            ("Retry-After: -5", nil),
            ("Retry-After: 99999999999999999999999", nil),
            ("X-Nothing: 1", nil),
        ] as [(String, Duration?)])
    func unavailable(lines: String, retryAfter: Duration?) throws {
        let server = origin("HTTP/1.1 503 Busy\r\n\(lines)\r\nContent-Length: 4\r\n\r\nbusy")
        let error = opening(try client(server, "/secret?token=abc"))
        #expect(error?.code == .httpStatus(503))
        #expect(error?.status == 503)
        #expect(error?.retryAfter == retryAfter)
        #expect(error?.shortDescription == "http-503")
        #expect(error?.message == "GET http://127.0.0.1:\(server.port)/secret?... at byte 0: answered 503")
    }

    @Test func anErrorKeepsItsConnection() throws {
        let server = ScriptedServer { listener in
            let connection = listener.accept()
            connection.request()
            connection.respond("429 Slow Down", ["Retry-After: 1"], body: pattern(5000))
            connection.serve([7, 8, 9], to: connection.request())
            connection.awaitClose()
        }
        let client = try client(server)
        #expect(opening(client)?.retryAfter == .seconds(1))
        try client.open()
        #expect(client.drain().bytes == [7, 8, 9])
        #expect(client.timings?.reusedConnection == true)
        client.close()
    }

    @Test func interimResponsesAreSkipped() throws {
        let server = origin(
            "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nAlt-Svc: h2=\":443\"\r\nContent-Length: 2\r\n\r\nok"
        )
        let client = try client(server)
        let head = try client.open()
        #expect(head.status == 200)
        #expect(head.altSvc == "h2=\":443\"")
        #expect(head.value(of: "link") == nil)
        #expect(client.drain().bytes == Array("ok".utf8))
    }

    // MARK: Not HTTP, or too much of it

    @Test(arguments: [
        "SSH-2.0-OpenSSH_9.2\r\n\r\n", "\u{0}\u{1}\u{2}", "HTTP/1.1 99999 X\r\n\r\n", "HTTP/x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: banana\r\n\r\n",
    ])
    func garbage(answer: String) throws {
        let server = origin(answer)
        let error = opening(try client(server))
        #expect(error?.code == .protocolError, "\(error?.message ?? "no error")")
    }

    @Test func tooManyFields() throws {
        let lines = (0..<300).map { "X-\($0): y\r\n" }.joined()
        let server = origin("HTTP/1.1 200 OK\r\n\(lines)\r\n")
        let error = opening(try client(server))
        #expect(error?.code == .protocolError)
    }

    @Test func tooLongFields() throws {
        let line = "X: " + String(repeating: "y", count: 70_000) + "\r\n"
        let server = origin("HTTP/1.1 200 OK\r\n\(line)\r\n")
        let error = opening(try client(server))
        #expect(error?.code == .protocolError)
    }

    @Test func fieldsWithoutEnd() throws {
        let server = ScriptedServer { listener in
            let connection = listener.accept()
            connection.request()
            connection.send("HTTP/1.1 200 OK\r\n")
            while connection.send("X: y\r\n") > 0 {}
            connection.close()
        }
        #expect(opening(try client(server))?.code == .protocolError)
    }

    // MARK: Redirects

    @Test func followedAndRemembered() throws {
        let server = ScriptedServer { listener in
            let connection = listener.accept()
            for _ in 0..<3 {
                let request = connection.request()
                if request.path == "/object" {
                    connection.respond("302 Found", ["Location: ../edge/object?x=1#part"], body: pattern(900))
                } else {
                    connection.serve(pattern(50), to: request)
                }
            }
            connection.awaitClose()
        }
        let client = try client(server)
        let head = try client.open()
        #expect(head.effectiveURL == server.url("/edge/object?x=1"))
        #expect(client.drain().bytes == pattern(50))
        try client.open(at: 10)
        #expect(client.drain().bytes == Array(pattern(50)[10...]))
        #expect(server.requests.map(\.path) == ["/object", "/edge/object?x=1", "/edge/object?x=1"])
        #expect(Set(server.requests.map(\.connection)) == [0])
        client.close()
    }

    @Test func aTargetThatExpiredIsAskedForAgain() throws {
        let server = ScriptedServer { listener in
            let connection = listener.accept()
            for number in 0..<5 {
                let request = connection.request()
                switch number {
                case 0, 3: connection.respond("302 Found", ["Location: /edge\(number)"])
                case 2: connection.respond("403 Expired")
                default: connection.serve(pattern(50), to: request)
                }
            }
            connection.awaitClose()
        }
        let client = try client(server)
        try client.open()
        try client.open(at: 1)
        #expect(server.requests.map(\.path) == ["/object", "/edge0", "/edge0", "/object", "/edge3"])
        client.close()
    }

    @Test func bounded() throws {
        let server = ScriptedServer { listener in
            let connection = listener.accept()
            while !connection.request().text.isEmpty { connection.respond("307 Again", ["Location: /object"]) }
            connection.close()
        }
        let client = try client(server) { $0.maximumRedirects = 3 }
        #expect(opening(client)?.code == .tooManyRedirects)
        #expect(server.requests.count == 4)
        client.close()
    }

    @Test(arguments: [
        "http://localhost:9/object", "//example.org/object", "file:///etc/passwd", "ftp://127.0.0.1/object",
        "http://user:secret@evil.example/", "http://127.0.0.1@evil.example/", "http://", "gopher://127.0.0.1",
    ])
    func refused(location: String) throws {
        let server = origin("HTTP/1.1 302 Found\r\nLocation: \(location)\r\nContent-Length: 0\r\n\r\n")
        let client = try client(server)
        let error = opening(client)
        #expect(error?.code == .redirectRefused)
        #expect(error?.message.contains("secret") == false)
    }

    @Test func noLocation() throws {
        let server = origin("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n")
        #expect(opening(try client(server))?.code == .httpStatus(302))
    }

    @Test(arguments: [true, false])
    func secretsStayAtHome(byList: Bool) throws {
        let other = ScriptedServer(serving: pattern(10))
        let port = other.port
        let server = ScriptedServer { listener in
            let connection = listener.accept()
            connection.request()
            connection.respond("302 Found", ["Location: http://localhost:\(port)/object"])
            connection.awaitClose()
        }
        let client = try client(server) {
            $0.credentials = .bearer(token: "hush")
            $0.headers = [.init(name: "X-Key", value: "hush")]
            if byList { $0.allowedRedirectHosts = ["LOCALHOST"] } else { $0.redirectsMayLeaveHost = true }
        }
        try client.open()
        #expect(client.drain().bytes == pattern(10))
        #expect(server.requests[0].header("authorization") == "Bearer hush")
        #expect(server.requests[0].header("x-key") == "hush")
        #expect(other.requests[0].text.contains("hush") == false)
        client.close()
    }

    @Test func passwordsStayAtTheirPort() throws {
        let other = ScriptedServer { listener in
            let connection = listener.accept()
            connection.request()
            connection.respond("401 Who", ["WWW-Authenticate: Basic realm=\"other\""])
            connection.awaitClose()
        }
        let port = other.port
        let server = ScriptedServer { listener in
            let connection = listener.accept()
            connection.request()
            connection.respond("302 Found", ["Location: http://127.0.0.1:\(port)/object"])
            connection.awaitClose()
        }
        let client = try client(server) { $0.credentials = .userPassword(user: "anna", password: "hush") }
        #expect(opening(client)?.code == .httpStatus(401))
        #expect(other.requests.count == 1)
        #expect(other.requests[0].header("authorization") == nil)
        client.close()
    }

    // MARK: Credentials

    @Test func basic() throws {
        let server = ScriptedServer { listener in
            let connection = listener.accept()
            for _ in 0..<3 {
                let request = connection.request()
                if request.header("authorization") == "Basic YW5uYTpodXNo" {
                    connection.serve(pattern(10), to: request)
                } else {
                    connection.respond("401 Who", ["WWW-Authenticate: Basic realm=\"r\""], body: pattern(100))
                }
            }
            connection.awaitClose()
        }
        let url = server.url().replacing("http://", with: "http://anna:hush@")
        let client = try HTTPClient(url: url, abort: AbortSwitch())
        let head = try client.open()
        #expect(head.effectiveURL == server.url())
        #expect(client.drain().bytes == pattern(10))
        try client.open(at: 5)
        // Once asked, once answered, and then without being asked.
        #expect(server.requests.map { $0.header("authorization") != nil } == [false, true, true])
        client.close()
    }

    @Test func digest() throws {
        let server = ScriptedServer { listener in
            let connection = listener.accept()
            for _ in 0..<3 {
                let request = connection.request()
                if request.header("authorization")?.hasPrefix("Digest username=\"anna\"") == true {
                    connection.serve(pattern(10), to: request)
                } else {
                    connection.respond(
                        "401 Who",
                        [
                            "WWW-Authenticate: Basic realm=\"r\"",
                            "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"",
                        ])
                }
            }
            connection.awaitClose()
        }
        let client = try client(server) { $0.credentials = .userPassword(user: "anna", password: "hush") }
        try client.open()
        #expect(client.drain().bytes == pattern(10))
        try client.open(at: 5)
        #expect(client.drain().bytes == Array(pattern(10)[5...]))
        #expect(server.requests.map { $0.header("authorization") != nil } == [false, true, true])
        #expect(server.requests.allSatisfy { !$0.text.contains("Basic") })
        #expect(server.requests[2].header("authorization")?.contains("nc=00000002") == true)
        client.close()
    }

    @Test func wrongPassword() throws {
        let server = ScriptedServer { listener in
            let connection = listener.accept()
            while !connection.request().text.isEmpty {
                connection.respond("401 Who", ["WWW-Authenticate: Basic realm=\"r\""], body: pattern(100))
            }
            connection.close()
        }
        let client = try client(server) { $0.credentials = .userPassword(user: "anna", password: "hush") }
        let error = opening(client)
        #expect(error?.code == .httpStatus(401))
        #expect(error?.message.contains("hush") == false)
        client.close()
    }

    // MARK: What is not sent at all

    @Test(arguments: [
        ("", TransportError.Code.invalidURL), ("http://", .invalidURL), ("http://a b c/", .invalidURL),
        ("http://h/\r\nX: y", .invalidURL), ("http://h/" + String(repeating: "x", count: 9000), .invalidURL),
        ("file:///etc/passwd", .unsupportedScheme), ("rtsp://h/", .unsupportedScheme), ("http://h:99999/", .invalidURL),
    ])
    func badURLs(url: String, code: TransportError.Code) {
        let error = failure { () throws(TransportError) in try HTTPClient(url: url, abort: AbortSwitch()) }
        #expect(error?.code == code)
        #expect((error?.message.count ?? 0) < 600)
    }

    @Test func optionsThatWouldSplitTheRequest() {
        var bad: [HTTPRequestOptions] = Array(repeating: HTTPRequestOptions(), count: 6)
        bad[0].headers = [.init(name: "X", value: "y\r\nZ: 1")]
        bad[1].headers = [.init(name: "X: y\r\nZ", value: "1")]
        bad[2].headers = [.init(name: "Range", value: "bytes=0-")]
        bad[3].credentials = .bearer(token: "a\nb")
        bad[4].userAgent = "a\r\nb"
        bad[5].credentials = .userPassword(user: "a:b", password: "c")
        for options in bad {
            let error = failure { () throws(TransportError) in
                try HTTPClient(url: "http://h/", options: options, abort: AbortSwitch())
            }
            #expect(error?.code == .invalidOptions)
        }
    }

    @Test func whatIsSent() throws {
        let server = ScriptedServer(serving: pattern(10))
        let client = try client(server, "/a b?c=d#e") {
            $0.headers = [.init(name: "X-One", value: "1"), .init(name: "X-Empty", value: "")]
        }
        try client.open()
        #expect(
            server.requests[0].text
                == "GET /a%20b?c=d HTTP/1.1\r\nHost: 127.0.0.1:\(server.port)\r\nRange: bytes=0-\r\n"
                + "User-Agent: throughline/0.1\r\nAccept: */*\r\nAccept-Encoding: identity\r\nX-One: 1\r\n"
                + "X-Empty:\r\n\r\n")
    }

    @Test(
        "What must not stand in a target is percent-encoded, and nothing else",
        arguments: [
            ("/f?title=a b", "/f?title=a%20b"), ("/f?title=a+b%20c", "/f?title=a+b%20c"),
            ("/ä.mp4?q=\"<ö>\"|x", "/%C3%A4.mp4?q=%22%3C%C3%B6%3E%22%7Cx"),
            ("/100%.mp4?a=50%2", "/100%25.mp4?a=50%252"),
            ("/a[1].mp4?b[]=1&c=(x)", "/a[1].mp4?b[]=1&c=(x)"), ("/a\\b?c^d`{e}", "/a%5Cb?c%5Ed%60%7Be%7D"),
        ])
    func encoded(path: String, sent: String) throws {
        let server = ScriptedServer(serving: pattern(10))
        try client(server, path).open()
        #expect(server.requests[0].path == sent)
    }

    @Test("A target with a space, in a redirect")
    func encodedRedirect() throws {
        let server = ScriptedServer { listener in
            let connection = listener.accept()
            connection.request()
            connection.respond("302 Found", ["Location: real film.mp4?title=a b"])
            connection.serve(pattern(10), to: connection.request())
            connection.awaitClose()
        }
        let client = try client(server, "/dir/object")
        try client.open()
        #expect(server.requests.map(\.path) == ["/dir/object", "/dir/real%20film.mp4?title=a%20b"])
        client.close()
    }

    // MARK: Cookies

    @Test("A cookie that a redirect sets is sent from then on, by all that read from the origin and by nobody else")
    func cookies() throws {
        let server = ScriptedServer { listener in
            while true {
                let connection = listener.accept()
                guard connection.descriptor >= 0 else { return }
                while true {
                    let request = connection.request()
                    if request.text.isEmpty { break }
                    if request.header("cookie")?.contains("session=abc") == true {
                        connection.serve(pattern(50), to: request)
                    } else if request.path == "/object" {
                        connection.respond(
                            "302 Found", ["Location: /real", "Set-Cookie: session=abc; Path=/; HttpOnly"])
                    } else {
                        connection.respond("403 Forbidden")
                    }
                }
                connection.close()
            }
        }
        let pool = ConnectionPool()
        do {
            let first = try client(server) { $0.pool = pool }
            try first.open()
            #expect(first.drain().bytes == pattern(50))
            try first.open(at: 10)
            first.close()
        }
        // Another connection with the same origin, straight to where the cookie is wanted.
        let second = try client(server, "/real") { $0.pool = pool }
        try second.open(at: 20)
        second.close()
        // Another origin, for which the server has to turn to its next connection.
        pool.clear()
        let stranger = try client(server, "/real")
        #expect(failure { () throws(TransportError) in try stranger.open() }?.code == .httpStatus(403))
        stranger.close()
        #expect(server.requests.map(\.path) == ["/object", "/real", "/real", "/real", "/real"])
    }

    @Test("401 says what to do", arguments: [false, true])
    func asksForAPassword(hasOne: Bool) throws {
        let server = ScriptedServer { listener in
            let connection = listener.accept()
            while !connection.request().text.isEmpty {
                connection.respond("401 Unauthorized", ["WWW-Authenticate: Basic realm=\"x\""])
            }
            connection.close()
        }
        let client = try client(server) {
            if hasOne { $0.credentials = .userPassword(user: "u", password: "secret") }
        }
        let error = opening(client)
        #expect(error?.code == .httpStatus(401))
        #expect(error?.message.contains(hasOne ? "does not take" : "--netrc") == true, "\(error?.message ?? "")")
        #expect(error?.message.contains("secret") == false)
        client.close()
    }
}
