internal import CCurl
internal import Glibc

/// The sockets that libcurl opened of late, to find the one of a connection: libcurl tells it only after a transfer.
///
/// Confined to the thread that drives libcurl.
final class OpenedSockets {
    /// More are never open at once: libcurl tries two addresses beside each other, and keeps four connections.
    private static let limit = 8

    private var descriptors: [Int32] = []

    fileprivate func opened(_ descriptor: Int32) {
        descriptors.removeAll { $0 == descriptor }
        if descriptors.count == Self.limit { descriptors.removeFirst() }
        descriptors.append(descriptor)
    }

    /// The socket with these ports. Descriptors may be closed, and be something else by now: the ports tell.
    func socket(localPort: Int, peerPort: Int) -> Int32? {
        descriptors.last { descriptor in
            port(of: descriptor, getsockname) == localPort && port(of: descriptor, getpeername) == peerPort
        }
    }

    private func port(
        of descriptor: Int32,
        _ ask: (Int32, UnsafeMutablePointer<sockaddr>?, UnsafeMutablePointer<socklen_t>?) -> Int32
    ) -> Int? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &storage) { storage in
            storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { address -> Int? in
                guard ask(descriptor, address, &length) == 0 else { return nil }
                // The port lies at the same place in both families.
                guard [AF_INET, AF_INET6].contains(Int32(address.pointee.sa_family)) else { return nil }
                return UnsafeRawPointer(address).withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                    Int(UInt16(bigEndian: $0.pointee.sin_port))
                }
            }
        }
    }
}

/// `CURLOPT_SOCKOPTFUNCTION`: called with every socket before it is connected.
func noteOpenedSocket(_ context: UnsafeMutableRawPointer?, _ socket: curl_socket_t, _ purpose: curlsocktype) -> Int32 {
    if let context { Unmanaged<OpenedSockets>.fromOpaque(context).takeUnretainedValue().opened(socket) }
    return CURL_SOCKOPT_OK
}
