internal import Testing
internal import ThroughlineCore
internal import ThroughlineTransport

/// Answers that hold less than was asked for (RFC 9110 section 15.3.7), that do not tell the whole length, or that come
/// with other bytes in front.
@Suite(.timeLimit(.minutes(25)))
struct SliceTests {
    let object = pattern(100_000)

    /// A server whose answers hold no more than `most` bytes.
    private func slicing(
        by most: Int, total: Int? = 100_000, etag: @escaping @Sendable (Int) -> String = { _ in "\"one\"" }
    ) -> ScriptedServer {
        ScriptedServer { [object] listener in
            let connection = listener.accept()
            while true {
                let request = connection.request()
                guard let range = request.header("range")?.dropFirst("bytes=".count).split(separator: "-"),
                    let first = Int(range[0])
                else { break }
                guard first < object.count else {
                    connection.respond("416 Range Not Satisfiable", ["Content-Range: bytes */*"], body: [1, 2, 3])
                    continue
                }
                let wanted = range.count > 1 ? Int(range[1]) ?? .max : .max
                let last = min(first + most - 1, object.count - 1, wanted)
                connection.respond(
                    "206 Partial Content",
                    ["Content-Range: bytes \(first)-\(last)/\(total.map(String.init) ?? "*")", "ETag: \(etag(first))"],
                    body: Array(object[first...last]))
            }
            connection.close()
        }
    }

    @Test(
        "A part of what was asked for is followed by the next, over the same connection",
        arguments: [32 << 10, 70_000, 99_999, 7777])
    func slices(most: Int) throws {
        let server = slicing(by: most)
        let client = try client(server)
        let head = try client.open()
        #expect(head.totalLength == 100_000 && head.contentLength == 100_000 && head.acceptsRanges)
        let (bytes, error) = client.drain()
        #expect(same(bytes, object) && error == nil)
        #expect(client.position == 100_000)
        #expect(server.requests.count == (100_000 + most - 1) / most)
        #expect(Set(server.requests.map(\.connection)) == [0])
        #expect(server.requests[1].header("range") == "bytes=\(most)-")
        client.close()
    }

    @Test("Nothing beyond the end that was asked for is asked for")
    func slicesUntilAnEnd() throws {
        let server = slicing(by: 1000)
        let client = try client(server)
        #expect(try client.open(at: 500, until: 3000).contentLength == 2500)
        #expect(same(client.drain(by: 300).bytes, Array(object[500..<3000])))
        #expect(
            server.requests.map { $0.header("range") } == ["bytes=500-2999", "bytes=1500-2999", "bytes=2500-2999"])
        client.close()
    }

    @Test("A whole length that is not told is found where no byte follows")
    func unknownTotal() throws {
        let server = slicing(by: 40_000, total: nil)
        let client = try client(server)
        let head = try client.open()
        #expect(head.status == 206 && head.totalLength == nil && head.contentLength == nil)
        let (bytes, error) = client.drain()
        #expect(same(bytes, object) && error == nil)
        #expect(server.requests.last?.header("range") == "bytes=100000-")
        // Once it is read to its end, that is so however often it is asked.
        #expect(client.drain().bytes.isEmpty)
        client.close()
    }

    @Test("A reader that does not wait is told that the next part has not come")
    func slicesWithoutWaiting() throws {
        let goes = Gate()
        let server = ScriptedServer { listener in
            let connection = listener.accept()
            connection.request()
            connection.respond("206 X", ["Content-Range: bytes 0-2/6"], body: [1, 2, 3])
            connection.request()
            goes.pass()
            connection.respond("206 X", ["Content-Range: bytes 3-5/6"], body: [4, 5, 6])
            connection.awaitClose()
        }
        let client = try client(server)
        try client.open()
        #expect(try client.read(10) == [1, 2, 3])
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 10, alignment: 1)
        defer { memory.deallocate() }
        #expect(try client.readAvailable(into: memory) == nil)
        server.awaitRequests(2)
        #expect(try client.readAvailable(into: memory) == nil)
        // A deadline that passes does not end the request.
        let late = failure { () throws(TransportError) in try client.read(10, deadline: .now + .milliseconds(1)) }
        #expect(late?.code == .timedOut)
        goes.open()
        #expect(try client.read(10) == [4, 5, 6])
        #expect(server.requests.count == 2)
        client.close()
    }

    @Test("What goes on with other bytes than it began with is another object")
    func changedOnTheWay() throws {
        let server = slicing(by: 40_000) { $0 < 80_000 ? "\"one\"" : "\"two\"" }
        let client = try client(server)
        try client.open()
        let (bytes, error) = client.drain()
        #expect(same(bytes, Array(object[..<80_000])) && error?.code == .objectChanged)
        client.close()
    }

    @Test(
        "What follows and cannot be had is what the reader is told",
        arguments: [
            ("HTTP/1.1 503 Busy\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n", TransportError.Code.httpStatus(503)),
            ("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabcdef", .rangeNotHonoured),
            ("HTTP/1.1 206 X\r\nContent-Range: bytes 4-5/6\r\nContent-Length: 2\r\n\r\nef", .rangeNotHonoured),
            ("HTTP/1.1 416 X\r\nContent-Range: bytes */3\r\nContent-Length: 0\r\n\r\n", .closedEarly),
            ("HTTP/1.1 206 X\r\nContent-Range: bytes 3-4/5\r\nContent-Length: 2\r\n\r\nde", .objectChanged),
            ("", .closedEarly),
        ])
    func brokenOnTheWay(answer: String, code: TransportError.Code) throws {
        let server = ScriptedServer { listener in
            let connection = listener.accept()
            connection.request()
            connection.respond("206 X", ["Content-Range: bytes 0-2/6"], body: [1, 2, 3])
            connection.request()
            connection.send(answer)
            connection.close()
            // Where nothing was answered, libcurl asks once more over a new connection.
            let second = listener.accept()
            second.request()
            second.close()
        }
        let client = try client(server)
        try client.open()
        let (bytes, error) = client.drain()
        #expect(bytes == [1, 2, 3] && error?.code == code, "\(error?.message ?? "no error")")
        #expect(client.position == 3)
        client.close()
        // Lets the script go on.
        _ = try? ThroughlineTransportTests.client(server).open()
    }

    @Test("Bytes in front of what was asked for are passed over", arguments: [0, 1000, 70_000])
    func blocks(offset: Int) throws {
        let server = ScriptedServer { [object] listener in
            let connection = listener.accept()
            connection.request()
            let first = offset / 65_536 * 65_536
            connection.respond(
                "206 Partial Content", ["Content-Range: bytes \(first)-99999/100000"], body: Array(object[first...]))
            connection.awaitClose()
        }
        let client = try client(server)
        #expect(try client.open(at: Int64(offset)).rangeStart == Int64(offset))
        #expect(same(client.drain().bytes, Array(object[offset...])))
        client.close()
    }

    @Test("Several parts at once are refused by their name")
    func multipart() throws {
        let server = ScriptedServer { listener in
            let connection = listener.accept()
            connection.request()
            connection.respond("206 X", ["Content-Type: multipart/byteranges; boundary=x"], body: Array("--x".utf8))
            connection.awaitClose()
        }
        let client = try client(server)
        let error = failure { () throws(TransportError) in try client.open() }
        #expect(error?.code == .rangeNotHonoured && error?.message.contains("multipart/byteranges") == true)
        client.close()
    }

    @Test("What a server says behind the end is not handed out")
    func bodyOfTheEnd() throws {
        let server = ScriptedServer { listener in
            let connection = listener.accept()
            connection.request()
            connection.respond("416 X", ["Content-Range: bytes */5"], body: Array("<html>no</html>".utf8))
            connection.awaitClose()
        }
        let client = try client(server)
        try client.open(at: 5)
        #expect(client.drain().bytes.isEmpty)
        client.close()
    }
}
