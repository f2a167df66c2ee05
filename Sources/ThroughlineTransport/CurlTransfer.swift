internal import CCurl
internal import Glibc
internal import ThroughlineCore

/// One `CURLM` with its one `CURL`: at most one transfer at a time, connections kept for the next.
///
/// Not `Sendable`; used by one thread at a time.
final class CurlTransfer {
    let receiver = ResponseReceiver()
    private let sockets = OpenedSockets()
    private let easy: UnsafeMutableRawPointer
    private let multi: UnsafeMutableRawPointer
    private let errorText: UnsafeMutablePointer<CChar>
    private var requestHeaders: UnsafeMutablePointer<curl_slist>?
    private let statusAliases: UnsafeMutablePointer<curl_slist>?
    private let abort: AbortSwitch
    private var isUnderWay = false
    /// How the transfer ended; `nil` while it lasts.
    private(set) var result: CURLcode?
    /// The socket from which the body is read without libcurl.
    private var bodySocket: Int32?
    private var mayReadSocket = false
    /// Body bytes that had come through libcurl when the socket took over.
    private var byteCountOfCurl: curl_off_t = 0
    private var socketError: Int32?

    private static let isInitialised: Bool = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK

    init(abort: AbortSwitch) throws(TransportError) {
        guard Self.isInitialised, let easy = curl_easy_init() else {
            throw TransportError(.other, "libcurl could not be initialised")
        }
        guard let multi = curl_multi_init() else {
            curl_easy_cleanup(easy)
            throw TransportError(.other, "libcurl could not be initialised")
        }
        self.easy = easy
        self.multi = multi
        self.abort = abort
        errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
        errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        statusAliases = curl_slist_append(nil, "ICY 200")
        tl_multi_setopt_long(multi, CURLMOPT_MAXCONNECTS, 4)
        abort.register(multi)
        let context = Unmanaged.passUnretained(receiver).toOpaque()
        check(tl_setopt_callback(easy, CURLOPT_WRITEFUNCTION, receiveBodyBytes))
        check(tl_setopt_pointer(easy, CURLOPT_WRITEDATA, context))
        check(tl_setopt_callback(easy, CURLOPT_HEADERFUNCTION, receiveHeaderLine))
        check(tl_setopt_pointer(easy, CURLOPT_HEADERDATA, context))
        check(tl_setopt_socket_callback(easy, noteOpenedSocket))
        check(tl_setopt_pointer(easy, CURLOPT_SOCKOPTDATA, Unmanaged.passUnretained(sockets).toOpaque()))
        check(tl_setopt_pointer(easy, CURLOPT_ERRORBUFFER, errorText))
        check(tl_setopt_list(easy, CURLOPT_HTTP200ALIASES, statusAliases))
        set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
        set(CURLOPT_NOSIGNAL, 1)
        // Otherwise giving up while a name is being resolved waits for the resolver's thread, for seconds.
        set(CURLOPT_QUICK_EXIT, 1)
        set(CURLOPT_HTTP09_ALLOWED, 0)
        set(CURLOPT_FOLLOWLOCATION, 0)
        set(CURLOPT_PROTOCOLS_STR, "http,https")
        set(CURLOPT_SSL_VERIFYPEER, 1)
        set(CURLOPT_SSL_VERIFYHOST, 2)
        set(CURLOPT_BUFFERSIZE, ResponseReceiver.capacity)
        set(CURLOPT_TCP_NODELAY, 1)
        set(CURLOPT_TCP_KEEPALIVE, 1)
        set(CURLOPT_TCP_KEEPIDLE, 10)
        set(CURLOPT_TCP_KEEPINTVL, 5)
    }

    deinit {
        remove()
        abort.unregister(multi)
        curl_easy_cleanup(easy)
        curl_multi_cleanup(multi)
        curl_slist_free_all(requestHeaders)
        curl_slist_free_all(statusAliases)
        errorText.deallocate()
    }

    /// Options are ours or were checked before: one that libcurl rejects is a programmer's error.
    private func check(_ code: CURLcode) {
        precondition(code == CURLE_OK, "curl_easy_setopt: \(String(cString: curl_easy_strerror(code)))")
    }

    func set(_ option: CURLoption, _ value: Int) { check(tl_setopt_long(easy, option, value)) }
    func set(_ option: CURLoption, _ value: String?) { check(tl_setopt_string(easy, option, value)) }

    /// Header lines of the requests to come.
    func setHeaders(_ lines: [String]) {
        let previous = requestHeaders
        requestHeaders = nil
        for line in lines { requestHeaders = curl_slist_append(requestHeaders, line) ?? requestHeaders }
        check(tl_setopt_list(easy, CURLOPT_HTTPHEADER, requestHeaders))
        curl_slist_free_all(previous)
    }

    /// Begins a request with the options set before.
    func start() throws(TransportError) {
        remove()
        receiver.reset()
        errorText[0] = 0
        result = nil
        bodySocket = nil
        mayReadSocket = false
        socketError = nil
        guard curl_multi_add_handle(multi, easy) == CURLM_OK else {
            throw TransportError(.other, "libcurl took no request")
        }
        isUnderWay = true
    }

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
        guard mayReadSocket, isUnderWay, result == nil, !receiver.isPaused else { return }
        mayReadSocket = false
        guard
            let socket = sockets.socket(
                localPort: number(CURLINFO_LOCAL_PORT), peerPort: number(CURLINFO_PRIMARY_PORT)),
            // Both directions: with one of them left libcurl looks at the socket once more, and keeps what it finds there.
            curl_easy_pause(easy, CURLPAUSE_ALL) == CURLE_OK
        else { return }
        bodySocket = socket
        byteCountOfCurl = offset(CURLINFO_SIZE_DOWNLOAD_T)
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
            result = CURLE_OK
        } else if errno != EAGAIN {
            socketError = errno
            result = CURLE_RECV_ERROR
        }
        return 0
    }

    /// Does what can be done without waiting.
    func perform() {
        guard isUnderWay, result == nil else { return }
        var running: Int32 = 0
        guard curl_multi_perform(multi, &running) == CURLM_OK else {
            result = CURLE_OUT_OF_MEMORY
            return
        }
        var queued: Int32 = 0
        while let message = curl_multi_info_read(multi, &queued) {
            if message.pointee.msg == CURLMSG_DONE { result = tl_message_result(message) }
        }
    }

    /// Sleeps until something arrives, the abort switch is tripped, libcurl has work of its own, or time is up.
    func sleep(atMost duration: Duration) {
        // Rounded up, lest the last part of a millisecond be spent spinning; cut at a minute, which fits.
        let nanoseconds = min(max(0, duration.wholeNanoseconds), 60_000_000_000)
        let milliseconds = Int32((nanoseconds + 999_999) / 1_000_000)
        guard let bodySocket else {
            curl_multi_poll(multi, nil, 0, milliseconds, nil)
            return
        }
        var extra = curl_waitfd(fd: bodySocket, events: Int16(CURL_WAIT_POLLIN), revents: 0)
        curl_multi_poll(multi, &extra, 1, milliseconds, nil)
        // libcurl leaves the socket alone, but a timer of its own may have run out, and would end every sleep at once.
        guard extra.revents == 0 else { return }
        perform()
        // Bytes that libcurl took nevertheless are a hole in the body: better a broken connection.
        if offset(CURLINFO_SIZE_DOWNLOAD_T) != byteCountOfCurl { result = CURLE_RECV_ERROR }
    }

    /// Goes on receiving after the ring was full.
    func resume() {
        guard isUnderWay, result == nil else { return }
        receiver.isPaused = false
        // Calls back at once with what libcurl had to keep, and may find the ring full again.
        let code = curl_easy_pause(easy, CURLPAUSE_CONT)
        if code != CURLE_OK { result = code }
    }

    /// Ends the transfer. Its connection is kept only when the response has been received to its end.
    func remove() {
        guard isUnderWay else { return }
        isUnderWay = false
        curl_multi_remove_handle(multi, easy)
    }

    func number(_ info: CURLINFO) -> Int {
        var value = 0
        return tl_getinfo_long(easy, info, &value) == CURLE_OK ? value : 0
    }

    private func offset(_ info: CURLINFO) -> curl_off_t {
        var value: curl_off_t = 0
        return tl_getinfo_offset(easy, info, &value) == CURLE_OK ? value : 0
    }

    /// `nil` for 0: it has not come to that.
    func time(_ info: CURLINFO) -> Duration? {
        let value = offset(info)
        return value > 0 ? .microseconds(value) : nil
    }

    /// The system's error behind a failure; 0 when it had no part in it.
    var systemError: Int32 { socketError ?? Int32(truncatingIfNeeded: number(CURLINFO_OS_ERRNO)) }

    /// libcurl's own words for what went wrong.
    func explanation(of code: CURLcode) -> String {
        if let socketError { return "Recv failure: \(String(cString: strerror(socketError)))" }
        errorText[Int(CURL_ERROR_SIZE) - 1] = 0
        let text = String(cString: errorText)
        return (text.isEmpty ? String(cString: curl_easy_strerror(code)) : text).printable(limit: 200)
    }
}
