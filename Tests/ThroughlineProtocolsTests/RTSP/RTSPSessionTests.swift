internal import Testing
internal import ThroughlineCore
internal import ThroughlineProtocols

/// A session against a server that is played by the test, without sockets and in virtual time.
@Suite struct RTSPSessionTests {
    static let url = "rtsp://origin.example/film"
    static let description = """
        v=0\r\ns=film\r\na=control:*\r\na=range:npt=0-12\r
        m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:stream=0\r
        m=audio 0 RTP/AVP 97\r\na=rtpmap:97 MPEG4-GENERIC/48000/2\r\na=control:stream=1\r\n
        """

    /// Talks to a session and keeps what it orders.
    struct Talk {
        var session: RTSPSession
        var now = Instant(nanoseconds: 1_000_000_000)
        /// Requests that were sent and not yet answered, and responses of ours.
        var requests: [RTSPRequest] = []
        var responses: [RTSPResponse] = []
        var orders: [RTSPSession.Order] = []

        init(_ change: (inout RTSPSession.Settings) -> Void = { _ in }) {
            var settings = RTSPSession.Settings(url: RTSPSessionTests.url)
            settings.hash = { algorithm, bytes in "\(algorithm.rawValue)(\(String(decoding: bytes, as: UTF8.self)))" }
            settings.algorithms = [.md5]
            change(&settings)
            session = RTSPSession(settings: settings)
            take(session.start(at: now))
        }

        mutating func take(_ new: [RTSPSession.Order]) {
            for order in new {
                guard case .send(let bytes) = order else {
                    orders.append(order)
                    continue
                }
                switch RTSPMessage(parsing: bytes) {
                case .request(let request): requests.append(request)
                case .response(let response): responses.append(response)
                case nil: Issue.record("not a message: \(String(decoding: bytes, as: UTF8.self))")
                }
            }
        }

        /// Answers the request that was sent first.
        mutating func answer(_ code: Int, _ headers: [(RTSPHeaders.Name, String)] = [], body: String = "") {
            guard !requests.isEmpty, let status = RTSPStatus(code: code) else {
                Issue.record("nothing to answer with \(code)")
                return
            }
            let request = requests.removeFirst()
            var fields = RTSPHeaders(headers)
            fields.add(.cseq, request.headers[.cseq] ?? "")
            take(
                session.received(
                    .response(RTSPResponse(status: status, headers: fields, body: Array(body.utf8))), at: now))
        }

        mutating func describe(_ headers: [(RTSPHeaders.Name, String)] = []) {
            answer(200, [(.contentBase, RTSPSessionTests.url + "/")] + headers, body: description)
        }

        mutating func setUp() {
            take(session.setUp([0, 1], offers: [.interleaved(0...1), .interleaved(2...3)], at: now))
        }

        /// Up to PLAY, which is asked for with the first SETUP.
        mutating func play(from start: NPT) {
            describe()
            take(session.play(RTSPPlayRequest(start: start, seekStyle: .exact), at: now))
            setUp()
            answer(200, [(.session, "abc;timeout=4"), (.transport, "RTP/AVP/TCP;unicast;interleaved=0-1")])
            answer(200, [(.session, "abc"), (.transport, "RTP/AVP/TCP;unicast;interleaved=2-3")])
            answer(
                200,
                [
                    (.session, "abc"), (.range, "npt=4-12"),
                    (.rtpInfo, "url=stream=0;seq=7;rtptime=90,url=stream=1;seq=9;rtptime=48"),
                ])
        }

        mutating func requested(
            _ method: RTSPMethod, uri: String = RTSPSessionTests.url, cseq: Int = 1,
            _ headers: [(RTSPHeaders.Name, String)] = []
        ) {
            var fields = RTSPHeaders(headers)
            fields.add(.cseq, String(cseq))
            take(session.received(.request(RTSPRequest(method: method, uri: uri, headers: fields)), at: now))
        }

        mutating func passTime(_ duration: Duration) {
            now = now + duration
            take(session.timePassed(at: now))
        }

        var failure: ChangeEvent? {
            for case .failed(let event) in orders { return event }
            return nil
        }
    }

    @Test func fromDescribeToPlay() throws {
        var talk = Talk()
        #expect(talk.requests.map(\.method) == [.describe])
        #expect(talk.requests[0].uri == Self.url)
        talk.describe()
        #expect(talk.session.state == .described)
        talk.take(talk.session.play(RTSPPlayRequest(start: .seconds(4), seekStyle: .exact), at: talk.now))
        #expect(talk.requests.isEmpty, "nothing can be played before it is set up")
        talk.setUp()
        #expect(talk.requests.map(\.uri) == [Self.url + "/stream=0"], "the first SETUP goes alone")
        talk.answer(200, [(.session, "abc;timeout=4"), (.transport, "RTP/AVP/TCP;unicast;interleaved=0-1")])
        #expect(talk.requests.map(\.method) == [.setup], "nobody knows whether it bears two at once")
        #expect(talk.requests[0].headers[.session] == "abc")
        talk.answer(200, [(.session, "abc"), (.transport, "RTP/AVP/TCP;unicast;interleaved=2-3")])
        #expect(talk.session.state == .ready)
        #expect(talk.requests.map(\.method) == [.play])
        #expect(talk.requests[0].headers[.session] == "abc")
        #expect(talk.requests[0].headers[.range] == "npt=4.000-")
        #expect(talk.requests[0].headers[.seekStyle] == "RAP")
        #expect(talk.requests[0].uri == Self.url + "/")
        talk.answer(
            200,
            [
                (.range, "npt=3.9-12"),
                (.rtpInfo, "url=\(Self.url)/stream=1;seq=9;rtptime=48,url=\(Self.url)/stream=0;seq=7;rtptime=90"),
            ])
        guard case .playing(let answer) = talk.orders.last else {
            Issue.record("\(talk.orders)")
            return
        }
        #expect(answer.start == .milliseconds(3900), "what the server says, and not what was asked for")
        #expect(answer.flows.map { $0?.timestamp } == [90, 48])
        #expect(answer.scale == .normal && answer.speed == .normal)
        #expect(talk.session.timeout == 4)
    }

    @Test func itIsKeptAliveAtHalfTheTimeout() {
        var talk = Talk()
        talk.play(from: .seconds(4))
        talk.now = talk.now + .milliseconds(1900)
        talk.take(talk.session.timePassed(at: talk.now))
        #expect(talk.requests.isEmpty)
        #expect(talk.session.deadline == talk.now + .milliseconds(100))
        talk.now = talk.now + .milliseconds(100)
        talk.take(talk.session.timePassed(at: talk.now))
        #expect(talk.requests.map(\.method) == [.getParameter])
        #expect(talk.requests[0].headers[.session] == "abc")
        // A server that does not know it is asked at once with something that every server knows, and so from then on.
        talk.answer(501)
        #expect(talk.requests.map(\.method) == [.options])
        talk.answer(200)
        talk.passTime(.seconds(2))
        #expect(talk.requests.map(\.method) == [.options])
    }

    @Test("a session that the server does not know any more stays while it delivers, and is lost soon when it does not")
    func disownedSession() {
        var talk = Talk()
        talk.play(from: .zero)
        func disown() {
            while talk.requests.isEmpty { pass(.milliseconds(40)) }
            for _ in 0..<3 { talk.answer(454) }
        }
        func pass(_ time: Duration, delivers: Bool = true) {
            talk.passTime(time)
            if delivers { talk.session.mediaArrived(at: talk.now) }
        }
        disown()
        for _ in 0..<100 {
            pass(.milliseconds(40))
            for _ in talk.requests { talk.answer(454) }
        }
        #expect(talk.failure == nil && talk.session.state == .playing)
        // A server that knows it again may be silent for as long as any other.
        while talk.requests.isEmpty { pass(.milliseconds(40)) }
        talk.answer(200)
        pass(.seconds(1), delivers: false)
        #expect(talk.failure == nil && talk.session.state == .playing)
        pass(.milliseconds(1))
        disown()
        // It was silent for a second before, and then went on.
        pass(.milliseconds(1900), delivers: false)
        for _ in 0..<3 where !talk.requests.isEmpty { talk.answer(454) }
        #expect(talk.failure == nil)
        pass(.milliseconds(150), delivers: false)
        #expect(talk.failure?.cause == .sessionLost)
    }

    @Test("a session that has fallen silent is lost with the answer that disowns it", arguments: [false, true])
    func silentAndDisowned(answersOptions: Bool) {
        var talk = Talk()
        talk.play(from: .zero)
        talk.session.mediaArrived(at: talk.now)
        talk.passTime(.seconds(2))
        talk.answer(454)
        // Which servers answer whether there is such a session or not.
        talk.answer(answersOptions ? 200 : 454)
        #expect(talk.failure == nil && talk.session.deadline <= talk.now)
        talk.passTime(.zero)
        #expect(talk.failure?.cause == .sessionLost)
    }

    @Test("a live source is never asked for a place", arguments: ["npt=now-", "npt=0-12", "npt=now-12"])
    func liveSource(range: String) {
        var talk = Talk()
        talk.answer(
            200, [(.contentBase, Self.url + "/")],
            body: "v=0\r\na=range:\(range)\r\nm=video 0 RTP/AVP 96\r\na=control:stream=0\r\n"
                + "m=audio 0 RTP/AVP 97\r\na=control:stream=1\r\n")
        talk.take(talk.session.play(RTSPPlayRequest(start: .seconds(4), seekStyle: .exact), at: talk.now))
        talk.setUp()
        for _ in 0..<2 { talk.answer(200, [(.session, "abc")]) }
        #expect(talk.requests.map(\.method) == [.play])
        #expect(talk.requests.first?.headers[.range] == (range == "npt=now-" ? "npt=0.000-" : "npt=4.000-"))
        #expect((talk.requests.first?.headers[.seekStyle] == nil) == (range == "npt=now-"))
        // What it plays then stands where it was wanted.
        talk.answer(200, [(.session, "abc"), (.range, range == "npt=now-" ? range : "npt=4-12")])
        guard case .playing(let answer) = talk.orders.last else { return #expect(Bool(false), "\(talk.orders)") }
        #expect(answer.start == .seconds(4))
    }

    @Test("what is delivered is not taken for lost since signs of life are not answered, or with 454")
    func unansweredSignsOfLife() {
        var talk = Talk()
        talk.play(from: .zero)
        for _ in 0..<5 {
            talk.passTime(.seconds(2))
            #expect(talk.requests.map(\.method) == [.getParameter])
            // Each method is asked in time for the session to live on, whichever it is that the server counts.
            talk.passTime(.milliseconds(500))
            #expect(talk.requests.map(\.method) == [.getParameter, .options])
            talk.passTime(.milliseconds(500))
            #expect(talk.requests.map(\.method) == [.getParameter, .options, .setParameter])
            talk.requests = []
            talk.passTime(.milliseconds(500))
            #expect(talk.requests.isEmpty)
            talk.passTime(.milliseconds(500))
        }
        talk.passTime(.seconds(1))
        for _ in 0..<3 { talk.answer(454) }
        #expect(talk.failure == nil && talk.requests.isEmpty)
        #expect(talk.session.state == .playing)
    }

    @Test("an answer that comes late shows which sign of life is answered")
    func lateSignsOfLife() {
        var talk = Talk()
        talk.play(from: .zero)
        talk.passTime(.seconds(2))
        talk.passTime(.milliseconds(500))
        talk.passTime(.milliseconds(500))
        #expect(talk.requests.map(\.method) == [.getParameter, .options, .setParameter])
        talk.requests.swapAt(0, 1)
        talk.answer(200)
        talk.requests = []
        talk.passTime(.milliseconds(500))
        talk.passTime(.milliseconds(1500))
        #expect(talk.requests.first?.method == .options)
        #expect(talk.failure == nil)
    }

    @Test("an idle session that never answered them is kept, and one that did before is lost")
    func idleSessions() {
        for answersFirst in [false, true] {
            var talk = Talk()
            talk.describe()
            talk.setUp()
            talk.answer(200, [(.session, "abc;timeout=4")])
            talk.answer(200, [(.session, "abc")])
            #expect(talk.session.state == .ready)
            if answersFirst {
                talk.passTime(.seconds(2))
                talk.answer(200)
            }
            talk.passTime(.seconds(2))
            for _ in 0..<3 { talk.passTime(.milliseconds(500)) }
            #expect(talk.failure?.cause == (answersFirst ? .silence : nil))
        }
    }

    @Test("an idle session of which the server knows nothing, however it is asked, is lost")
    func forgottenSession() {
        var talk = Talk()
        talk.describe()
        talk.setUp()
        talk.answer(200, [(.session, "abc;timeout=4")])
        talk.answer(200, [(.session, "abc")])
        talk.passTime(.seconds(2))
        for _ in 0..<3 { talk.answer(454) }
        #expect(talk.failure?.cause == .sessionLost)
    }

    // MARK: - Requests that go together

    @Test(
        "what is left goes together to a server that is known to bear it, or says so",
        arguments: [
            ("Server", "GStreamer RTSP server"), ("Server", "LIVE555 Streaming Media v2023.01.19"),
            ("Supported", "play.basic, play.scale"), ("Pipelined-Requests", "1"),
        ])
    func pipelining(name: String, value: String) {
        var talk = Talk()
        talk.describe([(RTSPHeaders.Name(name), value)])
        talk.take(talk.session.play(RTSPPlayRequest(start: .zero), at: talk.now))
        talk.setUp()
        talk.answer(200, [(.session, "abc")])
        #expect(talk.requests.map(\.method) == [.setup, .play])
        #expect(talk.requests.allSatisfy { $0.headers[.session] == "abc" })
    }

    @Test("what goes unanswered is asked once more alone, and told", arguments: [false, true])
    func unansweredPipelining(isSetUpAnswered: Bool) {
        var talk = Talk()
        talk.describe([(.server, "GStreamer RTSP server")])
        talk.take(talk.session.play(RTSPPlayRequest(start: .seconds(4)), at: talk.now))
        talk.setUp()
        talk.answer(200, [(.session, "abc")])
        if isSetUpAnswered { talk.answer(200, [(.session, "abc")]) }
        talk.requests = []
        talk.passTime(.milliseconds(2500))
        #expect(talk.requests.map(\.method) == [isSetUpAnswered ? .play : .setup])
        if !isSetUpAnswered { talk.answer(200, [(.session, "abc")]) }
        #expect(talk.requests.map(\.method) == [.play])
        #expect(talk.requests.first?.headers[.range] == "npt=4.000-")
        let told = talk.orders.contains {
            if case .remark(let text) = $0 { text.contains(isSetUpAnswered ? "PLAY" : "SETUP") } else { false }
        }
        #expect(told)
        // Once: then it is the server that fails.
        talk.passTime(.seconds(5))
        #expect(talk.failure?.detail.contains("PLAY was not answered") == true)
    }

    @Test("a second PLAY that is not answered goes to another session")
    func unansweredReplay() {
        var talk = Talk()
        talk.play(from: .zero)
        talk.take(talk.session.play(RTSPPlayRequest(start: .seconds(7)), at: talk.now))
        talk.passTime(.milliseconds(1500))
        guard case .replayUnanswered(let request) = talk.orders.last else {
            Issue.record("\(talk.orders)")
            return
        }
        #expect(request.start == .seconds(7))
        #expect(talk.failure == nil && talk.session.state == .closed)
    }

    @Test func aTokenIsSentAsItIs() {
        var talk = Talk {
            $0.bearerToken = "abc"
            $0.headers = [("Authorization", "Bearer other")]
        }
        #expect(talk.requests[0].headers.fields.filter { $0.name == .authorization }.map(\.value) == ["Bearer abc"])
        talk.answer(401, [(.wwwAuthenticate, "Basic realm=\"x\"")])
        #expect(talk.failure?.detail.contains("token") == true)
        // A server that wants something else gets what there is for it.
        var other = Talk {
            $0.bearerToken = "abc"
            ($0.user, $0.password) = ("u", "p")
        }
        other.answer(401, [(.wwwAuthenticate, "Basic realm=\"x\"")])
        #expect(other.requests[0].headers[.authorization] == "Basic dTpw")
    }

    @Test func whatNobodyReadsIsNotLate() {
        var talk = Talk()
        talk.play(from: .seconds(4))
        talk.session.listens(false, at: talk.now)
        talk.take(talk.session.play(RTSPPlayRequest(start: .seconds(5)), at: talk.now))
        talk.requests = []
        // Signs of life go on, however many of them wait for their answers.
        for _ in 0..<100 {
            talk.now = talk.session.deadline
            talk.take(talk.session.timePassed(at: talk.now))
        }
        #expect(talk.requests.count == 100)
        #expect(talk.failure == nil)
        talk.session.listens(true, at: talk.now)
        talk.orders = []
        for isLate in [false, true] {
            talk.now = talk.now + .milliseconds(isLate ? 100 : 1400)
            for _ in 0..<200 where talk.session.deadline <= talk.now {
                talk.take(talk.session.timePassed(at: talk.now))
            }
            let isTold = talk.orders.contains { if case .replayUnanswered = $0 { true } else { false } }
            #expect(isTold == isLate)
        }
    }

    @Test func aServerThatAnswersNothingIsLeftOnce() {
        var talk = Talk()
        talk.play(from: .seconds(4))
        for _ in 0..<70 { talk.take(talk.session.play(RTSPPlayRequest(start: .zero), at: talk.now)) }
        #expect(talk.requests.count == 64)
        let failures = talk.orders.count { if case .failed = $0 { true } else { false } }
        #expect(failures == 1)
        #expect(talk.failure?.cause == .protocolError)
        #expect(talk.session.state == .closed)
    }

    @Test func aPauseBeforeTheAnswerToPlay() {
        var talk = Talk()
        talk.play(from: .seconds(4))
        talk.take(talk.session.pause(at: talk.now))
        talk.answer(200)
        talk.take(talk.session.play(RTSPPlayRequest(start: .seconds(1)), at: talk.now))
        talk.take(talk.session.pause(at: talk.now))
        #expect(talk.requests.map(\.method) == [.play, .pause])
        talk.answer(200)
        #expect(talk.session.state == .playing)
        talk.answer(200)
        #expect(talk.session.state == .ready)
    }

    @Test(arguments: [404, 453, 455, 501, 503])
    func aServerThatRefusesToPausePlaysOn(status: Int) {
        var talk = Talk()
        talk.play(from: .seconds(4))
        talk.take(talk.session.pause(at: talk.now))
        talk.answer(status)
        #expect(talk.orders.contains { if case .pauseRefused = $0 { true } else { false } })
        #expect(talk.failure == nil && talk.session.state == .playing)
        talk.take(talk.session.pause(at: talk.now))
        talk.answer(200)
        #expect(talk.session.state == .ready)
    }

    @Test func aPausedSessionIsKeptAliveToo() {
        var talk = Talk()
        talk.play(from: .seconds(4))
        talk.take(talk.session.pause(at: talk.now))
        talk.answer(200)
        #expect(talk.session.state == .ready)
        talk.now = talk.now + .seconds(2)
        talk.take(talk.session.timePassed(at: talk.now))
        #expect(talk.requests.map(\.method) == [.getParameter])
    }

    @Test func anAnswerThatDoesNotCome() {
        var talk = Talk { $0.answerBound = .seconds(3) }
        #expect(talk.session.deadline == talk.now + .seconds(3))
        talk.now = talk.now + .seconds(3)
        talk.take(talk.session.timePassed(at: talk.now))
        #expect(talk.failure?.cause == .silence)
        #expect(talk.failure?.detail.contains("DESCRIBE") == true)
        #expect(talk.session.deadline == .never)
    }

    @Test(arguments: [
        (453, ChangeEvent.Cause.overloaded), (503, .overloaded), (454, .sessionLost), (500, .rtspStatus),
        (403, .rtspStatus),
    ])
    func refusalsOfASetUp(code: Int, cause: ChangeEvent.Cause) {
        var talk = Talk()
        talk.describe()
        talk.setUp()
        talk.answer(code, [(.retryAfter, "7")])
        #expect(talk.failure?.cause == cause)
        if code == 503 { #expect(talk.failure?.retryAfter == .seconds(7)) }
        #expect(talk.failure?.detail.contains(String(code)) == true)
    }

    @Test func aTransportThatIsRefused() {
        var talk = Talk()
        talk.describe()
        talk.setUp()
        talk.answer(461)
        guard case .transportRefused = talk.orders.last else {
            Issue.record("\(talk.orders)")
            return
        }
        #expect(talk.session.state == .closed)
    }

    @Test func oneFlowThatIsRefused() {
        var talk = Talk()
        talk.describe()
        talk.setUp()
        talk.answer(200, [(.session, "abc")])
        talk.answer(500)
        #expect(talk.failure == nil)
        #expect(talk.session.state == .ready, "the other goes on")
        guard case .flowRefused(let flow, _) = talk.orders.dropLast().last else {
            Issue.record("\(talk.orders)")
            return
        }
        #expect(flow == 1)
    }

    /// RFC 2326 section 12.17; some servers leave it out.
    @Test func aResponseWithoutANumberAnswersTheOldestRequest() {
        var talk = Talk()
        let response = RTSPResponse(status: .ok, body: Array(Self.description.utf8))
        talk.take(talk.session.received(.response(response), at: talk.now))
        #expect(talk.session.state == .described)
        // And one that answers nothing is passed over.
        talk.take(talk.session.received(.response(response), at: talk.now))
        #expect(talk.failure == nil)
    }

    @Test func credentialsAreGivenWhenTheyAreAskedFor() {
        var talk = Talk {
            $0.user = "me"
            $0.password = "secret"
        }
        talk.answer(401, [("WWW-Authenticate", "Digest realm=\"r\", nonce=\"n\"")])
        #expect(talk.requests.map(\.method) == [.describe])
        let value = talk.requests[0].headers[.authorization] ?? ""
        #expect(value.contains("MD5(MD5(me:r:secret):n:MD5(DESCRIBE:\(Self.url)))"), "\(value)")
        #expect(talk.requests[0].headers[.cseq] == "2")
        talk.describe()
        talk.setUp()
        #expect(talk.requests[0].headers[.authorization]?.contains("SETUP") == true, "unasked from then on")
        talk.answer(401, [("WWW-Authenticate", "Digest realm=\"r\", nonce=\"m\", stale=true")])
        #expect(talk.requests[0].headers[.authorization]?.contains(":m:") == true, "a stale nonce is replaced")
        talk.answer(401, [("WWW-Authenticate", "Digest realm=\"r\", nonce=\"m\"")])
        #expect(talk.failure?.detail.contains("password") == true)
    }

    @Test func withoutCredentialsAChallengeIsAFailure() {
        var talk = Talk()
        talk.answer(401, [("WWW-Authenticate", "Basic realm=\"r\"")])
        #expect(talk.failure?.detail.contains("user") == true)
    }

    @Test func redirectsOfARequest() {
        var talk = Talk()
        talk.answer(302, [(.location, "rtsp://other.example/film")])
        guard case .moved(let url) = talk.orders.last else {
            Issue.record("\(talk.orders)")
            return
        }
        #expect(url == "rtsp://other.example/film")
    }

    @Test func aServerWithoutAggregateControlIsPlayedFlowByFlow() {
        var talk = Talk()
        talk.describe()
        talk.setUp()
        talk.answer(200, [(.session, "abc")])
        talk.answer(200)
        talk.take(talk.session.play(RTSPPlayRequest(start: .zero), at: talk.now))
        talk.answer(459)
        #expect(talk.requests.map(\.uri) == [Self.url + "/stream=0", Self.url + "/stream=1"])
        talk.answer(200, [(.range, "npt=0-12"), (.rtpInfo, "url=stream=0;rtptime=5")])
        #expect(talk.session.state == .ready, "not before every flow plays")
        talk.answer(200, [(.rtpInfo, "url=stream=1;rtptime=6")])
        guard case .playing(let answer) = talk.orders.last else {
            Issue.record("\(talk.orders)")
            return
        }
        #expect(answer.flows.map { $0?.timestamp } == [5, 6])
    }

    @Test func aScaleThatIsNotNamedIsNotPlayed() {
        var talk = Talk()
        talk.play(from: .zero)
        talk.take(talk.session.play(RTSPPlayRequest(start: .seconds(1), scale: Rate(2)), at: talk.now))
        #expect(talk.requests[0].headers[.scale] == "2")
        talk.answer(200)
        guard case .playing(let answer) = talk.orders.last else {
            Issue.record("\(talk.orders)")
            return
        }
        #expect(answer.scale == .normal)
        #expect(answer.start == .seconds(1))
    }

    @Test(arguments: [("GStreamer RTSP server", false), ("Other/1.0", true), (nil, true)])
    func aServerThatFailsWhenAskedToPlayBackwardsIsNotAsked(_ server: String?, _ isAsked: Bool) {
        var talk = Talk()
        talk.play(from: .zero)
        let backwards = RTSPPlayRequest(start: .seconds(5), end: .zero, scale: Rate(-1))
        // Before its first word about itself nobody knows; what it says in any answer counts.
        talk.take(talk.session.play(RTSPPlayRequest(start: .seconds(5)), at: talk.now))
        talk.answer(200, server.map { [(.server, $0)] } ?? [])
        talk.take(talk.session.play(backwards, at: talk.now))
        #expect(talk.requests[0].headers[.scale] == (isAsked ? "-1" : nil))
        #expect(talk.requests[0].headers[.range] == (isAsked ? "npt=5.000-0.000" : "npt=5.000-"))
        talk.answer(200)
        guard case .playing(let answer) = talk.orders.last else {
            Issue.record("\(talk.orders)")
            return
        }
        #expect(answer.scale == .normal, "what is played, not what was asked for")
    }

    // MARK: - What the server asks

    @Test func noticesOfTheServerAreAnsweredAndTold() {
        var talk = Talk()
        talk.play(from: .zero)
        talk.orders = []
        talk.requested(
            .redirect, cseq: 5, [(.location, "rtsp://b.example/film"), (.range, "npt=10-"), (.session, "abc")])
        talk.requested(.announce, cseq: 6, [(.xNotice, "2101 \"End-of-Stream Reached\"")])
        talk.requested(.playNotify, cseq: 7, [(.notifyReason, "end-of-stream")])
        talk.requested(.teardown, cseq: 8)
        #expect(talk.responses.map(\.status) == [.ok, .ok, .ok, .ok])
        #expect(talk.responses.map { $0.headers[.cseq] } == ["5", "6", "7", "8"])
        #expect(talk.responses[0].headers[.session] == "abc")
        var notices: [RTSPServerNotice] = []
        for case .notice(let notice) in talk.orders { notices.append(notice) }
        #expect(notices.count == 4)
        #expect(notices.first == .redirect(location: "rtsp://b.example/film", range: .npt(from: .seconds(10))))
        #expect(notices.last == .teardown(reason: nil))
    }

    @Test func whatIsNotUnderstoodIsRefused() {
        var talk = Talk()
        talk.play(from: .zero)
        talk.requested(.record)
        talk.requested(.redirect, cseq: 2, [(.session, "another")])
        #expect(talk.responses.map(\.status) == [.notImplemented, .sessionNotFound])
        #expect(talk.failure == nil)
    }

    @Test func afterTheEndNothingIsSaid() {
        var talk = Talk()
        talk.play(from: .zero)
        talk.take(talk.session.tearDown(at: talk.now))
        #expect(talk.requests.map(\.method) == [.teardown])
        talk.requests = []
        talk.take(talk.session.timePassed(at: talk.now + .seconds(100)))
        talk.take(talk.session.play(RTSPPlayRequest(start: .zero), at: talk.now))
        talk.requested(.redirect)
        #expect(talk.requests.isEmpty && talk.responses.isEmpty)
    }
}
