import Glibc
internal import Testing
internal import ThroughlineCore
internal import ThroughlineTransport

@testable internal import Throughline

/// Files, pipes and what else lies on this machine, as sources of bytes.
@Suite(.timeLimit(.minutes(25))) struct FileSourceTests {
    /// A path that is gone with the test.
    private final class Place {
        let path: String
        init() {
            var template = Array("/tmp/throughline-source-XXXXXX".utf8CString)
            precondition(mkdtemp(&template) != nil)
            path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self) + "/film"
        }
        deinit {
            unlink(path)
            rmdir(String(path.dropLast("/film".count)))
        }
        func write(_ bytes: [UInt8]) {
            let descriptor = creat(path, 0o600)
            precondition(descriptor >= 0 && Glibc.write(descriptor, bytes, bytes.count) == bytes.count)
            close(descriptor)
        }
    }

    private static let film = (0..<700_000).map { UInt8(truncatingIfNeeded: $0 &* 7 / 3) }

    private func readAll(_ source: any ByteSource, piece: Int = 10_000) throws -> [UInt8] {
        var all: [UInt8] = []
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: piece, alignment: 16)
        defer { buffer.deallocate() }
        while true {
            let count = try source.read(into: buffer, deadline: .now + .seconds(10), beforeBlocking: nil)
            if count == 0 { return all }
            all += buffer[..<count]
        }
    }

    private func opened(_ path: String, _ abort: AbortSwitch = AbortSwitch()) throws -> FileSource {
        FileSource(try #require(LocalAddress(path)), abort: abort)
    }

    @Test("A file is read from any place to any other, again and again")
    func ranges() throws {
        let place = Place()
        place.write(Self.film)
        let source = try opened(place.path)
        defer { source.close() }
        let last = Int64(Self.film.count)
        for (from, end) in [(0, nil), (1000, 1001), (0, 300_000), (262_143, nil), (last, nil), (5, 5)]
            as [(Int64, Int64?)]
        {
            let head = try source.open(at: from, until: end, deadline: .now + .seconds(10))
            #expect(head.length == last && head.isSeekable)
            let bytes = try readAll(source)
            #expect(bytes == Array(Self.film[Int(from)..<Int(end ?? last)]), "\(from)..<\(end ?? last)")
        }
        #expect(throws: TransportError.self) { try source.open(at: last + 1, until: nil, deadline: .now + .seconds(1)) }
    }

    @Test("A file that becomes shorter while it is read ends early, and is no loop")
    func shortened() throws {
        let place = Place()
        place.write(Self.film)
        let source = try opened(place.path)
        defer { source.close() }
        _ = try source.open(at: 0, until: nil, deadline: .now + .seconds(10))
        truncate(place.path, 1000)
        #expect(try readAll(source).count < Self.film.count)
    }

    @Test("What is no file says so")
    func impossible() throws {
        for (path, words) in [("/tmp", "directory"), ("/tmp/throughline-none/film.ts", "No such file")] {
            let error = #expect(throws: TransportError.self) {
                try opened(path).open(at: 0, until: nil, deadline: .now + .seconds(10))
            }
            #expect(error?.message.contains(words) ?? false, "\(error?.message ?? "")")
        }
    }

    // MARK: - Pipes

    /// A named pipe, and what is written into it once somebody reads.
    private func pipe(_ pieces: [[UInt8]], holding: Guarded<Bool>? = nil) -> (Place, Blocking<Int32>) {
        let place = Place()
        precondition(mkfifo(place.path, 0o600) == 0)
        let path = place.path
        let writer = Blocking<Int32> {
            signal(SIGPIPE, SIG_IGN)
            let descriptor = Glibc.open(path, O_WRONLY)
            var error: Int32 = 0
            for piece in pieces {
                var done = 0
                while done < piece.count, error == 0 {
                    let count = piece.withUnsafeBytes { write(descriptor, $0.baseAddress! + done, piece.count - done) }
                    if count < 0 { error = errno } else { done += count }
                }
            }
            if let holding { holding.wait { isOver, _ in isOver ? () : nil } }
            close(descriptor)
            return error
        }
        return (place, writer)
    }

    @Test("A pipe is read from its start to its end, and has no length")
    func pipes() throws {
        let (place, writer) = pipe([Self.film])
        let source = try opened(place.path)
        let head = try source.open(at: 0, until: nil, deadline: .now + .seconds(10))
        #expect(head.length == nil && !head.isSeekable)
        #expect(try readAll(source) == Self.film)
        #expect(writer.value() == 0)
        writer.join()
        source.close()
    }

    @Test("A pipe that is asked for anything but all of it is not even opened")
    func untouched() throws {
        let (place, writer) = pipe([Self.film])
        for (from, end) in [(1, nil), (0, 10)] as [(Int64, Int64?)] {
            let error = #expect(throws: TransportError.self) {
                try opened(place.path).open(at: from, until: end, deadline: .now + .seconds(10))
            }
            #expect(error?.code == .rangeNotHonoured)
        }
        #expect(writer.isBlocked, "whoever writes still waits for a reader")
        let source = try opened(place.path)
        _ = try source.open(at: 0, until: nil, deadline: .now + .seconds(10))
        #expect(try readAll(source) == Self.film)
        writer.join()
    }

    @Test("A pipe that says nothing is left by the deadline that its reader gives, and at once when all ends")
    func silentPipe() throws {
        let isOver = Guarded(false)
        let (place, writer) = pipe([[1, 2, 3]], holding: isOver)
        let abort = AbortSwitch()
        let source = try opened(place.path, abort)
        _ = try source.open(at: 0, until: nil, deadline: .now + .seconds(10))
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 10, alignment: 16)
        defer { buffer.deallocate() }
        #expect(try source.read(into: buffer, deadline: .now + .seconds(10), beforeBlocking: nil) == 3)
        let told = Guarded(0)
        let error = #expect(throws: TransportError.self) {
            try source.read(into: buffer, deadline: .now + .seconds(60)) {
                told.withLock { $0 += 1 }
                return .now + .milliseconds(20)
            }
        }
        #expect(error?.code == .timedOut && told.withLock { $0 } == 1)
        let (waits, isCalled) = (Guarded(false), Guarded(false))
        let caller = Blocking<Void> {
            _ = waits.wait(until: .now + .seconds(20)) { $0 ? true : nil }
            isCalled.withLock { $0 = true }
            abort.askAnew()
        }
        let called = #expect(throws: TransportError.self) {
            try source.read(into: buffer, deadline: .never) {
                waits.withLockAndWake { $0 = true }
                return isCalled.withLock { $0 } ? Instant(nanoseconds: 0) : .never
            }
        }
        #expect(called?.code == .timedOut, "whoever waits without a deadline can be given one")
        caller.join()
        let aborter = Blocking<Void> { abort.abort() }
        let aborted = #expect(throws: TransportError.self) {
            try source.read(into: buffer, deadline: .now + .seconds(60), beforeBlocking: nil)
        }
        #expect(aborted?.code == .aborted)
        aborter.join()
        isOver.withLockAndWake { $0 = true }
        writer.join()
        source.close()
    }

    @Test("A socket in the file system is connected to")
    func socket() throws {
        let place = Place()
        let listener = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(place.path.utf8)) }
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(bound == 0 && listen(listener, 1) == 0)
        let server = Blocking<Void> {
            let peer = accept(listener, nil, nil)
            _ = [UInt8](repeating: 7, count: 1000).withUnsafeBytes { write(peer, $0.baseAddress, 1000) }
            close(peer)
            close(listener)
        }
        let source = try opened(place.path)
        _ = try source.open(at: 0, until: nil, deadline: .now + .seconds(10))
        #expect(try readAll(source) == Array(repeating: 7, count: 1000))
        server.join()
        source.close()
    }

    // MARK: - Addresses

    @Test(
        "Where an origin lies",
        arguments: [
            ("-", LocalAddress.standardInput), ("/dev/stdin", .standardInput), ("/proc/self/fd/0", .standardInput),
            ("film.ts", .path("film.ts")), ("a%20b.ts", .path("a%20b.ts")), ("file:///a%20b#1.ts", .path("/a b#1.ts")),
            ("file://localhost/f", .path("/f")), ("FILE:///f", .path("/f")), ("file://elsewhere/f", nil),
            ("http://host/f", nil), ("rtsp://host/f", nil),
        ] as [(String, LocalAddress?)])
    func addresses(_ url: String, _ address: LocalAddress?) { #expect(LocalAddress(url) == address) }

    @Test("What gives its bytes once is asked for nothing ahead of need")
    func readOnce() throws {
        let (file, fifo) = (Place(), Place())
        file.write([1])
        precondition(mkfifo(fifo.path, 0o600) == 0)
        let origins = OriginList(["-", "http://host/f", file.path, fifo.path, "/dev/null"].map { Origin(url: $0) })
        #expect((0..<5).map { origins.isReadOnce(OriginID($0)) } == [true, false, false, true, true])
    }
}
