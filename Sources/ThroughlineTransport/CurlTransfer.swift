internal import CCurl
internal import Glibc
internal import ThroughlineCore

/// One `CURLM` with its one `CURL`: at most one transfer at a time, connections kept for the next.
///
/// Not `Sendable`; used by one thread at a time.
final class CurlTransfer {
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

    init(abort: AbortSwitch) throws(TransportError) {
        handle = try CurlHandle(abort: abort)
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
        set(CURLOPT_BUFFERSIZE, ResponseReceiver.capacity)
    }

    deinit {
        // Before what it uses goes: ending a transfer may call back.
        handle.remove()
        handle.check(tl_setopt_list(handle.easy, CURLOPT_HTTPHEADER, nil))
        handle.check(tl_setopt_list(handle.easy, CURLOPT_HTTP200ALIASES, nil))
        curl_slist_free_all(requestHeaders)
        curl_slist_free_all(statusAliases)
    }

    func set(_ option: CURLoption, _ value: Int) { handle.set(option, value) }
    func set(_ option: CURLoption, _ value: String?) { handle.set(option, value) }

    func keepCookies(in jar: CookieJar) { handle.keepCookies(in: jar) }

    /// Header lines of the requests to come.
    func setHeaders(_ lines: [String]) {
        let previous = requestHeaders
        requestHeaders = nil
        for line in lines { requestHeaders = curl_slist_append(requestHeaders, line) ?? requestHeaders }
        handle.check(tl_setopt_list(handle.easy, CURLOPT_HTTPHEADER, requestHeaders))
        curl_slist_free_all(previous)
    }

    /// Begins a request with the options set before.
    func start() throws(TransportError) {
        remove()
        receiver.reset()
        bodySocket = nil
        mayReadSocket = false
        socketError = nil
        try handle.start()
    }

    /// How the transfer ended; `nil` while it lasts.
    var result: CURLcode? { handle.result }

    /// Whether the body is read from the socket itself. libcurl closes the connection in the end.
    var readsSocket: Bool { bodySocket != nil }

    /// Reads the rest of the body from the socket itself: libcurl would copy every byte once more. For a body that is
    /// nothing but the bytes of the connection: HTTP/1, not encrypted, not chunked, of a known length.
    func readSocket() {
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

    /// Takes what there is of the body without waiting.
    ///
    /// - Returns: the bytes that went into `destination`; more may be in the receiver's ring.
    func receive(into destination: UnsafeMutableRawBufferPointer) -> Int {
        turnToSocket()
        guard let bodySocket else {
            return receiver.receiving(into: destination) {
                if receiver.isPaused { resume() }
                perform()
            }
        }
        guard result == nil else { return 0 }
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

    /// Does what can be done without waiting.
    func perform() { handle.perform() }

    /// Sleeps until something arrives, the abort switch is tripped, libcurl has work of its own, or time is up.
    func sleep(atMost duration: Duration) {
        let hasArrived = handle.sleep(atMost: duration, watching: bodySocket)
        // libcurl leaves the socket alone, but a timer of its own may have run out, and would end every sleep at once.
        guard bodySocket != nil, !hasArrived else { return }
        perform()
        // Bytes that libcurl took nevertheless are a hole in the body: better a broken connection.
        if handle.offset(CURLINFO_SIZE_DOWNLOAD_T) != byteCountOfCurl { handle.end(with: CURLE_RECV_ERROR) }
    }

    /// Goes on receiving after the ring was full.
    func resume() {
        guard handle.isBusy else { return }
        receiver.isPaused = false
        // Calls back at once with what libcurl had to keep, and may find the ring full again.
        let code = curl_easy_pause(handle.easy, CURLPAUSE_CONT)
        if code != CURLE_OK { handle.end(with: code) }
    }

    /// Ends the transfer. Its connection is kept only when the response has been received to its end.
    func remove() { handle.remove() }

    func number(_ info: CURLINFO) -> Int { handle.number(info) }

    /// `nil` for 0: it has not come to that.
    func time(_ info: CURLINFO) -> Duration? { handle.time(info) }

    /// The system's error behind a failure; 0 when it had no part in it.
    var systemError: Int32 { socketError ?? handle.systemError }

    /// What went wrong on the way to a host, for people.
    func explanation(of code: CURLcode, host: String, port: Int) -> String {
        if let socketError { return "Recv failure: \(String(cString: strerror(socketError)))" }
        return handle.explanation(of: code, host: host, port: port)
    }
}
