internal import CCurl
internal import Glibc
package import ThroughlineCore

/// A connection that carries bytes both ways: `rtsp` over TCP, `rtsps` over TLS. libcurl makes it, so names with several
/// addresses, certificates, and proxies from the environment (`http_proxy`, `https_proxy`, `all_proxy`, `no_proxy`;
/// through HTTP proxies by `CONNECT`) are as with the HTTP client.
///
/// `connect` once; then `send` and `receive`, which never wait: sleep with a `SocketWaiter` on `descriptor`, and only
/// after `receive` returned `nil`, because TLS may hold bytes that the socket no longer shows. Once something was
/// thrown, every later call throws the same.
///
/// Used by one thread at a time.
package final class ControlConnection {
    private let name: String
    private let host: String
    private let port: UInt16
    private let abort: AbortSwitch
    /// `nil` when closed.
    private var handle: CurlHandle?
    private var failure: TransportError?
    /// What libcurl remembers of addresses that were tried in vain.
    private var errorOfConnecting: Int32 = 0

    package let usesTLS: Bool
    /// For waiting only; -1 when not connected.
    package private(set) var descriptor: Int32 = -1
    /// Our own address as digits, with the scope of a link-local one; `nil` when not connected.
    package private(set) var localAddress: String?
    /// The address of the other end: of the proxy, where there is one.
    package private(set) var peerAddress: String?
    /// Whether the other end is a proxy. Datagrams do not come through one. A SOCKS proxy that listens on the port of
    /// the origin goes unnoticed.
    package private(set) var isProxied = false
    /// Bytes may be at hand although the socket shows none: true until `receive` has returned `nil`.
    package private(set) var hasBufferedInput = false

    /// Speaks to nobody yet.
    ///
    /// - Parameters:
    ///   - host: a name or an address; an IPv6 address with or without brackets.
    ///   - caFile: certificate authorities to trust, a PEM file, in place of the system's. TLS is always verified.
    ///   - abort: ends all calls.
    /// - Throws: `.invalidURL` when `host` is none.
    package init(
        host: String, port: UInt16, usesTLS: Bool, caFile: String? = nil, abort: AbortSwitch
    ) throws(TransportError) {
        self.host = host
        self.port = port
        self.usesTLS = usesTLS
        self.abort = abort
        let isBare = host.contains(":") && !host.hasPrefix("[")
        let shown = isBare ? "[\(host)]" : host
        name = "\(usesTLS ? "rtsps" : "rtsp")://\(shown.printable(limit: 256)):\(port)"
        // Nothing that would make another URL of it.
        guard
            port != 0, !host.isEmpty, host.utf8.count <= 255,
            host.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7f && !"/\\?#@\"<>^`{|}".utf8.contains($0) })
        else { throw TransportError(.invalidURL, "\"\(redacted(name))\" is not an address") }
        let scheme = usesTLS ? "https" : "http"
        // RFC 6874: the scope of an address follows an encoded percent sign.
        let encoded = isBare && !host.contains("%25") ? shown.split(separator: "%").joined(separator: "%25") : shown
        let address = try HTTPAddress("\(scheme)://\(encoded):\(port)/")
        let handle = try CurlHandle(abort: abort)
        handle.set(CURLOPT_URL, address.url)
        handle.set(CURLOPT_CONNECT_ONLY, 1)
        handle.set(CURLOPT_HTTPPROXYTUNNEL, 1)
        handle.set(CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1)
        // Whoever listens there does not speak HTTP.
        handle.set(CURLOPT_SSL_ENABLE_ALPN, 0)
        if let caFile { handle.set(CURLOPT_CAINFO, caFile) }
        self.handle = handle
    }

    deinit { close() }

    /// Ends the connection. Nothing can be done with it after that.
    package func close() {
        guard handle != nil else { return }
        // TLS says good-bye.
        withoutBrokenPipeSignal { handle = nil }
        descriptor = -1
        hasBufferedInput = false
        if failure == nil { failure = described(.aborted, "the connection was closed") }
    }

    /// Connects, to the proxy and through it where there is one, TLS included. Called once.
    ///
    /// - Throws: `.dns`, `.refused`, `.unreachable` (also: the proxy would not), `.connectTimedOut`, `.tls`, `.reset`,
    ///   `.closedEarly`, `.aborted`.
    package func connect(deadline: Instant) throws(TransportError) {
        let handle = try usableHandle()
        precondition(descriptor < 0, "connected twice")
        // libcurl shares this time out among the addresses of a name. Ours is kept below.
        let patience = (deadline == .never ? .seconds(300) : deadline - .now).wholeNanoseconds / 1_000_000
        handle.set(CURLOPT_CONNECTTIMEOUT_MS, Int(clamping: min(max(1, patience + 1), 300_000)))
        try handle.start()
        while true {
            withoutBrokenPipeSignal { handle.perform() }
            if abort.isAborted { throw fail(.aborted, "aborted") }
            if let result = handle.result {
                guard result == CURLE_OK else { throw failureOfConnecting(result, handle) }
                break
            }
            let now = Instant.now
            guard now < deadline else { throw fail(.connectTimedOut, "no connection in time") }
            handle.sleep(atMost: deadline == .never ? .seconds(60) : deadline - now)
        }
        var socket = CURL_SOCKET_BAD
        guard tl_getinfo_socket(handle.easy, CURLINFO_ACTIVESOCKET, &socket) == CURLE_OK, socket != CURL_SOCKET_BAD
        else { throw fail(.closedEarly, "the connection is gone") }
        descriptor = socket
        let peer = SocketAddress(peerOf: socket)
        localAddress = SocketAddress(localOf: socket)?.numericHost
        peerAddress = peer?.numericHost
        isProxied = handle.number(CURLINFO_HTTP_CONNECTCODE) != 0 || peer.map { $0.port != port } ?? false
        errorOfConnecting = handle.systemError
        // Bytes may have come with the end of the handshake.
        hasBufferedInput = true
    }

    /// Sends what goes without waiting.
    ///
    /// - Returns: how many bytes went; 0 when the peer must read first: wait for output.
    /// - Throws: `.reset`, `.closedEarly`, `.timedOut`, `.unreachable`, `.aborted`.
    package func send(_ bytes: UnsafeRawBufferPointer) throws(TransportError) -> Int {
        let handle = try connectedHandle()
        guard !bytes.isEmpty else { return 0 }
        var count = 0
        let code = guarded { curl_easy_send(handle.easy, bytes.baseAddress, bytes.count, &count) }
        switch code {
        case CURLE_OK: return count
        case CURLE_AGAIN: return 0
        default: throw failureOfUse(code, handle)
        }
    }

    /// Receives what is there without waiting.
    ///
    /// - Parameter destination: where the bytes go; not empty.
    /// - Returns: how many bytes came, at least one; `nil` when there is nothing yet: wait for input.
    /// - Throws: `.closedEarly` when the peer has ended the connection, in order or not; `.reset`, `.timedOut`,
    ///   `.unreachable`, `.aborted`. Only after every byte received.
    package func receive(into destination: UnsafeMutableRawBufferPointer) throws(TransportError) -> Int? {
        precondition(!destination.isEmpty, "a read of no bytes")
        let handle = try connectedHandle()
        var count = 0
        let code = guarded {
            curl_easy_recv(handle.easy, destination.baseAddress, destination.count, &count)
        }
        switch code {
        case CURLE_OK where count > 0:
            hasBufferedInput = true
            return count
        case CURLE_OK: throw fail(.closedEarly, "the connection was closed")
        case CURLE_AGAIN:
            hasBufferedInput = false
            return nil
        default: throw failureOfUse(code, handle)
        }
    }

    /// Not for bytes that go to the socket as they are: libcurl sends those with `MSG_NOSIGNAL`.
    private func guarded(_ body: () -> CURLcode) -> CURLcode {
        usesTLS || isProxied ? withoutBrokenPipeSignal(body) : body()
    }

    // MARK: - Errors

    private func usableHandle() throws(TransportError) -> CurlHandle {
        if let failure { throw failure }
        if abort.isAborted { throw fail(.aborted, "aborted") }
        guard let handle else { throw fail(.aborted, "the connection was closed") }
        return handle
    }

    private func connectedHandle() throws(TransportError) -> CurlHandle {
        precondition(descriptor >= 0 || failure != nil, "not connected")
        return try usableHandle()
    }

    private func failureOfConnecting(_ result: CURLcode, _ handle: CurlHandle) -> TransportError {
        let explanation = handle.explanation(of: result, host: host, port: Int(port))
        if handle.number(CURLINFO_HTTP_CONNECTCODE) >= 300 { return fail(.unreachable, explanation) }
        let code = TransportError.Code(result, systemError: handle.systemError)
        // libcurl's words for this tell how long it took, but not why.
        let hasReason =
            result == CURLE_COULDNT_CONNECT && handle.systemError != 0 && !explanation.contains("proxy")
        return fail(code, hasReason ? String(cString: strerror(handle.systemError)) : explanation)
    }

    private func failureOfUse(_ result: CURLcode, _ handle: CurlHandle) -> TransportError {
        let systemError = handle.systemError == errorOfConnecting ? 0 : handle.systemError
        let code = TransportError.Code(result, systemError: systemError)
        return fail(
            code,
            systemError == 0
                ? handle.explanation(of: result, host: host, port: Int(port)) : String(cString: strerror(systemError)))
    }

    private func fail(_ code: TransportError.Code, _ what: String) -> TransportError {
        let error = described(code, what)
        failure = error
        hasBufferedInput = false
        return error
    }

    private func described(_ code: TransportError.Code, _ what: String) -> TransportError {
        TransportError(code, "\(name): \(what)")
    }
}

/// Calls `body` with SIGPIPE held off this thread: some TLS libraries write to a closed connection without
/// `MSG_NOSIGNAL`, and that must not end the process.
private func withoutBrokenPipeSignal<Result>(_ body: () -> Result) -> Result {
    var pipe = sigset_t()
    var previous = sigset_t()
    var pending = sigset_t()
    sigemptyset(&pipe)
    sigaddset(&pipe, SIGPIPE)
    sigpending(&pending)
    let wasPending = sigismember(&pending, SIGPIPE) == 1
    pthread_sigmask(SIG_BLOCK, &pipe, &previous)
    let result = body()
    if !wasPending {
        var now = timespec()
        while sigtimedwait(&pipe, nil, &now) < 0, errno == EINTR {}
    }
    pthread_sigmask(SIG_SETMASK, &previous, nil)
    return result
}
