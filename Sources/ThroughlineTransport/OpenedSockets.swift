internal import CCurl

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
            SocketAddress(localOf: descriptor).map { Int($0.port) } == localPort
                && SocketAddress(peerOf: descriptor).map { Int($0.port) } == peerPort
        }
    }
}

/// `CURLOPT_SOCKOPTFUNCTION`: called with every socket before it is connected.
func noteOpenedSocket(_ context: UnsafeMutableRawPointer?, _ socket: curl_socket_t, _ purpose: curlsocktype) -> Int32 {
    if let context { Unmanaged<OpenedSockets>.fromOpaque(context).takeUnretainedValue().opened(socket) }
    return CURL_SOCKOPT_OK
}
