internal import Testing
internal import ThroughlineCore
internal import ThroughlineTransport

/// What clients of one origin have in common, over real sockets.
@Suite(.timeLimit(.minutes(25)))
struct ConnectionPoolTests {
    /// A server that answers each request of each connection, of several at once, until the client closes it.
    private func server(_ object: [UInt8], closesIdle: Bool = false) -> ScriptedServer {
        ScriptedServer { listener in
            var threads: [WorkerThread] = []
            while true {
                let connection = listener.accept()
                guard connection.descriptor >= 0 else { break }
                threads.append(
                    WorkerThread(name: "server") {
                        while true {
                            let request = connection.request()
                            if request.text.isEmpty { break }
                            connection.serve(object, to: request)
                            if closesIdle { break }
                        }
                        connection.close()
                    })
            }
            for thread in threads { thread.join() }
        }
    }

    /// Reads a part of an object with a client of its own.
    private func read(
        _ server: ScriptedServer, _ path: String, _ pool: ConnectionPool?, atMost limit: Int = .max,
        abort: AbortSwitch = AbortSwitch()
    ) throws {
        let client = try client(server, path, abort: abort) { $0.pool = pool }
        defer { client.close() }
        try client.open()
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 1)
        defer { buffer.deallocate() }
        var count = 0
        while count < limit {
            let more = try client.read(
                into: .init(rebasing: buffer[..<min(4096, limit - count)]), deadline: .now + .seconds(10))
            if more == 0 { break }
            count += more
        }
    }

    @Test("A hundred objects that are read one after the other need one connection")
    func hundredObjects() throws {
        let server = server(pattern(30_000))
        let pool = ConnectionPool()
        for number in 0..<100 { try read(server, "/\(number)", pool) }
        #expect(server.requests.count == 100 && server.requests.allSatisfy { $0.connection == 0 })
        pool.clear()
        try read(server, "/alone", nil)
        #expect(server.requests.last?.connection == 1)
    }

    @Test(
        "A body that is left before its end keeps its connection where little is missing",
        arguments: [(60 << 10, 0), (2 << 20, 1)])
    func leftBeforeItsEnd(missing: Int, connection: Int) throws {
        let server = server(pattern(3 << 20))
        let pool = ConnectionPool()
        try read(server, "/left", pool, atMost: (3 << 20) - missing)
        try read(server, "/next", pool)
        #expect(server.requests.map(\.connection) == [0, connection])
        pool.clear()
    }

    @Test("Two at once have a connection each, and both are there for those who come after them")
    func twoAtOnce() throws {
        let server = server(pattern(1000))
        let pool = ConnectionPool()
        let clients = try (0..<2).map { try client(server, "/\($0)") { $0.pool = pool } }
        for client in clients { try client.open() }
        for client in clients { client.close() }
        let later = try (2..<4).map { try client(server, "/\($0)") { $0.pool = pool } }
        for client in later { try client.open() }
        #expect(Set(server.requests[..<2].map(\.connection)) == [0, 1])
        #expect(Set(server.requests[2...].map(\.connection)) == [0, 1])
        for client in later { client.close() }
        pool.clear()
    }

    @Test("Whoever is aborted harms nobody who has the connection after it")
    func aborted() throws {
        let server = server(pattern(1000))
        let pool = ConnectionPool()
        let first = AbortSwitch()
        try read(server, "/first", pool, abort: first)
        let second = try client(server, "/second") { $0.pool = pool }
        first.abort()
        try second.open()
        #expect(second.drain().bytes == pattern(1000))
        second.close()
        // One that was aborted itself gives nothing back.
        let third = AbortSwitch()
        let cut = try client(server, "/third", abort: third) { $0.pool = pool }
        try cut.open()
        third.abort()
        cut.close()
        try read(server, "/fourth", pool)
        #expect(server.requests.map(\.connection) == [0, 0, 0, 1])
        pool.clear()
    }

    @Test("A connection that the server has closed meanwhile is replaced")
    func closedMeanwhile() throws {
        let server = server(pattern(1000), closesIdle: true)
        let pool = ConnectionPool()
        for number in 0..<3 { try read(server, "/\(number)", pool) }
        #expect(server.requests.map(\.connection) == [0, 1, 2])
        pool.clear()
    }
}
