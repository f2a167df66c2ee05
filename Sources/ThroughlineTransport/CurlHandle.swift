internal import CCurl
internal import Glibc
internal import ThroughlineCore

/// One `CURLM` with its one `CURL`, and what all our connections have in common: TLS is verified, giving up is prompt,
/// and the abort switch wakes whoever sleeps.
///
/// Not `Sendable`; used by one thread at a time.
final class CurlHandle {
    let easy: UnsafeMutableRawPointer
    private let multi: UnsafeMutableRawPointer
    private let errorText: UnsafeMutablePointer<CChar>
    private var abort: AbortSwitch?
    /// Outlives the handle that uses it.
    private let share: CurlShare
    private var isUnderWay = false
    /// How the transfer ended; `nil` while it lasts.
    private(set) var result: CURLcode?

    static let isInitialised: Bool = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK

    init(share: CurlShare, abort: AbortSwitch) throws(TransportError) {
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
        self.share = share
        errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
        errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        tl_multi_setopt_long(multi, CURLMOPT_MAXCONNECTS, 4)
        abort.register(multi)
        check(tl_setopt_pointer(easy, CURLOPT_ERRORBUFFER, errorText))
        check(tl_setopt_share(easy, share.handle))
        set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
        set(CURLOPT_NOSIGNAL, 1)
        // Otherwise giving up while a name is being resolved waits for the resolver's thread, for seconds.
        set(CURLOPT_QUICK_EXIT, 1)
        set(CURLOPT_HTTP09_ALLOWED, 0)
        set(CURLOPT_FOLLOWLOCATION, 0)
        set(CURLOPT_PROTOCOLS_STR, "http,https")
        set(CURLOPT_SSL_VERIFYPEER, 1)
        set(CURLOPT_SSL_VERIFYHOST, 2)
        set(CURLOPT_TCP_NODELAY, 1)
        set(CURLOPT_TCP_KEEPALIVE, 1)
        set(CURLOPT_TCP_KEEPIDLE, 10)
        set(CURLOPT_TCP_KEEPINTVL, 5)
    }

    deinit {
        remove()
        abort?.unregister(multi)
        curl_easy_cleanup(easy)
        curl_multi_cleanup(multi)
        errorText.deallocate()
    }

    /// Options are ours or were checked before: one that libcurl rejects is a programmer's error.
    func check(_ code: CURLcode) {
        precondition(code == CURLE_OK, "curl_easy_setopt: \(String(cString: curl_easy_strerror(code)))")
    }

    /// From now on another switch wakes whoever sleeps here; nil while nobody uses it.
    func belongs(to abort: AbortSwitch?) {
        self.abort?.unregister(multi)
        self.abort = abort
        abort?.register(multi)
    }

    /// Keeps the cookies that come, and sends them back.
    func keepCookies() {
        // No such file: this turns libcurl's cookies on.
        set(CURLOPT_COOKIEFILE, "")
    }

    func set(_ option: CURLoption, _ value: Int) { check(tl_setopt_long(easy, option, value)) }
    func set(_ option: CURLoption, _ value: String?) { check(tl_setopt_string(easy, option, value)) }

    /// Begins a transfer with the options set before.
    func start() throws(TransportError) {
        remove()
        errorText[0] = 0
        result = nil
        guard curl_multi_add_handle(multi, easy) == CURLM_OK else {
            throw TransportError(.other, "libcurl took no request")
        }
        isUnderWay = true
    }

    /// Whether there is a transfer that has not ended.
    var isBusy: Bool { isUnderWay && result == nil }

    /// Ends the transfer from outside libcurl.
    func end(with code: CURLcode) { result = code }

    /// Does what can be done without waiting.
    func perform() {
        guard isBusy else { return }
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
    ///
    /// - Parameter socket: a further socket to watch for input.
    /// - Returns: whether something arrived there.
    @discardableResult
    func sleep(atMost duration: Duration, watching socket: Int32? = nil) -> Bool {
        // Rounded up, lest the last part of a millisecond be spent spinning; cut at a minute, which fits.
        let nanoseconds = min(max(0, duration.wholeNanoseconds), 60_000_000_000)
        let milliseconds = Int32((nanoseconds + 999_999) / 1_000_000)
        guard let socket else {
            curl_multi_poll(multi, nil, 0, milliseconds, nil)
            return false
        }
        var extra = curl_waitfd(fd: socket, events: Int16(CURL_WAIT_POLLIN), revents: 0)
        curl_multi_poll(multi, &extra, 1, milliseconds, nil)
        return extra.revents != 0
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

    func offset(_ info: CURLINFO) -> curl_off_t {
        var value: curl_off_t = 0
        return tl_getinfo_offset(easy, info, &value) == CURLE_OK ? value : 0
    }

    /// `nil` for 0: it has not come to that.
    func time(_ info: CURLINFO) -> Duration? {
        let value = offset(info)
        return value > 0 ? .microseconds(value) : nil
    }

    /// The system's error behind a failure; 0 when it had no part in it.
    var systemError: Int32 { Int32(truncatingIfNeeded: number(CURLINFO_OS_ERRNO)) }

    /// What went wrong on the way to a host, for people.
    func explanation(of code: CURLcode, host: String, port: Int) -> String {
        CurlWords.text(of: failure(code, host: host, port: port))
    }

    private func failure(_ code: CURLcode, host: String, port: Int) -> CurlWords.Failure {
        errorText[Int(CURL_ERROR_SIZE) - 1] = 0
        let text = String(cString: errorText)
        return CurlWords.Failure(
            result: code, text: text.isEmpty ? String(cString: curl_easy_strerror(code)) : text,
            certificate: number(CURLINFO_SSL_VERIFYRESULT), proxyAnswer: number(CURLINFO_HTTP_CONNECTCODE),
            host: host, port: port, mayBeProxied: CurlWords.proxyVariables.contains { getenv($0) != nil })
    }
}
