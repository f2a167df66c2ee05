package import ThroughlineCore

/// A client's side of one RTSP session over one connection (RFC 2326 appendix A.1), from DESCRIBE to TEARDOWN.
///
/// A pure state machine: messages, commands and the time go in, orders come out. It holds no socket and reads no clock.
///
///     start --> DESCRIBE --described--> setUp --> SETUP ... --ready--> play --> PLAY --playing--> ... pause, play, teardown
///
/// Requests go one by one, since there are servers that pass over what comes together (VLC's a PLAY behind a SETUP). To
/// those that are known to bear it, or say so, the second SETUP and those after it, and a PLAY that was asked for by then,
/// are sent together as soon as the first SETUP was answered with the session's identifier: servers that are asked for all
/// at once make a session of each. What stays without an answer then is asked once more, one by one.
package struct RTSPSession: Sendable {
    package struct Settings: Sendable {
        /// Without user and password.
        package var url: String
        package var user: String?
        package var password: String?
        /// Sent as `Authorization: Bearer` (RFC 6750 section 2.1) until the server asks for something else.
        package var bearerToken: String?
        package var userAgent = "Throughline"
        /// Further header fields of every request.
        package var headers: [(name: String, value: String)] = []
        /// How long an answer may take.
        package var answerBound: Duration = .seconds(5)
        /// The digest of bytes in lower-case hexadecimal; nil for an algorithm that is not at hand.
        package var hash: @Sendable (RTSPChallenge.Algorithm, [UInt8]) -> String? = { _, _ in nil }
        package var algorithms: Set<RTSPChallenge.Algorithm> = []
        /// Fresh, and not to be guessed.
        package var clientNonce: @Sendable () -> String = { "0" }

        package init(url: String) { self.url = url }
    }

    package enum Order: Sendable {
        case send([UInt8])
        /// The description is here: choose media, and call `setUp`.
        case described(SessionDescription)
        /// The server agreed to deliver a flow this way.
        case agreed(flow: Int, RTSPTransport)
        /// The server refuses one flow; the others go on.
        case flowRefused(flow: Int, RTSPStatus)
        /// Every flow is set up.
        case ready
        case playing(RTSPPlayAnswer)
        /// Where it stands, if the server says so.
        case paused(NPT?)
        /// The server has refused PAUSE, for good or for now, and plays on.
        case pauseRefused
        /// The transport that was offered is refused (461): begin anew with another.
        case transportRefused
        /// Begin anew at this URL, over another connection.
        case moved(to: String)
        case notice(RTSPServerNotice)
        /// Something that people should know of the server, in words that follow its name.
        case remark(String)
        /// A PLAY after the first stays without an answer: begin anew with it, over another connection.
        case replayUnanswered(RTSPPlayRequest)
        /// The session cannot go on.
        case failed(ChangeEvent)
    }

    package enum State: Hashable, Sendable {
        case initial, describing, described, settingUp, ready, playing, closed
    }

    /// One of the media that is set up.
    private struct Flow: Sendable {
        var control: String?
        var urls: [String]
        var offer: RTSPTransport
        var isSetUp = false
        var isRefused = false
        var url: String { urls.first ?? "" }
    }

    private enum Purpose: Hashable, Sendable {
        case describe
        case setUp(Int)
        case pause, tearDown, keepAlive
        /// `part` of several when the server takes no aggregate control.
        case play(RTSPPlayRequest, isLast: Bool)
        case setParameter
    }

    private struct Pending: Sendable {
        var cseq: Int64
        var request: RTSPRequest
        var purpose: Purpose
        var sentAt: Instant
        var challenges = 0
        /// It was sent together with others.
        var isPipelined = false
    }

    /// Timeout of a session where the server names none (RFC 2326 section 12.37).
    package static let usualTimeout = 60
    private static let mostPending = 64
    private static let mostOverdue = 8
    /// How long the answer to a PLAY after the first may take: another session is had sooner than the viewer would wait.
    private static let replayBound: Duration = .milliseconds(1500)

    package private(set) var state = State.initial
    /// The identifier of the session, once there is one.
    package private(set) var sessionID: String?
    /// Seconds.
    package private(set) var timeout = usualTimeout

    private let settings: Settings
    private var controls: RTSPControlURLs
    private var description: SessionDescription?
    private var flows: [Flow] = []
    private var pending: [Pending] = []
    private var nextCSeq: Int64 = 1
    private var authorizer: RTSPAuthorizer?
    private var wantedPlay: RTSPPlayRequest?
    private var lastSent: Instant?
    /// Answers are read: one that does not come is late.
    private var isListening = true
    private var isPerFlow = false
    /// The first part of an answer that comes in several.
    private var gathered: RTSPPlayAnswer?
    private var keepAlive = RTSPKeepAlive()
    private var disowned = RTSPDisownedSession()
    /// Signs of life that were not answered in time, the last of them: what comes late still tells something.
    private var overdue: [Pending] = []
    /// The server bears requests that come together.
    private var bearsPipelining = false
    private var refusesPipelining = false
    /// What is sent now goes together with something else.
    private var isSendingTogether = false
    /// When the last answer came.
    private var lastAnswer: Instant?
    /// A PLAY was answered.
    private var hasPlayed = false
    /// GStreamer's server takes `Scale: -1` for a speed: it plays a heap of packets at once, keeps the end of that range for
    /// the next, or falls over an assertion and is gone, with all that it serves. It is not asked.
    private var isGStreamer = false
    private var orders: [Order] = []

    package init(settings: Settings) {
        self.settings = settings
        controls = RTSPControlURLs(requestURL: settings.url)
    }

    /// The URL that controls all flows together.
    package var aggregateURL: String { controls.aggregate }

    // MARK: - Commands

    /// The connection is there.
    package mutating func start(at now: Instant) -> [Order] {
        precondition(state == .initial, "started in \(state)")
        state = .describing
        var headers = RTSPHeaders()
        headers.add(.accept, "application/sdp")
        send(.describe, settings.url, headers, .describe, at: now)
        return takeOrders()
    }

    /// Sets up media of the description, in this order; flows are counted in it from here on.
    ///
    /// - Parameter offers: the transport to ask for, for each.
    package mutating func setUp(_ media: [Int], offers: [RTSPTransport], at now: Instant) -> [Order] {
        precondition(state == .described && media.count == offers.count, "set up in \(state)")
        guard let description, !media.isEmpty else { return [] }
        flows = zip(media, offers).compactMap { index, offer in
            guard description.media.indices.contains(index) else { return nil }
            let control = description.media[index].control
            return Flow(control: control, urls: controls.candidates(for: control), offer: offer)
        }
        state = .settingUp
        sendSetUp(0, at: now)
        return takeOrders()
    }

    /// Plays, or plays from elsewhere. Before `ready` it is kept and sent as early as can be. A server that is known to fail
    /// when it is asked to play backwards is asked to play forwards, and its answer tells.
    package mutating func play(_ request: RTSPPlayRequest, at now: Instant) -> [Order] {
        switch state {
        case .ready, .playing: sendPlay(request, at: now)
        case .closed: break
        default: wantedPlay = request
        }
        return takeOrders()
    }

    /// Stops the delivery, also where the answer to PLAY is still to come.
    package mutating func pause(at now: Instant) -> [Order] {
        let isAboutToPlay = pending.contains { if case .play = $0.purpose { true } else { false } }
        guard state == .playing || state == .ready && isAboutToPlay else { return [] }
        send(.pause, controls.aggregate, RTSPHeaders(), .pause, at: now)
        return takeOrders()
    }

    /// Ends the session; nothing is to be awaited after it.
    package mutating func tearDown(at now: Instant) -> [Order] {
        guard state != .closed else { return [] }
        if sessionID != nil { send(.teardown, controls.aggregate, RTSPHeaders(), .tearDown, at: now) }
        state = .closed
        return takeOrders()
    }

    /// Asks for another rate of delivery (`Bandwidth`, RFC 2326 section 12.6), with a message of its own.
    package mutating func setBandwidth(_ bitsPerSecond: Int64, at now: Instant) -> [Order] {
        guard state == .ready || state == .playing else { return [] }
        var headers = RTSPHeaders()
        headers.add(.bandwidth, String(bitsPerSecond))
        send(.setParameter, controls.aggregate, headers, .setParameter, at: now)
        return takeOrders()
    }

    // MARK: - Time

    /// When `timePassed` is to be called at the latest.
    package var deadline: Instant {
        guard state != .closed else { return .never }
        let answers = isListening ? pending.map { isDue($0) }.min() ?? .never : .never
        return min(answers, keepAliveAt ?? .never, lostAt)
    }

    /// When a session that delivers, and that the server does not know any more, is lost for want of media.
    private var lostAt: Instant { isListening && state == .playing ? disowned.deadline : .never }

    /// Media of the session has come. To be told once for what comes together.
    package mutating func mediaArrived(at now: Instant) { disowned.mediaArrived(at: now) }

    /// A session is kept alive at half its timeout, whether or not anyone reads.
    private var keepAliveAt: Instant? {
        guard sessionID != nil, state == .ready || state == .playing, let lastSent else { return nil }
        return lastSent + .seconds(max(1, timeout)) / 2
    }

    /// When an answer is late.
    private func isDue(_ request: Pending) -> Instant {
        let bound = settings.answerBound
        switch request.purpose {
        // There must be time for other methods before the session ends.
        case .keepAlive: return request.sentAt + min(bound, max(.milliseconds(500), .seconds(timeout) / 8))
        case .play where hasPlayed: return request.sentAt + min(bound / 2, Self.replayBound)
        case .play, .setUp:
            return request.isPipelined
                ? max(request.sentAt, lastAnswer ?? request.sentAt) + bound / 2 : request.sentAt + bound
        default: return request.sentAt + bound
        }
    }

    package mutating func timePassed(at now: Instant) -> [Order] {
        guard state != .closed else { return [] }
        if now >= lostAt {
            fail(.sessionLost, "knows the session no more, and sends nothing")
        } else if let index = lateRequest(at: now) {
            isLate(index, at: now)
        } else if let keepAliveAt, now >= keepAliveAt {
            keepAlive.begin()
            sendKeepAlive(at: now)
        }
        return takeOrders()
    }

    /// Whether `timePassed` will find that an answer is late.
    package func hasLateAnswer(at now: Instant) -> Bool { state != .closed && lateRequest(at: now) != nil }

    private func lateRequest(at now: Instant) -> Int? {
        isListening ? pending.firstIndex { now >= isDue($0) } : nil
    }

    private mutating func isLate(_ index: Int, at now: Instant) {
        let request = pending[index]
        switch request.purpose {
        case .keepAlive:
            pending.remove(at: index)
            overdue = overdue.suffix(Self.mostOverdue - 1) + [request]
            goOn(keepAlive.fellSilent(request.request.method), "does not answer any more", at: now)
        // Nothing depends on it.
        case .setParameter, .tearDown: pending.remove(at: index)
        case .play(let asked, _) where hasPlayed:
            state = .closed
            orders.append(.replayUnanswered(asked))
        case .setUp, .play:
            guard request.isPipelined else { fallthrough }
            askAlone(at: now)
        default:
            fail(
                .silence, "\(request.request.method) was not answered within \(settings.answerBound.secondsText) s")
        }
    }

    private mutating func goOn(_ verdict: RTSPKeepAlive.Verdict, _ what: String, at now: Instant) {
        switch verdict {
        case .rest: break
        case .tryNext: sendKeepAlive(at: now)
        // What is delivered tells by itself whether it lives.
        case .silent: if state == .ready { fail(.silence, what) }
        case .unknown: if state == .ready { fail(.sessionLost, what) }
        }
    }

    private mutating func wasAnswered(_ signOfLife: RTSPMethod) {
        keepAlive.answered(signOfLife)
        // Servers answer OPTIONS without a look at the session.
        if signOfLife != .options { disowned.owned() }
    }

    private mutating func sendKeepAlive(at now: Instant) {
        send(keepAlive.method, controls.aggregate, RTSPHeaders(), .keepAlive, at: now)
    }

    /// What was sent together was passed over, at least in part.
    private mutating func askAlone(at now: Instant) {
        let unanswered = pending.filter(\.isPipelined)
        pending.removeAll(where: \.isPipelined)
        refusesPipelining = true
        var methods: [String] = []
        for request in unanswered {
            if case .play(let asked, _) = request.purpose { wantedPlay = asked }
            if methods.last != request.request.method.rawValue { methods.append(request.request.method.rawValue) }
        }
        orders.append(
            .remark("does not answer \(methods.joined(separator: " and ")) sent together; asked again one by one"))
        setUpNext(at: now)
    }

    /// The connection is read no longer, or again: what nobody reads cannot be late.
    package mutating func listens(_ isListening: Bool, at now: Instant) {
        if isListening, !self.isListening {
            for index in pending.indices { pending[index].sentAt = max(pending[index].sentAt, now) }
            disowned.mediaIsDue(at: now)
        }
        self.isListening = isListening
    }

    // MARK: - Messages

    package mutating func received(_ message: RTSPMessage, at now: Instant) -> [Order] {
        guard state != .closed else { return [] }
        switch message {
        case .request(let request): answer(request)
        case .response(let response): take(response, at: now)
        }
        return takeOrders()
    }

    private mutating func take(_ response: RTSPResponse, at now: Instant) {
        if response.status.isInformational { return }
        let index: Int?
        if let cseq = response.headers.cseq {
            index = pending.firstIndex { $0.cseq == cseq }
        } else {
            // Servers that forget it answer in order.
            index = pending.isEmpty ? nil : 0
        }
        lastAnswer = now
        if response.headers.bearPipelining || response.version.major >= 2 { bearsPipelining = true }
        guard let index else { return cameLate(response, at: now) }
        let request = pending.remove(at: index)
        if let server = response.headers[.server] { isGStreamer = RTSPPlayAnswer.isGStreamer(server) }
        if let session = response.headers.session, response.status.isSuccess {
            sessionID = sessionID ?? session.id
            if let seconds = session.timeout { timeout = seconds }
        }
        switch response.status.code {
        case 200..<300: succeeded(request, response, at: now)
        case 300..<400: moved(request, response)
        case 401, 407: challenged(request, response, at: now)
        default: refused(request, response, at: now)
        }
    }

    /// An answer to what nobody waits for any more.
    private mutating func cameLate(_ response: RTSPResponse, at now: Instant) {
        let index: Int?
        if let cseq = response.headers.cseq {
            index = overdue.firstIndex { $0.cseq == cseq }
        } else {
            index = overdue.isEmpty ? nil : 0
        }
        guard let index else { return }
        let request = overdue.remove(at: index)
        if response.status.isSuccess { wasAnswered(request.request.method) }
    }

    private mutating func succeeded(_ request: Pending, _ response: RTSPResponse, at now: Instant) {
        switch request.purpose {
        case .describe:
            guard let description = SessionDescription(parsing: response.body) else {
                fail(.notMedia, "its answer to DESCRIBE describes no media")
                return
            }
            self.description = description
            controls = RTSPControlURLs(
                requestURL: settings.url, contentBase: response.headers[.contentBase],
                contentLocation: response.headers[.contentLocation], sessionControl: description.control)
            state = .described
            orders.append(.described(description))
        case .setUp(let flow): wasSetUp(flow, response, at: now)
        case .play(let asked, let isLast):
            disowned.owned()
            disowned.mediaIsDue(at: now)
            played(asked, response, isLast: isLast)
        case .pause:
            disowned.owned()
            state = .ready
            orders.append(.paused(response.headers.range?.startTime))
        case .keepAlive: wasAnswered(request.request.method)
        case .tearDown, .setParameter: break
        }
    }

    private mutating func wasSetUp(_ flow: Int, _ response: RTSPResponse, at now: Instant) {
        flows[flow].isSetUp = true
        let agreed = response.headers.transport?.alternatives.first ?? flows[flow].offer
        orders.append(.agreed(flow: flow, agreed))
        setUpNext(at: now)
    }

    /// Asks for what is left: one thing after the other, or with the identifier of the session known, all at once.
    private mutating func setUpNext(at now: Instant) {
        guard state == .settingUp || state == .ready else { return }
        let isPending = Set(pending.compactMap { if case .setUp(let flow) = $0.purpose { flow } else { nil } })
        let left = flows.indices.filter { !flows[$0].isSetUp && !flows[$0].isRefused && !isPending.contains($0) }
        if sessionID != nil, bearsPipelining, !refusesPipelining {
            let plays = flows.contains(where: \.isSetUp)
            isSendingTogether = left.count + (plays && wantedPlay != nil ? 1 : 0) > 1
            for next in left { sendSetUp(next, at: now) }
            if plays { sendWantedPlay(at: now) }
            isSendingTogether = false
        } else if isPending.isEmpty, let next = left.first {
            sendSetUp(next, at: now)
        }
        guard flows.allSatisfy({ $0.isSetUp || $0.isRefused }) else { return }
        guard flows.contains(where: \.isSetUp) else {
            fail(.rtspStatus, "it refuses every flow")
            return
        }
        if state == .settingUp {
            state = .ready
            orders.append(.ready)
        }
        sendWantedPlay(at: now)
    }

    private mutating func sendWantedPlay(at now: Instant) {
        guard let wantedPlay else { return }
        self.wantedPlay = nil
        sendPlay(wantedPlay, at: now)
    }

    private mutating func played(_ asked: RTSPPlayRequest, _ response: RTSPResponse, isLast: Bool) {
        let headers = response.headers
        let info = headers.rtpInfo
        let entries = flows.enumerated().map { index, flow -> RTPInfo.Entry? in
            guard flow.isSetUp else { return nil }
            return info?.entry(forURL: flow.url, control: flow.control, at: index, of: flows.count)
        }
        var answer = RTSPPlayAnswer(
            range: headers.range,
            // A server that does not name them plays at normal speed, whatever it was asked for (RFC 2326 12.34).
            scale: headers.scale ?? .normal, speed: headers.speed ?? .normal,
            flows: entries, bandwidth: headers.bandwidth, askedStart: asked.start, server: headers[.server])
        if let gathered {
            answer.range = gathered.range ?? answer.range
            answer.flows = zip(gathered.flows, answer.flows).map { $0 ?? $1 }
        }
        guard isLast else {
            gathered = answer
            return
        }
        gathered = nil
        if state != .closed { state = .playing }
        hasPlayed = true
        orders.append(.playing(answer))
    }

    private mutating func moved(_ request: Pending, _ response: RTSPResponse) {
        guard let location = response.headers.location else {
            fail(.rtspStatus, "answered \(response.status) to \(request.request.method) without a Location")
            return
        }
        state = .closed
        orders.append(.moved(to: location))
    }

    private mutating func challenged(_ request: Pending, _ response: RTSPResponse, at now: Instant) {
        guard let user = settings.user else {
            let wants = "it asks for a user and a password; \(passwordPlaces)"
            fail(.rtspStatus, settings.bearerToken == nil ? wants : "it refuses the token")
            return
        }
        let challenges = response.headers.challenges
        let isStale = challenges.contains {
            if case .digest(let digest) = $0.scheme { digest.isStale } else { false }
        }
        guard let challenge = RTSPChallenge.strongest(of: challenges, supporting: settings.algorithms) else {
            fail(.rtspStatus, "it wants an authentication that is not known here")
            return
        }
        guard request.challenges == 0 || (isStale && request.challenges < 3) else {
            fail(.rtspStatus, "it refuses the user or the password")
            return
        }
        authorizer = RTSPAuthorizer(challenge: challenge, user: user, password: settings.password ?? "")
        transmit(request.request, request.purpose, challenges: request.challenges + 1, at: now)
    }

    private mutating func refused(_ request: Pending, _ response: RTSPResponse, at now: Instant) {
        let status = response.status
        let what = "answered \(status) to \(request.request.method)"
        switch (request.purpose, status.code) {
        case (.tearDown, _), (.setParameter, _): return
        // PAUSE takes nothing of a server: 453 and 503 are no overload here.
        case (.pause, 400..<454), (.pause, 455...): orders.append(.pauseRefused)
        case (.keepAlive, 454):
            disowned.disowned(at: now)
            goOn(keepAlive.foundNoSession(), what, at: now)
        case (.keepAlive, _): goOn(keepAlive.refused(), what, at: now)
        case (.setUp(let flow), 461):
            flow == 0 || !flows.contains(where: \.isSetUp) ? refuseTransport() : refuse(flow, status, at: now)
        case (.setUp(let flow), 400), (.setUp(let flow), 404), (.setUp(let flow), 459):
            if flows[flow].urls.count > 1 {
                flows[flow].urls.removeFirst()
                sendSetUp(flow, at: now)
            } else {
                refuse(flow, status, at: now)
            }
        case (.play(let asked, _), 459) where !isPerFlow:
            isPerFlow = true
            sendPlay(asked, at: now)
        case (.play(let asked, _), 460) where isPerFlow:
            isPerFlow = false
            sendPlay(asked, at: now)
        case (_, 453), (_, 503): fail(.overloaded, what, retryAfter: response.headers.retryAfter)
        case (_, 454): fail(.sessionLost, what)
        case (.play, 457): fail(.rangeNotHonoured, what)
        case (.setUp(let flow), _) where flow > 0: refuse(flow, status, at: now)
        default: fail(.rtspStatus, what, retryAfter: response.headers.retryAfter)
        }
    }

    private mutating func refuseTransport() {
        state = .closed
        orders.append(.transportRefused)
    }

    private mutating func refuse(_ flow: Int, _ status: RTSPStatus, at now: Instant) {
        flows[flow].isRefused = true
        orders.append(.flowRefused(flow: flow, status))
        setUpNext(at: now)
    }

    private mutating func fail(_ cause: ChangeEvent.Cause, _ detail: String, retryAfter: Duration? = nil) {
        guard state != .closed else { return }
        state = .closed
        orders.append(
            .failed(ChangeEvent(cause: cause, detail: "\(settings.url): \(detail)", retryAfter: retryAfter)))
    }

    // MARK: - Requests of the server

    private mutating func answer(_ request: RTSPRequest) {
        var status = RTSPStatus.ok
        var headers = RTSPHeaders()
        if let cseq = request.headers[.cseq] { headers.add(.cseq, cseq) }
        if let sessionID, request.headers.session != nil { headers.add(.session, sessionID) }
        if let named = request.headers.session, let sessionID, named.id != sessionID, request.method != .options {
            status = .sessionNotFound
        } else {
            switch request.method {
            case .redirect:
                orders.append(
                    .notice(.redirect(location: request.headers.location, range: request.headers.range)))
            case .announce:
                orders.append(.notice(request.headers.notice.map { .notice($0) } ?? .announced))
            case .playNotify:
                orders.append(
                    .notice(.playNotify(reason: request.headers.notifyReason ?? "", range: request.headers.range)))
            case .teardown: orders.append(.notice(.teardown(reason: request.headers.terminateReason)))
            case .options:
                headers.add(.public, "OPTIONS, REDIRECT, ANNOUNCE, PLAY_NOTIFY, TEARDOWN, GET_PARAMETER, SET_PARAMETER")
            case .getParameter, .setParameter: break
            default: status = .notImplemented
            }
        }
        orders.insert(
            .send(RTSPResponse(status: status, version: request.version, headers: headers).serialized()), at: 0)
    }

    // MARK: - Sending

    private mutating func sendSetUp(_ flow: Int, at now: Instant) {
        var headers = RTSPHeaders()
        headers.add(.transport, RTSPTransportHeader([flows[flow].offer]).description)
        send(.setup, flows[flow].url, headers, .setUp(flow), at: now)
    }

    private mutating func sendPlay(_ wanted: RTSPPlayRequest, at now: Instant) {
        var request = wanted
        if isGStreamer, request.scale.isNegative { (request.scale, request.end) = (.normal, nil) }
        var headers = RTSPHeaders()
        // What has no past has no places: GStreamer's server never answers a PLAY that asks a live source for one. From zero
        // is what every server of live sources is asked for.
        if description?.range?.isLive ?? false {
            headers.add(.range, RTSPRange.npt(from: .zero).description)
        } else if let start = request.start {
            headers.add(.range, RTSPRange.npt(from: start, to: request.end).description)
            if let style = request.seekStyle { headers.add(.seekStyle, style.rawValue) }
        }
        if request.scale != .normal { headers.add(.scale, request.scale.description) }
        if let bandwidth = request.bandwidth { headers.add(.bandwidth, "\(bandwidth)") }
        if request.speed != .normal { headers.add(.speed, request.speed.description) }
        guard isPerFlow else {
            send(.play, controls.aggregate, headers, .play(request, isLast: true), at: now)
            return
        }
        let playable = flows.indices.filter { !flows[$0].isRefused }
        for flow in playable {
            send(.play, flows[flow].url, headers, .play(request, isLast: flow == playable.last), at: now)
        }
    }

    private mutating func send(
        _ method: RTSPMethod, _ uri: String, _ headers: RTSPHeaders, _ purpose: Purpose, at now: Instant
    ) {
        guard state != .closed else { return }
        let isTooMuch = pending.count >= Self.mostPending
        if isTooMuch, purpose != .keepAlive, purpose != .tearDown {
            return fail(.protocolError, "\(pending.count) requests were not answered")
        }
        transmit(RTSPRequest(method: method, uri: uri, headers: headers), purpose, challenges: 0, at: now)
        // Where answers are not read signs of life go on; whether these were answered is not looked at any more.
        if isTooMuch { pending.removeLast() }
    }

    private mutating func transmit(_ request: RTSPRequest, _ purpose: Purpose, challenges: Int, at now: Instant) {
        var request = request
        let cseq = nextCSeq
        nextCSeq += 1
        var headers = RTSPHeaders([(.cseq, String(cseq)), (.userAgent, settings.userAgent)])
        if let sessionID, request.method != .describe { headers.add(.session, sessionID) }
        if authorizer != nil {
            let value = authorizer?.authorization(
                method: request.method, uri: request.uri, clientNonce: settings.clientNonce(),
                hash: { settings.hash($0, $1) ?? "" })
            if let value { headers.add(.authorization, value) }
        } else if let token = settings.bearerToken {
            headers.add(.authorization, "Bearer \(token)")
        }
        var own: Set<RTSPHeaders.Name> = [.cseq, .userAgent, .session]
        if headers[.authorization] != nil { own.insert(.authorization) }
        for header in settings.headers where !own.contains(RTSPHeaders.Name(header.name)) {
            headers.add(RTSPHeaders.Name(header.name), header.value)
        }
        own.insert(.authorization)
        for field in request.headers.fields where !own.contains(field.name) { headers.add(field.name, field.value) }
        request.headers = headers
        orders.append(.send(request.serialized()))
        pending.append(
            Pending(
                cseq: cseq, request: request, purpose: purpose, sentAt: now, challenges: challenges,
                isPipelined: isSendingTogether))
        lastSent = now
    }

    private mutating func takeOrders() -> [Order] {
        defer { orders = [] }
        return orders
    }
}
