internal import Glibc
internal import Testing
internal import ThroughlineCore
internal import ThroughlineTransport

/// Deadlines, the abort switch, connections that do not come about, and back-pressure.
@Suite(.timeLimit(.minutes(25)))
struct BlockingTests {
    private func opening(_ client: HTTPClient, deadline: Instant = .now + .seconds(5)) -> TransportError? {
        failure { () throws(TransportError) in try client.open(at: 0, deadline: deadline) }
    }

    // MARK: Deadlines

    /// Of the longer one the bytes come from the socket itself.
    @Test(arguments: [6, 6_000_000])
    func silenceAndGoingOnAfterwards(length: Int) throws {
        let release = Gate()
        let server = ScriptedServer { listener in
            let connection = listener.accept()
            connection.request()
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(length)\r\n\r\nabc")
            release.pass()
            connection.send("def")
            connection.awaitClose()
        }
        let client = try client(server)
        try client.open()
        #expect(try client.read(10) == Array("abc".utf8))
        let start = Instant.now
        let error = failure { () throws(TransportError) in try client.read(10, deadline: start + .milliseconds(30)) }
        #expect(error?.code == .timedOut)
        #expect(Instant.now - start >= .milliseconds(30))
        #expect(Instant.now - start < .seconds(1))
        #expect(client.position == 3)
        release.open()
        #expect(try client.read(10) == Array("def".utf8))
        if length == 6 { #expect(try client.read(10).isEmpty) }
        client.close()
    }

    /// Timers of libcurl's that run out meanwhile must not wake the reader again and again.
    @Test(arguments: [6, 6_000_000])
    func silenceTakesNoProcessorTime(length: Int) throws {
        let server = ScriptedServer { listener in
            let connection = listener.accept()
            connection.request()
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(length)\r\n\r\nabc")
            connection.awaitClose()
        }
        var options = HTTPRequestOptions()
        options.connectTimeout = .milliseconds(100)
        let client = try HTTPClient(url: server.url(), options: options, abort: AbortSwitch())
        try client.open(at: 0, deadline: .now + .seconds(5))
        #expect(try client.read(10) == Array("abc".utf8))
        let before = processorTime()
        let error = failure { () throws(TransportError) in try client.read(10, deadline: .now + .milliseconds(600)) }
        #expect(error?.code == .timedOut)
        #expect(processorTime() - before < .milliseconds(60))
        client.close()
    }

    private func processorTime() -> Duration {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }

    @Test func aPassedDeadlineStillGivesWhatIsThere() throws {
        let server = ScriptedServer(serving: pattern(100))
        let client = try client(server)
        try client.open()
        #expect(try client.read(60, deadline: Instant(nanoseconds: 0)).isEmpty == false)
    }

    @Test func beforeBlockingIsCalledBeforeAWaitAndOnlyThen() throws {
        let release = Gate()
        let server = ScriptedServer { listener in
            let connection = listener.accept()
            connection.request()
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
            release.pass()
            connection.send("def")
            connection.awaitClose()
        }
        let client = try client(server)
        try client.open()
        _ = try client.read(3)
        var calls = 0
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 2, alignment: 1)
        defer { memory.deallocate() }
        let body = {
            calls += 1
            release.open()
            return Instant.now + .seconds(5)
        }
        #expect(try client.read(into: memory, deadline: .now + .seconds(5), beforeBlocking: body) > 0)
        // And again where the thread was woken for nothing.
        #expect(calls >= 1)
        let before = calls
        // The last byte lies here already.
        #expect(try client.read(into: memory, deadline: .now + .seconds(5), beforeBlocking: body) == 1)
        #expect(calls == before)
        client.close()
    }

    /// Of the longer one the bytes come from the socket itself.
    @Test("Whoever waits without a deadline can be given one", arguments: [6, 6_000_000])
    func aWaitIsCalledBack(length: Int) throws {
        let server = ScriptedServer { listener in
            let connection = listener.accept()
            connection.request()
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(length)\r\n\r\nabc")
            connection.awaitClose()
        }
        let (abort, waits, isCalled) = (AbortSwitch(), Gate(), Guarded(false))
        let client = try client(server, abort: abort)
        try client.open()
        _ = try client.read(3)
        let caller = WorkerThread(name: "caller") {
            waits.pass()
            isCalled.withLock { $0 = true }
            abort.askAnew()
        }
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 2, alignment: 1)
        defer { memory.deallocate() }
        let error = failure { () throws(TransportError) in
            try client.read(into: memory, deadline: .never) {
                waits.open()
                return isCalled.withLock { $0 } ? Instant(nanoseconds: 0) : .never
            }
        }
        #expect(error?.code == .timedOut && client.position == 3)
        caller.join()
        client.close()
    }

    /// The caller may have to wait for something else first, and know only then how long there is.
    @Test(arguments: [30, 2000])
    func theDeadlineIsThatOfBeforeBlocking(first: Int) throws {
        let server = ScriptedServer { listener in
            let connection = listener.accept()
            connection.request()
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
            connection.awaitClose()
        }
        let client = try client(server)
        try client.open()
        _ = try client.read(3)
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 2, alignment: 1)
        defer { memory.deallocate() }
        let start = Instant.now
        let error = failure { () throws(TransportError) in
            _ = try client.read(into: memory, deadline: start + .milliseconds(first)) { start + .milliseconds(300) }
        }
        let elapsed = Instant.now - start
        #expect(error?.code == .timedOut)
        #expect(elapsed >= .milliseconds(300) && elapsed < .milliseconds(1500), "\(elapsed)")
        client.close()
    }

    @Test func noAnswerInTime() throws {
        let server = ScriptedServer { listener in
            let connection = listener.accept()
            connection.request()
            connection.awaitClose()
        }
        let client = try client(server)
        #expect(opening(client, deadline: .now + .milliseconds(50))?.code == .timedOut)
        client.close()
    }

    // MARK: Connections that do not come about

    @Test func nobodyListens() throws {
        let (descriptor, port) = ScriptedServer.listen(backlog: 1)
        close(descriptor)
        let client = try HTTPClient(url: "http://127.0.0.1:\(port)/", abort: AbortSwitch())
        let error = opening(client)
        #expect(error?.code == .refused)
        #expect(error?.message.contains("127.0.0.1:\(port)") == true)
    }

    @Test func noSuchName() throws {
        let client = try HTTPClient(url: "http://nowhere.invalid/", abort: AbortSwitch())
        #expect(opening(client)?.code == .dns)
    }

    @Test func connectingTakesTooLong() throws {
        try withFullListener { port in
            let url = "http://127.0.0.1:\(port)/"
            var options = HTTPRequestOptions()
            options.connectTimeout = .milliseconds(50)
            #expect(opening(try HTTPClient(url: url, options: options, abort: AbortSwitch()))?.code == .connectTimedOut)
            let patient = try HTTPClient(url: url, abort: AbortSwitch())
            #expect(opening(patient, deadline: .now + .milliseconds(50))?.code == .connectTimedOut)
        }
    }

    // MARK: Abort

    @Test func abortWhileAwaitingAnAnswer() throws {
        expectPrompt(
            try (0..<5).map { _ in
                let received = Gate()
                let server = ScriptedServer { listener in
                    let connection = listener.accept()
                    connection.request()
                    received.open()
                    connection.awaitClose()
                }
                let abort = AbortSwitch()
                let client = try client(server, abort: abort)
                defer { client.close() }
                return timeToEnd(abort, after: received) { () throws(TransportError) in
                    try client.open(at: 0, deadline: .never)
                }
            })
    }

    @Test(arguments: [6, 6_000_000])
    func abortWithinABody(length: Int) throws {
        expectPrompt(
            try (0..<5).map { _ in
                let server = ScriptedServer { listener in
                    let connection = listener.accept()
                    connection.request()
                    connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(length)\r\n\r\nabc")
                    connection.awaitClose()
                }
                let abort = AbortSwitch()
                let client = try client(server, abort: abort)
                defer { client.close() }
                try client.open()
                _ = try client.read(3)
                let asleep = Gate()
                let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 8, alignment: 1)
                defer { memory.deallocate() }
                return timeToEnd(abort, after: asleep) { () throws(TransportError) in
                    try client.read(into: memory, deadline: .never) {
                        asleep.open()
                        return .never
                    }
                }
            })
    }

    @Test func abortWhileConnecting() throws {
        try withFullListener { port in
            let url = "http://127.0.0.1:\(port)/"
            let abort = AbortSwitch()
            var options = HTTPRequestOptions()
            options.connectTimeout = .seconds(20)
            let client = try HTTPClient(url: url, options: options, abort: abort)
            let gate = Gate()
            gate.open()
            #expect(
                timeToEnd(abort, after: gate) { () throws(TransportError) in try client.open(at: 0, deadline: .never) }
                    < .milliseconds(500))
        }
    }

    @Test func abortIsForGood() throws {
        let server = ScriptedServer(serving: pattern(10))
        let abort = AbortSwitch()
        let (client, other) = (try client(server, abort: abort), try client(server, abort: abort))
        try client.open()
        abort.abort()
        #expect(abort.isAborted)
        #expect(failure { () throws(TransportError) in try client.read(1) }?.code == .aborted)
        #expect(opening(client)?.code == .aborted)
        #expect(opening(other)?.code == .aborted)
    }

    @Test func closedClient() throws {
        let client = try HTTPClient(url: "http://127.0.0.1:1/", abort: AbortSwitch())
        client.close()
        #expect(opening(client)?.code == .aborted)
        #expect(failure { () throws(TransportError) in try client.read(1) }?.code == .aborted)
    }

    // MARK: Back-pressure

    @Test func unreadBodyPushesBack() throws {
        let progress = Guarded((sent: 0, stalled: false))
        let release = Gate()
        let object = pattern(16 << 20)
        let server = ScriptedServer { listener in
            let connection = listener.accept()
            connection.request()
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(object.count)\r\n\r\n")
            // Send without blocking until nothing more goes for a while.
            var sent = 0
            var silent = 0
            while sent < object.count, silent < 20 {
                let count = object[sent...].withUnsafeBytes {
                    send(connection.descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
                }
                if count > 0 {
                    sent += count
                    silent = 0
                } else {
                    silent += 1
                    var descriptor = pollfd(fd: connection.descriptor, events: Int16(POLLOUT), revents: 0)
                    poll(&descriptor, 1, 20)
                }
            }
            progress.withLockAndWake { $0 = (sent, true) }
            release.pass()
            connection.send(object[sent...])
            connection.awaitClose()
        }
        let client = try client(server)
        try client.open()
        var bytes = try client.read(10)
        let sent = progress.wait(until: .now + .seconds(10)) { $0.stalled ? $0.sent : nil }
        // What the kernel's buffers hold, and no more.
        #expect((sent ?? .max) < object.count)
        #expect(client.bufferedByteCount <= 256 << 10)
        release.open()
        let (rest, error) = client.drain(by: 50_000)
        bytes += rest
        #expect(same(bytes, object))
        #expect(error == nil)
        client.close()
    }
}
