internal import Testing
internal import ThroughlineCore
internal import ThroughlineTransport

@Suite(.timeLimit(.minutes(25)))
struct RangeTests {
    let object = pattern(100_000)

    @Test func fromTheBeginningAndFromTheMiddle() throws {
        let server = ScriptedServer(serving: object)
        let client = try client(server)
        let first = try client.open()
        #expect(first.status == 206)
        #expect(first.acceptsRanges)
        #expect(first.totalLength == 100_000)
        #expect(first.contentLength == 100_000)
        #expect(first.etag == "\"one\"")
        #expect(first.effectiveURL == server.url())
        #expect(same(client.drain().bytes, object))
        #expect(client.position == 100_000)

        let second = try client.open(at: 99_000)
        #expect(second.rangeStart == 99_000)
        #expect(second.contentLength == 1000)
        #expect(client.position == 99_000)
        #expect(same(client.drain().bytes, Array(object[99_000...])))
        #expect(server.requests.map { $0.header("range") } == ["bytes=0-", "bytes=99000-"])
    }

    @Test func untilAnEnd() throws {
        let server = ScriptedServer(serving: object)
        let client = try client(server)
        #expect(try client.open(at: 10, until: 20).contentLength == 10)
        #expect(same(client.drain().bytes, Array(object[10..<20])))
        #expect(server.requests[0].header("range") == "bytes=10-19")
    }

    @Test func untilAnEndThatTheOriginIgnores() throws {
        let server = ScriptedServer { [object] listener in
            let connection = listener.accept()
            connection.request()
            connection.respond("200 OK", body: object)
            connection.awaitClose()
        }
        let client = try client(server)
        let head = try client.open(at: 0, until: 20_000)
        #expect(head.contentLength == 20_000)
        #expect(head.totalLength == 100_000)
        let (bytes, error) = client.drain()
        #expect(same(bytes, Array(object[..<20_000])))
        #expect(error == nil)
        client.close()
    }

    @Test func wholeObjectInsteadOfARange() throws {
        let server = ScriptedServer { [object] listener in
            for _ in 0..<2 {
                let connection = listener.accept()
                connection.request()
                connection.respond("200 OK", body: object)
                connection.awaitClose()
            }
        }
        let client = try client(server)
        let head = try client.open()
        #expect(head.status == 200)
        #expect(!head.acceptsRanges)
        #expect(head.totalLength == 100_000)
        let error = failure { () throws(TransportError) in try client.open(at: 5) }
        #expect(error?.code == .rangeNotHonoured)
        client.close()
    }

    @Test(arguments: [
        "Content-Range: bytes 6-9/10", "Content-Range: bytes 5-3/10", "Content-Range: bytes 5-10/10",
        "Content-Range: bytes 5-99999999999999999999/*", "Content-Range: bytes */10", "Content-Range: 5-9/10", "X: y",
    ])
    func otherBytesThanAskedFor(line: String) throws {
        let server = ScriptedServer { listener in
            let connection = listener.accept()
            connection.request()
            connection.respond("206 Partial Content", [line], body: [1, 2, 3, 4])
            connection.awaitClose()
        }
        let client = try client(server)
        #expect(failure { () throws(TransportError) in try client.open(at: 5) }?.code == .rangeNotHonoured)
        client.close()
    }

    @Test func exactlyAtTheEndIsAnEmptyBody() throws {
        let server = ScriptedServer(serving: object)
        let client = try client(server)
        let head = try client.open(at: 100_000)
        #expect(head.status == 416)
        #expect(head.contentLength == 0)
        #expect(head.totalLength == 100_000)
        #expect(try client.read(10).isEmpty)
        #expect(failure { () throws(TransportError) in try client.open(at: 100_001) }?.code == .httpStatus(416))
    }

    @Test func liveOriginThatRefusesAnyRange() throws {
        let server = ScriptedServer { listener in
            let connection = listener.accept()
            connection.request()
            connection.respond("416 Range Not Satisfiable")
            connection.request()
            connection.send("HTTP/1.1 200 OK\r\n\r\nlive")
            connection.close()
        }
        let client = try client(server)
        #expect(try client.open().status == 200)
        #expect(same(client.drain().bytes, Array("live".utf8)))
        #expect(server.requests.map { $0.header("range") } == ["bytes=0-", nil])
    }

    @Test func consecutiveSmallRangesShareOneConnection() throws {
        let server = ScriptedServer(serving: object)
        let client = try client(server)
        for start in stride(from: Int64(0), to: 50_000, by: 10_000) {
            try client.open(at: start, until: start + 10_000)
            #expect(client.timings?.reusedConnection == (start > 0))
            #expect((client.timings?.connect == nil) == (start > 0))
            // The rest is received unasked.
            #expect(same(try client.read(100), Array(object[Int(start)..<Int(start) + 100])))
        }
        #expect(Set(server.requests.map(\.connection)) == [0])
    }

    @Test func aLongRestIsNotWaitedFor() throws {
        let server = ScriptedServer { listener in
            let first = listener.accept()
            first.request()
            first.send("HTTP/1.1 206 X\r\nContent-Range: bytes 0-9999999/10000000\r\nContent-Length: 10000000\r\n\r\n")
            first.send([1, 2, 3])
            first.awaitClose()
            let second = listener.accept()
            second.request()
            second.respond("206 X", ["Content-Range: bytes 9-9/10"], body: [9])
            second.awaitClose()
        }
        let client = try client(server)
        try client.open()
        #expect(try client.read(3).first == 1)
        try client.open(at: 9)
        #expect(client.timings?.reusedConnection == false)
        #expect(same(client.drain().bytes, [9]))
        client.close()
    }

    @Test func aKeptConnectionThatTheOriginClosed() throws {
        let closed = Gate()
        let server = ScriptedServer { [object] listener in
            let first = listener.accept()
            first.serve(object, to: first.request())
            first.close()
            closed.open()
            let second = listener.accept()
            second.serve(object, to: second.request())
            second.awaitClose()
        }
        let client = try client(server)
        try client.open(at: 0, until: 10)
        #expect(client.drain().error == nil)
        closed.pass()
        try client.open(at: 10, until: 20)
        #expect(same(client.drain().bytes, Array(object[10..<20])))
        #expect(client.timings?.reusedConnection == false)
        client.close()
    }

    @Test func anotherRequestOverTheSameConnection() throws {
        let server = ScriptedServer(serving: object)
        let client = try client(server, "/one")
        try client.open()
        #expect(same(try client.readAll(limit: 100_000, deadline: .now + .seconds(5)), object))
        try client.open()
        let error = failure { () throws(TransportError) in try client.readAll(limit: 99_999, deadline: .never) }
        #expect(error?.code == .tooLong)
        #expect(Set(server.requests.map(\.connection)) == [0])
    }
}
