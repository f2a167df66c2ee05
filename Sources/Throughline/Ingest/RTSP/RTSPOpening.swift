internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols
internal import ThroughlineTransport

/// Opens an RTSP session: follows redirects, chooses the flows, and falls back from UDP to TCP.
///
/// A session can be opened in two steps, of which the first may be long before the second: `prepare`, and `run` with what
/// came of it.
struct RTSPOpening {
    let origin: Origin
    /// How long each step may take.
    let bound: Duration
    let abort: AbortSwitch
    /// What is to be played; nil to set everything up and play nothing.
    let request: RTSPPlayRequest?

    struct Opened {
        let source: RTSPSource
        let reader: RTPReader
        let description: SessionDescription
        let address: RTSPAddress
        let usesUDP: Bool
        /// It was set up ahead.
        var wasPrepared = false
        /// What came while the session was opened, in order.
        var items: [RTSPItem]

        /// GStreamer's server never answers a second PLAY where its flows are MPEG-4 or MPEG-2 video. VLC's answers every
        /// PLAY at once, plays on from where it stood for some hundred milliseconds, or for good, and then goes elsewhere
        /// under the timestamps that the answer told.
        var takesOnePlay: Bool {
            let answers = items.compactMap { if case .playing(let answer) = $0 { answer } else { nil } }
            if answers.contains(where: \.isVLC) { return true }
            guard answers.contains(where: \.isGStreamer) else { return false }
            return description.media.contains { medium in
                ["mp4v-es", "mpv"].contains(medium.preferredMap?.encoding.lowercased())
            }
        }
    }

    private enum Outcome {
        case opened(Opened)
        case moved(to: String)
        case needsTCP(ChangeEvent)
        /// The server has forgotten the session before it was played.
        case lost(ChangeEvent)
    }

    /// Sets everything up, to be played later.
    func prepare(over transport: RTSPTransportChoice) throws(IngestOpenError) -> Opened {
        precondition(request == nil, "what is prepared is not played")
        return try run(over: transport)
    }

    /// Opens a session, up to the first packets of it.
    ///
    /// - Parameter prepared: one that was set up ahead. When it is found dead, another is opened at once.
    func run(over transport: RTSPTransportChoice, prepared: Opened? = nil) throws(IngestOpenError) -> Opened {
        var prepared = prepared
        var url = origin.url
        var transport = transport
        if let lower = RTSPAddress(url)?.lower { transport = lower == .tcp ? .tcp : .udp }
        var usesUDP = transport != .tcp
        var wasLost = false
        for _ in 0...RTSPIngest.mostRedirects {
            let outcome: Outcome
            let address: RTSPAddress
            if let ready = prepared.take() {
                guard let played = try play(ready) else { continue }
                (outcome, address) = (played, ready.address)
            } else {
                guard let named = RTSPAddress(url) else { throw failed(.other, "it is no address of an RTSP server") }
                (outcome, address) = (try attempt(named, usesUDP: usesUDP), named)
            }
            switch outcome {
            case .opened(let opened): return opened
            case .needsTCP(let event):
                guard transport == .auto else { throw IngestOpenError(.undelivered(event)) }
                usesUDP = false
            case .lost(let event):
                if wasLost { throw IngestOpenError(.undelivered(event)) }
                wasLost = true
            case .moved(let location): url = try redirected(from: address, to: location)
            }
        }
        throw failed(.redirectRefused, "it redirects again and again")
    }

    /// Plays what was set up ahead.
    ///
    /// - Returns: nil when it is dead.
    private func play(_ prepared: Opened) throws(IngestOpenError) -> Outcome? {
        guard let request else { return .opened(prepared) }
        var session = prepared
        session.wasPrepared = true
        session.source.give(.play(request))
        do throws(IngestOpenError) {
            // If nobody is there any more, there must be time for another one.
            let outcome = try follow(session.source, session, session.address, session.usesUDP, until: .now + bound / 2)
            if case .lost = outcome { return nil }
            return outcome
        } catch {
            if abort.isAborted { throw error }
            return nil
        }
    }

    private func failed(_ cause: ChangeEvent.Cause, _ what: String) -> IngestOpenError {
        let event = ChangeEvent(cause: cause, detail: "\(redacted(origin.url)): \(what)")
        return IngestOpenError(.undelivered(event), isAborted: abort.isAborted)
    }

    private func redirected(from address: RTSPAddress, to location: String) throws(IngestOpenError) -> String {
        guard let next = RTSPAddress(location) else {
            throw failed(.redirectRefused, "redirected to \(redacted(location)), which is no RTSP address")
        }
        guard next.host == address.host || origin.redirectsMayLeaveHost else {
            throw failed(.redirectRefused, "redirected to \(redacted(location)), \(strangeHost)")
        }
        return location
    }

    private func attempt(_ address: RTSPAddress, usesUDP: Bool) throws(IngestOpenError) -> Outcome {
        let deadline = Instant.now + bound
        var options = RTSPSource.Options(address: address)
        // What is secret is for the origin's own host.
        if address.host == RTSPAddress(origin.url)?.host {
            options.headers = origin.headers
            options.bearerToken = origin.bearerToken
        }
        options.certificateAuthorities = origin.certificateAuthorities
        options.usesUDP = usesUDP
        options.bound = bound
        let source: RTSPSource
        do throws(TransportError) {
            source = try RTSPSource(options: options, abort: abort)
        } catch { throw IngestOpenError(.undelivered(ChangeEvent(error))) }

        return try follow(source, nil, address, usesUDP, until: deadline)
    }

    /// How far a session has come.
    private struct Stage {
        let isDescribed: Bool
        let isReady: Bool
        let isPlaying: Bool

        /// What did not come.
        var awaited: String {
            if isPlaying { return "no media" }
            if isReady { return "PLAY was not answered" }
            return isDescribed ? "SETUP was not answered" : "DESCRIBE was not answered"
        }
    }

    /// Takes what comes of a session until it is as far as it is wanted: until media comes, or everything is set up.
    private func follow(
        _ source: RTSPSource, _ known: Opened?, _ address: RTSPAddress, _ usesUDP: Bool, until deadline: Instant
    ) throws(IngestOpenError) -> Outcome {
        var opened = known
        var (isPlaying, isReady) = (false, known != nil)
        var patience = deadline
        while true {
            guard let item = source.queue.take(until: min(deadline, patience)) else {
                if abort.isAborted { throw failed(.other, "aborted") }
                if isPlaying, usesUDP {
                    return .needsTCP(
                        ChangeEvent(cause: .silence, detail: "\(redacted(origin.url)): nothing comes over UDP"))
                }
                let stage = Stage(isDescribed: opened != nil, isReady: isReady, isPlaying: isPlaying)
                throw failed(.silence, "\(stage.awaited) within \(bound.secondsText) s")
            }
            switch item {
            case .described(let description):
                opened = try choose(description, source, address, usesUDP: usesUDP)
            case .failed(let event):
                if event.cause == .sessionLost { return .lost(event) }
                throw IngestOpenError(.undelivered(event), isAborted: abort.isAborted)
            case .moved(let location): return .moved(to: location)
            case .transportRefused:
                return .needsTCP(
                    ChangeEvent(cause: .rtspStatus, detail: "\(redacted(origin.url)): the transport is refused (461)"))
            case .playing:
                isPlaying = true
                if usesUDP { patience = .now + RTSPIngest.udpPatience }
                opened?.items.append(item)
            case .ready(let refused):
                if let opened, refused.count == opened.reader.flows.count {
                    throw failed(.rtspStatus, "every flow is refused")
                }
                isReady = true
                opened?.items.append(item)
                if request == nil, let opened { return .opened(opened) }
            default: opened?.items.append(item)
            }
            guard isPlaying, let opened, case .packets = item else { continue }
            return .opened(opened)
        }
    }

    /// Sets up everything that can be read.
    private func choose(
        _ description: SessionDescription, _ source: RTSPSource, _ address: RTSPAddress, usesUDP: Bool
    ) throws(IngestOpenError) -> Opened {
        let reader: RTPReader
        do throws(MediaError) {
            reader = try RTPReader(description, media: description.incoming)
        } catch { throw IngestOpenError(.refused(.notMedia, "\(redacted(origin.url)): \(error)")) }
        guard !reader.media.isEmpty else {
            throw IngestOpenError(.refused(.notMedia, "\(redacted(origin.url)): it describes nothing that can be read"))
        }
        // Kept by the session, and sent together with what follows the first SETUP.
        if let request { source.give(.play(request)) }
        source.give(.setUp(reader.media))
        return Opened(
            source: source, reader: reader, description: description, address: address, usesUDP: usesUDP, items: [])
    }
}
