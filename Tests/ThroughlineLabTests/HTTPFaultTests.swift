internal import Glibc
internal import Testing
internal import ThroughlineCore

@testable internal import ThroughlineLab

/// Every fault over real sockets, exact to the byte.
@Suite(.timeLimit(.minutes(25)))
struct HTTPFaultTests {
    let file: TemporaryFile
    let witness = Witness()

    init() throws { file = try TemporaryFile.film.get() }

    func origin(_ faults: String..., pacing: Pacing? = nil) async throws -> HTTPOrigin {
        var options = witness.options
        options.pacing = pacing
        return try await HTTPOrigin.start(
            serving: ["/film.ts": ServedFile(path: file.path)], faults: faults.map { try Fault(parsing: $0) },
            options: options)
    }

    @Test(arguments: [0, 1, 1000, 262_143, 262_144, 262_145, 500_001, 1_000_002])
    func resetsAndClosesAtTheByte(place: Int) async throws {
        for (kind, ending) in [("reset", RawClient.Ending.reset), ("close", .closed)] {
            let origin = try await origin("\(kind)@byte=\(place)")
            try await blocking { [file] () throws in
                // From the start, from within, and from the very byte.
                for first in Set([0, place / 2, place]) {
                    let got = try RawClient.fetch(origin, range: "bytes=\(first)-")
                    #expect(got.head.status == 206)
                    #expect(got.head.length == file.bytes.count - first)
                    #expect(got.bytes == Array(file.bytes[first..<place]))
                    #expect(got.ending == ending)
                }
                // What lies before the place is not affected.
                if place > 0 {
                    let before = try RawClient.fetch(origin, range: "bytes=0-\(place - 1)")
                    #expect(before.bytes == Array(file.bytes[..<place]))
                    #expect(before.ending == .complete)
                }
            }
            try await origin.stop()
        }
    }

    @Test func aResetLeavesWhatTheClientHasNotReadYet() async throws {
        let origin = try await origin("reset@byte=100000")
        try await blocking { [file, witness] () throws in
            let client = try RawClient(port: origin.port)
            client.request("/film.ts")
            // The client reads nothing before the reset has been sent.
            let record = witness.sawEnd(.reset)
            #expect(record?.bytesSent == 100_000)
            _ = try client.head()
            let (bytes, ending) = client.body(200_000)
            #expect(bytes == Array(file.bytes[..<100_000]))
            #expect(ending == .reset)
        }
        try await origin.stop()
    }

    @Test func aResetWaitsForASlowClient() async throws {
        let origin = try await origin("reset@byte=1000000")
        try await blocking { [file, witness] () throws in
            let client = try RawClient(port: origin.port, receiveBuffer: 4096)
            client.request("/film.ts")
            _ = try client.head()
            var bytes: [UInt8] = []
            while bytes.count < 900_000 { bytes += client.body(10_000).bytes }
            #expect(!witness.all.contains { if case .ended = $0 { true } else { false } })
            let (rest, ending) = client.body(1_000_000)
            #expect(bytes + rest == Array(file.bytes[..<1_000_000]))
            #expect(ending == .reset)
        }
        try await origin.stop()
    }

    @Test func percentAndNPTAreBytesToo() async throws {
        let size = file.bytes.count
        let half = try await origin("close@50%")
        #expect(try await blocking { try RawClient.fetch(half).bytes.count } == size / 2)

        let indexed = try await HTTPOrigin.start(
            serving: ["/film.ts": file.path], faults: [Fault(parsing: "close@npt=4.5")], duration: .seconds(10),
            nptIndex: { $0 == .milliseconds(4500) ? 12_345 : nil })
        #expect(try await blocking { try RawClient.fetch(indexed).bytes.count } == 12_345)

        let linear = try await HTTPOrigin.start(
            serving: ["/film.ts": file.path], faults: [Fault(parsing: "close@npt=2.5")], duration: .seconds(10))
        #expect(try await blocking { try RawClient.fetch(linear).bytes.count } == (size + 2) / 4)

        // Nothing is known of the time: the fault never strikes.
        let unknown = try await HTTPOrigin.start(
            serving: ["/film.ts": file.path], faults: [Fault(parsing: "close@npt=2.5")])
        #expect(try await blocking { try RawClient.fetch(unknown).ending } == .complete)
    }

    @Test func aResponseBehindThePlaceIsSparedUntilTheFaultHasStruck() async throws {
        let origin = try await origin("reset@byte=500000")
        try await blocking { () throws in
            #expect(try RawClient.fetch(origin, range: "bytes=900000-").ending == .complete)
            #expect(try RawClient.fetch(origin).bytes.count == 500_000)
            let behind = try RawClient.fetch(origin, range: "bytes=900000-")
            #expect(behind.ending == .reset)
            #expect(behind.bytes.isEmpty)
        }
    }

    @Test func onceHitsASingleResponse() async throws {
        let origin = try await origin("reset@50%,once", "close@50%,once")
        try await blocking { [file] () throws in
            #expect(try RawClient.fetch(origin).ending == .reset)
            #expect(try RawClient.fetch(origin).ending == .closed)
            #expect(try RawClient.fetch(origin).bytes == file.bytes)
        }
    }

    @Test func refusesAfterAReset() async throws {
        let origin = try await origin("reset@byte=1000", "refuse")
        try await blocking { [witness] () throws in
            #expect(try RawClient.fetch(origin).ending == .reset)
            #expect(RawClient.isRefused(port: origin.port))
            #expect(witness.all.contains(.closedPort))
        }
        try await origin.revive()
        // The reset still lasts, the refusal does not.
        #expect(try await blocking { try RawClient.fetch(origin).bytes.count } == 1000)
    }

    @Test func refusingLeavesOpenConnectionsAlone() async throws {
        let origin = try await origin()
        try await blocking { [file] () throws in
            let client = try RawClient(port: origin.port)
            #expect(try client.get("/film.ts", range: "bytes=0-9").status == 206)
            #expect(client.body(10).ending == .complete)
            origin.inject(Fault(.refuse))
            #expect(RawClient.isRefused(port: origin.port))
            #expect(try client.get("/film.ts", range: "bytes=10-19").status == 206)
            #expect(client.body(10).bytes == Array(file.bytes[10..<20]))
        }
    }

    /// A process that was forked a moment ago holds copies of all sockets.
    @Test func refusesThoughSomebodyHoldsTheSocket() async throws {
        let origin = try await origin()
        let held = (3..<1024).filter { localPort(of: $0) == origin.port }
        #expect(held.count >= 2, "a reservation and a listener")
        #expect(held.allSatisfy { fcntl($0, F_GETFD) & FD_CLOEXEC != 0 })
        let copies = held.map { dup($0) }
        defer { for copy in copies { close(copy) } }
        try await blocking {
            origin.inject(Fault(.refuse))
            #expect(RawClient.isRefused(port: origin.port))
        }
    }

    @Test func refusesForAWhile() async throws {
        let origin = try await origin()
        try await blocking { [file, witness] () throws in
            origin.inject(try Fault(parsing: "refuse,for=500ms"))
            #expect(RawClient.isRefused(port: origin.port))
            #expect(witness.saw { $0.last == .listening(port: origin.port) })
            #expect(try RawClient.fetch(origin).bytes == file.bytes)
        }
    }

    @Test func theFileIsGoneAfterAReset() async throws {
        let origin = try await origin("reset@byte=1000,once", "status=404")
        try await blocking { () throws in
            #expect(try RawClient.fetch(origin).ending == .reset)
            #expect(try RawClient.fetch(origin).head.status == 404)
        }
    }

    @Test func overloadIsAnsweredWithRetryAfterAndRecovers() async throws {
        let origin = try await origin("status=503,retry-after=3,for=1s@requests=0", "status=429,once")
        try await blocking { [witness] () throws in
            let client = try RawClient(port: origin.port)
            let head = try client.get("/film.ts")
            #expect(head.status == 503)
            #expect(head["Retry-After"] == "3")
            #expect(client.body(head.length).ending == .complete)
            #expect(
                witness.saw {
                    $0.contains {
                        if case .recovered(let fault) = $0 { fault.trigger == .afterRequests(0) } else { false }
                    }
                })
            let once = try client.get("/film.ts")
            #expect(once.status == 429)
            #expect(once["Retry-After"] == nil)
            _ = client.body(once.length)
            #expect(try client.get("/film.ts", range: "bytes=0-0").status == 206)
        }
    }

    @Test func statusAfterSomeRequests() async throws {
        let origin = try await origin("status=500@requests=2")
        try await blocking { () throws in
            let statuses = try (0..<4).map { _ in try RawClient.fetch(origin, range: "bytes=0-0").head.status }
            #expect(statuses == [206, 206, 500, 500])
        }
    }

    @Test func aFaultForOnePathOnly() async throws {
        let origin = try await origin("status=410,path=/film.ts")
        origin.serve(ServedFile(path: file.path), at: "/other.ts")
        try await blocking { () throws in
            #expect(try RawClient.fetch(origin).head.status == 410)
            #expect(try RawClient.fetch(origin, "/other.ts").head.status == 200)
        }
    }

    @Test func stallsAndGoesOn() async throws {
        let origin = try await origin("stall@byte=300000,for=1s")
        try await blocking { [file, witness] () throws in
            let asked = Instant.now
            let got = try RawClient.fetch(origin)
            #expect(Instant.now - asked >= .seconds(1))
            #expect(got.bytes == file.bytes)
            #expect(got.ending == .complete)
            #expect(witness.sawEnd(.completed)?.faults.map(\.kind) == [.stall])
        }
    }

    @Test func stallsForGoodUntilHealed() async throws {
        let origin = try await origin("stall@byte=300000")
        try await blocking { [file] () throws in
            let client = try RawClient(port: origin.port)
            let head = try client.get("/film.ts")
            #expect(client.body(300_000).bytes == Array(file.bytes[..<300_000]))
            // What is to come is waited for as long as it takes; what is not, for a moment.
            client.setPatience(.milliseconds(100))
            #expect(client.body(1).ending == .silence)
            #expect(origin.log.last?.outcome == .inProgress)
            origin.heal()
            client.setPatience(.seconds(20))
            #expect(client.body(head.length - 300_000).bytes == Array(file.bytes[300_000...]))
        }
    }

    @Test func acceptsAndNeverAnswers() async throws {
        let start = Instant.now
        let origin = try await origin("silent,for=1s@requests=0")
        try await blocking { () throws in
            // Once the fault is over, the request that waited is answered.
            #expect(try RawClient.fetch(origin, range: "bytes=0-0").head.status == 206)
            #expect(Instant.now - start >= .seconds(1))
        }
        let once = try await self.origin("silent,once")
        try await blocking { () throws in
            let first = try RawClient(port: once.port, patience: .milliseconds(100))
            first.request("/film.ts")
            #expect(first.body(1).ending == .silence)
            #expect(try RawClient.fetch(once).ending == .complete)
            once.heal()
            #expect(first.body(1).ending == .silence)
        }
    }

    @Test func throttlesFromTheByteOn() async throws {
        let origin = try await origin("throttle=200k@byte=900000")
        try await blocking { [file] () throws in
            let client = try RawClient(port: origin.port)
            let head = try client.get("/film.ts")
            let before = client.body(900_000)
            let start = Instant.now
            let after = client.body(head.length - 900_000)
            let time = Instant.now - start
            #expect(before.bytes + after.bytes == file.bytes)
            // 100 003 bytes at 200 kB/s are half a second. Never more than 3 % faster; slower only as the machine is.
            #expect(time > .milliseconds(485) && time < .seconds(2), "\(time)")
        }
    }

    @Test func delaysTheHead() async throws {
        let origin = try await origin("delay=150ms")
        try await blocking { [file] () throws in
            let client = try RawClient(port: origin.port)
            for _ in 0..<2 {
                let start = Instant.now
                let head = try client.get("/film.ts")
                #expect(Instant.now - start >= .milliseconds(150))
                #expect(client.body(head.length).bytes == file.bytes)
            }
        }
    }

    @Test func delaysAResponseInProgressOnce() async throws {
        let origin = try await origin("delay=600ms@byte=400000,once")
        try await blocking { [file] () throws in
            let asked = Instant.now
            #expect(try RawClient.fetch(origin).bytes == file.bytes)
            #expect(Instant.now - asked >= .milliseconds(600))
        }
    }

    @Test func aShortFileIsServedHonestly() async throws {
        let origin = try await origin("short@byte=600000")
        try await blocking { [file] () throws in
            let whole = try RawClient.fetch(origin)
            #expect(whole.head.status == 200)
            #expect(whole.head.length == 600_000)
            #expect(whole.bytes == Array(file.bytes[..<600_000]))
            #expect(whole.ending == .complete)
            let tail = try RawClient.fetch(origin, range: "bytes=599999-")
            #expect(tail.head["Content-Range"] == "bytes 599999-599999/600000")
            let behind = try RawClient.fetch(origin, range: "bytes=600000-")
            #expect(behind.head.status == 416)
            #expect(behind.head["Content-Range"] == "bytes */600000")
        }
    }

    @Test func shortInMidResponseCloses() async throws {
        let origin = try await origin("stall@byte=300000,once")
        try await blocking { [file, witness] () throws in
            let client = try RawClient(port: origin.port)
            let head = try client.get("/film.ts")
            #expect(client.body(300_000).ending == .complete)
            let stall = try Fault(parsing: "stall@byte=300000,once")
            #expect(witness.saw { $0.contains(.struck(stall)) })
            origin.inject(Fault(.short))
            #expect(client.body(1).ending == .closed)
            #expect(head.length == file.bytes.count)
            #expect(try RawClient.fetch(origin).head.length == 300_000)
        }
    }

    @Test func corruptsEachThousandthByte() async throws {
        let origin = try await origin("corrupt@byte=123456")
        try await blocking { [file] () throws in
            var expected = file.bytes
            for index in stride(from: 123_456, to: expected.count, by: 1000) { expected[index] = ~expected[index] }
            #expect(try RawClient.fetch(origin).bytes == expected)
            // The same bytes, wherever a response begins.
            #expect(try RawClient.fetch(origin, range: "bytes=500000-").bytes == Array(expected[500_000...]))
            #expect(try RawClient.fetch(origin, range: "bytes=0-123455").bytes == Array(file.bytes[..<123_456]))
        }
    }

    @Test func injectedFaultsStrikeAResponseInProgress() async throws {
        for (fault, ending) in [(Fault(.reset), RawClient.Ending.reset), (Fault(.close), .closed)] {
            let origin = try await origin("stall@byte=1000")
            try await blocking { [witness] () throws in
                let client = try RawClient(port: origin.port)
                _ = try client.get("/film.ts")
                #expect(client.body(1000).ending == .complete)
                origin.inject(fault)
                #expect(client.body(1).ending == ending)
                #expect(witness.sawEnd(ending == .reset ? .reset : .closed) != nil)
            }
        }
    }

    @Test func aTimeCountsFromTheFirstByte() async throws {
        // 400 kB/s: the 1 MB take more than two seconds, and the reset comes after one fifth of that.
        let origin = try await origin("reset@500ms", pacing: Pacing(bytesPerSecond: 400_000))
        try await blocking { [file] () throws in
            let start = Instant.now
            let got = try RawClient.fetch(origin)
            let milliseconds = Int((Instant.now - start).wholeNanoseconds / 1_000_000)
            #expect(got.ending == .reset)
            #expect(got.bytes == Array(file.bytes[..<got.bytes.count]))
            // Not before its time, however late the machine makes it; the rate and its burst of 50 ms hold until then.
            #expect(milliseconds >= 500)
            #expect(got.bytes.count > 0 && got.bytes.count <= 400 * (milliseconds + 1 + 50))
        }
    }

    @Test func killsAndRevivesAtTheSamePort() async throws {
        let origin = try await origin("stall@byte=1000")
        let port = origin.port
        try await blocking { () throws in
            let busy = try RawClient(port: port)
            _ = try busy.get("/film.ts")
            #expect(busy.body(1000).ending == .complete)
            let idle = try RawClient(port: port)
            #expect(try idle.get("/film.ts", range: "bytes=0-0").status == 206)
            _ = idle.body(1)
            origin.kill()
            #expect(RawClient.isRefused(port: port))
            #expect(busy.body(1).ending == .reset)
            #expect(idle.body(1).ending == .reset)
            #expect(origin.log.first?.outcome == .killed)
        }
        try await origin.revive()
        origin.heal()
        #expect(origin.port == port)
        #expect(try await blocking { try RawClient.fetch(origin).ending } == .complete)
        try await origin.revive()
        try await origin.stop()
        try await origin.stop()
        #expect(try await blocking { RawClient.isRefused(port: port) })
        await #expect(throws: OriginError.self) { try await origin.revive() }
    }
}
