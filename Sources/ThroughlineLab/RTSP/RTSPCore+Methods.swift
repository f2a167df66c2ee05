internal import NIOCore
internal import ThroughlineCore
internal import ThroughlineProtocols

/// What the methods of RTSP 1.0 do (RFC 2326 section 10).
extension RTSPCore {
    private typealias Answer = (RTSPResponse, (() -> Void)?)

    private static let methods: [RTSPMethod] = [
        .options, .describe, .setup, .play, .pause, .teardown, .getParameter, .setParameter,
    ]

    /// What a URL names: a presentation, or one flow of it.
    func resource(_ uri: String) -> (path: String, flow: Int?) {
        var path = Substring(uri)
        if let scheme = uri.firstRange(of: "://") {
            path = uri[scheme.upperBound...]
            path = path.firstIndex(of: "/").map { path[$0...] } ?? "/"
        }
        // What names a flow may stand behind a query.
        var flow: Int?
        if let mark = path.ranges(of: "/stream=").last {
            flow = Int(path[mark.upperBound...])
            path = path[..<mark.lowerBound]
        }
        path = path.prefix { $0 != "?" && $0 != "#" }
        if path.count > 1, path.hasSuffix("/") { path = path.dropLast() }
        let text = String(path)
        return (programmes[text] == nil ? String(decoding: text.percentDecoded, as: UTF8.self) : text, flow)
    }

    /// The answer to a request, and what is to be done when it has been sent.
    func answer(_ request: RTSPRequest, on connection: RTSPConnection) -> (RTSPResponse, (() -> Void)?) {
        let (path, flow) = resource(request.uri)
        if request.method != .options, let credentials = options.credentials, !credentials.admit(request, nonce: nonce)
        {
            return (refusal(.unauthorized, [(.wwwAuthenticate, credentials.challenge(nonce: nonce))]), nil)
        }
        let effects = schedule.answerEffects(path, method: request.method.rawValue, at: .now)
        settle()
        for case .moved(let status, let location) in effects {
            return (refusal(RTSPStatus(code: status) ?? .movedTemporarily, [(.location, location)]), nil)
        }
        if let features = request.headers[.require] {
            return (refusal(.optionNotSupported, [(.unsupported, features)]), nil)
        }
        guard request.method == .options || programmes[path] != nil || request.headers.session != nil else {
            return (refusal(.notFound), nil)
        }
        switch request.method {
        case .options:
            if let id = request.headers.session?.id { sessions[id]?.touch() }
            let list = Self.methods.map(\.rawValue).joined(separator: ", ")
            return (RTSPResponse(status: .ok, headers: RTSPHeaders([(.public, list)])), nil)
        case .describe: return (describe(path, request), nil)
        case .setup: return (setUp(path, flow, request, on: connection), nil)
        case .play, .pause, .teardown, .getParameter, .setParameter: break
        case .announce, .record:
            let list = Self.methods.map(\.rawValue).joined(separator: ", ")
            return (refusal(.methodNotAllowed, [(.allow, list)]), nil)
        default: return (refusal(.notImplemented), nil)
        }
        guard let id = request.headers.session?.id else {
            // As a sign of life of the client it means nothing, but it is allowed.
            if request.method == .getParameter || request.method == .setParameter {
                return (RTSPResponse(status: .ok), nil)
            }
            return (refusal(.sessionNotFound), nil)
        }
        guard let session = sessions[id] else { return (refusal(.sessionNotFound), nil) }
        session.touch()
        session.connection = connection
        let own = RTSPHeaders([(.session, session.id)])
        if let flow, !session.flows.contains(where: { $0.index == flow }) { return (refusal(.notFound), nil) }
        let isWhole = flow == nil || session.flows.count == 1
        switch request.method {
        case .play:
            guard isWhole else { return (refusal(.onlyAggregateOperationAllowed), nil) }
            return play(session, request, effects)
        case .pause:
            guard isWhole else { return (refusal(.onlyAggregateOperationAllowed), nil) }
            session.pause()
            return (RTSPResponse(status: .ok, headers: own), nil)
        case .teardown:
            if let flow, !isWhole { session.remove(flow) } else { session.end() }
            return (RTSPResponse(status: .ok, headers: own), nil)
        case .setParameter where !request.body.isEmpty: return (refusal(.parameterNotUnderstood), nil)
        default: return (RTSPResponse(status: .ok, headers: own), nil)
        }
    }

    private func refusal(_ status: RTSPStatus, _ headers: [(RTSPHeaders.Name, String)] = []) -> RTSPResponse {
        RTSPResponse(status: status, headers: RTSPHeaders(headers))
    }

    // MARK: DESCRIBE

    private func describe(_ path: String, _ request: RTSPRequest) -> RTSPResponse {
        guard let programme = programmes[path] else { return refusal(.notFound) }
        let family = options.host.contains(":") ? "IP6" : "IP4"
        var text = "v=0\r\no=- 1 1 IN \(family) \(options.host)\r\ns=\(path.dropFirst())\r\n"
        text += "c=IN \(family) \(family == "IP6" ? "::" : "0.0.0.0")\r\nt=0 0\r\na=control:*\r\n"
        text += "a=range:\(RTSPRange.npt(from: .zero, to: programme.duration))\r\n"
        for (index, flow) in programme.flows.enumerated() {
            text += options.describesParameterSets ? flow.description : Self.withoutParameterSets(flow.description)
            if let language = flow.language { text += "a=lang:\(language)\r\n" }
            text += "a=control:stream=\(index)\r\n"
        }
        let headers = RTSPHeaders([(.contentType, "application/sdp"), (.contentBase, base(request.uri) + "/")])
        return RTSPResponse(status: .ok, headers: headers, body: Array(text.utf8))
    }

    /// The description of a flow without the `sprop` parameters of its format (RFC 6184 section 8.1, RFC 7798 section 7.1).
    private static func withoutParameterSets(_ description: String) -> String {
        let lines = description.split(separator: "\r\n").map { line in
            guard line.hasPrefix("a=fmtp:") else { return String(line) }
            let parts = line.split(separator: ";").map { part in
                String(part.drop { $0 == " " })
            }
            return parts.filter { !$0.hasPrefix("sprop-") }.joined(separator: ";")
        }
        return lines.map { $0 + "\r\n" }.joined()
    }

    /// The URL that was asked for, without what names a flow.
    private func base(_ uri: String) -> String {
        var text = Substring(uri)
        if let mark = text.ranges(of: "/stream=").last { text = text[..<mark.lowerBound] }
        while text.hasSuffix("/") { text = text.dropLast() }
        return String(text)
    }

    // MARK: SETUP

    private func setUp(
        _ path: String, _ flow: Int?, _ request: RTSPRequest, on connection: RTSPConnection
    ) -> RTSPResponse {
        var session: ServedSession?
        if let id = request.headers.session?.id {
            guard let known = sessions[id] else { return refusal(.sessionNotFound) }
            session = known
        }
        guard let programme = programmes[path] else { return refusal(.notFound) }
        if let session, session.path != path { return refusal(.aggregateOperationNotAllowed) }
        guard let index = flow ?? (programme.flows.count == 1 ? 0 : nil) else {
            return refusal(.aggregateOperationNotAllowed)
        }
        guard programme.flows.indices.contains(index) else { return refusal(.notFound) }
        if let session {
            guard session.phase == .ready, !session.flows.contains(where: { $0.index == index }) else {
                return refusal(.methodNotValidInThisState)
            }
        }
        guard let wanted = request.headers.transport else { return refusal(.badRequest) }
        for transport in wanted.alternatives {
            guard let (path, agreed) = agree(transport, on: connection) else { continue }
            let place = session ?? makeSession(self.resource(request.uri).path, programme, on: connection)
            sessions[place.id] = place
            place.touch()
            place.connection = connection
            var answer = agreed
            answer.ssrc = place.add(index, path: path).sender.ssrc
            answer.mode = "PLAY"
            let timeout = max(1, options.timeout.wholeSecondsUp)
            return RTSPResponse(
                status: .ok,
                headers: RTSPHeaders([
                    (.transport, answer.description), (.session, "\(place.id);timeout=\(timeout)"),
                ]))
        }
        return refusal(.unsupportedTransport)
    }

    private func makeSession(_ path: String, _ programme: Programme, on connection: RTSPConnection) -> ServedSession {
        let digits = String(random.next(), radix: 16, uppercase: true)
        let id = String(repeating: "0", count: 16 - digits.count) + digits
        return ServedSession(
            id: id, path: path, programme: programme, seed: random.next(), connection: connection, core: self)
    }

    private func agree(
        _ transport: RTSPTransport, on connection: RTSPConnection
    ) -> (ServedSession.Path, RTSPTransport)? {
        guard transport.profile == "RTP/AVP", transport.isMulticast != true, transport.mode ?? "PLAY" == "PLAY" else {
            return nil
        }
        switch transport.lower {
        case .tcp:
            guard options.transports.contains(.tcp) else { return nil }
            var taken: Set<UInt8> = []
            for session in sessions.values {
                for flow in session.flows {
                    if case .interleaved(let own, let channels) = flow.path, own === connection {
                        taken.formUnion(channels)
                    }
                }
            }
            var channels = transport.interleaved
            if let wanted = channels, wanted.count != 2 || !taken.isDisjoint(with: wanted) { channels = nil }
            if channels == nil {
                let first = stride(from: UInt8(0), to: 254, by: 2).first {
                    !taken.contains($0) && !taken.contains($0 + 1)
                }
                channels = first.map { $0...($0 + 1) }
            }
            return channels.map { (.interleaved(connection, channels: $0), .interleaved($0)) }
        case .udp:
            guard options.transports.contains(.udp), var ports = transport.clientPorts else { return nil }
            if ports.count == 1, ports.lowerBound < .max { ports = ports.lowerBound...(ports.lowerBound + 1) }
            guard let own = connection.openDatagramPorts(to: ports) else { return nil }
            var agreed = RTSPTransport.udp(clientPorts: ports)
            agreed.serverPorts = own.ports
            return (.datagrams(own), agreed)
        }
    }

    // MARK: PLAY

    private func play(
        _ session: ServedSession, _ request: RTSPRequest, _ effects: [RTSPFault]
    ) -> (RTSPResponse, (() -> Void)?) {
        let headers = request.headers
        var range = headers.range
        if headers[.range] != nil, range == nil { return (refusal(.badRequest), nil) }
        if let range, range.unit != .npt { return (refusal(.invalidRange), nil) }
        let knowsScale = !effects.contains(.withoutScale)
        let scale = knowsScale ? headers.scale : nil
        let speed = effects.contains(.withoutSpeed) ? nil : headers.speed
        if !knowsScale, headers.scale?.isNegative ?? false { range?.end = nil }
        if let speed, speed <= Rate(0) { return (refusal(.badRequest), nil) }
        // The richest encode that there is room for, else the poorest.
        var encode = session.programme
        if let bandwidth = headers.bandwidth {
            let all = ([programmes[session.path]].compactMap { $0 } + encodes[session.path, default: []])
                .sorted { $0.bitsPerSecond < $1.bitsPerSecond }
            encode = all.last { $0.bitsPerSecond <= bandwidth } ?? all.first ?? encode
        }
        let isOther = encode.bitsPerSecond != session.programme.bitsPerSecond
        let changes =
            isOther || scale.map { $0 != session.plan?.scale ?? .normal } ?? false
            || speed.map { $0 != session.speed } ?? false
        let isNew = range != nil || session.phase == .ready || changes
        if isNew {
            var start = range?.startTime ?? session.position ?? .zero
            guard start < session.programme.duration || start == .zero else { return (refusal(.invalidRange), nil) }
            if let end = range?.endTime, end <= start, !(scale?.isNegative ?? false) {
                return (refusal(.invalidRange), nil)
            }
            for case .lateStart(let late) in effects { start += MediaTime(late) }
            let asked = speed ?? .normal
            let plan = PlayPlan(
                of: encode, from: start, to: range?.endTime, flows: Set(session.flows.map(\.index)),
                scale: scale ?? .normal, speed: (asked * options.pace) ?? asked,
                isExact: headers[.seekStyle]?.lowercased() == "rap",
                timestampSpeed: effects.contains(.speedInTimestamps) ? asked : .normal)
            session.pause()
            session.prepare(plan, of: encode, speed: asked)
        }
        let wasPlaying = session.phase == .playing
        var answer = RTSPHeaders([(.session, session.id)])
        if let (info, range) = session.answer(base: base(request.uri)) {
            if !effects.contains(.withoutRange) { answer.add(.range, range.description) }
            if knowsScale, headers[.scale] != nil { answer.add(.scale, (session.plan?.scale ?? .normal).description) }
            if headers.bandwidth != nil { answer.add(.bandwidth, "\(session.programme.bitsPerSecond)") }
            if speed != nil { answer.add(.speed, session.speed.description) }
            var told = info
            if effects.contains(.wrongRTPInfo) {
                for index in told.entries.indices {
                    told.entries[index].sequence = told.entries[index].sequence.map { $0 &+ 1000 }
                    let clock = session.flows[index].sender.clock
                    let ticks = UInt32(truncatingIfNeeded: MediaTime.seconds(100).value(in: clock))
                    told.entries[index].timestamp = told.entries[index].timestamp.map { $0 &+ ticks }
                }
            }
            if !effects.contains(.withoutRTPInfo) { answer.add(.rtpInfo, told.description) }
        }
        // The answer first, then the media.
        return (RTSPResponse(status: .ok, headers: answer), wasPlaying ? nil : { session.start() })
    }
}
