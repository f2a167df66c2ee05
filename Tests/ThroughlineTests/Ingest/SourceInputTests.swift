internal import Glibc
internal import Testing
internal import ThroughlineCore
internal import ThroughlineMedia
internal import ThroughlineTransport

@testable internal import Throughline

/// The bytes under a demuxer, and what its session is told while they are waited for.
@Suite(.timeLimit(.minutes(25))) struct SourceInputTests {
    @Test("A server that falls silent before what is wanted, and had to be waited for already, is silent")
    func silentOnTheWay() throws {
        let waits = Guarded(0)
        let server = ScriptedRTSPServer { peer in
            peer.head()
            let answer = "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-99999/100000\r\n"
            peer.send(Array("\(answer)Content-Length: 100000\r\n\r\n".utf8) + Array(repeating: 1, count: 1000))
            _ = waits.wait(until: .now + .seconds(10)) { $0 > 0 ? () : nil }
            peer.send(Array(repeating: 2, count: 1000))
            // Until the reader has gone.
            peer.head()
        }
        let session = ListeningSupervisor(url: "http://127.0.0.1:\(server.port)/film")
        session.awaited = { waits.withLockAndWake { $0 += 1 } }
        session.leaves = { _, wait in wait > 1 }
        do {
            let input = try SourceInput(origin: OriginID(0), supervisor: session, abort: AbortSwitch())
            input.isOpening = false
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1000, alignment: 16)
            defer { buffer.deallocate() }
            guard case .bytes = input.read(into: buffer) else {
                Issue.record("nothing came")
                return
            }
            #expect(input.seek(to: 20_000), "it is quicker to read on")
            guard case .failed = input.read(into: buffer) else {
                Issue.record("something came")
                return
            }
        }
        #expect(session.failure?.cause == .silence)
        #expect(session.blindLooks == 0, "it was not told that bytes are waited for")
        #expect(session.waits.withLock { $0 } == 2)
        server.join()
    }

    @Test("A demuxer that goes back further than most asks for the bytes once, and from then on has them")
    func goingBackFar() throws {
        let length: Int64 = 3 << 20
        let begins = Guarded<[Int64]>([])
        let server = ScriptedRTSPServer(connections: 2) { peer in
            let begin = begins.withLock { begins in
                begins.append(begins.isEmpty ? 0 : 100_000)
                return begins.last ?? 0
            }
            peer.head()
            let answer = "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes \(begin)-\(length - 1)/\(length)\r\n"
            peer.send(
                Array("\(answer)Content-Length: \(length - begin)\r\n\r\n".utf8)
                    + (begin..<length).map { UInt8(truncatingIfNeeded: $0 / 1000) })
        }
        let session = ListeningSupervisor(url: "http://127.0.0.1:\(server.port)/film")
        do {
            let input = try SourceInput(origin: OriginID(0), supervisor: session, abort: AbortSwitch())
            input.isOpening = false
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 32 << 10, alignment: 16)
            defer { buffer.deallocate() }
            func reads(upTo end: Int64) -> Bool {
                while input.position < end {
                    let position = input.position
                    guard case .bytes(let count) = input.read(into: buffer), count > 0 else { return false }
                    guard buffer[0] == UInt8(truncatingIfNeeded: position / 1000) else { return false }
                }
                return true
            }
            #expect(reads(upTo: 1 << 20))
            #expect(input.seek(to: 800_000), "so much is always kept")
            #expect(reads(upTo: 1 << 20))
            #expect(begins.withLock { $0.count } == 1)
            #expect(input.seek(to: 100_000))
            #expect(reads(upTo: 2 << 20))
            #expect(begins.withLock { $0.count } == 2)
            #expect(input.seek(to: 150_000))
            #expect(reads(upTo: 2 << 20))
            #expect(begins.withLock { $0.count } == 2)
        }
        #expect(session.failure == nil)
        server.join()
    }

    @Test("A connection that was closed while the demuxer read what is kept was idle, and is no failure")
    func idle() throws {
        let (isFirst, isClosed) = (Guarded(true), Guarded(false))
        let server = ScriptedRTSPServer(connections: 2) { peer in
            let begin = isFirst.withLock { isFirst in
                defer { isFirst = false }
                return isFirst ? 0 : 3000
            }
            defer { isClosed.withLockAndWake { $0 = true } }
            peer.head()
            let answer = "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes \(begin)-99999/100000\r\n"
            peer.send(
                Array("\(answer)Content-Length: \(100_000 - begin)\r\n\r\n".utf8) + Array(repeating: 1, count: 3000))
        }
        let session = ListeningSupervisor(url: "http://127.0.0.1:\(server.port)/film")
        do {
            let input = try SourceInput(origin: OriginID(0), supervisor: session, abort: AbortSwitch())
            input.isOpening = false
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 500, alignment: 16)
            defer { buffer.deallocate() }
            func reads(upTo end: Int64, pause: Duration = .zero) -> Bool {
                while input.position < end {
                    guard case .bytes = input.read(into: buffer) else { return false }
                    _ = isClosed.wait(until: .now + pause) { _ -> Void? in nil }
                }
                return true
            }
            #expect(reads(upTo: 3000))
            #expect(isClosed.wait(until: .now + .seconds(20)) { $0 ? true : nil } ?? false)
            #expect(input.seek(to: 0))
            #expect(reads(upTo: 3000, pause: IdleConnection.bound / 4))
            #expect(reads(upTo: 5000))
        }
        #expect(session.reopenings == [3000] && session.failure == nil)
        server.join()
    }
}

extension ScriptedRTSPServer.Peer {
    /// Reads up to the end of a request of HTTP, or of the connection.
    fileprivate func head() {
        var head: [UInt8] = []
        var byte: UInt8 = 0
        while !head.suffix(4).elementsEqual("\r\n\r\n".utf8), recv(descriptor, &byte, 1, 0) == 1 { head.append(byte) }
    }
}
