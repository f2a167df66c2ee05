internal import Testing
internal import ThroughlineCore
internal import ThroughlineTransport

/// Bodies that come coded, though they were asked for as they are.
@Suite(.timeLimit(.minutes(25)))
struct CodingTests {
    let object = pattern(60_000)

    private func server(_ coding: String, _ body: [UInt8]) -> ScriptedServer {
        ScriptedServer { listener in
            while true {
                let connection = listener.accept()
                guard connection.descriptor >= 0 else { return }
                while !connection.request().text.isEmpty {
                    connection.respond("200 OK", ["Content-Encoding: \(coding)", "Accept-Ranges: bytes"], body: body)
                }
                connection.close()
            }
        }
    }

    @Test("The bytes are asked for as they are, unless the user asks otherwise")
    func identity() throws {
        let server = ScriptedServer(serving: object)
        try client(server).open()
        try client(server) { $0.headers = [.init(name: "accept-Encoding", value: "gzip")] }.open()
        #expect(server.requests.map { $0.header("accept-encoding") } == ["identity", "gzip"])
    }

    @Test("A coded body is decoded, and has no length and no ranges", arguments: ["gzip", "X-GZIP", "identity, gzip"])
    func decoded(coding: String) throws {
        let server = server(coding, gzipped(object))
        let client = try client(server)
        let head = try client.open()
        #expect(head.totalLength == nil && head.contentLength == nil && !head.acceptsRanges)
        let (bytes, error) = client.drain()
        #expect(same(bytes, object) && error == nil, "\(error?.message ?? "")")
        #expect(server.requests.map { $0.header("range") } == ["bytes=0-", nil])
        client.close()
    }

    @Test("A coded body that breaks off is no end")
    func cutShort() throws {
        let body = gzipped(object)
        let server = ScriptedServer { listener in
            let connection = listener.accept()
            for length in [body.count, 30_000] {
                connection.request()
                connection.send("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: \(body.count)\r\n\r\n")
                connection.send(body[..<length])
            }
            connection.close()
        }
        let client = try client(server)
        try client.open()
        #expect(client.drain().error?.code == .closedEarly)
        client.close()
    }

    @Test("What is said to be coded and is not, is taken as it is")
    func mislabelled() throws {
        let server = server("gzip", object)
        let client = try client(server)
        try client.open()
        let (bytes, error) = client.drain()
        #expect(same(bytes, object) && error == nil, "\(error?.message ?? "")")
        client.close()
    }

    @Test("A coding that nobody knows is refused by its name", arguments: ["sdch", "gzip, x-secret"])
    func unknown(coding: String) throws {
        let server = server(coding, object)
        let client = try client(server)
        let error = failure { () throws(TransportError) in try client.open() }
        #expect(error?.code == .protocolError && error?.message.contains(coding) == true, "\(error?.message ?? "")")
        client.close()
    }

    @Test("Of a coded body no part is taken")
    func part() throws {
        let server = ScriptedServer { listener in
            let connection = listener.accept()
            connection.request()
            connection.respond("206 X", ["Content-Encoding: br", "Content-Range: bytes 5-7/8"], body: [1, 2, 3])
            connection.awaitClose()
        }
        let client = try client(server)
        let error = failure { () throws(TransportError) in try client.open(at: 5) }
        #expect(error?.code == .rangeNotHonoured && error?.message.contains("br") == true)
        client.close()
    }
}

/// RFC 1952, in stored blocks (RFC 1951 section 3.2.4).
private func gzipped(_ bytes: [UInt8]) -> [UInt8] {
    func little(_ value: UInt32, _ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
    }
    var result: [UInt8] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]
    precondition(bytes.count < 65_536)
    result += [1] + little(UInt32(bytes.count), 2) + little(~UInt32(bytes.count), 2) + bytes
    var sum: UInt32 = ~0
    for byte in bytes {
        sum ^= UInt32(byte)
        for _ in 0..<8 { sum = sum & 1 == 1 ? sum >> 1 ^ 0xedb8_8320 : sum >> 1 }
    }
    return result + little(~sum, 4) + little(UInt32(bytes.count), 4)
}
