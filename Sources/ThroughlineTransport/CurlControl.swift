internal import CCurl
internal import Glibc
internal import ThroughlineCore

/// A control connection that libcurl makes and carries.
final class CurlControl: ControlCarrier {
    private let host: String
    private let port: UInt16
    private let usesTLS: Bool
    private let abort: AbortSwitch
    private var isProxied = false
    /// `nil` when closed.
    private var handle: CurlHandle?
    /// What libcurl remembers of addresses that were tried in vain.
    private var errorOfConnecting: Int32 = 0

    /// - Parameters:
    ///   - address: with a scheme of HTTP, for libcurl.
    ///   - host: as it was given, for messages.
    init(
        _ address: HTTPAddress, host: String, port: UInt16, usesTLS: Bool, caFile: String?, abort: AbortSwitch
    ) throws(TransportError) {
        self.host = host
        self.port = port
        self.usesTLS = usesTLS
        self.abort = abort
        let handle = try CurlHandle(share: CurlShare(), abort: abort)
        handle.set(CURLOPT_URL, address.url)
        handle.set(CURLOPT_CONNECT_ONLY, 1)
        handle.set(CURLOPT_HTTPPROXYTUNNEL, 1)
        handle.set(CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1)
        // Whoever listens there does not speak HTTP.
        handle.set(CURLOPT_SSL_ENABLE_ALPN, 0)
        if let caFile { handle.set(CURLOPT_CAINFO, caFile) }
        self.handle = handle
    }

    func close() {
        // TLS says good-bye.
        withoutBrokenPipeSignal { handle = nil }
    }

    func connect(deadline: Instant) throws(TransportError) -> ControlEnds {
        let handle = try open()
        // libcurl shares this time out among the addresses of a name. Ours is kept below.
        let patience = (deadline == .never ? .seconds(300) : deadline - .now).wholeNanoseconds / 1_000_000
        handle.set(CURLOPT_CONNECTTIMEOUT_MS, Int(clamping: min(max(1, patience + 1), 300_000)))
        try handle.start()
        while true {
            withoutBrokenPipeSignal { handle.perform() }
            if abort.isAborted { throw TransportError(.aborted, "aborted") }
            if let result = handle.result {
                guard result == CURLE_OK else { throw failureOfConnecting(result, handle) }
                break
            }
            let now = Instant.now
            guard now < deadline else { throw TransportError(.connectTimedOut, "no connection in time") }
            handle.sleep(atMost: deadline == .never ? .seconds(60) : deadline - now)
        }
        var socket = CURL_SOCKET_BAD
        guard tl_getinfo_socket(handle.easy, CURLINFO_ACTIVESOCKET, &socket) == CURLE_OK, socket != CURL_SOCKET_BAD
        else { throw TransportError(.closedEarly, "the connection is gone") }
        let peer = SocketAddress(peerOf: socket)
        isProxied = handle.number(CURLINFO_HTTP_CONNECTCODE) != 0 || peer.map { $0.port != port } ?? false
        errorOfConnecting = handle.systemError
        return ControlEnds(
            descriptor: socket, local: SocketAddress(localOf: socket)?.numericHost, peer: peer?.numericHost,
            isProxied: isProxied)
    }

    func send(_ bytes: UnsafeRawBufferPointer) throws(TransportError) -> Int {
        let handle = try open()
        var count = 0
        let code = guarded { curl_easy_send(handle.easy, bytes.baseAddress, bytes.count, &count) }
        switch code {
        case CURLE_OK: return count
        case CURLE_AGAIN: return 0
        default: throw failureOfUse(code, handle)
        }
    }

    func receive(into destination: UnsafeMutableRawBufferPointer) throws(TransportError) -> Int? {
        let handle = try open()
        var count = 0
        let code = guarded {
            curl_easy_recv(handle.easy, destination.baseAddress, destination.count, &count)
        }
        switch code {
        case CURLE_OK where count > 0: return count
        case CURLE_OK: throw TransportError(.closedEarly, "the connection was closed")
        case CURLE_AGAIN: return nil
        default: throw failureOfUse(code, handle)
        }
    }

    private func open() throws(TransportError) -> CurlHandle {
        guard let handle else { throw TransportError(.aborted, "the connection was closed") }
        return handle
    }

    /// Not for bytes that go to the socket as they are: libcurl sends those with `MSG_NOSIGNAL`.
    private func guarded(_ body: () -> CURLcode) -> CURLcode {
        usesTLS || isProxied ? withoutBrokenPipeSignal(body) : body()
    }

    // MARK: - Errors

    private func failureOfConnecting(_ result: CURLcode, _ handle: CurlHandle) -> TransportError {
        let explanation = handle.explanation(of: result, host: host, port: Int(port))
        if handle.number(CURLINFO_HTTP_CONNECTCODE) >= 300 { return TransportError(.unreachable, explanation) }
        let code = TransportError.Code(result, systemError: handle.systemError)
        // libcurl's words for this tell how long it took, but not why.
        let hasReason =
            result == CURLE_COULDNT_CONNECT && handle.systemError != 0 && !explanation.contains("proxy")
        return TransportError(code, hasReason ? String(cString: strerror(handle.systemError)) : explanation)
    }

    private func failureOfUse(_ result: CURLcode, _ handle: CurlHandle) -> TransportError {
        let systemError = handle.systemError == errorOfConnecting ? 0 : handle.systemError
        let code = TransportError.Code(result, systemError: systemError)
        return TransportError(
            code,
            systemError == 0
                ? handle.explanation(of: result, host: host, port: Int(port)) : String(cString: strerror(systemError)))
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
