internal import Glibc
internal import Testing
internal import ThroughlineCore
internal import ThroughlineTransport

@Suite(.timeLimit(.minutes(25)))
struct DatagramPairTests {
    /// The origin's end: two sockets of no particular ports.
    private final class Origin {
        let rtp: (descriptor: Int32, port: Int)
        let rtcp: (descriptor: Int32, port: Int)
        let host: String
        private let onIPv6: Bool

        init(onIPv6: Bool = false) {
            self.onIPv6 = onIPv6
            host = onIPv6 ? "::1" : "127.0.0.1"
            rtp = boundSocket(SOCK_DGRAM, onIPv6: onIPv6)
            rtcp = boundSocket(SOCK_DGRAM, onIPv6: onIPv6)
            for descriptor in [rtp.descriptor, rtcp.descriptor] {
                var timeout = timeval(tv_sec: 5, tv_usec: 0)
                setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
            }
        }

        deinit {
            close(rtp.descriptor)
            close(rtcp.descriptor)
        }

        /// On loopback a datagram has arrived when this returns.
        func send(_ bytes: [UInt8], to port: UInt16, from descriptor: Int32) {
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(onIPv6 ? AF_INET6 : AF_INET)
            address.sin6_port = port.bigEndian
            var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
            withUnsafeMutablePointer(to: &address) { address in
                if onIPv6 {
                    address.pointee.sin6_addr = in6addr_loopback
                } else {
                    length = socklen_t(MemoryLayout<sockaddr_in>.size)
                    address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                        $0.pointee.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
                    }
                }
                address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                    #expect(sendto(descriptor, bytes, bytes.count, 0, address, length) == bytes.count)
                }
            }
        }

        func receive(on descriptor: Int32) -> [UInt8] {
            var bytes = [UInt8](repeating: 0, count: 2048)
            let count = recv(descriptor, &bytes, bytes.count, 0)
            return Array(bytes.prefix(max(0, count)))
        }
    }

    private func connected(to origin: Origin) throws -> DatagramPair {
        let pair = try DatagramPair(localAddress: origin.host)
        try pair.connect(to: origin.host, rtpPort: UInt16(origin.rtp.port), rtcpPort: UInt16(origin.rtcp.port))
        return pair
    }

    // MARK: Ports

    @Test(arguments: ["127.0.0.1", "::1", "0.0.0.0", "::"])
    func anEvenPortAndItsNeighbour(address: String) throws {
        for _ in 0..<20 {
            let pair = try DatagramPair(localAddress: address)
            #expect(pair.port(of: .rtp).isMultiple(of: 2) && pair.port(of: .rtp) > 0)
            #expect(pair.port(of: .rtcp) == pair.port(of: .rtp) + 1)
        }
    }

    @Test func portsWithinARange() throws {
        // A range that is free now, unless somebody is quick.
        let base = try DatagramPair(localAddress: "127.0.0.1").port(of: .rtp)
        let pair = try DatagramPair(localAddress: "127.0.0.1", ports: base...base + 1)
        #expect(pair.port(of: .rtp) == base)
        let error = failure { () throws(TransportError) in
            try DatagramPair(localAddress: "127.0.0.1", ports: base...base + 1)
        }
        #expect(error?.code == .other)
        #expect(error?.message == "no free pair of ports in \(base)-\(base + 1)")
    }

    @Test(arguments: [5...5, 4...4, 5...6, 0...1, 65535...65535])
    func rangesWithoutAPair(ports: ClosedRange<UInt16>) throws {
        let error = failure { () throws(TransportError) in
            try DatagramPair(localAddress: "127.0.0.1", ports: ports)
        }
        #expect(error?.code == .invalidOptions)
    }

    @Test func theLastPair() throws {
        let pair = try DatagramPair(localAddress: "127.0.0.1", ports: 65533...65535)
        #expect(pair.port(of: .rtp) == 65534)
    }

    @Test func addressesThatAreNotOurs() throws {
        let elsewhere = failure { () throws(TransportError) in try DatagramPair(localAddress: "192.0.2.1") }
        #expect(elsewhere?.code == .unreachable)
        let nowhere = failure { () throws(TransportError) in try DatagramPair(localAddress: "localhost") }
        #expect(nowhere?.code == .invalidOptions)
        let pair = try DatagramPair(localAddress: "127.0.0.1")
        let other = failure { () throws(TransportError) in try pair.connect(to: "::1", rtpPort: 2, rtcpPort: 3) }
        #expect(other?.code == .invalidOptions)
    }

    @Test func theBufferIsEnlarged() throws {
        let pair = try DatagramPair(localAddress: "127.0.0.1")
        let usual = boundSocket(SOCK_DGRAM, onIPv6: false).descriptor
        defer { close(usual) }
        var size: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        getsockopt(usual, SOL_SOCKET, SO_RCVBUF, &size, &length)
        #expect(pair.receiveBufferSize >= Int(size))
        #expect(pair.receiveBufferSize >= 200_000)
        #expect(fcntl(pair.descriptor(of: .rtp), F_GETFD) & FD_CLOEXEC != 0)
    }

    // MARK: Receiving

    @Test(arguments: [false, true])
    func moreThanABatch(onIPv6: Bool) throws {
        let origin = Origin(onIPv6: onIPv6)
        let pair = try connected(to: origin)
        let count = 2 * DatagramPair.batchCount + 7
        let sent = (0..<count).map { pattern(20 + $0 * 9, seed: $0) }
        for bytes in sent { origin.send(bytes, to: pair.port(of: .rtp), from: origin.rtp.descriptor) }
        let waiter = try SocketWaiter(abort: AbortSwitch())
        waiter.watch(pair.descriptor(of: .rtp), for: .input)
        #expect(try waiter.wait(until: .now + .seconds(5)) == .socket)
        var received: [[UInt8]] = []
        var batches: [Int] = []
        while batches.last != 0 { batches.append(try pair.receive(from: .rtp) { received.append(Array($0)) }) }
        #expect(batches == [64, 64, 7, 0])
        #expect(received == sent)
        #expect(try pair.receive(from: .rtcp) { _ in Issue.record("nothing was sent here") } == 0)
    }

    /// As long as UDP carries over IPv4; and as short.
    @Test(arguments: [0, 1, 1472, 2048, 2049, 20_000, 65_507])
    func lengths(length: Int) throws {
        let origin = Origin()
        let pair = try connected(to: origin)
        let long = pattern(length, seed: 5)
        origin.send([1], to: pair.port(of: .rtp), from: origin.rtp.descriptor)
        origin.send(long, to: pair.port(of: .rtp), from: origin.rtp.descriptor)
        origin.send([2], to: pair.port(of: .rtp), from: origin.rtp.descriptor)
        var received: [[UInt8]] = []
        #expect(try pair.receive(from: .rtp) { received.append(Array($0)) } == 3)
        #expect(received.count == 3 && received[0] == [1] && same(received[1], long) && received[2] == [2])
    }

    @Test func strangers() throws {
        let (origin, stranger) = (Origin(), Origin())
        let pair = try DatagramPair(localAddress: "127.0.0.1")
        var received: [[UInt8]] = []
        func receive() throws -> Int { try pair.receive(from: .rtp) { received.append(Array($0)) } }
        let port = pair.port(of: .rtp)
        // Anybody's, before it is known who the origin is.
        stranger.send([1], to: port, from: stranger.rtp.descriptor)
        #expect(try receive() == 1)
        stranger.send([2], to: port, from: stranger.rtp.descriptor)
        origin.send([3], to: port, from: origin.rtp.descriptor)
        try pair.connect(to: origin.host, rtpPort: UInt16(origin.rtp.port), rtcpPort: UInt16(origin.rtcp.port))
        stranger.send([4], to: port, from: stranger.rtp.descriptor)
        origin.send([5], to: port, from: origin.rtp.descriptor)
        // What lay there already is counted, but not handed out; what came later did not get in.
        #expect(try receive() == 3)
        #expect(received == [[1], [3], [5]])
    }

    @Test func anOriginThatDoesNotTellItsPorts() throws {
        let (origin, other) = (Origin(), Origin())
        let pair = try DatagramPair(localAddress: "127.0.0.1")
        try pair.connect(to: origin.host, rtpPort: nil, rtcpPort: UInt16(origin.rtcp.port))
        origin.send([1], to: pair.port(of: .rtp), from: origin.rtp.descriptor)
        other.send([2], to: pair.port(of: .rtp), from: other.rtp.descriptor)
        var received: [[UInt8]] = []
        #expect(try pair.receive(from: .rtp) { received.append(Array($0)) } == 2)
        #expect(received == [[1], [2]])
        #expect(failure { () throws(TransportError) in try pair.send([1], .rtp) }?.code == .other)
        #expect(try pair.send([1], .rtcp))
        // Of another address.
        try pair.connect(to: "127.0.0.2", rtpPort: nil, rtcpPort: 9)
        origin.send([3], to: pair.port(of: .rtp), from: origin.rtp.descriptor)
        #expect(try pair.receive(from: .rtp) { _ in Issue.record("a stranger's") } == 1)
    }

    // MARK: Sending

    @Test func sending() throws {
        let origin = Origin()
        let pair = try connected(to: origin)
        #expect(try pair.send([1, 2], .rtp))
        #expect(try pair.send([3], .rtcp))
        #expect(origin.receive(on: origin.rtp.descriptor) == [1, 2])
        #expect(origin.receive(on: origin.rtcp.descriptor) == [3])
        pair.close()
        #expect(failure { () throws(TransportError) in try pair.send([1], .rtp) }?.code == .aborted)
        #expect(failure { () throws(TransportError) in try pair.receive(from: .rtp) { _ in } }?.code == .aborted)
        #expect(pair.descriptor(of: .rtp) == -1)
    }

    /// Noticed where it happened, by whichever call comes next, once; and the socket goes on.
    @Test(arguments: DatagramPair.Channel.allCases, [false, true])
    func portUnreachable(channel: DatagramPair.Channel, onIPv6: Bool) throws {
        let origin = Origin(onIPv6: onIPv6)
        let gone = boundSocket(SOCK_DGRAM, onIPv6: onIPv6)
        close(gone.descriptor)
        let pair = try DatagramPair(localAddress: origin.host)
        let (rtpPort, rtcpPort) =
            channel == .rtp ? (gone.port, origin.rtcp.port) : (origin.rtp.port, gone.port)
        try pair.connect(to: origin.host, rtpPort: UInt16(rtpPort), rtcpPort: UInt16(rtcpPort))
        let other: DatagramPair.Channel = channel == .rtp ? .rtcp : .rtp
        #expect(try pair.send([1], channel))
        #expect(try pair.send([1], other))
        let waiter = try SocketWaiter(abort: AbortSwitch())
        waiter.watch(pair.descriptor(of: channel), for: .input)
        #expect(try waiter.wait(until: .now + .seconds(5)) == .socket)
        let error = failure { () throws(TransportError) in try pair.receive(from: channel) { _ in } }
        #expect(error?.code == .refused)
        let shown = onIPv6 ? "[::1]" : "127.0.0.1"
        #expect(
            error?.message
                == "\(channel == .rtp ? "RTP" : "RTCP") over UDP with \(shown):\(gone.port): Connection refused")
        #expect(try pair.receive(from: channel) { _ in } == 0)
        #expect(try pair.receive(from: other) { _ in } == 0)
        // The next call may be one that sends.
        #expect(try pair.send([1], channel))
        #expect(try waiter.wait(until: .now + .seconds(5)) == .socket)
        #expect(failure { () throws(TransportError) in try pair.send([1], channel) }?.code == .refused)
        #expect(try pair.send([1], other))
    }
}

extension DatagramPair {
    func send(_ bytes: [UInt8], _ channel: Channel) throws(TransportError) -> Bool {
        try bytes.withUnsafeBytes { bytes in Result { () throws(TransportError) in try send(bytes, on: channel) } }
            .get()
    }
}
