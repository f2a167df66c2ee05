internal import Testing
internal import ThroughlineCore
internal import ThroughlineTransport

/// Control connections, datagrams and the sleep for both in a world: what is said of them is what is said of sockets.
@Suite(.timeLimit(.minutes(25)))
struct MemoryControlTests {
    private static let host = "127.0.0.1"

    /// The other end, as a test wants it.
    private final class Peer: Sendable {
        let port: Int
        let end = Guarded<MemoryConnection.End?>(nil)

        init(latency: Duration = .zero) throws {
            let network = try #require(MemoryNetwork.current)
            let port = network.newPort()
            self.port = port
            let end = end
            #expect(
                network.listen(host: MemoryControlTests.host, port: port, link: NetworkLink(latency: latency)) {
                    other in
                    end.withLockAndWake { $0 = other }
                })
        }

        func connected(abort: AbortSwitch = AbortSwitch()) throws -> (ControlConnection, MemoryConnection.End) {
            let connection = try ControlConnection(
                host: MemoryControlTests.host, port: UInt16(port), usesTLS: false, abort: abort)
            try connection.connect(deadline: .now + .seconds(1))
            return (connection, try #require(end.withLock { $0 }))
        }
    }

    private func text(_ connection: ControlConnection) throws -> String? {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 100, alignment: 1)
        defer { memory.deallocate() }
        return try connection.receive(into: memory).map { String(decoding: memory[..<$0], as: UTF8.self) }
    }

    private func send(_ connection: ControlConnection, _ text: String) throws {
        let bytes = Array(text.utf8)
        #expect(try bytes.withUnsafeBytes { try connection.send($0) } == bytes.count)
    }

    private func code(_ body: () throws -> Void) -> TransportError.Code? {
        do { try body() } catch { return (error as? TransportError)?.code }
        return nil
    }

    @Test("bytes go both ways, each after the latency of the way")
    func bothWays() throws {
        try World(seed: 1).run {
            let peer = try Peer(latency: .milliseconds(20))
            let began = Instant.now
            let (connection, end) = try peer.connected()
            #expect(Instant.now - began == .milliseconds(40))
            #expect(connection.localAddress == Self.host && connection.peerAddress == Self.host)
            #expect(try text(connection) == nil && !connection.hasBufferedInput)
            let waiter = try SocketWaiter(abort: AbortSwitch())
            waiter.watch(connection.descriptor, for: .input)
            #expect(end.send(Array("hello".utf8)[...]) == 5)
            #expect(try waiter.wait(until: .now + .seconds(1)) == .socket)
            #expect(Instant.now - began == .milliseconds(60))
            #expect(waiter.isReady(connection.descriptor, for: .input))
            // Nobody has read it.
            #expect(try waiter.wait(until: .never) == .socket)
            #expect(try text(connection) == "hello")
            #expect(try waiter.wait(until: .now + .seconds(1)).isEmpty)
            waiter.watch(connection.descriptor, for: [.input, .output])
            #expect(try waiter.wait(until: .never) == .socket)
            #expect(waiter.isReady(connection.descriptor, for: .output))
            #expect(!waiter.isReady(connection.descriptor, for: .input))
            try send(connection, "to you")
            connection.close()
            #expect(code { try send(connection, "more") } == .aborted)
        }
    }

    @Test("what has arrived before an end or a reset is received, and then that is said, again and again")
    func ends() throws {
        for isReset in [false, true] {
            try World(seed: 1).run {
                let (connection, end) = try Peer().connected()
                #expect(end.send(Array("last".utf8)[...]) == 4)
                if isReset { end.reset() } else { end.finish() }
                #expect(try text(connection) == "last")
                for _ in 0..<2 {
                    #expect(code { _ = try text(connection) } == (isReset ? .reset : .closedEarly))
                    #expect(code { try send(connection, "more") } == (isReset ? .reset : .closedEarly))
                }
            }
        }
    }

    @Test("nobody there, nobody in time, and no TLS")
    func noConnection() throws {
        try World(seed: 1).run {
            func connect(_ port: Int, usesTLS: Bool = false) -> TransportError.Code? {
                code {
                    try ControlConnection(
                        host: Self.host, port: UInt16(port), usesTLS: usesTLS, abort: AbortSwitch()
                    ).connect(deadline: .now + .seconds(1))
                }
            }
            #expect(connect(9) == .refused)
            let began = Instant.now
            let (far, near) = (try Peer(latency: .seconds(2)).port, try Peer().port)
            #expect(connect(far) == .connectTimedOut)
            #expect(Instant.now - began == .seconds(1))
            #expect(connect(near, usesTLS: true) == .tls)
        }
    }

    @Test("a peer that does not read pushes back, and is waited for")
    func pushesBack() throws {
        try World(seed: 1).run {
            let (connection, end) = try Peer().connected()
            let bytes = [UInt8](repeating: 1, count: MemoryConnection.window + 100)
            #expect(try bytes.withUnsafeBytes { try connection.send($0) } == MemoryConnection.window)
            let waiter = try SocketWaiter(abort: AbortSwitch())
            waiter.watch(connection.descriptor, for: .output)
            #expect(try waiter.wait(until: .now + .seconds(1)).isEmpty)
            let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: MemoryConnection.window, alignment: 1)
            defer { memory.deallocate() }
            #expect(end.receive(into: memory) == .bytes(MemoryConnection.window))
            #expect(try waiter.wait(until: .now) == .socket)
        }
    }

    @Test("a sleep ends when somebody calls, and when it is to end for good")
    func woken() throws {
        try World(seed: 1).run {
            let abort = AbortSwitch()
            let waiter = try SocketWaiter(abort: abort)
            waiter.wake()
            #expect(try waiter.wait(until: .never) == .woken)
            #expect(try waiter.wait(until: .now).isEmpty)
            let began = Instant.now
            let nothing = Guarded(())
            let caller = WorkerThread(name: "caller") {
                let _: Void? = nothing.wait(until: began + .seconds(5)) { _ in nil }
                waiter.wake()
                let _: Void? = nothing.wait(until: began + .seconds(9)) { _ in nil }
                abort.abort()
            }
            #expect(try waiter.wait(until: .never) == .woken)
            #expect(Instant.now - began == .seconds(5))
            #expect(code { _ = try waiter.wait(until: .never) } == .aborted)
            #expect(Instant.now - began == .seconds(9))
            caller.join()
        }
    }

    @Test("a pair takes from its origin alone, and is told where nobody is")
    func datagrams() throws {
        try World(seed: 1).run {
            let network = try #require(MemoryNetwork.current)
            let pair = try DatagramPair(localAddress: Self.host)
            #expect(pair.port(of: .rtp).isMultiple(of: 2) && pair.port(of: .rtcp) == pair.port(of: .rtp) + 1)
            let (origin, stranger) = (
                try #require(network.bindDatagrams(host: Self.host, port: 0)),
                try #require(network.bindDatagrams(host: Self.host, port: 0))
            )
            let place = MemoryDatagrams.Place(host: Self.host, port: Int(pair.port(of: .rtp)))
            func taken() throws -> [[UInt8]] {
                var taken: [[UInt8]] = []
                _ = try pair.receive(from: .rtp) { taken.append(Array($0)) }
                return taken
            }
            // Before it is connected the stranger's lies there as well.
            #expect(stranger.send([1], to: place) && origin.send([2], to: place))
            try pair.connect(to: Self.host, rtpPort: UInt16(origin.place.port), rtcpPort: nil)
            #expect(stranger.send([3], to: place) && origin.send([4], to: place))
            #expect(try taken() == [[2], [4]])
            #expect(try ([5] as [UInt8]).withUnsafeBytes { try pair.send($0, on: .rtp) })
            #expect(origin.receive() != .nothing)
            let waiter = try SocketWaiter(abort: AbortSwitch())
            waiter.watch(pair.descriptor(of: .rtp), for: .input)
            #expect(try waiter.wait(until: .now).isEmpty)
            origin.close()
            #expect(try ([6] as [UInt8]).withUnsafeBytes { try pair.send($0, on: .rtp) })
            #expect(try waiter.wait(until: .never) == .socket)
            #expect(code { _ = try taken() } == .refused)
            #expect(try taken().isEmpty)
            pair.close()
            #expect(pair.descriptor(of: .rtp) == -1)
            stranger.close()
            // Its ports are free again.
            let ports = UInt16(place.port)...UInt16(place.port + 1)
            #expect(try DatagramPair(localAddress: Self.host, ports: ports).port(of: .rtp) == ports.lowerBound)
        }
    }
}
