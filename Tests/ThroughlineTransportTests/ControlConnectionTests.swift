internal import Glibc
internal import Testing
internal import ThroughlineCore
internal import ThroughlineTransport

@Suite(.timeLimit(.minutes(25)))
struct ControlConnectionTests {
    @Test(arguments: [false, true])
    func bytesBothWays(onIPv6: Bool) throws {
        let server = ScriptedServer(onIPv6: onIPv6) { listener in
            let connection = listener.accept()
            connection.send("[" + connection.request().text + "]")
            connection.awaitClose()
        }
        let connection = try ControlConnection(
            host: onIPv6 ? "::1" : "127.0.0.1", port: UInt16(server.port), usesTLS: false, abort: AbortSwitch())
        try connection.connect(deadline: .now + .seconds(5))
        #expect(connection.localAddress == (onIPv6 ? "::1" : "127.0.0.1"))
        #expect(connection.peerAddress == connection.localAddress)
        #expect(!connection.isProxied)
        #expect(try connection.receive(10) == nil)
        #expect(!connection.hasBufferedInput)
        #expect(try connection.send("OPTIONS *\r\n\r\n") == 13)
        #expect(try connection.receiveText(15) == "[OPTIONS *\r\n\r\n]")
        connection.close()
        #expect(failure { () throws(TransportError) in try connection.send("x") }?.code == .aborted)
        #expect(failure { () throws(TransportError) in try connection.receive(1) }?.code == .aborted)
        #expect(connection.descriptor == -1)
    }

    /// The name leads to both addresses of loopback, and only one of them is listened on.
    @Test(arguments: [false, true])
    func aNameWithTwoAddresses(onIPv6: Bool) throws {
        let server = ScriptedServer(onIPv6: onIPv6) { listener in listener.accept().awaitClose() }
        let connection = try ControlConnection(
            host: "localhost", port: UInt16(server.port), usesTLS: false, abort: AbortSwitch())
        try connection.connect(deadline: .now + .seconds(5))
        #expect(connection.peerAddress == (onIPv6 ? "::1" : "127.0.0.1"))
        connection.close()
    }

    /// A connection that has come about.
    private func hello(
        _ server: ScriptedServer, _ host: String = "127.0.0.1", abort: AbortSwitch = AbortSwitch()
    ) throws -> ControlConnection {
        let connection = try ControlConnection(
            host: host, port: UInt16(server.port), usesTLS: false, abort: abort)
        try connection.connect(deadline: .now + .seconds(5))
        return connection
    }

    private func connecting(_ connection: ControlConnection, deadline: Instant = .now + .seconds(5)) -> TransportError?
    {
        failure { () throws(TransportError) in try connection.connect(deadline: deadline) }
    }

    // MARK: Connections that do not come about

    @Test func refused() throws {
        let (descriptor, port) = ScriptedServer.listen(backlog: 1)
        close(descriptor)
        let connection = try ControlConnection(
            host: "127.0.0.1", port: UInt16(port), usesTLS: false, abort: AbortSwitch())
        let error = connecting(connection)
        #expect(error?.code == .refused)
        #expect(error?.message == "rtsp://127.0.0.1:\(port): Connection refused")
        // For good.
        #expect(failure { () throws(TransportError) in try connection.receive(1) }?.code == .refused)
    }

    @Test func unreachable() throws {
        let connection = try ControlConnection(
            host: "255.255.255.255", port: 554, usesTLS: true, abort: AbortSwitch())
        let error = connecting(connection)
        #expect(error?.code == .unreachable)
        #expect(error?.message == "rtsps://255.255.255.255:554: Network is unreachable")
    }

    @Test func noSuchName() throws {
        let connection = try ControlConnection(host: "nobody.invalid", port: 554, usesTLS: false, abort: AbortSwitch())
        #expect(connecting(connection)?.code == .dns)
    }

    @Test func noConnectionInTime() throws {
        try withFullListener { port in
            let connection = try ControlConnection(
                host: "127.0.0.1", port: UInt16(port), usesTLS: false, abort: AbortSwitch())
            #expect(connecting(connection, deadline: .now + .milliseconds(50))?.code == .connectTimedOut)
        }
    }

    @Test func noHandshakeInTime() throws {
        let server = ScriptedServer { listener in
            let connection = listener.accept()
            connection.request()
            connection.close()
        }
        let connection = try ControlConnection(
            host: "127.0.0.1", port: UInt16(server.port), usesTLS: true, abort: AbortSwitch())
        #expect(connecting(connection, deadline: .now + .milliseconds(50))?.code == .connectTimedOut)
        connection.close()
    }

    @Test(arguments: [
        "", "a b", "a/b", "user:secret@host", "host?x", "a\r\nb", "a#b", String(repeating: "a", count: 300),
    ])
    func notAHost(host: String) throws {
        let error = failure { () throws(TransportError) in
            try ControlConnection(host: host, port: 554, usesTLS: false, abort: AbortSwitch())
        }
        #expect(error?.code == .invalidURL)
        #expect(error?.message.contains("secret") == false)
    }

    @Test(arguments: ["fe80::1%lo", "[fe80::1%25lo]"])
    func anAddressWithAScope(host: String) throws {
        let (descriptor, port) = ScriptedServer.listen(backlog: 1)
        close(descriptor)
        let connection = try ControlConnection(host: host, port: UInt16(port), usesTLS: false, abort: AbortSwitch())
        // Where it leads is up to the machine; that it is an address is not.
        let error = connecting(connection, deadline: .now + .milliseconds(200))
        #expect([.refused, .unreachable, .connectTimedOut].contains(error?.code), "\(error?.message ?? "none")")
    }

    // MARK: Abort

    @Test func abortWhileConnecting() throws {
        try withFullListener { port in
            try expectPrompt(
                (0..<5).map { _ in
                    let abort = AbortSwitch()
                    let connection = try ControlConnection(
                        host: "127.0.0.1", port: UInt16(port), usesTLS: false, abort: abort)
                    let gate = Gate()
                    gate.open()
                    return timeToEnd(abort, after: gate) { () throws(TransportError) in
                        try connection.connect(deadline: .never)
                    }
                })
        }
    }

    @Test func abortIsForGood() throws {
        let server = ScriptedServer { listener in listener.accept().awaitClose() }
        let abort = AbortSwitch()
        let connection = try hello(server, abort: abort)
        abort.abort()
        #expect(failure { () throws(TransportError) in try connection.send("x") }?.code == .aborted)
        #expect(failure { () throws(TransportError) in try connection.receive(1) }?.code == .aborted)
        connection.close()
    }

    // MARK: The peer

    @Test func aPeerThatDoesNotRead() throws {
        let full = Gate()
        let received = Guarded<[UInt8]?>(nil)
        let object = pattern(16 << 20)
        let server = ScriptedServer { listener in
            let connection = listener.accept()
            full.pass()
            var bytes: [UInt8] = []
            var chunk = [UInt8](repeating: 0, count: 1 << 16)
            while bytes.count < object.count {
                let count = recv(connection.descriptor, &chunk, chunk.count, 0)
                guard count > 0 else { break }
                bytes += chunk[..<count]
            }
            received.withLockAndWake { $0 = bytes }
            connection.awaitClose()
        }
        let connection = try hello(server)
        let waiter = try SocketWaiter(abort: AbortSwitch())
        var sent = 0
        var wasFull = false
        while sent < object.count {
            let count = try object[sent...].withUnsafeBytes { try connection.send($0) }
            sent += count
            guard count == 0 else { continue }
            wasFull = true
            full.open()
            waiter.watch(connection.descriptor, for: [.input, .output])
            #expect(try waiter.wait(until: .now + .seconds(10)) == .socket)
            #expect(waiter.isReady(connection.descriptor, for: .output))
            #expect(!waiter.isReady(connection.descriptor, for: .input))
        }
        #expect(wasFull)
        let bytes = received.wait(until: .now + .seconds(10)) { $0 }
        #expect(same(bytes ?? [], object))
        connection.close()
    }

    @Test func closedByThePeer() throws {
        let server = ScriptedServer { listener in
            let connection = listener.accept()
            connection.send("last words")
            connection.close()
        }
        let connection = try hello(server)
        #expect(try connection.receiveText(10) == "last words")
        let error = failure { () throws(TransportError) in try connection.receiveText(1) }
        #expect(error?.code == .closedEarly)
        #expect(error?.message == "rtsp://127.0.0.1:\(server.port): the connection was closed")
    }

    @Test func resetByThePeer() throws {
        let isConnected = Gate()
        let server = ScriptedServer { listener in
            let connection = listener.accept()
            isConnected.pass()
            connection.reset()
        }
        let connection = try hello(server)
        isConnected.open()
        let error = failure { () throws(TransportError) in try connection.receiveText(1) }
        #expect(error?.code == .reset)
        #expect(error?.message == "rtsp://127.0.0.1:\(server.port): Connection reset by peer")
    }

    /// The second one meets a connection that the first has found broken, which without care is a deadly signal.
    @Test func sendingToNobody() throws {
        let (isConnected, isReset) = (Gate(), Gate())
        let server = ScriptedServer { listener in
            let connection = listener.accept()
            isConnected.pass()
            connection.reset()
            isReset.open()
        }
        let connection = try hello(server)
        isConnected.open()
        isReset.pass()
        let error = failure { () throws(TransportError) in
            while true { _ = try connection.send("x") }
        }
        #expect(error?.code == .reset)
    }

    // MARK: In a process of their own

    @Test func throughAProxy() async {
        // The environment belongs to the whole process.
        await #expect(processExitsWith: .success) {
            let proxy = ScriptedServer { listener in
                let connection = listener.accept()
                let request = connection.request().text
                connection.send("HTTP/1.1 200 Connection established\r\n\r\n")
                connection.request()
                connection.send(request)
                connection.awaitClose()
                let other = listener.accept()
                other.request()
                other.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
                other.awaitClose()
                for _ in 0..<2 {
                    let third = listener.accept()
                    third.request()
                    third.send("HTTP/1.1 407 Who\r\nContent-Length: 0\r\n\r\n")
                    third.awaitClose()
                }
            }
            setenv("http_proxy", "http://somebody:secret@127.0.0.1:\(proxy.port)", 1)
            let connection = try ControlConnection(
                host: "origin.example", port: 554, usesTLS: false, abort: AbortSwitch())
            try connection.connect(deadline: .now + .seconds(5))
            #expect(connection.isProxied)
            #expect(connection.peerAddress == "127.0.0.1")
            _ = try connection.send("OPTIONS *\r\n\r\n")
            let request = try connection.receiveText(40)
            #expect(request == "CONNECT origin.example:554 HTTP/1.1\r\nHos")
            connection.close()

            let refused = try ControlConnection(
                host: "origin.example", port: 554, usesTLS: false, abort: AbortSwitch())
            let error = failure { () throws(TransportError) in try refused.connect(deadline: .now + .seconds(5)) }
            #expect(error?.code == .unreachable)
            #expect(error?.message == "rtsp://origin.example:554: the proxy answered 403")
            refused.close()

            setenv("https_proxy", "http://127.0.0.1:\(proxy.port)", 1)
            for url in ["http://origin.example/film", "https://origin.example/film"] {
                let client = try HTTPClient(url: url, abort: AbortSwitch())
                let error = failure { () throws(TransportError) in try client.open() }
                #expect(error?.message.contains("http_proxy=http://user:password@") == true)
            }
        }
    }

    /// What libcurl says of a proxy that cannot be used has the user and the password in it.
    @Test(arguments: [
        "http://somebody:secret@[bad", "joe:secret@127.0.0.1:xx", "foo://joe:secret@127.0.0.1:1",
        "http://joe:secret word@127.0.0.1:1", "http://joe:secret@127.0.0.1:1", "socks9://joe:secret@127.0.0.1:2",
    ])
    func aProxyThatCannotBeUsed(proxy: String) async {
        await #expect(processExitsWith: .success) { [proxy] in
            setenv("http_proxy", proxy, 1)
            let connection = try ControlConnection(
                host: "origin.example", port: 554, usesTLS: false, abort: AbortSwitch())
            let client = try HTTPClient(url: "http://origin.example/film", abort: AbortSwitch())
            for error in [
                failure { () throws(TransportError) in try connection.connect(deadline: .now + .seconds(5)) },
                failure { () throws(TransportError) in try client.open() },
            ] {
                let text = error?.message ?? ""
                #expect(text.contains("http_proxy") && !text.contains("secret"), "\(text)")
            }
        }
    }

    @Test func noDescriptorIsLeftBehind() async {
        await #expect(processExitsWith: .success) {
            func descriptors() -> Int {
                (0..<1024).count { fcntl($0, F_GETFD) >= 0 }
            }
            func once() throws {
                let server = ScriptedServer { listener in
                    let connection = listener.accept()
                    connection.awaitClose()
                }
                let abort = AbortSwitch()
                let waiter = try SocketWaiter(abort: abort)
                let connection = try ControlConnection(
                    host: "localhost", port: UInt16(server.port), usesTLS: false, abort: abort)
                try connection.connect(deadline: .now + .seconds(5))
                waiter.watch(connection.descriptor, for: .input)
                let pair = try DatagramPair(localAddress: "127.0.0.1")
                try pair.connect(to: "127.0.0.1", rtpPort: 9, rtcpPort: 9)
                // Not closed: going out of use is enough.
                _ = consume connection
                let (descriptor, port) = ScriptedServer.listen(backlog: 1)
                close(descriptor)
                let refused = try ControlConnection(
                    host: "127.0.0.1", port: UInt16(port), usesTLS: true, abort: abort)
                #expect(
                    failure { () throws(TransportError) in try refused.connect(deadline: .never) }?.code == .refused)
            }
            try once()
            let before = descriptors()
            for _ in 0..<20 { try once() }
            #expect(descriptors() == before)
        }
    }
}

extension ControlConnection {
    /// At most `count` bytes, without waiting.
    func receive(_ count: Int) throws(TransportError) -> [UInt8]? {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 1)
        defer { memory.deallocate() }
        guard let received = try receive(into: memory) else { return nil }
        return Array(memory[..<received])
    }

    /// Exactly `count` bytes, within five seconds.
    func receiveText(_ count: Int) throws(TransportError) -> String {
        let waiter = try SocketWaiter(abort: AbortSwitch())
        waiter.watch(descriptor, for: .input)
        var bytes: [UInt8] = []
        while bytes.count < count {
            if let some = try receive(count - bytes.count) {
                bytes += some
            } else if try waiter.wait(until: .now + .seconds(5)).isEmpty {
                throw TransportError(.timedOut, "\(bytes.count) of \(count) bytes came")
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    func send(_ text: String) throws(TransportError) -> Int {
        let bytes = Array(text.utf8)
        return try bytes.withUnsafeBytes { bytes in Result { () throws(TransportError) in try send(bytes) } }.get()
    }
}
