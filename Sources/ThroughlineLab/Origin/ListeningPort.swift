internal import Glibc
internal import NIOCore
internal import NIOPosix

/// A port that can be closed and opened again and stays reserved meanwhile. Used on its event loop only.
final class ListeningPort: @unchecked Sendable {
    // Unchecked: touched on `loop` only.
    private let loop: any EventLoop
    private let host: String
    private let isWanted: () -> Bool
    private let accepted: (any Channel) throws -> Void
    private let tell: (OriginEvent) -> Void
    private var listener: (any Channel)?
    private var isBinding = false
    private var address: SocketAddress?
    /// A bound socket that never listens. It keeps the port ours while it is closed: nobody else is given it, and no
    /// client that calls in vain can be connected with itself because the system chose this very port for its end.
    private var reservation: CInt = -1

    /// - Parameters:
    ///   - isWanted: whether it is to be open; asked again once it is.
    ///   - accepted: prepares each connection.
    init(
        host: String, loop: any EventLoop, isWanted: @escaping () -> Bool,
        accepted: @escaping (any Channel) throws -> Void, tell: @escaping (OriginEvent) -> Void
    ) {
        self.host = host
        self.loop = loop
        self.isWanted = isWanted
        self.accepted = accepted
        self.tell = tell
    }

    /// Takes a port, 0 for any, without listening yet.
    func reserve(_ port: Int) throws(OriginError) -> Int {
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

    /// Whether `open` has something to do.
    var isClosed: Bool { listener == nil && !isBinding }

    /// Listens, if that is wanted and not so already.
    func open() -> EventLoopFuture<Void> {
        guard let address, isWanted(), isClosed else { return loop.makeSucceededVoidFuture() }
        isBinding = true
        return ServerBootstrap(group: loop)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.maxMessagesPerRead, value: 4)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try self.accepted(channel) }
            }
            .bind(to: address)
            .map { channel in
                self.isBinding = false
                self.listener = channel
                self.tell(.listening(port: address.port ?? 0))
                self.closeIfUnwanted()
            }
            .flatMapErrorThrowing { error in
                self.isBinding = false
                throw OriginError(description: "cannot listen on \(self.host) port \(address.port ?? 0): \(error)")
            }
    }

    func closeIfUnwanted() {
        guard !isWanted(), let listener else { return }
        self.listener = nil
        // On the loop this closes the descriptor before it returns.
        listener.close(promise: nil)
        tell(.closedPort)
    }

    /// Gives the port back. It must be closed.
    func release() {
        if reservation >= 0 { Glibc.close(reservation) }
        reservation = -1
    }
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
