internal import Glibc

/// A UDP socket of the kernel's.
final class DatagramSocket: DatagramCarrier {
    private(set) var descriptor: Int32
    let port: UInt16
    private let batchCount: Int
    private lazy var slots = DatagramSlots(count: batchCount)

    /// - Parameter port: 0 for any.
    /// - Returns: `nil` when the port is taken or not for us.
    init?(bound local: SocketAddress, _ port: UInt16, batchCount: Int) throws(SystemError) {
        let kind = Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(local.family, kind, 0)
        guard descriptor >= 0 else { throw SystemError(number: errno) }
        var address = local
        address.port = port
        guard address.withPointer({ bind(descriptor, $0, $1) }) == 0, let own = SocketAddress(localOf: descriptor)
        else {
            let systemError = errno
            Glibc.close(descriptor)
            if systemError == EADDRINUSE || systemError == EACCES { return nil }
            throw SystemError(number: systemError)
        }
        self.descriptor = descriptor
        self.port = own.port
        self.batchCount = batchCount
    }

    deinit { close() }

    func close() {
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
    }

    func growReceiveBuffer(to size: Int) -> Int {
        var size = Int32(clamping: size)
        let length = socklen_t(MemoryLayout<Int32>.size)
        // The first goes beyond the system's limit, but may not be allowed.
        if setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &size, length) != 0 {
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, length)
        }
        var granted: Int32 = 0
        var grantedLength = length
        getsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &granted, &grantedLength)
        return Int(granted)
    }

    func connect(to peer: SocketAddress) throws(SystemError) {
        guard peer.withPointer({ Glibc.connect(descriptor, $0, $1) }) == 0 else { throw SystemError(number: errno) }
    }

    func send(_ bytes: UnsafeRawBufferPointer) throws(SystemError) -> Bool {
        while true {
            let count = Glibc.send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
            if count >= 0 { return true }
            switch errno {
            case EINTR: continue
            case EAGAIN, ENOBUFS: return false
            case let systemError: throw SystemError(number: systemError)
            }
        }
    }

    func receive(
        from peer: SocketAddress?, onAnyPort: Bool, _ body: (UnsafeRawBufferPointer) -> Void
    ) throws(SystemError) -> Int {
        let count = slots.receive(from: descriptor)
        guard count >= 0 else { throw SystemError(number: errno) }
        for index in 0..<count {
            if let peer, !slots.sender(of: index, is: peer, onAnyPort: onAnyPort) { continue }
            body(slots[index])
        }
        return count
    }
}
