internal import Glibc
internal import NIOCore

/// Ports of the kernel's.
final class SocketDatagramPorts: DatagramPorts {
    let ports: ClosedRange<UInt16>
    private var descriptors: [CInt]
    private let peers: [SocketAddress]

    /// - Parameters:
    ///   - local: the address to send from; its port does not matter.
    ///   - remote: the address of the client; its port does not matter.
    init?(local: SocketAddress, remote: SocketAddress, clientPorts: ClosedRange<UInt16>) {
        var found: (ClosedRange<UInt16>, [CInt])?
        // The system chooses the first; whether the next is free is luck.
        for _ in 0..<100 where found == nil {
            guard let first = Self.bound(local, port: 0), let number = localPort(of: first) else { continue }
            guard number % 2 == 0, number < 65_535, let second = Self.bound(local, port: number + 1) else {
                Glibc.close(first)
                continue
            }
            found = (UInt16(number)...UInt16(number + 1), [first, second])
        }
        guard let found else { return nil }
        (ports, descriptors) = found
        let numbers = [clientPorts.lowerBound, clientPorts.upperBound]
        peers = numbers.map { number in
            var peer = remote
            peer.port = Int(number)
            return peer
        }
    }

    private static func bound(_ address: SocketAddress, port: Int) -> CInt? {
        let type = Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let descriptor = socket(address.protocol == .inet6 ? AF_INET6 : AF_INET, type, 0)
        guard descriptor >= 0 else { return nil }
        var address = address
        address.port = port
        let result = address.withSockAddr { address, size in bind(descriptor, address, socklen_t(size)) }
        if result == 0 { return descriptor }
        Glibc.close(descriptor)
        return nil
    }

    func send(_ packet: [UInt8], isControl: Bool) {
        guard !descriptors.isEmpty else { return }
        let index = isControl ? 1 : 0
        _ = peers[index].withSockAddr { address, size in
            packet.withUnsafeBytes {
                sendto(
                    descriptors[index], $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL), address, socklen_t(size)
                )
            }
        }
    }

    func drain() -> Bool {
        var scratch = [UInt8](repeating: 0, count: 2048)
        var isAlive = false
        for (index, descriptor) in descriptors.enumerated() {
            // A flood is not worth more than this.
            for _ in 0..<64 {
                let count = recv(descriptor, &scratch, scratch.count, 0)
                // An ICMP message shows up as an error, once.
                if count < 0 { break }
                if index == 1 { isAlive = true }
            }
        }
        return isAlive
    }

    func close() {
        for descriptor in descriptors { Glibc.close(descriptor) }
        descriptors.removeAll()
    }

    deinit { close() }
}
