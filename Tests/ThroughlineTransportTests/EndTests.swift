internal import Testing
internal import ThroughlineCore
internal import ThroughlineTransport

/// How bodies end, and that what came before the end is never lost.
@Suite(.timeLimit(.minutes(25)))
struct EndTests {
    let object = pattern(300_000)
    /// The longer one is read from the socket itself.
    static let lengths = [400_000, Int(HTTPClient.longBody) * 4]

    private func origin(_ end: @escaping @Sendable (ScriptedServer.Connection) -> Void) -> ScriptedServer {
        ScriptedServer { listener in
            let connection = listener.accept()
            connection.request()
            end(connection)
        }
    }

    @Test(arguments: lengths)
    func shorterThanPromised(length: Int) throws {
        let server = origin { [object] connection in
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(length)\r\n\r\n")
            connection.send(object)
            connection.close()
        }
        let client = try client(server)
        try client.open()
        let (bytes, error) = client.drain()
        #expect(same(bytes, object))
        #expect(error?.code == .closedEarly)
        #expect(client.position == 300_000)
        // The same again, for a caller that asks twice.
        #expect(client.drain().error?.code == .closedEarly)
    }

    @Test(arguments: lengths)
    func resetAfterDataDeliversTheDataFirst(length: Int) throws {
        let sent = Gate()
        let server = origin { [object] connection in
            // No more than fits the window: a reset drops what has not left the sender.
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(length)\r\n\r\n")
            connection.send(object[..<40_000])
            connection.reset()
            sent.open()
        }
        let client = try client(server)
        try client.open()
        sent.pass()
        let (bytes, error) = client.drain()
        #expect(same(bytes, Array(object[..<40_000])))
        #expect(error?.code == .reset)
        #expect(error?.message.contains("byte 40000") == true)
    }

    @Test(arguments: lengths)
    func resetAfterAllWasRead(length: Int) throws {
        let (mayReset, reset) = (Gate(), Gate())
        let server = origin { [object] connection in
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(length)\r\n\r\n")
            connection.send(object[..<1000])
            mayReset.pass()
            connection.reset()
            reset.open()
        }
        let client = try client(server)
        try client.open()
        #expect(same(try client.read(1000), Array(object[..<1000])))
        mayReset.open()
        reset.pass()
        let (bytes, error) = client.drain()
        #expect(bytes.isEmpty)
        #expect(error?.code == .reset)
    }

    @Test(arguments: lengths)
    func closedWhileNobodyReads(length: Int) throws {
        let (mayClose, closed) = (Gate(), Gate())
        let server = origin { [object] connection in
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: \(length)\r\n\r\n")
            connection.send(object[..<1000])
            mayClose.pass()
            connection.close()
            closed.open()
        }
        let client = try client(server)
        try client.open()
        #expect(same(try client.read(10), Array(object[..<10])))
        mayClose.open()
        closed.pass()
        let (bytes, error) = client.drain()
        #expect(same(bytes, Array(object[10..<1000])))
        #expect(error?.code == .closedEarly)
    }

    @Test func resetWhileNobodyReads() throws {
        let (mayReset, wasReset) = (Gate(), Gate())
        let server = origin { connection in
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 400000\r\n\r\n")
            mayReset.pass()
            connection.reset()
            wasReset.open()
        }
        let client = try client(server)
        try client.open()
        mayReset.open()
        wasReset.pass()
        #expect(client.drain().error?.code == .reset)
    }

    @Test func chunksToTheLast() throws {
        let server = origin { connection in
            connection.send(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\nX: y\r\n\r\n")
            connection.awaitClose()
        }
        let client = try client(server)
        #expect(try client.open().contentLength == nil)
        let (bytes, error) = client.drain()
        #expect(same(bytes, Array("abcdefg".utf8)))
        #expect(error == nil)
        client.close()
    }

    @Test(arguments: ["3\r\nabc\r\n4\r\ndefg\r\n", "7\r\nabcdefg\r\n0\r\n", "9\r\nabcdefg"])
    func chunksWithoutTheLast(chunks: String) throws {
        let server = origin { connection in
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
            connection.close()
        }
        let client = try client(server)
        try client.open()
        let (bytes, error) = client.drain()
        #expect(same(bytes, Array("abcdefg".utf8)))
        #expect(error?.code == .closedEarly)
    }

    @Test func brokenChunks() throws {
        let server = origin { connection in
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nxyz\r\n")
            connection.close()
        }
        let client = try client(server)
        try client.open()
        let (bytes, error) = client.drain()
        #expect(same(bytes, Array("abc".utf8)))
        #expect(error != nil)
    }

    @Test func chunksShorterThanTheirRange() throws {
        let server = origin { connection in
            connection.send(
                "HTTP/1.1 206 X\r\nContent-Range: bytes 0-9/10\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
            )
            connection.awaitClose()
        }
        let client = try client(server)
        #expect(try client.open().contentLength == 10)
        let (bytes, error) = client.drain()
        #expect(same(bytes, Array("abc".utf8)))
        #expect(error?.code == .closedEarly)
        client.close()
    }

    @Test(arguments: ["HTTP/1.0 200 OK\r\n\r\n", "ICY 200 OK\r\nicy-name: radio\r\n\r\n"])
    func endOfTheConnectionIsTheEndWithoutALength(head: String) throws {
        let server = origin { [object] connection in
            connection.send(head)
            connection.send(object)
            connection.close()
        }
        let client = try client(server)
        let opened = try client.open()
        #expect(opened.status == 200)
        #expect(opened.contentLength == nil)
        #expect(opened.totalLength == nil)
        let (bytes, error) = client.drain()
        #expect(same(bytes, object))
        #expect(error == nil)
    }

    @Test func closedWithoutAnAnswer() throws {
        let server = origin { $0.close() }
        let client = try client(server)
        #expect(failure { () throws(TransportError) in try client.open() }?.code == .closedEarly)
    }

    @Test func resetWithoutAnAnswer() throws {
        let server = origin { $0.reset() }
        let client = try client(server)
        #expect(failure { () throws(TransportError) in try client.open() }?.code == .reset)
    }

    @Test func closedWithinTheHeader() throws {
        let server = origin { connection in
            connection.send("HTTP/1.1 200 OK\r\nContent-Le")
            connection.close()
        }
        let client = try client(server)
        let error = failure { () throws(TransportError) in try client.open() }
        #expect(error?.code == .closedEarly, "\(error?.message ?? "none")")
    }
}
