internal import Testing
internal import ThroughlineCore
internal import ThroughlineTransport

/// The HTTP client in a world: what it says of answers is what it says of them on sockets, and time is the world's.
@Suite(.timeLimit(.minutes(25)))
struct MemoryTransferTests {
    /// A server of a world that answers each request of each connection by a script.
    private final class Server: Sendable {
        let port: Int
        let requests = Guarded<[String]>([])
        let connections = Guarded(0)
        private let network: MemoryNetwork
        private let threads = Guarded<[WorkerThread]>([])

        /// - Parameter answer: the number of the request and its text; what to send. It may sleep, and close.
        init(
            latency: Duration = .zero, jitter: Duration = .zero,
            _ answer: @escaping @Sendable (Int, MemoryConnection.End) -> Void
        ) throws {
            network = try #require(MemoryNetwork.current)
            port = network.newPort()
            let link = NetworkLink(latency: latency, jitter: jitter)
            let (requests, connections, network, threads) = (requests, connections, network, threads)
            let isListening = network.listen(host: "origin", port: port, link: link) { end in
                connections.withLock { $0 += 1 }
                // It ends by itself, when the client is gone.
                let thread = WorkerThread(name: "server") { Self.serve(end, network, requests, answer) }
                threads.withLock { $0.append(thread) }
            }
            #expect(isListening)
        }

        private static func serve(
            _ end: MemoryConnection.End, _ network: MemoryNetwork, _ requests: Guarded<[String]>,
            _ answer: (Int, MemoryConnection.End) -> Void
        ) {
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 1)
            defer { buffer.deallocate() }
            var text = ""
            while true {
                switch end.receive(into: buffer) {
                case .bytes(let count):
                    text += String(decoding: buffer[..<count], as: UTF8.self)
                    guard text.hasSuffix("\r\n\r\n") else { continue }
                    let number = requests.withLock { requests in
                        requests.append(text)
                        return requests.count
                    }
                    text = ""
                    answer(number, end)
                case .nothing: _ = network.wait(for: [end], until: .never) { () -> Bool? in nil }
                case .end, .reset, .refused: return
                }
            }
        }

        func stop() {
            network.stopListening(host: "origin", port: port)
            for thread in threads.withLock({ $0 }) { thread.join() }
        }

        var url: String { "http://origin:\(port)/f" }
    }

    private static func send(_ text: String, _ end: MemoryConnection.End) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty { rest = rest.dropFirst(max(1, end.send(rest))) }
    }

    private static func pause(_ time: Duration) {
        let nothing = Guarded(())
        let _: Void? = nothing.wait(until: .now + time) { _ in nil }
    }

    /// Runs a server and a client in a world.
    private func inWorld<Result>(
        latency: Duration = .zero, jitter: Duration = .zero,
        _ answer: @escaping @Sendable (Int, MemoryConnection.End) -> Void,
        _ body: (Server, HTTPClient) throws -> Result
    ) throws -> Result {
        try World(seed: 5).run {
            let server = try Server(latency: latency, jitter: jitter, answer)
            let client = try HTTPClient(url: server.url, abort: AbortSwitch())
            defer {
                client.close()
                server.stop()
            }
            return try body(server, client)
        }
    }

    @Test("Bodies of a length, in chunks and up to the close, however they are cut")
    func bodies() throws {
        let answers = [
            "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=1\r\nhello\r\n6\r\n world\r\n0\r\nA: b\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello world",
        ]
        for (index, answer) in answers.enumerated() {
            for size in [1, 3, 7, 1000] {
                let (text, passed) = try inWorld(
                    latency: .milliseconds(20),
                    { _, end in
                        var rest = Array(answer.utf8)[...]
                        while !rest.isEmpty {
                            rest = rest.dropFirst(end.send(rest.prefix(size)))
                            Self.pause(.milliseconds(1))
                        }
                        if index == 2 { end.finish() }
                    },
                    { _, client in
                        let began = Instant.now
                        try client.open(at: 0, deadline: began + .seconds(10))
                        let bytes = try client.readAll(limit: 100, deadline: began + .seconds(10))
                        return (String(decoding: bytes, as: UTF8.self), Instant.now - began)
                    })
                #expect(text == "hello world", "\(index), \(size)")
                // There and back to connect, and there and back for the answer.
                #expect(passed >= .milliseconds(80) && passed < .milliseconds(81 + answer.utf8.count), "\(passed)")
            }
        }
    }

    @Test("A connection is used again, and made anew where it was closed meanwhile")
    func keepsAlive() throws {
        try inWorld(
            { number, end in
                Self.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\(10 + number)", end)
                if number == 2 { end.finish() }
            },
            { server, client in
                for number in 1...3 {
                    try client.open(at: 0, deadline: .now + .seconds(1))
                    #expect(try client.readAll(limit: 9, deadline: .now + .seconds(1)) == Array("\(10 + number)".utf8))
                    #expect(client.timings?.reusedConnection == (number == 2))
                }
                #expect(server.connections.withLock { $0 } == 2)
                #expect(server.requests.withLock { $0[0] }.hasPrefix("GET /f HTTP/1.1\r\nHost: origin:"))
            })
    }

    @Test("Ends that are none are told apart")
    func brokenEnds() throws {
        func code(_ answer: @escaping @Sendable (MemoryConnection.End) -> Void) throws -> TransportError.Code? {
            try inWorld(
                { _, end in answer(end) },
                { _, client in
                    do {
                        try client.open(at: 0, deadline: .now + .seconds(1))
                        _ = try client.readAll(limit: 100, deadline: .now + .seconds(1))
                        return nil
                    } catch let error as TransportError { return error.code }
                })
        }
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
        #expect(
            try code {
                Self.send(head + "abc", $0)
                $0.finish()
            } == .closedEarly)
        #expect(
            try code {
                Self.send(head + "abc", $0)
                $0.reset()
            } == .reset)
        #expect(try code { Self.send(head + "abc", $0) } == .timedOut)
        #expect(try code { $0.finish() } == .closedEarly)
        #expect(try code { Self.send("SSH-2.0-x\r\n", $0) } == .protocolError)
        #expect(
            try code { Self.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", $0) } == .protocolError)
        #expect(try code { Self.send("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", $0) } == .httpStatus(404))
    }

    @Test("Nobody listens; nobody answers; somebody gives up: each at its very moment")
    func moments() throws {
        try World(seed: 2).run {
            let began = Instant.now
            let client = try HTTPClient(url: "http://nobody:1/", abort: AbortSwitch())
            let error = #expect(throws: TransportError.self) { try client.open(at: 0, deadline: began + .seconds(9)) }
            #expect(error?.code == .refused && Instant.now == began)
            client.close()
        }
        let passed = try inWorld(
            { _, _ in },
            { _, client in
                let began = Instant.now
                let error = #expect(throws: TransportError.self) {
                    try client.open(at: 0, deadline: began + .seconds(9))
                }
                #expect(error?.code == .timedOut)
                return Instant.now - began
            })
        #expect(passed == .seconds(9))
        try World(seed: 3).run {
            let server = try Server { _, _ in }
            let abort = AbortSwitch()
            let began = Instant.now
            let client = try HTTPClient(url: server.url, abort: abort)
            let thread = WorkerThread(name: "viewer") {
                Self.pause(.milliseconds(1234))
                abort.abort()
            }
            let error = #expect(throws: TransportError.self) { try client.open(at: 0, deadline: began + .seconds(9)) }
            #expect(error?.code == .aborted && Instant.now - began == .milliseconds(1234))
            thread.join()
            client.close()
            server.stop()
        }
    }

    @Test("A reader that does not read pushes back, and jitter keeps the order")
    func pressure() throws {
        let object = pattern(2_000_000)
        try inWorld(
            latency: .milliseconds(5), jitter: .milliseconds(30),
            { _, end in
                Self.send("HTTP/1.1 200 OK\r\nContent-Length: \(object.count)\r\n\r\n", end)
                var rest = object[...]
                while !rest.isEmpty {
                    rest = rest.dropFirst(end.send(rest.prefix(50_000)))
                    Self.pause(.milliseconds(1))
                }
            },
            { _, client in
                try client.open(at: 0, deadline: .now + .seconds(1))
                Self.pause(.seconds(5))
                #expect(try client.readAll(limit: object.count, deadline: .now + .seconds(60)) == object)
            })
    }
}
