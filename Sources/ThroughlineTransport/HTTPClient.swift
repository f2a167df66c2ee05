package import ThroughlineCore

/// Pulls the bytes of one HTTP(S) resource: `open` at an offset, `read` until it returns 0, `open` elsewhere.
///
/// Every call returns by its deadline, and within milliseconds once the abort switch is tripped. A reader that does not
/// read pushes back to the origin: at most 256 KiB wait here (and as much again inside libcurl with TLS and HTTP/2).
/// Nothing happens between calls, so what befell the connection meanwhile is reported by the next one, after the bytes
/// that came before it.
///
/// Used by one thread at a time, which debug builds assert. What carries its requests (`HTTPTransfer`) runs on that thread alone, name resolution excepted.
package final class HTTPClient {
    /// Bodies of which no more than this is missing are received to their end, so that the connection can serve the
    /// next request; it takes no longer than a new connection would.
    private static let drainLimit: Int64 = 64 << 10

    /// What little is missing of a body when a client is closed may take so long.
    private static let closingPatience: Duration = .milliseconds(20)

    /// So many bytes before those that were asked for are passed over.
    private static let skipLimit: Int64 = 1 << 20

    /// A body from this length on is read without libcurl where that can be done. That costs the connection, which is wanted
    /// again where the object is one of many.
    package static let longBody: Int64 = 8 << 20

    private let options: HTTPRequestOptions
    private let abort: AbortSwitch
    private let credentials: HTTPRequestOptions.Credentials
    /// Where credentials and further headers belong.
    private let home: HTTPAddress
    private var address: HTTPAddress
    /// Where redirects led last time; the next request goes there at once.
    private var settled: HTTPAddress?
    private var transfer: (any HTTPTransfer)?
    /// Schemes of HTTP authentication to use; found out with the first response.
    private var schemes: HTTPAuthentication
    private var lastConnect = Duration.milliseconds(20)
    private var busy = false
    /// A request whose answer has not begun.
    private var asking: Asking?
    /// What is made of a `Content-Encoding`.
    private var coding = Coding.refused
    /// Where what was asked for ends; nil for the end of the object.
    private var wantedEnd: Int64?
    /// Body bytes that the answer under way is to bring; nil where it does not say.
    private var sliceLength: Int64?
    /// What every read from now on ends with.
    private var end: Result<Void, TransportError>?

    /// The head of the response whose body is being read.
    package private(set) var head: HTTPResponseHead?
    /// Of the last response, or of the attempt that failed.
    package private(set) var timings: TransportTimings?
    /// The offset in the object of the next byte that `read` returns.
    package private(set) var position: Int64 = 0
    /// Bytes that `read` can return without waiting.
    package var bufferedByteCount: Int { transfer?.receiver.bufferedCount ?? 0 }

    /// Checks the URL and the options; speaks to nobody yet.
    ///
    /// - Parameters:
    ///   - url: `http` or `https`, at most 8 KiB. A user and password in it are used unless `options` has credentials,
    ///     and appear in no message.
    ///   - abort: ends all calls; may be shared by any number of clients.
    /// - Throws: `.invalidURL`, `.unsupportedScheme`, `.invalidOptions`.
    package init(
        url: String, options: HTTPRequestOptions = HTTPRequestOptions(), abort: AbortSwitch
    ) throws(TransportError) {
        let address = try HTTPAddress(url)
        var credentials = options.credentials
        if case .none = credentials, let user = address.user {
            credentials = .userPassword(user: user, password: address.password ?? "")
        }
        try options.validate(for: address, credentials)
        self.options = options
        self.abort = abort
        self.address = address
        self.credentials = credentials
        home = address
        schemes = address.scheme == "https" ? .basic : [.basic, .digest]
        let place = address.place
        if let idle = options.pool?.borrow(for: place, abort: abort) {
            transfer = idle
            idle.setDecoding(false)
        } else if let network = MemoryNetwork.current {
            transfer = MemoryTransfer(network: network, options: options, abort: abort)
        } else {
            transfer = try CurlTransfer(options: options, abort: abort)
        }
    }

    /// Ends the body. The connections are ended too, or kept for others where the origin's clients have a pool. Nothing can
    /// be opened after it.
    package func close() {
        if let transfer = transfer.take(), let pool = options.pool, !abort.isAborted {
            abandon(transfer, by: .now + Self.closingPatience)
            pool.giveBack(transfer, for: home.place)
        }
        asking = nil
        head = nil
        end = .failure(failure(.aborted, "the client was closed"))
    }

    // MARK: - Opening

    /// Requests the object from `offset` on, and returns when the final response has begun.
    ///
    /// Replaces a body under way. A `Range` is asked for at offset 0 too, so that `acceptsRanges` is learnt. An answer may
    /// hold less than was asked for (RFC 9110 section 15.3.7): `read` then asks for what follows, over the same connection.
    ///
    /// - Parameters:
    ///   - offset: of the first byte; not negative.
    ///   - end: the offset after the last byte wanted; `nil` for all there is. More is never handed out, less may be.
    ///   - deadline: for all of it: connecting, redirects, authentication.
    /// - Throws: `.httpStatus` for every status but 2xx; `.rangeNotHonoured` when other bytes came than were asked for;
    ///   the codes of broken connections. No body is under way then.
    @discardableResult
    package func open(
        at offset: Int64, until end: Int64? = nil, deadline: Instant
    ) throws(TransportError) -> HTTPResponseHead {
        precondition(offset >= 0 && offset < end ?? .max, "a range from \(offset) to \(end ?? .max)")
        enter()
        defer { leave() }
        head = nil
        timings = nil
        position = offset
        wantedEnd = end
        self.end = nil
        do throws(TransportError) {
            let transfer = try usableTransfer()
            abandon(transfer, by: deadline)
            try ask(transfer, Asking(offset: offset, end: end, target: settled ?? address, isSettled: settled != nil))
            while true {
                if let head = try answer(transfer, by: deadline) {
                    self.head = head
                    return head
                }
                let now = Instant.now
                if now >= deadline {
                    measure(transfer)
                    let isConnected = transfer.isConnected
                    throw failure(
                        isConnected ? .timedOut : .connectTimedOut,
                        isConnected ? "no answer in time" : "no connection in time", at: asking?.target)
                }
                transfer.sleep(atMost: deadline - now)
            }
        } catch {
            throw broke(error)
        }
    }

    /// A request, and where it was led so far.
    private struct Asking {
        let offset: Int64
        let end: Int64?
        var target: HTTPAddress
        /// The target is where redirects led last time.
        var isSettled: Bool
        var redirects = 0
        var hasRange = true

        var range: String? { hasRange ? "\(offset)-" + (end.map { String($0 - 1) } ?? "") : nil }
    }

    private func ask(_ transfer: any HTTPTransfer, _ asking: Asking) throws(TransportError) {
        self.asking = asking
        try send(transfer, to: asking.target, range: asking.range)
    }

    /// Nothing is under way any more.
    private func broke(_ error: TransportError) -> TransportError {
        asking = nil
        transfer?.remove()
        end = .failure(error)
        return error
    }

    /// Follows the request under way wherever that leads, without waiting (but for the rest of a short body).
    ///
    /// - Returns: nil while the answer has not come.
    private func answer(_ transfer: any HTTPTransfer, by deadline: Instant) throws(TransportError) -> HTTPResponseHead?
    {
        while let asked = asking {
            let next: Asking
            do throws(TransportError) {
                transfer.perform()
                if abort.isAborted { throw failure(.aborted, "aborted", at: asked.target) }
                let isAnswered =
                    transfer.receiver.headIsFinal
                    || (transfer.end?.isComplete == true && transfer.receiver.header.isComplete)
                guard isAnswered else {
                    guard let end = transfer.end else { return nil }
                    measure(transfer)
                    throw failure(end, transfer, at: asked.target)
                }
                measure(transfer)
                switch try judge(transfer, asked) {
                case .accepted(let head):
                    asking = nil
                    return head
                case .askedAgain(let asking): next = asking
                }
            } catch  where asked.isSettled && error.code.mayBeOfRedirect {
                settled = nil
                next = Asking(offset: asked.offset, end: asked.end, target: address, isSettled: false)
            }
            abandon(transfer, by: deadline)
            try ask(transfer, next)
        }
        return nil
    }

    private enum Judgement {
        case accepted(HTTPResponseHead)
        case askedAgain(Asking)
    }

    /// Looks at the head of an answer.
    private func judge(_ transfer: any HTTPTransfer, _ asked: Asking) throws(TransportError) -> Judgement {
        let (header, target) = (transfer.receiver.header, asked.target)
        var next = asked
        switch header.status {
        case 301, 302, 303, 307, 308:
            guard let location = header.value(of: "location") else {
                throw failure(.httpStatus(header.status), "answered \(header.status) without a Location", at: target)
            }
            next.redirects += 1
            guard next.redirects <= options.maximumRedirects else {
                throw failure(.tooManyRedirects, "redirected more than \(options.maximumRedirects) times", at: target)
            }
            next.target = try redirect(from: target, to: location)
            return .askedAgain(next)
        case 401 where schemes == .basic && transfer.offers.contains(.digest) && sendsPassword(to: target):
            schemes = .digest
            return .askedAgain(next)
        case 416 where header.contentRange?.total == asked.offset:
            settled = target
            // Its body is for people.
            transfer.receiver.discard()
            transfer.remove()
            end = .success(())
            return .accepted(responseHead(header, target, start: asked.offset, length: 0, total: asked.offset))
        case 416 where asked.offset == 0 && asked.end == nil && asked.hasRange:
            // Some live servers refuse any range of what has no length.
            next.hasRange = false
            return .askedAgain(next)
        case 200..<300:
            if asked.redirects > 0 { settled = target }
            learnScheme(transfer)
            if let names = header.codings, coding == .refused {
                guard HeaderFields.decodable.isSuperset(of: names) else { throw undecodable(names, at: target) }
                guard asked.offset == 0 else {
                    throw failure(.rangeNotHonoured, "answered with a part of a body coded as \(names[0])", at: target)
                }
                // It was asked for the bytes as they are, and does not have them so. Of the coded ones no range is of use.
                setCoding(.decoded)
                next.hasRange = false
                return .askedAgain(next)
            }
            return .accepted(try accept(transfer, header, target, asked.offset, asked.end))
        case 401:
            throw TransportError(
                .httpStatus(401),
                described(
                    sendsPassword(to: target)
                        ? "answered 401: it does not take this user and password"
                        : "answered 401: it asks for a user and a password; \(passwordPlaces)",
                    at: target))
        case 407: throw TransportError(.httpStatus(407), described(CurlWords.answer(ofProxy: 407), at: target))
        default:
            let error = TransportError(
                .httpStatus(header.status), described("answered \(header.status)", at: target),
                retryAfter: header.retryAfter)
            // What little its body holds is received, and the connection kept.
            abandon(transfer, by: .now + .milliseconds(200))
            throw error
        }
    }

    /// What is made of a body that comes coded (`Content-Encoding`).
    private enum Coding {
        /// Until one has come, nothing is decoded, so that every byte is the object's.
        case refused
        case decoded
        /// It was none: the server says so of bytes that are what they are.
        case mislabelled
    }

    private func setCoding(_ coding: Coding) {
        self.coding = coding
        transfer?.setDecoding(coding == .decoded)
    }

    private func undecodable(_ names: [String], at target: HTTPAddress? = nil) -> TransportError {
        failure(
            .protocolError,
            "the body is coded as \(names.joined(separator: ", ").printable(limit: 40)), which cannot be decoded",
            at: target)
    }

    private func send(_ transfer: any HTTPTransfer, to target: HTTPAddress, range: String?) throws(TransportError) {
        if abort.isAborted { throw failure(.aborted, "aborted", at: target) }
        // Not by libcurl's option, which would have it decode what is coded.
        let hasOwn = options.headers.contains { $0.name.lowercased() == "accept-encoding" }
        var lines = hasOwn ? [] : ["Accept-Encoding: identity"]
        var (user, password): (String?, String?) = (nil, nil)
        if home.sharesSecrets(with: target) {
            // libcurl takes "name;" for an empty value; "name:" would remove the field.
            lines += options.headers.map { $0.value.isEmpty ? "\($0.name);" : "\($0.name): \($0.value)" }
            switch credentials {
            case .none: break
            case .bearer(let token): lines.append("Authorization: Bearer \(token)")
            case .userPassword(let name, let secret): (user, password) = (name, secret)
            }
        }
        try transfer.start(
            HTTPTransferRequest(
                url: target.url, host: (target.host, target.port), range: range, headerLines: lines, user: user,
                password: password, schemes: schemes))
    }

    /// Checks that the response brings what was asked for.
    private func accept(
        _ transfer: any HTTPTransfer, _ header: HeaderFields, _ target: HTTPAddress, _ offset: Int64, _ end: Int64?
    ) throws(TransportError) -> HTTPResponseHead {
        let wanted = end.map { $0 - offset } ?? .max
        if coding == .decoded, header.codings != nil {
            guard offset == 0, header.status != 206 else {
                throw failure(.rangeNotHonoured, "answered with a part of a coded body", at: target)
            }
            // What the header says of lengths is of the coded bytes.
            sliceLength = nil
            transfer.receiver.beginBody(limit: wanted)
            var head = responseHead(header, target, start: 0, length: nil, total: nil)
            head.acceptsRanges = false
            return head
        }
        let head: HTTPResponseHead
        var skipped: Int64 = 0
        if header.status == 206 {
            guard
                let range = header.contentRange, let bounds = range.bounds, bounds.contains(offset),
                offset - bounds.lowerBound <= Self.skipLimit
            else { throw failure(.rangeNotHonoured, "answered 206 with \(header.rangeInWords)", at: target) }
            // Block by block, say; what lies before what was asked for is not handed out.
            skipped = offset - bounds.lowerBound
            // The end is within 10^18, so this cannot overflow.
            sliceLength = min(bounds.upperBound - offset + 1, wanted)
            let length = range.total.map { min($0 - offset, wanted) } ?? (sliceLength == wanted ? wanted : nil)
            head = responseHead(header, target, start: offset, length: length, total: range.total)
        } else {
            guard offset == 0 else {
                throw failure(.rangeNotHonoured, "answered \(header.status) with the whole object", at: target)
            }
            let total = header.status == 204 || header.status == 205 ? 0 : header.contentLength
            sliceLength = total.map { min($0, wanted) }
            head = responseHead(header, target, start: 0, length: sliceLength, total: total)
        }
        transfer.receiver.beginBody(limit: sliceLength ?? wanted, skipping: skipped)
        // The connection cannot be used again after that: only worth it for what is long, and all there is.
        if target.scheme == "http", skipped == 0, let length = sliceLength, length == head.contentLength,
            length >= Self.longBody
        {
            transfer.expectLongBody()
        }
        return head
    }

    private func responseHead(
        _ header: HeaderFields, _ target: HTTPAddress, start: Int64, length: Int64?, total: Int64?
    ) -> HTTPResponseHead {
        HTTPResponseHead(
            status: header.status, effectiveURL: target.url, contentType: header.value(of: "content-type"),
            contentLength: length, totalLength: total, rangeStart: start,
            acceptsRanges: header.status == 206 || header.status == 416
                || header.value(of: "accept-ranges")?.lowercased() == "bytes",
            etag: header.value(of: "etag"), lastModified: header.value(of: "last-modified"),
            retryAfter: header.retryAfter, altSvc: header.value(of: "alt-svc"), headers: header.fields)
    }

    private func redirect(from target: HTTPAddress, to location: String) throws(TransportError) -> HTTPAddress {
        let next: HTTPAddress
        do throws(TransportError) {
            next = try HTTPAddress(location, relativeTo: target)
        } catch {
            throw failure(.redirectRefused, "redirected to nowhere: \(error.message)", at: target)
        }
        if options.redirectsMayLeaveHost { return next }
        guard
            next.host == address.host || options.allowedRedirectHosts.contains(where: { $0.lowercased() == next.host })
        else {
            throw failure(.redirectRefused, "redirected to \(next.redacted), \(strangeHost)", at: target)
        }
        guard target.scheme == "http" || next.scheme == "https" else {
            throw failure(.redirectRefused, "redirected from TLS to \(next.redacted)", at: target)
        }
        return next
    }

    /// With one scheme left, the transfer authenticates the next request at once, without asking first.
    private func learnScheme(_ transfer: any HTTPTransfer) {
        if transfer.offers.contains(.digest) {
            schemes = .digest
        } else if transfer.offers.contains(.basic) {
            schemes = .basic
        }
    }

    private func sendsPassword(to target: HTTPAddress) -> Bool {
        if case .userPassword = credentials { home.sharesSecrets(with: target) } else { false }
    }

    // MARK: - Reading

    /// Reads at least one byte, or returns 0: the body's true end.
    ///
    /// - Parameters:
    ///   - destination: where the bytes go; not empty.
    ///   - deadline: when to give up with `.timedOut`. The body stays open: another read may go on with it.
    ///   - beforeBlocking: called before the thread sleeps, when no byte was at hand; it may take its time, and gives the
    ///     deadline that holds from then on. Called again whenever the thread was woken (`AbortSwitch.askAnew`): an earlier
    ///     deadline holds then.
    /// - Throws: `.closedEarly` when the body ends short of its length, `.reset`, `.timedOut`, `.aborted`. Except for
    ///   `.aborted`, only after every byte received has been read.
    package func read(
        into destination: UnsafeMutableRawBufferPointer, deadline: Instant, beforeBlocking: (() -> Instant)? = nil
    ) throws(TransportError) -> Int {
        enter()
        defer { leave() }
        if let count = try attempt(into: destination) { return count }
        // Before the deadline is looked at: a deadline that has passed may be a later one now.
        var deadline = beforeBlocking?() ?? deadline
        while true {
            let now = Instant.now
            if now >= deadline { throw failure(.timedOut, "no byte in time") }
            transfer?.sleep(atMost: deadline - now)
            if let count = try attempt(into: destination) { return count }
            if let beforeBlocking { deadline = min(deadline, beforeBlocking()) }
        }
    }

    /// The same without waiting.
    ///
    /// - Returns: nil when nothing has arrived.
    package func readAvailable(into destination: UnsafeMutableRawBufferPointer) throws(TransportError) -> Int? {
        enter()
        defer { leave() }
        return try attempt(into: destination)
    }

    /// Takes what there is, and finds out whether the body has ended; nil when neither is so.
    private func attempt(into destination: UnsafeMutableRawBufferPointer) throws(TransportError) -> Int? {
        precondition(!destination.isEmpty, "a read of no bytes")
        if abort.isAborted { throw failure(.aborted, "aborted") }
        guard let transfer, head != nil else {
            try end?.get()
            throw failure(.other, "nothing is open")
        }
        while true {
            if asking != nil {
                guard try hasContinued(transfer) else { return nil }
            }
            if let count = try take(from: transfer, into: destination) { return count }
            guard asking != nil else { return nil }
        }
    }

    /// The same of one answer; nil also when what follows it has been asked for.
    private func take(
        from transfer: any HTTPTransfer, into destination: UnsafeMutableRawBufferPointer
    ) throws(TransportError) -> Int? {
        let receiver = transfer.receiver
        let buffered = receiver.take(into: destination)
        if buffered > 0 {
            if receiver.wantsResume { transfer.resume() }
            position += Int64(buffered)
            return buffered
        }
        if let end {
            try end.get()
            return 0
        }
        if receiver.limitReached { return try sliceEnded(transfer) }
        let count = transfer.receive(into: destination)
        if count > 0 {
            position += Int64(count)
            return count
        }
        if abort.isAborted { throw failure(.aborted, "aborted") }
        if receiver.limitReached { return try sliceEnded(transfer) }
        guard let end = transfer.end else { return nil }
        if end.isOfCoding(whileDecoding: coding == .decoded) {
            let names = receiver.header.codings ?? []
            guard coding == .decoded, position == 0 else {
                throw lost(undecodable(names))
            }
            setCoding(.mislabelled)
            try askOn(transfer)
            return nil
        }
        if !end.isComplete { throw lost(failure(end, transfer)) }
        if let length = sliceLength, receiver.received < length {
            throw lost(failure(.closedEarly, "the body ended after \(receiver.received) of \(length) bytes"))
        }
        return try sliceEnded(transfer)
    }

    /// What every read from now on ends with.
    private func lost(_ error: TransportError) -> TransportError {
        end = .failure(error)
        return error
    }

    // MARK: - Slices

    /// An answer has brought what it said it would: 0 at the end of what was asked for, nil where there is more.
    private func sliceEnded(_ transfer: any HTTPTransfer) throws(TransportError) -> Int? {
        let end = min(wantedEnd ?? .max, head?.totalLength ?? .max)
        guard let head, head.status == 206, position < end else {
            self.end = .success(())
            return 0
        }
        try askOn(transfer)
        return nil
    }

    private func askOn(_ transfer: any HTTPTransfer) throws(TransportError) {
        let next = Asking(offset: position, end: wantedEnd, target: settled ?? address, isSettled: settled != nil)
        do throws(TransportError) {
            abandon(transfer, by: .now + .milliseconds(200))
            try ask(transfer, next)
        } catch { throw broke(error) }
    }

    /// Whether the answer to what was asked for last has begun. It must go on with the same object.
    private func hasContinued(_ transfer: any HTTPTransfer) throws(TransportError) -> Bool {
        guard let first = head else { return false }
        do throws(TransportError) {
            guard let next = try answer(transfer, by: .now + .milliseconds(200)) else { return false }
            if next.status == 416 {
                // Where no length was told, this is how the end is found.
                guard first.totalLength ?? position <= position else {
                    throw failure(.closedEarly, "the object ended at byte \(position)")
                }
                return true
            }
            if position == 0 {
                head = next
                return true
            }
            if let one = first.etag, let other = next.etag, one != other {
                throw failure(.objectChanged, "the object's ETag changed while it was read")
            }
            if let one = first.totalLength, let other = next.totalLength, other < one {
                throw failure(.objectChanged, "the object became shorter while it was read")
            }
            return true
        } catch {
            if error.status == 416, first.totalLength == nil {
                asking = nil
                transfer.receiver.discard()
                transfer.remove()
                end = .success(())
                return true
            }
            throw broke(error)
        }
    }

    /// The whole of the rest of the body, for playlists and other short documents.
    ///
    /// - Parameters:
    ///   - limit: most bytes to take.
    ///   - deadline: for all of it.
    /// - Throws: `.tooLong` beyond `limit`, and what `read` throws.
    package func readAll(limit: Int, deadline: Instant) throws(TransportError) -> [UInt8] {
        if let length = head?.contentLength, length > Int64(limit) {
            throw failure(.tooLong, "a body of \(length) bytes; \(limit) are allowed")
        }
        let chunk = UnsafeMutableRawBufferPointer.allocate(byteCount: 32 << 10, alignment: 16)
        defer { chunk.deallocate() }
        var bytes: [UInt8] = []
        while true {
            let count = try read(into: chunk, deadline: deadline)
            if count == 0 { return bytes }
            guard bytes.count + count <= limit else {
                throw failure(.tooLong, "a body of more than the \(limit) bytes allowed")
            }
            bytes.append(contentsOf: chunk[..<count])
        }
    }

    // MARK: - Parts

    private func usableTransfer() throws(TransportError) -> any HTTPTransfer {
        if abort.isAborted { throw failure(.aborted, "aborted") }
        guard let transfer else { throw failure(.aborted, "the client was closed") }
        return transfer
    }

    /// Ends the transfer under way, receiving what little is missing so that its connection can be used again.
    private func abandon(_ transfer: any HTTPTransfer, by deadline: Instant) {
        let receiver = transfer.receiver
        defer { transfer.remove() }
        guard transfer.end == nil, receiver.header.isComplete, !transfer.readsSocket else { return }
        // Of an unknown length only the bodies of redirects and errors are tried: those are short.
        if let length = receiver.header.contentLength {
            guard length - receiver.received <= Self.drainLimit else { return }
        } else if receiver.mode == .body {
            return
        }
        let start = receiver.received
        let patience = min(max(lastConnect, .milliseconds(5)), .milliseconds(200))
        let end = min(Instant.now + patience, deadline)
        receiver.discard()
        if receiver.isPaused { transfer.resume() }
        while true {
            transfer.perform()
            let now = Instant.now
            let isBounded = receiver.received - start <= Self.drainLimit && now < end && !abort.isAborted
            guard transfer.end == nil, isBounded else { return }
            transfer.sleep(atMost: end - now)
        }
    }

    private func measure(_ transfer: any HTTPTransfer) {
        timings = transfer.timings
        if let connect = timings?.connect { lastConnect = connect }
    }

    private func enter() {
        assert(!busy, "an HTTPClient is used by two threads at once, or from its own callback")
        busy = true
    }

    private func leave() { busy = false }

    // MARK: - Errors

    private func described(_ what: String, at target: HTTPAddress? = nil) -> String {
        "GET \((target ?? settled ?? address).redacted) at byte \(position): \(what)"
    }

    private func failure(
        _ code: TransportError.Code, _ what: String, at target: HTTPAddress? = nil
    ) -> TransportError {
        TransportError(code, described(what, at: target))
    }

    private func failure(
        _ end: HTTPTransferEnd, _ transfer: any HTTPTransfer, at target: HTTPAddress? = nil
    ) -> TransportError {
        switch transfer.receiver.violation {
        case .headersBeyondBounds: return failure(.protocolError, "the header is beyond all bounds", at: target)
        case .notHTTP: return failure(.protocolError, "the answer is not HTTP", at: target)
        case nil: break
        }
        return switch end {
        // libcurl takes a header without an end for a response without a body.
        case .complete: failure(.closedEarly, "closed within the header", at: target)
        case .undecodable(let message): failure(.protocolError, message, at: target)
        case .refused(let message): failure(.other, message, at: target)
        case .failed(let code, let message): failure(code, message, at: target)
        }
    }
}

extension TransportError.Code {
    /// Whether asking the first URL again may help, when it was its redirect's target that failed.
    fileprivate var mayBeOfRedirect: Bool {
        switch self {
        case .httpStatus(let status): status < 500 && status != 429
        case .dns, .refused, .unreachable, .reset, .closedEarly, .rangeNotHonoured, .redirectRefused, .tooManyRedirects:
            true
        default: false
        }
    }
}

extension HTTPRequestOptions {
    /// Nothing that would end its header line may get into one.
    func validate(for address: HTTPAddress, _ credentials: Credentials) throws(TransportError) {
        func isPrintable(_ text: String) -> Bool { text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 } }
        func isToken(_ text: String) -> Bool {
            !text.isEmpty
                && text.utf8.allSatisfy { byte in
                    UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte | 0x20 || 0x30...0x39 ~= byte
                        || "!#$%&'*+-.^_`|~".utf8.contains(byte)
                }
        }
        func refuse(_ what: String) -> TransportError {
            TransportError(.invalidOptions, "\(address.redacted): \(what)")
        }
        for header in headers {
            guard isToken(header.name), isPrintable(header.value), header.name.lowercased() != "range" else {
                throw refuse("the header \"\(header.name.printable(limit: 40))\" cannot be sent")
            }
        }
        guard isPrintable(userAgent) else { throw refuse("the user agent holds control characters") }
        switch credentials {
        case .none: break
        case .bearer(let token):
            guard isPrintable(token) else { throw refuse("the bearer token holds control characters") }
        case .userPassword(let user, let password):
            guard isPrintable(user), isPrintable(password), !user.contains(":") else {
                throw refuse("the user name or password holds a colon or control characters")
            }
        }
    }
}
