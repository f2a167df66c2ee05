internal import Glibc
internal import NIOCore
internal import NIOPosix

/// A port of the kernel's.
final class SocketBinding: PortBinding, @unchecked Sendable {
    // Unchecked: touched on `loop` only.
    private let loop: any EventLoop
    private var listener: (any Channel)?
    private var address: SocketAddress?
    /// A bound socket that never listens. It keeps the port ours while it is closed: nobody else is given it, and no
    /// client that calls in vain can be connected with itself because the system chose this very port for its end.
    private var reservation: CInt = -1

    init(loop: any EventLoop) { self.loop = loop }

    func reserve(host: String, port: Int) throws(OriginError) -> Int {
        guard let wanted = try? SocketAddress(ipAddress: host, port: port) else {
            throw OriginError(description: "cannot listen on \"\(host)\": not a numeric address (try 127.0.0.1)")
        }
        let domain = wanted.protocol == .inet6 ? AF_INET6 : AF_INET
        let descriptor = socket(domain, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var one: CInt = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<CInt>.size))
        let bound = wanted.withSockAddr { address, size in bind(descriptor, address, socklen_t(size)) }
        guard descriptor >= 0, bound == 0, let number = localPort(of: descriptor) else {
            let reason = String(cString: strerror(errno))
            if descriptor >= 0 { Glibc.close(descriptor) }
            throw OriginError(description: "cannot listen on \(host) port \(port): \(reason)")
        }
        reservation = descriptor
        address = try? SocketAddress(ipAddress: host, port: number)
        return number
    }

    func open(_ accepted: @escaping (any Channel, any Wire) throws -> Void) -> EventLoopFuture<Void> {
        guard let address else { return loop.makeFailedFuture(OriginError(description: "no port was reserved")) }
        nonisolated(unsafe) let accepted = accepted
        return ServerBootstrap(group: loop)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelInitializer { channel in channel.eventLoop.makeCompletedFuture { channel.closeOnExec() } }
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.maxMessagesPerRead, value: 4)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    channel.closeOnExec()
                    try accepted(channel, SocketWire(channel: channel))
                }
            }
            .bind(to: address)
            .map { self.listener = $0 }
    }

    func close() {
        // A process forked a moment ago may hold the same socket: only when it is shut down does nobody listen.
        listener?.withDescriptor { _ = shutdown($0, Int32(SHUT_RDWR)) }
        // On the loop this closes the descriptor before it returns.
        listener?.close(promise: nil)
        listener = nil
    }

    func release() {
        if reservation >= 0 { Glibc.close(reservation) }
        reservation = -1
    }
}

extension Channel {
    /// Calls `body` with the socket of a channel of the kernel's. On the channel's loop only.
    func withDescriptor(_ body: (CInt) -> Void) {
        _ = try? pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self, body)
    }

    /// Programs that this process starts do not inherit the socket: they would keep the connection, or the port, open
    /// after it was closed here.
    fileprivate func closeOnExec() { withDescriptor { _ = fcntl($0, F_SETFD, FD_CLOEXEC) } }
}

/// The port that a socket is bound to.
func localPort(of descriptor: CInt) -> Int? {
    var storage = sockaddr_storage()
    var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let result = withUnsafeMutableBytes(of: &storage) { bytes in
        bytes.baseAddress.map { getsockname(descriptor, $0.assumingMemoryBound(to: sockaddr.self), &size) } ?? -1
    }
    guard result == 0 else { return nil }
    // It stands at the same place in the addresses of both families.
    return withUnsafeBytes(of: &storage) {
        Int(UInt16(bigEndian: $0.loadUnaligned(fromByteOffset: 2, as: UInt16.self)))
    }
}
