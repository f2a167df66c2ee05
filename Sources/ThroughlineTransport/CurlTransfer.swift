internal import CCurl
internal import Glibc
internal import ThroughlineCore

/// One `CURLM` with its one `CURL`: at most one transfer at a time, connections kept for the next.
///
/// Not `Sendable`; used by one thread at a time.
final class CurlTransfer: HTTPTransfer {
    let receiver = ResponseReceiver()
    private let sockets = OpenedSockets()
    private let handle: CurlHandle
    private var requestHeaders: UnsafeMutablePointer<curl_slist>?
    private let statusAliases: UnsafeMutablePointer<curl_slist>?
    /// The socket from which the body is read without libcurl.
    private var bodySocket: Int32?
    private var mayReadSocket = false
    /// Body bytes that had come through libcurl when the socket took over.
    private var byteCountOfCurl: curl_off_t = 0
    private var socketError: Int32?
    private var host = (name: "", port: 0)

    init(options: HTTPRequestOptions, abort: AbortSwitch) throws(TransportError) {
        handle = try CurlHandle(share: options.pool?.share ?? CurlShare(), abort: abort)
        statusAliases = curl_slist_append(nil, "ICY 200")
        let easy = handle.easy
        let context = Unmanaged.passUnretained(receiver).toOpaque()
        handle.check(tl_setopt_callback(easy, CURLOPT_WRITEFUNCTION, receiveBodyBytes))
        handle.check(tl_setopt_pointer(easy, CURLOPT_WRITEDATA, context))
        handle.check(tl_setopt_callback(easy, CURLOPT_HEADERFUNCTION, receiveHeaderLine))
        handle.check(tl_setopt_pointer(easy, CURLOPT_HEADERDATA, context))
        handle.check(tl_setopt_socket_callback(easy, noteOpenedSocket))
        handle.check(tl_setopt_pointer(easy, CURLOPT_SOCKOPTDATA, Unmanaged.passUnretained(sockets).toOpaque()))
        handle.check(tl_setopt_list(easy, CURLOPT_HTTP200ALIASES, statusAliases))
        handle.set(CURLOPT_BUFFERSIZE, ResponseReceiver.capacity)
        handle.set(CURLOPT_USERAGENT, options.userAgent)
        handle.set(
            CURLOPT_CONNECTTIMEOUT_MS, Int(clamping: max(1, options.connectTimeout.wholeNanoseconds / 1_000_000)))
        handle.set(
            CURLOPT_HTTP_VERSION,
            options.version == .http1 ? CURL_HTTP_VERSION_1_1 : CURL_HTTP_VERSION_2TLS)
        if let file = options.caFile { handle.set(CURLOPT_CAINFO, file) }
        handle.keepCookies()
    }

    deinit {
        // Before what it uses goes: ending a transfer may call back.
        handle.remove()
        handle.check(tl_setopt_list(handle.easy, CURLOPT_HTTPHEADER, nil))
        handle.check(tl_setopt_list(handle.easy, CURLOPT_HTTP200ALIASES, nil))
        curl_slist_free_all(requestHeaders)
        curl_slist_free_all(statusAliases)
    }

    func belongs(to abort: AbortSwitch?) { handle.belongs(to: abort) }

    func setDecoding(_ decodes: Bool) { handle.set(CURLOPT_ACCEPT_ENCODING, decodes ? "identity" : nil) }

    private func setHeaders(_ lines: [String]) {
        let previous = requestHeaders
        requestHeaders = nil
        for line in lines { requestHeaders = curl_slist_append(requestHeaders, line) ?? requestHeaders }
        handle.check(tl_setopt_list(handle.easy, CURLOPT_HTTPHEADER, requestHeaders))
        curl_slist_free_all(previous)
    }

    func start(_ request: HTTPTransferRequest) throws(TransportError) {
        var schemes = 0
        if request.schemes.contains(.basic) { schemes |= tl_auth_basic }
        if request.schemes.contains(.digest) { schemes |= tl_auth_digest }
        host = request.host
        handle.set(CURLOPT_URL, request.url)
        handle.set(CURLOPT_RANGE, request.range)
        handle.set(CURLOPT_HTTPAUTH, schemes)
        handle.set(CURLOPT_USERNAME, request.user)
        handle.set(CURLOPT_PASSWORD, request.password)
        setHeaders(request.headerLines)
        remove()
        receiver.reset()
        bodySocket = nil
        mayReadSocket = false
        socketError = nil
        try handle.start()
    }

    var end: HTTPTransferEnd? {
        switch handle.result {
        case nil: nil
        case CURLE_OK?: .complete
        case CURLE_BAD_CONTENT_ENCODING?: .undecodable(message: explanation(of: CURLE_BAD_CONTENT_ENCODING))
        case CURLE_WRITE_ERROR?: .refused(message: explanation(of: CURLE_WRITE_ERROR))
        case let code?:
            // The proxy answered, and would not.
            .failed(
                number(CURLINFO_HTTP_CONNECTCODE) >= 300
                    ? .unreachable : TransportError.Code(code, systemError: systemError),
                message: explanation(of: code))
        }
    }

    /// libcurl closes the connection in the end.
    var readsSocket: Bool { bodySocket != nil }

    /// Reads the rest of the body from the socket itself: libcurl would copy every byte once more. For a body that is
    /// nothing but the bytes of the connection: HTTP/1, not encrypted, not chunked, of a known length.
    func expectLongBody() {
        let version = number(CURLINFO_HTTP_VERSION)
        mayReadSocket =
            receiver.header.contentLength != nil && receiver.header.value(of: "transfer-encoding") == nil
            && (version == CURL_HTTP_VERSION_1_0 || version == CURL_HTTP_VERSION_1_1)
    }

    /// Turns to the socket as soon as libcurl has handed over all that it had received.
    private func turnToSocket() {
        guard mayReadSocket, handle.isBusy, !receiver.isPaused else { return }
        mayReadSocket = false
        guard
            let socket = sockets.socket(
                localPort: number(CURLINFO_LOCAL_PORT), peerPort: number(CURLINFO_PRIMARY_PORT)),
            // Both directions: with one of them left libcurl looks at the socket once more, and keeps what it finds there.
            curl_easy_pause(handle.easy, CURLPAUSE_ALL) == CURLE_OK
        else { return }
        bodySocket = socket
        byteCountOfCurl = handle.offset(CURLINFO_SIZE_DOWNLOAD_T)
    }

    func receive(into destination: UnsafeMutableRawBufferPointer) -> Int {
        turnToSocket()
        guard let bodySocket else {
            return receiver.receiving(into: destination) {
                if receiver.isPaused { resume() }
                perform()
            }
        }
        guard handle.result == nil else { return 0 }
        var count: Int
        repeat {
            count = recv(
                bodySocket, destination.baseAddress, receiver.wanted(of: destination.count), Int32(MSG_DONTWAIT))
        } while count < 0 && errno == EINTR
        if count > 0 {
            receiver.tookFromSocket(count)
            return count
        }
        if count == 0 {
            handle.end(with: CURLE_OK)
        } else if errno != EAGAIN {
            socketError = errno
            handle.end(with: CURLE_RECV_ERROR)
        }
        return 0
    }

    func perform() { handle.perform() }

    func sleep(atMost duration: Duration) {
        let hasArrived = handle.sleep(atMost: duration, watching: bodySocket)
        // libcurl leaves the socket alone, but a timer of its own may have run out, and would end every sleep at once.
        guard bodySocket != nil, !hasArrived else { return }
        perform()
        // Bytes that libcurl took nevertheless are a hole in the body: better a broken connection.
        if handle.offset(CURLINFO_SIZE_DOWNLOAD_T) != byteCountOfCurl { handle.end(with: CURLE_RECV_ERROR) }
    }

    func resume() {
        guard handle.isBusy else { return }
        receiver.isPaused = false
        // Calls back at once with what libcurl had to keep, and may find the ring full again.
        let code = curl_easy_pause(handle.easy, CURLPAUSE_CONT)
        if code != CURLE_OK { handle.end(with: code) }
    }

    func remove() { handle.remove() }

    private func number(_ info: CURLINFO) -> Int { handle.number(info) }

    var isConnected: Bool { handle.time(CURLINFO_PRETRANSFER_TIME_T) != nil }

    var timings: TransportTimings {
        let isReused = number(CURLINFO_NUM_CONNECTS) == 0
        let connect = handle.time(CURLINFO_APPCONNECT_TIME_T) ?? handle.time(CURLINFO_CONNECT_TIME_T)
        return TransportTimings(
            connect: isReused ? nil : connect, firstByte: handle.time(CURLINFO_STARTTRANSFER_TIME_T),
            reusedConnection: isReused && isConnected)
    }

    var offers: HTTPAuthentication {
        let schemes = number(CURLINFO_HTTPAUTH_AVAIL)
        var offers: HTTPAuthentication = []
        if schemes & tl_auth_basic != 0 { offers.insert(.basic) }
        if schemes & tl_auth_digest != 0 { offers.insert(.digest) }
        return offers
    }

    /// The system's error behind a failure; 0 when it had no part in it.
    private var systemError: Int32 { socketError ?? handle.systemError }

    /// What went wrong on the way to the host, for people.
    private func explanation(of code: CURLcode) -> String {
        if let socketError { return "Recv failure: \(String(cString: strerror(socketError)))" }
        return handle.explanation(of: code, host: host.name, port: host.port)
    }
}
