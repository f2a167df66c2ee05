internal import CCurl
internal import Testing
internal import ThroughlineCore

@testable internal import ThroughlineTransport

/// The pieces that look at bytes from the network, one by one.
@Suite(.timeLimit(.minutes(25)))
struct PartsTests {
    @Test(
        arguments: [
            ("bytes 0-9/10", 0...9, 10), ("BYTES 5-5/*", 5...5, nil), ("bytes */7", nil, 7),
        ] as [(String, ClosedRange<Int64>?, Int64?)])
    func contentRanges(text: String, bounds: ClosedRange<Int64>?, total: Int64?) {
        let range = ContentRange(text)
        #expect(range != nil)
        #expect(range?.bounds == bounds)
        #expect(range?.total == total)
    }

    @Test(arguments: [
        "", "bytes", "bytes 0-9", "bytes 9-0/10", "bytes 0-10/10", "bytes -1-5/10", "bytes 0-/10", "bytes 0-9/x",
        "bytes 0-9/10/11", "bytes 0-9 /10", "items 0-9/10", "bytes 0-9999999999999999999/*", "bytes +1-2/3",
    ])
    func notContentRanges(text: String) { #expect(ContentRange(text) == nil) }

    @Test(arguments: [
        ("http://h/a", "http://h/b", true), ("http://h/", "http://H:80/", true), ("http://h/", "https://h/", true),
        ("https://h/", "http://h/", false), ("http://h/", "http://h:8080/", false),
        ("http://h:8080/", "https://h/", false),
        ("http://h/", "http://h.example/", false),
    ])
    func secrets(home: String, target: String, shared: Bool) throws {
        #expect(try HTTPAddress(home).sharesSecrets(with: try HTTPAddress(target)) == shared)
    }

    @Test(arguments: [
        ("http://h/a", "http://H:80/a", true), ("https://u:p@h/a?b", "https://h:443/a?b#c", true),
        ("http://h", "http://h/", true), ("http://h/a b", "http://h/a%20b", true),
        ("http://h/a", "http://h/A", false), ("http://h/a", "https://h/a", false),
        ("http://h/a", "http://h:81/a", false),
        ("http://h/a?b", "http://h/a?c", false), ("http://h/a", "/a", nil), ("rtsp://h/a", "http://h/a", nil),
    ])
    func resources(one: String, other: String, same: Bool?) { #expect(isSameHTTPResource(one, other) == same) }

    @Test func ringAgainstAnArray() {
        var random = SystemRandomNumberGenerator()
        var ring = ByteRing(capacity: 1000)
        var model: [UInt8] = []
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 1000, alignment: 1)
        defer { memory.deallocate() }
        for step in 0..<5000 {
            let some = pattern(Int.random(in: 0...ring.free, using: &random), seed: step)
            some.withUnsafeBytes { ring.append($0) }
            model += some
            if step % 50 == 0 {
                ring.truncate(to: model.count / 2)
                model.removeLast(model.count - model.count / 2)
            }
            if step % 7 == 0 {
                let some = Int.random(in: 0...ring.count, using: &random)
                ring.drop(some)
                model.removeFirst(some)
            }
            let wanted = Int.random(in: 0...1000, using: &random)
            let count = ring.take(into: UnsafeMutableRawBufferPointer(rebasing: memory[..<wanted]))
            #expect(count == min(wanted, model.count))
            #expect(same(Array(memory[..<count]), Array(model.prefix(count))))
            model.removeFirst(count)
            #expect(ring.count == model.count)
        }
    }

    /// Header lines of nonsense: bounded, and nothing traps.
    @Test func headerLinesOfNonsense() {
        var random = SystemRandomNumberGenerator()
        let seeds = [
            "HTTP/1.1 200 OK\r\n", "Content-Range: bytes 0-9/10\r\n", "Retry-After: 1\r\n", "\r\n", ":\r\n", " x\r\n",
        ]
        for _ in 0..<3000 {
            var fields = HeaderFields()
            for _ in 0..<8 {
                var line = Array((seeds.randomElement(using: &random) ?? "").utf8)
                for _ in 0..<Int.random(in: 0...3, using: &random) where !line.isEmpty {
                    line[Int.random(in: 0..<line.count, using: &random)] = .random(in: 0...255, using: &random)
                }
                line.removeLast(Int.random(in: 0...line.count, using: &random))
                _ = line.withUnsafeBytes { fields.take($0) }
            }
            _ = (fields.contentRange, fields.contentLength, fields.retryAfter)
            #expect(fields.fields.count <= HeaderFields.maximumCount)
        }
    }
}

/// What libcurl does with a socket that is read without it.
@Suite(.timeLimit(.minutes(25)))
struct SocketReadingTests {
    @Test func libcurlLeavesTheSocketAlone() throws {
        let hasTurned = Guarded(false)
        let hasSent = Guarded(false)
        let server = ScriptedServer { listener in
            let connection = listener.accept()
            connection.request()
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\nfirst")
            _ = hasTurned.wait(until: .now + .seconds(10)) { $0 ? true : nil }
            connection.send("second")
            hasSent.withLockAndWake { $0 = true }
            connection.awaitClose()
        }
        let transfer = try CurlTransfer(options: HTTPRequestOptions(), abort: AbortSwitch())
        try transfer.start(
            HTTPTransferRequest(
                url: server.url(), host: ("127.0.0.1", 0), range: nil, headerLines: [], schemes: [.basic, .digest]))
        let deadline = Instant.now + .seconds(10)
        while !transfer.receiver.headIsFinal || transfer.receiver.bufferedCount < 5, Instant.now < deadline {
            transfer.perform()
            transfer.sleep(atMost: .milliseconds(100))
        }
        transfer.receiver.beginBody(limit: 2_000_000)
        transfer.expectLongBody()
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 100, alignment: 16)
        defer { buffer.deallocate() }
        #expect(transfer.receiver.take(into: buffer) == 5)
        #expect(transfer.receive(into: buffer) == 0)
        #expect(transfer.readsSocket)
        hasTurned.withLockAndWake { $0 = true }
        #expect(hasSent.wait(until: deadline) { $0 ? true : nil } == true)
        // As it happens when a timer of libcurl's runs out just before the bytes arrive.
        transfer.perform()
        #expect(transfer.receive(into: buffer) == 6)
        #expect(String(decoding: buffer[..<6], as: UTF8.self) == "second")
    }
}
