internal import Testing
internal import ThroughlineCore
internal import ThroughlineLab

/// What an origin does when nothing is wrong with it.
@Suite(.timeLimit(.minutes(25)))
struct HTTPOriginTests {
    let file: TemporaryFile
    let witness = Witness()

    init() throws { file = try TemporaryFile.film.get() }

    @Test func servesFilesAndRangesOverOneConnection() async throws {
        let origin = try await HTTPOrigin.start(serving: ["/film.ts": file.path, "/a b.mp4": file.path])
        #expect(origin.url(for: "/film.ts") == "http://127.0.0.1:\(origin.port)/film.ts")
        try await blocking { [file] () throws in
            let client = try RawClient(port: origin.port)
            let whole = try client.get("/film.ts?session=1")
            #expect(whole.status == 200)
            #expect(whole["Content-Type"] == "video/mp2t")
            #expect(whole["Accept-Ranges"] == "bytes")
            #expect(whole["Last-Modified"]?.hasSuffix("GMT") == true)
            #expect(client.body(whole.length).bytes == file.bytes)

            let part = try client.get("/film.ts", range: "bytes=1000-1999")
            #expect(part.status == 206)
            #expect(part["Content-Range"] == "bytes 1000-1999/1000003")
            #expect(part["ETag"] == whole["ETag"])
            #expect(client.body(1000).bytes == Array(file.bytes[1000..<2000]))

            let tail = try client.get("/a%20b.mp4", range: "bytes=-3")
            #expect(tail["Content-Range"] == "bytes 1000000-1000002/1000003")
            #expect(tail["Content-Type"] == "video/mp4")
            #expect(client.body(3).bytes == Array(file.bytes[1_000_000...]))

            let behind = try client.get("/film.ts", range: "bytes=1000003-")
            #expect(behind.status == 416)
            #expect(behind["Content-Range"] == "bytes */1000003")
            _ = client.body(behind.length)

            let head = try client.get("/film.ts", method: "HEAD")
            #expect(head.length == 1_000_003)
            let missing = try client.get("/other.ts")
            #expect(missing.status == 404)
            _ = client.body(missing.length)
            let posted = try client.get("/film.ts", method: "DELETE")
            #expect(posted.status == 405)
            #expect(posted["Allow"] == "GET, HEAD")
            _ = client.body(posted.length)

            // The validator decides whether a range is honoured.
            let same = try client.get("/film.ts", range: "bytes=0-0", headers: ["If-Range: \(whole["ETag"] ?? "")"])
            #expect(same.status == 206)
            _ = client.body(1)
            let other = try client.get(
                "/film.ts", range: "bytes=0-0", headers: ["If-Range: \"x\"", "Connection: close"])
            #expect(other.status == 200)
            #expect(client.body(other.length + 1).bytes.count == file.bytes.count)
            #expect(client.body(1).ending == .closed)
        }
        let log = origin.log
        #expect(log.map(\.status) == [200, 206, 206, 416, 200, 404, 405, 206, 200])
        #expect(log.map(\.connection).allSatisfy { $0 == 1 })
        #expect(log.map(\.number) == Array(1...9))
        #expect(log[1].range == "bytes=1000-1999")
        #expect(log[1].promised == 1000..<2000)
        #expect(log[1].bytesSent == 1000)
        #expect(log.allSatisfy { $0.outcome == .completed && $0.endedAt! >= $0.receivedAt })
        try await origin.stop()
    }

    @Test func answersPipelinedRequestsInOrder() async throws {
        let origin = try await HTTPOrigin.start(serving: ["/film.ts": file.path])
        try await blocking { [file] () throws in
            let client = try RawClient(port: origin.port)
            for first in 0..<50 { client.request("/film.ts", range: "bytes=\(first)-\(first + 9)") }
            for first in 0..<50 {
                #expect(try client.head().status == 206)
                #expect(client.body(10).bytes == Array(file.bytes[first..<first + 10]))
            }
        }
    }

    @Test func rangesAndValidatorsCanBeSwitchedOff() async throws {
        var options = witness.options
        options.servesRanges = false
        var served = ServedFile(path: file.path)
        served.entityTag = .value("\"mine\"")
        served.lastModified = .none
        served.contentType = "audio/x-test"
        let origin = try await HTTPOrigin.start(serving: ["/film.ts": served], options: options)
        try await blocking { [file] () throws in
            let got = try RawClient.fetch(origin, range: "bytes=5-9")
            #expect(got.head.status == 200)
            #expect(got.head["Accept-Ranges"] == "none")
            #expect(got.head["ETag"] == "\"mine\"")
            #expect(got.head["Last-Modified"] == nil)
            #expect(got.head["Content-Type"] == "audio/x-test")
            #expect(got.bytes == file.bytes)
        }
    }

    @Test func whatIsServedCanChange() async throws {
        let playlist = ServedFile(bytes: Array("#EXTM3U\n".utf8))
        let origin = try await HTTPOrigin.start(serving: ["/live.m3u8": playlist], faults: [])
        try await blocking { () throws in
            let first = try RawClient.fetch(origin, "/live.m3u8")
            #expect(first.head["Content-Type"] == "application/vnd.apple.mpegurl")
            #expect(first.bytes == Array("#EXTM3U\n".utf8))
            origin.serve(ServedFile(bytes: []), at: "/live.m3u8")
            let second = try RawClient.fetch(origin, "/live.m3u8")
            #expect(second.head.length == 0)
            #expect(second.head["ETag"] != first.head["ETag"])
            origin.withdraw("/live.m3u8")
            #expect(try RawClient.fetch(origin, "/live.m3u8").head.status == 404)
        }
    }

    @Test func badRequestsAreRefusedAndHarmNobody() async throws {
        let origin = try await HTTPOrigin.start(serving: [
            "/film.ts": file.path, "/gone.ts": "/nowhere", "/dir": "/tmp",
        ])
        try await blocking { () throws in
            let client = try RawClient(port: origin.port)
            client.send("what is this\r\n\r\n")
            #expect(try client.head().status == 400)
            #expect(client.body(1).ending != .silence)
            #expect(try RawClient.fetch(origin, "/gone.ts").head.status == 404)
            #expect(try RawClient.fetch(origin, "/dir").head.status == 404)
            #expect(try RawClient.fetch(origin).ending == .complete)
        }
        await #expect(throws: OriginError.self) {
            try await HTTPOrigin.start(serving: ["/film.ts": file.path], port: origin.port)
        }
        await #expect(throws: OriginError.self) {
            try await HTTPOrigin.start(serving: ["/film.ts": file.path], host: "nowhere")
        }
    }

    @Test func listensOnLoopbackOnlyAndOnSixToo() async throws {
        let origin = try await HTTPOrigin.start(serving: ["/film.ts": file.path], host: "::1")
        #expect(origin.url(for: "film.ts") == "http://[::1]:\(origin.port)/film.ts")
        #expect(try await blocking { RawClient.isRefused(port: origin.port) })
    }

    @Test func aClientThatLeavesIsNoticed() async throws {
        let origin = try await HTTPOrigin.start(
            serving: ["/film.ts": ServedFile(path: file.path)], faults: [Fault(parsing: "stall@byte=10")],
            options: witness.options)
        try await blocking { [witness] () throws in
            do {
                let client = try RawClient(port: origin.port)
                _ = try client.get("/film.ts")
                #expect(client.body(10).ending == .complete)
            }
            #expect(witness.sawEnd(.abandoned)?.bytesSent == 10)
        }
    }

    @Test func aFileThatBecomesShorterEndsItsResponses() async throws {
        let shrinking = try TemporaryFile(size: 100_000)
        let origin = try await HTTPOrigin.start(
            serving: ["/film.ts": ServedFile(path: shrinking.path)], faults: [Fault(parsing: "stall@byte=1000")],
            options: witness.options)
        try await blocking { [witness] () throws in
            let client = try RawClient(port: origin.port)
            _ = try client.get("/film.ts")
            #expect(client.body(1000).ending == .complete)
            #expect(shrinking.resize(to: 1500))
            origin.heal()
            #expect(client.body(99_000).bytes.count <= 500)
            #expect(witness.sawEnd(.abandoned) != nil)
            #expect(try RawClient.fetch(origin).head.length == 1500)
        }
    }

    @Test func anOriginThatNobodyHoldsIsGone() async throws {
        var origin: HTTPOrigin? = try await HTTPOrigin.start(
            serving: ["/film.ts": ServedFile(path: file.path)], options: witness.options)
        let port = try #require(origin?.port)
        origin = nil
        try await blocking { [witness] () throws in
            #expect(witness.saw { $0.last == .closedPort })
            #expect(RawClient.isRefused(port: port))
        }
    }

    @Test func theLogIsBounded() async throws {
        var options = witness.options
        options.logCapacity = 5
        let origin = try await HTTPOrigin.start(
            serving: ["/film.ts": ServedFile(path: file.path)], options: options)
        try await blocking { () throws in
            let client = try RawClient(port: origin.port)
            for _ in 0..<23 { #expect(try client.get("/film.ts", method: "HEAD").status == 200) }
        }
        #expect(origin.log.map(\.number) == [19, 20, 21, 22, 23])
    }

    @Test func aSlowClientHoldsTheOriginBack() async throws {
        // 64 MiB in a sparse file, for a client that reads none of it and holds little.
        let big = try TemporaryFile(size: 0)
        try #require(big.resize(to: 64 << 20))
        for faults in [[], [Fault(.corrupt)]] {
            let origin = try await HTTPOrigin.start(serving: ["/film.ts": big.path], faults: faults)
            try await blocking { () throws in
                let client = try RawClient(port: origin.port, receiveBuffer: 64 << 10)
                let head = try client.get("/film.ts")
                // Another client is served all the same meanwhile, and by then the first has filled its buffers.
                #expect(try RawClient.fetch(origin, range: "bytes=0-9999").ending == .complete)
                #expect(try RawClient(port: origin.port).getAndSkip("/film.ts") == 64 << 20)
                let sent = try #require(origin.log.first).bytesSent
                // The kernel's buffers of both ends; the default maximum of a send buffer is 4 MiB.
                #expect(sent < 16 << 20, "\(sent)")
                #expect(client.skip(head.length) == 64 << 20)
            }
            try await origin.stop()
        }
    }

    @Test func pacesSmoothly() async throws {
        // 500 kB/s after a burst of 250 kB.
        let origin = try await HTTPOrigin.start(
            serving: ["/film.ts": file.path], pace: Pacing(bytesPerSecond: 500_000, burst: 250_000))
        try await blocking { [file] () throws in
            let client = try RawClient(port: origin.port)
            let start = Instant.now
            let head = try client.get("/film.ts")
            var (bytes, longest, last) = ([UInt8](), Duration.zero, start)
            while bytes.count < head.length {
                let piece = client.body(min(5000, head.length - bytes.count))
                #expect(piece.ending == .complete)
                bytes += piece.bytes
                longest = max(longest, Instant.now - last)
                last = .now
            }
            let time = Instant.now - start
            #expect(bytes == file.bytes)
            // 750 003 bytes at the rate are 1.5 s. Never more than 3 % faster; slower only as the machine is.
            #expect(time > .milliseconds(1455) && time < .seconds(4), "\(time)")
            // 5000 bytes are one tick.
            #expect(longest < .seconds(1), "\(longest)")
        }
    }
}
