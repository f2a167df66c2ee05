internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineProtocols
internal import ThroughlineTransport

/// Opens an RTSP session: follows redirects, chooses the flows, and falls back from UDP to TCP.
struct RTSPOpening {
    let origin: Origin
    let bound: Duration
    let abort: AbortSwitch
    let request: RTSPPlayRequest

    struct Opened {
        let source: RTSPSource
        let reader: RTPReader
        let description: SessionDescription
        let usesUDP: Bool
        /// What came while the session was opened, in order.
        var items: [RTSPItem]
    }

    private enum Outcome {
        case opened(Opened)
        case moved(to: String)
        case needsTCP(ChangeEvent)
        /// The server has forgotten the session before it was played.
        case lost(ChangeEvent)
    }

    func run(over transport: RTSPTransportChoice) throws(IngestOpenError) -> Opened {
        var url = origin.url
        var transport = transport
        if let lower = RTSPAddress(url)?.lower { transport = lower == .tcp ? .tcp : .udp }
        var usesUDP = transport != .tcp
        var wasLost = false
        for _ in 0...RTSPIngest.mostRedirects {
            guard let address = RTSPAddress(url) else { throw failed(.other, "it is no address of an RTSP server") }
            switch try attempt(address, usesUDP: usesUDP) {
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

    private func failed(_ cause: ChangeEvent.Cause, _ what: String) -> IngestOpenError {
        let event = ChangeEvent(cause: cause, detail: "\(redacted(origin.url)): \(what)")
        return IngestOpenError(.undelivered(event), isAborted: abort.isAborted)
    }

    private func redirected(from address: RTSPAddress, to location: String) throws(IngestOpenError) -> String {
        guard let next = RTSPAddress(location) else {
            throw failed(.redirectRefused, "redirected to \(redacted(location)), which is no RTSP address")
        }
        guard next.host == address.host || origin.redirectsMayLeaveHost else {
            throw failed(.redirectRefused, "redirected to \(redacted(location)), a host that is not allowed")
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

        var opened: Opened?
        var isPlaying = false
        var patience = deadline
        while true {
            guard let item = source.queue.take(until: min(deadline, patience)) else {
                if abort.isAborted { throw failed(.other, "aborted") }
                if isPlaying, usesUDP {
                    return .needsTCP(
                        ChangeEvent(cause: .silence, detail: "\(redacted(origin.url)): nothing comes over UDP"))
                }
                throw failed(.silence, "no media within \(bound.secondsText) s")
            }
            switch item {
            case .described(let description):
                opened = try choose(description, source, usesUDP: usesUDP)
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
                opened?.items.append(item)
            default: opened?.items.append(item)
            }
            guard isPlaying, let opened, case .packets = item else { continue }
            return .opened(opened)
        }
    }

    /// Sets up everything that can be read.
    private func choose(
        _ description: SessionDescription, _ source: RTSPSource, usesUDP: Bool
    ) throws(IngestOpenError) -> Opened {
        let reader: RTPReader
        do throws(MediaError) {
            reader = try RTPReader(description, media: Array(description.media.indices))
        } catch { throw IngestOpenError(.refused(.notMedia, "\(redacted(origin.url)): \(error)")) }
        guard !reader.media.isEmpty else {
            throw IngestOpenError(.refused(.notMedia, "\(redacted(origin.url)): it describes nothing that can be read"))
        }
        // Kept by the session, and sent together with what follows the first SETUP.
        source.give(.play(request))
        source.give(.setUp(reader.media))
        return Opened(source: source, reader: reader, description: description, usesUDP: usesUDP, items: [])
    }
}
